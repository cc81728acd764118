"""The white list of filters, search and order of every kind of record, for lists and exports alike.

django-filter answers an unknown or invalid parameter with *all* rows; here everything goes through
`canonical`, which refuses instead. The canonical string is what an export request stores; it is
read again by `narrowed`, as the person it is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeVar

from django import forms
from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext
from django_filters import RangeFilter

from accounts.finding import with_words
from accounts.keys import is_key
from accounts.models import User
from accounts.numbers import ungrouped
from accounts.ordering import empty_last
from accounts.text import one_form
from records import kinds
from records.by_name import columns_of, paths_of, terms_of
from records.by_number import NUMBERS, may_say_so, numbers_of, reads_of_numbers
from records.filter_sets import (
    ZONE,
    DayRangeFilter,
    PickedFilter,
    RecordFilterSet,
    filter_set,
    zone_of_days,
)
from records.models import Record
from records.models.properties import FieldKey, unasked_keys
from records.reads import fields_on

R = TypeVar("R", bound=Record)

SEARCH = "q"
ORDER = "o"
LONGEST_SEARCH = 200


class BadQuery(Exception):
    """A parameter that does not exist, or a value that is absent or hidden: one and the same."""

    def __init__(self, message: str = ""):
        nothing = gettext("This list has no such filter. Start again from the list.")
        super().__init__(message or nothing)


class InvalidValue(BadQuery):
    """A value that is not of its filter's kind; the message names the filter."""


class _Asker:
    """Stands for the request where there is none: django-filter asks for `request.user` only."""

    def __init__(self, user: User) -> None:
        self.user = user


# --- What is read (Q5) ----------------------------------------------------------------------------


def reads_of_filter(model: type[Record], name: str) -> frozenset[FieldKey]:
    """Return the fields that one of a kind's filters reads, as it was declared."""
    return _reads_of_filter(model, filter_set(model), name)


@lru_cache(maxsize=1000)
def _reads_of_filter(
    model: type[Record], filters: type[RecordFilterSet], name: str
) -> frozenset[FieldKey]:
    paths: list[str] = []
    for each in filters.base_filters[name].reads:  # type: ignore[attr-defined]  # `reading`
        paths += each(model) if callable(each) else [each]
    return fields_on(model, *paths)


def reads_of_search(model: type[Record]) -> frozenset[FieldKey]:
    """Return the fields that the search box looks in."""
    return fields_on(model, *model.search_fields)


def reads_of_box(model: type[Record], data: QueryDict) -> frozenset[FieldKey]:
    """Return the fields that the search of a canonical query reads: none where it has none."""
    read = reads_of_search(model) if SEARCH in data else frozenset()
    return read | (reads_of_numbers(model) if NUMBERS in data else frozenset())


def reads_of_order(model: type[Record], order: str) -> frozenset[FieldKey]:
    """Return the fields that an order goes by: where none is asked for, the kind's own.

    The key comes last in each, so that no two records stand side by side by chance.
    """
    if order:
        return _reads_of_terms(model, order) | fields_on(model, "pk")
    own = (str(name).removeprefix("-") for name in model._meta.ordering or ())
    return fields_on(model, *own, "pk")


def reads(model: type[Record], query: str) -> frozenset[FieldKey]:
    """Return every field, of whatever kind, that a canonical query reads (Q5).

    A list is in some order always, so its own one counts where nobody asked for another.
    """
    return reads_asked_for(model, query) | reads_of_order(model, QueryDict(query).get(ORDER, ""))


def reads_asked_for(model: type[Record], query: str) -> frozenset[FieldKey]:
    """Return the fields read by what the query says: filters, search, and an order asked for."""
    data = QueryDict(query)
    found: frozenset[FieldKey] = frozenset()
    for name, declared in filter_set(model).base_filters.items():
        if any(parameter in data for parameter in parameters(name, declared)):
            found |= reads_of_filter(model, name)
    return found | reads_of_box(model, data) | _reads_of_terms(model, data.get(ORDER, ""))


def _reads_of_terms(model: type[Record], order: str) -> frozenset[FieldKey]:
    names = (term.removeprefix("-") for term in order.split(",") if term)
    return fields_on(model, *(path for name in names for path in paths_of(model, name)))


def parameters(name: str, declared: Any) -> list[str]:
    """Return the query parameters of one filter, ranges spelt out."""
    suffixes = getattr(declared.field_class.widget, "suffixes", None)
    return [f"{name}_{suffix}" for suffix in suffixes] if suffixes else [name]


# --- What a person may ask ------------------------------------------------------------------------


