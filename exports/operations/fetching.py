"""Fetching a finished file: by its requester alone, asked each time and on the way (Q16)."""

from __future__ import annotations

from functools import partial

from accounts import access, audit, clock
from accounts.models import User
from exports import hashes, tables
from exports.models import Download, ExportRequest
from exports.steps import (
    OUT_OF_REACH,
    ExportError,
    NotAllowed,
    S,
    WrongState,
    one_step,
)
from exports.writers import manifest
from exports.writers.files import Handout


def open_download(export: ExportRequest, *, actor: User) -> Handout:
    """Open the finished file for the one who asked for it, and record that they fetched it (Q16).

    The record is committed before the first byte. The file asks every few megabytes whether it
    still may, and raises `NotAllowed` in the middle where it may not (Q24).
    """
    with one_step("export.download", actor, export) as person:
        # Locked, so that of two who fetch the last copy at once the second counts the first.
        export.refresh_from_db(from_queryset=ExportRequest.objects.select_for_update())
        _check_download(export, person)
        _check_records(export, person)
        _check_count(export)
        Download.objects.create(
            export=export, user=person, ip=audit.origin.get(), agent=audit.agent.get()
        )
        data = {"file_digest": hashes.file_digest(export, export.sha256)}
        audit.record("export.download", actor=person, on=export, data=data)
        ask = partial(_ask_again, export.pk, person, audit.origin.get())
        try:
            return Handout(export.file_name, ask)
        except FileNotFoundError:
            raise ExportError(
                "The file is gone from the server. Ask for the export again, and tell a super "
                "admin that it was missing."
            ) from None


def why_not_download(export: ExportRequest, *, actor: User) -> str:
    """Return why this person may not fetch the file now, for screens; empty where they may."""
    try:
        _check_download(export, actor)
        _check_count(export)
    except ExportError as refusal:
        return str(refusal)
    return ""


def _check_download(export: ExportRequest, person: User) -> None:
    if not access.allows(person, "view", export):
        raise NotAllowed(OUT_OF_REACH)
    if person.pk != export.requester_id:
        raise NotAllowed("Only who asked for an export may download it.")
    model = tables.model_of(export.object)
    if not access.allows_any(person, access.EXPORT, model):
        raise NotAllowed(
            f"You may not export {model._meta.verbose_name_plural} any more, so this file is "
            "closed to you. Ask a super admin for the permissions Export and View."
        )
    visible = {column.name for column in tables.permitted_columns(model, person)}
    if {column["name"] for column in export.leaving_columns} - visible:
        raise NotAllowed(
            "This file holds a field that you may not see any more, so it is closed to you. Ask "
            "for the export again; it will be without it."
        )
    if export.status == S.EXPIRED or (
        export.expires_at is not None and export.expires_at <= clock.database_now()
    ):
        raise WrongState("This file has expired. Ask for the export again.")
    if export.status != S.COMPLETED:
        raise WrongState(
            f"There is no file: the export's state is “{export.get_status_display()}”."
        )


def _check_count(export: ExportRequest) -> None:
    most = export.most_downloads
    if export.downloads.count() >= most:
        times = "once" if most == 1 else f"{most} times"
        raise WrongState(
            f"This file was downloaded {times} already, which is as often as it may be. Ask for "
            "the export again."
        )


def _check_records(export: ExportRequest, person: User) -> None:
    """Raise where the file holds a record, or a name or column of one, out of reach by now (B5)."""
    if manifest.has_out_of_reach(export, person):
        raise NotAllowed(
            "This file holds a record that you may not see any more, so it is closed to you. Ask "
            "for the export again; it will be without it."
        )


def _ask_again(export_id: int, then: User, origin: str | None) -> None:
    """Ask in the middle of a download; where it breaks off, the log says so.

    `then` is the person when it began; the records are asked for only where their rights changed
    since: a million take a second. The request is over by now for whoever keeps its address, so the
    address is given.
    """
    export, person = ExportRequest.objects.get(pk=export_id), User.objects.get(pk=then.pk)
    try:
        _check_download(export, person)
        if not access.still_holds(then):
            _check_records(export, person)
    except ExportError:
        came_from = audit.origin.set(origin)
        try:
            audit.record_refusal("export.download", actor=person, code="broken_off", on=export)
        finally:
            audit.origin.reset(came_from)
        raise
