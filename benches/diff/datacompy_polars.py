"""The diff by datacompy on polars: datacompy_polars DATA OUT TMP.

Its text report is left out: it takes many times as long as the comparison, and counts and rows come
from the object itself.
"""

from __future__ import annotations

import json

import polars as pl
from datacompy import PolarsCompare

from frame.peer import places


def main() -> None:
    data, out, _ = places()
    left, right = pl.read_parquet(data / "left.parquet"), pl.read_parquet(data / "right.parquet")
    compare = PolarsCompare(left, right, join_columns="id", df1_name="left", df2_name="right")
    compare.df1_unq_rows.write_parquet(out / "left_only.parquet")
    compare.df2_unq_rows.write_parquet(out / "right_only.parquet")
    differing = compare.all_mismatch(ignore_matching_cols=True)
    differing.write_parquet(out / "differences.parquet")
    counts = {"left_only": compare.df1_unq_rows.height, "right_only": compare.df2_unq_rows.height,
              "differing_rows": compare.intersect_rows.height - compare.count_matching_rows(),
              "differing_cells": sum(stat["unequal_cnt"] for stat in compare.column_stats)}
    (out / "counts.json").write_text(json.dumps(counts))


main()
