"""Keeping the permission history: one function around every change of rights (E17).

What changed is read from the database before and after, not told by the operation; a test walks
through the operations and finds the one that is not inside.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from django.db.models import Q, QuerySet

from accounts import catalogue
from accounts.audit import Actor, System
from accounts.catalogue import LEVEL_NAMES, UNASSIGNED
from accounts.models import (
    Membership,
    ObjectScope,
    PermissionChange,
    PermissionSet,
    Team,
    ToolGrant,
    User,
)

SET, TEAM, SUPER_ADMIN, PARTNER_ADMIN, ACTIVE, PARENT = (
    "permission_set",
    "team",
    "super_admin",
    "partner_admin",
    "active",
    "parent",
)
"""What is kept beside the permissions of the catalogue; see `PermissionChange`."""
YES, NO, MAIN, EXTRA = "yes", "no", "main", "extra"
OWN = "own permissions"
"""How one person's own set is called, which has no name."""
CHUNK = 1_000


class Fact(NamedTuple):
    """One thing that a value is kept of: what, of which person, set or team."""

    person: int | None
    set_key: int | None
    team_key: int | None
    permission: str


class Value(NamedTuple):
    """What a fact says, and how the set or the team that it is about is called."""

    said: str
    name: str = ""


Facts = dict[Fact, Value]
NOTHING = Value("")


@contextmanager
def kept(
    actor: Actor,
    *,
    people: QuerySet[User] | None = None,
    sets: QuerySet[PermissionSet] | None = None,
    edited: PermissionSet | None = None,
    teams: bool = False,
    reason: str = "",
) -> Iterator[None]:
    """Write down what is different afterwards about these people and sets, and the tree of teams.

    In the transaction of the change, whose caller holds the lock under which such a change is made
    (`rights.one_at_a_time`). `people` and `sets` are asked before and after: what is made or
    deleted meanwhile is found. `edited` is one set, which may be made or deleted meanwhile too.
    """
    keys: set[int] = set()

    def stand() -> Facts:
        if sets is not None:
            keys.update(sets.order_by().values_list("pk", flat=True))
        if edited is not None and edited.pk is not None:
            keys.add(edited.pk)
        return {
            **(facts_of_people(people) if people is not None else {}),
            **(facts_of_sets(keys) if keys else {}),
            **(facts_of_teams() if teams else {}),
        }

    before = stand()
    yield
    after = stand()
    begun = _begun(keys, before)
    changes = _differences(actor, {**before, **begun}, after, reason, whole=begun.keys())
    PermissionChange.objects.bulk_create(changes, CHUNK)


def _begun(keys: Collection[int], before: Facts) -> Facts:
    """Return what own permissions that were made meanwhile began with: what their set says.

    So that the history tells what was changed for the person, and not all that they have. Nobody
    has such a set at an earlier moment, so what it is taken to have said then is asked by nobody.
    """
    known = {fact.set_key for fact in before}
    made = PermissionSet.objects.filter(pk__in=set(keys) - known, based_on__isnull=False)
    bases = {own.pk: own.based_on_id for own in made}
    said = facts_of_sets({base for base in bases.values() if base}) if bases else {}
    return {
        fact._replace(set_key=own): Value(value.said, OWN)
        for own, base in bases.items()
        for fact, value in said.items()
        if fact.set_key == base and fact.permission != SET
    }


def facts_of_people(people: QuerySet[User]) -> Facts:
    """Return what is kept of each of these people; two queries."""
    rows = people.order_by().values_list(
        "pk",
        "is_active",
        "is_superuser",
        "is_partner_admin",
        "permission_set",
        "permission_set__name",
    )
    facts: Facts = {}
    for person, active, super_admin, partner_admin, set_key, set_name in rows:
        facts[Fact(person, None, None, ACTIVE)] = Value(YES if active else NO)
        if super_admin:
            facts[Fact(person, None, None, SUPER_ADMIN)] = Value(YES)
        if partner_admin:
            facts[Fact(person, None, None, PARTNER_ADMIN)] = Value(YES)
        if set_key is not None:
            facts[Fact(person, None, None, SET)] = Value(reference(set_key, set_name or OWN))
    memberships = Membership.objects.filter(user__in=people.order_by().values("pk")).order_by()
    for person, team, name, main in memberships.values_list(
        "user", "team", "team__name", "is_main"
    ):
        facts[Fact(person, None, team, TEAM)] = Value(MAIN if main else EXTRA, name)
    return facts


