"""The filter sheet of a list of records: one FilterSet, drawn by the admin's own side sheet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy, pgettext_lazy
from django_filters.widgets import SuffixedMultiWidget
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.chips import Chip, chips_of
from accounts.day_input import DayInput
from accounts.keys import label_of
from accounts.modeladmin import SORTED_COLUMN, AccessModelAdmin, user_of
from accounts.pickers import PickerSelect, Purpose
from records import filters, query_words
from records.by_name import columns_of
from records.by_number import NUMBERS, YES, looks_for_number
from records.filter_sets import PickedField
from records.models import Record
from records.operations import screen_limit
from records.screens.limited import (
    late_parameters,
    numbers_asked,
    parameter_names,
    unasked,
)
from records.screens.tabs import OWNERS, WHOLE_LIST, Tab, tabs


class RecordListFilter(admin.ListFilter):
    """All filters of one kind of record as a single entry of the admin's filter sheet."""

    title = gettext_lazy("filters")
    parameter_name = "filters"
    template = "records/filters.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Record],
        model_admin: AccessModelAdmin,
    ) -> None:
        super().__init__(request, params, model, model_admin)  # type: ignore[arg-type]  # Django passes lists of values
        self.model, self.model_admin, self.user = model, model_admin, user_of(request)
        data = QueryDict(mutable=True)
        for name in parameter_names(request, model):
            # As the query reads them, so that the form shows what is filtered by and nothing else.
            if values := filters.given(params.pop(name, [])):
                data.setlist(name, values)
        self.data, self.request = data, request
        used: dict[str, Any] = dict(data.lists())  # Any, since it is read for emptiness only
        self.used_parameters = used

    @cached_property
    def form(self) -> forms.Form:
        """The filters this person has now, as the rest of the admin draws them."""
        form = filters.bound(
            self.model, self.data, self.model._default_manager.none(), user=self.user
        ).form
        for name in late_parameters(self.request, self.model):
            form.fields.pop(name.rpartition("_")[0] or name, None)
            form.fields.pop(name, None)
        for name, field in form.fields.items():
            self._dress(name, field)
        return form

    @cached_property
    def chips(self) -> list[Chip]:
        """What the list is narrowed by, to be taken away again; owners by a tab stand there."""
        given = set(self.used_parameters)
        if any(tab.is_on for tab in self.tabs):
            given -= set(OWNERS)
        found = chips_of(self.request, self.form, given, _in_words) if self._is_on else []
        return [replace(c, without=WHOLE_LIST) if c.without == "?" else c for c in found]

    @cached_property
    def tabs(self) -> list[Tab]:
        """Whose records are listed, at one click."""
        return tabs(self.request, self.model, parameter_names(self.request, self.model))

    @property
    def _is_on(self) -> bool:
        """Tell whether anything narrows the list: else the form need not be read at all."""
        return bool(self.used_parameters or self.request.GET.get(filters.SEARCH))

    @property
    def media(self) -> forms.Media:
        """What its widgets need in the browser."""
        return self.form.media

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*parameter_names(self.request, self.model)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Apply the filters; an unknown or hidden value is a 400, a mistyped one shows no rows."""
        try:
            return filters.narrowed(queryset, self.data, user=self.user)
        except filters.InvalidValue as error:
            messages.error(request, str(error))
            return queryset.none()
        except filters.BadQuery as error:
            raise BadRequest(str(error)) from error

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # a form, not links
        """Hand the drawn form to the template."""
        yield {"form": self.form, "selected": bool(self.data)}

    def _dress(self, name: str, field: Any) -> None:
        """Give a field the widget the rest of the admin has."""
        if isinstance(field, PickedField):
            db_field = self.model._meta.get_field(name)
            field.widget = PickerSelect(db_field, self.model_admin.admin_site, Purpose.ASK)
            field.widget.choices = field.choices
        elif isinstance(field, forms.ChoiceField):
            choices = field.choices
            field.widget = UnfoldAdminSelectWidget()
            field.widget.choices = choices
        elif isinstance(field.widget, SuffixedMultiWidget):
            dates = isinstance(field.fields[0], forms.DateField)
            parts = {"field": field.label}
            field.widget.widgets = [
                _bound(str(label) % parts, str(hint), dates=dates)
                for hint, label in (_DAYS if dates else _NUMBERS)
            ]
        else:
            field.widget = UnfoldAdminTextInputWidget()


# The ends of a range: what stands in the empty field, and what reads it out.
_DAYS = (
    (pgettext_lazy("first day", "from"), gettext_lazy("%(field)s from")),
    (pgettext_lazy("last day", "to"), gettext_lazy("%(field)s to")),
)
_NUMBERS = (
    (pgettext_lazy("smallest number", "at least"), gettext_lazy("%(field)s at least")),
    (pgettext_lazy("largest number", "at most"), gettext_lazy("%(field)s at most")),
)


def _in_words(field: forms.Field, value: Any) -> str:
    """Return a value as its chip says it: a row by its name, without its number."""
    return label_of(value) if isinstance(value, Model) else query_words.in_words(field, value)


def _bound(label: str, hint: str, *, dates: bool) -> forms.Widget:
    """Return one end of a range."""
    made = DayInput if dates else UnfoldAdminTextInputWidget
    widget: forms.Widget = made(attrs={"placeholder": hint, "aria-label": label})
    widget.is_required = False
    return widget


def list_filter(model: type[Record]) -> type[RecordListFilter]:
    """Return the filter sheet of one kind of record, knowing a person's parameters."""

    class ModelListFilter(RecordListFilter):
        @staticmethod
        def known_parameters(request: HttpRequest) -> list[str]:
            return parameter_names(request, model)

        @staticmethod
        def asked_fields(request: HttpRequest) -> frozenset[str]:
            return frozenset(filters.picked(model)).intersection(parameter_names(request, model))

    return ModelListFilter


