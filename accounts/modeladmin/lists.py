"""Lists: columns, order, filters, search and row actions, by what the person may read there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from unfold.templatetags.unfold_list import result_headers
from unfold.views import ChangeList

from accounts.finding import with_words
from accounts.modeladmin.columns import veiled_column
from accounts.modeladmin.fields import FieldsAdmin
from accounts.modeladmin.relations import Address, names, related_model, relation, safe_column
from accounts.modeladmin.rows import TICK, TICK_LABEL, Column, drawn
from accounts.ordering import empty_last
from accounts.paging import CappedCount, CappedPaginator

SORTED_COLUMN = re.compile(r"-?[0-9]{1,2}")
"""A part of a list's order: the number of a column, as the admin writes it."""


class AccessChangeList(ChangeList):
    """A list that orders only by columns declared sortable, and never leaves its pages (L12)."""

    model_admin: ListAdmin

    @cached_property
    def headers(self) -> list[dict[str, Any]]:
        """What stands above the columns, worked out once for the head and all rows."""
        return list(result_headers(self))  # type: ignore[no-untyped-call]  # Unfold's

    @property
    def sorted_count(self) -> int:
        """By how many columns this list is ordered."""
        return sum(1 for header in self.headers if header.get("sorted"))

    def rows(self) -> Iterator[SafeString]:
        """Draw the rows of this page, one after the other."""
        columns = self._columns()
        return (drawn(columns, row) for row in self.result_list)

    def _columns(self) -> list[Column]:
        linked = self.list_display_links or ()
        heads = [name for name in self.list_display if name in linked][:1]
        return [
            Column(
                self.model_admin,
                name,
                str(TICK_LABEL) if name == TICK else header.get("label", header["text"]),
                self._address if name in linked else None,
                is_head=name in heads,
            )
            for name, header in zip(self.list_display, self.headers, strict=True)
        ]

    @cached_property
    def _address(self) -> Address | None:
        """Where the rows lead: to pages of their own, which know the way back to this list."""
        address = Address.to_change(self.model)
        if address is None:
            return None
        way_back: Any = {"preserved_filters": self.preserved_filters, "opts": self.opts}
        sample = add_preserved_filters(way_back, f"{address.before}0{address.after}")
        return Address(address.before, sample.removeprefix(f"{address.before}0"))

    def get_filters_params(self, params: Any = None) -> Any:
        """Parameters of the page that are no filters stay out of the query."""
        wanted = super().get_filters_params(params)
        extra = self.model_admin.extra_parameters
        return {name: value for name, value in wanted.items() if name not in extra}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        extra = self.model_admin.extra_parameters
        query = super().get_query_string(new_params, [*(remove or ()), *extra])
        return self.whole_list if query == "?" else query

    @property
    def whole_list(self) -> str:
        """The address of all rows in the list's own order, from a page of it."""
        return self.model_admin.whole_list

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        wanted = self.params.get("o", "")
        self.params["o"] = ".".join(part for part in wanted.split(".") if self._sortable(part))
        ordering = super().get_ordering(request, queryset)
        # The kind's own order too goes by no field that the person may not read there (L13).
        names = {str(name).removeprefix("-") for name in ordering}
        if names & self.model_admin._unasked(request):
            return ["pk"]
        # An order that nobody asked for is the model's own, as its indexes have it.
        return empty_last(self.model, ordering) if self.params["o"] else ordering

    def _sortable(self, part: str) -> bool:
        if not SORTED_COLUMN.fullmatch(part):
            return False  # “--3” would be another column here than where it is read again
        number = int(part.removeprefix("-"))
        if number >= len(self.list_display):
            return False
        column = self.list_display[number]
        return self.sortable_by is None or column in self.sortable_by

    def get_results(self, request: HttpRequest) -> None:
        self.page_num = max(self.page_num, 1)
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            # A page that is no more (rows were lost meanwhile) is the last one, not an error. Not
            # asked beforehand: that counted every list twice.
            paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
            self.page_num = paginator.num_pages
            super().get_results(request)
        self.page_num = min(self.page_num, self.paginator.num_pages)
        if isinstance(self.paginator.count, CappedCount):
            self.result_count = self.paginator.count
        self.result_list = list(self.result_list)
        self.model_admin.before_rows_are_shown(request, self.result_list)
        for name in self.model_admin.relations_shown(request):
            field = relation(self.model, name)
            assert field is not None
            names(request).learn(
                related_model(field), [getattr(row, field.attname) for row in self.result_list]
            )


