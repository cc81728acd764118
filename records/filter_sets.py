"""The filters of every kind of record, each with what it reads; filters.py answers by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_filters.fields import RangeField
from django_filters.widgets import DateRangeWidget

from accounts import days, languages
from accounts.access import teams_told
from accounts.keys import KeyField
from accounts.models import Membership, Team, User
from accounts.numbers import NumberField
from accounts.pickers import Purpose, offered
from records import kinds
from records.kinds import Field, Type
from records.models import Pipeline, Record, Stage
from records.reads import named

R = TypeVar("R", bound=Record)
F = TypeVar("F", bound=django_filters.Filter)
Paths = Callable[[type[Record]], Iterable[str]]

ZONE = "zone"
"""Says whose days a query goes by, where these are not the installation's."""


def _names(model: type[Model]) -> Any:
    """Return the choices of a filter by relation: what the person may name (L3, L85).

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
    """Teams in the person's reach: what a team owns tells who is in it (L92)."""

    def get_queryset(self, request: Any) -> QuerySet[Team]:
        return teams_told(request.user, self.model)  # type: ignore[attr-defined]  # set by its filter set


class OutcomeFilter(django_filters.ChoiceFilter):
    """Records in stages that are open, won or lost."""

    def __init__(self, **options: Any) -> None:
        super().__init__(label=gettext_lazy("Outcome"), choices=Stage.Outcome.choices, **options)

    def filter(self, qs: QuerySet[R], value: str) -> QuerySet[R]:
        if not value:
            return qs
        # By keys that stand in the statement: of a sub-query PostgreSQL does not know how many
        # records it leaves, and looked for a few won deals through all the others.
        stages = list(Stage.objects.filter(outcome=value).values_list("pk", flat=True))
        return qs.filter(**{f"{self.field_name}__in": stages})


class DayRangeField(RangeField):
    """Two days, each of which may be left out: a slice of days, and not yet of moments."""

    widget = DateRangeWidget

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        said = {"invalid": gettext_lazy("Write the day as 2026-12-31.")}
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

    def goes_by_moments(self, model: type[Model]) -> bool:
        """Tell whether its days mean moments, which depends on a time zone."""
        return isinstance(model._meta.get_field(str(self.field_name)), DateTimeField)

    def filter(self, qs: QuerySet[R], value: slice | None) -> QuerySet[R]:
        if value is None:
            return qs
        name, first, last = str(self.field_name), value.start, value.stop
        if self.goes_by_moments(qs.model):
            zone = zone_of_days(self.parent.data)  # type: ignore[attr-defined]  # its filter set
            bounds = {
                f"{name}__gte": first and days.first_moment(first, zone),
                f"{name}__lt": last and days.moment_after(last, zone),
            }
        else:
            bounds = {f"{name}__gte": first, f"{name}__lte": last}
        return qs.filter(**{lookup: bound for lookup, bound in bounds.items() if bound})


def zone_of_days(query: QueryDict) -> ZoneInfo | None:
    """Return the time zone that a query says its days are of; None for the reader's."""
    return languages.zone_called(query.get(ZONE, ""))


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


def _named_owners(model: type[Record]) -> Iterable[str]:
    return [path for field in model.owner_fields for path in named(field, User)]


_owners: Paths = attrgetter("owner_fields")


class RecordFilterSet(django_filters.FilterSet):
    """Filters that every kind of record has."""

    owner = reading(
        PickedFilter(
            label=gettext_lazy("Owner or co-owner"), queryset=_names(User), method="owned_by"
        ),
        _named_owners,
    )
    team = reading(TeamFilter(label=gettext_lazy("Team of an owner"), method="owned_in"), _owners)
    unassigned = reading(
        django_filters.ChoiceFilter(
            label=pgettext_lazy("a record", "Unassigned"),
            choices=[("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))],
            method="without_owner",
        ),
        _owners,
    )
    created_at = reading(
        DayRangeFilter(label=gettext_lazy("Created"), field_name="created_at"),
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


def filter_set(model: type[Record]) -> type[RecordFilterSet]:
    """Return the filters of a kind of record: what all have, and one by each field it declares."""
    return made(kinds.of(model))


@lru_cache(maxsize=1000)
def made(kind: kinds.Kind) -> type[RecordFilterSet]:
    """Return the filters of a kind as it is defined now; another definition is another key."""
    meta = type("Meta", (), {"model": kind.model, "fields": []})
    own = {
        name: declared
        for field in (kind.field(name) for name in kind.filters)
        for name, declared in _filters_by(kind, field)
    }
    name, parts = f"{kind.model.__name__}Filters", {**own, "Meta": meta}
    return cast("type[RecordFilterSet]", type(name, (RecordFilterSet,), parts))


def _filters_by(kind: kinds.Kind, field: Field) -> Iterator[tuple[str, django_filters.Filter]]:
    """Yield the filter by a field, by its type; a stage brings its pipeline and its outcome too.

    Labels are lazy: filters are made once, for readers of every language.
    """
    name, label = field.name, field.title
    if field.related is Stage:
        path, pipelines = f"{name}__pipeline", Pipeline.objects.filter(object=kind.key)
        declared = KeyFilter(label=gettext_lazy("Pipeline"), field_name=path, queryset=pipelines)
        yield "pipeline", reading(declared, *named(path, Pipeline))
        yield "outcome", reading(OutcomeFilter(field_name=name), *named(name, Stage))
        stages = Stage.objects.filter(pipeline__object=kind.key).select_related("pipeline")
        yield name, reading(KeyFilter(label=label, queryset=stages), *named(name, Stage))
    elif field.related is not None:
        picked = PickedFilter(label=label, queryset=_names(field.related))
        yield name, reading(picked, *named(name, field.related))
    else:
        yield name, reading(_by_value(field), name)


def _by_value(field: Field) -> django_filters.Filter:
    if field.choices:
        return django_filters.ChoiceFilter(label=field.title, choices=[*field.choices.items()])
    if field.holds in (Type.DATE, Type.MOMENT):
        return DayRangeFilter(label=field.title)
    if field.holds in (Type.DECIMAL, Type.INTEGER):
        return django_filters.RangeFilter(label=field.title, fields=(_amount(), _amount()))
    return django_filters.CharFilter(label=field.title, lookup_expr="folded")