def canonical_query(request: HttpRequest, model_admin: Any, model: type[Record]) -> str:
    """Return the list's own address as a canonical query: filters, search and order.

    The admin orders by numbers of columns; a stored query orders by names of fields.
    """
    data = QueryDict(mutable=True)
    names = parameter_names(request, model)
    for name in (*names, filters.SEARCH):
        if name in request.GET:
            data.setlist(name, request.GET.getlist(name))
    if filters.SEARCH in data and unasked(request, model) & set(model.search_fields):
        limit = screen_limit.limit_of(user_of(request), model) or 0
        raise filters.InvalidValue(screen_limit.why_dots(limit))
    if looks_for_number(data.get(filters.SEARCH, ""), numbers_asked(request, model)):
        data[NUMBERS] = YES
    if order := _order_names(request, model_admin, model):
        data[filters.ORDER] = order
    return filters.canonical(model, data, user=user_of(request))


def _order_names(request: HttpRequest, model_admin: Any, model: type[Record]) -> str:
    columns = list(model_admin.get_list_display(request))
    if model_admin.get_actions(request):
        columns.insert(0, "action_checkbox")
    allowed = filters.orderable(model, user_of(request)) - unasked(request, model)
    by_name = columns_of(model)
    parts = []
    for part in request.GET.get("o", "").split("."):
        if not SORTED_COLUMN.fullmatch(part):
            continue
        number = int(part.removeprefix("-"))
        if number >= len(columns):
            continue
        column = getattr(columns[number], "__name__", columns[number])
        if column in by_name and column in allowed:
            parts.append(f"-{column}" if part.startswith("-") else column)
            continue
        name = getattr(getattr(model_admin, str(column), None), "admin_order_field", column)
        if name in allowed and column in model_admin.sortable_by:
            parts.append(f"-{name}" if part.startswith("-") else name)
    return ",".join(parts)
