"""Facts of contenders that write pairs."""

from __future__ import annotations

from . import quality
from .contest import Place


def ours(place: Place) -> dict:
    """The quality of our pairs."""
    return quality.of(place.out / "results" / "pairs.parquet", place.data / "truth.csv")


def peers(place: Place) -> dict:
    """The quality of a peer's pairs."""
    return quality.of(place.out / "pairs.parquet", place.data / "truth.csv")
