"""Every change to people, teams and permission sets: one function, one transaction, one event.

Who may do it is asked of access.py; a named system actor (seeding, import) passes and is logged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db import IntegrityError, models, transaction
from django.db.models import F, QuerySet
from django.utils.crypto import salted_hmac

from accounts import access, audit, catalogue, log_in, rights
from accounts.audit import Actor, System, operation
from accounts.catalogue import Grant
from accounts.models import (
    Membership,
    ObjectScope,
    PermissionSet,
    Rank,
    Team,
    TeamReach,
    ToolGrant,
    User,
)
from accounts.notices import notify as notify  # noqa: PLC0414 - offered here too
from accounts.notices import read_notices as read_notices  # noqa: PLC0414 - offered here too
from accounts.rights import Door, one_at_a_time
from accounts.text import normal_email, one_form, trouble


class AccountsError(Exception):
    """A change to people or permissions that was refused; the message says what to do."""


class NotAllowed(AccountsError, PermissionDenied):
    """The actor may not do this."""


class LastSuperAdmin(AccountsError):
    """The change would leave the account without an active super admin (Q22)."""


class InvalidChange(AccountsError):
    """What was asked for cannot be: a name taken, a loop in the tree, an unknown key."""


on_leaving: list[Callable[[User, Actor], None]] = []
"""A slot for upper floors: what else ends when a person is deactivated (recall requests, …)."""

on_permissions_changing: list[Callable[[Actor], AbstractContextManager[None]]] = []
"""A slot for upper floors: entered before every change to who may do what, and left after it.

Both in the change's transaction. What it raises (an `AccountsError`) takes the change back."""

where_named: list[Callable[[Team], Iterable[str]]] = []
"""A slot for upper floors: where a team is still named, in words; such a team is not deleted."""


@contextmanager
def _permissions_changing(
    actor: Actor, door: Door, people: QuerySet[User], edited: PermissionSet | None = None
) -> Iterator[None]:
    """Write down who changes what for whom, and let upper floors look at what comes of it."""
    # Before the locks of upper floors, as everybody who changes rights takes it first.
    one_at_a_time("rights")
    with ExitStack() as around:
        for enter in on_permissions_changing:
            around.enter_context(enter(actor))
        # The inner one: what it writes is part of what upper floors look at.
        around.enter_context(rights.changing(actor, door, people, edited))
        yield


def _this(person: User) -> QuerySet[User]:
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
        name = subject._meta.verbose_name
        raise NotAllowed(f"You may not {action} this {name}. Ask a super admin to do it.")


def require_super_admin(actor: Actor) -> None:
    """Raise `NotAllowed` unless a super admin or a named system actor asks (R91)."""
    if isinstance(actor, User) and not (actor.is_active and actor.is_superuser):
        raise NotAllowed("Only a super admin may do this.")


def mark(said: object) -> str:
    """Return a mark of what a form showed; another one as soon as anything of it is changed.

    Keyed: it goes to a browser, whose person may not be allowed to read all that it is made of.
    """
    text = json.dumps(said, sort_keys=True, default=str)
    return salted_hmac("accounts.operations.mark", text, algorithm="sha256").hexdigest()


def as_it_stands(subject: User | Team | PermissionSet) -> str:
    """Return a mark of all that the form of a person, a team or a permission set writes.

    Of the columns as this instance has them, so that a page is never newer than its mark.
    """
    if isinstance(subject, User):
        names = [subject.email, subject.first_name, subject.last_name]
        return mark([*names, subject.permission_set_id, _team_data(subject)])
    if isinstance(subject, Team):
        return mark([subject.name, subject.parent_id])
    tools = sorted(subject.tools.values_list("key", "option", "rank", "unassigned"))
    return mark([subject.name, subject.description, sorted(scopes_of(subject).items()), tools])


def _require_as_opened(stored: User | Team | PermissionSet, as_opened: str | None) -> None:
    """Raise where a form is out of date. Whoever read nothing before leaves the mark out."""
    if as_opened is not None and as_opened != as_it_stands(stored):
        raise InvalidChange(
            f"Somebody changed this {stored._meta.verbose_name} while you had it open. Nothing was "
            "saved; open it again to see what it says now."
        )


