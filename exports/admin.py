"""Screens of exports: the log with its review panel, and its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path
from django.utils.html import format_html
from unfold.decorators import display

from accounts import catalogue
from accounts.modeladmin import AccessModelAdmin, person
from exports import operations
from exports.dialog import new_view
from exports.forms import whole_number
from exports.models import ExportRequest
from exports.operations import ExportError
from exports.panel import panel, panel_address


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
            context["panel"] = panel(export, person(request))
            rest = request.GET.copy()
            del rest["review"]
            context["panel_closes_to"] = f"{request.path}?{rest.urlencode()}"
        return super().changelist_view(request, context)

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
        return HttpResponseRedirect(panel_address(export))

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
            path("new/<slug:key>/", view(new_view), name="exports_exportrequest_new"),
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
        return HttpResponseRedirect(panel_address(export))

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.approve(
                export,
                actor=person(request),
                version=whole_number(request.POST.get("version")),
                note=request.POST.get("note", "").strip(),
            )
            return f"Approved. {export.requester} gets the file as soon as it is written."

        return self._step(request, pk, run)

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.reject(
                export,
                actor=person(request),
                version=whole_number(request.POST.get("version")),
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
            return HttpResponseRedirect(panel_address(export))
        name = f"{export.object}-{export.pk}.{export.format}"
        kind = operations.FORMATS[export.format].content_type
        answer = FileResponse(file, as_attachment=True, filename=name, content_type=kind)
        # So that a download broken off half-way, because a right was lost, shows as such.
        answer["Content-Length"] = str(export.file_size)
        return answer


# Registered by being imported.
from exports import policy_admin  # noqa: E402, F401
