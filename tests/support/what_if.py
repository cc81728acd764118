"""Previews set beside what really happens: the change is carried out, looked at and taken back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from hypothesis import strategies as st

from accounts import access, catalogue, changes, operations, preview
from accounts.audit import System
from accounts.models import Membership, PermissionSet, Team, ToolGrant, User
from accounts.places import Place, Sort, places
from accounts.preview import Preview
from accounts.preview.effects import Outcome, high_risk_keys

SYSTEM = System("test")
EMPLOYEE = "partner.employee"
Reach = dict[tuple[int, str, str], frozenset[int]]
Abilities = dict[int, frozenset[str]]


@dataclass(frozen=True)
class Look:
    """What everybody can do at a moment, by the readers that every page asks."""

    reach: Reach
    abilities: Abilities


def look(kinds: Collection[str]) -> Look:
    reach: Reach = {}
    abilities: Abilities = {}
    for user in User.objects.order_by("pk"):
        held = (key for key in high_risk_keys() if access.holds_tool(user, key))
        abilities[user.pk] = frozenset(held)
        for kind in catalogue.objects():
            if kind.key not in kinds:
                continue
            for action in (*kind.actions, access.EXPORT):
                if action != "add":
                    rows = access.permitted(kind.model._base_manager.all(), user, action)
                    reach[user.pk, kind.key, action] = frozenset(rows.values_list("pk", flat=True))
    return Look(reach, abilities)


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def within(look: Look, sight: Look, reader: int) -> Look:
    """Return a look as far as the reader views the records, as they did at another look."""
    reach = {
        (person, kind, action): rows & sight.reach[reader, kind, "view"]
        for (person, kind, action), rows in look.reach.items()
    }
    return Look(reach, look.abilities)


def happened(before: Look, after: Look, changed: Collection[int]) -> dict[str, Any]:
    """What a preview should have said."""
    records = {
        question: (len(after.reach[question] - rows), len(rows - after.reach[question]))
        for question, rows in before.reach.items()
        if after.reach[question] != rows
    }
    return {
        "records": records,
        "abilities": {
            key: (after.abilities[key] - held, held - after.abilities[key])
            for key, held in before.abilities.items()
            if held != after.abilities[key]
        },
        "opened": _opened(before, after, set(before.abilities)),
        "to others": _opened(before, after, set(before.abilities) - set(changed)),
    }


def _opened(before: Look, after: Look, people: set[int]) -> dict[str, tuple[int, int]]:
    seen: dict[str, list[frozenset[int]]] = {}
    for (person, kind, action), rows in after.reach.items():
        new = rows - before.reach[person, kind, action]
        if action == "view" and new and person in people:
            seen.setdefault(kind, []).append(new)
    return {kind: (len(frozenset().union(*new)), len(new)) for kind, new in seen.items()}


def said(outcome: Outcome) -> dict[str, Any]:
    """What a preview says, in the same form."""
    return {
        "records": {
            (effect.person.pk, row.object, row.action): (row.gained, row.lost)
            for effect in outcome.effects
            for row in effect.records
        },
        "abilities": {
            effect.person.pk: (
                frozenset(effect.abilities_gained),
                frozenset(effect.abilities_lost),
            )
            for effect in outcome.effects
            if effect.abilities_gained or effect.abilities_lost
        },
        "opened": {each.object: (each.records, each.people) for each in outcome.opened},
        "to others": {
            each.object: (each.records, each.people) for each in outcome.opened_to_others
        },
    }


# --- Changes, as previews and as operations -------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """A change: how it is previewed, how it is carried out, and whom it is to."""

    name: str
    preview: Callable[..., Preview]
    """By the product itself, or by an actor who is given."""
    carry_out: Callable[[], None]
    changed: frozenset[int]


def any_changes(kinds: Collection[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Changes of permissions by key, most of them about these kinds of record."""
    known = places()
    crowded = [key for key, place in known.items() if place.object in kinds] * 6
    risky = [key for key in known if key in high_risk_keys()]

    def values(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({key: _value(known[key]) for key in keys})

    keys = st.lists(st.sampled_from([*crowded, *risky]), min_size=1, max_size=6, unique=True)
    return keys.flatmap(values)


def _value(place: Place) -> st.SearchStrategy[Any]:
    if place.sort is Sort.LEVEL:
        return st.sampled_from(["team", "owned", "everything", "none"])
    return st.booleans() if place.sort in (Sort.BOX, Sort.SWITCH) else st.just([])


NAMES = (
    *("permissions", "sets", "set_as", "assignment", "set_created", "set_deleted"),
    *("made", "removed", "partner made", "partner removed"),
)
TEAM_NAMES = (
    *("memberships", "main_team_set", "team_joined", "team_left", "person_as"),
    *("team_moved", "team_deleted"),
)


@st.composite
def moves(draw: st.DrawFn, name: str, kinds: Collection[str]) -> Move | None:
    """One change of this sort to the world that is stored; None where it has nothing to change."""
    people = list(User.objects.order_by("pk"))
    sets: list[PermissionSet] = list(PermissionSet.objects.order_by("pk"))
    teams = list(Team.objects.order_by("pk"))
    some = draw(st.lists(st.sampled_from(people), min_size=1, max_size=3, unique=True))
    a_set = draw(st.sampled_from(sets))
    wanted = draw(any_changes(kinds))
    if name == "permissions":
        return own_permissions(some, wanted)
    if name == "sets":
        several = draw(st.lists(st.sampled_from(sets), min_size=1, max_size=2, unique=True))
        return edited_sets(several, wanted)
    if name == "set_as":
        return edited_set(a_set, wanted)
    other = draw(st.sampled_from([*sets, None]))
    if name == "assignment":
        return assigned(some, other)
    if name == "set_created":
        return created_set(some, changes.after(*changes.stored(a_set), wanted))
    if name == "set_deleted":
        return deleted_set(a_set, other if other != a_set else None)
    if name == "made":
        return made_super_admins(some)
    if name == "removed":
        return removed_super_admins([each for each in people if each.is_superuser][:2], a_set)
    if name.startswith("partner"):
        employed = [each for each in some if each.permission_set and not each.is_superuser]
        return partner_admins(employed, None if name == "partner made" else a_set)
    if not teams:
        return None
    team = draw(st.sampled_from(teams))
    another = draw(st.sampled_from([None, *teams]))
    if name == "memberships":
        extra = draw(st.lists(st.sampled_from(teams), max_size=2, unique=True))
        return moved_people(some, another, extra)
    if name == "person_as":
        extra = draw(st.lists(st.sampled_from(teams), max_size=2, unique=True))
        return saved_person(some[0], other, another, extra)
    if name in ONE_TEAM:
        return in_and_out(name, some, team)
    return moved_team(team, another) if name == "team_moved" else deleted_team(team, another)


def _keys(people: Collection[User]) -> frozenset[int]:
    return frozenset(each.pk for each in people)


def _people_with(*sets: PermissionSet) -> list[User]:
    return list(User.objects.filter(permission_set__in=sets))


def own_permissions(people: list[User], wanted: dict[str, Any]) -> Move:
    def carry_out() -> None:
        for person in people:
            state = changes.after(*changes.stored(person.permission_set), wanted)
            own = operations.create_set(
                actor=SYSTEM, name=f"Own {person.pk}", scopes=state.scopes, tools=state.tools
            )
            operations.assign_set(person, actor=SYSTEM, permission_set=own)

    return Move(
        f"permissions {wanted}",
        lambda actor=SYSTEM: preview.permissions(people, wanted, actor=actor),
        carry_out,
        _keys(people),
    )


def _change_set(each: PermissionSet, wanted: dict[str, Any]) -> None:
    scopes, tools = changes.after(*changes.stored(each), wanted)
    operations.change_set(
        each,
        actor=SYSTEM,
        name=each.name,
        description=each.description,
        scopes=scopes,
        tools=tools,
    )


def edited_sets(sets: list[PermissionSet], wanted: dict[str, Any]) -> Move:
    def carry_out() -> None:
        for each in sets:
            _change_set(each, wanted)

    return Move(
        f"sets {wanted}",
        lambda actor=SYSTEM: preview.sets(sets, wanted, actor=actor),
        carry_out,
        _keys(_people_with(*sets)),
    )


def edited_set(permission_set: PermissionSet, wanted: dict[str, Any]) -> Move:
    state = changes.after(*changes.stored(permission_set), wanted)
    return Move(
        f"set_as {wanted}",
        lambda actor=SYSTEM: preview.set_as(permission_set, *state, actor=actor),
        lambda: _change_set(permission_set, wanted),
        _keys(_people_with(permission_set)),
    )


def assigned(people: list[User], permission_set: PermissionSet | None) -> Move:
    def carry_out() -> None:
        for person in people:
            operations.assign_set(person, actor=SYSTEM, permission_set=permission_set)

    return Move(
        f"assignment {permission_set}",
        lambda actor=SYSTEM: preview.assignment(people, permission_set, actor=actor),
        carry_out,
        _keys(people),
    )


def created_set(people: list[User], state: changes.State) -> Move:
    def carry_out() -> None:
        operations.create_set(
            actor=SYSTEM, name="Made", scopes=state.scopes, tools=state.tools, people=people
        )

    return Move(
        "set_created",
        lambda actor=SYSTEM: preview.set_created(*state, people, actor=actor),
        carry_out,
        _keys(people),
    )


def deleted_set(permission_set: PermissionSet, replacement: PermissionSet | None) -> Move:
    people = _people_with(permission_set)

    def carry_out() -> None:
        if replacement is None:
            for person in people:
                operations.assign_set(person, actor=SYSTEM, permission_set=None)
        operations.delete_set(permission_set, actor=SYSTEM, replacement=replacement)

    return Move(
        f"set_deleted {permission_set} {replacement}",
        lambda actor=SYSTEM: preview.set_deleted(permission_set, replacement, actor=actor),
        carry_out,
        _keys(people),
    )


def made_super_admins(people: list[User]) -> Move:
    def carry_out() -> None:
        for person in people:
            operations.make_super_admin(person, actor=SYSTEM)

    active = [each for each in people if each.is_active]
    return Move(
        "made",
        lambda actor=SYSTEM: preview.super_admin_made(people, actor=actor),
        carry_out,
        _keys(active),
    )


def removed_super_admins(people: list[User], permission_set: PermissionSet) -> Move:
    def carry_out() -> None:
        for person in people:
            operations.remove_super_admin(person, actor=SYSTEM, permission_set=permission_set)

    return Move(
        "removed",
        lambda actor=SYSTEM: preview.super_admin_removed(people, permission_set, actor=actor),
        carry_out,
        _keys(people),
    )


def partner_admins(people: list[User], permission_set: PermissionSet | None) -> Move:
    """Employees of the partner become partner admins; or are, and get a set instead.

    That they are is written down here already: look at how things stand afterwards.
    """
    active = [each for each in people if each.is_active]
    rows = [(each.permission_set_id, EMPLOYEE, "") for each in active]
    ToolGrant.objects.bulk_create(
        (ToolGrant(permission_set_id=k, key=tool, option=option) for k, tool, option in set(rows)),
        ignore_conflicts=True,
    )
    User.objects.filter(pk__in=_keys(active)).update(is_partner_admin=permission_set is not None)

    def carry_out() -> None:
        for person in active:
            if permission_set is None:
                operations.make_partner_admin(person, actor=SYSTEM)
            else:
                operations.remove_partner_admin(person, actor=SYSTEM, permission_set=permission_set)

    def previewed(actor: Any = SYSTEM) -> Preview:
        if permission_set is None:
            return preview.partner_admin_made(people, actor=actor)
        return preview.partner_admin_removed(people, permission_set, actor=actor)

    return Move("partner admins", previewed, carry_out, _keys(active))


def moved_people(people: list[User], main: Team | None, extra: list[Team]) -> Move:
    def carry_out() -> None:
        for person in people:
            operations.set_teams(person, actor=SYSTEM, main_team=main, extra_teams=extra)

    return Move(
        f"memberships {main} {extra}",
        lambda actor=SYSTEM: preview.memberships(
            people, main_team=main, extra_teams=extra, actor=actor
        ),
        carry_out,
        _keys(people),
    )


ONE_TEAM: dict[str, tuple[Callable[..., Preview], Callable[..., None]]] = {
    "main_team_set": (preview.main_team_set, operations.set_main_team),
    "team_joined": (preview.team_joined, operations.add_to_team),
    "team_left": (preview.team_left, operations.remove_from_team),
}


def in_and_out(name: str, people: list[User], team: Team) -> Move:
    told, run = ONE_TEAM[name]

    def carry_out() -> None:
        for person in people:
            run(person, actor=SYSTEM, team=team)

    return Move(
        f"{name} {team}",
        lambda actor=SYSTEM: told(people, team, actor=actor),
        carry_out,
        _keys(people),
    )


def saved_person(
    person: User, permission_set: PermissionSet | None, main: Team | None, extra: list[Team]
) -> Move:
    def carry_out() -> None:
        operations.assign_set(person, actor=SYSTEM, permission_set=permission_set)
        operations.set_teams(person, actor=SYSTEM, main_team=main, extra_teams=extra)

    teams: dict[str, Any] = {"main_team": main, "extra_teams": extra}
    return Move(
        f"person_as {permission_set} {main} {extra}",
        lambda actor=SYSTEM: preview.person_as(
            person, permission_set=permission_set, **teams, actor=actor
        ),
        carry_out,
        _keys([person]),
    )


def moved_team(team: Team, parent: Team | None) -> Move:
    return Move(
        f"team_moved {team} {parent}",
        lambda actor=SYSTEM: preview.team_moved(team, parent=parent, actor=actor),
        lambda: operations.change_team(team, actor=SYSTEM, name=team.name, parent=parent),
        frozenset(),
    )


def deleted_team(team: Team, into: Team | None) -> Move:
    members = list(User.objects.filter(memberships__team=team))

    def carry_out() -> None:
        if into is not None and not operations.places_of(team):
            operations.merge_teams(team, into=into, actor=SYSTEM)
            return
        if into is not None and into.pk in operations_below(team):
            raise operations.InvalidChange("It is below itself.")
        for child in Team.objects.filter(parent=team):
            above = into or team.parent
            operations.change_team(child, actor=SYSTEM, name=child.name, parent=above)
        for person in members:
            rows = Membership.objects.filter(user=person).select_related("team")
            main = next((row.team for row in rows if row.is_main), None)
            extra = [row.team for row in rows if not row.is_main and row.team != team]
            was_main = main == team
            operations.set_teams(
                person,
                actor=SYSTEM,
                main_team=into if was_main else main,
                extra_teams=[*extra, *([into] if into else [])],
            )
        # Named in rules and shares, it would not be deleted; empty, it opens nothing any more.

    return Move(
        f"team_deleted {team} {into}",
        lambda actor=SYSTEM: preview.team_deleted(team, into=into, actor=actor),
        carry_out,
        _keys(members),
    )


def operations_below(team: Team) -> set[int]:
    return set(team.reaches_below.values_list("below", flat=True))