def facts_of_sets(keys: Collection[int]) -> Facts:
    """Return what is kept of each of these permission sets; three queries."""
    rows = PermissionSet.objects.filter(pk__in=keys).order_by().values_list("pk", "name")
    names = {key: name or OWN for key, name in rows}
    facts = {Fact(None, key, None, SET): Value(YES, name) for key, name in names.items()}
    for scope in ObjectScope.objects.filter(permission_set__in=names):
        for permission, said in said_by(scope):
            fact = Fact(None, scope.permission_set_id, None, permission)
            facts[fact] = Value(said, names[scope.permission_set_id])
    for grant in ToolGrant.objects.filter(permission_set__in=names):
        for permission, said in said_by(grant):
            fact = Fact(None, grant.permission_set_id, None, permission)
            facts[fact] = Value(said, names[grant.permission_set_id])
    return facts


def facts_of_teams() -> Facts:
    """Return what is kept of every team: that it is there, and what it hangs below; one query."""
    facts: Facts = {}
    for key, name, parent, above in Team.objects.order_by().values_list(
        "pk", "name", "parent", "parent__name"
    ):
        facts[Fact(None, None, key, TEAM)] = Value(YES, name)
        if parent is not None:
            facts[Fact(None, None, key, PARENT)] = Value(reference(parent, above), name)
    return facts


def said_by(row: ObjectScope | ToolGrant) -> Iterator[tuple[str, str]]:
    """Yield what a row of a permission set grants, by key: `crm.deal.view` → `team`."""
    if isinstance(row, ToolGrant):
        name = row.as_grant.name
        yield name, LEVEL_NAMES.get(row.rank, YES)
        if row.unassigned:
            yield f"{name}{UNASSIGNED}", YES
        return
    key = f"crm.{row.object}"
    if row.add:
        yield f"{key}.add", YES
    for action in catalogue.SCOPED_ACTIONS:
        if rank := getattr(row, action):
            yield f"{key}.{action}", LEVEL_NAMES[rank]
        if getattr(row, f"{action}_unassigned"):
            yield f"{key}.{action}{UNASSIGNED}", YES


def reference(key: int, name: str) -> str:
    """Return how a set or a team is kept as a value: its key, and its name for who reads it."""
    return f"{key}: {name}"


def referred(value: str) -> int | None:
    """Return the key in such a value; None where it names nothing."""
    return int(value.partition(":")[0]) if value else None


def referred_to(row: PermissionChange, value: str) -> str:
    """Return a value of a row as it is read: of a set or a team, the name alone."""
    return value.partition(": ")[2] if _refers(row.permission, row.person_id) else value


def of_person(user: User) -> Q:
    """Hold for what was changed about a person, and in the set they had while they had it.

    A set that is their own copy is among them like any other. One query.
    """
    rows = PermissionChange.objects.filter(person=user, permission=SET).order_by("id")
    found = Q(person=user)
    held, since = user.permission_set_id, 0
    moves = list(rows.values_list("id", "before", "after"))
    if moves:
        held = referred(moves[0][1])
    for number, _, after in moves:
        if held is not None:
            found |= Q(set_key=held, id__gt=since, id__lt=number)
        held, since = referred(after), number
    return found | Q(set_key=held, id__gt=since) if held is not None else found


def _differences(
    actor: Actor, before: Facts, after: Facts, reason: str, whole: Collection[Fact]
) -> Iterator[PermissionChange]:
    """Yield what differs; of facts in `whole` also what stayed, so that all is known of them."""
    for fact in sorted(before.keys() | after.keys(), key=str):
        had, has = before.get(fact, NOTHING), after.get(fact, NOTHING)
        if _same(fact, had.said, has.said) and fact not in whole:
            continue
        yield PermissionChange(
            actor=actor if isinstance(actor, User) else None,
            system=actor.name if isinstance(actor, System) else "",
            person_id=fact.person,
            set_key=fact.set_key,
            team_key=fact.team_key,
            name=has.name or had.name,
            permission=fact.permission,
            before=had.said,
            after=has.said,
            reason=reason,
        )


def _same(fact: Fact, one: str, other: str) -> bool:
    """Tell whether two values say the same; another name of the same set or team is no change."""
    if _refers(fact.permission, fact.person):
        return referred(one) == referred(other)
    return one == other


def _refers(permission: str, person: int | None) -> bool:
    """Tell whether the values of this permission name a set or a team."""
    return permission == PARENT or (permission == SET and person is not None)
