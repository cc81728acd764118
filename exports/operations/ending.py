"""Ending an export before its file is there: recalled, cancelled, or taken from its requester."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import access
from accounts.audit import Actor
from accounts.models import User
from exports.models import ExportRequest
from exports.steps import (
    OUT_OF_REACH,
    RUNNING,
    SYSTEM,
    NotAllowed,
    S,
    WrongState,
    one_step,
    tell,
    transition,
)


def recall(export: ExportRequest, *, actor: User) -> None:
    """Take one's own request back, waiting or running (R121)."""
    with one_step("export.recall", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(OUT_OF_REACH)
        if person.pk != export.requester_id:
            raise NotAllowed("Only who asked for an export can recall it.")
        transition(
            export,
            actor=person,
            action="export.recall",
            to=S.RECALLED,
            from_=RUNNING,
            data={"from": export.status},
            ended_at=timezone.now(),
        )


def cancel(export: ExportRequest, *, actor: User) -> None:
    """End somebody's export as a super admin, waiting or running (E43)."""
    with one_step("export.cancel", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(OUT_OF_REACH)
        if not person.is_superuser:
            raise NotAllowed("Only a super admin cancels somebody's export.")
        transition(
            export,
            actor=person,
            action="export.cancel",
            to=S.CANCELLED,
            from_=RUNNING,
            data={"from": export.status, "reason": "super_admin"},
            ended_at=timezone.now(),
            ended_because=f"{person.get_full_name()} cancelled it.",
        )
        if person.pk != export.requester_id:
            text = f"{person.get_full_name()} cancelled your export “{export.name}”."
            tell([export.requester], text, export, subject="Your export was cancelled")


@transaction.atomic
def cancel_by_system(
    export: ExportRequest,
    *,
    reason: str,
    because: str,
    where: Q | None = None,
    by: Actor | None = None,
) -> None:
    """End an export whose requester may not have it any more (Q9); `reason` is a code."""
    transition(
        export,
        actor=SYSTEM,
        action="export.cancel",
        to=S.CANCELLED,
        from_=RUNNING,
        where=where,
        data={
            "from": export.status,
            "reason": reason,
            "after": by.pk if isinstance(by, User) else None,
        },
        ended_at=timezone.now(),
        ended_because=because,
    )
    text = f"Your export “{export.name}” was cancelled: {because}"
    tell([export.requester], text, export, subject="Your export was cancelled")


def end_with_requester(person: User, actor: Actor) -> None:
    """Cancel what a person who is being deactivated has waiting or running (Q9, E51).

    Fills the slot `accounts.operations.on_leaving`; runs in the transaction of the deactivation.
    """
    for export in ExportRequest.objects.filter(requester=person, status__in=RUNNING):
        try:
            cancel_by_system(
                export,
                reason="requester_inactive",
                because="The requester was deactivated.",
                by=actor,
            )
        except WrongState:
            # It reached its end a moment ago; the file is out of reach for an inactive person.
            continue
