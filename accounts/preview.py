"""What-if: what a change to permissions, teams or super admins would do, before it is saved (B4).

Each function is named after a change and takes what its operation takes. Nothing is written: the
same rules are asked about the people as they would be (standings.py), and what is gained and lost
is counted in the database (effects.py). Whoever may make a change may see what it would do; the
counts are over all records, also those that the actor does not see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from django.conf import settings

from accounts import access, changes, standings
from accounts.audit import Actor, System
from accounts.changes import Changes, State
from accounts.effects import Opened, Outcome, outcome
from accounts.models import PermissionSet, Team, User
from accounts.operations.errors import InvalidChange, NotAllowed
from accounts.operations.frame import require, require_super_admin
from accounts.operations.permissions import Scopes, clamped, narrowed, ticked_along, to_be_stored
from accounts.standings import Company, Held, Standing


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do."""

    people: int
    """How many people the change is to; of others it tells as far as something changes for them."""
    outcome: Outcome
    narrowed: tuple[str, ...] = ()
    """In words, what is asked for and capped (R20), or ticked along (Q38)."""

    @property
    def opened(self) -> int:
        """How many different records come into view of at least one person, all kinds together."""
        return sum(each.records for each in self.outcome.opened)

    @property
    def confirmation_needed(self) -> int | None:
        """The number that has to be typed to confirm the change; None where none has to be."""
        return self.opened if self.opened > settings.CONFIRM_RECORDS_ABOVE else None

    @property
    def changes_anything(self) -> bool:
        """Whether anybody gains or loses a record or a high-risk ability."""
        return bool(self.outcome.effects)


def require_confirmed(preview: Preview, typed: str | int | None) -> None:
    """Raise `InvalidChange` unless a change that opens much is confirmed by the number it opens.

    Worked out anew when the change is made: what was typed confirms what would happen then.
    """
    needed = preview.confirmation_needed
    if needed is None:
        return
    # As it is shown, or as it is: with signs between thousands, or without.
    digits = str("" if typed is None else typed).strip()
    for sign in (",", ".", "’", "'", " ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"):
        digits = digits.replace(sign, "")
    if not (digits.isascii() and digits.isdigit()) or digits.lstrip("0") != str(needed):
        raise InvalidChange(
            f"This opens {needed:,} records to people who do not see them now. Nothing was saved; "
            "type that number to confirm it."
        )


# --- Permissions ----------------------------------------------------------------------------------


def permissions(people: Iterable[User], wanted: Changes, *, actor: Actor) -> Preview:
    """Tell what these changes by key would do for exactly these people (design.md §5).

    Whoever else has their permission set keeps it as it is: each gets an own copy (Q26).
    """
    keys = _may_change(people, actor)
    wanted = changes.validated(wanted)
    company = standings.now()
    held = {key: company.people[key].rights for key in keys}
    states = _states(rights for rights in held.values() if isinstance(rights, int))
    after = {key: Held.of(changes.after(*state, wanted)) for key, state in states.items()}
    nothing = Held.of(changes.after(*changes.NOTHING, wanted))
    changed = {
        key: replace(
            company.people[key],
            rights=after[rights] if isinstance(rights, int) else nothing,
        )
        for key, rights in held.items()
    }
    said = [
        words
        for state in (*states.values(), *([changes.NOTHING] if None in held.values() else []))
        for words in changes.narrowed_by(*state, wanted)
    ]
    return _preview(company, company.with_people(changed), changed, said)


def sets(permission_sets: Iterable[PermissionSet], wanted: Changes, *, actor: Actor) -> Preview:
    """Tell what these changes by key to permission sets would do for everybody who has one."""
    wanted = changes.validated(wanted)
    keys = _keys(permission_sets)
    for permission_set in PermissionSet.objects.filter(pk__in=keys):
        require(actor, "change", permission_set)
    states = _states(keys)
    said = [words for state in states.values() for words in changes.narrowed_by(*state, wanted)]
    after = {key: changes.after(*state, wanted) for key, state in states.items()}
    return _sets_as(after, said)


def set_as(
    permission_set: PermissionSet, scopes: Scopes, tools: Iterable[str], *, actor: Actor
) -> Preview:
    """Tell what `change_set` with these scopes and tools would do for everybody who has the set."""
    require(actor, "change", permission_set)
    asked = list(tools)
    rows = {key: clamped(row) for key, row in scopes.items()}
    state = State(rows, tuple(map(str, sorted(to_be_stored(asked)))))
    return _sets_as({permission_set.pk: state}, [*narrowed(scopes), *ticked_along(asked)])


def assignment(
    people: Iterable[User], permission_set: PermissionSet | None, *, actor: Actor
) -> Preview:
    """Tell what giving these people this permission set, or none, would do (`assign_set`, E12)."""
    keys = _may_change(people, actor)
    company = standings.now()
    rights = permission_set.pk if permission_set else None
    changed = {key: replace(company.people[key], rights=rights) for key in keys}
    return _preview(company, company.with_people(changed), changed)


def set_deleted(
    permission_set: PermissionSet, replacement: PermissionSet | None, *, actor: Actor
) -> Preview:
    """Tell what deleting a set would do, whose people get the other one, or none (Q26)."""
    require(actor, "delete", permission_set)
    if permission_set == replacement:
        raise InvalidChange("A permission set cannot replace itself. Choose another one.")
    company = standings.now()
    rights = replacement.pk if replacement else None
    changed = {
        key: replace(standing, rights=rights)
        for key, standing in company.people.items()
        if standing.rights == permission_set.pk
    }
    return _preview(company, company.with_people(changed), changed)


