"""Screens of exports: the log with its review panel, and its steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
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
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, pgettext

from accounts.keys import whole_number
from accounts.list_forms import LogAdmin
from accounts.modeladmin import user_of
from accounts.modeladmin.requests import kept
from accounts.notices import read_about
from accounts.to_decide import LIST
from exports import deciders, hashes, operations
from exports.models import ExportRequest
from exports.operations import ExportError
from exports.screens.away import away_tools, away_view, end_view
from exports.screens.decision_form import keep_typed, posted_conditions, typed_before
from exports.screens.dialog import new_view
from exports.screens.log import LogFilter
from exports.screens.panel import how_many, panel, panel_address
from exports.screens.waiting import by_whom, decision_address
from exports.steps import about_export
from records import kinds

DECIDABLE = "decidable exports"
"""Where a request keeps the keys of the rows of its page on which the reader may decide."""
OPEN = "exports to download"
"""Where it keeps the keys of those whose file the reader may fetch."""
DECISIONS = {
    "approve": gettext_lazy("Approve this export?"),
    "reject": gettext_lazy("Reject this export?"),
}


def rest_of(request: HttpRequest) -> str:
    """Return the log's query without the panel, so that closing it keeps the filters."""
    rest = request.GET.copy()
    rest.pop("review", None)
    return rest.urlencode()


def panel_opener(request: HttpRequest) -> Callable[[ExportRequest], str]:
    """Return the column that opens a row's panel over the list as it is narrowed now."""
    rest = rest_of(request)
    review, download = gettext("Review approval request"), pgettext("verb", "Download")
    details = pgettext("of an export", "Details")

    def opener(obj: ExportRequest) -> str:
        if obj.pk in kept(request)[DECIDABLE]:
            text = review
        elif obj.pk in kept(request)[OPEN]:
            text = download
        else:
            text = details
        query = f"{rest}&review={obj.pk}" if rest else f"review={obj.pk}"
        return format_html('<a class="text-link" href="?{}">{}</a>', query, text)

    opener.short_description = gettext("Next step")  # type: ignore[attr-defined]  # read by the admin
    return opener


def file_name(export: ExportRequest) -> str:
    """Return the name a file is offered under: nothing that a person wrote stands in it."""
    kind = re.sub(r"[^a-z0-9]+", "-", export.object)
    return f"{kind}-{export.pk}.{export.format}"


