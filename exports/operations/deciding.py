"""Deciding on a request: by somebody else, on exactly what was frozen, once (R122–R124, Q12)."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRequest
from exports.policy import DECIDE, changed_the_gate
from exports.steps import (
    OUT_OF_REACH,
    InvalidRequest,
    NotAllowed,
    S,
    SelfApproval,
    WrongState,
    one_step,
    standing,
    tell,
    transition,
    words,
)
from records import filters


def approve(
    export: ExportRequest,
    *,
    actor: User,
    version: int,
    note: str = "",
    conditions: None = None,
) -> None:
    """Consent to exactly what was frozen, as of this version; it then runs by itself (R123)."""
    with one_step("export.approve", actor, export) as person:
        export.refresh_from_db()
        _check_decider(export, person)
        if conditions is not None:
            raise InvalidRequest("There are no conditions yet. Approve as asked, or reject.")
        note = words(note)
        if export.status == S.PENDING and not still_valid(export):
            raise WrongState(
                "The requester may not export this any more, so there is nothing to approve; it is "
                "about to be cancelled. Reject it, or leave it."
            )
        transition(
            export,
            actor=person,
            action="export.approve",
            to=S.APPROVED,
            from_=[S.PENDING],
            where=Q(version=version),
            text=note,
            decided_by=person,
            decided_at=timezone.now(),
            decision_note=note,
        )
        text = f"{person.get_full_name()} approved your export “{export.name}”. It runs now."
        tell([export.requester], text, export, subject="Your export was approved")


def reject(export: ExportRequest, *, actor: User, version: int, note: str) -> None:
    """Refuse a request for a reason, which the requester reads (R124, Q13)."""
    with one_step("export.reject", actor, export) as person:
        export.refresh_from_db()
        _check_decider(export, person)
        note = words(note)
        if not note:
            raise InvalidRequest("A rejection needs a reason. Write one; the requester reads it.")
        transition(
            export,
            actor=person,
            action="export.reject",
            to=S.REJECTED,
            from_=[S.PENDING],
            where=Q(version=version),
            text=note,
            decided_by=person,
            decided_at=timezone.now(),
            decision_note=note,
            ended_at=timezone.now(),
        )
        name = person.get_full_name()
        text = f"{name} rejected your export “{export.name}”. Open it to read the reason."
        tell([export.requester], text, export, subject="Your export was rejected")


def why_not_decide(export: ExportRequest, *, actor: User) -> str:
    """Return why this person may not decide on this request, for screens; empty where they may."""
    try:
        _check_decider(export, actor)
    except NotAllowed as refusal:
        return str(refusal)
    return "" if export.status == S.PENDING else standing(export)


def still_valid(export: ExportRequest) -> bool:
    """Tell whether the requester could make this request now (Q9); rows are asked later."""
    requester = User.objects.get(pk=export.requester_id)
    model = tables.model_of(export.object)
    if not access.allows_any(requester, access.EXPORT, model):
        return False
    try:
        filters.canonical(model, export.query, user=requester)
    except filters.BadQuery:
        return False
    return True


def _check_decider(export: ExportRequest, person: User) -> None:
    """Raise unless this person may decide on this request; the order of the questions matters."""
    if person.pk == export.requester_id:
        raise SelfApproval("Nobody decides on their own export. Another approver has to do it.")
    if not access.allows(person, "view", export):
        raise NotAllowed(OUT_OF_REACH)
    if not access.holds_tool(person, DECIDE):
        raise NotAllowed("You may not decide on exports. Ask a super admin for Export approver.")
    if changed_the_gate(person, export):
        raise NotAllowed(
            "You changed the rules for exports after this request was made. Another approver has "
            "to decide on it."
        )
