"""Permissions of people, of a selection of them and of several sets, changed by key (E14, Q26)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from accounts import access, audit
from accounts import changes as permission_changes
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, System, operation
from accounts.entered import line
from accounts.held import (
    Held,
    changes_of,
    held_in_each,
    states_of,
    to_be_stored,
    write_permissions,
)
from accounts.marks import mark
from accounts.models import Membership, PermissionSet, User
from accounts.operations.frame import permissions_changing, require
from accounts.operations.granting import held_in, opening_no_log_in, require_may_give
from accounts.operations.sets import require_named
from accounts.rights import Door, one_at_a_time

Changes = Mapping[str, Any]
LONGEST_REASON = 300


@operation("person.edit_permissions")
def edit_permissions(
    people: Iterable[User],
    *,
    actor: Actor,
    changes: Changes,
    reason: str = "",
    as_opened: str | None = None,
) -> list[str]:
    """Change what these people may do, by catalogue key; what is not named stays (E14, R96, Q26).

    Whoever has a named set gets permissions of their own that begin as that set says, unless
    nothing changes for them. All of it or nothing. Return in words what was narrowed. `as_opened`
    is what `permissions_as_they_stand` said when the form was read.
    """
    wanted = permission_changes.validated(changes)
    reason = _reason(reason)
    one_at_a_time("people")
    one_at_a_time("rights")
    chosen = _found(people)
    _require_each(actor, chosen)
    if as_opened is not None and as_opened != permissions_as_they_stand(chosen):
        raise InvalidChange(
            gettext(
                "Somebody changed these permissions while you had them open. Nothing was saved; "
                "open them again to see what they say now."
            )
        )
    teams = _teams_of(chosen)
    states = held_in_each(person.permission_set_id for person in chosen)
    said: dict[str, None] = {}
    changed: list[tuple[User, Held, Held]] = []
    for person in chosen:
        scopes, grants = before = states[person.permission_set_id]
        tools = list(map(str, grants))
        later = permission_changes.after(scopes, tools, wanted)
        if not permission_changes.difference(permission_changes.State(scopes, (*tools,)), later):
            continue
        after: Held = (later.scopes, to_be_stored(later.tools))
        require_may_give(actor, before, after, teams[person.pk])
        said |= dict.fromkeys(permission_changes.narrowed_by(scopes, tools, wanted))
        changed.append((person, before, after))
    touched = User.objects.filter(pk__in=[person.pk for person, _, _ in changed])
    if changed:
        with (
            opening_no_log_in(actor, touched),
            permissions_changing(actor, Door.EDITED, touched, reason=reason),
        ):
            for person, _, after in changed:
                _write_own(person, actor, after, reason)
    return list(said)


@operation("set.change")
def edit_sets(
    sets: Iterable[PermissionSet],
    *,
    actor: Actor,
    changes: Changes,
    reason: str = "",
    as_opened: str | None = None,
) -> list[str]:
    """Change several named sets by catalogue key; all their people at once (E13, Q26, R98).

    All of it or nothing. Return in words what was narrowed.
    """
    wanted = permission_changes.validated(changes)
    reason = _reason(reason)
    one_at_a_time("rights")
    keys = sorted({each.pk for each in sets})
    chosen = list(PermissionSet.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    if not chosen or len(chosen) != len(keys):
        text = gettext("One of these permission sets does not exist any more. Choose again.")
        raise InvalidChange(text)
    for each in chosen:
        require(actor, "change", each)
        require_named(each)
    if as_opened is not None and as_opened != sets_as_they_stand(chosen):
        raise InvalidChange(
            gettext(
                "Somebody changed these permission sets while you had them open. Nothing was "
                "saved; open them again to see what they say now."
            )
        )
    said: dict[str, None] = {}
    for each in chosen:
        scopes, grants = held_in(each)
        tools = list(map(str, grants))
        later = permission_changes.after(scopes, tools, wanted)
        found = changes_of(each, later.scopes, to_be_stored(later.tools))
        said |= dict.fromkeys(permission_changes.narrowed_by(scopes, tools, wanted))
        if not any(found.data.values()):
            continue
        with permissions_changing(
            actor, Door.SET_EDITED, User.objects.filter(permission_set=each), each, reason=reason
        ):
            write_permissions(each, found)
            audit.record("set.change", actor=actor, on=each, data=found.data, text=reason)
    return list(said)


def permissions_as_they_stand(people: Iterable[User]) -> str:
    """Return a mark of what these people's permissions say, and by which set each has them."""
    sets = sorted((person.pk, person.permission_set_id or 0) for person in people)
    return mark([sets, states_of({key for _, key in sets})])


def sets_as_they_stand(sets: Iterable[PermissionSet]) -> str:
    """Return a mark of what these sets say."""
    return mark(states_of({each.pk for each in sets}))


def _reason(text: str) -> str:
    text = line(gettext("Reason"), text)
    if len(text) > LONGEST_REASON:
        said = gettext("Reason: write at most %(count)s characters.")
        raise InvalidChange(said % {"count": LONGEST_REASON})
    return text


def _found(people: Iterable[User]) -> list[User]:
    keys = sorted({person.pk for person in people})
    found = list(
        User.objects.select_related("permission_set", "permission_set__based_on")
        .filter(pk__in=keys)
        .order_by("pk")
    )
    if not found or len(found) != len(keys):
        raise InvalidChange(gettext("Choose at least one person, and only people who are there."))
    return found


def _require_each(actor: Actor, people: Sequence[User]) -> None:
    """Raise `NotAllowed` for the first whom the actor may not change; one query for all."""
    if isinstance(actor, System):
        return
    rows = User.objects.filter(pk__in=[person.pk for person in people])
    allowed = set(access.permitted(rows, actor, "change").values_list("pk", flat=True))
    for person in people:
        if person.pk not in allowed:
            require(actor, "change", person)


def _teams_of(people: Iterable[User]) -> Mapping[int, set[int]]:
    teams: dict[int, set[int]] = defaultdict(set)
    rows = Membership.objects.filter(user__in=[person.pk for person in people])
    for person, team in rows.values_list("user", "team"):
        teams[person].add(team)
    return teams


def _write_own(person: User, actor: Actor, after: Held, reason: str) -> None:
    """Write a person's own permissions; whoever had a named set gets them instead of it."""
    own, stored = person.permission_set, person.permission_set
    if own is None or own.owner_id is None:
        own = PermissionSet.objects.create(owner=person, based_on=stored)
    scopes, tools = after
    found = changes_of(own, scopes, tools)
    data = found.data
    if own is not stored and stored is not None:
        data = changes_of(stored, scopes, tools).data
    write_permissions(own, found)
    User.objects.filter(pk=person.pk).update(permission_set=own)
    audit.record(
        "person.edit_permissions",
        actor=actor,
        on=person,
        data={"from": stored and stored.pk, "to": own.pk, **data},
        text=reason,
    )
