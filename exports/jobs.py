"""One export as one worker's job: claim, keep, finish, each fenced by the attempt's number.

The row is the job. `attempt` rises with every claim, and every write of a worker says `WHERE
attempt = mine`: a worker that was killed costs one lease, one that was frozen and wakes up late
changes nothing (design.md, "Export = manifest + lease"). Leases run by the database's clock.
`tries` counts what failed through something about the export, and five end it, over some hours:
each time it waits longer. A worker that was killed can count nothing, so the next one does
(`setbacks`). That is no fault of the export, as a rule: a deploy that restarts every worker may
last all night. An export that kills its worker each time ends at last all the same.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format

from accounts import access, audit, clock
from accounts.models import User
from exports import deciders, folder, hashes, policy, tables
from exports.models import ExportRequest, LeftFile
from exports.operations import (
    cancel_by_system,
    still_valid,
    tell_it_is_over,
    with_delegates,
)
from exports.steps import SYSTEM, S, WrongState, in_words, tell, transition
from exports.writers import files, manifest
from records.models import Record
from records.models.properties import FieldKey
from records.reads import as_text, from_text

logger = logging.getLogger(__name__)

ATTEMPTS = 5
SETBACKS = 12
WAITS = (0, 1, 5, 25, 125)
"""How many leases to wait after each setback, the last one again and again: 15 hours in all."""
KILLED = "the worker was ended while it wrote"
OF_NOW = timedelta(seconds=-1)
"""For a lease that is over at once, though the clock has not moved on."""


def ready() -> Q:
    """Hold for exports that wait for a worker: approved, or left behind by one (R-§1.11)."""
    return Q(status=S.APPROVED) | Q(status=S.PROCESSING, lease_until__lt=Now())


def mine(export: ExportRequest) -> Q:
    """Hold while the export is still in this attempt's hands."""
    return Q(attempt=export.attempt, status=S.PROCESSING)


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
                proceed = _may_proceed(export)
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


def _may_proceed(export: ExportRequest) -> bool:
    """Tell whether the consent still holds; otherwise move the export on (Q3, Q9)."""
    if not still_valid(export):
        cancel_revoked(export)
        return False
    if not manifest.is_as_frozen(export):
        _fail_tampered(export)
        return False
    requester = export.requester
    decider = export.decided_by
    if export.approval_needed and not (decider and access.holds_tool(decider, deciders.DECIDE)):
        who = decider.get_full_name() if decider else "nobody"
        why = f"The approver, {who}, may not approve any more."
        _back_to_pending(export, requester, "approver_lost_right", why, export.because)
        return False
    if needs := consent_needed_since(export, requester):
        _back_to_pending(export, requester, *needs)
        return False
    hidden = _hidden(export, requester)
    if hidden and export.approval_needed:
        why = "A column was restricted since it was approved."
        _back_to_pending(export, requester, "became_restricted", why, "decided_again")
        return False
    if hidden:
        return _narrow(export, hidden)
    return True


def consent_needed_since(export: ExportRequest, requester: User) -> tuple[str, str, str] | None:
    """Return why an export that may run needs a decision by now, as things stand; None: it runs on.

    A code, a sentence, and the code of why approval is needed (Q3). A policy that was changed is no
    reason: it holds for new requests (Q10). An exemption that was taken away is one.
    """
    sensitive = _sensitive_now(export, requester)
    if export.because == "exempt" and not access.holds_tool(requester, deciders.EXEMPT):
        needed, because = policy.approval(requester, export.record_count, sensitive, besides=export)
        if needed:
            why = "The requester may not export without approval any more."
            return "exemption_lost", why, because
    newly_sensitive = sensitive - from_text(_model(export), export.sensitive_fields)
    if newly_sensitive and (
        export.approval_needed or policy.approval(requester, 0, newly_sensitive)[0]
    ):
        since = "approved" if export.decided_by_id else "asked for"
        why = f"A column became sensitive since it was {since}."
        return "became_sensitive", why, "sensitive"
    return None


def _narrow(export: ExportRequest, hidden: set[str]) -> bool:
    """Take restricted columns out of an export that nobody had to approve, names included (S08)."""
    left = [column for column in export.columns if column["name"] not in hidden]
    if not left:
        cancel_revoked(export)
        return False
    frozen = manifest.write_frozen(export, columns=left)
    transition(
        export,
        actor=SYSTEM,
        action="export.narrow",
        to=S.PROCESSING,
        from_=[S.PROCESSING],
        where=mine(export),
        data={"columns_left_out": len(hidden), "manifest_digest": frozen.digest},
        columns=left,
    )
    return True


def still_whole(export: ExportRequest, requester: User) -> bool:
    """Tell whether a file that is being written may still be what it was when it was begun."""
    return not _hidden(export, requester) and consent_needed_since(export, requester) is None


def _hidden(export: ExportRequest, requester: User) -> set[str]:
    """Return which of the columns that leave the requester may not see any more."""
    visible = {column.name for column in tables.permitted_columns(_model(export), requester)}
    return {column["name"] for column in export.leaving_columns} - visible


def _model(export: ExportRequest) -> type[Record]:
    return tables.model_of(export.object)


def _sensitive_now(export: ExportRequest, requester: User) -> frozenset[FieldKey]:
    # A dropped column does not leave; a filter or an order by its field counts all the same.
    names = {column["name"] for column in export.leaving_columns}
    columns = [c for c in tables.all_columns(_model(export)) if c.name in names]
    return tables.sensitive(_model(export), columns, export.query, requester)


def cancel_revoked(export: ExportRequest) -> None:
    """Cancel an export whose requester may not have it any more (Q9, B5)."""
    active = User.objects.filter(pk=export.requester_id, is_active=True).exists()
    cancel_by_system(
        export,
        reason="requester_lost_right" if active else "requester_inactive",
        because="The requester may not export this any more."
        if active
        else "The requester was deactivated.",
        where=None if export.status == S.PENDING else mine(export),
    )