def line(label: str, text: str) -> str:
    """Return a single line of text, trimmed and in one form; raise where nobody sees all of it."""
    text = one_form(text.strip())
    if found := trouble(text):
        raise InvalidChange(f"{label}: {found}")
    return text


def require_fit_password(password: str, person: User) -> None:
    """Raise where a password is too short, too common, or the person's own name or e-mail."""
    try:
        validate_password(password, person)
    except ValidationError as refusal:
        raise InvalidChange(" ".join(refusal.messages)) from None


# --- People ---------------------------------------------------------------------------------------


@operation
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
        "first_name": line("First name", first_name),
        "last_name": line("Last name", last_name),
    }
    if password is not None:
        require_fit_password(password, User(email=email, **names))
    with rights.changing(actor, Door.CREATED, User.objects.filter(email=email)):
        person = User.objects.create_user(
            email,
            password,
            **names,
            permission_set=permission_set,
            is_superuser=is_superuser,
        )
    _write_teams(person, _teams_wanted(main_team, extra_teams))
    audit.record(
        "person.create",
        actor=actor,
        on=person,
        data={
            "permission_set": permission_set and permission_set.pk,
            "super_admin": is_superuser,
            "teams": _team_data(person),
        },
    )
    return person


@operation
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
    one_at_a_time("people")
    _require_as_opened(User.objects.get(pk=person.pk), as_opened)
    wanted = {
        "email": _free_email(email, besides=person),
        "first_name": line("First name", first_name),
        "last_name": line("Last name", last_name),
    }
    stored = User.objects.values(*wanted).get(pk=person.pk)
    changed = sorted(name for name in wanted if wanted[name] != stored[name])
    if changed:
        # A name opens nothing; an address does: it is the log-in.
        of_account = _this(person) if "email" in changed else User.objects.none()
        with rights.changing(actor, Door.EMAIL, of_account):
            _this(person).update(**wanted)
        audit.record("person.change", actor=actor, on=person, data={"fields": changed})


@operation
def set_password(person: User, *, actor: Actor, password: str) -> None:
    """Give a person a new password, end their open sessions, and a pause of their log-in."""
    require(actor, "change", person)
    require_fit_password(password, person)
    person.set_password(password)
    with rights.changing(actor, Door.PASSWORD, _this(person)):
        _this(person).update(password=person.password, session_epoch=F("session_epoch") + 1)
    log_in.lift(emails=[person.email])
    audit.record("person.set_password", actor=actor, on=person)


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
        raise InvalidChange("This link was used already. Ask for a new one on the log-in page.")
    log_in.lift(emails=[actor.email])
    audit.record("person.reset_own_password", actor=actor, on=actor)
    notify(
        [actor],
        "Your password was changed by a link from an e-mail. If it was not you, tell a super "
        "admin at once.",
        subject="Your password was changed",
        mail="Your password in crmperms was changed by a link from an e-mail. If it was not you, "
        "tell a super admin at once.",
    )


@operation
def lift_log_in_pause(person: User, *, actor: Actor) -> None:
    """Let a person log in at once who must wait after too many wrong passwords."""
    require(actor, "change", person)
    if log_in.lift(emails=[person.email]):
        audit.record("person.lift_log_in_pause", actor=actor, on=person)


@operation
def set_teams(
    person: User, *, actor: Actor, main_team: Team | None, extra_teams: Iterable[Team] = ()
) -> None:
    """Put a person into exactly these teams (E19, E23)."""
    require(actor, "change", person)
    one_at_a_time("people")
    before = _team_data(person)
    after = _teams_wanted(main_team, extra_teams)
    if before == after:
        return
    _write_teams(person, after)
    audit.record("person.set_teams", actor=actor, on=person, data={"from": before, "to": after})