# --- Super admins ---------------------------------------------------------------------------------


def super_admin_made(people: Iterable[User], *, actor: Actor) -> Preview:
    """Tell what making these people super admins would do (`make_super_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    # As the operation: whoever is deactivated does not become one.
    changed = {
        key: replace(company.people[key], super_admin=True)
        for key in _known(people, company)
        if company.people[key].active
    }
    return _preview(company, company.with_people(changed), changed)


def super_admin_removed(
    people: Iterable[User], permission_set: PermissionSet, *, actor: Actor
) -> Preview:
    """Tell what taking super admin away would do, with this set instead (`remove_super_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    changed = {
        key: replace(company.people[key], super_admin=False, rights=permission_set.pk)
        for key in _known(people, company)
        if company.people[key].super_admin
    }
    return _preview(company, company.with_people(changed), changed)


# --- Teams ----------------------------------------------------------------------------------------


def memberships(
    people: Iterable[User],
    *,
    main_team: Team | None,
    extra_teams: Iterable[Team] = (),
    actor: Actor,
) -> Preview:
    """Tell what putting people into exactly these teams would do (`set_teams`, Q23).

    Also for others: mates in the teams joined begin to see what they own, those of the teams left
    cease to. `outcome.opened_to_others` is the warning of Q23.
    """
    keys = _may_change(people, actor)
    main = main_team.pk if main_team else None
    teams = frozenset(_keys(extra_teams)) | ({main} if main is not None else set())
    company = standings.now()
    changed = {key: replace(company.people[key], teams=teams, main_team=main) for key in keys}
    return _preview(company, company.with_people(changed), changed)


def team_moved(team: Team, *, parent: Team | None, actor: Actor) -> Preview:
    """Tell what hanging a team elsewhere in the tree would do (`change_team`, E21)."""
    require(actor, "change", team)
    company, tree = standings.now(), standings.parents_now()
    if parent is not None and parent.pk in company.below.get(team.pk, ()):
        raise InvalidChange(
            f"{parent} is {team} itself or below it. Choose a team outside its own branch."
        )
    after = company.with_tree({**tree, team.pk: parent.pk if parent else None})
    return _preview(company, after, {})


def team_deleted(team: Team, *, into: Team | None, actor: Actor) -> Preview:
    """Tell what deleting a team would do when its members, and the teams below, go to another one.

    Without another one members are in one team less, and the teams below hang where it hung. Whose
    main team it was has the other one as main team. What names the team, shares and rules, is none
    of it: a team that is named is not deleted.
    """
    require(actor, "delete", team)
    company, tree = standings.now(), standings.parents_now()
    if into is not None and into.pk in company.below.get(team.pk, ()):
        raise InvalidChange(
            f"{into} is {team} itself or below it. Choose a team outside its own branch."
        )
    heir = into.pk if into else None
    changed = {
        key: _out_of(standing, team.pk, heir)
        for key, standing in company.people.items()
        if team.pk in standing.teams
    }
    above = tree.get(team.pk) if heir is None else heir
    parents = {
        key: above if parent == team.pk else parent
        for key, parent in tree.items()
        if key != team.pk
    }
    return _preview(company, company.with_people(changed).with_tree(parents), changed)


def _out_of(standing: Standing, team: int, heir: int | None) -> Standing:
    teams = standing.teams - {team} | ({heir} if heir is not None else set())
    main = heir if standing.main_team == team else standing.main_team
    return replace(standing, teams=teams, main_team=main)


# --- What they have in common ---------------------------------------------------------------------


def _preview(
    before: Company, after: Company, changed: Collection[int], said: Iterable[str] = ()
) -> Preview:
    return Preview(len(changed), outcome(before, after, changed), tuple(dict.fromkeys(said)))


def _sets_as(after: Mapping[int, State], said: Iterable[str]) -> Preview:
    company = standings.now()
    held = {key: Held.of(state) for key, state in after.items()}
    changed = {
        key: replace(standing, rights=held[standing.rights])
        for key, standing in company.people.items()
        if isinstance(standing.rights, int) and standing.rights in held
    }
    return _preview(company, company.with_people(changed), changed, said)


def _may_change(people: Iterable[User], actor: Actor) -> list[int]:
    """Return the keys of these people; raise where the actor may not change all of them."""
    keys = _keys(people)
    rows = User.objects.filter(pk__in=access.Keys(keys)) if keys else User.objects.none()
    if not isinstance(actor, System):
        rows = access.permitted(rows, actor, "change")
    if rows.count() != len(keys):
        raise NotAllowed("You may not change all of these people. Ask a super admin to do it.")
    return keys


def _known(people: Iterable[User], company: Company) -> list[int]:
    return [key for key in _keys(people) if key in company.people]


def _keys(rows: Iterable[User | PermissionSet | Team]) -> list[int]:
    return list(dict.fromkeys(row.pk for row in rows))


def _states(keys: Iterable[int]) -> dict[int, State]:
    return standings.states_of(set(keys))


__all__ = [
    "Opened",
    "Outcome",
    "Preview",
    "assignment",
    "memberships",
    "permissions",
    "require_confirmed",
    "set_as",
    "set_deleted",
    "sets",
    "super_admin_made",
    "super_admin_removed",
    "team_deleted",
    "team_moved",
]
