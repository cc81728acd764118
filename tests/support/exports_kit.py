"""What tests of exports arrange with: a policy, a request, a decision, a worker's pass."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts.access import permitted
from accounts.models import AuditEvent, ObjectScope, PermissionSet, ToolGrant, User
from exports import operations, worker
from exports.models import ExportPolicy, ExportRecord, ExportRequest
from exports.writers import manifest
from exports.writers.files import MARKER
from records.models import Deal, Record

LONG_AGO = timezone.now().replace(year=2001)


def set_policy(*, on: bool = True, threshold: int = 0, **limits: int) -> None:
    """Switch approvals on or off without an event: tests of B7 make their own."""
    ExportPolicy.objects.filter(pk=1).update(require_approval=on, threshold=threshold, **limits)


def ask(actor: User, model: type[Record] = Deal, **wish: Any) -> ExportRequest:
    """Ask for an export as of now, as a new request would."""
    return operations.request_export(actor=User.objects.get(pk=actor.pk), model=model, **wish)


def pending(actor: User, approver: User, **wish: Any) -> ExportRequest:
    """Return a request that waits for a decision."""
    set_policy(on=True, threshold=0)
    export = ask(actor, approvers=[approver], **wish)
    assert export.status == "pending"
    return export


def approved(actor: User, approver: User, **wish: Any) -> ExportRequest:
    """Return a request with somebody's consent."""
    export = pending(actor, approver, **wish)
    operations.approve(export, actor=approver, version=export.version)
    return export


def completed(actor: User, **wish: Any) -> ExportRequest:
    """Return an export whose file is there; nobody had to consent."""
    set_policy(on=False)
    export = ask(actor, **wish)
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "completed"
    return export


def frozen_ids(export: ExportRequest) -> list[int]:
    rows = ExportRecord.objects.filter(export=export).order_by("position")
    return list(rows.values_list("record_id", flat=True))


def delivered_ids(export: ExportRequest) -> set[int]:
    rows = ExportRecord.objects.delivered().filter(export=export)
    return set(rows.values_list("record_id", flat=True))


def seen_by(user: User, model: type[Record] = Deal) -> set[int]:
    rows = permitted(model._default_manager.all(), User.objects.get(pk=user.pk), "view")
    return set(rows.values_list("pk", flat=True))


def path_of(export: ExportRequest) -> Path:
    return Path(settings.EXPORT_ROOT) / export.file_name


def table_of(export: ExportRequest) -> list[list[str]]:
    """Return the file as a spreadsheet reads it, header first."""
    text = path_of(export).read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def ids_in(export: ExportRequest) -> list[int]:
    return [int(row[0]) for row in table_of(export)[1:]]


def files() -> list[str]:
    """Return every file under EXPORT_ROOT, parts included."""
    root = Path(settings.EXPORT_ROOT)
    if not root.exists():
        return []
    return sorted(path.name for path in root.iterdir() if path.name != MARKER)


def events(export: ExportRequest) -> list[str]:
    """Return what happened to an export, in order, refusals apart."""
    found = AuditEvent.objects.filter(object="exportrequest", object_id=str(export.pk))
    return list(found.filter(result="done").order_by("id").values_list("action", flat=True))


def refusals(action: str) -> list[tuple[str, str]]:
    """Return (e-mail, code) of what was refused."""
    found = AuditEvent.objects.filter(action=action, result="refused").order_by("id")
    return [(event.actor.email, event.data["code"]) for event in found]


def take_tool(permission_set: PermissionSet, key: str) -> None:
    assert ToolGrant.objects.filter(permission_set=permission_set, key=key).delete()[0] == 1


def narrow(permission_set: PermissionSet, object_key: str, view: int) -> None:
    """Lower a scope with everything below it."""
    ObjectScope.objects.filter(permission_set=permission_set, object=object_key).update(
        view=view, add=False, change=0, delete=0, communicate=0, merge=0, view_unassigned=False
    )


def end_lease(export: ExportRequest) -> None:
    """Let the lease be over by the database's clock, without waiting for it."""
    changed = ExportRequest.objects.filter(pk=export.pk, status="processing").update(
        lease_until=LONG_AGO
    )
    assert changed == 1


def raise_attempts(export: ExportRequest, to: int) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(
        attempt=to, tries=to, version=F("version") + 1
    )


def lease_runs(export: ExportRequest) -> bool:
    return ExportRequest.objects.filter(pk=export.pk, lease_until__gt=Now()).exists()


def between_chunks(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Make chunks of one record and do something after the first one was written."""
    monkeypatch.setattr(manifest, "CHUNK", 1)
    chunks = manifest.chunks

    def interrupted(export: ExportRequest) -> Any:
        for number, places in enumerate(chunks(export)):
            if number == 1:
                act()
            yield places

    monkeypatch.setattr(manifest, "chunks", interrupted)
