"""JSON Lines: one object a line, UTF-8, for programs.

Text stays as it is: this is typed data, which no spreadsheet takes for a formula, and an apostrophe
would falsify it (Q17 is about spreadsheets). Decimal numbers keep every digit, days are
`2026-01-31`, times `2026-01-31T12:00:00Z`, and what is empty is null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from exports.writers.files import Part
from exports.writers.plain import Cell
from exports.writers.writer import Head, Writer

# JSON allows them inside text; programs that split a text into lines split here too.
_BREAKS = {ord(each): f"\\u{ord(each):04x}" for each in "\x85\u2028\u2029"}


class JsonLinesWriter(Writer):
    """One object a line, its keys the headings."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        super().__init__(part, heads)
        self.keys = [_text(head.heading) for head in heads]

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        lines = []
        for row in rows:
            cells = zip(self.keys, row, strict=True)
            lines.append("{" + ",".join(f"{key}:{_form(cell)}" for key, cell in cells) + "}\n")
        self.out.write("".join(lines).encode())


def _form(cell: Cell) -> str:
    if cell is None:
        return "null"
    if isinstance(cell, str):
        return _text(cell)
    if isinstance(cell, datetime):
        return f'"{cell.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"'
    if isinstance(cell, date):
        return f'"{cell.isoformat()}"'
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).translate(_BREAKS)