@operation
def assign_set(person: User, *, actor: Actor, permission_set: PermissionSet | None) -> None:
    """Give a person this permission set; it replaces what they had (E12)."""
    require(actor, "change", person)
    one_at_a_time("people")
    before = User.objects.values_list("permission_set", flat=True).get(pk=person.pk)
    after = permission_set.pk if permission_set else None
    if before == after:
        return
    had, has = _tools_of(before), _tools_of(after)
    with _permissions_changing(actor, Door.SET_ASSIGNED, _this(person)):
        User.objects.filter(pk=person.pk).update(permission_set=permission_set)
        audit.record(
            "person.assign_set",
            actor=actor,
            on=person,
            data={
                "from": before,
                "to": after,
                # As of now: either set may be changed, or be gone, when somebody reads this.
                "tools_added": sorted(has - had),
                "tools_removed": sorted(had - has),
            },
        )


def _tools_of(set_id: int | None) -> set[str]:
    return {str(grant) for grant in grants_of(set_id)}


@operation
def make_super_admin(person: User, *, actor: Actor) -> None:
    """Make a person a super admin (R91)."""
    require_super_admin(actor)
    one_at_a_time("people")
    if not _this(person).filter(is_active=True, is_superuser=False).exists():
        return
    with _permissions_changing(actor, Door.MADE_SUPER_ADMIN, _this(person)):
        _this(person).update(is_superuser=True)
        audit.record("person.make_super_admin", actor=actor, on=person)


@operation
def remove_super_admin(person: User, *, actor: Actor, permission_set: PermissionSet) -> None:
    """Take super admin status away; from now on the person may do what this set says (R92, Q27)."""
    require_super_admin(actor)
    if actor == person:
        raise NotAllowed("Nobody demotes themselves. Ask another super admin to do it.")
    one_at_a_time("people")
    if not _this(person).filter(is_superuser=True).exists():
        return
    with _permissions_changing(actor, Door.REMOVED_SUPER_ADMIN, _this(person)):
        _lock_super_admins()
        _this(person).update(is_superuser=False, permission_set=permission_set)
        _keep_a_super_admin("demoted")
        audit.record(
            "person.remove_super_admin",
            actor=actor,
            on=person,
            data={"permission_set": permission_set.pk},
        )


@operation
def deactivate(person: User, *, actor: Actor) -> None:
    """End a person's access at once: sessions, log-in and what upper floors add (E51, Q9).

    Records, teams and history stay as they are (Q23).
    """
    require(actor, "change", person)
    if actor == person:
        raise NotAllowed("Nobody deactivates themselves. Ask another super admin to do it.")
    one_at_a_time("people")
    if _this(person).filter(is_active=True).exists():
        with _permissions_changing(actor, Door.DEACTIVATED, _this(person)):
            _lock_super_admins()
            _this(person).update(is_active=False, session_epoch=F("session_epoch") + 1)
            _keep_a_super_admin("deactivated")
            audit.record("person.deactivate", actor=actor, on=person)
            for leave in on_leaving:
                leave(person, actor)
    person.refresh_from_db(fields=["is_active"])


@operation
def reactivate(person: User, *, actor: Actor) -> None:
    """Let a deactivated person log in again, with the rights they have now."""
    require(actor, "change", person)
    one_at_a_time("people")
    if not _this(person).filter(is_active=False).exists():
        return
    with rights.changing(actor, Door.REACTIVATED, _this(person)):
        _this(person).update(is_active=True)
        audit.record("person.reactivate", actor=actor, on=person)
    person.is_active = True


def _free_email(email: str, besides: User | None = None) -> str:
    email = normal_email(line("E-mail", email))
    longest = User._meta.get_field("email").max_length
    try:
        validate_email(email)
        MaxLengthValidator(longest)(email)
    except ValidationError:
        raise InvalidChange(
            f"This is not an e-mail address of at most {longest} characters. Write it like "
            "name@example.com."
        ) from None
    others = User.objects.filter(email=email)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if others.exists():
        raise InvalidChange("Another person logs in with this e-mail address. Choose another one.")
    return email


def _teams_wanted(main: Team | None, extra: Iterable[Team]) -> dict[str, Any]:
    """Return these teams in the form of `_team_data`."""
    others = {team.pk for team in extra} - {main and main.pk}
    return {"main": main and main.pk, "extra": sorted(others)}


