"""Screens of exports: the request dialog, the log with its review panel, the approval settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from accounts import access, catalogue
from accounts.modeladmin import AccessModelAdmin, person
from accounts.models import User
from exports import operations, tables
from exports.forms import ApproversForm, ColumnsForm, PolicyForm
from exports.models import ExportPolicy, ExportRecord, ExportRequest
from exports.operations import ExportError
from records import filters
from records.listing import canonical_query
from records.models import Record
from records.models.properties import sensitive_fields

MOST_LISTED = 8
LOG = "admin:exports_exportrequest_changelist"


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


def exports_panel(request: HttpRequest, record: Any) -> str:
    """Return which exports contained this record, of those the person may see (B11)."""
    kind = catalogue.kind_of(type(record))
    if kind is None:
        return ""
    delivered = ExportRecord.objects.filter(
        export=OuterRef("pk"), record_id=record.pk, delivered=True
    )
    exports = access.permitted(ExportRequest.objects.all(), person(request), "view")
    rows = list(
        exports.filter(Exists(delivered), object=kind.key).select_related("requester")[:MOST_LISTED]
    )
    return render_to_string("exports/record_panel.html", {"exports": rows}) if rows else ""


@admin.register(ExportRequest)
class ExportRequestAdmin(AccessModelAdmin):
    """The export log: everybody's own exports; approvers see what needs approval; auditors all."""

    refusals = (ExportError,)
    list_display = (
        "title",
        "object_name",
        "record_count",
        "requester",
        "requested_at",
        "open_panel",
    )
    list_display_links = None
    list_filter = ("status",)
    search_fields = ("name",)
    search_help_text = "Search name"
    sortable_by = ("record_count", "requested_at")
    extra_parameters = ("review",)
    list_after_template = "exports/log_panel.html"
    show_add_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("requester", "decided_by")

    @display(description="Export")
    def title(self, obj: ExportRequest) -> str:
        """The name, and beneath it where the export stands (R120)."""
        return format_html(
            '{}<span class="below"><span class="chip is-{}">{}</span>{}</span>',
            str(obj),
            obj.status,
            obj.get_status_display(),
            format_html(' <span class="chip is-sensitive">Sensitive</span>')
            if obj.has_sensitive
            else "",
        )

    @display(description="Source")
    def object_name(self, obj: ExportRequest) -> str:
        kind = catalogue.object_kind(obj.object)
        return kind.plural if kind else obj.object

    @display(description="")
    def open_panel(self, obj: ExportRequest) -> str:
        text = "Review approval request" if obj.approval_needed else "Details"
        return format_html('<a class="text-link" href="?review={}">{}</a>', obj.pk, text)

    # The panel ---------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; an action redirects
        context = dict(extra_context or {}, title="Export log")
        if review := request.GET.get("review"):
            export = self.found(request, review)
            context["panel"] = self.panel(request, export)
            rest = request.GET.copy()
            del rest["review"]
            context["panel_closes_to"] = f"{request.path}?{rest.urlencode()}"
        return super().changelist_view(request, context)

    def panel(self, request: HttpRequest, export: ExportRequest) -> dict[str, Any]:
        """Return what the review panel shows, and which steps this person may take."""
        user = person(request)
        kind = catalogue.object_kind(export.object)
        mine = export.requester_id == user.pk
        pending = export.status == ExportRequest.Status.PENDING
        decides = access.holds_tool(user, "crm.export_approver")
        why_not = operations.why_not_decide(export, actor=user)
        return {
            "export": export,
            "kind": kind,
            "filters": described_query(export, user),
            "columns": described_columns(export, user),
            "downloads": export.downloads.select_related("user"),
            "notified": export.notified.all(),
            "may_decide": pending and not why_not,
            "why_not": why_not if pending and (mine or decides) else "",
            "may_recall": mine and not export.is_final,
            "may_cancel": user.is_superuser and not mine and not export.is_final,
            "may_download": mine and export.status == ExportRequest.Status.COMPLETED,
        }

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """An export has no form: show its panel over the log."""
        export = self.found(request, object_id)
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET"])
        return HttpResponseRedirect(f"{reverse(LOG)}?{urlencode({'review': export.pk})}")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Exports begin at a list, never at an empty form."""
        return False

    # Steps -------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        steps: dict[str, Callable[..., HttpResponseBase]] = {
            "approve": self.approve_view,
            "reject": self.reject_view,
            "recall": self.recall_view,
            "cancel": self.cancel_view,
            "download": self.download_view,
        }
        view = self.admin_site.admin_view
        return [
            path("new/<slug:key>/", view(self.new_view), name="exports_exportrequest_new"),
            *(
                path(f"<int:pk>/{name}/", view(step), name=f"exports_exportrequest_{name}")
                for name, step in steps.items()
            ),
            *super().get_urls(),
        ]

    def _step(
        self, request: HttpRequest, pk: int, run: Callable[[ExportRequest], str]
    ) -> HttpResponse:
        """Carry a step out on POST, and return to the panel with what happened."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        export = self.found(request, str(pk))
        try:
            messages.success(request, run(export))
        except ExportError as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(f"{reverse(LOG)}?{urlencode({'review': export.pk})}")

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.approve(
                export,
                actor=person(request),
                version=_number(request.POST.get("version")),
                note=request.POST.get("note", "").strip(),
            )
            return f"Approved. {export.requester} gets the file as soon as it is written."

        return self._step(request, pk, run)

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.reject(
                export,
                actor=person(request),
                version=_number(request.POST.get("version")),
                note=request.POST.get("note", "").strip(),
            )
            return f"Rejected. {export.requester} reads your reason."

        return self._step(request, pk, run)

    def recall_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.recall(export, actor=person(request))
            return "Recalled. The export is cancelled."

        return self._step(request, pk, run)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.cancel(export, actor=person(request))
            return "Cancelled."

        return self._step(request, pk, run)

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Hand the file to its requester; a POST, so that nothing fetches it by accident."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        export = self.found(request, str(pk))
        try:
            file = operations.open_download(export, actor=person(request))
        except ExportError as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(f"{reverse(LOG)}?{urlencode({'review': export.pk})}")
        name = f"{export.object}-{export.pk}.{export.format}"
        answer = FileResponse(file, as_attachment=True, filename=name, content_type="text/csv")
        # So that a download broken off half-way, because a right was lost, shows as such.
        answer["Content-Length"] = str(export.file_size)
        return answer

    # The request dialog ------------------------------------------------------------------------

    def new_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """Ask what the file shall hold, then run it at once or ask whose consent is sought."""
        kind = catalogue.object_kind(key)
        if kind is None or not issubclass(kind.model, Record):
            raise Http404
        model, user = kind.model, person(request)
        if not access.allows_any(user, access.EXPORT, model):
            raise PermissionDenied
        source = self.admin_site._registry[model]
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
            **self.admin_site.each_context(request),
            "title": f"Export {kind.plural.lower()}",
            "kind": kind,
            "dialog": dialog,
            "preview": preview,
            "back": _list_address(model),
        }
        return TemplateResponse(request, "exports/new.html", context)


