"""Lists of records that go by what stands behind a column: stage, owner, company, while short."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts.modeladmin import user_of
from accounts.modeladmin.lists import AccessChangeList
from accounts.paging import capped_count
from accounts.words import counted
from records import filters
from records.by_name import MOST_SORTED, columns_of, terms_of
from records.models import Record
from records.screens.limited import unasked
from records.screens.part import RecordPart


class RecordChangeList(AccessChangeList):
    """A list that counts its rows before it goes by a name, and says where it does not."""

    model: type[Record]
    left_out = ""
    """The order without what there are too many rows for, where that was asked for."""
    has_left_out = False

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return terms_of(self.model, super().get_ordering(request, queryset), user_of(request))

    def get_results(self, request: HttpRequest) -> None:
        asked = self.params.get("o", "").split(".")
        others = [part for part in asked if not self._goes_by_name(part)]
        if others != asked and capped_count(self.queryset.order_by()) > MOST_SORTED:
            self.has_left_out, self.left_out = True, ".".join(others)
            self.params["o"] = self.left_out
            self.queryset = self.queryset.order_by(*self.get_ordering(request, self.queryset))
        super().get_results(request)
        if self._is_long:
            self.sortable_by = [each for each in self.sortable_by or () if not self._is_name(each)]

    @cached_property
    def headers(self) -> list[dict[str, Any]]:
        """What stands above the columns; above a name that the list does not go by, why."""
        found = super().headers
        if not self._is_long:
            return found
        for column, header in zip(self.list_display, found, strict=True):
            if self._is_name(column):
                header["label"] = header["text"]
                header["text"] = format_html(
                    '<span title="{}">{}<span class="for-readers"> ({})</span></span>',
                    too_long(),
                    capfirst(str(header["text"])),
                    too_long(),
                )
        return found

    @property
    def _is_long(self) -> bool:
        return bool(self.result_count > MOST_SORTED)

    def _goes_by_name(self, part: str) -> bool:
        number = part.removeprefix("-")
        return number.isdecimal() and self._is_name(self.list_display[int(number)])

    def _is_name(self, column: Any) -> bool:
        return getattr(column, "__name__", column) in columns_of(self.model)


def too_long() -> str:
    """Say why a list does not go by a column."""
    return gettext("Sorted by this once the list has %(count)s records or fewer") % {
        "count": counted(MOST_SORTED)
    }


class OrderedAdmin(RecordPart):
    """Offers the orders by name that there are for this person."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return RecordChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; this redirects too
        """Leave out of an address what the list is too long for: what it says is what is shown."""
        answer = super().changelist_view(request, extra_context)
        shown: Any = (getattr(answer, "context_data", None) or {}).get("cl")
        if not getattr(shown, "has_left_out", False) or request.method != "GET":
            return answer
        query = request.GET.copy()
        query.pop("o", None)
        if shown.left_out:
            query["o"] = shown.left_out
        said = gettext(
            "The list is not sorted by stage, owner or another name while it has more than "
            "%(count)s records. Narrow it first, for instance to your own."
        )
        messages.info(request, said % {"count": counted(MOST_SORTED)})
        return HttpResponseRedirect(f"{request.path}?{query.urlencode() or self.whole_list[1:]}")

    def names_sorted_by(self, request: HttpRequest) -> frozenset[str]:
        """Return the columns by whose names this person may sort."""
        allowed = filters.orderable(self.model, user_of(request)) - unasked(request, self.model)
        return allowed & set(columns_of(self.model))
