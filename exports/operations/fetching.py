"""Fetching a finished file: by its requester alone, asked each time and on the way (Q16)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Count, Max
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, audit, clock, rights
from accounts.models import User
from accounts.notices import tell_super_admins
from accounts.words import counted
from exports import folder, hashes, reasons, tables
from exports.models import Download, ExportRequest
from exports.operations import running
from exports.steps import (
    OUT_OF_REACH,
    PAGE,
    SYSTEM,
    ExportError,
    NotAllowed,
    S,
    WrongState,
)
from exports.writers import manifest
from exports.writers.files import Handout, WrongFile
from records import kinds

logger = logging.getLogger(__name__)


def open_download(export: ExportRequest, *, actor: User) -> running.RunningFile:
    """Open the finished file for the one who asked for it, and record that they fetched it (Q16).

    The file is looked at before the record, and the record is committed before the first byte. More
    than may run at a time are refused and do not count; closing the file lets the next one run
    (B7). The file asks every second or two whether it still may, and raises `NotAllowed` in the
    middle where it may not (Q24).
    """
    taken: running.RunningFile | None = None
    try:
        with audit.step("export.download", actor, export) as person:
            # Locked, so that of two who fetch the last copy at once the second counts the first.
            export.refresh_from_db(from_queryset=ExportRequest.objects.select_for_update())
            _check_download(export, person)
            _check_records(export, person)
            _check_count(export)
            running.check(person)
            file = _opened(export, person)
            download = Download.objects.create(
                export=export, user=person, ip=audit.origin.get(), agent=audit.agent.get()
            )
            data = {"file_digest": hashes.file_digest(export, export.sha256)}
            audit.record("export.download", actor=person, on=export, data=data)
            taken = running.begin(download, file)
    except WrongFile as error:
        close_file(export.pk, str(error))
        raise WrongState(CLOSED) from None
    except BaseException:
        if taken is not None:
            taken.close()  # the transaction could not be committed
        raise
    return taken


def _opened(export: ExportRequest, person: User) -> Handout:
    """Open the file; raise where it cannot be read, which counts as no download."""
    origin = audit.origin.get()
    try:
        return Handout(
            export.file_name,
            size=export.file_size or 0,
            sha256=export.sha256,
            still_allowed=StillAllowed(export.pk, person, origin),
            wrong=partial(close_file, export.pk),
        )
    except FileNotFoundError:
        if not folder.is_ours():
            raise ExportError(UNREADABLE) from None
        raise ExportError(
            gettext(
                "The file is gone from the server. Ask for the export again, and tell a super "
                "admin."
            )
        ) from None
    except OSError:
        raise ExportError(UNREADABLE) from None


KEPT = "This file is not the one that was written for you, so it is closed."
CLOSED = gettext_lazy(
    "This file is not the one that was written for you, so it is closed. Ask for the export again, "
    "and tell a super admin."
)
UNREADABLE = gettext_lazy(
    "The folder for files cannot be read at the moment. Nothing is lost: try again later, and tell "
    "a super admin."
)


@transaction.atomic
def close_file(export_id: int, why: str) -> None:
    """Close a file that is not the one that was written, and tell super admins, once."""
    export = ExportRequest.objects.get(pk=export_id)
    rows = ExportRequest.objects.filter(pk=export_id, closed_because="")
    if not rows.update(closed_because=f"{KEPT} ({why})"):
        return
    logger.error("The file of export %s is closed: %s.", export_id, why)
    audit.record("export.close_file", actor=SYSTEM, on=export, data={"reason": why})

    def text() -> str:
        return gettext(
            "The file of export #%(number)s is closed: %(why)s. Somebody, or a fault of the disk, "
            "changed it on the server. Find out who or what."
        ) % {"number": export_id, "why": reasons.read(why)}

    tell_super_admins(
        text,
        reverse(PAGE, args=[export_id]),
        subject=lambda: gettext("A file of an export was changed on the server"),
        mail=text,
    )


def why_not_download(export: ExportRequest, *, actor: User) -> str:
    """Return why this person may not fetch the file now, for screens; empty where they may."""
    try:
        _check_download(export, actor)
        _check_count(export)
    except ExportError as refusal:
        return str(refusal)
    return ""


def open_to(exports: Iterable[ExportRequest], *, actor: User) -> set[int]:
    """Return the keys of the exports, of some that a person sees, whose file they may fetch now.

    For lists: three statements for all of them, and rights that the request asked for already.
    """
    own = [each for each in exports if each.requester_id == actor.pk and each.sha256]
    if not own:
        return set()
    now, let_in = clock.database_now(), _last_let_in(actor)
    fetched = Download.objects.filter(export__in=own).values_list("export").order_by()
    counts = dict(fetched.annotate(number=Count("pk")))
    found = set()
    for export in own:
        try:
            _check_file(export, actor, now)
            _check_hands(export, let_in)
        except ExportError:
            continue
        if counts.get(export.pk, 0) < export.most_downloads:
            found.add(export.pk)
    return found


def _check_download(export: ExportRequest, person: User) -> None:
    if not access.allows(person, "view", export):
        raise NotAllowed(str(OUT_OF_REACH))
    if person.pk != export.requester_id:
        raise NotAllowed(gettext("Only who asked for an export may download it."))
    _check_file(export, person, clock.database_now())
    _check_hands(export, _last_let_in(person))


def _last_let_in(person: User) -> datetime | None:
    """Return when somebody else could last have begun to act as this person (30 days back)."""
    others = rights.let_in_by_others(person=person.pk)
    found: datetime | None = others.aggregate(last=Max("at"))["last"]
    return found


def _check_hands(export: ExportRequest, let_in: datetime | None) -> None:
    """Raise where the file may be meant for somebody else than who has the account by now.

    Who had it when it was decided is known: whoever decides by a page that did not say it yet is
    refused. Without a decision it counted within the limits of whoever asked for it.
    """
    released = export.decided_at or export.requested_at
    if let_in is not None and let_in > released:
        raise NotAllowed(
            gettext(
                "Somebody else set the password or the e-mail address of your account, or "
                "reactivated it, after this export was asked for or approved. So this file is "
                "closed. Ask for the export again."
            )
        )


def _check_file(export: ExportRequest, person: User, now: datetime) -> None:
    """Raise where the file is closed to who asked for it, as far as their rights and it tell."""
    if not tables.is_known(export.object):
        raise NotAllowed(
            gettext("There are no records of this kind any more, so this file is closed.")
        )
    model = tables.model_of(export.object)
    if not access.allows_any(person, access.EXPORT, model):
        raise NotAllowed(
            gettext(
                "You may not export %(kinds)s any more, so this file is closed to you. Ask a super "
                "admin for the permissions Export and View."
            )
            % {"kinds": kinds.of(model).nouns}
        )
    visible = {column.name for column in tables.permitted_columns(model, person)}
    if {column["name"] for column in export.leaving_columns} - visible:
        raise NotAllowed(
            gettext(
                "This file holds a field that you may not see any more, so it is closed to you. "
                "Ask for the export again; it will be without it."
            )
        )
    if export.closed_because:
        raise WrongState(CLOSED)
    if export.status == S.EXPIRED or (export.expires_at is not None and export.expires_at <= now):
        raise WrongState(gettext("This file has expired. Ask for the export again."))
    if export.status != S.COMPLETED:
        raise WrongState(
            gettext("There is no file: the export’s status is “%(status)s”.")
            % {"status": export.get_status_display()}
        )


def _check_count(export: ExportRequest) -> None:
    most = export.most_downloads
    if export.downloads.count() >= most:
        refusal = ngettext(
            "This file was downloaded once already, which is as often as it may be. Ask for the "
            "export again.",
            "This file was downloaded %(count)s times already, which is as often as it may be. Ask "
            "for the export again.",
            most,
        )
        raise WrongState(refusal % {"count": counted(most)})


def _check_records(export: ExportRequest, person: User) -> None:
    """Raise where the file holds a record, or a name or column of one, out of reach by now (B5)."""
    if manifest.has_out_of_reach(export, person):
        raise NotAllowed(
            gettext(
                "This file holds a record that you may not see any more, so it is closed to you. "
                "Ask for the export again; it will be without it."
            )
        )


class StillAllowed:
    """Asks in the middle of a download whether it may go on; where it breaks off, the log says so.

    The person's rights are asked each time. Whether a record was lost costs a look at every record
    of the file, a second for a million: it is asked at once where the rights changed, and
    otherwise as often as it takes at most a tenth of the time.
    """

    def __init__(self, export_id: int, then: User, origin: str | None) -> None:
        """`then` is the person as of now; the request, which knows their address, will be over."""
        self.export_id, self.then, self.origin = export_id, then, origin
        self.not_before = 0.0

    def __call__(self) -> None:
        """Raise `ExportError` where it may not go on."""
        export = ExportRequest.objects.get(pk=self.export_id)
        person = User.objects.get(pk=self.then.pk)
        try:
            _check_download(export, person)
            if time.monotonic() >= self.not_before or not access.still_holds(self.then):
                began = time.monotonic()
                _check_records(export, person)
                took = time.monotonic() - began
                self.not_before = began + took * ONE_IN
                self.then = person
        except ExportError:
            came_from = audit.origin.set(self.origin)
            try:
                audit.record_refusal("export.download", actor=person, code="broken_off", on=export)
            finally:
                audit.origin.reset(came_from)
            raise


ONE_IN = 10
"""Looking at the records takes one second in ten, at most."""