@transaction.atomic
def _back_to_pending(
    export: ExportRequest, requester: User, reason: str, why: str, because: str
) -> None:
    """Put an export before the approvers again, described as it is now (R-§1.11, Q3).

    `reason` is the code of what happened, `why` says it, and `because` is the code of why approval
    is needed now. Conditions go with the decision they were part of: whoever decides anew sets
    their own.
    """
    visible = {
        column.name: column for column in tables.permitted_columns(_model(export), requester)
    }
    # In the order of the file, which was asked for.
    columns = [visible[each["name"]] for each in export.columns if each["name"] in visible]
    flagged = tables.sensitive(_model(export), columns, export.query, requester)
    described: dict[str, Any] = {
        "approval_needed": True,
        "because": because,
        "columns": tables.frozen(columns, flagged),
        "sensitive_fields": as_text(_model(export), flagged),
        "has_sensitive": bool(flagged),
    }
    frozen = manifest.write_frozen(export, **described)
    transition(
        export,
        actor=SYSTEM,
        action="export.back_to_pending",
        to=S.PENDING,
        from_=[S.PROCESSING],
        where=mine(export),
        data={
            "reason": reason,
            "decided_by": export.decided_by_id,
            "manifest_digest": frozen.digest,
        },
        **described,
        decided_by=None,
        decided_at=None,
        decision_note="",
        conditions={},
        waits_again_because=why,
        waits_again_since=Now(),
        reminders=0,
        tries=0,
        setbacks=0,
        worker="",
        lease_until=None,
        file_name="",
    )
    chosen = _to_be_asked(export)
    text = f"The export “{export.name}” has to be decided on again. {why}"
    tell(chosen, text, export, subject="An export waits for your decision again")
    text = f"Your export “{export.name}” needs approval again. {why}"
    tell([requester], text, export, subject="Your export needs approval again")


def _to_be_asked(export: ExportRequest) -> list[User]:
    """Return whom a waiting request is brought before again, and keep that they are told.

    Of those who may decide on it now the ones its requester chose, or all of them.
    """
    able = deciders.deciders_of(export)
    approvers = list(able)
    named = set(export.chosen.values_list("pk", flat=True))
    chosen = [person for person in approvers if person.pk in named] or approvers
    chosen = with_delegates(chosen, able)
    export.notified.add(*chosen)
    return chosen


@transaction.atomic
def _fail(export: ExportRequest) -> None:
    why = (export.tries >= ATTEMPTS and export.ended_because) or KILLED
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
        ended_because=f"{attempts} attempts to write the file failed; the last one because {why}.",
    )
    text = f"Your export “{export.name}” failed. Open it to read why, and to try again."
    tell([export.requester], text, export, subject="Your export failed")


@transaction.atomic
def _fail_tampered(export: ExportRequest) -> None:
    """End an export that is not what was asked for and decided on any more (B10)."""
    logger.error("Export %s is not what was frozen any more; it is not run.", export.pk)
    transition(
        export,
        actor=SYSTEM,
        action="export.fail",
        to=S.FAILED,
        from_=[S.PROCESSING],
        where=mine(export),
        data={"reason": "manifest_changed"},
        ended_at=Now(),
        ended_because="The request was changed outside the product, so it was not run.",
        worker="",
        lease_until=None,
        file_name="",
    )
    text = (
        f"Your export “{export.name}” failed: the request was changed outside the product. Tell a "
        "super admin, and ask for it again."
    )
    tell([export.requester], text, export, subject="Your export failed")


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
        ended_because=f"of an error ({why})",
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
            file_size=part.size,
            sha256=part.sha256,
            expires_at=Now() + timedelta(days=less.get("file_days", export.file_days)),
            most_downloads=less.get("most_downloads", export.most_downloads),
            ended_at=Now(),
            ended_because="",
            worker="",
            lease_until=None,
        )
        manifest.tick_off(export, dropped)
        ready = f"Your export “{export.name}” is ready: {in_words(delivered)}."
        text = " ".join([ready, *_left_out(export, len(dropped))])
        tell([export.requester], text, export, subject="Your export is ready")


def _left_out(export: ExportRequest, records: int) -> Iterator[str]:
    """Say to the requester how much less it is than was asked for; no name of what is hidden."""
    if records:
        are = "was" if records == 1 else "were"
        yield f"{in_words(records)} {are} left out: out of your reach by now."
    if columns := len(manifest.columns_lost(export)):
        are = "was" if columns == 1 else "were"
        yield f"{in_words(columns, 'column')} {are} left out: you may not see all of them any more."


# --- What time does -------------------------------------------------------------------------------


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
        ended_because=f"Nobody decided on it within {in_words(export.lapse_days, 'day')}.",
    )
    text = f"Nobody decided on your export “{export.name}” in time. Ask for it again."
    tell([export.requester], text, export, subject="Your export was not decided on in time")
    tell_it_is_over(export, "Nobody decided in time:")


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
    chosen = _to_be_asked(export)
    data = {"reminder": number, "approvers": [person.pk for person in chosen]}
    audit.record("export.remind", actor=SYSTEM, on=export, data=data)
    asks = f"{export.requester.get_full_name()} still waits for a decision on “{export.name}”"
    until = date_format(timezone.localtime(export.lapses_at), "j F, H:i T")
    text = f"{asks}, {in_words(export.record_count)}. The request lapses on {until}."
    tell(chosen, text, export, subject="An export still waits for your decision")


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
_WITHOUT_FILE = [s for s in S if s not in {S.APPROVED, S.PROCESSING, S.COMPLETED}]
