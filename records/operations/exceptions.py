"""Letting one person edit one record for a time though its stage is locked, and ending that (B15).

Whoever may change the rule on stages may except somebody from it, never themselves, and always with
an end. What it opens is editing alone: deleting and merging stay with whom the rule names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext, ngettext

from accounts import access, audit, clock
from accounts.audit import Actor, operation
from accounts.models import User
from accounts.words import counted
from records import kinds
from records.models import Record, Stage, StageException, StageRule
from records.models.shares import live
from records.operations.kept import keep_exception
from records.operations.writing import find_stored
from records.refusals import Invalid, NotAllowed, NotFound

MOST_DAYS = 90
"""An exception lasts so long at most: what is needed for ever belongs into the rule."""


def may_except(actor: Actor) -> bool:
    """Tell whether the actor may make exceptions: whoever may change rules on stages (R105)."""
    return not isinstance(actor, User) or access.allows_any(actor, "change", StageRule)


def is_locked_for(user: User, record: Record) -> bool:
    """Tell whether the stored record's stage is among what keeps this person from editing it."""
    found = access.explain(user, "change", record).findings
    return any(each.code == "stage" and each.holds for each in found)


def is_locked(record: Record) -> bool:
    """Tell whether a rule binds whoever it does not name in the stage where a record stands."""
    stage = getattr(record, "stage_id", None)
    return stage is not None and StageRule.objects.filter(enabled=True, stages=stage).exists()


@operation("{object}.except_from_stage")
def except_from_stage(
    record: Record, *, actor: Actor, user: User, until: datetime
) -> StageException:
    """Let this person edit the record in its locked stage until then; replaces what they had.

    Raises `NotFound`, `NotAllowed`, or `Invalid` for oneself, for an end in the past or too far
    away, and where no locked stage keeps them from editing it.
    """
    stored = find_stored(record, actor, lock=True)
    require_excepting(actor)
    if user == actor:
        raise Invalid(gettext("Nobody makes an exception for themselves."))
    now = clock.database_now()
    if until <= now:
        raise Invalid(gettext("This end lies in the past. Choose a later one."))
    if until > now + timedelta(days=MOST_DAYS):
        said = ngettext(
            "An exception from a locked stage lasts %(count)s day at most. Choose an earlier end.",
            "An exception from a locked stage lasts %(count)s days at most. Choose an earlier end.",
            MOST_DAYS,
        )
        raise Invalid(said % {"count": counted(MOST_DAYS)})
    # Locked, or somebody deactivated meanwhile would find the exception when they come back.
    people = User.objects.select_for_update(of=("self",))
    receiver = people.filter(pk=user.pk, is_active=True).first()
    mine = StageException.objects.filter(
        user=user, object=stored.object_key, record=stored.pk
    ).first()
    stage: Any = getattr(stored, "stage_id", None)  # records without pipelines have none
    is_open = mine is not None and mine.stage_id == stage and mine.until > now
    if receiver is None or not (is_open or is_locked_for(receiver, stored)):
        said = gettext("No locked stage keeps %(name)s from editing it.")
        raise Invalid(said % {"name": user.get_full_name()})
    giver = actor if isinstance(actor, User) else None
    terms = {"stage_id": stage, "until": until, "giver": giver}
    key = {"user": receiver, "object": stored.object_key, "record": stored.pk}
    made = StageException.objects.update_or_create(defaults=terms, **key)[0]
    before = _terms(mine) if mine is not None else None
    keep_exception(stored, receiver.pk, before, _terms(made), actor)
    data = {"user": receiver.pk, **_terms(made), "from": before}
    audit.record(f"{stored.object_key}.except_from_stage", actor=actor, on=stored, data=data)
    return made


@operation("{object}.end_exception")
def end_exception(record: Record, *, actor: Actor, user: User) -> None:
    """End an exception at once; whoever may make exceptions may.

    Raises `NotFound` for a record out of reach and for an exception that is no more.
    """
    stored = find_stored(record, actor, lock=True)
    require_excepting(actor)
    rows = StageException.objects.filter(object=stored.object_key, record=stored.pk, user=user)
    before = rows.first()
    if before is None:
        raise NotFound(gettext("This exception has already ended."))
    _end(before, stored, actor)


def end_with_receiver(person: User, actor: Actor) -> None:
    """End every exception for a deactivated person; what they gave stays (E51, E52).

    Fills the slot `accounts.operations.on_leaving`, inside its transaction.
    """
    _end_each(StageException.objects.filter(user=person), actor, "deactivated")


def end_with_stage(stage: Stage, actor: Actor) -> None:
    """End every exception made for a stage that is about to be deleted, in its transaction (E17).

    The caller holds the stage's row locked, so that none is made for it meanwhile.
    """
    # Locked: one that is moved to another stage meanwhile is no longer among them.
    made = StageException.objects.select_for_update().filter(stage=stage).order_by("pk")
    _end_each(made, actor, "stage_deleted")


def _end_each(found: Iterable[StageException], actor: Actor, because: str) -> None:
    for made in found:
        kind = kinds.named(made.object)
        if kind is not None:
            record = kind.model._base_manager.get(pk=made.record)
            _end(made, record, actor, because=because)


def exceptions_of(record: Record) -> list[StageException]:
    """Return the exceptions that count for a record where it stands now; one query."""
    stage = getattr(record, "stage_id", None)
    if stage is None:
        return []
    rows = StageException.objects.filter(
        live(), object=record.object_key, record=record.pk, stage=stage, user__is_active=True
    )
    return list(rows.select_related("user", "giver").order_by("until", "id"))


def require_excepting(actor: Actor) -> None:
    """Raise `NotAllowed` unless the actor may make exceptions."""
    if not may_except(actor):
        said = gettext("Only super admins make exceptions from rules on stages, and end them.")
        raise NotAllowed(said, "exception")


def _end(made: StageException, record: Record, actor: Actor, **data: str) -> None:
    about = {"user": made.user_id, **_terms(made), **data}
    audit.record(f"{record.object_key}.end_exception", actor=actor, on=record, data=about)
    keep_exception(record, made.user_id, _terms(made), None, actor)
    made.delete()


def _terms(made: StageException) -> dict[str, Any]:
    return {"stage": made.stage_id, "until": made.until.isoformat()}
