"""Numbers that people dial, found by their digits however they are written.

The digits of a stored number are worked out by the database, as its text is folded: nothing has to
be kept beside it, and an index is made of what the function returns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Transform

DIGITS = "crm_digits"
"""The function on SQLite; PostgreSQL has what it needs."""
FEWEST = 3
"""Fewer digits are in nearly every number, and are looked for in no number."""

# The zero in brackets of “+33 (0)4 72…” is dialled by nobody who dials the rest. As PostgreSQL
# reads it too: of several that match at a place it takes the longest, Python the first.
_NO_DIGITS = "[(]0[)]|[^0-9(]+|[(]"
_is_no_digit = re.compile(_NO_DIGITS)
_FIGURES = re.compile(r"[0-9+()./\-\u2010-\u2015]+")

# As the ITU gives them: no code begins with another one. All others have three digits.
_OF_ONE = ("1", "7")
_OF_TWO = re.compile("2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")


def digits_of(text: str) -> str:
    """Return the digits that somebody dials."""
    return _is_no_digit.sub("", text)


def of_sqlite(text: str | None) -> str | None:
    """Return the same for a value of a column."""
    return None if text is None else digits_of(str(text))


def in_sql(connection: BaseDatabaseWrapper, text: str) -> str:
    """Return the expression of the digits of a text, as an index is made of it."""
    if connection.vendor == "postgresql":
        return f"regexp_replace({text}, '{_NO_DIGITS}', '', 'g')"
    return f"{DIGITS}({text})"


class Digits(Transform):
    """`phone__digits__contains`: compared by what is dialled."""

    lookup_name = "digits"
    function = DIGITS

    def as_postgresql(
        self, compiler: Any, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> Any:  # SQL and its parameters
        sql, params = compiler.compile(self.lhs)
        return in_sql(connection, sql), params


@dataclass(frozen=True, slots=True)
class Dialled:
    """What a number is found by: digits anywhere in it, or ones that it begins with."""

    anywhere: str
    at_first: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Return each of them."""
        return (self.anywhere, *self.at_first)


def is_figures(word: str) -> bool:
    """Tell whether a word of a search is a part of a number, or a sign between parts of one."""
    return _FIGURES.fullmatch(word) is not None


def dialled(words: list[str]) -> Dialled | None:
    """Return what the words of a search dial; None where too few of them are digits.

    “+33 4 72”, “0033472” and “04 72-” find “+33 4 72…” and “04 72…” alike: a zero before a number
    is for whoever calls from inside the country, and a country's code for whoever does not.
    """
    written = "".join(word for word in words if is_figures(word)).lstrip("(")
    digits = digits_of(written)
    is_whole = written.startswith("+") or digits.startswith("00")
    digits = digits.lstrip("0")
    if len(digits) < FEWEST:
        return None
    inside = digits[_length_of_code(digits) :] if is_whole else ""
    return Dialled(digits, (f"0{inside}", inside) if len(inside) >= FEWEST else ())


def _length_of_code(digits: str) -> int:
    if digits.startswith(_OF_ONE):
        return 1
    return 2 if _OF_TWO.match(digits) else 3
