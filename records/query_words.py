"""What a canonical query says, in words: for whoever decides on it, or would change it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from accounts.keys import label_of
from accounts.models import User
from accounts.numbers import as_typed
from records import kinds
from records.by_number import NUMBERS, searched
from records.filter_sets import ZONE, DayRangeFilter, filter_set
from records.filters import (
    ORDER,
    SEARCH,
    parameters,
    reads_of_box,
    reads_of_filter,
    reads_of_order,
    whole,
)
from records.models import Record
from records.models.properties import FieldKey, field_key, hidden_keys
from records.reads import kind_of

RESTRICTED_FIELD = cast("str", gettext_lazy("Restricted field"))
"""What stands for a field whose name the reader may not know."""


def parts_reading(
    model: type[Record], query: str, fields: frozenset[FieldKey], *, user: User
) -> tuple[list[str], bool, bool]:
    """Return what of a query reads one of these: filters by their labels, the search, the order."""
    data = QueryDict(query)
    asked = whole(model, data, model._default_manager.none(), user).form.fields
    labels = [
        str(asked[name].label)
        for name, declared in filter_set(model).base_filters.items()
        if name in asked and any(each in data for each in parameters(name, declared))
        if reads_of_filter(model, name) & fields
    ]
    searches = bool(reads_of_box(model, data) & fields)
    return labels, searches, bool(reads_of_order(model, data.get(ORDER, "")) & fields)


def described(
    model: type[Record],
    query: str,
    *,
    user: User,
    hide: frozenset[FieldKey] = frozenset(),
) -> list[tuple[str, str]]:
    """Return a canonical query as this person may read it: (label, value) pairs, in order.

    A value that they may not name, and any value that reads a field to `hide`, is masked (Q7). Of
    what reads a field hidden from them only this is said: that the query has one; nothing at all
    would let an approver decide on something else than what was asked.
    """
    data = QueryDict(query)
    filterset = whole(model, data, model._default_manager.none(), user)
    hidden = hidden_keys(user)
    form = filterset.form
    form.is_valid()
    lines = []
    for name, field in form.fields.items():
        value, is_wrong = form.cleaned_data.get(name), name in form.errors
        if value in (None, "") and not is_wrong:
            continue
        read = reads_of_filter(model, name)
        if read & hidden:
            lines.append((str(RESTRICTED_FIELD), gettext("restricted")))
        elif is_wrong or read & hide:
            lines.append((str(field.label), gettext("restricted")))
        else:
            said = in_words(field, value)
            declared = filterset.filters[name]
            if isinstance(declared, DayRangeFilter) and declared.goes_by_moments(model):
                said += _in_zone(data)
            lines.append((str(field.label), said))
    if SEARCH in data:
        read = reads_of_box(model, data)
        term = searched(model, data[SEARCH], with_numbers=NUMBERS in data)
        lines.append((gettext("Search"), gettext("restricted") if read & (hidden | hide) else term))
    if ORDER in data:
        terms = [_term(model, term, hidden) for term in data[ORDER].split(",")]
        lines.append((gettext("Order"), ", ".join(terms)))
    return lines


def _in_zone(data: QueryDict) -> str:
    """Name the time zone of a query's days, where its reader would take them for their own."""
    zone = data.get(ZONE) or timezone.get_default_timezone_name()
    return "" if zone == timezone.get_current_timezone_name() else f" ({zone})"


def in_words(field: forms.Field, value: Any) -> str:
    """Return a checked value of a filter as people read it."""
    if isinstance(value, slice):
        # A bound of 0 is one: only an end that was left out is open.
        low, high = ("…" if end is None else _end(end) for end in (value.start, value.stop))
        return f"{low} – {high}"
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        choices: Any = field.choices  # its stub allows whatever may be assigned
        return str(dict(choices).get(value, value))
    if isinstance(value, Record | User):
        # Two may have one name: the number tells which is meant.
        return f"{label_of(value)} (#{value.pk})"
    return str(value)


def _end(value: Any) -> str:
    """Return an end of a range: a day as 2026-12-31, a number with the reader's separator."""
    return as_typed(value) if isinstance(value, Decimal) else str(value)


def _term(model: type[Record], term: str, hidden: frozenset[FieldKey]) -> str:
    name = term.removeprefix("-")
    is_hidden = field_key(kind_of(model), name) in hidden
    shown = gettext("restricted field") if is_hidden else _label(model, name)
    return gettext("descending %(field)s") % {"field": shown} if term.startswith("-") else shown


def _label(model: type[Record], name: str) -> str:
    """Return what a field is called; its name where there is none of it any more."""
    labels = {field.name: field.label for field in kinds.of(model).fields}
    return str(labels.get(name, name))
