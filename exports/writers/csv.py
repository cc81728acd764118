"""CSV that a spreadsheet opens as it was meant: UTF-8 with a mark, and no cell that computes.

Every text cell, headers and phone numbers included, that starts with one of `= + - @`, a tab or a
line break gets a leading apostrophe; there is no exemption for text that looks like a number,
since `-5"|cmd` looks like one too (Q17, performance.md). The same for full-width and other forms of
these signs, which spreadsheets in East Asian languages read alike, behind whatever nobody sees, and
at the start of each line of a cell: what is pasted from it, or read without regard to its quotes,
is a cell of its own. Numbers are written bare and stay numbers;
text is always quoted, so that a spreadsheet that splits at semicolons finds no cell inside a cell.
Times are in UTC, to the second.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from accounts.text import shows
from exports.writers.files import Part
from exports.writers.rows import Cell
from exports.writers.writer import Head, Writer

BOM = b"\xef\xbb\xbf"
COMPUTES = ("=", "+", "-", "@", "\t", "\r", "\n")
# Also as full-width and small forms, raised, lowered, in Hebrew, and as the sign of mathematics.
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207c\u207a\u208c\u208a\ufb29\u2212"
_ANY_SIGN = re.compile(f"[{re.escape(SIGNS)}]")


class CsvWriter(Writer):
    """The mark and the header row, then row after row."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        super().__init__(part, heads)
        self.out.write(BOM + body([[head.heading for head in heads]]))

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        self.out.write(body(rows))


def body(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return these rows, neutralised."""
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC).writerows(
        [_form(cell) for cell in row] for row in rows
    )
    return text.getvalue().encode()


def _form(cell: Cell) -> str | int | Decimal:
    if isinstance(cell, str):
        return neutral(cell)
    return cell if isinstance(cell, int | Decimal) else plain(cell)


def plain(cell: Cell) -> str:
    """Return a cell as text for people; empty for nothing."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return cell.isoformat()
    return "" if cell is None else str(cell)


def neutral(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, as a whole or line by line."""
    if _ANY_SIGN.search(text):  # as a rule there is none, and nothing to look at
        lines = text.splitlines(keepends=True)
        text = "".join(f"'{line}" if _computes(line) else line for line in lines)
    return f"'{text}" if text.startswith(COMPUTES) else text


def _computes(line: str) -> bool:
    """Tell whether the first character of a line that anybody sees begins a formula."""
    if line[0].isascii() and line[0].isalnum():
        return False
    return line[0] in SIGNS or next(filter(shows, line), " ") in SIGNS