def _write_teams(person: User, teams: Mapping[str, Any]) -> None:
    wanted = dict.fromkeys(teams["extra"], False)
    if teams["main"] is not None:
        wanted[teams["main"]] = True
    Membership.objects.filter(user=person).delete()
    Membership.objects.bulk_create(
        Membership(user=person, team_id=team, is_main=is_main) for team, is_main in wanted.items()
    )


def _team_data(person: User) -> dict[str, Any]:
    rows = list(Membership.objects.filter(user=person).values_list("team", "is_main"))
    return {
        "main": next((team for team, is_main in rows if is_main), None),
        "extra": sorted(team for team, is_main in rows if not is_main),
    }


def _lock_super_admins() -> None:
    """Let two demotions happen one after the other; SQLite's transactions already do."""
    # Not the key: who only refers to a super admin, as every event does, need not wait for this.
    rows = User.objects.select_for_update(no_key=True).filter(is_superuser=True)
    list(rows.order_by("pk").values("pk"))


def _keep_a_super_admin(what: str) -> None:
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        raise LastSuperAdmin(
            f"The last active super admin cannot be {what}. Make somebody else super admin first."
        )


# --- Teams ----------------------------------------------------------------------------------------

Tree = Mapping[int, int | None]
"""Team → the team above it, by key."""


@operation
def create_team(*, actor: Actor, name: str, parent: Team | None = None) -> Team:
    """Add a team, below another one or at the top."""
    require(actor, "add", Team)
    _locked_tree(parent)
    team = Team(name=_free_team_name(name), parent=parent)
    team.save(force_insert=True)
    rewrite_reach()
    audit.record("team.create", actor=actor, on=team, data={"parent": parent and parent.pk})
    return team


@operation
def change_team(
    team: Team, *, actor: Actor, name: str, parent: Team | None, as_opened: str | None = None
) -> None:
    """Rename a team or hang it elsewhere in the tree.

    `as_opened` is what `as_it_stands` said when it was read: a form that is out of date changes
    nothing.
    """
    require(actor, "change", team)
    tree = _locked_tree(team, parent)
    stored = Team.objects.get(pk=team.pk)
    _require_as_opened(stored, as_opened)
    if parent is not None and team.pk in _upwards(parent.pk, tree):
        raise InvalidChange(
            f"{parent} is {team} itself or below it. Choose a team outside its own branch."
        )
    free_name = _free_team_name(name, besides=team)
    after = {"name": free_name, "parent": parent and parent.pk}
    before = {"name": stored.name, "parent": stored.parent_id}
    if before == after:
        return
    stored.name, stored.parent = free_name, parent
    stored.save()
    rewrite_reach()
    audit.record("team.change", actor=actor, on=team, data={"from": before, "to": after})


@operation
def delete_team(team: Team, *, actor: Actor) -> None:
    """Remove an empty team that nothing names any more: no rule, no field, no share."""
    require(actor, "delete", team)
    _locked_tree(team)
    if Membership.objects.filter(team=team).exists() or Team.objects.filter(parent=team).exists():
        raise InvalidChange("This team still has members or teams below it. Move them first.")
    if places := [place for named in where_named for place in named(team)]:
        raise InvalidChange(
            f"This team is still named in {'; in '.join(places)}. Take it out there first."
        )
    audit.record("team.delete", actor=actor, on=team, data={"name": team.name})
    team.delete()
    rewrite_reach()


def _free_team_name(name: str, besides: Team | None = None) -> str:
    name = line("Name", name)
    others = Team.objects.filter(name=name)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if not name or others.exists():
        raise InvalidChange("A team needs a name that no other team has.")
    return name


def _locked_tree(*named: Team | None) -> Tree:
    """Return the tree, which nobody else changes until this transaction ends.

    Read after the lock: whoever waited for it would otherwise decide by the tree of before.
    Raises where a team that the change names is gone.
    """
    one_at_a_time("teams")
    tree = dict(Team.objects.order_by().values_list("pk", "parent"))
    if any(team is not None and team.pk not in tree for team in named):
        raise InvalidChange("This team does not exist any more. Open the list of teams again.")
    return tree


