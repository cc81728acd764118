"""One export as one worker's job: claim, keep, finish, each fenced by the attempt's number.

The row is the job. `attempt` rises with every claim, and every write of a worker says `WHERE
attempt = mine`: a worker that was killed costs one lease, one that was frozen and wakes up late
changes nothing. Leases run by the database's clock.
`tries` counts what failed through something about the export, and five end it, over some hours:
each time it waits longer. A worker that was killed can count nothing, so the next one does
(`setbacks`). That is no fault of the export, as a rule: a deploy that restarts every worker may
last all night. An export that kills its worker each time ends at last all the same.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext, ngettext

from accounts.words import counted
from exports import folder, hashes, reasons
from exports.consent import may_proceed, sensitive_leaves
from exports.models import ExportRequest, LeftFile
from exports.steps import SYSTEM, S, WrongState, in_words, mine, tell, transition
from exports.writers import files, manifest

logger = logging.getLogger(__name__)

ATTEMPTS = 5
SETBACKS = 12
WAITS = (0, 1, 5, 25, 125)
"""How many leases to wait after each setback, the last one again and again: 15 hours in all."""
OF_NOW = timedelta(seconds=-1)
"""For a lease that is over at once, though the clock has not moved on."""


def ready() -> Q:
    """Hold for exports that wait for a worker: approved, or left behind by one (R123)."""
    return Q(status=S.APPROVED) | Q(status=S.PROCESSING, lease_until__lt=Now())


def claim(worker: str, lease: timedelta) -> ExportRequest | None:
    """Take the next export that waits for a worker; None where there is none.

    People take turns: first comes whose exports were taken longest ago, with their oldest one, so
    that nobody waits behind all that somebody else asked for.

    In the same transaction the consent is looked at again: what is not valid any more goes back or
    ends, and nobody ever sees it in processing.
    """
    theirs = ExportRequest.objects.filter(requester=OuterRef("requester")).order_by()
    turn = Subquery(theirs.values("requester").annotate(last=Max("claimed_at")).values("last"))
    waiting = ExportRequest.objects.filter(ready()).order_by(turn.asc(nulls_first=True), "pk")
    while (export := waiting.first()) is not None:
        try:
            is_left = export.status == S.PROCESSING and export.worker != ""
            if export.tries >= ATTEMPTS or export.setbacks + is_left >= SETBACKS:
                _fail(export)
                continue
            if is_left:
                _count_setback(export, lease)
                continue
            left_behind = export.file_name
            with transaction.atomic():
                take(export, worker, lease)
                if left_behind:
                    LeftFile.objects.get_or_create(name=left_behind)
                proceed = may_proceed(export)
            if left_behind:
                with suppress(OSError):  # then it is removed later
                    files.remove(left_behind)
            if proceed:
                return export
        except WrongState:
            continue  # another worker was quicker
        except DatabaseError:
            raise
        except Exception as error:
            logger.exception("Export %s could not be claimed.", export.pk)
            _count_as_failed(export, worker, lease, error)
    return None


def _count_as_failed(
    export: ExportRequest, worker: str, lease: timedelta, error: Exception
) -> None:
    """Let an export that cannot even be looked at not hold up those behind it."""
    export.refresh_from_db()
    try:
        take(export, worker, lease)
    except WrongState:
        return
    note_attempt(export, error, lease)


def _count_setback(export: ExportRequest, lease: timedelta) -> None:
    """Count that a worker left an export without a word, and let it wait where that is not new.

    Where the worker was only frozen, it goes on as soon as it wakes up, until another one begins.
    """
    left = ready() & Q(attempt=export.attempt, worker=export.worker, status=S.PROCESSING)
    rows = ExportRequest.objects.filter(left, pk=export.pk)
    rows.update(**_after_setback(export, lease))


def _after_setback(export: ExportRequest, lease: timedelta) -> dict[str, Any]:
    """Return what is written after a setback: the next attempt comes later each time."""
    number = min(export.setbacks, len(WAITS) - 1)
    wait = Now() + (WAITS[number] * lease or OF_NOW)
    return {"worker": "", "setbacks": F("setbacks") + 1, "lease_until": wait}


def take(export: ExportRequest, worker: str, lease: timedelta) -> None:
    """Make an export this worker's next attempt; raises `WrongState` where another was quicker."""
    transition(
        export,
        actor=SYSTEM,
        action="export.claim",
        to=S.PROCESSING,
        from_=[S.APPROVED, S.PROCESSING],
        where=ready() & Q(attempt=export.attempt),
        data={"attempt": export.attempt + 1, "worker": worker},
        worker=worker,
        attempt=F("attempt") + 1,
        claimed_at=Now(),
        lease_until=Now() + lease,
        rows_written=0,
        file_name=files.new_name(export.format),
    )


