"""Upper and lower case, and the order of letters, the same on SQLite as on PostgreSQL.

SQLite knows the 26 letters of ASCII and nothing else, so it gets a function and a collation of ours
on every connection. PostgreSQL gets the same names, made of ICU's rules for all languages:

`crm_fold(text)`   what is the same whatever the case; text is searched by it (immutable, so an
                   index can be made of it)
`crm_order`        the collation of columns that lists go by: aBc, not Bac; Ä beside A
"""

from __future__ import annotations

import sqlite3
import unicodedata
from functools import cache, lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Transform

from accounts import digits

FOLD = "crm_fold"
ORDER = "crm_order"
ICU = "und-x-icu"
"""PostgreSQL's name for the order and the case of letters in no language in particular."""


def folded(text: str) -> str:
    """Return a text without regard to case: alike for straße and STRASSE, ΟΔΟΣ and οδος.

    Lower case first, since ẞ has no other upper case. İ, ı, I and i are one letter to whoever
    searches.
    """
    return text.lower().upper().replace("I\u0307", "I")


class Folded(Transform):
    """`name__folded__contains`, `country__folded`: compared without regard to case."""

    lookup_name = "folded"
    function = FOLD
    bilateral = True

    def as_sqlite(
        self, compiler: Any, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> Any:  # SQL and its parameters
        """Leave plain ASCII to SQLite itself, which has it ten times as fast as Python."""
        sql, params = compiler.compile(self.lhs)
        is_ascii = f"length({sql}) = length(CAST({sql} AS BLOB))"
        return f"CASE WHEN {is_ascii} THEN upper({sql}) ELSE {FOLD}({sql}) END", [*params] * 4


# --- The order of letters, for SQLite -------------------------------------------------------------

# As ICU's rules for all languages have it (CLDR root), for what names are written with.
_SIGNS = " _‗-‐‑‒–—―,;:!¡?¿.…·'‘’‚‹›\"“”„«»()[]{}§¶@*/\\&#%‰†‡•`´^¯¨¸°©®+±÷×<=>¬|¦~¤¢$£¥₩€₹"
_LATIN = "abcdeǝəɛfghiıjklmnŋoɔpqĸrstŧuvwxyzþ"
_GREEK_AND_CYRILLIC = (
    "αβγδεϝζηθικλμνξοπϙρστυφχψωϡаәӕбвгғҕдђҙеєжҗзѕиійјкқҡлљмнңҥњоөпрсҫтћуүұфхһцчџшщъыьѣэюя"
)
_SPELT = {"ß": "ss", "æ": "ae", "œ": "oe", "ĳ": "ij", "ð": "d", "ø": "o", "ł": "l"}
_SPELT |= {"đ": "d", "ħ": "h"}
_MARKS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0338\u0327\u0328\u0304"
_AFTER_ALL = "\U0010ffff"
_OTHER_SIGN, _OTHER_LETTER = "/", "\u0200"
_PLAIN, _LOWER, _UPPER, _FINAL = "\x01", "0", "1", "2"


def _one_after_another(letters: str, first: int | None = None) -> dict[str, str]:
    """Return what each letter is compared by; of ASCII by one character of ASCII, which is quick.

    `first` numbers them from there; otherwise each stands for itself. Any other letter comes after
    all words with the one before it.
    """
    found: dict[str, str] = {}
    ascii_before = ""
    for number, letter in enumerate(letters):
        if letter.isascii():
            ascii_before = letter if first is None else chr(first)
            first = None if first is None else first + 1
            found[letter] = ascii_before
        else:
            found[letter] = f"{ascii_before}{_AFTER_ALL}{chr(number)}"
    return found


# Signs before digits, these before letters; alphabets in the order of scripts, all others after.
_KNOWN = _one_after_another(_SIGNS, first=1) | _one_after_another("0123456789")
_KNOWN |= _one_after_another(_LATIN)
_KNOWN |= {each: chr(0x100 + n) for n, each in enumerate(_GREEK_AND_CYRILLIC)}

_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_TO_LETTERS = str.maketrans({each: _KNOWN[each.lower()] for each in _ASCII})
_TO_CASES = str.maketrans({each: _UPPER if each.isupper() else _LOWER for each in _ASCII})

Weights = tuple[str, str, str]
"""Of a text: its letters, its accents, its cases; of two texts the first that differs decides."""


@cache
def _weights(letter: str) -> Weights:
    if letter == "ς":
        return _KNOWN["σ"], _PLAIN, _FINAL
    small = letter.lower()
    if small in _KNOWN:
        return _KNOWN[small], _PLAIN, _LOWER if small == letter else _UPPER
    if unicodedata.combining(letter):
        place = _MARKS.find(letter)
        return "", chr(2 + place) if place >= 0 else letter, ""
    if (category := unicodedata.category(letter)) in ("Cf", "Cc"):
        return "", "", ""
    case = _LOWER if small == letter else _UPPER
    apart = _apart(letter, small)
    if not apart:
        kind = _OTHER_LETTER if category[0] in "LN" else _OTHER_SIGN
        return kind + small, _PLAIN, case
    letters, accents, _ = map("".join, zip(*map(_weights, apart), strict=True))
    if not any(map(unicodedata.combining, apart)):
        # No mark of its own to tell it by: ø, æ come after every accented o, ae.
        accents = f"{_PLAIN}\u0338{accents[1:]}"
    return letters, accents, case * len(letters)


def _apart(letter: str, small: str) -> str:
    """Return what a letter is made of: a letter and its marks, or several; empty for itself."""
    apart = _SPELT.get(small) or unicodedata.normalize("NFKD", small)
    if apart != letter.lower() or len(apart) > 1:
        return apart
    # To Unicode's tables ɏ is no y with a mark, but it is called “y with stroke”.
    base, marked, _ = unicodedata.name(small, "").partition(" WITH ")
    try:
        return unicodedata.lookup(base) if marked else ""
    except KeyError:
        return ""


@lru_cache(20_000)
def _key(text: str) -> Weights:
    if text.isascii():
        return text.translate(_TO_LETTERS), "", text.translate(_TO_CASES)
    letters, accents, cases = zip(*map(_weights, text), strict=True)
    accented = "".join(accents)
    # Of plain letters alone nothing is said, as above: a plain text comes before an accented one.
    return "".join(letters), accented if accented.strip(_PLAIN) else "", "".join(cases)


@lru_cache(20_000)
def _letters(text: str) -> str:
    """Return the first of a text's weights, which is kept: a merge asks for it several times."""
    return text.translate(_TO_LETTERS) if text.isascii() else _key(text)[0]


def in_order(one: str, other: str) -> int:
    """Return whether a text comes before another (-1), after it (1), or is the same (0).

    Only a text itself is the same: what is unique in a column stays so.
    """
    if one == other:
        return 0
    # Letters decide as a rule; a list of 50,000 calls this as often.
    mine, theirs = _letters(one), _letters(other)
    if mine != theirs:
        return -1 if mine < theirs else 1
    return -1 if (*_key(one), one) < (*_key(other), other) else 1


def _fold(value: Any) -> str | None:
    return None if value is None else folded(str(value))


def teach(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Give a new connection to SQLite the function and the collation."""
    if connection.vendor == "sqlite":
        teach_sqlite(connection.connection)


def teach_sqlite(connection: sqlite3.Connection) -> None:
    """Give a connection of Python's own the functions and the collation."""
    connection.create_function(FOLD, 1, _fold, deterministic=True)
    connection.create_function(digits.DIGITS, 1, digits.of_sqlite, deterministic=True)
    connection.create_collation(ORDER, in_order)


def listen() -> None:
    """Teach every connection that is made from now on."""
    connection_created.connect(teach, dispatch_uid="accounts.letters")


def knows_all_letters(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether this database has ICU's rules, or ours, behind the names above."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT collprovider FROM pg_collation WHERE collname = %s", [ORDER])
        return cursor.fetchone() in (None, ("i",))  # none: not migrated yet