def _offered(model: type[Record], user: User) -> dict[str, Any]:
    """Return the filters this person has: none that reads a field they may not (L8, RC3)."""
    unasked = unasked_keys(user)
    declared = filter_set(model).base_filters
    return {
        name: each for name, each in declared.items() if not reads_of_filter(model, name) & unasked
    }


def picked(model: type[Record]) -> list[str]:
    """Return the filters that are pickers; each asks by the model's field of its name."""
    declared = filter_set(model).base_filters
    return [name for name, each in declared.items() if isinstance(each, PickedFilter)]


def may_search(model: type[Record], user: User) -> bool:
    """Tell whether this person has the search box: it reads no field that they may not (L16)."""
    return not reads_of_search(model) & unasked_keys(user)


def parameter_names(model: type[Record], user: User) -> list[str]:
    """Return every query parameter this person's filters read, ranges spelt out (`amount_min`)."""
    offered = _offered(model, user).items()
    return [parameter for name, declared in offered for parameter in parameters(name, declared)]


def may_still_ask(model: type[Record], query: str, *, user: User) -> bool:
    """Tell whether this person could ask now what they asked, of what there was then.

    A company that deals were filtered by may be deleted since; one out of their reach is a no.
    """
    data = QueryDict(query)
    try:
        _check_names(model, data, user)
        _check_order(model, data.get(ORDER, ""), user)
        if _filters_by(data):
            filterset = bound(model, data, model._default_manager.none(), user=user)
            _check_values(filterset, but_for_what_is_gone=True)
    except BadQuery:
        return False
    return True


def bound(model: type[R], data: QueryDict, queryset: QuerySet[R], *, user: User) -> RecordFilterSet:
    """Return the model's filter set holding these values, with the filters this person has."""
    filterset = whole(model, data, queryset, user)
    for name in set(filterset.filters) - set(_offered(model, user)):
        del filterset.filters[name]
    return filterset


def whole(model: type[R], data: QueryDict, queryset: QuerySet[R], user: User) -> RecordFilterSet:
    """Return the model's filter set holding these values, whoever may ask by which of them."""
    return filter_set(model)(data, queryset=queryset, request=_Asker(user))  # type: ignore[arg-type]  # asked for its user only


def orderable(model: type[Record], user: User) -> frozenset[str]:
    """Return the fields a list or an export may be ordered by: none that they may not read.

    Of a relation that is by the names that they may read alone (L12, S03).
    """
    unasked, by_name = unasked_keys(user), columns_of(model)
    return frozenset(
        field.name
        for field in kinds.of(model).fields
        if (field.sortable or field.name in by_name)
        and not fields_on(model, *paths_of(model, field.name)) & unasked
    )


def canonical(model: type[Record], query: str | QueryDict, *, user: User) -> str:
    """Return the one way to write this query: known parameters, sorted, no empties, valid.

    It means the same to every reader: numbers stand with a point and without separators, days as
    2026-12-31, and with their time zone, but for the installation's where that is the reader's too.

    Raises `BadQuery` for an unknown parameter or a value hidden from or absent for the person, and
    `InvalidValue` for a mistyped one.
    """
    clean, filters = _checked(model._default_manager.none(), query, user)
    if filters is not None:
        _for_every_reader(model, clean, filters)
    return clean.urlencode()


def _for_every_reader(model: type[Record], query: QueryDict, filters: RecordFilterSet) -> None:
    """Write the numbers and days of a checked query as no language and no time zone changes them.

    The one of days is the asker's, unless the query names another.
    """
    has_moments = False
    for name, declared in filters.filters.items():
        ends = [parameter for parameter in parameters(name, declared) if parameter in query]
        if isinstance(declared, DayRangeFilter):
            value = filters.form.cleaned_data[name]
            bounds = {f"{name}_after": value.start, f"{name}_before": value.stop} if ends else {}
            for parameter in ends:
                query[parameter] = bounds[parameter].isoformat()
            has_moments |= bool(ends) and declared.goes_by_moments(model)
        elif isinstance(declared, RangeFilter):
            for parameter in ends:
                query[parameter] = ungrouped(str(query[parameter]))
    own, ours = timezone.get_current_timezone_name(), timezone.get_default_timezone_name()
    zone = query.get(ZONE) or own
    query.pop(ZONE, None)
    # Ours is named too where whoever asked would read days without one as those of their own.
    if has_moments and {zone, own} != {ours}:
        query[ZONE] = zone