@transaction.atomic
def _fail(export: ExportRequest) -> None:
    last = export.ended_because if export.tries >= ATTEMPTS else ""
    attempts = export.tries + export.setbacks
    transition(
        export,
        actor=SYSTEM,
        action="export.fail",
        to=S.FAILED,
        from_=[S.APPROVED, S.PROCESSING],
        where=ready() & Q(attempt=export.attempt),
        data={"attempts": attempts},
        ended_at=Now(),
        ended_because=reasons.failed(attempts, last),
    )
    tell(
        [export.requester],
        lambda: (
            gettext("Your export “%(export)s” failed. Open it to read why, and to try again.")
            % {"export": export.name}
        ),
        export,
        subject=lambda: gettext("Your export failed"),
    )


# --- While it is written --------------------------------------------------------------------------


def keep(export: ExportRequest, lease: timedelta, rows: int) -> None:
    """Extend the lease and show progress; raises `WrongState` where the job is not ours."""
    held = ExportRequest.objects.filter(mine(export), pk=export.pk)
    if not held.update(lease_until=Now() + lease, rows_written=rows, worker=export.worker):
        raise WrongState("The export was ended or taken over.")


def give_back(export: ExportRequest) -> None:
    """End the lease at once, so that another worker need not wait for it; nothing failed."""
    ExportRequest.objects.filter(mine(export), pk=export.pk).update(
        lease_until=Now() + OF_NOW, worker=""
    )


def note_attempt(export: ExportRequest, error: Exception, lease: timedelta) -> None:
    """Keep why an attempt came to nothing, and when to try again.

    What is missing in the installation, and a statement that the database breaks off, is a setback:
    it would happen to any export.
    """
    if isinstance(error, NOT_ITS_FAULT):
        rows = ExportRequest.objects.filter(mine(export), pk=export.pk)
        rows.update(**_after_setback(export, lease))
    else:
        note_error(export, error, lease)


NOT_ITS_FAULT = (ImportError, SyntaxError, OperationalError, InterfaceError)


def note_error(export: ExportRequest, error: Exception, lease: timedelta) -> None:
    """Count a failure and keep its reason, without any data; it is tried again, later each time."""
    why = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        why = error.strerror.lower()
    ExportRequest.objects.filter(mine(export), pk=export.pk).update(
        ended_because=reasons.kept(reasons.OF_AN_ERROR, error=why),
        worker="",
        tries=F("tries") + 1,
        lease_until=Now() + lease * 5 ** min(export.tries, ATTEMPTS),
    )


def refused_by_folder(export: ExportRequest, error: files.FolderError) -> None:
    """Put an export back that the folder for files refused; it has cost nothing.

    All workers pause, unless this one alone does not fit: then it waits by itself, for an hour at
    most. Where another attempt runs by now, the folder is not to blame.
    """
    rows = ExportRequest.objects.filter(mine(export), pk=export.pk)
    refused = F("folder_failures") + 1
    if not rows.update(worker="", lease_until=Now() + OF_NOW, folder_failures=refused):
        return
    export.refresh_from_db(fields=["folder_failures"])
    if not folder.failed(error, export):
        alone = timedelta(minutes=min(2**export.folder_failures, 60))
        rows.filter(lease_until__lt=Now(), worker="").update(lease_until=Now() + alone)


def finish(export: ExportRequest, part: files.Part, dropped: array[int]) -> None:
    """Commit the pointer to a published file, what was in it, and the event; all or nothing."""
    delivered = export.most_leaving - len(dropped)
    less = export.conditions
    with transaction.atomic():
        transition(
            export,
            actor=SYSTEM,
            action="export.finish",
            to=S.COMPLETED,
            from_=[S.PROCESSING],
            where=mine(export),
            data={
                "delivered": delivered,
                "dropped": len(dropped),
                "file_digest": hashes.file_digest(export, part.sha256),
            },
            rows_written=delivered,
            delivered_count=delivered,
            sensitive_left_out=export.has_sensitive and not sensitive_leaves(export),
            file_size=part.size,
            sha256=part.sha256,
            expires_at=Now() + timedelta(days=less.get("file_days", export.file_days)),
            most_downloads=less.get("most_downloads", export.most_downloads),
            ended_at=Now(),
            ended_because="",
            worker="",
            lease_until=None,
        )
        manifest.mark_left_out(export, dropped)
        columns = len(manifest.columns_lost(export))
        tell(
            [export.requester],
            lambda: " ".join([_ready(export), *_left_out(len(dropped), columns)]),
            export,
            subject=lambda: gettext("Your export is ready"),
        )


def _ready(export: ExportRequest) -> str:
    return gettext("Your export “%(export)s” is ready: %(records)s.") % {
        "export": export.name,
        "records": in_words(export.delivered_count or 0),
    }


def _left_out(records: int, columns: int) -> Iterator[str]:
    """Say to the requester how much less it is than was asked for; no name of what is hidden."""
    if records:
        yield ngettext(
            "%(count)s record was left out: out of your reach by now.",
            "%(count)s records were left out: out of your reach by now.",
            records,
        ) % {"count": counted(records)}
    if columns:
        yield ngettext(
            "%(count)s column was left out: you may not see all of them any more.",
            "%(count)s columns were left out: you may not see all of them any more.",
            columns,
        ) % {"count": counted(columns)}
