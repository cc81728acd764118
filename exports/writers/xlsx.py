"""XLSX: text as text, numbers as numbers, days as days, and never a formula.

A text cell, headers included, is written with the type of text whatever it says, so `=1+1` is no
formula and `#N/A` no error; the apostrophe of CSV (Q17) is there too, since a sheet is often saved
as CSV afterwards. What a sheet cannot hold is changed and not dropped: a character that XML does
not know becomes U+FFFD, a carriage return a line feed, text longer than a cell is cut with an
ellipsis, a day before 1900-03-01, from where spreadsheets count alike, is text. Times are in UTC,
to the second.

Sheets go straight into the archive, row by row. The library by itself would first write each as a
plain file into the system's temporary folder, where a killed worker would leave it to be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._writer import WorksheetWriter
from openpyxl.writer.excel import ExcelWriter

from exports.tables import Kind
from exports.writers.files import Part
from exports.writers.neutral import neutral
from exports.writers.writer import Cell, Head, Writer

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""
MOST_BYTES = 1_500_000_000
"""Of a sheet's XML: from 2 GiB an archive has a form that not every spreadsheet reads."""
LONGEST = 32_767
"""Characters of a cell, counted as UTF-16 does."""
COUNTED_FROM = date(1900, 3, 1)

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
        self.archive = ZipFile(sink, "w", ZIP_DEFLATED)
        self.book = Workbook(write_only=True)
        self.book.properties.creator = "crmperms"
        self._begin_sheet()

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        for row in rows:
            if self.rows >= MOST_ROWS or self.stream.size >= MOST_BYTES:
                self._end_sheet()
                self._begin_sheet()
            self.sheet.append([self._form(cell) for cell in row])
            self.rows += 1

    def finish(self) -> None:
        self._end_sheet()
        _Rest(self.book, self.archive).save()

    def let_go(self) -> None:
        if not self.sheet.closed:
            self._end_sheet()
        self.archive.close()

    def _begin_sheet(self) -> None:
        number = len(self.book.worksheets) + 1
        self.sheet: Any = self.book.create_sheet("Records" if number == 1 else f"Records {number}")
        self.sheet._id = number
        self.sheet.freeze_panes = "A2"
        for position, head in enumerate(self.heads, 1):
            width = _WIDTHS.get(head.kind, 16)
            self.sheet.column_dimensions[get_column_letter(position)].width = width
        self.stream = _Counted(self.archive.open(self.sheet.path[1:], "w"))
        self.sheet._writer = WorksheetWriter(self.sheet, out=self.stream)
        self.sheet._writer.write_top()
        self.rows = 0
        self.sheet.append([self._text(head.heading) for head in self.heads])

    def _end_sheet(self) -> None:
        self.sheet.close()
        self.stream.close()

    def _form(self, cell: Cell) -> Any:
        if isinstance(cell, str):
            return self._text(cell)
        if isinstance(cell, datetime):
            cell = cell.astimezone(UTC).replace(tzinfo=None, microsecond=0)
            return cell if cell.date() >= COUNTED_FROM else cell.isoformat(" ")
        if isinstance(cell, date):
            return cell if cell >= COUNTED_FROM else cell.isoformat()
        return cell if isinstance(cell, int | Decimal) else None

    def _text(self, text: str) -> Any:
        text = holdable(neutral(text))
        if not text.startswith(("=", "#")):
            return text
        # The library would make a formula or an error of it.
        cell = WriteOnlyCell(self.sheet, value=text)
        cell.data_type = "s"
        return cell


def holdable(text: str) -> str:
    """Return text as a cell of a sheet can hold it."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CODE.sub("_x005F_", _UNKNOWN.sub("\ufffd", text))
    if len(text) * 2 > LONGEST and len(text.encode("utf-16-le")) > LONGEST * 2:
        kept = text.encode("utf-16-le")[: (LONGEST - 1) * 2]
        text = kept.decode("utf-16-le", "ignore") + "…"
    return text


class _Counted:
    """A file in the archive that knows how long it has become."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0

    def write(self, data: Any, /) -> int:  # its type, any buffer, has a name only from 3.12
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """The archive compresses, and flushes as it likes."""

    def close(self) -> None:
        self._file.close()


class _Rest(ExcelWriter):
    """Everything in the archive beside the sheets, which are in it already."""

    def write_worksheet(self, ws: Any) -> None:
        ws._drawing = None
        ws._rels = ws._writer._rels
        self.manifest.append(ws)
