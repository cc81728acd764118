"""From a list to the request dialog, and back: the file has what the list shows (R117, E39)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, pgettext

from accounts import access, catalogue
from accounts.keys import is_key
from accounts.modeladmin import AccessModelAdmin, page_address, user_of
from exports.models import ExportRequest
from records import kinds
from records.models import Record


def export_tool(request: HttpRequest, model_admin: AccessModelAdmin) -> dict[str, Any] | None:
    """Offer “Export” above a list, with the list's own filters, to whoever may export from it.

    Whoever may not is told so, and where to ask for it (B15).
    """
    kind = catalogue.kind_of(model_admin.model)
    if kind is None:
        return None
    if not _may_export(request, model_admin):
        return {
            "title": gettext("Request export"),
            "icon": "lock",
            "url": reverse("admin:request_export", args=[kind.key]),
        }
    url = page_address(ExportRequest, "new", kind.key)
    query = request.GET.urlencode()
    return {
        "title": pgettext("verb", "Export"),
        "icon": "file_export",
        "url": f"{url}?{query}" if query else url,
    }


def _may_export(request: HttpRequest, model_admin: AccessModelAdmin) -> bool:
    kind = catalogue.kind_of(model_admin.model)
    return kind is not None and access.allows_any(user_of(request), access.EXPORT, kind.model)


def export_ticked(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
    """Go to the request dialog with the ticked rows, or the whole list where all are ticked."""
    kind = kinds.of(model_admin.model)
    query = request.GET.copy()
    if request.POST.get("select_across", "0") != "1":
        query["ids"] = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
    url = page_address(ExportRequest, "new", kind.key)
    return HttpResponseRedirect(f"{url}?{query.urlencode()}")


export_ticked.offered = _may_export  # type: ignore[attr-defined]  # part of the slot's contract


def list_columns(request: HttpRequest, source: Any) -> list[str]:
    """Return the names of the list's columns, as this person sees it."""
    return [getattr(each, "__name__", each) for each in source.get_list_display(request)]


def ticked_rows(request: HttpRequest) -> list[int] | None:
    """Return the ticked rows, or None where the whole list is meant."""
    given = request.GET.get("ids")
    if given is None:
        return None
    parts = given.split(",")
    if not all(is_key(part) for part in parts):
        raise BadRequest(gettext("These are not ticked rows of a list."))
    return [int(part) for part in parts]


def list_address(request: HttpRequest, model: type[Record]) -> str:
    """Return the address of the list that the dialog was opened from, narrowed as it was."""
    query = request.GET.copy()
    query.pop("ids", None)
    address = page_address(model, "changelist")
    return f"{address}?{query.urlencode()}" if query else address


def back_to_list(
    request: HttpRequest, model: type[Record], why: Exception, *, is_update: bool
) -> HttpResponse:
    """Lead back to the list, saying why; a page that updates itself is loaded anew, and says it."""
    if is_update:
        return HttpResponse(headers={"HX-Refresh": "true"})
    messages.error(request, str(why))
    return HttpResponseRedirect(page_address(model, "changelist"))
