"""People: added, changed, deactivated, reactivated."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F
from django.utils.translation import gettext, gettext_lazy

from accounts import audit, rights
from accounts.account_errors import InvalidChange, NotAllowed
from accounts.audit import Actor, operation
from accounts.entered import EMAIL_TAKEN, fit_email, line
from accounts.models import PermissionSet, Team, User
from accounts.notices import notify
from accounts.operations.frame import (
    on_leaving,
    permissions_changing,
    require,
    require_super_admin,
    this,
)
from accounts.operations.granting import (
    NOTHING,
    held_in,
    keys_of,
    require_may_give,
    require_may_know,
    require_may_move,
)
from accounts.operations.memberships import NO_TEAMS, team_data, teams_wanted, write_teams
from accounts.operations.opened import require_as_opened
from accounts.operations.passwords import require_fit_password, tell_of_new_log_in
from accounts.operations.super_admins import keep_a_super_admin, lock_super_admins
from accounts.rights import Door, one_at_a_time


@operation("person.create")
def create_person(
    *,
    actor: Actor,
    email: str,
    first_name: str = "",
    last_name: str = "",
    permission_set: PermissionSet | None = None,
    main_team: Team | None = None,
    extra_teams: Iterable[Team] = (),
    password: str | None = None,
    is_superuser: bool = False,
) -> User:
    """Add a person; without a password they cannot log in yet."""
    require(actor, "add", User)
    if is_superuser:
        require_super_admin(actor)
    # Of two who add one address at a moment the second is told.
    one_at_a_time("people")
    email = _free_email(email)
    names = {
        "first_name": line(gettext("First name"), first_name),
        "last_name": line(gettext("Last name"), last_name),
    }
    if password is not None:
        require_fit_password(password, User(email=email, **names))
    teams = teams_wanted(main_team, extra_teams)
    if permission_set is not None:
        require(actor, "assign", permission_set)
    held = held_in(permission_set)
    require_may_give(actor, NOTHING, held, keys_of(teams))
    require_may_move(actor, 0, NO_TEAMS, teams, held, owns_records=False)
    with rights.changing(actor, Door.CREATED, User.objects.filter(email=email)):
        person = User.objects.create_user(
            email,
            password,
            **names,
            permission_set=permission_set,
            is_superuser=is_superuser,
        )
        write_teams(person, teams)
    if password is not None:
        require_may_know(actor, person)
    audit.record(
        "person.create",
        actor=actor,
        on=person,
        data={
            "permission_set": permission_set and permission_set.pk,
            "super_admin": is_superuser,
            "teams": team_data(person),
        },
    )
    return person


@operation("person.change")
def change_person(
    person: User,
    *,
    actor: Actor,
    email: str,
    first_name: str,
    last_name: str,
    as_opened: str | None = None,
) -> None:
    """Change a person's name or log-in.

    `as_opened` is what `as_it_stands` said when the person's form was read: one that is out of
    date changes nothing. It holds for the set and the teams too, if they follow in one transaction.
    """
    require(actor, "change", person)
    require_as_opened(User.objects.get(pk=person.pk), as_opened)
    wanted = {
        "email": _free_email(email, besides=person),
        "first_name": line(gettext("First name"), first_name),
        "last_name": line(gettext("Last name"), last_name),
    }
    stored = User.objects.values(*wanted).get(pk=person.pk)
    changed = sorted(name for name in wanted if wanted[name] != stored[name])
    if "email" in changed:
        require(actor, "credentials", person)
    if changed:
        # A name opens nothing; an address does: it is the log-in.
        of_account = this(person) if "email" in changed else User.objects.none()
        with rights.changing(actor, Door.EMAIL, of_account):
            this(person).update(**wanted)
        audit.record("person.change", actor=actor, on=person, data={"fields": changed})
    if "email" in changed:
        tell_of_new_log_in(
            person,
            actor,
            gettext_lazy(
                "%(name)s changed the e-mail address by which you log in. If you did not ask for "
                "it, tell a super admin at once."
            ),
            subject=gettext_lazy("Your e-mail address was changed by somebody else"),
            address=stored["email"],
        )
    if {"first_name", "last_name"} & set(changed) and actor != person:
        _tell_of_new_name(User.objects.get(pk=person.pk), actor)


@operation("person.deactivate")
def deactivate(person: User, *, actor: Actor) -> None:
    """End a person's access at once: sessions, log-in and what upper floors add (E51, Q9).

    Records, teams and history stay as they are (Q23).
    """
    require_super_admin(actor)
    if actor == person:
        raise NotAllowed(
            gettext("Nobody deactivates themselves. Ask another super admin to do it."), "oneself"
        )
    one_at_a_time("people")
    if this(person).filter(is_active=True).exists():
        with permissions_changing(actor, Door.DEACTIVATED, this(person)):
            lock_super_admins()
            this(person).update(is_active=False, session_epoch=F("session_epoch") + 1)
            keep_a_super_admin(
                gettext(
                    "The last active super admin cannot be deactivated. Make somebody else super "
                    "admin first."
                )
            )
            audit.record("person.deactivate", actor=actor, on=person)
            for leave in on_leaving:
                leave(person, actor)
    person.refresh_from_db(fields=["is_active"])


@operation("person.reactivate")
def reactivate(person: User, *, actor: Actor) -> None:
    """Let a deactivated person log in again, with the rights they have now (E51)."""
    require_super_admin(actor)
    one_at_a_time("people")
    if not this(person).filter(is_active=False).exists():
        return
    with rights.changing(actor, Door.REACTIVATED, this(person)):
        this(person).update(is_active=True)
        audit.record("person.reactivate", actor=actor, on=person)
    person.is_active = True


def _tell_of_new_name(person: User, actor: Actor) -> None:
    """Tell somebody what others read of them by now: in a log, beside a request to decide on."""
    by = actor.get_full_name() if isinstance(actor, User) else ""

    def told() -> str:
        said = gettext(
            "%(name)s changed your name: you are called “%(new)s” now, in requests and logs too. "
            "If that is not your name, tell a super admin."
        )
        return said % {"name": by or gettext("Somebody on the server"), "new": person}

    notify([person], told, by_mail=False)


def _free_email(email: str, besides: User | None = None) -> str:
    email = fit_email(email)
    others = User.objects.filter(email=email)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if others.exists():
        raise InvalidChange(EMAIL_TAKEN)
    return email
