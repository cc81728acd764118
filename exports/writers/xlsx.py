"""XLSX: text as text, numbers as numbers, days as days, and never a formula.

A text cell, headers included, is written with the type of text whatever it says, so `=1+1` is no
formula and `#N/A` no error; the apostrophe of CSV (Q17) is there too, since a sheet is often saved
as CSV afterwards. What a sheet cannot hold is changed and not dropped: a character that XML does
not know becomes U+FFFD, a carriage return a line feed, text longer than a cell is cut with an
ellipsis, a day before 1900-03-01, from where spreadsheets count alike, is text. Times are in UTC,
to the second.

Sheets go straight into the archive, row by row; see sheet.py. The library by itself would first
write each as a plain file into the system's temporary folder, where a killed worker would leave it
to be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.packaging.relationship import RelationshipList
from openpyxl.writer.excel import ExcelWriter

from exports.tables import Kind
from exports.writers.files import Part
from exports.writers.neutral import COMPUTES, neutral
from exports.writers.plain import Cell
from exports.writers.sheet import Sheet, Styles
from exports.writers.writer import Head, Writer

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""
MOST_BYTES = 1_500_000_000
"""Of a sheet's XML: from 2 GiB an archive has a form that not every spreadsheet reads."""
LONGEST = 32_767
"""Characters of a cell, counted as UTF-16 does."""

_UNKNOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# `_x0041_` means “A” in a sheet, so text that says it has its first mark written in that way.
_CODE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_WIDTHS = {Kind.DATE: 12, Kind.MOMENT: 20}


class XlsxWriter(Writer):
    """A workbook whose sheets are written one after the other."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        super().__init__(part, heads)
        # typeshed asks for a file that can seek; one that cannot is written in a single pass.
        sink: Any = self.out
        # A tenth larger than by the usual level, 6, in half the time.
        self.archive = ZipFile(sink, "w", ZIP_DEFLATED, compresslevel=4)
        self.book = Workbook(write_only=True)
        self.stream: IO[bytes] | None = None
        self.book.properties.creator = "crmperms"
        self.styles: Styles | None = None
        self._begin_sheet()

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        for row in rows:
            if self.sheet.rows > MOST_ROWS or self.sheet.size >= MOST_BYTES:
                self._end_sheet()
                self._begin_sheet()
            self.sheet.add(row)

    def finish(self) -> None:
        self._end_sheet()
        _Rest(self.book, self.archive).save()

    def let_go(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.archive.close()

    def _begin_sheet(self) -> None:
        number = len(self.book.worksheets) + 1
        sheet: Any = self.book.create_sheet("Records" if number == 1 else f"Records {number}")
        sheet._id = number
        if self.styles is None:
            self.styles = Styles(_style(sheet, date.max), _style(sheet, datetime.max))  # noqa: DTZ901  # examples
        self.stream = self.archive.open(sheet.path[1:], "w")
        widths = [_WIDTHS.get(head.kind, 16) for head in self.heads]
        self.sheet = Sheet(self.stream.write, widths, self.styles, written)
        self.sheet.add([head.heading for head in self.heads])

    def _end_sheet(self) -> None:
        assert self.stream is not None
        self.sheet.end()
        self.stream.close()
        self.stream = None


def _style(sheet: Any, example: date) -> int:
    """Return the number of the style that the library gives to such a value."""
    cell: Any = WriteOnlyCell(sheet)
    cell.value = example
    number: int = cell.style_id
    return number


def written(text: str) -> str:
    """Return text as a cell of a sheet has it: nothing computes, and a sheet can hold all of it."""
    if not (text.isascii() and text.isprintable()):
        return holdable(neutral(text))
    # Most text: what begins with a sign, behind spaces or not, is all that could compute.
    if text.lstrip(" ").startswith(COMPUTES):
        text = f"'{text}"
    return holdable(text) if "_x" in text or len(text) * 2 > LONGEST else text


def holdable(text: str) -> str:
    """Return text as a cell of a sheet can hold it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CODE.sub("_x005F_", _UNKNOWN.sub("\ufffd", text))
    if len(text) * 2 > LONGEST and len(text.encode("utf-16-le")) > LONGEST * 2:
        kept = text.encode("utf-16-le")[: (LONGEST - 1) * 2]
        text = kept.decode("utf-16-le", "ignore") + "…"
    return text


class _Rest(ExcelWriter):
    """Everything in the archive beside the sheets, which are in it already."""

    def write_worksheet(self, ws: Any) -> None:
        ws._drawing = None
        ws._rels = RelationshipList()
        self.manifest.append(ws)
