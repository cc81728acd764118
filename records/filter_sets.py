"""The filters of every kind of record, each declared with what it reads.

filters.py answers by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import django_filters
from django import forms
from django.db.models import DateTimeField, Model, Q, QuerySet
from django_filters.fields import RangeField
from django_filters.widgets import DateRangeWidget

from accounts import days
from accounts.access import teams_told
from accounts.keys import KeyField
from accounts.models import Membership, Team, User
from accounts.numbers import NumberField
from accounts.pickers import Purpose, offered
from records.models import Company, Contact, Deal, Pipeline, Record, Stage, Ticket
from records.reads import named

R = TypeVar("R", bound=Record)
F = TypeVar("F", bound=django_filters.Filter)
Paths = Callable[[type[Record]], Iterable[str]]


def _names(model: type[Model]) -> Any:
    """Return the choices of a filter by relation: what the person may name (leaks.md L3, L85).

    Deactivated people and what lies in the recycle bin too: records are linked with them still.
    """

    def choices(request: Any) -> QuerySet[Any]:
        return offered(model._default_manager.all(), request.user, Purpose.ASK)

    return choices


class KeyChoiceField(KeyField, django_filters.fields.ModelChoiceField):
    """One row by its key, as `KeyField`, for a filter."""


class KeyFilter(django_filters.ModelChoiceFilter):
    """A filter by one row; what is no key is refused as an absent row is."""

    field_class = KeyChoiceField


class PickedField(KeyChoiceField):
    """One row, found by typing its name."""


class PickedFilter(KeyFilter):
    """A filter by one row of many: drawn as a picker that asks by the model's field of its name."""

    field_class = PickedField


class TeamFilter(KeyFilter):
    """Teams in the person's reach: what a team owns tells who is in it (leaks.md L92)."""

    def get_queryset(self, request: Any) -> QuerySet[Team]:
        return teams_told(request.user, self.model)  # type: ignore[attr-defined]  # set by its filter set


class DayRangeField(RangeField):
    """Two days, each of which may be left out: a slice of days, and not yet of moments."""

    widget = DateRangeWidget

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        said = {"invalid": "Write the day as 2026-12-31."}
        first, last = (
            forms.DateField(validators=[days.check_day], error_messages=said) for _ in range(2)
        )
        super().__init__((first, last), *args, **kwargs)


class DayRangeFilter(django_filters.RangeFilter):
    """From the first moment of one day to before the next day after another begins.

    django-filter's own ends a day at 23:59:59.999999 by the wall clock: where the clock goes back
    at midnight, that leaves out an hour.
    """

    field_class = DayRangeField

    def filter(self, qs: QuerySet[R], value: slice | None) -> QuerySet[R]:
        if value is None:
            return qs
        name, first, last = str(self.field_name), value.start, value.stop
        if isinstance(qs.model._meta.get_field(name), DateTimeField):
            bounds = {
                f"{name}__gte": first and days.first_moment(first),
                f"{name}__lt": last and days.moment_after(last),
            }
        else:
            bounds = {f"{name}__gte": first, f"{name}__lte": last}
        return qs.filter(**{lookup: bound for lookup, bound in bounds.items() if bound})


def _amount() -> NumberField:
    """Return one end of a range of amounts: wide enough for all, and for every database."""
    return NumberField(max_digits=20, decimal_places=6)


def reading(declared: F, *paths: str | Paths) -> F:
    """Declare what a filter reads, as paths from its record, or as what gives them for a kind.

    Everything that a value of it can tell of a record counts, the name of what it is filtered by
    included, since that stands beside the filter. A filter without is refused at start-up.
    """
    declared.reads = paths  # type: ignore[attr-defined]  # ours, beside what django-filter keeps
    return declared


def _owners(model: type[Record]) -> Iterable[str]:
    return model.owner_fields


def _named_owners(model: type[Record]) -> Iterable[str]:
    return [path for field in model.owner_fields for path in named(field, User)]


class RecordFilterSet(django_filters.FilterSet):
    """Filters that every kind of record has."""

    owner = reading(
        PickedFilter(label="Owner or co-owner", queryset=_names(User), method="owned_by"),
        _named_owners,
    )
    team = reading(TeamFilter(label="Team of an owner", method="owned_in"), _owners)
    unassigned = reading(
        django_filters.ChoiceFilter(
            label="Unassigned", choices=[("yes", "Yes"), ("no", "No")], method="without_owner"
        ),
        _owners,
    )
    created_at = reading(
        DayRangeFilter(label="Created", field_name="created_at"),
        "created_at",
    )

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


def _company_filter() -> PickedFilter:
    declared = PickedFilter(label="Company", queryset=_names(Company))
    return reading(declared, *named("company", Company))


def _contact_filter() -> PickedFilter:
    declared = PickedFilter(label="Contact", queryset=_names(Contact))
    return reading(declared, *named("contact", Contact))


def _pipeline_filter(key: str) -> KeyFilter:
    pipelines = Pipeline.objects.filter(object=key)
    return reading(
        KeyFilter(label="Pipeline", field_name="stage__pipeline", queryset=pipelines),
        *named("stage__pipeline", Pipeline),
    )


def _stage_filter(key: str) -> KeyFilter:
    stages = Stage.objects.filter(pipeline__object=key).select_related("pipeline")
    return reading(KeyFilter(label="Stage", queryset=stages), *named("stage", Stage))


class ContactFilters(RecordFilterSet):
    """Filters of contacts."""

    company = _company_filter()
    lifecycle = reading(
        django_filters.ChoiceFilter(label="Lifecycle", choices=Contact.Lifecycle.choices),
        "lifecycle",
    )

    class Meta:
        model = Contact
        fields: ClassVar[list[str]] = []


class CompanyFilters(RecordFilterSet):
    """Filters of companies."""

    sector = reading(django_filters.CharFilter(label="Sector", lookup_expr="folded"), "sector")
    country = reading(django_filters.CharFilter(label="Country", lookup_expr="folded"), "country")

    class Meta:
        model = Company
        fields: ClassVar[list[str]] = []


class DealFilters(RecordFilterSet):
    """Filters of deals."""

    pipeline = _pipeline_filter("deal")
    stage = _stage_filter("deal")
    closed = reading(DayRangeFilter(label="Closed"), "closed")
    amount = reading(
        django_filters.RangeFilter(label="Amount", fields=(_amount(), _amount())), "amount"
    )
    company = _company_filter()
    contact = _contact_filter()

    class Meta:
        model = Deal
        fields: ClassVar[list[str]] = []


class TicketFilters(RecordFilterSet):
    """Filters of tickets."""

    pipeline = _pipeline_filter("ticket")
    stage = _stage_filter("ticket")
    priority = reading(
        django_filters.ChoiceFilter(label="Priority", choices=Ticket.Priority.choices), "priority"
    )
    company = _company_filter()
    contact = _contact_filter()

    class Meta:
        model = Ticket
        fields: ClassVar[list[str]] = []


FILTERSETS: dict[type[Record], type[RecordFilterSet]] = {
    Contact: ContactFilters,
    Company: CompanyFilters,
    Deal: DealFilters,
    Ticket: TicketFilters,
}
