"""What every change of people and permissions goes through: who may, the slots, who did it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from accounts import access, rights
from accounts.account_errors import NotAllowed
from accounts.audit import Actor, System
from accounts.models import PermissionSet, Team, User
from accounts.operations.employees import keep_employees
from accounts.rights import Door, one_at_a_time

on_leaving: list[Callable[[User, Actor], None]] = []
"""A slot for upper layers: what else ends when a person is deactivated (recall requests, …)."""

on_permissions_changing: list[Callable[[Actor], AbstractContextManager[None]]] = []
"""A slot for upper layers: entered before every change to who may do what, and left after it.

Both in the change's transaction. What it raises (an `AccountsError`) takes the change back."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a team is named: in words that go into a sentence, and the page to take it out on."""

    words: str
    url: str = ""

    def __str__(self) -> str:
        return self.words


where_named: list[Callable[[Team], Iterable[Place]]] = []
"""A slot for upper layers: where a team is still named; such a team is not deleted."""


@contextmanager
def permissions_changing(
    actor: Actor,
    door: Door,
    people: QuerySet[User],
    edited: PermissionSet | None = None,
    *,
    reason: str = "",
) -> Iterator[None]:
    """Write down who changes what for whom, and let upper floors look at what comes of it.

    `reason` is why, in the words of whoever does it; the permission history keeps it.
    """
    # Before the locks of upper floors, as everybody who changes rights takes it first.
    one_at_a_time("rights")
    with ExitStack() as around:
        for enter in on_permissions_changing:
            around.enter_context(enter(actor))
        # The inner one: what it writes is part of what upper floors look at.
        around.enter_context(rights.changing(actor, door, people, edited, reason=reason))
        yield
        keep_employees()


def this(person: User) -> QuerySet[User]:
    return User.objects.filter(pk=person.pk)


def require(actor: Actor, action: str, subject: type[models.Model] | models.Model) -> None:
    """Raise `NotAllowed` unless the actor may do this; a named system actor may."""
    if isinstance(actor, System):
        return
    if isinstance(subject, models.Model):
        allowed = access.allows(actor, action, subject)
    else:
        allowed = access.allows_any(actor, action, subject)
    if not allowed:
        raise _not_allowed(actor, action, subject)


REFUSED = {
    "view": gettext_lazy("You may not view this %(thing)s"),
    "add": gettext_lazy("You may not add this %(thing)s"),
    "change": gettext_lazy("You may not change this %(thing)s"),
    "delete": gettext_lazy("You may not delete this %(thing)s"),
    "assign": gettext_lazy("You may not assign this %(thing)s"),
    "credentials": gettext_lazy("You may not change the log-in of this %(thing)s"),
    "teams": gettext_lazy("You may not choose the teams of this %(thing)s"),
}
"""What is said of an action that is refused, before why or what to do."""


def _not_allowed(
    actor: User, action: str, subject: type[models.Model] | models.Model
) -> NotAllowed:
    """Return the refusal; it says why only to who may see what it is about, its code to the log."""
    text = REFUSED.get(action, gettext_lazy("You may not %(action)s this %(thing)s"))
    what = text % {"action": action, "thing": subject._meta.verbose_name}
    code = "no_right"
    if isinstance(subject, models.Model):
        decisive = access.explain(actor, action, subject).decisive
        code = decisive[0].code if decisive else "out_of_reach"
        denying = [finding for finding in decisive if not finding.allows]
        if denying and access.allows(actor, "view", subject):
            said = gettext("%(refusal)s: %(reason)s.")
            because = denying[0].because
            return NotAllowed(said % {"refusal": what, "reason": because}, denying[0].code)
    said = gettext("%(refusal)s. Ask a super admin to do it.")
    return NotAllowed(said % {"refusal": what}, code)


def require_super_admin(actor: Actor) -> None:
    """Raise `NotAllowed` unless a super admin or a named system actor asks (R91)."""
    if isinstance(actor, User) and not (actor.is_active and actor.is_superuser):
        raise NotAllowed(gettext("Only a super admin may do this."), "super_admins_only")
