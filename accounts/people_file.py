"""A table of people as a CSV file: which columns it may have, and what each row asks for.

Knows no database: what a row asks for is compared with the people there are by people_plan.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext

from accounts.account_errors import InvalidChange
from accounts.entered import fit_email
from accounts.models import User
from accounts.table_rows import Broken, Row, lines_of, row_of
from accounts.table_text import text_of
from accounts.text import trouble

MOST_ROWS = 500
LARGEST_FILE = 1024 * 1024

EMAIL, FIRST, LAST = "e-mail", "first name", "last name"
SET, TEAM, EXTRA = "permission set", "team", "extra teams"
COLUMNS = (EMAIL, FIRST, LAST, TEAM, EXTRA, SET)
_ALSO = {
    "mail": EMAIL,
    "emailaddress": EMAIL,
    "mailaddress": EMAIL,
    "login": EMAIL,
    "givenname": FIRST,
    "forename": FIRST,
    "surname": LAST,
    "familyname": LAST,
    "mainteam": TEAM,
    "extrateam": EXTRA,
    "otherteams": EXTRA,
    "permissions": SET,
    "set": SET,
    "role": SET,
}
BETWEEN_TEAMS = ";"
_LONGEST = {EMAIL: None, FIRST: 100, LAST: 100, TEAM: 150, EXTRA: 2_000, SET: 100}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one row, or with the file: where, and what to do."""

    line: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one row asks for; None, or nothing, is what it does not speak of."""

    line: int
    email: str
    first_name: str | None
    last_name: str | None
    team: str | None
    extra_teams: tuple[str, ...]
    permission_set: str | None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


_COLUMN_OF = {_plain(column): column for column in COLUMNS} | _ALSO


def read_people(file: str, data: bytes) -> tuple[list[Wanted], list[Fault]]:
    """Return what the rows of this file ask for, and what is wrong with the others.

    Raises `Broken` where the file as a whole cannot be read as a table of people.
    """
    if len(data) > LARGEST_FILE:
        raise Broken(file, gettext("the file is larger than 1 MiB. Split it into several."))
    # The heading names its columns in ways of its own; by them the separator is found.
    first = data[:2_000].decode(errors="ignore").lstrip("\ufeff")
    named = [*COLUMNS, *_own_names(first)]
    table = text_of(file, data, named)
    heading: list[str] = []
    wanted: list[Wanted] = []
    faults: list[Fault] = []
    for line, cells in lines_of(file, table, heading, COLUMNS):
        if not heading:
            heading += _heading(file, line, cells)
            continue
        if len(wanted) + len(faults) == MOST_ROWS:
            words = gettext("there are more than %(count)s rows. Split the file.")
            raise Broken(file, words % {"count": MOST_ROWS}, line)
        try:
            wanted.append(_wanted(row_of(file, line, heading, cells, table)))
        except Broken as broken:
            faults.append(Fault(line, broken.column, broken.words))
    if not wanted and not faults:
        raise Broken(file, gettext("there is no row below the heading."), table.first_line, EMAIL)
    return wanted, faults


def _own_names(text: str) -> list[str]:
    """Return the words of a text's beginning that name columns, as they are written there."""
    cells = re.split(r"[,;\t|\r\n]", text)
    plain = (cell.strip(' "') for cell in cells)
    return [cell for cell in plain if _plain(cell) in _COLUMN_OF]


def _heading(file: str, line: int, cells: list[str]) -> list[str]:
    while not cells[-1]:
        cells.pop()  # columns that a spreadsheet made and nobody filled
    known = ", ".join(COLUMNS)
    for cell in cells:
        if _plain(cell) not in _COLUMN_OF:
            words = gettext("there is no column “%(column)s”. It can have: %(columns)s.")
            raise Broken(file, words % {"column": cell[:60], "columns": known}, line)
    heading = [_COLUMN_OF[_plain(cell)] for cell in cells]
    if EMAIL not in heading:
        words = gettext("the column %(column)s is missing. It can have: %(columns)s.")
        raise Broken(file, words % {"column": EMAIL, "columns": known}, line)
    for column in COLUMNS:
        if heading.count(column) > 1:
            raise Broken(file, gettext("the column stands in the heading twice."), line, column)
    return heading


def _wanted(row: Row) -> Wanted:
    cells = {column: row.text(column, _LONGEST[column]) for column in row.cells}
    for column, text in cells.items():
        if why := trouble(text):
            raise row.broken(column, why)
    row.needed(EMAIL, User._meta.get_field("email").max_length)
    try:
        email = fit_email(cells[EMAIL])
    except InvalidChange as refusal:
        raise row.broken(EMAIL, str(refusal)) from None
    extra = (name.strip() for name in cells.get(EXTRA, "").split(BETWEEN_TEAMS))
    return Wanted(
        line=row.line,
        email=email,
        first_name=cells.get(FIRST) or None,
        last_name=cells.get(LAST) or None,
        team=cells.get(TEAM) or None,
        extra_teams=tuple(name for name in extra if name),
        permission_set=cells.get(SET) or None,
    )
