"""The white list of filters, search and order of every kind of record, for lists and exports alike.

django-filter answers an unknown or invalid parameter with *all* rows; here everything goes through
`canonical`, which refuses instead. The canonical string is what an export request stores; it is
read again by `narrowed`, as the person it is for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from accounts.access import nameable, teams_told
from accounts.keys import KeyField
from accounts.models import Membership, Team, User
from records.models import Company, Contact, Deal, Pipeline, Record, Stage, Ticket
from records.models.properties import hidden_fields, unasked_fields

R = TypeVar("R", bound=Record)

SEARCH = "q"
ORDER = "o"
LONGEST_SEARCH = 200
RESTRICTED_FIELD = "Restricted field"
"""What stands for a field whose name the reader may not know."""


class BadQuery(Exception):
    """A parameter that does not exist, or a value that is absent or hidden: one and the same."""

    def __init__(self, message: str = "This list has no such filter. Start again from the list."):
        super().__init__(message)


class InvalidValue(BadQuery):
    """A value that is not of its filter's kind; the message names the filter."""


def _names(model: type[Model]) -> Any:
    """Return the choices of a filter by relation: what the person may name (leaks.md L3, L85)."""

    def choices(request: Any) -> QuerySet[Any]:
        return nameable(model._default_manager.all(), request.user)

    return choices


class KeyChoiceField(KeyField, django_filters.fields.ModelChoiceField):
    """One row by its key, as `KeyField`, for a filter."""


class KeyFilter(django_filters.ModelChoiceFilter):
    """A filter by one row; what is no key is refused as an absent row is."""

    field_class = KeyChoiceField


class TeamFilter(KeyFilter):
    """Teams in the person's reach: what a team owns tells who is in it (leaks.md L92)."""

    def get_queryset(self, request: Any) -> QuerySet[Team]:
        return teams_told(request.user, self.model)  # type: ignore[attr-defined]  # set by its filter set


def _amount() -> forms.DecimalField:
    """Return one end of a range of amounts: wide enough for all, and for every database."""
    return forms.DecimalField(max_digits=20, decimal_places=6)


class RecordFilterSet(django_filters.FilterSet):
    """Filters that every kind of record has."""

    owner = KeyFilter(label="Owner or co-owner", queryset=_names(User), method="owned_by")
    team = TeamFilter(label="Team of an owner", method="owned_in")
    unassigned = django_filters.ChoiceFilter(
        label="Unassigned", choices=[("yes", "Yes"), ("no", "No")], method="without_owner"
    )
    created_at = django_filters.DateFromToRangeFilter(label="Created", field_name="created_at")

    extra_fields: ClassVar[tuple[str, ...]] = ()

    def owned_by(self, queryset: QuerySet[R], name: str, value: User) -> QuerySet[R]:
        return queryset.filter(_any_owner(queryset.model, value.pk))

    def owned_in(self, queryset: QuerySet[R], name: str, value: Team) -> QuerySet[R]:
        members = list(Membership.objects.filter(team=value).values_list("user", flat=True))
        return queryset.filter(_any_owner(queryset.model, members))

    def without_owner(self, queryset: QuerySet[R], name: str, value: str) -> QuerySet[R]:
        unassigned = Q(*((f"{field}__isnull", True) for field in queryset.model.owner_fields))
        return queryset.filter(unassigned if value == "yes" else ~unassigned)


def _any_owner(model: type[Record], value: int | list[int]) -> Q:
    lookup = "__in" if isinstance(value, list) else ""
    named = Q(pk__in=[])
    for field in model.owner_fields:
        named |= Q(**{f"{field}{lookup}": value})
    return named


class ContactFilters(RecordFilterSet):
    """Filters of contacts."""

    company = KeyFilter(label="Company", queryset=_names(Company))
    lifecycle = django_filters.ChoiceFilter(label="Lifecycle", choices=Contact.Lifecycle.choices)

    class Meta:
        model = Contact
        fields: ClassVar[list[str]] = []


class CompanyFilters(RecordFilterSet):
    """Filters of companies."""

    sector = django_filters.CharFilter(label="Sector", lookup_expr="iexact")
    country = django_filters.CharFilter(label="Country", lookup_expr="iexact")

    class Meta:
        model = Company
        fields: ClassVar[list[str]] = []


