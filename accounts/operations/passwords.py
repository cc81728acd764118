"""Passwords: set by somebody else, by oneself, by a link; and the pause after wrong ones."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext, gettext_lazy

from accounts import audit, log_in, rights
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, operation
from accounts.models import User
from accounts.notices import notify, one_line
from accounts.operations.frame import require, this
from accounts.rights import Door


def require_fit_password(password: str, person: User) -> None:
    """Raise where a password is too short, too common, or the person's own name or e-mail."""
    try:
        validate_password(password, person)
    except ValidationError as refusal:
        raise InvalidChange(" ".join(refusal.messages)) from None


@operation("person.set_password")
def set_password(person: User, *, actor: Actor, password: str) -> None:
    """Give a person a new password, end their open sessions, and a pause of their log-in."""
    require(actor, "credentials", person)
    require_fit_password(password, person)
    person.set_password(password)
    with rights.changing(actor, Door.PASSWORD, this(person)):
        this(person).update(password=person.password, session_epoch=F("session_epoch") + 1)
    log_in.lift(emails=[person.email])
    audit.record("person.set_password", actor=actor, on=person)
    tell_of_new_log_in(
        person,
        actor,
        gettext_lazy(
            "%(name)s set a new password for your account. If you did not ask for it, tell a super "
            "admin at once."
        ),
        subject=gettext_lazy("Your password was set by somebody else"),
    )


def tell_of_new_log_in(
    person: User, actor: Actor, text: Any, *, subject: Any, address: str = ""
) -> None:
    """Tell a person that somebody else changed how they log in; both texts are lazy.

    `address` is the one they had before, where that was changed: whoever has the new one may be
    somebody else.
    """

    def said() -> str:
        by = actor.get_full_name() if isinstance(actor, User) else gettext("Somebody on the server")
        return str(text % {"name": one_line(by)})

    if actor != person:
        notify([person], said, subject=lambda: str(subject), mail=said, address=address)


@transaction.atomic
def change_own_password(*, actor: User, password: str) -> None:
    """Give oneself a new password; every other open session of the person ends.

    Everybody may, so no right is read again; the instance is the one that the session goes on with.
    """
    require_fit_password(password, actor)
    actor.set_password(password)
    User.objects.filter(pk=actor.pk, is_active=True).update(
        password=actor.password, session_epoch=F("session_epoch") + 1
    )
    actor.refresh_from_db(fields=["session_epoch"])
    audit.record("person.change_own_password", actor=actor, on=actor)


@transaction.atomic
def reset_own_password(*, actor: User, password: str) -> None:
    """Give oneself a new password by a link from an e-mail; every open session of the person ends.

    The instance is the one whose link was checked: of two uses of one link the second changes
    nothing, and neither does one by somebody who was deactivated meanwhile.
    """
    require_fit_password(password, actor)
    checked = {"password": actor.password, "session_epoch": actor.session_epoch}
    same = User.objects.filter(pk=actor.pk, is_active=True, **checked)
    actor.set_password(password)
    if not same.update(password=actor.password, session_epoch=F("session_epoch") + 1):
        text = gettext("This link was used already. Ask for a new one on the log-in page.")
        raise InvalidChange(text)
    log_in.lift(emails=[actor.email])
    audit.record("person.reset_own_password", actor=actor, on=actor)
    notify(
        [actor],
        lambda: gettext(
            "Your password was changed by a link from an e-mail. If it was not you, tell a super "
            "admin at once."
        ),
        subject=lambda: gettext("Your password was changed"),
        mail=lambda: gettext(
            "Your password in crmperms was changed by a link from an e-mail. If it was not you, "
            "tell a super admin at once."
        ),
    )


@operation("person.lift_log_in_pause")
def lift_log_in_pause(person: User, *, actor: Actor) -> None:
    """Let a person log in at once who must wait after too many wrong passwords."""
    require(actor, "credentials", person)
    if log_in.lift(emails=[person.email]):
        audit.record("person.lift_log_in_pause", actor=actor, on=person)
