"""Tables as CSV files: text cells that know their file, line and column, for errors to name."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext

from accounts.numbers import ENGLISH, ungrouped
from accounts.table_text import Broken, ImportRefused, TableText, read_text, what_separates
from accounts.text import shows
from accounts.words import counted

__all__ = ["Broken", "ImportRefused", "Row", "read_table"]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]{1,2})?")
_WHOLE = re.compile(r"[0-9]+")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
LARGEST_NUMBER = Decimal(10) ** 12  # what 14 digits with two decimals hold
# A number or a date is never longer, and a message that quotes a value stays a sentence.
LONGEST_VALUE = 40


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
            words = gettext("the text has %(count)s characters; it may have %(longest)s.")
            raise self.broken(column, words % {"count": counted(len(value)), "longest": longest})
        return value

    def needed(self, column: str, longest: int | None) -> str:
        """Return a cell's text, which must not be empty."""
        value = self.text(column, longest)
        if not shows(value):
            raise self.broken(column, gettext("the cell is empty; it needs a value."))
        return value

    def number(self, column: str) -> Decimal | None:
        """Return a number with at most two decimals; None where nothing is said."""
        value = self.text(column, LONGEST_VALUE)
        if not value:
            return None
        plain = _without_groups(value)
        if not _NUMBER.fullmatch(plain):
            words = gettext("“%(value)s” is not a number; write it like 1054 or 251.41.")
            raise self.broken(column, words % {"value": value})
        number = Decimal(plain)
        if abs(number) >= LARGEST_NUMBER:
            raise self._too_large(column, value)
        return number

    def whole(self, column: str, largest: int) -> int | None:
        """Return a whole number from 0; None where nothing is said."""
        value = self.text(column, LONGEST_VALUE)
        if not value:
            return None
        plain = _without_groups(value)
        if not _WHOLE.fullmatch(plain):
            words = gettext("“%(value)s” is not a whole number; write it like 2822.")
            raise self.broken(column, words % {"value": value})
        if len(plain) > 10 or int(plain) > largest:
            raise self._too_large(column, value)
        return int(plain)

    def day(self, column: str) -> date | None:
        """Return a date written month/day/year; None where nothing is said."""
        value = self.text(column, LONGEST_VALUE)
        if not value:
            return None
        if written := _DAY.fullmatch(value):
            month, day, year = map(int, written.groups())
            try:
                return date(year, month, day)
            except ValueError:
                pass
        words = gettext("“%(value)s” is not a date; write month/day/year like 10/20/2016.")
        raise self.broken(column, words % {"value": value})

    def _too_large(self, column: str, value: str) -> Broken:
        return self.broken(column, gettext("the number %(value)s is too large.") % {"value": value})


def read_table(folder: Path, file: str, columns: Sequence[str]) -> list[Row]:
    """Return the rows of a CSV file (UTF-8) that has these columns, in its own order.

    More columns may stand in it. White space is folded, and cut off at both ends. A row of which
    no cell says anything is no row: spreadsheets write them below what they were given.
    """
    table = read_text(folder / file, columns)
    heading: list[str] = []
    rows: list[Row] = []
    below = table.first_line
    for line, cells in lines_of(file, table, heading, columns):
        if not heading:
            heading += _checked_heading(file, line, cells, columns)
            below = line + 1
        else:
            rows.append(row_of(file, line, heading, cells, table))
    if not heading:
        words = gettext("there are only empty rows; the file needs the columns %(columns)s.")
        raise Broken(file, words % {"columns": ", ".join(columns)}, below, columns[0])
    if not rows:
        raise Broken(file, gettext("there is no row below the heading."), below, columns[0])
    return rows


def lines_of(
    file: str, table: TableText, heading: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every row with the line it begins in; `heading` is filled meanwhile.

    White space is folded, and cut off at both ends; rows of which no cell says anything are none.
    """
    with _cells_of_any_length(len(table.text)):
        for line, raw in _lines(file, table, heading, columns):
            cells = [" ".join(cell.split()) for cell in raw]
            if any(cells):
                yield line, cells


def _lines(
    file: str, table: TableText, heading: Sequence[str], columns: Sequence[str]
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(table.text, newline=""), strict=True, delimiter=table.separator)
    line = table.first_line
    try:
        for raw in reader:
            yield line, raw
            line = reader.line_num + table.first_line
    except csv.Error as error:
        # Quoting is what can be wrong; the cell is the one with the line's first quotation mark.
        number = table.line(line).partition('"')[0].count(table.separator)
        names = list(heading) or list(columns)
        column = names[min(number, len(names) - 1)]
        words = gettext(
            "the quotation marks do not match; write a quotation mark inside a value twice."
        )
        if "unexpected end of data" in str(error):
            words = gettext(
                "a quotation mark opens here and is never closed. Close it, or, if the file was "
                "cut off, export or copy it again."
            )
        raise Broken(file, words, line, column) from None


@contextmanager
def _cells_of_any_length(longest: int) -> Iterator[None]:
    """Let csv read a whole text in one cell: how long a value may be is said by its column."""
    before = csv.field_size_limit(max(longest, 131_072))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _checked_heading(file: str, line: int, heading: list[str], columns: Sequence[str]) -> list[str]:
    while not heading[-1]:
        heading.pop()  # columns that a spreadsheet made and nobody filled
    if len(heading) == 1 < len(columns):
        words = gettext(
            "the heading is one cell, “%(cell)s”; columns are separated by %(separators)s."
        )
        said = {"cell": heading[0][:60], "separators": what_separates()}
        raise Broken(file, words % said, line, columns[0])
    for column in columns:
        if column not in heading:
            raise Broken(file, gettext("the column is missing in the heading."), line, column)
        if heading.count(column) > 1:
            raise Broken(file, gettext("the column stands in the heading twice."), line, column)
    return heading


def row_of(file: str, line: int, heading: list[str], cells: list[str], table: TableText) -> Row:
    """Return the row of these cells; raises `Broken` where there are more or fewer than columns."""
    said = {
        "cells": _number_of(len(cells)),
        "columns": len(heading),
        "separator": table.separator_in_words,
    }
    if len(cells) < len(heading):
        words = gettext(
            "the row ends before this column; it has %(cells)s of %(columns)s, where %(separator)s "
            "separates the columns of this file."
        )
        raise Broken(file, words % said, line, heading[len(cells)])
    if any(cells[len(heading) :]):
        words = gettext(
            "the row has %(cells)s for %(columns)s columns; %(separator)s separates the columns of "
            "this file, and a value with one in it needs quotation marks around it."
        )
        raise Broken(file, words % said, line, heading[-1])
    return Row(file, line, dict(zip(heading, cells, strict=False)))


def _without_groups(value: str) -> str:
    """Return a number as our own lists show it, 166,650.00, without its commas."""
    try:
        return ungrouped(value, ENGLISH)
    except ValidationError:
        return value


def _number_of(cells: int) -> str:
    return ngettext("%(count)s cell", "%(count)s cells", cells) % {"count": cells}
