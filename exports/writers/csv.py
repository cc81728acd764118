"""CSV that a spreadsheet opens as it was meant: UTF-8 with a mark, and no cell that computes.

How cells that would compute are made harmless, neutral.py tells (Q17). Numbers are written bare and
stay numbers; text is always quoted. Times are in UTC, to the second.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import closing
from decimal import Decimal

from exports.writers.bulk import Bulk
from exports.writers.files import Part
from exports.writers.neutral import neutral_in_csv, neutral_lines
from exports.writers.plain import Cell, plain
from exports.writers.writer import Head, Writer

BOM = b"\xef\xbb\xbf"


class CsvWriter(Writer):
    """The mark and the header row, then row after row."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        super().__init__(part, heads)
        self.out.write(BOM + body([[head.heading for head in heads]]))

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        self.out.write(body(rows))

    def take(self, rows: Bulk) -> None:
        if not rows.has_lines:
            super().take(rows)
            return
        with closing(rows.lines()) as some:
            for lines in some:
                self.out.write(neutral_lines(lines))


def body(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return these rows, neutralised."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(
        [_form(cell) for cell in row] for row in rows
    )
    return text.getvalue().encode()


def _form(cell: Cell) -> str | int | Decimal:
    if isinstance(cell, str):
        return neutral_in_csv(cell)
    return cell if isinstance(cell, int | Decimal) else plain(cell)