def _upwards(team: int, tree: Tree) -> list[int]:
    """Return a team and those above it, nearest first; raise where that leads round in a circle."""
    passed = [team]
    while (above := tree[passed[-1]]) is not None:
        if above in passed:
            circle = passed[passed.index(above) :]
            names = Team.objects.filter(pk__in=circle).values_list("name", flat=True)
            raise InvalidChange(
                f"These teams hang below each other in a circle: {', '.join(names)}. Hang one of "
                "them elsewhere, or at the top, first."
            )
        passed.append(above)
    return passed


def rewrite_reach() -> None:
    """Work the closure out anew from the tree; a few hundred teams take milliseconds."""
    tree = _locked_tree()
    wanted = {(above, team) for team in tree for above in _upwards(team, tree)}
    present = set(TeamReach.objects.values_list("above", "below"))
    gone = present - wanted
    for above_id, below_id in gone:
        TeamReach.objects.filter(above=above_id, below=below_id).delete()
    TeamReach.objects.bulk_create(
        TeamReach(above_id=above_id, below_id=below_id) for above_id, below_id in wanted - present
    )


# --- Permission sets ------------------------------------------------------------------------------

Scopes = Mapping[str, Mapping[str, int | bool]]
"""Object key → column → value; a missing column is None, or False for a box and for `add`."""


@operation
def create_set(
    *,
    actor: Actor,
    name: str,
    description: str = "",
    scopes: Scopes | None = None,
    tools: Iterable[str] = (),
) -> PermissionSet:
    """Add a permission set (R98)."""
    require(actor, "add", PermissionSet)
    permission_set = PermissionSet(
        name=_free_set_name(name), description=line("Description", description)
    )
    permission_set.save(force_insert=True)
    with rights.changing(actor, Door.SET_EDITED, User.objects.none(), permission_set):
        changes = _changes_of(permission_set, *_checked(scopes or {}, tools))
        _write_permissions(permission_set, changes)
    audit.record("set.create", actor=actor, on=permission_set, data=changes.data)
    return permission_set


def scopes_of(permission_set: PermissionSet) -> dict[str, dict[str, int | bool]]:
    """Return a set's scopes by object and column."""
    columns = ["add"]
    for action in catalogue.SCOPED_ACTIONS:
        columns += [action, f"{action}_unassigned"]
    return {row.pop("object"): row for row in permission_set.scopes.values("object", *columns)}


@operation
def change_set(
    permission_set: PermissionSet,
    *,
    actor: Actor,
    name: str,
    description: str,
    scopes: Scopes,
    tools: Iterable[str],
    remove_unknown: bool = False,
    as_opened: str | None = None,
) -> None:
    """Write what a permission set says; everybody who has it is affected at once (Q24, Q26).

    What it holds and the catalogue does not know any more grants nothing; it stays unless
    `remove_unknown` says otherwise. `as_opened` is what `as_it_stands` said when it was read: a
    form that is out of date changes nothing. Whoever read nothing before leaves it out.
    """
    require(actor, "change", permission_set)
    one_at_a_time("rights")
    # Locked, so that of two who change it at once the second is held against the first.
    stored = PermissionSet.objects.select_for_update().get(pk=permission_set.pk)
    _require_as_opened(stored, as_opened)
    texts = {
        "name": _free_set_name(name, besides=stored),
        "description": line("Description", description),
    }
    changes = _changes_of(stored, *_checked(scopes, tools), remove_unknown=remove_unknown)
    renamed = any(getattr(stored, field) != text for field, text in texts.items())
    if not renamed and not any(changes.data.values()):
        return
    PermissionSet.objects.filter(pk=stored.pk).update(**texts)
    people = User.objects.filter(permission_set=stored)
    with _permissions_changing(actor, Door.SET_EDITED, people, stored):
        _write_permissions(stored, changes)
        audit.record("set.change", actor=actor, on=stored, data=changes.data)


@operation
def delete_set(permission_set: PermissionSet, *, actor: Actor) -> None:
    """Remove a permission set that nobody has (Q26)."""
    require(actor, "delete", permission_set)
    if permission_set.people.exists():
        raise InvalidChange("People still have this set. Give them another one first.")
    audit.record("set.delete", actor=actor, on=permission_set, data={"name": permission_set.name})
    permission_set.delete()


