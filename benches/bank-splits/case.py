"""The bank with a fifth of the payments in parts: one entry paid in 2 to 6 lines, or 2 to 6 entries
paid in one. No peer links groups by their sum."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from frame import pairs
from frame.contest import Bench, Contest

HERE = Path(__file__).resolve().parent


def contests(bench: Bench) -> Iterator[Contest]:
    """One round for each seed."""
    rows = bench.size(50_000, 5_000)
    rounds = bench.repeated(bench.generated("bank", rows, "--splits", "0.2"))
    yield Contest("bank-splits", __doc__, rounds, [bench.ours(HERE / "job.yaml", pairs.ours)])
