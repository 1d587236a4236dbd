"""Loads the API on a database of production size, and measures routes, queries, memory and index builds."""
