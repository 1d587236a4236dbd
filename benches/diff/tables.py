"""Makes left.parquet, right.parquet and truth.json: tables FOLDER ROWS SEED.

Every value follows from a hash of the seed, the row and the column, so both files are written piece
by piece in their own order, and memory stays bounded whatever the number of rows.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CHANGED = 0.01
MISSING = 0.005
PIECE = 500_000
# A prime, and more than the rows there may be.
KEYS = 2**31 - 1
WORDS = ("invoice payment refund order delivery transfer fee interest deposit rent salary tax "
         "service licence freight maintenance").split()
CURRENCIES = ["EUR", "USD", "GBP", "CHF", "SEK", "PLN"]
STATUSES = ["open", "posted", "cleared", "void"]
COLUMNS = ["account", "quantity", "amount", "price", "booked", "currency", "status", "customer", "memo"]


class Table:
    """The values of a table by row number."""

    def __init__(self, seed: int):
        self.seed = np.uint64(seed)

    def hash(self, row: np.ndarray, salt: int) -> np.ndarray:
        """64 mixed bits (the finaliser of SplitMix64: Steele, Lea and Flood 2014)."""
        with np.errstate(over="ignore"):
            bits = row.astype(np.uint64) * np.uint64(64) + np.uint64(salt)
            bits += self.seed * np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return bits ^ (bits >> np.uint64(31))

    def below(self, row: np.ndarray, salt: int, bound: int) -> np.ndarray:
        """Numbers below a bound."""
        return (self.hash(row, salt) % np.uint64(bound)).astype(np.int64)

    def fate(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which rows are missing left, missing right, and changed: shares of one draw."""
        draw = self.hash(row, 60).astype(np.float64) / 2.0**64
        left, right = draw < MISSING, (draw >= MISSING) & (draw < 2 * MISSING)
        return left, right, (draw >= 2 * MISSING) & (draw < 2 * MISSING + CHANGED)

    def changes(self, row: np.ndarray, column: int) -> np.ndarray:
        """Whether a changed row differs in a column: mostly in one, in every fourth row in two."""
        first = self.below(row, 61, len(COLUMNS))
        second = (first + 1 + self.below(row, 62, len(COLUMNS) - 1)) % len(COLUMNS)
        return (first == column) | ((second == column) & (self.below(row, 63, 4) == 0))

    def batch(self, row: np.ndarray, copy: bool) -> pa.RecordBatch:
        """The rows of these numbers, with the changes if it is the copy's."""
        changed = self.fate(row)[2] & copy

        def differs(column: str) -> np.ndarray:
            return (changed & self.changes(row, COLUMNS.index(column))).astype(np.int64)

        def pick(column: str, salt: int, choice: list[str]) -> pa.Array:
            return words((self.below(row, salt, len(choice)) + differs(column)) % len(choice), choice)

        digits = self.below(row, 8, 10**9) + 10**9 + differs("customer")
        parts = [words(self.below(row, salt, len(WORDS)), WORDS) for salt in (9, 10)]
        number = pa.array(self.below(row, 11, 10**6) + differs("memo")).cast(pa.string())
        memo = pc.binary_join_element_wise(*parts, number, " ")
        return pa.record_batch({
            # A step prime to the modulus visits every number once: keys are sparse and in no order.
            "id": pa.array((row * 1_000_003 + 12_345) % KEYS),
            "account": pa.array((self.below(row, 1, 50_000) + differs("account")).astype(np.int32)),
            "quantity": pa.array(self.below(row, 2, 10_000) + differs("quantity")),
            "amount": decimal(self.below(row, 3, 10**8) - 10**7 + differs("amount"), 2),
            "price": decimal(self.below(row, 4, 10**7) + differs("price"), 4),
            "booked": pa.array((18_000 + self.below(row, 5, 2_500) + differs("booked")).astype(np.int32),
                               pa.int32()).cast(pa.date32()),
            "currency": pick("currency", 6, CURRENCIES),
            "status": pick("status", 7, STATUSES),
            "customer": pc.binary_join_element_wise("C", pa.array(digits).cast(pa.string()), ""),
            "memo": memo,
        })


def words(index: np.ndarray, choice: list[str]) -> pa.Array:
    """Texts out of a list."""
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), choice).cast(pa.string())


def decimal(unscaled: np.ndarray, scale: int) -> pa.Array:
    """decimal(18, scale) of these digits: 128 bits, the upper half being the sign."""
    words = np.stack([unscaled, unscaled >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(unscaled), [None, pa.py_buffer(words)])


def write(path: Path, table: Table, order: np.ndarray, copy: bool) -> None:
    """Writes the rows of these numbers in this order."""
    writer = None
    for start in range(0, len(order), PIECE):
        batch = table.batch(order[start : start + PIECE], copy)
        writer = writer or pq.ParquetWriter(path, batch.schema)
        writer.write_batch(batch)
    writer.close()


def main(folder: Path, rows: int, seed: int) -> None:
    """Writes the three files."""
    table = Table(seed)
    row = np.arange(rows, dtype=np.int64)
    left_missing, right_missing, changed = table.fate(row)
    differing = row[changed]
    cells = sum(int(table.changes(differing, column).sum()) for column in range(len(COLUMNS)))
    truth = {"left_only": int(right_missing.sum()), "right_only": int(left_missing.sum()),
             "differing_rows": len(differing), "differing_cells": cells}
    (folder / "truth.json").write_text(json.dumps(truth))
    write(folder / "left.parquet", table, row[~left_missing], copy=False)
    right = row[~right_missing]
    np.random.Generator(np.random.PCG64(seed)).shuffle(right)
    write(folder / "right.parquet", table, right, copy=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
