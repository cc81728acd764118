"""What people are and hold, as plain values, so that it can be compared with what it would be.

`now()` reads how everybody stands; a `Company` with other standings or another tree is supposed
alone. Nothing here is written, and nothing decides: a `StandIn` answers the rules from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db.models import F, Q, Value

from accounts import catalogue
from accounts.access import Grants, Keys, Loaded, given_one_by_one
from accounts.catalogue import Grant
from accounts.changes import State
from accounts.models import Membership, ObjectScope, Team, TeamReach, ToolGrant, User
from accounts.preview.conditions import Condition, Holds, In, InRows, any_of, of, replaced

Scope = tuple[tuple[str, int | bool], ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Scopes and tools as values that compare."""

    scopes: frozenset[tuple[str, Scope]] = frozenset()
    tools: frozenset[Grant] = frozenset()

    @classmethod
    def of(cls, state: State) -> Held:
        """Return what these scopes and tools are."""
        rows = ((kind, tuple(sorted(row.items()))) for kind, row in state.scopes.items())
        return cls(frozenset(rows), frozenset(map(catalogue.parse, state.tools)))


NOTHING_HELD = Held()


@dataclass(frozen=True, slots=True)
class Standing:
    """What one person is: account, rights and teams."""

    active: bool
    super_admin: bool
    rights: int | Held | None
    """The key of the permission set whose rights they have, or what is supposed instead."""
    teams: frozenset[int] = frozenset()
    main_team: int | None = None
    partner_admin: bool = False


@dataclass(frozen=True, slots=True)
class Company:
    """How everybody stands, and which teams see which."""

    people: Mapping[int, Standing]
    below: Mapping[int, frozenset[int]]
    """Team → itself and the teams below it."""
    _members: dict[int, frozenset[int]] = field(default_factory=dict)
    _mates: dict[frozenset[int], frozenset[int]] = field(default_factory=dict)

    def mates(self, person: int) -> frozenset[int]:
        """Return the members of the person's teams and of the teams below (Q23)."""
        teams = self.people[person].teams
        if teams not in self._mates:
            seen = frozenset[int]().union(*(self.below.get(team, ()) for team in teams))
            members = self._by_team()
            found = (members.get(team, frozenset[int]()) for team in seen)
            self._mates[teams] = frozenset[int]().union(*found)
        return self._mates[teams]

    def _by_team(self) -> dict[int, frozenset[int]]:
        if not self._members:
            found = defaultdict(set)
            for key, standing in self.people.items():
                for team in standing.teams:
                    found[team].add(key)
            self._members.update({team: frozenset(keys) for team, keys in found.items()})
        return self._members

    def with_people(self, changed: Mapping[int, Standing]) -> Company:
        """Return the company with these people standing otherwise."""
        return Company({**self.people, **changed}, self.below)

    def with_tree(self, parents: Mapping[int, int | None]) -> Company:
        """Return the company with its teams hanging below each other like this."""
        below = defaultdict(set)
        for team in parents:
            above: int | None = team
            passed: set[int] = set()
            while above is not None and above not in passed:
                passed.add(above)
                below[above].add(team)
                above = parents.get(above)
        return Company(self.people, {team: frozenset(keys) for team, keys in below.items()})


def now() -> Company:
    """Return how everybody stands; three queries."""
    teams: dict[int, set[int]] = defaultdict(set)
    main: dict[int, int] = {}
    members = Membership.objects.order_by().values_list("user", "team", "is_main")
    for user, team, is_main in members:
        teams[user].add(team)
        if is_main:
            main[user] = team
    below: dict[int, set[int]] = defaultdict(set)
    for above, under in TeamReach.objects.order_by().values_list("above", "below"):
        below[above].add(under)
    columns = ("pk", "is_active", "is_superuser", "permission_set", "is_partner_admin")
    people = {
        key: Standing(
            active, super_admin, rights, frozenset(teams.get(key, ())), main.get(key), partner
        )
        for key, active, super_admin, rights, partner in User.objects.order_by().values_list(
            *columns
        )
    }
    return Company(people, {team: frozenset(keys) for team, keys in below.items()})


def parents_now() -> dict[int, int | None]:
    """Return the tree: team → the team above it."""
    return dict(Team.objects.order_by().values_list("pk", "parent"))


def states_of(sets: Collection[int]) -> dict[int, State]:
    """Return what each of these permission sets stores; two queries."""
    scopes: dict[int, dict[str, Any]] = {key: {} for key in sets}
    tools: dict[int, list[str]] = {key: [] for key in sets}
    asked = Keys(sets) if sets else ()
    rows = ObjectScope.objects.filter(permission_set__in=asked).order_by()
    for scope in rows.values("permission_set", "object", *catalogue.SCOPE_COLUMNS):
        scopes[scope.pop("permission_set")][scope.pop("object")] = scope
    for row in ToolGrant.objects.filter(permission_set__in=asked).order_by():
        if catalogue.is_known(row.key, row.option):
            tools[row.permission_set_id].append(str(row.as_grant))
    return {key: State(scopes[key], tuple(sorted(tools[key]))) for key in sets}


