"""The request dialog: from a list, its filter or its ticked rows, to a request (R117, E39)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import access, catalogue
from accounts.modeladmin import AccessModelAdmin, person
from accounts.models import User
from exports import operations
from exports.forms import ApproversForm, ColumnsForm
from exports.operations import ExportError
from exports.panel import panel_address
from exports.policy import Usage, usage_shown
from records import filters
from records.listing import canonical_query
from records.models import Record
from records.models.properties import sensitive_fields


def export_tool(request: HttpRequest, model_admin: AccessModelAdmin) -> dict[str, Any] | None:
    """Offer “Export” above a list, with the list's own filters, to whoever may export from it."""
    kind = catalogue.kind_of(model_admin.model)
    if kind is None or not _may_export(request, model_admin):
        return None
    url = reverse("admin:exports_exportrequest_new", args=[kind.key])
    query = request.GET.urlencode()
    return {"title": "Export", "icon": "file_export", "url": f"{url}?{query}" if query else url}


def _may_export(request: HttpRequest, model_admin: AccessModelAdmin) -> bool:
    kind = catalogue.kind_of(model_admin.model)
    return kind is not None and access.allows_any(person(request), access.EXPORT, kind.model)


def export_ticked(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
    """Go to the request dialog with the ticked rows, or the whole list where all are ticked."""
    kind = catalogue.kind_of(model_admin.model)
    assert kind is not None
    query = request.GET.copy()
    if request.POST.get("select_across", "0") != "1":
        query["ids"] = ",".join(str(pk) for pk in queryset.values_list("pk", flat=True))
    url = reverse("admin:exports_exportrequest_new", args=[kind.key])
    return HttpResponseRedirect(f"{url}?{query.urlencode()}")


export_ticked.offered = _may_export  # type: ignore[attr-defined]  # part of the slot's contract


def new_view(request: HttpRequest, key: str) -> HttpResponse:
    """Ask what the file shall hold, then run it at once or ask whose consent is sought."""
    kind = catalogue.object_kind(key)
    if kind is None or not issubclass(kind.model, Record):
        raise Http404
    model, user = kind.model, person(request)
    if not access.allows_any(user, access.EXPORT, model):
        raise PermissionDenied
    source = admin.site._registry[model]
    _refuse_unknown(request, source)
    try:
        query = canonical_query(request, source, model)
        ids = _ids(request)
        preview = operations.preview(actor=user, model=model, query=query, ids=ids)
    except filters.InvalidValue as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(_list_address(model))
    except filters.BadQuery as error:
        raise BadRequest(str(error)) from error
    except ExportError as refusal:
        messages.error(request, str(refusal))
        return HttpResponseRedirect(_list_address(model))
    dialog = Dialog(request, user, model, query, ids, preview)
    if request.method == "POST" and (answer := dialog.answer()):
        return answer
    context = {
        **admin.site.each_context(request),
        "title": f"Export {kind.plural.lower()}",
        "kind": kind,
        "dialog": dialog,
        "preview": preview,
        "back": _list_address(model),
    }
    return TemplateResponse(request, "exports/new.html", context)


REASONS = {
    "sensitive": "It contains sensitive data; such an export always needs somebody's consent.",
    "above_threshold": "It has more records than may leave without consent.",
    "above_daily": "With it you take out more records in 24 hours than may leave without consent.",
    "above_weekly": "With it you take out more records in 7 days than may leave without consent.",
    "second_person": "It has so many records that everybody needs a second person's consent.",
}


class Dialog:
    """The two steps of a request: columns, then, where consent is needed, approvers (R117)."""

    def __init__(
        self,
        request: HttpRequest,
        user: User,
        model: type[Record],
        query: str,
        ids: list[int] | None,
        preview: Any,
    ) -> None:
        self.request, self.user, self.model = request, user, model
        self.query, self.ids, self.preview = query, ids, preview
        flagged = sensitive_fields(model.object_key)
        offered = [(c.name, c.label, c.field in flagged) for c in preview.columns]
        posted = request.POST if request.method == "POST" else None
        initial = {"columns": [name for name, _, sensitive in offered if not sensitive]}
        self.columns = ColumnsForm(posted, initial=initial, offered=offered)
        self.second, self.reason = False, ""
        self.approvers = ApproversForm(approvers=operations.approvers_for(user))
        self.chosen: list[str] = []
        self.filters = filters.described(model, query, user=user)

    @property
    def usage(self) -> Usage | None:
        """Return how much of the person's limits is used; None where none holds for them (Q4)."""
        return usage_shown(self.user)

    def answer(self) -> HttpResponse | None:
        """Take the step that was posted; None means: show the dialog (again)."""
        if not self.columns.is_valid():
            return None
        self.chosen = self.columns.cleaned_data["columns"]
        preview = operations.preview(
            actor=self.user, model=self.model, query=self.query, ids=self.ids, columns=self.chosen
        )
        self.preview = preview
        if not preview.approval_needed:
            return self._ask()
        self.second, self.reason = True, REASONS[preview.because]
        if self.request.POST.get("step") != "request":
            return None
        self.approvers = ApproversForm(
            self.request.POST, approvers=operations.approvers_for(self.user)
        )
        if not self.approvers.is_valid():
            return None
        values = self.approvers.cleaned_data
        return self._ask(approvers=values["approvers"], message=values["message"])

    def _ask(self, **consent: Any) -> HttpResponse | None:
        try:
            export = operations.request_export(
                actor=self.user,
                model=self.model,
                query=self.query,
                ids=self.ids,
                columns=self.chosen,
                **consent,
            )
        except ExportError as refusal:
            messages.error(self.request, str(refusal))
            return None
        if export.approval_needed:
            messages.success(self.request, "Requested. You are told when somebody has decided.")
        else:
            messages.success(self.request, "The file is being written; you find it here.")
        return HttpResponseRedirect(panel_address(export))


def _refuse_unknown(request: HttpRequest, source: Any) -> None:
    known = {*source.list_parameters(request), "ids"}
    if set(request.GET) - known or "\x00" in request.GET.get("q", ""):
        raise BadRequest("This list has no such filter.")


def _ids(request: HttpRequest) -> list[int] | None:
    """Return the ticked rows, or None where the whole list is meant."""
    given = request.GET.get("ids")
    if given is None:
        return None
    parts = given.split(",")
    if not all(part.isdecimal() and len(part) < 19 for part in parts):
        raise BadRequest("These are not ticked rows of a list.")
    return [int(part) for part in parts]


def _list_address(model: type[Record]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
