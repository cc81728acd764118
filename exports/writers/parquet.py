"""Parquet for analysis: typed columns, compressed with zstd, nulls where a cell is empty.

Text stays as it is: this is typed data, which no spreadsheet takes for a formula, and an apostrophe
would falsify it (Q17 is about spreadsheets).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it comes without types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it comes without types

from exports.tables import Kind
from exports.writers.files import Part
from exports.writers.plain import Cell
from exports.writers.writer import Head, Writer

ROW_GROUP = 50_000
"""Rows that are kept until they are written together: small groups compress badly."""
DIGITS = 38
"""As many as a decimal number can have here, since SQLite does not hold values to the model's."""

_TYPES: dict[Kind, Any] = {
    Kind.INTEGER: pa.int64(),
    Kind.DATE: pa.date32(),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
}


class ParquetWriter(Writer):
    """Chunks become record batches, and batches row groups."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        super().__init__(part, heads)
        self.schema = pa.schema([pa.field(head.heading, _type(head)) for head in heads])
        self.batches: list[Any] = []
        self.waiting = 0
        file = pa.PythonFile(self.out, mode="w")
        self.file = pq.ParquetWriter(file, self.schema, compression="zstd")

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        columns = zip(*rows, strict=True) if rows else [()] * len(self.heads)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, self.schema, strict=True)
        ]
        self.batches.append(pa.record_batch(arrays, self.schema))
        self.waiting += len(rows)
        if self.waiting >= ROW_GROUP:
            self._write_group()

    def finish(self) -> None:
        if self.batches:
            self._write_group()
        self.file.close()

    def let_go(self) -> None:
        self.file.close()

    def _write_group(self) -> None:
        self.file.write_table(pa.Table.from_batches(self.batches, self.schema))
        self.batches, self.waiting = [], 0


def _type(head: Head) -> Any:
    if head.kind is Kind.DECIMAL:
        return pa.decimal128(DIGITS, head.places)
    return _TYPES.get(head.kind, pa.string())
