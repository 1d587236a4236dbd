"""Two lists of customers, a million generated rows each, four fifths on both. Three blocks. From CSV
to pairs, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from frame import pairs
from frame.contest import Bench, Contest

HERE = Path(__file__).resolve().parent


def contests(bench: Bench) -> Iterator[Contest]:
    """One round for each seed."""
    rounds = bench.repeated(bench.generated("persons", bench.size(1_000_000, 20_000)))
    yield Contest("persons", __doc__, rounds, [
        bench.ours(HERE / "job.yaml", pairs.ours),
        bench.peer("Splink", HERE / "splink_link.py", pairs.peers),
    ], seconds=3600)
