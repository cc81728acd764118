"""Ending log-ins that are open: one's own, or those of somebody whose log-in one governs."""

from __future__ import annotations

from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, operation
from accounts.models import Session, User
from accounts.open_log_ins import mark_of, sessions_of
from accounts.operations.frame import require


@operation("session.end")
def end_log_in(person: User, *, actor: Actor, mark: str) -> None:
    """End one open log-in at once; `mark` names it, as `open_log_ins` does."""
    _require(person, actor)
    for row, _ in sessions_of(User.objects.get(pk=person.pk)):
        if mark_of(row.session_key) == mark:
            ended, _ = Session.objects.filter(pk=row.session_key).delete()
            if ended:
                audit.record("session.end", actor=actor, on=person, data={"user": person.pk})
                return
    raise InvalidChange(gettext("This log-in has ended already. Nothing was changed."))


@operation("session.end_others")
def end_other_log_ins(person: User, *, actor: Actor, but: str | None = None) -> int:
    """End every open log-in but one, whose session has this key; return how many those were."""
    _require(person, actor)
    open_now = sessions_of(User.objects.get(pk=person.pk))
    keys = [row.session_key for row, _ in open_now if row.session_key != but]
    ended, _ = Session.objects.filter(pk__in=keys).delete()
    if ended:
        data = {"user": person.pk, "count": ended}
        audit.record("session.end_others", actor=actor, on=person, data=data)
    return ended


def _require(person: User, actor: Actor) -> None:
    """Raise `NotAllowed` unless it is the actor's own log-in, or one that they govern."""
    if actor != person:
        require(actor, "credentials", person)