class DealFilters(RecordFilterSet):
    """Filters of deals."""

    pipeline = KeyFilter(
        label="Pipeline",
        field_name="stage__pipeline",
        queryset=Pipeline.objects.filter(object="deal"),
    )
    stage = KeyFilter(
        label="Stage",
        queryset=Stage.objects.filter(pipeline__object="deal").select_related("pipeline"),
    )
    closed = django_filters.DateFromToRangeFilter(label="Closed")
    amount = django_filters.RangeFilter(label="Amount", fields=(_amount(), _amount()))
    company = KeyFilter(label="Company", queryset=_names(Company))
    contact = KeyFilter(label="Contact", queryset=_names(Contact))

    class Meta:
        model = Deal
        fields: ClassVar[list[str]] = []


class TicketFilters(RecordFilterSet):
    """Filters of tickets."""

    pipeline = KeyFilter(
        label="Pipeline",
        field_name="stage__pipeline",
        queryset=Pipeline.objects.filter(object="ticket"),
    )
    stage = KeyFilter(
        label="Stage",
        queryset=Stage.objects.filter(pipeline__object="ticket").select_related("pipeline"),
    )
    priority = django_filters.ChoiceFilter(label="Priority", choices=Ticket.Priority.choices)
    company = KeyFilter(label="Company", queryset=_names(Company))
    contact = KeyFilter(label="Contact", queryset=_names(Contact))

    class Meta:
        model = Ticket
        fields: ClassVar[list[str]] = []


FILTERSETS: dict[type[Record], type[RecordFilterSet]] = {
    Contact: ContactFilters,
    Company: CompanyFilters,
    Deal: DealFilters,
    Ticket: TicketFilters,
}


class _Asker:
    """Stands for the request where there is none: django-filter asks for `request.user` only."""

    def __init__(self, user: User) -> None:
        self.user = user


def _offered(model: type[Record], user: User) -> dict[str, Any]:
    """Return the filters this person has: a field they may not read has none (L8, RC3)."""
    unasked = unasked_fields(user, model)
    filters = FILTERSETS[model].base_filters
    return {name: each for name, each in filters.items() if _field_of(each, name) not in unasked}


def parameter_names(model: type[Record], user: User) -> list[str]:
    """Return every query parameter this person's filters read, ranges spelt out (`amount_min`)."""
    names = []
    for name, declared in _offered(model, user).items():
        suffixes = getattr(declared.field_class.widget, "suffixes", None)
        names += [f"{name}_{suffix}" for suffix in suffixes] if suffixes else [name]
    return names


def bound(model: type[R], data: QueryDict, queryset: QuerySet[R], *, user: User) -> RecordFilterSet:
    """Return the model's filter set holding these values, with the filters this person has."""
    filterset = _whole(model, data, queryset, user)
    for name in set(filterset.filters) - set(_offered(model, user)):
        del filterset.filters[name]
    return filterset


def _whole(model: type[R], data: QueryDict, queryset: QuerySet[R], user: User) -> RecordFilterSet:
    return FILTERSETS[model](data, queryset=queryset, request=_Asker(user))  # type: ignore[arg-type]  # asked for its user only


def orderable(model: type[Record], user: User) -> frozenset[str]:
    """Return the fields a list or an export may be ordered by: values of the record itself.

    A relation would order by names that may be out of the person's reach, and a field that they
    may not read by its values (L12, S03).
    """
    return frozenset(
        field.name
        for field in model._meta.concrete_fields
        if not field.is_relation and field.name not in {"deleted_at", "version"}
    ) - unasked_fields(user, model)


def canonical(model: type[Record], query: str | QueryDict, *, user: User) -> str:
    """Return the one way to write this query: known parameters, sorted, no empties, valid.

    Raises `BadQuery` for an unknown parameter or a value hidden from or absent for the person, and
    `InvalidValue` for a mistyped one.
    """
    data = QueryDict(query) if isinstance(query, str) else query
    names = parameter_names(model, user)
    if set(data) - {*names, SEARCH, ORDER}:
        raise BadQuery
    clean = QueryDict(mutable=True)
    for name in sorted([*names, SEARCH, ORDER]):
        values = given(data.getlist(name))
        if len(values) > 1:
            raise InvalidValue(f"“{name}” was given more than once. Choose one value.")
        if values:
            clean[name] = values[0]
    _check_search(clean.get(SEARCH, ""))
    _check_order(model, clean.get(ORDER, ""), user)
    if _filters_by(clean):
        _check_values(bound(model, clean, model._default_manager.none(), user=user))
    return clean.urlencode()


def given(values: Iterable[str]) -> list[str]:
    """Return the values of one parameter, each once, without the white space around and empties."""
    return sorted({value.strip() for value in values} - {""})


def _filters_by(data: QueryDict) -> bool:
    """Tell whether a query has any filter: most lists have none, and making them all is slow."""
    return bool(set(data) - {SEARCH, ORDER})


