"""What time does to exports: requests lapse, approvers are reminded, files are closed and deleted.

A worker calls each of these again and again; one export that fails holds up none of the others.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from accounts import audit, clock
from exports import reasons
from exports.consent import cancel_revoked, to_be_asked
from exports.models import ExportRequest, LeftFile
from exports.operations import (
    still_valid,
    tell_it_is_over,
)
from exports.steps import SYSTEM, S, WrongState, in_words, tell, transition
from exports.writers import files

logger = logging.getLogger(__name__)


@contextmanager
def _one_of_many(export: ExportRequest) -> Iterator[None]:
    """Let what goes wrong with one export hold up none of the others; it is tried again."""
    try:
        yield
    except WrongState:
        pass  # somebody else moved it on meanwhile
    except DatabaseError:
        raise
    except Exception:
        logger.exception("What time demands of export %s failed; it is tried again.", export.pk)


def lapse_overdue() -> None:
    """End requests that nobody decided on in time (Q14)."""
    now = clock.database_now()
    for export in ExportRequest.objects.awaiting_decision():
        with _one_of_many(export):
            if export.lapses_at <= now:
                _lapse(export)


@transaction.atomic
def _lapse(export: ExportRequest) -> None:
    transition(
        export,
        actor=SYSTEM,
        action="export.lapse",
        to=S.LAPSED,
        from_=[S.PENDING],
        ended_at=Now(),
        ended_because=reasons.not_in_time(export.lapse_days),
    )
    said = {"export": export.name}
    tell(
        [export.requester],
        lambda: (
            gettext("Nobody decided on your export “%(export)s” in time. Ask for it again.") % said
        ),
        export,
        subject=lambda: gettext("Your export was not decided on in time"),
    )
    tell_it_is_over(
        export, lambda: gettext("Nobody decided in time on the request “%(export)s”.") % said
    )


def remind() -> None:
    """Remind the approvers who were told of what still waits, each time once."""
    now = clock.database_now()
    for export in ExportRequest.objects.awaiting_decision():
        waited = now - export.waiting_since
        moments = reminder_moments(timedelta(days=export.lapse_days))
        # The last one that is due: whoever comes late reminds once, and not twice in a row.
        number = sum(after <= waited for after in moments)
        if number > export.reminders:
            with _one_of_many(export):
                _remind(export, number)


def reminder_moments(lapses_after: timedelta) -> tuple[timedelta, ...]:
    """Return after how long to remind: a day after the request, and a day before it lapses.

    Once, half-way, where a request lives so short that the two would fall together or cross.
    """
    day = timedelta(days=1)
    if lapses_after <= 2 * day:
        return (lapses_after / 2,)
    return (day, lapses_after - day)


@transaction.atomic
def _remind(export: ExportRequest, number: int) -> None:
    """Send one reminder, unless another worker did or somebody decided meanwhile.

    No transition: the state stays, and so does the version that an approver may be looking at.
    """
    waiting = ExportRequest.objects.awaiting_decision().filter(pk=export.pk, reminders__lt=number)
    if not waiting.update(reminders=number):
        return
    chosen = to_be_asked(export)
    data = {"reminder": number, "approvers": [person.pk for person in chosen]}
    audit.record("export.remind", actor=SYSTEM, on=export, data=data)
    tell(
        chosen,
        lambda: _still_waits(export),
        export,
        subject=lambda: gettext("An export still waits for your decision"),
    )


def _still_waits(export: ExportRequest) -> str:
    lapses_at = timezone.localtime(export.lapses_at)
    return gettext(
        "%(name)s still waits for a decision on “%(export)s”, %(records)s. The request lapses on "
        "%(moment)s."
    ) % {
        "name": export.requester.get_full_name(),
        "export": export.name,
        "records": in_words(export.record_count),
        "moment": date_format(lapses_at, "MOMENT_OF_YEAR_ZONE_FORMAT"),
    }


def expire_files() -> None:
    """Close files whose days are over; their hash and their log stay (Q14, Q16)."""
    for export in ExportRequest.objects.filter(status=S.COMPLETED, expires_at__lte=Now()):
        with _one_of_many(export):
            transition(
                export, actor=SYSTEM, action="export.expire", to=S.EXPIRED, from_=[S.COMPLETED]
            )


def cancel_waiting_of_revoked() -> None:
    """Cancel requests whose requester may not export any more, before anybody decides (Q9)."""
    for export in ExportRequest.objects.awaiting_decision():
        with _one_of_many(export):
            if not still_valid(export):
                cancel_revoked(export)


def remove_files() -> None:
    """Delete files, whole or in part, of exports that have none any more.

    While a lease is running its worker may still be writing, and cleans up after itself.
    """
    over = Q(lease_until=None) | Q(lease_until__lt=Now()) | Q(worker="")
    holders = ExportRequest.objects.filter(over, status__in=_WITHOUT_FILE).exclude(file_name="")
    for export in holders:
        with _one_of_many(export):
            files.remove(export.file_name)
            ExportRequest.objects.filter(pk=export.pk, file_name=export.file_name).exclude(
                status__in=[S.PROCESSING, S.COMPLETED]
            ).update(file_name="")


_WITHOUT_FILE = [s for s in S if s not in {S.APPROVED, S.PROCESSING, S.COMPLETED}]


def remove_left_files() -> None:
    """Delete what attempts left behind that were taken over, whole or in part.

    A day long: a worker that was frozen in the meantime may still write its file, and be killed.
    """
    for left in LeftFile.objects.all():
        files.remove(left.name)
    LeftFile.objects.filter(left_at__lt=Now() - timedelta(days=1)).delete()


def report_strays() -> None:
    """Say once which files belong to no export; deleting what is not known to be ours is not ours.

    A copy of the database may look at the same folder, and knows nothing of what came after.
    """
    # The folder first: a file's name is in its row before the file is there.
    there = files.names()
    named = ExportRequest.objects.exclude(file_name="").values_list("file_name", flat=True)
    for name in sorted(there - _reported - {n for f in named for n in files.both(f)}):
        if name in files.names():  # not removed meanwhile, with its row's name
            _reported.add(name)
            logger.warning("The file %s in EXPORT_ROOT belongs to no export.", name)


_reported: set[str] = set()
