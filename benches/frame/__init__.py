"""Runs contests between programs: each as a process of its own, in turns, checked against truth."""
