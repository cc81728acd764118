"""CSV that a spreadsheet opens as it was meant: UTF-8 with a mark, and no cell that computes.

Every text cell, headers and phone numbers included, that starts with one of `= + - @`, a tab or a
carriage return gets a leading apostrophe; there is no exemption for text that looks like a number,
since `-5"|cmd` looks like one too (Q17, performance.md). Numbers are written bare and stay numbers;
text is always quoted, so that a spreadsheet that splits at semicolons finds no cell inside a cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from exports.writers.rows import Cell

BOM = b"\xef\xbb\xbf"
COMPUTES = ("=", "+", "-", "@", "\t", "\r")


def head(labels: Sequence[str]) -> bytes:
    """Return the beginning of the file: the mark and the header row."""
    return BOM + body([list(labels)])


def body(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return these rows, neutralised."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(
        [neutral(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return text.getvalue().encode()


def neutral(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(COMPUTES) else text
