"""What a list is narrowed by, as chips above it that are taken away one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, QueryDict
from django.utils.formats import date_format
from django.utils.translation import gettext


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on: what it is, its value, and the list's address without it."""

    label: str
    value: str
    without: str


def chips_of(
    request: HttpRequest,
    form: forms.Form,
    given: Iterable[str],
    in_words: Callable[[forms.Field, Any], str],
) -> list[Chip]:
    """Return a chip for each field of a filter's form with a value, and one for the search.

    `given` names the parameters of the address that the form reads; a mistyped value stands as it
    was typed.
    """
    form.is_valid()
    left = set(given)
    found = [chip for chip in _chips(request.GET, form, left, in_words) if chip.value]
    if term := request.GET.get("q", "").strip():
        found.append(Chip(gettext("Search"), term, without(request.GET, ["q"])))
    return found


def _chips(
    query: QueryDict, form: forms.Form, left: set[str], in_words: Callable[[forms.Field, Any], str]
) -> Iterator[Chip]:
    for name, field in form.fields.items():
        # A range is two parameters: amount_min and amount_max.
        mine = [p for p in left if p == name or p.rpartition("_")[0] == name]
        left.difference_update(mine)
        typed = " – ".join(said for p in sorted(mine, reverse=True) if (said := query.get(p, "")))
        if not typed:
            continue
        value = form.cleaned_data.get(name)
        said = typed if value in (None, "") else in_words(field, value)
        yield Chip(str(field.label or name), said, without(query, mine))


def without(query: QueryDict, names: Iterable[str]) -> str:
    """Return a list's query without these parameters, at its first page."""
    rest = query.copy()
    for name in (*names, "p"):
        rest.pop(name, None)
    return f"?{rest.urlencode()}"


def value_in_words(field: forms.Field, value: Any) -> str:
    """Return a checked value of a filter as people read it."""
    if isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
        choices: Any = field.choices  # its stub allows whatever may be assigned
        labels = {str(key): str(label) for key, label in choices}
        values = value if isinstance(value, list) else [value]
        return ", ".join(labels.get(str(each), str(each)) for each in values)
    return date_format(value) if isinstance(field, forms.DateField) else str(value)