@admin.register(ExportRequest)
class ExportRequestAdmin(LogAdmin):
    """The export log: everybody's own exports; approvers see what needs approval; auditors all."""

    refusals = (ExportError,)
    logged_as = "export"
    list_display = ("title", "source", "records", "user", "date")
    list_display_links = None
    list_filter = (LogFilter,)
    search_fields = ("name",)
    search_help_text = gettext_lazy("Search name, or a file’s SHA-256")
    sortable_by = ("records", "date")
    time_column = "requested_at"
    in_time_if_asked = ("requested_after", "requested_before")
    extra_parameters = ("review",)
    change_list_template = "exports/log.html"
    list_after_template: Any = "exports/log_panel.html"
    list_filter_sheet = True
    show_add_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("requester", "decided_by")

    def with_relations(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Say in whose hands the requester's account is: a decision says which ones it knew of."""
        last = Subquery(operations.last_let_in(OuterRef("requester")))
        rows = super().with_relations(rows, request)
        found: QuerySet[Any] = rows.annotate(let_in=Coalesce(last, 0))
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by name, and by the hash of a file that turned up somewhere (B12)."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        return found | hashes.with_file(queryset, user_of(request), search_term), may_repeat

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        user = user_of(request)
        kept(request)[DECIDABLE] = deciders.decidable(user, rows)
        kept(request)[OPEN] = operations.open_to(rows, actor=user)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [*super().get_list_display(request), panel_opener(request)]

    @admin.display(description=gettext_lazy("Name"))
    def title(self, obj: ExportRequest) -> str:
        """The name, and beneath it where the export stands, and who decided (R120)."""
        return render_to_string("exports/log_name.html", {"export": obj, "by_whom": by_whom(obj)})

    @admin.display(description=gettext_lazy("Source"))
    def source(self, obj: ExportRequest) -> str:
        return kinds.plural_of(obj.object)

    @admin.display(description=gettext_lazy("Records"), ordering="record_count")
    def records(self, obj: ExportRequest) -> str:
        return how_many(obj)

    @admin.display(description=gettext_lazy("User"))
    def user(self, obj: ExportRequest) -> str:
        return obj.requester.get_full_name()

    @admin.display(description=gettext_lazy("Date"), ordering="requested_at")
    def date(self, obj: ExportRequest) -> str:
        return date_format(timezone.localtime(obj.requested_at), "DATETIME_FORMAT")

    # The panel ---------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; an action redirects
        context = dict(extra_context or {}, list_tools=away_tools(request))
        if review := request.GET.get("review"):
            export = self.found(request, review)
            context["panel"] = panel(export, user_of(request))
            context["typed"] = typed_before(request, export)
            rest = rest_of(request)
            context["panel_closes_to"] = f"{request.path}?{rest}" if rest else request.path
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
            "decide": self.decide_view,
            "approve": self.approve_view,
            "reject": self.reject_view,
            "recall": self.recall_view,
            "cancel": self.cancel_view,
            "again": self.again_view,
            "download": self.download_view,
        }
        view = self.admin_site.admin_view
        return [
            path("new/<slug:key>/", view(new_view), name="exports_exportrequest_new"),
            path("away/", view(away_view), name="exports_exportrequest_away"),
            path("away/<int:pk>/end/", view(end_view), name="exports_exportrequest_away_end"),
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
        from_list = request.POST.get("back") == "list"
        try:
            messages.success(request, run(export))
        except ExportError as refusal:
            messages.error(request, str(refusal))
            keep_typed(request, export, refusal)
            if from_list:
                # As it is now; where there is nothing left to decide, that leads to the panel.
                step = request.path.rstrip("/").rpartition("/")[2]
                return HttpResponseRedirect(decision_address(export, step))
        else:
            if from_list:
                return HttpResponseRedirect(reverse(LIST))
        return HttpResponseRedirect(panel_address(export))

    def decide_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask on a page of its own whether to approve, or why to reject: all that the panel says.

        The form goes to the step's own address, as the panel's does.
        """
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        step = request.GET.get("step", "")
        if step not in DECISIONS:
            raise Http404
        export = self.found(request, str(pk))
        shown = panel(export, user_of(request))
        if not shown["may_decide"]:
            return HttpResponseRedirect(panel_address(export))
        context = {
            **self.admin_site.each_context(request),
            "title": DECISIONS[step],
            "opts": self.opts,
            "export": export,
            "panel": shown,
            "step": step,
            "typed": typed_before(request, export),
            "back": reverse(LIST),
            "panel_address": panel_address(export),
        }
        return TemplateResponse(request, "exports/decide.html", context)

    def approve_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.approve(
                export,
                actor=user_of(request),
                version=whole_number(request.POST.get("version")),
                let_in=whole_number(request.POST.get("let_in")),
                note=request.POST.get("note", ""),
                conditions=posted_conditions(request.POST, export),
            )
            read_about(about_export(export), actor=user_of(request))
            said = gettext("Approved. %(name)s gets the file as soon as it is written.")
            return said % {"name": export.requester}

        return self._step(request, pk, run)

    def reject_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.reject(
                export,
                actor=user_of(request),
                version=whole_number(request.POST.get("version")),
                note=request.POST.get("note", ""),
            )
            read_about(about_export(export), actor=user_of(request))
            return gettext("Rejected. %(name)s reads your reason.") % {"name": export.requester}

        return self._step(request, pk, run)

    def recall_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.recall(export, actor=user_of(request))
            return gettext("Recalled. The export is cancelled.")

        return self._step(request, pk, run)

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.cancel(export, actor=user_of(request))
            return gettext("Cancelled.")

        return self._step(request, pk, run)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def run(export: ExportRequest) -> str:
            operations.try_again(export, actor=user_of(request))
            return gettext("It is tried again; nobody has to approve it anew.")

        return self._step(request, pk, run)

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Hand the file to its requester; a POST, so that nothing fetches it by accident."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        export = self.found(request, str(pk))
        try:
            file = operations.open_download(export, actor=user_of(request))
        except ExportError as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(panel_address(export))
        kind = operations.FORMATS[export.format].content_type
        if settings.X_ACCEL_REDIRECT:
            # nginx sends it from here on, whatever becomes of the right meanwhile (README).
            file.close()
            return HttpResponse(
                content_type=kind,
                headers={
                    "X-Accel-Redirect": settings.X_ACCEL_REDIRECT + export.file_name,
                    "Content-Disposition": f'attachment; filename="{file_name(export)}"',
                },
            )
        answer = FileResponse(
            file, as_attachment=True, filename=file_name(export), content_type=kind
        )
        # So that a download broken off half-way, because a right was lost, shows as such.
        answer["Content-Length"] = str(export.file_size)
        # A proxy that takes all of it at once would send on what the right is lost for meanwhile.
        answer["X-Accel-Buffering"] = "no"
        return answer


# Registered by being imported.
from exports.screens import policy_admin  # noqa: E402, F401