def _checked(
    queryset: QuerySet[R], query: str | QueryDict, user: User
) -> tuple[QueryDict, RecordFilterSet | None]:
    """Return the canonical query, and its filters bound to these rows where it has any."""
    model: type[R] = queryset.model
    data = QueryDict(query) if isinstance(query, str) else query
    clean = QueryDict(mutable=True)
    for name in sorted(_check_names(model, data, user)):
        values = given(data.getlist(name))
        if len(values) > 1:
            said = gettext("“%(name)s” was given more than once. Choose one value.")
            raise InvalidValue(said % {"name": name})
        if values:
            clean[name] = values[0]
    _check_search(clean.get(SEARCH, ""))
    if NUMBERS in clean and not may_say_so(clean.get(NUMBERS, ""), clean.get(SEARCH, "")):
        raise BadQuery
    _check_order(model, clean.get(ORDER, ""), user)
    if ZONE in clean and zone_of_days(clean) is None:
        raise BadQuery
    if not _filters_by(clean):
        clean.pop(ZONE, None)
        return clean, None
    filters = bound(model, clean, queryset, user=user)
    _check_values(filters)
    return clean, filters


def given(values: Iterable[str]) -> list[str]:
    """Return the values of one parameter, each once, in one form, trimmed, without empties."""
    return sorted({one_form(value.strip()) for value in values} - {""})


def _filters_by(data: QueryDict) -> bool:
    """Tell whether a query has any filter: most lists have none, and making them all is slow."""
    return bool(set(data) - {SEARCH, NUMBERS, ORDER, ZONE})


def narrowed(queryset: QuerySet[R], query: str | QueryDict, *, user: User) -> QuerySet[R]:
    """Apply a query's filters, search and order to these rows; raises as `canonical` does."""
    model: type[R] = queryset.model
    data, filters = _checked(queryset, query, user)
    rows: QuerySet[R] = filters.qs if filters is not None else queryset
    if term := data.get(SEARCH):
        rows = search(rows, term, numbers=model.number_fields if NUMBERS in data else ())
    if order := data.get(ORDER):
        terms = terms_of(model, [*order.split(","), "-pk"], user)
        return rows.order_by(*empty_last(model, terms))
    # The kind's own order, where it goes by nothing that the person may not read (L13).
    return rows.order_by("pk") if reads_of_order(model, "") & unasked_keys(user) else rows


def search(
    queryset: QuerySet[R],
    term: str,
    fields: Iterable[str] | None = None,
    numbers: Iterable[str] = (),
) -> QuerySet[R]:
    """Keep rows in which every word of `term` occurs in some field that the search box looks in.

    `fields` are the ones to look in, where they are not all; whoever asks for a person asks
    `may_search` first, and `numbers_of` for `numbers`.
    """
    looked_in = queryset.model.search_fields if fields is None else fields
    return with_words(queryset, term, looked_in, numbers)


def _check_names(model: type[Record], data: QueryDict, user: User) -> list[str]:
    """Return the parameters this person may ask by; raise where the query has another."""
    names = [*parameter_names(model, user), ORDER, ZONE]
    if may_search(model, user):
        names += [SEARCH, NUMBERS] if numbers_of(model, user) else [SEARCH]
    if set(data) - set(names):
        raise BadQuery
    return names


def _check_search(term: str) -> None:
    if len(term) > LONGEST_SEARCH or "\x00" in term:
        said = gettext("Search for at most %(count)s ordinary characters.")
        raise InvalidValue(said % {"count": LONGEST_SEARCH})


def _check_order(model: type[Record], order: str, user: User) -> None:
    names = [name.removeprefix("-") for name in order.split(",") if name]
    if set(names) - orderable(model, user):
        raise BadQuery


def _check_values(filterset: RecordFilterSet, *, but_for_what_is_gone: bool = False) -> None:
    if filterset.is_valid():
        return
    for name, errors in filterset.form.errors.as_data().items():
        field = filterset.form.fields.get(name)
        for error in errors:
            if but_for_what_is_gone and _is_gone(field, filterset.form.data.get(name)):
                continue
            if isinstance(field, forms.ModelChoiceField) or error.code == "invalid_choice":
                raise BadQuery
            label = field.label if field else name
            raise InvalidValue(f"{label}: {' '.join(error.messages)}")


def _is_gone(field: forms.Field | None, key: Any) -> bool:
    """Tell whether a filter names a row that nobody has any more: deleted, or in the bin."""
    if not isinstance(field, forms.ModelChoiceField) or not is_key(str(key)):
        return False
    named: type[Model] = field.queryset.model  # type: ignore[union-attr]  # a filter always has one
    rows = named._base_manager.filter(pk=key)
    if issubclass(named, Record):
        rows = rows.filter(deleted_at__isnull=True)
    return not rows.exists()
