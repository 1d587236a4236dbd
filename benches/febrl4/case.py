"""febrl4, real data of its field: two lists of 5,000 persons, every one on both, with typing errors.
From CSV to pairs, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from frame import pairs
from frame.contest import BENCHES, Bench, Contest

HERE = Path(__file__).resolve().parent


def contests(bench: Bench) -> Iterator[Contest]:
    """The whole data set: it is small."""
    data = bench.made("febrl4", HERE / "fetch.py", str(BENCHES.parent / "examples" / "febrl4"))
    yield Contest("febrl4", __doc__, bench.repeated([data]), [
        bench.ours(HERE / "job.yaml", pairs.ours),
        bench.peer("Splink", HERE / "splink_link.py", pairs.peers),
        bench.peer("recordlinkage", HERE / "recordlinkage_ecm.py", pairs.peers),
    ])
