"""A table's file as text: its encoding, its end, and what separates its columns.

What a file is not (whole, UTF-8, separated by what its first line says) is said by its true cause,
before anybody looks for a column in it.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext, gettext_lazy

from accounts.text import BREAKS, hidden_at, named, one_form

# Cells may hold line breaks and tabs, which are folded into spaces; what else nobody sees means
# nothing in a table, and PostgreSQL refuses NUL.
_FOLDED = f"{BREAKS}\u2028\u2029"
_SEPARATORS = {
    ",": gettext_lazy("a comma"),
    ";": gettext_lazy("a semicolon"),
    "\t": gettext_lazy("a tab"),
    "|": gettext_lazy("a vertical bar"),
}
# With a mark at the start, or in the zero bytes of Western text without one.
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)


def what_separates() -> str:
    """Return everything that may separate columns, as people call it."""
    return gettext("a comma or a semicolon or a tab or a vertical bar")


class ImportRefused(Exception):
    """An import that did not begin or was undone; the message says why and what to do."""


class Broken(ImportRefused):
    """A file that cannot be read as the table it should be; names file, line and column."""

    def __init__(self, file: str, words: str, line: int = 0, column: str = "") -> None:
        place = file
        if line:
            place = gettext("%(place)s, line %(line)s") % {"place": place, "line": line}
        if column:
            place = gettext("%(place)s, column %(column)s") % {"place": place, "column": column}
        said = gettext("%(place)s: %(what)s Nothing was imported.")
        super().__init__(said % {"place": place, "what": words})
        self.file, self.line, self.column, self.words = file, line, column, words


@dataclass(frozen=True, slots=True)
class TableText:
    """The text of a table from its heading on, the line this begins in, and its separator."""

    text: str
    first_line: int
    separator: str

    @property
    def separator_in_words(self) -> str:
        """Return the separator as people call it."""
        return str(_SEPARATORS[self.separator])

    def line(self, number: int) -> str:
        """Return one line of the file by its number."""
        lines = io.StringIO(self.text, newline="").readlines()
        return lines[number - self.first_line] if number - self.first_line < len(lines) else ""


def read_text(path: Path, columns: Sequence[str]) -> TableText:
    """Return the text of a file that should have these columns; raises `Broken` if it is none."""
    return text_of(path.name, _bytes(path), columns)


def text_of(file: str, data: bytes, columns: Sequence[str]) -> TableText:
    """Return the text of a table from what a file of this name holds; raises `Broken`."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        words = gettext("the file is empty; it needs the columns %(columns)s.")
        raise Broken(file, words % {"columns": ", ".join(columns)}, 1, columns[0])
    text = _decoded(file, data, columns)
    if (at := hidden_at(text, allowed=_FOLDED)) is not None:
        line, column = _place(text[:at], columns)
        words = gettext("there is a character that nobody sees (%(character)s); take it out.")
        raise Broken(file, words % {"character": named(text[at])}, line, column)
    if not text.endswith(("\n", "\r")):
        # Nothing else tells 10 from the 1052 that it was before somebody's disk was full.
        line, column = _place(text[:-1], columns)
        words = gettext(
            "the last line has no end, so it was probably cut off. Export or copy it again; if it "
            "is whole, add a line break at its end."
        )
        raise Broken(file, words, line, column)
    # One way to write each letter: “é” of one table must find “é” of the other.
    return _separated(file, one_form(text), columns)


def _bytes(path: Path) -> bytes:
    file = path.name
    try:
        return path.read_bytes()
    except FileNotFoundError:
        words = gettext("the file is missing in %(folder)s.")
        raise Broken(file, words % {"folder": path.parent}) from None
    except OSError as error:
        words = gettext("the file cannot be read (%(why)s).")
        raise Broken(file, words % {"why": error.strerror}) from None


def _decoded(file: str, data: bytes, columns: Sequence[str]) -> str:
    if data.startswith(_WIDE) or (b"\0" in data[:4] and data[:4].strip(b"\0")):
        words = gettext("this is UTF-16 or UTF-32 text, not UTF-8; save the table as CSV in UTF-8.")
        raise Broken(file, words, 1, columns[0])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line, column = _place(data[: error.start].decode(), columns)
        if error.end == len(data) and error.reason == "unexpected end of data":
            words = gettext(
                "the file ends in the middle of a letter, so it was probably cut off. Export or "
                "copy it again; if it is whole, add a line break at its end."
            )
        else:
            words = gettext("this is not UTF-8 text; save the table as CSV in UTF-8.")
        raise Broken(file, words, line, column) from None


def _separated(file: str, text: str, columns: Sequence[str]) -> TableText:
    """Find out what separates the columns: by a first line `sep=;`, else by the heading."""
    first, rest, line = _without_announcement(text)
    if first is None:
        return TableText(rest, line, _separator_of(rest, columns))
    if first not in _SEPARATORS:
        words = gettext(
            "the first line says that “%(separator)s” separates the columns; it can be %(others)s."
        )
        raise Broken(file, words % {"separator": first[:20], "others": what_separates()}, 1)
    found = _separator_of(rest, columns)
    if _named(rest, found, columns) > _named(rest, first, columns):
        words = gettext(
            "the first line says that %(first)s separates the columns, and in the heading it is "
            "%(found)s; take the first line out."
        )
        said = {"first": _SEPARATORS[first], "found": _SEPARATORS[found]}
        raise Broken(file, words % said, line, columns[0])
    return TableText(rest, line, first)


def _without_announcement(text: str) -> tuple[str | None, str, int]:
    """Return the separator that a first line `sep=;` tells, the text after it, and its line."""
    first = io.StringIO(text, newline="").readline()
    said = first.rstrip("\r\n").strip(' "')
    if said[:4].lower() != "sep=":
        return None, text, 1
    return said[4:], text[len(first) :], 2


def _separator_of(text: str, columns: Sequence[str]) -> str:
    """Return the separator by which the heading names most of these columns; else a comma."""
    return max(_SEPARATORS, key=lambda each: _named(text, each, columns))


def _named(text: str, separator: str, columns: Sequence[str]) -> int:
    """Return how many of these columns the heading names, read with this separator."""
    heading = {cell.strip() for cell in _cells(_heading(text, separator), separator)}
    return len(heading & set(columns))


def _heading(text: str, separator: str) -> str:
    """Return the first line of which anything is said."""
    lines = io.StringIO(text, newline="")
    return next((line for line in lines if line.strip(f'{separator}" \t\r\n')), "")


def _cells(line: str, separator: str) -> list[str]:
    # Cut short, since csv refuses cells beyond its limit.
    return next(csv.reader([line[:100_000]], delimiter=separator), [])


def _place(before: str, columns: Sequence[str]) -> tuple[int, str]:
    """Return line and column of what follows this beginning of a file."""
    # One more character, so that the cell in question exists even where it is the first of a line.
    lines = io.StringIO(f"{before}x", newline="").readlines()
    first, rest, _ = _without_announcement("".join(lines))
    separator = first if first in _SEPARATORS else _separator_of(rest, columns)
    heading = _cells(_heading(rest, separator), separator) if len(lines) > 1 else []
    names = heading or list(columns)
    number = len(_cells(lines[-1], separator)) - 1
    return len(lines), names[min(number, len(names) - 1)].strip() or columns[-1]
