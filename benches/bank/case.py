"""A ledger against the bank's statement: 50,000 generated rows a side with the noise of life, one to
one. From CSV to pairs, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from frame import pairs
from frame.contest import Bench, Contest

HERE = Path(__file__).resolve().parent


def contests(bench: Bench) -> Iterator[Contest]:
    """One round for each seed."""
    rounds = bench.repeated(bench.generated("bank", bench.size(50_000, 5_000)))
    yield Contest("bank", __doc__, rounds, [
        bench.ours(HERE / "job.yaml", pairs.ours),
        bench.peer("Splink", HERE / "splink_link.py", pairs.peers),
    ])