def clamped(scope: Mapping[str, int | bool]) -> dict[str, int | bool]:
    """Return a full row of scopes in which nothing exceeds what caps it, boxes included (R20)."""
    row: dict[str, int | bool] = {"add": bool(scope.get("add", False))}
    for action in catalogue.SCOPED_ACTIONS:
        rank = Rank(scope.get(action, Rank.NONE))
        box = bool(scope.get(f"{action}_unassigned", False))
        if action in catalogue.CAPPED_BY:
            cap = catalogue.CAPPED_BY[action]
            rank = Rank(min(rank, row[cap]))
            box = box and (bool(row[f"{cap}_unassigned"]) or row[cap] == Rank.EVERYTHING)
        row[action] = int(rank)
        row[f"{action}_unassigned"] = box and rank in (Rank.OWNED, Rank.TEAM)
    row["add"] = row["add"] and row["view"] > Rank.NONE
    return row


def _free_set_name(name: str, besides: PermissionSet | None = None) -> str:
    name = line("Name", name)
    others = PermissionSet.objects.filter(name=name)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if not name or others.exists():
        raise InvalidChange("A permission set needs a name that no other set has.")
    return name


def narrowed(scopes: Scopes) -> list[str]:
    """Return in words what saving these scopes narrows (R20): of what, from what to what."""
    said = []
    for kind in catalogue.objects():
        asked = scopes.get(kind.key, {})
        row = clamped(asked)
        for action in kind.actions:
            said += [f"{kind.plural}: {each}" for each in _narrowing(action, asked, row)]
    return said


def ticked_along(tools: Iterable[str]) -> list[str]:
    """Return in words what saving these tools adds or narrows (Q38, R20), nothing where nothing."""
    asked = {grant.name: grant for grant in map(catalogue.parse, tools)}
    stored = {grant.name: grant for grant in to_be_stored(tools)}
    said = [f"{catalogue.name_of(name)} is ticked too" for name in sorted(stored.keys() - asked)]
    for name, grant in asked.items():
        left = stored.get(name)
        if left == grant:
            continue
        levels = [_level_in_words(each) for each in (grant, left)]
        said.append(f"{catalogue.name_of(name)} from {levels[0]} to {levels[1]}, as wide as View")
    return said


def _level_in_words(grant: Grant | None) -> str:
    if grant is None:
        return Rank.NONE.label
    return f"{Rank(grant.rank).label}{', with unassigned ones' if grant.unassigned else ''}"


