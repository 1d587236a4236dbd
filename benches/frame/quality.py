"""Precision, recall and F1 of pairs and of groups. As a program: quality PAIRS TRUTH, prints JSON.

PAIRS is a CSV or Parquet file with `left_key` and `right_key`; rows whose `outcome` is neither
`matched` nor `differing` are left out. A group is what hangs together by pairs: it counts as found
when the pairs found have exactly its members in one group.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path


def of(pairs: Path, truth: Path) -> dict:
    """The figures, computed in a process of its own, so that this one stays small."""
    import os

    command = [os.environ["BENCH_PYTHON"], __file__, str(pairs), str(truth)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def rates(found: int, true: int, both: int) -> tuple[float, float, float]:
    """Precision, recall and F1 of sets of these sizes with so many in both."""
    precision = both / found if found else 0.0
    recall = both / true if true else 0.0
    f1 = 2 * both / (found + true) if found + true else 0.0
    return precision, recall, f1


def groups(pairs: list[tuple[str, str]]) -> set[tuple]:
    """The connected components, each as its sorted members."""
    parent: dict = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in pairs:
        parent[root(("l", left))] = root(("r", right))
    members = defaultdict(list)
    for node in list(parent):
        members[root(node)].append(node)
    return {tuple(sorted(group)) for group in members.values()}


def main(pairs_path: str, truth_path: str) -> dict:
    """Reads both files and compares them."""
    import duckdb

    def read(path: str, condition: str) -> list[tuple[str, str]]:
        reader = "read_parquet(?)" if path.endswith(".parquet") else "read_csv(?, all_varchar=true)"
        columns = [row[0] for row in duckdb.execute(f"describe select * from {reader}", [path]).fetchall()]
        where = condition if "outcome" in columns else "true"
        query = f"""select distinct left_key::varchar, right_key::varchar from {reader}
                    where {where} and left_key is not null and right_key is not null"""
        return duckdb.execute(query, [path]).fetchall()

    found = read(pairs_path, "outcome in ('matched', 'differing')")
    true = read(truth_path, "true")
    precision, recall, f1 = rates(len(found), len(true), len(set(found) & set(true)))
    facts = {"pairs": len(found), "precision": precision, "recall": recall, "f1": f1}
    if len({left for left, _ in true}) < len(true) or len({right for _, right in true}) < len(true):
        found_groups, true_groups = groups(found), groups(true)
        both = len(found_groups & true_groups)
        precision, recall, f1 = rates(len(found_groups), len(true_groups), both)
        facts |= {"group_precision": precision, "group_recall": recall, "group_f1": f1}
        # Whether splits were found is hidden by the many single pairs, so they are also told alone.
        split = [{group for group in some if len(group) > 2} for some in (found_groups, true_groups)]
        facts["split_f1"] = rates(len(split[0]), len(split[1]), len(split[0] & split[1]))[2]
    return facts


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
