"""One sheet of a workbook as XML, row after row; no more of it is held than a few rows.

Written by hand: the library took five times as long for a cell, for what a file of records never
has (styles of single cells, formulas, links). It still makes everything around the sheets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from openpyxl.utils import get_column_letter
from openpyxl.xml.constants import SHEET_MAIN_NS

from exports.writers.plain import Cell

HELD = 65_536
"""Characters that are put together before they are written."""
COUNTED_FROM = date(1900, 3, 1)
_ZERO = date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Styles:
    """The numbers of the styles of days and times in the workbook."""

    day: int
    moment: int


class Sheet:
    """A sheet whose first row stays in sight; `write` takes its bytes."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        widths: Sequence[int],
        styles: Styles,
        text: Callable[[str], str],
    ) -> None:
        """Begin it; `text` makes of a cell's text what a sheet can hold."""
        self._write, self._text, self._styles = write, text, styles
        self._letters = [get_column_letter(n) for n in range(1, len(widths) + 1)]
        self._held: list[str] = []
        self._size = 0
        self._written = 0
        self.rows = 0
        columns = "".join(
            f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
            for n, width in enumerate(widths, 1)
        )
        self._put(
            f'<worksheet xmlns="{SHEET_MAIN_NS}"><sheetViews><sheetView workbookViewId="0">'
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            '<selection pane="bottomLeft"/></sheetView></sheetViews>'
            f'<sheetFormatPr defaultRowHeight="15"/><cols>{columns}</cols><sheetData>'
        )

    @property
    def size(self) -> int:
        """Bytes of it so far; characters, of the few rows that are held."""
        return self._written + self._size

    def add(self, row: Sequence[Cell]) -> None:
        """Write the next row."""
        self.rows += 1
        number = str(self.rows)
        cells = [
            f'<c r="{letter}{number}"{self._cell(cell)}'
            for letter, cell in zip(self._letters, row, strict=True)
            if cell is not None
        ]
        self._put(f'<row r="{number}">{"".join(cells)}</row>')

    def end(self) -> None:
        self._put("</sheetData></worksheet>")
        self._flush()

    def _put(self, xml: str) -> None:
        self._held.append(xml)
        self._size += len(xml)
        if self._size >= HELD:
            self._flush()

    def _flush(self) -> None:
        data = "".join(self._held).encode()
        self._held, self._size = [], 0
        self._written += len(data)
        self._write(data)

    def _cell(self, cell: str | int | Decimal | date) -> str:
        """Return a cell from behind its place."""
        if isinstance(cell, str):
            return self._as_text(cell)
        if isinstance(cell, int | Decimal):
            return f' t="n"><v>{cell}</v></c>'
        if isinstance(cell, datetime):
            moment = cell.astimezone(UTC).replace(tzinfo=None, microsecond=0)
            if moment.date() < COUNTED_FROM:
                return self._as_text(moment.isoformat(" "))
            since = moment - datetime(_ZERO.year, _ZERO.month, _ZERO.day)  # noqa: DTZ001  # UTC, as above
            days = since.days + since.seconds / 86_400
            return f' s="{self._styles.moment}" t="n"><v>{days:.16g}</v></c>'
        if cell < COUNTED_FROM:
            return self._as_text(cell.isoformat())
        return f' s="{self._styles.day}" t="n"><v>{(cell - _ZERO).days}</v></c>'

    def _as_text(self, text: str) -> str:
        text = self._text(text)
        if "&" in text or "<" in text or ">" in text:
            text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        kept = "" if text == text.strip() else ' xml:space="preserve"'
        return f' t="inlineStr"><is><t{kept}>{text}</t></is></c>'
