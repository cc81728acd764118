"""A list of records opens where its reader last used it: on the same tab, in the same order.

Only a bare address does, such as the menu's, and by a redirect: the address then says what is
listed. Any other is followed as it stands, whoever wrote it.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseRedirect, QueryDict

from accounts import operations
from accounts.modeladmin import SORTED_COLUMN, user_of
from records.screens.limited import parameter_names
from records.screens.part import RecordPart
from records.screens.tabs import ALL, OWNERS, WHOLE_LIST, tabs

Place = dict[str, str]
"""What is kept of a list: the code of its tab, and the names of the columns it is ordered by."""
BEGINNING: Place = {"tab": "", "order": ""}


class OpensAsLeft(RecordPart):
    """Keeps on which tab and in which order a list was last used, and opens it so."""

    extra_parameters = (ALL,)
    whole_list = WHOLE_LIST

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; this redirects too
        is_read = request.method == "GET" and self.has_view_permission(request)
        if is_read and not request.GET and (query := self._as_left(request)):
            return HttpResponseRedirect(f"{request.path}?{query}")
        answer = super().changelist_view(request, extra_context)
        if is_read and answer.status_code == 200:
            self._keep(request)
        return answer

    def _as_left(self, request: HttpRequest) -> str:
        """Return the query of the list as it was left, of what there still is of that."""
        place = user_of(request).list_places.get(self.model.object_key, BEGINNING)
        if place == BEGINNING:
            return ""
        query = QueryDict(mutable=True)
        for tab in self._tabs(request):
            if tab.code and tab.code == place["tab"]:
                query.update(QueryDict(tab.address.removeprefix("?")))
        names, sortable = self._columns(request)
        terms = [term for term in place["order"].split(",") if term.removeprefix("-") in sortable]
        if terms:
            query["o"] = ".".join(
                f"{'-' if term.startswith('-') else ''}{names.index(term.removeprefix('-'))}"
                for term in terms
            )
        return query.urlencode()

    def _keep(self, request: HttpRequest) -> None:
        """Keep a tab and an order that were asked for; what is filtered or searched is no place."""
        asked = {name for name in request.GET if request.GET[name]}
        if asked - {*OWNERS, ALL, "o", "p"}:
            return
        found = self._tabs(request)
        code = next((tab.code for tab in found if tab.is_on), None if found else "")
        if code is None or (not found and asked & {*OWNERS}):
            return  # somebody else's records
        place = {"tab": code, "order": self._order(request)}
        user, kind = user_of(request), self.model.object_key
        if place != user.list_places.get(kind, BEGINNING):
            operations.keep_list_place(actor=user, kind=kind, **place)

    def _order(self, request: HttpRequest) -> str:
        """Return the order asked for by names: numbers of columns change with one's rights."""
        asked = request.GET.get("o", "")
        if not asked:
            return ""
        names, sortable = self._columns(request)
        terms = []
        for part in asked.split("."):
            number = int(part.removeprefix("-")) if SORTED_COLUMN.fullmatch(part) else len(names)
            if number < len(names) and names[number] in sortable:
                terms.append(f"{'-' if part.startswith('-') else ''}{names[number]}")
        return ",".join(dict.fromkeys(terms))

    def _tabs(self, request: HttpRequest) -> Any:
        return tabs(request, self.model, parameter_names(request, self.model))

    def _columns(self, request: HttpRequest) -> tuple[list[str], set[str]]:
        """Return the names of the list's columns as they are numbered, and those it sorts by."""
        columns = list(self.get_list_display(request))
        if self.get_actions(request):
            columns.insert(0, "action_checkbox")
        sortable = self.get_sortable_by(request)
        return [_name(each) for each in columns], {_name(each) for each in sortable}


def _name(column: Any) -> str:
    return str(getattr(column, "__name__", column))
