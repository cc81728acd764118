"""Invitations: made and renewed by somebody else, accepted by oneself."""

from __future__ import annotations

from contextlib import nullcontext

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from accounts import audit, clock, invitations, rights
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, operation
from accounts.invitations import INVITED, MAIL, SUBJECT
from accounts.models import User
from accounts.notices import notify
from accounts.operations.frame import require, this
from accounts.operations.passwords import require_fit_password
from accounts.rights import Door


@operation("person.invite")
def invite(person: User, *, actor: Actor) -> None:
    """Let somebody who never logged in choose their password by a link; an earlier link ends.

    The link goes by e-mail. Where that is not set up, whoever calls this shows the actor
    `invitations.path_for`: they could log in by it, which is written down like a password they set.
    """
    require(actor, "credentials", person)
    stored = User.objects.get(pk=person.pk)
    if not stored.is_active:
        said = gettext("%(name)s is deactivated. Reactivate them first.")
        raise InvalidChange(said % {"name": stored.get_full_name()})
    if stored.last_login is not None:
        said = gettext(
            "%(name)s has logged in before and needs no invitation. If the password is forgotten, "
            "set another one."
        )
        raise InvalidChange(said % {"name": stored.get_full_name()})
    by_mail = invitations.go_by_mail()
    around = nullcontext() if by_mail else rights.changing(actor, Door.INVITED, this(person))
    with around:
        # A value and not `Now()`: SQLite keeps that in a form that equals no value.
        this(person).update(invited_at=clock.database_now())
    person.refresh_from_db()
    audit.record(
        "person.invite", actor=actor, on=person, data={"by": "e-mail" if by_mail else "link"}
    )
    if by_mail:
        notify(
            [person],
            lambda: gettext(INVITED),
            subject=lambda: gettext(SUBJECT),
            mail=lambda: gettext(MAIL),
            way_in=invitations.way_in,
        )


@transaction.atomic
def accept_invitation(*, actor: User, password: str) -> None:
    """Choose one's first password by the link of an invitation, which ends with it.

    The instance is the one whose link was checked: of two uses of one link the second changes
    nothing, and neither does one that came after the link ended.
    """
    require_fit_password(password, actor)
    names = ("email", "password", "session_epoch", "invited_at")
    checked = {name: getattr(actor, name) for name in names}
    same = invitations.open_ones().filter(pk=actor.pk, **checked)
    actor.set_password(password)
    if not same.update(
        password=actor.password, session_epoch=F("session_epoch") + 1, invited_at=None
    ):
        raise InvalidChange(
            gettext(
                "This link was used already, or it has ended. If you have no password yet, ask "
                "whoever invited you for another link."
            )
        )
    audit.record("person.accept_invitation", actor=actor, on=actor)