def described_query(export: ExportRequest, user: User) -> list[tuple[str, str]]:
    """Return the filters of an export as this person may read them (Q7)."""
    kind = catalogue.object_kind(export.object)
    if kind is None or not issubclass(kind.model, Record):
        return []
    sees = access.allows_any(user, "view", kind.model)
    hide = frozenset() if sees else sensitive_fields(export.object)
    return filters.described(kind.model, export.query, user=user, hide=hide)


def described_columns(export: ExportRequest, user: User) -> list[Any]:
    """Return the columns of an export as this person may read them (B6)."""
    return tables.described(export.columns, tables.model_of(export.object), user)


REASONS = {
    "sensitive": "It contains sensitive data; such an export always needs somebody's consent.",
    "above_threshold": "It has more records than may leave without consent.",
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
        return HttpResponseRedirect(f"{reverse(LOG)}?{urlencode({'review': export.pk})}")


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


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


@admin.register(ExportPolicy)
class ExportPolicyAdmin(AccessModelAdmin):
    """When an export needs consent, and who gives it or needs none (R111, R115)."""

    refusals = (ExportError,)
    form = PolicyForm
    fieldsets = (
        ("1 · Consent", {"fields": ("require_approval",)}),
        ("2 · From how many records", {"fields": ("threshold",)}),
        ("3 · How long", {"fields": (("lapse_days", "file_days"),)}),
    )
    change_form_before_template = "records/form_top.html"
    change_form_after_template = "exports/policy_people.html"
    show_add_link = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse
        """There is one policy: go straight to it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:exports_exportpolicy_change", args=[1]))

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        context["show_save_and_continue"] = False
        context["approvers"] = access.holders("crm.export_approver")
        context["exempt"] = access.holders("crm.export_without_approval")
        return context

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        operations.change_policy(
            actor=person(request),
            require_approval=values["require_approval"],
            threshold=values["threshold"],
            lapse_days=values["lapse_days"],
            file_days=values["file_days"],
            version=_number(request.POST.get("record_version")),
        )

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, "Saved. It holds from now on; waiting requests still wait.")
        return HttpResponseRedirect(request.path)
