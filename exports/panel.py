"""What the review panel says of an export, and of a record's exports, to whoever reads it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef
from django.http import (
    HttpRequest,
)
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import access, catalogue
from accounts.modeladmin import person
from accounts.models import User
from exports import operations, tables
from exports.models import ExportRecord, ExportRequest
from records import filters
from records.models import Record
from records.models.properties import sensitive_fields

MOST_LISTED = 8
LOG = "admin:exports_exportrequest_changelist"


def panel_address(export: ExportRequest) -> str:
    """Return the address of the log with this export's panel open."""
    return f"{reverse(LOG)}?{urlencode({'review': export.pk})}"


def panel(export: ExportRequest, user: User) -> dict[str, Any]:
    """Return what the review panel shows, and which steps this person may take."""
    kind = catalogue.object_kind(export.object)
    mine = export.requester_id == user.pk
    pending = export.status == ExportRequest.Status.PENDING
    decides = access.holds_tool(user, "crm.export_approver")
    why_not = operations.why_not_decide(export, actor=user)
    completed = export.status == ExportRequest.Status.COMPLETED
    why_no_file = operations.why_not_download(export, actor=user) if mine and completed else ""
    return {
        "export": export,
        "kind": kind,
        "filters": described_query(export, user),
        "columns": described_columns(export, user),
        "downloads": list(export.downloads.select_related("user")),
        "notified": export.notified.all(),
        "may_decide": pending and not why_not,
        "why_not": why_not if pending and (mine or decides) else "",
        "may_recall": mine and not export.is_final,
        "may_cancel": user.is_superuser and not mine and not export.is_final,
        "may_download": mine and completed and not why_no_file,
        "why_no_file": why_no_file,
        "most_downloads": operations.most_downloads(export) if completed else None,
    }


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