def narrowed(queryset: QuerySet[R], query: str | QueryDict, *, user: User) -> QuerySet[R]:
    """Apply a query's filters, search and order to these rows; raises as `canonical` does."""
    model: type[R] = queryset.model
    data = QueryDict(canonical(model, query, user=user))
    rows: QuerySet[R] = (
        bound(model, data, queryset, user=user).qs if _filters_by(data) else queryset
    )
    if term := data.get(SEARCH):
        rows = search(rows, term)
    if order := data.get(ORDER):
        rows = rows.order_by(*order.split(","), "-pk")
    return rows


def search(queryset: QuerySet[R], term: str) -> QuerySet[R]:
    """Keep rows in which every word of `term` occurs in some always-visible text field."""
    fields: Iterable[str] = queryset.model.search_fields
    for word in term.split():
        found = Q(pk__in=[])
        for field in fields:
            found |= Q(**{f"{field}__icontains": word})
        queryset = queryset.filter(found)
    return queryset


def fields_used(model: type[Record], query: str) -> frozenset[str]:
    """Return the record's fields that a canonical query filters, searches or orders by (Q5)."""
    data = QueryDict(query)
    used = set()
    for name, declared in FILTERSETS[model].base_filters.items():
        suffixes = getattr(declared.field_class.widget, "suffixes", None)
        given = [f"{name}_{suffix}" for suffix in suffixes] if suffixes else [name]
        if any(parameter in data for parameter in given):
            used.add(_field_of(declared, name))
    if SEARCH in data:
        used |= set(model.search_fields)
    used |= {name.lstrip("-") for name in data.get(ORDER, "").split(",") if name}
    return frozenset(used)


def described(
    model: type[Record], query: str, *, user: User, hide: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """Return a canonical query as this person may read it: (label, value) pairs, in order.

    A value that they may not name, and any value of the fields to `hide`, is masked (Q7). Of a
    field hidden from them only this is said: that the query uses one; nothing at all would let an
    approver decide on something else than what was asked.
    """
    data = QueryDict(query)
    filterset = _whole(model, data, model._default_manager.none(), user)
    hidden = hidden_fields(user, model)
    form = filterset.form
    form.is_valid()
    lines = []
    for name, field in form.fields.items():
        value = form.cleaned_data.get(name)
        used_field = _field_of(filterset.filters[name], name)
        if used_field in hidden:
            if name in form.errors or value not in (None, ""):
                lines.append((RESTRICTED_FIELD, "restricted"))
            continue
        if name in form.errors or (value not in (None, "") and used_field in hide):
            lines.append((str(field.label), "restricted"))
            continue
        if value in (None, ""):
            continue
        if isinstance(value, slice):
            low, high = (_day(value.start), _day(value.stop))
            text = f"{low or '…'} – {high or '…'}"
        elif isinstance(field, forms.ChoiceField) and not isinstance(field, forms.ModelChoiceField):
            choices: Any = field.choices  # its stub allows whatever may be assigned
            text = str(dict(choices).get(value, value))
        else:
            text = str(value)
        lines.append((str(field.label), text))
    if SEARCH in data:
        lines.append(("Search", "restricted" if hide & set(model.search_fields) else data[SEARCH]))
    if ORDER in data:
        terms = [_term(term, hidden) for term in data[ORDER].split(",")]
        lines.append(("Order", ", ".join(terms)))
    return lines


def _term(term: str, hidden: frozenset[str]) -> str:
    name = term.removeprefix("-")
    shown = RESTRICTED_FIELD.lower() if name in hidden else name
    return f"descending {shown}" if term.startswith("-") else shown


def _field_of(declared: Any, name: str) -> str:
    return str(declared.field_name or name).split("__")[0]


def _day(value: Any) -> Any:
    return value.date() if hasattr(value, "date") else value


def _check_search(term: str) -> None:
    if len(term) > LONGEST_SEARCH or "\x00" in term:
        raise InvalidValue(f"Search for at most {LONGEST_SEARCH} ordinary characters.")


def _check_order(model: type[Record], order: str, user: User) -> None:
    names = [name.removeprefix("-") for name in order.split(",") if name]
    if set(names) - orderable(model, user):
        raise BadQuery


def _check_values(filterset: RecordFilterSet) -> None:
    if filterset.is_valid():
        return
    for name, errors in filterset.form.errors.as_data().items():
        field = filterset.form.fields.get(name)
        for error in errors:
            if isinstance(field, forms.ModelChoiceField) or error.code == "invalid_choice":
                raise BadQuery
            label = field.label if field else name
            raise InvalidValue(f"{label}: {_sentence(error)}")


def _sentence(error: ValidationError) -> str:
    return " ".join(error.messages)
