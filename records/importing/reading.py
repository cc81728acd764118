"""Tables as CSV files: text cells that know their file, line and column, for errors to name."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from accounts.text import BREAKS, hidden_character, named, shows

# Cells may hold line breaks and tabs, which are folded into spaces; what else nobody sees means
# nothing in a table, and PostgreSQL refuses NUL.
_FOLDED = f"{BREAKS}\u2028\u2029"
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]+")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
LARGEST_NUMBER = Decimal(10) ** 12  # what 14 digits with two decimals hold


class ImportRefused(Exception):
    """An import that did not begin or was undone; the message says why and what to do."""


class Broken(ImportRefused):
    """A file that cannot be read as the table it should be; names file, line and column."""

    def __init__(self, file: str, words: str, line: int = 0, column: str = "") -> None:
        place = file
        if line:
            place += f", line {line}"
        if column:
            place += f", column {column}"
        super().__init__(f"{place}: {words} Nothing was imported.")
        self.file, self.line, self.column = file, line, column


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its cells by column, and where it stands."""

    file: str
    line: int
    cells: dict[str, str]

    def broken(self, column: str, words: str) -> Broken:
        """Return the error that points to this cell."""
        return Broken(self.file, words, self.line, column)

    def text(self, column: str, longest: int | None) -> str:
        """Return a cell's text, at most so long; empty where nothing is said."""
        value = self.cells[column]
        if longest is not None and len(value) > longest:
            raise self.broken(column, f"the text is longer than {longest} characters.")
        return value

    def needed(self, column: str, longest: int | None) -> str:
        """Return a cell's text, which must not be empty."""
        value = self.text(column, longest)
        if not shows(value):
            raise self.broken(column, "the cell is empty; it needs a value.")
        return value

    def number(self, column: str) -> Decimal | None:
        """Return a number with at most two decimals; None where nothing is said."""
        value = self.cells[column]
        if not value:
            return None
        if not _NUMBER.fullmatch(value):
            raise self.broken(column, f"“{value}” is not a number; write it like 1054 or 251.41.")
        number = Decimal(value)
        if abs(number) >= LARGEST_NUMBER:
            raise self.broken(column, f"the number {value} is too large.")
        return number

    def whole(self, column: str, largest: int) -> int | None:
        """Return a whole number from 0; None where nothing is said."""
        value = self.cells[column]
        if not value:
            return None
        if not _WHOLE.fullmatch(value):
            raise self.broken(column, f"“{value}” is not a whole number; write it like 2822.")
        if len(value) > 10 or int(value) > largest:
            raise self.broken(column, f"the number {value} is too large.")
        return int(value)

    def day(self, column: str) -> date | None:
        """Return a date written month/day/year; None where nothing is said."""
        value = self.cells[column]
        if not value:
            return None
        if written := _DAY.fullmatch(value):
            month, day, year = map(int, written.groups())
            try:
                return date(year, month, day)
            except ValueError:
                pass
        raise self.broken(column, f"“{value}” is not a date; write month/day/year like 10/20/2016.")


def read_table(folder: Path, file: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file (UTF-8) that has these columns, in its own order.

    More columns may stand in it. White space is folded, and cut off at both ends.
    """
    text = _read_text(folder / file, columns)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    heading: list[str] = []
    rows: list[Row] = []
    line = 1
    try:
        for raw in reader:
            cells = [" ".join(cell.split()) for cell in raw]
            if cells and not heading:
                heading = _checked_heading(file, line, cells, columns)
            elif cells:
                rows.append(_row(file, line, heading, cells))
            line = reader.line_num + 1
    except csv.Error:
        # Quoting is what can be wrong; the cell is the one with the line's first quotation mark.
        written = io.StringIO(text, newline="").readlines()[line - 1]
        number = written.partition('"')[0].count(",")
        names = heading or list(columns)
        column = names[min(number, len(names) - 1)]
        raise Broken(
            file,
            "the quotation marks do not match; write a quotation mark inside a value twice.",
            line,
            column,
        ) from None
    if not rows:
        raise Broken(file, "there is no row below the heading.", line, columns[0])
    return rows


def _read_text(path: Path, columns: Sequence[str]) -> str:
    """Return the whole text of a file, if it is text at all."""
    file = path.name
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except FileNotFoundError:
        raise Broken(file, f"the file is missing in {path.parent}.") from None
    except OSError as error:
        raise Broken(file, f"the file cannot be read ({error.strerror}).") from None
    if not data.strip():
        raise Broken(
            file, f"the file is empty; it needs the columns {', '.join(columns)}.", 1, columns[0]
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode(), columns)
        raise Broken(
            file, "this is not UTF-8 text; save the table as CSV in UTF-8.", line, column
        ) from None
    if letter := hidden_character(text, allowed=_FOLDED):
        line, column = _place(text[: text.index(letter)], columns)
        words = f"there is a character that nobody sees ({named(letter)}); take it out."
        raise Broken(file, words, line, column)
    # One way to write each letter: “é” of one table must find “é” of the other.
    return unicodedata.normalize("NFC", text)


def _place(before: str, columns: Sequence[str]) -> tuple[int, str]:
    """Return line and column of what follows this beginning of a file."""
    # One more character, so that the cell in question exists even where it is the first of a line.
    lines = io.StringIO(f"{before}x", newline="").readlines()
    line = len(lines)
    # Cut short, since csv refuses cells beyond its limit.
    heading = next(csv.reader([lines[0][:100_000]]), []) if line > 1 else []
    names = heading or list(columns)
    number = len(next(csv.reader([lines[-1][:100_000]]))) - 1
    return line, names[min(number, len(names) - 1)].strip()


def _checked_heading(file: str, line: int, heading: list[str], columns: Sequence[str]) -> list[str]:
    for column in columns:
        if column not in heading:
            raise Broken(file, "the column is missing in the heading.", line, column)
        if heading.count(column) > 1:
            raise Broken(file, "the column stands in the heading twice.", line, column)
    return heading


def _row(file: str, line: int, heading: list[str], cells: list[str]) -> Row:
    if len(cells) < len(heading):
        raise Broken(
            file,
            f"the row ends before this column; it has {len(cells)} cells of {len(heading)}.",
            line,
            heading[len(cells)],
        )
    if len(cells) > len(heading):
        raise Broken(
            file,
            f"the row has {len(cells)} cells for {len(heading)} columns; a value with a comma "
            "needs quotation marks around it.",
            line,
            heading[-1],
        )
    return Row(file, line, dict(zip(heading, cells, strict=True)))
