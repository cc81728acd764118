"""Ending an export before its file is there: recalled, cancelled, or taken from its requester."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext

from accounts import access, audit
from accounts.audit import Actor
from accounts.models import User
from accounts.notices import Said, notify
from exports import reasons
from exports.deciders import DECIDE
from exports.models import ExportRequest
from exports.steps import (
    OUT_OF_REACH,
    PAGE,
    RUNNING,
    SYSTEM,
    NotAllowed,
    S,
    WrongState,
    about_export,
    tell,
    transition,
)


def tell_it_is_over(export: ExportRequest, text: Said, *, actor: User | None = None) -> None:
    """Tell approvers who were asked for a decision that none is needed any more, and why.

    In their inbox alone, and not who acted, nor who may not decide by now.
    """
    people = access.holders(DECIDE).filter(pk__in=export.notified.values("pk"))
    if actor is not None:
        people = people.exclude(pk=actor.pk)
    link = reverse(PAGE, args=[export.pk])
    notify(list(people), text, link, by_mail=False, about=about_export(export))


def recall(export: ExportRequest, *, actor: User) -> None:
    """Take one's own request back, waiting or running (R121)."""
    with audit.step("export.recall", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(str(OUT_OF_REACH))
        if person.pk != export.requester_id:
            raise NotAllowed(gettext("Only who asked for an export can recall it."))
        waited = export.status == S.PENDING
        transition(
            export,
            actor=person,
            action="export.recall",
            to=S.RECALLED,
            from_=RUNNING,
            data={"from": export.status},
            ended_at=Now(),
        )
        if waited:
            said = {"name": person.get_full_name(), "export": export.name}
            tell_it_is_over(
                export,
                lambda: gettext("%(name)s recalled the request “%(export)s”.") % said,
                actor=person,
            )


def cancel(export: ExportRequest, *, actor: User) -> None:
    """End somebody's export as a super admin, waiting or running (E43)."""
    with audit.step("export.cancel", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(str(OUT_OF_REACH))
        if not person.is_superuser:
            raise NotAllowed(gettext("Only a super admin can cancel somebody’s export."))
        waited = export.status == S.PENDING
        transition(
            export,
            actor=person,
            action="export.cancel",
            to=S.CANCELLED,
            from_=RUNNING,
            data={"from": export.status, "reason": "super_admin"},
            ended_at=Now(),
            ended_because=reasons.kept(reasons.CANCELLED_BY, name=person.get_full_name()),
        )
        said = {"name": person.get_full_name(), "export": export.name}
        if person.pk != export.requester_id:
            tell(
                [export.requester],
                lambda: gettext("%(name)s cancelled your export “%(export)s”.") % said,
                export,
                subject=lambda: gettext("Your export was cancelled"),
            )
        if waited:
            tell_it_is_over(
                export,
                lambda: gettext("%(name)s cancelled the request “%(export)s”.") % said,
                actor=person,
            )


@transaction.atomic
def cancel_by_system(
    export: ExportRequest,
    *,
    reason: str,
    because: str,
    where: Q | None = None,
    by: Actor | None = None,
) -> None:
    """End an export whose requester may not have it any more (Q9).

    `reason` is a code, and `because` one of the sentences of reasons.py.
    """
    waited = export.status == S.PENDING
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
        ended_at=Now(),
        ended_because=because,
    )

    def said() -> dict[str, str]:
        return {"export": export.name, "why": export.why_it_ended}

    tell(
        [export.requester],
        lambda: gettext("Your export “%(export)s” was cancelled: %(why)s") % said(),
        export,
        subject=lambda: gettext("Your export was cancelled"),
    )
    if waited:
        tell_it_is_over(
            export,
            lambda: gettext("The request “%(export)s” was cancelled: %(why)s") % said(),
            actor=by if isinstance(by, User) else None,
        )


def end_with_requester(person: User, actor: Actor) -> None:
    """Cancel what a person who is being deactivated has waiting or running (Q9, E51).

    Fills the slot `accounts.operations.on_leaving`; runs in the transaction of the deactivation.
    """
    for export in ExportRequest.objects.filter(requester=person, status__in=RUNNING):
        try:
            cancel_by_system(
                export,
                reason="requester_inactive",
                because=reasons.kept(reasons.REQUESTER_INACTIVE),
                by=actor,
            )
        except WrongState:
            # It reached its end a moment ago; the file is out of reach for an inactive person.
            continue
