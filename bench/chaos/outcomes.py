"""What became of exports, as the database and the folder of files tell it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 300.0


def patiently(ask: Callable[[], Any]) -> Any:
    """Return an answer of the database, which may be away for a moment."""
    from django.db import DatabaseError, InterfaceError, connection

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def done(keys: list[int]) -> bool:
    from exports.models import ExportRequest

    rows = ExportRequest.objects.filter(pk__in=keys, status__in=["approved", "processing"])
    return not patiently(rows.exists)


def begun(keys: list[int]) -> bool:
    from exports.models import ExportRequest

    return patiently(ExportRequest.objects.filter(pk__in=keys, rows_written__gt=0).exists)


def until(condition: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> bool:
    """Ask until it holds, and do something meanwhile; False where patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        (meanwhile or (lambda: time.sleep(0.1)))()
    return True


def report(name: str, keys: list[int], what: str) -> bool:
    """Print what became of these exports; tell whether it is what consent was given to."""
    from django.conf import settings

    from accounts.models import AuditEvent
    from exports.models import ExportRequest
    from exports.writers.files import PART
    from tests.support.exports_kit import frozen_ids, ids_in, path_of

    lost = double = partial = spent = 0
    root = Path(settings.EXPORT_ROOT)
    exports = list(ExportRequest.objects.filter(pk__in=keys))
    for export in exports:
        if export.status != "completed":
            lost += 1
            spent += export.status == "failed" or export.tries > 0
            continue
        finished = AuditEvent.objects.filter(action="export.finish", object_id=str(export.pk))
        double += finished.count() != 1
        data = path_of(export).read_bytes()
        whole = ids_in(export) == frozen_ids(export)
        partial += not whole or hashlib.sha256(data).hexdigest() != export.sha256
    named = set(ExportRequest.objects.exclude(file_name="").values_list("file_name", flat=True))
    there = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    parts = sum(name.endswith(PART) for name in there - named)
    line = f"{len(keys)} exports, {what}: {lost} lost, {double} double, {partial} partial, "
    line += f"{spent} spent; {parts} parts left"
    print(f"{name:<10} {line}", flush=True)
    return not (lost or double or partial or spent or parts)


def settle() -> None:
    """Wait until workers have cleaned up after others: a pass of what time demands."""
    time.sleep(2)


def troubled(failures: int) -> bool:
    from exports.models import Trouble

    return patiently(Trouble.objects.filter(pk="folder", failures__gte=failures).exists)


def told_once() -> bool:
    """Tell whether each super admin was told once that exports wait, and forget it."""
    from accounts.models import Notice, User

    told = Notice.objects.filter(text__startswith="Exports wait")
    admins = User.objects.filter(is_superuser=True, is_active=True).count()
    number = told.count()
    told.delete()
    if number != admins:
        print(f"           {number} notices for {admins} super admins", flush=True)
    return number == admins
