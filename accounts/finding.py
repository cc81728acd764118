"""Finding rows by words, whatever their case: one way for lists, pickers, the palette, exports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from accounts import trigrams
from accounts.access import Keys
from accounts.digits import Dialled, dialled, is_figures
from accounts.text import one_form

M = TypeVar("M", bound=Model)
Fields = tuple[str, ...]


def words_of(term: str) -> list[str]:
    """Return the words to look for; one letter is a word, and in many scripts a whole name."""
    return one_form(term).replace("\x00", "").split()


def with_words(
    rows: QuerySet[M], term: str, fields: Iterable[str], numbers: Iterable[str] = ()
) -> QuerySet[M]:
    """Keep rows in which every word of a term occurs in some of these fields.

    Words that are figures may instead be a number in one of `numbers`, all of them together: these
    are the fields with numbers that whoever asks may read. A term that dials none reads none.
    """
    fields, words = list(fields), words_of(term)
    number = dialled(words) if (numbers := tuple(numbers)) else None
    if number is not None:
        rows = _with_number(rows, [w for w in words if is_figures(w)], number, fields, numbers)
        words = [word for word in words if not is_figures(word)]
    if (keys := trigrams.candidates(rows, words, fields)) is not None:
        rows = rows.filter(pk__in=Keys(keys) if keys else ())
    for word in words:
        rows = rows.filter(_occurs(word, fields))
    return rows


def _occurs(word: str, fields: Iterable[str]) -> Q:
    found = Q(pk__in=[])
    for field in fields:
        found |= Q((f"{field}__folded__contains", word))
    return found


def _with_number(
    rows: QuerySet[M], figures: list[str], number: Dialled, fields: list[str], numbers: Fields
) -> QuerySet[M]:
    """Keep rows in which each of the figures occurs in a text, or all of them in a number."""
    in_text, in_number = Q(), Q(pk__in=[])
    for figure in figures:
        in_text &= _occurs(figure, fields)
    for field in numbers:
        in_number |= Q((f"{field}__digits__contains", number.anywhere))
        for digits in number.at_first:
            in_number |= Q((f"{field}__digits__startswith", digits))
    by_text = trigrams.candidates(rows, figures, fields)
    by_number = trigrams.candidates_by_digits(rows, number, numbers)
    if by_number is not None:
        # First, so that the digits of all other rows need not be worked out.
        in_number = Q(pk__in=Keys(by_number) if by_number else ()) & in_number
        if by_text is not None:
            keys = {*by_text, *by_number}
            rows = rows.filter(pk__in=Keys(keys) if keys else ())
    return rows.filter(in_text | in_number)
