"""What the peers' scripts share: their folders, and a DuckDB that keeps to its limits."""

from __future__ import annotations

import sys
from pathlib import Path

THREADS = 2


def places() -> tuple[Path, Path, Path]:
    """The folders for data, output and temporary files."""
    data, out, tmp = map(Path, sys.argv[1:4])
    return data, out, tmp


def duck(tmp: Path, memory: str = "16GB"):
    """A DuckDB in memory that spills to `tmp`, 40 GB at most."""
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"set threads={THREADS}")
    connection.execute(f"set memory_limit='{memory}'")
    connection.execute(f"set temp_directory='{tmp}'")
    connection.execute("set max_temp_directory_size='40GB'")
    return connection