class ListAdmin(FieldsAdmin):
    """A list never shows, orders by or narrows by what the person may not read."""

    row_actions: ClassVar[dict[str, tuple[Callable[..., Any], str]]] = {}
    """A slot for upper layers: actions on ticked rows, name → (function, description)."""

    change_list_template = "accounts/change_list.html"
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0  # no list leaves its pages; “all” is no parameter either
    list_filter_submit = True
    list_fullwidth = True
    actions: Sequence[Any] = ()
    few_rows = False
    """Whether the table grows with people and teams alone: any order is quick then."""
    extra_parameters: ClassVar[tuple[str, ...]] = ()
    """Query parameters of this list beside page, order, search and its filters' own."""
    whole_list = "?"
    """The address of all rows in the list's own order, from a page of the list."""

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        """Look at the rows of a list's page before any of their values is drawn."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        # Any, since Unfold promises a list where Django wants the class of one.
        return AccessChangeList

    def action_checkbox(self, obj: Model) -> SafeString:
        """Draw the box that ticks a row; Unfold makes each by a template."""
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select list-tick" '
            'aria-label="{}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            gettext("Select %(row)s") % {"row": obj},
        )

    def relations_shown(self, request: HttpRequest) -> list[str]:
        """Return the foreign keys among this list's columns."""
        hidden = self.hidden_fields(request)
        return [
            n  # type: ignore[misc]  # relation() takes names only
            for n in self.list_display
            if n not in hidden and relation(self.model, n) is not None
        ]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show relations only by names the person may read (L1), and no hidden field (RC3)."""
        hidden, veiled = self.hidden_fields(request), self.veiled_fields(request)
        return [
            veiled_column(self.model, name)
            if name in veiled
            else safe_column(request, self.model, name)
            if relation(self.model, name)
            else name
            for name in super().get_list_display(request)
            if name not in hidden
        ]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Order by no field whose values the person may not read there (L12)."""
        unasked = self._unasked(request)
        return [
            name
            for name in super().get_sortable_by(request)
            if name not in unasked
            and getattr(getattr(self, str(name), None), "admin_order_field", None) not in unasked
        ]

    def get_list_filter(self, request: HttpRequest) -> Any:
        unasked = self._unasked(request)
        return [
            entry
            for entry in super().get_list_filter(request)
            if not (isinstance(entry, str) and entry in unasked)
        ]

    def get_search_fields(self, request: HttpRequest) -> Any:
        unasked = self._unasked(request)
        return [name for name in super().get_search_fields(request) if name not in unasked]

    def found_by_digits(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the fields with numbers by whose digits this person may find rows."""
        return ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by words, as exports and pickers do; Django's own look-ups know fewer letters."""
        fields = self.get_search_fields(request)
        return with_words(queryset, search_term, fields) if fields else queryset, False

    def get_list_select_related(self, request: HttpRequest) -> list[str] | bool:
        return self.relations_shown(request) or False

    def list_parameters(self, request: HttpRequest) -> set[str]:
        """Return every query parameter this list knows; any other is refused (L8–L11)."""
        known = {"p", "o", "q", "e", *self.extra_parameters}
        for entry in self.get_list_filter(request):
            if isinstance(entry, str):
                known |= {f"{entry}__exact"}
        return known | self._sheet_parameters(request)

    def _sheet_parameters(self, request: HttpRequest) -> set[str]:
        """Return the parameters that filter sheets of ours read: their forms check each value."""
        known: set[str] = set()
        for entry in self.get_list_filter(request):
            if isinstance(entry, type) and hasattr(entry, "known_parameters"):
                known |= set(entry.known_parameters(request))
        return known

    def check_address(self, request: HttpRequest, *also: str) -> None:
        """Raise `BadRequest` for what no page of this list ever wrote into its address.

        `also` names parameters of a page that takes the list's address further.
        """
        unknown = set(request.GET) - self.list_parameters(request) - set(also)
        # PostgreSQL raises at a NUL, wherever Django itself reads one.
        plain = set(request.GET) - self._sheet_parameters(request)
        if unknown or any("\x00" in each for name in plain for each in request.GET.getlist(name)):
            raise BadRequest("This list has no such filter.")
        order = request.GET.get("o", "").split(".")
        if any(part and not SORTED_COLUMN.fullmatch(part) for part in order):
            raise BadRequest("This list has no such order.")

    def asked_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields by which this person may ask: those of pickers among the filters."""
        if not self.has_view_permission(request):
            return frozenset()
        filters = self.get_list_filter(request)
        return frozenset().union(
            *(entry.asked_fields(request) for entry in filters if hasattr(entry, "asked_fields"))
        )

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return request is not None and lookup in self.list_parameters(request)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        # Pickers ask by the column: a team's key is that of the group it extends.
        return to_field in (self.opts.pk.name, self.opts.pk.attname)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what this class and the slot declare: deleting many is a tool of its own."""
        actions = dict(super().get_actions(request))
        actions.pop("delete_selected", None)
        for name, (function, description) in self.row_actions.items():
            if function.offered(request, self):  # type: ignore[attr-defined]  # part of the slot's contract
                actions[name] = (function, name, description)
        return actions
