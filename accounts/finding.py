"""Finding rows by words, whatever their case: one way for lists, pickers, the palette, exports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from accounts import trigrams
from accounts.access import Keys
from accounts.text import one_form

M = TypeVar("M", bound=Model)


def words_of(term: str) -> list[str]:
    """Return the words to look for; one letter is a word, and in many scripts a whole name."""
    return one_form(term).replace("\x00", "").split()


def with_words(rows: QuerySet[M], term: str, fields: Iterable[str]) -> QuerySet[M]:
    """Keep rows in which every word of a term occurs in some of these fields."""
    fields, words = list(fields), words_of(term)
    if (keys := trigrams.candidates(rows, words, fields)) is not None:
        rows = rows.filter(pk__in=Keys(keys) if keys else ())
    for word in words:
        found = Q(pk__in=[])
        for field in fields:
            found |= Q((f"{field}__folded__contains", word))
        rows = rows.filter(found)
    return rows
