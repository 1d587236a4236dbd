"""A table against its copy: both sides keyed, the copy shuffled, 1 % of the rows changed, 0.5 %
missing on either side. In: Parquet. Out: counts, and a Parquet file with every difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from frame.contest import Bench, Contest, Place

HERE = Path(__file__).resolve().parent
MILLION = 1_000_000


def contests(bench: Bench) -> Iterator[Contest]:
    """Growth without a limit, and 10 million rows under limits."""
    for rows in (1, 10, 30):
        yield contest(bench, rows * bench.size(MILLION, MILLION // 100), "")
    for limit in ("1Gi", "256Mi"):
        yield contest(bench, 10 * bench.size(MILLION, MILLION // 100), limit)


def contest(bench: Bench, rows: int, limit: str) -> Contest:
    """One size under one limit."""
    seed = bench.seeds[0]
    data = bench.made(f"diff-{rows}-{seed}", HERE / "tables.py", str(rows), str(seed))
    count = f"{rows / MILLION:g} M" if rows >= MILLION else f"{rows:,}"
    contenders = [
        bench.ours(HERE / "job.yaml", ours, "parquet", f"memory: {limit}" if limit else ""),
        bench.peer("DuckDB", HERE / "duckdb_sql.py", peer, *([limit + "B"] if limit else [])),
    ]
    # datacompy has no limit to set, and beyond 10 M rows it takes more memory than the machine has.
    if not limit and rows <= 10 * MILLION:
        contenders.append(bench.peer("datacompy on polars", HERE / "datacompy_polars.py", peer))
    return Contest(f"diff {count}{', ' + limit if limit else ''}", __doc__, bench.repeated([data]),
                   contenders, expected)


def expected(data: Path) -> dict:
    """What is there, counted while the tables were made."""
    return json.loads((data / "truth.json").read_text())


def peer(place: Place) -> dict:
    """The counts that a peer's script wrote."""
    return json.loads((place.out / "counts.json").read_text())


def ours(place: Place) -> dict:
    """Our counts: outcomes from the summary, cells from the file of differences."""
    import pyarrow.parquet

    results = place.out / "results"
    summary = json.loads((results / "summary.json").read_text())
    return {"left_only": summary["left"]["unmatched"], "right_only": summary["right"]["unmatched"],
            "differing_rows": summary["left"]["differing"],
            "differing_cells": pyarrow.parquet.read_metadata(results / "differences.parquet").num_rows}
