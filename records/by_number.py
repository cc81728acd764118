"""Which records a search finds by the digits of a number, and what of that a stored query says.

A list looks for what was typed wherever its reader may look. A query that is written down says
whether it looked for a number: it means the same whatever anybody may read by the time it is read,
and whoever may not look there any more may not ask it any more.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext

from accounts.digits import dialled
from accounts.finding import words_of
from accounts.models import User
from accounts.words import listed
from records import kinds
from records.models import Record
from records.models.properties import FieldKey, unasked_keys
from records.reads import fields_on

NUMBERS = "numbers"
YES = "yes"


def reads_of_numbers(model: type[Record]) -> frozenset[FieldKey]:
    """Return the fields with numbers that the search box looks in too, for some."""
    return fields_on(model, *model.number_fields)


def numbers_of(model: type[Record], user: User) -> tuple[str, ...]:
    """Return the fields with numbers that this person finds records by: all, or none of them."""
    is_open = not reads_of_numbers(model) & unasked_keys(user)
    return model.number_fields if is_open else ()


def looks_for_number(term: str, numbers: Iterable[str]) -> bool:
    """Tell whether a search for this looks in these fields: one without digits reads none."""
    return bool(tuple(numbers)) and dialled(words_of(term)) is not None


def may_say_so(said: str, term: str) -> bool:
    """Tell whether a stored query with this search can say that it looked for a number."""
    return said == YES and looks_for_number(term, [NUMBERS])


def searched(model: type[Record], term: str, *, with_numbers: bool) -> str:
    """Return what was searched for, and where beside the names."""
    if not with_numbers:
        return term
    labels = listed([kinds.of(model).field(name).label for name in model.number_fields])
    return gettext("%(term)s (in %(fields)s too)") % {"term": term, "fields": labels}