# --- Asked by the rules ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facts:
    """What differs between people who have the same rights: their key, teams and mates."""

    key: int
    mates: frozenset[int]
    teams: frozenset[int]
    main_team: int | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What people with the same rights have in common."""

    active: bool
    super_admin: bool
    partner_admin: bool
    held: Held


ME, MATES, TEAMS, MAIN_TEAM = (-(10**15) - number for number in range(4))
"""Keys that nobody and nothing has, in place of a person's own."""
NOBODY = -1
GIVEN = "pk__given"
"""What a stand-in's condition says in place of the records that a person is given one by one."""


class StandIn(Loaded):
    """Everybody with the same rights at once: what the rules answer has places for the person.

    Rules do not branch on the person, so that they answer everybody alike but for the person's own
    keys. Asking them once for all who have the same rights is what makes it quick (`Fitting`).
    """

    def __init__(self, profile: Profile) -> None:
        user = User(
            pk=ME,
            is_active=profile.active,
            is_superuser=profile.super_admin,
            is_partner_admin=profile.partner_admin,
        )
        tools = {grant.name: grant for grant in profile.held.tools}
        user.__dict__["grants"] = Grants(
            {kind: ObjectScope(object=kind, **dict(row)) for kind, row in profile.held.scopes},
            frozenset(tools),
            {name: (each.rank, each.unassigned) for name, each in tools.items() if each.rank},
        )  # neither is ever saved
        super().__init__(user)

    def mates(self) -> Any:
        # Whoever has mates is one of them.
        return Keys((ME, MATES))

    def teams(self, depth: int = 1) -> Any:
        return Keys((TEAMS,))

    def main_teams(self, depth: int = 1) -> Any:
        return Keys((MAIN_TEAM,))

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        return Q((GIVEN, (kind, tuple(permissions))))

    def excepted(self, kind: str, permission: str, made: Callable[[], Q]) -> Q:
        return self.receives(kind, (permission,), made)


class Receivers:
    """Whom anything is given record by record: who is given nothing needs no look at the rows."""

    def __init__(self) -> None:
        self._given = [each for read in given_one_by_one for each in read()]
        found = [
            each.rows.order_by().values_list(Value(place), F(each.receiver), F(each.permission))
            for place, each in enumerate(self._given)
        ]
        first, *others = found or (None,)
        self._found = set() if first is None else set(first.union(*others))
        self._rows = cache(self._rows_of)

    def rows_for(self, facts: Facts, kind: str, permissions: tuple[str, ...]) -> Condition:
        """Return what says which records of this kind are given to somebody by a permission."""
        rows = []
        for place, each in enumerate(self._given):
            receiver = facts.main_team if each.to_teams else facts.key
            if each.kind == kind and any(
                (place, receiver, permission) in self._found for permission in permissions
            ):
                rows.append(self._rows(place, receiver, permissions))
        return any_of(rows)

    def _rows_of(self, place: int, receiver: int, permissions: tuple[str, ...]) -> Condition:
        each = self._given[place]
        asked = {each.receiver: receiver, f"{each.permission}__in": permissions}
        return of(Q(pk__in=each.rows.filter(**asked).values(each.record)))


class Fitting:
    """Puts one person's own keys into the places of a stand-in's condition."""

    def __init__(self, facts: Facts, receivers: Receivers) -> None:
        self._facts = facts
        self._receivers = receivers
        self._mates = facts.mates if facts.key in facts.mates else facts.mates | {facts.key}

    def __call__(self, condition: Condition) -> Condition:
        """Return what the stand-in's condition is for this person."""
        return replaced(condition, self._part)

    def _part(self, part: Condition) -> Condition | None:
        match part:
            case In(column, keys):
                return In(column, self._keys(keys)) if keys & PLACES else part
            case InRows(column, sql, params):
                return InRows(column, self._text(sql), tuple(map(self._param, params)))
            case Holds((name, value)) if name == GIVEN:
                return self._receivers.rows_for(self._facts, *value)
        return None

    def _keys(self, keys: frozenset[int]) -> frozenset[int]:
        if keys == {ME, MATES}:
            return self._mates
        return (keys - PLACES).union(*(self._own(place) for place in keys & PLACES))

    def _own(self, place: int) -> frozenset[int]:
        main_team = self._facts.main_team
        own: dict[int, frozenset[int]] = {
            ME: frozenset((self._facts.key,)),
            MATES: self._facts.mates,
            TEAMS: self._facts.teams,
            MAIN_TEAM: frozenset(() if main_team is None else (main_team,)),
        }
        return own[place] or frozenset((NOBODY,))

    def _text(self, sql: str) -> str:
        # As `Keys` writes them; no other number looks like that.
        for place in (MATES, TEAMS, MAIN_TEAM):
            if str(place) in sql:
                keys = sorted(self._own(place))
                sql = sql.replace(str(place), ",".join(map(str, keys)))
        return sql.replace(str(ME), str(self._facts.key))

    def _param(self, value: Any) -> Any:
        return self._facts.key if value == ME else value


PLACES = frozenset((ME, MATES, TEAMS, MAIN_TEAM))
