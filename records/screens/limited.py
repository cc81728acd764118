"""Screens of records that count their sensitive values, and show dots beyond the limit.

Lists and forms ask `screen_limit` once per page, before anything of it is drawn; what was granted
is kept on the request, and whatever was not asked for reads as dots.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import display_for_field, flatten_fieldsets
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from accounts.modeladmin import DOTS, relation, shown, user_of
from accounts.modeladmin.requests import kept, once
from records import filters
from records.by_number import numbers_of
from records.models import Record
from records.models.properties import field_key
from records.operations import screen_limit
from records.operations.screen_limit import Shown
from records.reads import kind_of
from records.screens.part import RecordPart

Cell = tuple[int, str]
"""A record's key and a field's name."""
NOTHING: Shown[Cell] = Shown(frozenset(), everything=False)


def counted(request: HttpRequest, model: type[Any]) -> frozenset[str]:
    """Return the fields of this kind of record whose values are counted for who asks."""
    return screen_limit.counted_fields(user_of(request), model)


def count(request: HttpRequest, model: type[Record], cells: Collection[Cell]) -> Shown[Cell]:
    """Count these values as shown; say on the page why, where some of them are not.

    Only for pages that are read: what is posted leads to another page as a rule.
    """
    limit = screen_limit.limit_of(user_of(request), model)
    if limit is None or request.method not in ("GET", "HEAD"):
        return NOTHING
    found = screen_limit.show(user_of(request), list(cells), limit)
    if not found.everything:
        say_why(request, limit)
    return found


def say_why(request: HttpRequest, limit: int) -> None:
    """Say once on a page why values read as dots."""
    once(request, "why dots", lambda: messages.warning(request, screen_limit.why_dots(limit)))


def unasked(request: HttpRequest, model: type[Any]) -> frozenset[str]:
    """Return the counted fields once the limit is used up: nobody finds out values by asking.

    Which rows a filter, an order or a search finds would tell what the dots hide.
    """

    def now() -> frozenset[str]:
        fields, user = counted(request, model), user_of(request)
        limit = screen_limit.limit_of(user, model)
        is_used_up = fields and limit is not None and screen_limit.is_used_up(user, limit)
        return fields if is_used_up else frozenset()

    return once(request, ("unasked", model), now)


def numbers_asked(request: HttpRequest, model: type[Record]) -> tuple[str, ...]:
    """Return the fields with numbers that a search looks in for who asks, as things stand today."""
    numbers = numbers_of(model, user_of(request))
    return () if unasked(request, model) & set(numbers) else numbers


class LimitedAdmin(RecordPart):
    """Counts what lists and forms of one kind of record show of sensitive fields."""

    # Forms --------------------------------------------------------------------------------------

    def dotted_fields(self, request: HttpRequest, obj: Model) -> frozenset[str]:
        """Return the counted fields this page does not show; what was posted stays editable.

        A form that was opened within the limit is saved whole, and one that had dots leaves them.
        """
        fields = counted(request, self.model)
        if request.method not in ("GET", "HEAD"):
            # What this person may only read is no input: a name that is sent shows nothing.
            return fields - (set(request.POST) - self.fixed_fields(request))
        if not fields:
            return fields

        def dotted() -> frozenset[str]:
            names = [n for n in flatten_fieldsets(self.fieldsets or ()) if n in fields]
            filled = [n for n in names if not screen_limit.is_empty(getattr(obj, n))]
            found = count(request, self.model, [(obj.pk, n) for n in filled])
            return frozenset(n for n in fields if not found.has((obj.pk, n), getattr(obj, n)))

        return once(request, ("dotted", self.opts.label, obj.pk), dotted)

    # Lists --------------------------------------------------------------------------------------

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        fields = counted(request, self.model)
        names = [name for name in self.list_display if name in fields]
        cells = [
            (row.pk, str(name))
            for row in rows
            for name in names
            if not screen_limit.is_empty(getattr(row, str(name)))
        ]
        if names and rows:
            kept(request)["shown cells"] = count(request, self.model, cells)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        fields = counted(request, self.model)
        return [
            self._counted_column(request, name)
            if (name := getattr(column, "__name__", column)) in fields
            else column
            for column in super().get_list_display(request)
        ]

    def _counted_column(self, request: HttpRequest, name: str) -> Callable[[Any], Any]:
        """Return a column of values that were counted; one object per request, as lists compare."""
        make = partial(counted_column, request, self.model, name)
        return once(request, ("counted", self.model, name), make)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        fields = counted(request, self.model)
        return [
            self._counted_column(request, name) if name in fields else name
            for name in super().get_sortable_by(request)
        ]

    def _unasked(self, request: HttpRequest) -> frozenset[str]:
        return super()._unasked(request) | unasked(request, self.model)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term[: filters.LONGEST_SEARCH]
        hidden = unasked(request, self.model)
        fields = [name for name in self.model.search_fields if name not in hidden]
        return filters.search(queryset, term, fields, self.found_by_digits(request)), False

    def found_by_digits(self, request: HttpRequest) -> tuple[str, ...]:
        return numbers_asked(request, self.model)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; this redirects too
        """Leave out filters by what reads as dots, and say why; an old address may have them."""
        late = set(request.GET) & late_parameters(request, self.model)
        limit = screen_limit.limit_of(user_of(request), self.model)
        if late and limit is not None:
            query = request.GET.copy()
            for name in late:
                del query[name]
            say_why(request, limit)
            return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
        return super().changelist_view(request, extra_context)


def late_parameters(request: HttpRequest, model: type[Record]) -> set[str]:
    """Return the parameters that would ask for values which read as dots."""
    hidden = {field_key(kind_of(model), name) for name in unasked(request, model)}
    names = filters.parameter_names(model, user_of(request)) if hidden else []
    return {name for name in names if filters.reads_asked_for(model, f"{name}=1") & hidden}


def parameter_names(request: HttpRequest, model: type[Record]) -> list[str]:
    """Return the parameters that filter a list for who asks, as things stand today."""
    late = late_parameters(request, model)
    return [name for name in filters.parameter_names(model, user_of(request)) if name not in late]


def counted_column(request: HttpRequest, model: type[Record], name: str) -> Callable[[Any], Any]:
    """Return a column that shows what was granted to this page, and dots for anything else."""
    field: Any = model._meta.get_field(name)

    def column(obj: Any) -> Any:
        value = getattr(obj, field.attname)
        granted: Shown[Cell] = kept(request).get("shown cells", NOTHING)
        if not granted.has((obj.pk, name), value):
            return DOTS
        if relation(model, name):
            return shown(request, obj, field)
        if value is None:
            return value
        # The list draws days by itself, without breaking their lines.
        return value if isinstance(value, date) else display_for_field(value, field, "–")

    column.__name__ = name
    column.short_description = field.verbose_name  # type: ignore[attr-defined]  # read by the admin
    column.admin_order_field = name  # type: ignore[attr-defined]  # read by the admin
    return column
