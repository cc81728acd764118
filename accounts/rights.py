"""Writing down who changed whose account or rights: one function around every such operation.

What changed is read from the database before and after, not told by the operation: whatever a
later operation does to people or permission sets, it only has to say around whom it does it.
A test walks through the operations and finds the one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse

from accounts import access, catalogue
from accounts.audit import Actor, System
from accounts.models import PermissionSet, RightsChange, ToolGrant, User
from accounts.notices import notify, one_line

Door = RightsChange.Door
REMEMBERED = timedelta(days=30)
"""For how long whoever made or changed somebody's account counts as acting through it."""

Held = dict[str, set[int]]
"""Guarded tool → keys of the people, or of the permission sets, that hold it."""


@contextmanager
def changing(
    actor: Actor, door: Door, people: QuerySet[User], edited: PermissionSet | None = None
) -> Iterator[None]:
    """Write down what is done meanwhile to these people's accounts and rights, and tell of it.

    In the transaction of the change. `people` is asked before and after: whoever is created
    meanwhile is found. `edited` is the permission set that is written, where one is; its people
    were changed only as far as they hold other guarded tools than before.
    """
    before, set_before = _held_by(people), _held_in(edited)
    yield
    after, set_after = _held_by(people), _held_in(edited)
    given, taken = _difference(before, after), _difference(after, before)
    facts = [] if edited else [("", True, key) for key in people.values_list("pk", flat=True)]
    facts += [(tool, True, key) for tool, keys in given.items() for key in sorted(keys)]
    facts += [(tool, False, key) for tool, keys in taken.items() for key in sorted(keys)]
    rows = [_row(actor, door, tool, gave, person_id=key) for tool, gave, key in facts]
    if edited is not None:
        for gave, tools in (
            (True, _difference(set_before, set_after)),
            (False, _difference(set_after, set_before)),
        ):
            rows += [_row(actor, door, tool, gave, set_key=edited.pk) for tool in tools]
    else:
        rows += _edits_before(people, given, taken)
    RightsChange.objects.bulk_create(_with_those_behind(rows, actor))
    if isinstance(actor, User):
        _tell_super_admins(actor, door, given, edited)


def changed_since(since: timedelta, **whom: object) -> QuerySet[RightsChange]:
    """Return changes of the last days or hours, by the database's clock."""
    return RightsChange.objects.filter(at__gt=Now() - since, **whom)


def of_account_or(tool: str) -> Q:
    """Hold for changes of somebody's account itself, and of whether they hold this tool."""
    return Q(tool__in=("", tool))


def behind(actor: Actor) -> list[int]:
    """Return who made or changed this person's account lately: they may be the one who acts."""
    if isinstance(actor, System):
        return []
    lately = changed_since(REMEMBERED, person=actor.pk, tool="", actor__isnull=False)
    return sorted(set(lately.exclude(actor=actor.pk).values_list("actor", flat=True)))


def _held_by(people: QuerySet[User]) -> Held:
    keys = people.order_by().values("pk")
    return {
        tool: set(access.holders(tool).filter(pk__in=keys).values_list("pk", flat=True))
        for tool in catalogue.GUARDED
    }


def _held_in(permission_set: PermissionSet | None) -> Held:
    if permission_set is None:
        return {}
    grants = ToolGrant.objects.filter(permission_set=permission_set, key__in=catalogue.GUARDED)
    return {tool: {permission_set.pk} for tool in grants.values_list("key", flat=True)}


def _difference(one: Held, other: Held) -> Held:
    """Return what the second holds and the first does not."""
    more = {tool: keys - one.get(tool, set()) for tool, keys in other.items()}
    return {tool: keys for tool, keys in more.items() if keys}


def _row(
    actor: Actor,
    door: Door,
    tool: str,
    gave: bool,
    *,
    person_id: int | None = None,
    set_key: int | None = None,
) -> RightsChange:
    return RightsChange(
        actor=actor if isinstance(actor, User) else None,
        system=actor.name if isinstance(actor, System) else "",
        door=door,
        person_id=person_id,
        set_key=set_key,
        tool=tool,
        gave=gave,
    )


def _edits_before(people: QuerySet[User], given: Held, taken: Held) -> Iterator[RightsChange]:
    """Return who had put that into the set which these people have now, as of when they did.

    Two share the work where one edits a set and another assigns it: each of them changed the right.
    """
    changed = [(tool, True, keys) for tool, keys in given.items()]
    changed += [(tool, False, keys) for tool, keys in taken.items()]
    for tool, gave, keys in changed:
        for key, set_key in people.filter(pk__in=keys).values_list("pk", "permission_set"):
            edits = RightsChange.objects.filter(
                set_key=set_key, person=None, tool=tool, gave=gave, actor__isnull=False
            )
            for editor, at in edits.values_list("actor").annotate(Max("at")).order_by():
                yield RightsChange(
                    at=at,
                    actor_id=editor,
                    door=Door.SET_EDITED,
                    person_id=key,
                    set_key=set_key,
                    tool=tool,
                    gave=gave,
                )


def _with_those_behind(rows: Iterable[RightsChange], actor: Actor) -> Iterator[RightsChange]:
    """Return the rows, and the actor's own once more for each one who may act through them."""
    others = behind(actor)
    for row in rows:
        yield row
        if isinstance(actor, User) and row.actor_id == actor.pk:
            for other in others:
                yield RightsChange(
                    actor_id=other,
                    through=actor,
                    door=row.door,
                    tool=row.tool,
                    person_id=row.person_id,
                    set_key=row.set_key,
                    gave=row.gave,
                )


def _tell_super_admins(actor: User, door: Door, given: Held, edited: PermissionSet | None) -> None:
    """Tell the other super admins that somebody holds a guarded tool now, one notice for all."""
    keys = sorted(set().union(*given.values()))
    if not keys:
        return
    labels = " and ".join(
        catalogue.TOOLS[tool].label for tool in catalogue.GUARDED if tool in given
    )
    who = f"{len(keys)} people"
    link = reverse("admin:accounts_permissionset_change", args=[edited.pk]) if edited else ""
    if len(keys) == 1:
        person = User.objects.get(pk=keys[0])
        who = person.get_full_name() if person != actor else "themselves"
        link = link or reverse("admin:accounts_user_change", args=[person.pk])
    how = f"{door.label} “{edited.name}”" if edited else door.label
    text = f"{actor.get_full_name()} gave {who} the permission {labels}: {how}."
    others = User.objects.filter(is_active=True, is_superuser=True).exclude(pk=actor.pk)
    notify(
        list(others.exclude(pk__in=keys)),
        text,
        link,
        subject="Somebody may approve, or export without approval, now",
        mail=f"{one_line(actor.get_full_name())} gave somebody a permission that decides who "
        "takes data out. Look whether it is meant.",
        place="People",
    )