def _narrowing(
    action: str, asked: Mapping[str, int | bool], row: Mapping[str, int | bool]
) -> Iterator[str]:
    labels = catalogue.ACTION_LABELS
    if action == "add":
        if asked.get("add", False) and not row["add"]:
            yield f"{labels['add']} from Yes to No, because {labels['view']} is {Rank.NONE.label}"
        return
    before, after = Rank(asked.get(action, Rank.NONE)), Rank(row[action])
    if before != after:
        cap = labels[catalogue.CAPPED_BY[action]]
        yield f"{labels[action]} from {before.label} to {after.label}, which is as wide as {cap}"
    box = f"{action}_unassigned"
    # Everything covers unassigned ones without a box.
    if asked.get(box, False) and not row[box] and after != Rank.EVERYTHING:
        if after == Rank.NONE:
            yield f"{labels[action]} covers no unassigned ones, because it is {after.label}"
        else:
            cap = labels[catalogue.CAPPED_BY[action]]
            yield f"{labels[action]} covers no unassigned ones, because {cap} covers none"


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a permission set is to hold, and how that differs from what it holds."""

    scopes: Mapping[str, Mapping[str, int | bool]]
    tools: frozenset[Grant]
    data: dict[str, Any]
    """The differences, for the log; each part is empty where there is none."""


def _checked(scopes: Scopes, tools: Iterable[str]) -> tuple[Scopes, frozenset[Grant]]:
    """Return scopes and tools all of which the catalogue knows; raise where it does not.

    What no rule asks for would look as if it granted something.
    """
    unknown = set()
    for key, row in scopes.items():
        kind = catalogue.object_kind(key)
        if kind is None:
            unknown.add(key)
            continue
        for column, value in row.items():
            action = column.removesuffix("_unassigned")
            has_column = action in catalogue.ACTIONS and column != "add_unassigned"
            if not has_column or (value and action not in kind.actions):
                unknown.add(f"{key}.{column}")
            elif column != action or action == "add":
                if value not in (True, False):
                    raise InvalidChange(f"{kind.plural}, {column}: this is either yes or no.")
            elif isinstance(value, bool) or value not in Rank.values:
                raise InvalidChange(f"{kind.plural}, {column}: choose one of the offered scopes.")
    if unknown:
        raise InvalidChange(
            f"Unknown permissions: {', '.join(sorted(map(str, unknown)))}. Nothing was saved; "
            "leave them out, or open the permission set again to see which there are."
        )
    return scopes, to_be_stored(tools)


def unknown_in(permission_set: PermissionSet) -> list[str]:
    """Return what a set holds that the catalogue does not know any more: it grants nothing."""
    kinds = set(permission_set.scopes.values_list("object", flat=True))
    known = {kind.key for kind in catalogue.objects()}
    unknown = {
        grant.name
        for grant in grants_of(permission_set.pk)
        if not catalogue.is_known(grant.key, grant.option)
    }
    return sorted(unknown | (kinds - known))


def _changes_of(
    permission_set: PermissionSet,
    scopes: Scopes,
    tools: frozenset[Grant],
    *,
    remove_unknown: bool = False,
) -> _Changes:
    before = {s.object: _row(s) for s in permission_set.scopes.all()}
    held = grants_of(permission_set.pk)
    kept = set() if remove_unknown else set(unknown_in(permission_set))
    after = {key: clamped(scope) for key, scope in scopes.items()}
    after |= {key: row for key, row in before.items() if key in kept}
    wanted = tools | {grant for grant in held if grant.name in kept}
    nothing = clamped({})
    return _Changes(
        after,
        wanted,
        {
            "scopes": {
                key: {"from": before.get(key), "to": after.get(key)}
                for key in sorted({*before, *after})
                # No row says the same as one in which nothing is allowed.
                if before.get(key, nothing) != after.get(key, nothing)
            },
            "tools_added": [str(grant) for grant in sorted(wanted - held)],
            "tools_removed": [str(grant) for grant in sorted(held - wanted)],
        },
    )


def _write_permissions(permission_set: PermissionSet, changes: _Changes) -> None:
    """Replace scopes and tools."""
    try:
        with transaction.atomic():
            permission_set.scopes.all().delete()
            ObjectScope.objects.bulk_create(
                ObjectScope(permission_set=permission_set, object=key, **row)
                for key, row in changes.scopes.items()
            )
    except IntegrityError as error:
        raise InvalidChange("These scopes contradict each other; nothing was saved.") from error
    permission_set.tools.all().delete()
    ToolGrant.objects.bulk_create(
        ToolGrant(permission_set=permission_set, **asdict(grant)) for grant in sorted(changes.tools)
    )


def grants_of(set_id: int | None) -> frozenset[Grant]:
    """Return the tools that a permission set stores, also those that have no effect."""
    rows = ToolGrant.objects.filter(permission_set=set_id)
    names = (f.name for f in fields(Grant))
    return frozenset(Grant(*row) for row in rows.values_list(*names))


def to_be_stored(tools: Iterable[str]) -> frozenset[Grant]:
    """Return what is stored for these tools: with lower boxes, and levels within what caps them.

    Raise `InvalidChange` for what the catalogue does not have, or where two contradict each other.
    """
    try:
        return catalogue.completed([catalogue.parse(tool) for tool in tools])
    except (catalogue.UnknownPermission, catalogue.Contradiction) as error:
        raise InvalidChange(
            f"{error} Nothing was saved; open the permission set again to see which there are."
        ) from error


def _row(scope: ObjectScope) -> dict[str, int | bool]:
    names = ["add"]
    for action in catalogue.SCOPED_ACTIONS:
        names += [action, f"{action}_unassigned"]
    return {name: getattr(scope, name) for name in names}
