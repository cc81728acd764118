"""That somebody is left to decide on every export that needs consent (B7, Q11).

Asked of a change before it is made, and told to super admins where it hangs on one person. Nothing
here changes anything, apart from the lock under which two changes are asked one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import access, rights
from accounts.audit import Actor
from accounts.models import User
from accounts.operations import InvalidChange
from exports.deciders import (
    DECIDE,
    EXEMPT,
    approvers_for,
    colleagues_who_decide,
    waiting_without_decider,
    without_decider,
    without_independent_decider,
)
from exports.models import ExportPolicy
from exports.models.policy import GateRules
from exports.policy import TAKE_OUT, current


def without_approver(forgiving: User | None = None) -> User | None:
    """Return somebody who may export and needs consent that nobody could give; None as a rule.

    Nobody approves their own exports, and nobody whose account the requester made or changed in
    the 30 days before: who is the only approver, or changed all others, needs one more, unless they
    export without approval at any size. What `forgiving` did to others is left out of account.
    """
    rules = current()
    if not rules.require_approval:
        return None
    return without_decider(_asking(rules), forgiving).order_by("pk").first()


def _asking(rules: GateRules) -> QuerySet[User]:
    """Return who may export, and may have to ask for it."""
    exporters = access.holders(TAKE_OUT)
    if rules.second_person_above is None:
        exporters = exporters.exclude(pk__in=access.holders(EXEMPT).values("pk"))
    return exporters


def why_nobody_decides(user: User) -> str:
    """Return why nobody could decide on a request of this person now; empty where somebody could.

    Said to that person, with what to do.
    """
    if approvers_for(user).exists():
        return ""
    if colleagues_who_decide(user).exists():
        return gettext(
            "Nobody can decide on your exports now: within the last 30 days you made or changed "
            "the account of everybody else who may approve. Wait until 30 days are over, or have "
            "another super admin give somebody else the permission Export approver."
        )
    if access.holds_tool(user, DECIDE):
        return gettext(
            "Nobody can decide on your exports: you alone may approve, and nobody decides on their "
            "own. Somebody else needs the permission Export approver."
        )
    return gettext("Nobody may approve exports. Ask a super admin for an approver.")


def warnings(reader: User) -> list[str]:
    """Return what a super admin is warned of: consent that hangs on one person, or on nobody.

    It is allowed; it is told on the dashboard, beside the rules, and when a change leads there.
    """
    rules = current()
    if not rules.require_approval or not (reader.is_active and reader.is_superuser):
        return []
    told = []
    approvers = list(access.holders(DECIDE).order_by("pk")[:2])
    if len(approvers) == 1:
        only = approvers[0]
        told.append(
            gettext(
                "%(name)s is the only person who may approve exports. Nobody decides on their own, "
                "and nothing is decided while %(short_name)s is away. Give somebody else the "
                "permission Export approver."
            )
            % {"name": only.get_full_name(), "short_name": only.get_short_name()}
        )
    elif rules.second_person_above is not None and (why := why_nobody_decides(reader)):
        told.append(why)
    if approvers and (person := _without_four_eyes(rules)):
        told.append(
            gettext(
                "Nobody independent decides on exports of %(name)s: whoever could made or opened "
                "that account in the last 30 days, or got their own from the same person. Make "
                "somebody an approver whose account was made by somebody else."
            )
            % {"name": person.get_full_name()}
        )
    return told


def _without_four_eyes(rules: GateRules) -> User | None:
    """Return somebody whose exports only people decide on who hang together with them."""
    return without_independent_decider(_asking(rules)).order_by("pk").first()


@contextmanager
def leaving_somebody_to_decide(
    error: type[Exception], actor: Actor | None = None
) -> Iterator[None]:
    """Raise where what is done meanwhile leaves a request, or a person, nobody to decide (B7, Q11).

    Waiting requests, and what people may ask for from now on. In the transaction of the change. Two
    changes at once are asked one after the other, so that neither counts on the approver whom the
    other takes away. What had nobody before is no reason to refuse anything: a person whose account
    is in wrong hands has to go at once. Nor is it that the actor's own exports find nobody for a
    while, since the actor changed the account of whoever would decide: of that they are warned.
    """
    rights.one_at_a_time("rights")
    list(ExportPolicy.objects.select_for_update(no_key=True).filter(pk=1).values("pk"))
    by = actor if isinstance(actor, User) else None
    before = set(waiting_without_decider().values_list("pk", flat=True))
    had_none = without_approver(by)
    yield
    for export in waiting_without_decider().select_related("requester"):
        if export.pk not in before:
            raise error(
                gettext(
                    "“%(export)s” of %(name)s waits for a decision, and after this change nobody "
                    "could decide on it: who changes the rules meanwhile does not decide. Decide "
                    "on it first, or end it (a super admin can cancel it), or make somebody else "
                    "an approver."
                )
                % {"export": export, "name": export.requester}
            )
    if had_none is None and (person := without_approver(by)) is not None:
        raise error(
            gettext(
                "After this change nobody could approve exports of %(name)s: nobody approves their "
                "own, and there is no other approver. Give somebody else the permission Export "
                "approver first, or let those who export without approval need no second person "
                "(Settings → Approvals)."
            )
            % {"name": person}
        )


def on_permissions_changing(actor: Actor) -> AbstractContextManager[None]:
    """Fill the slot `accounts.operations.on_permissions_changing` (B7)."""
    return leaving_somebody_to_decide(InvalidChange, actor)
