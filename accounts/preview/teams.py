"""What a change to teams would do, and to a person as their form has them (E12, E21, Q23)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from accounts.account_errors import InvalidChange
from accounts.audit import Actor
from accounts.models import PermissionSet, Team, User
from accounts.operations.frame import require
from accounts.operations.teams import in_own_branch
from accounts.preview import standings
from accounts.preview.result import Preview, keys_of, keys_to_change, previewed
from accounts.preview.standings import Standing


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
    main = main_team.pk if main_team else None
    teams = frozenset(keys_of(extra_teams)) | ({main} if main is not None else set())
    return _moved(people, lambda was: replace(was, teams=teams, main_team=main), actor)


def main_team_set(people: Iterable[User], team: Team | None, *, actor: Actor) -> Preview:
    """Tell what giving people this main team instead of theirs would do (`set_main_team`)."""
    main = team.pk if team else None

    def wanted(was: Standing) -> Standing:
        teams = was.teams - {was.main_team} | ({main} if main is not None else set())
        return replace(was, teams=frozenset(teams), main_team=main)

    return _moved(people, wanted, actor)


def team_joined(people: Iterable[User], team: Team, *, actor: Actor) -> Preview:
    """Tell what putting people into one team more would do (`add_to_team`)."""
    return _moved(people, lambda was: replace(was, teams=was.teams | {team.pk}), actor)


def team_left(people: Iterable[User], team: Team, *, actor: Actor) -> Preview:
    """Tell what taking people out of one team would do (`remove_from_team`)."""
    return _moved(people, lambda was: _out_of(was, team.pk, None), actor)


def person_as(
    user: User,
    *,
    permission_set: PermissionSet | None,
    main_team: Team | None,
    extra_teams: Iterable[Team] = (),
    actor: Actor,
) -> Preview:
    """Tell what a person's form would do: the set by `assign_set`, and the teams by `set_teams`."""
    keys_to_change([user], actor)
    rights = permission_set.pk if permission_set else None
    main = main_team.pk if main_team else None
    teams = frozenset(keys_of(extra_teams)) | ({main} if main is not None else set())

    def wanted(was: Standing) -> Standing:
        return replace(was, rights=rights, teams=teams, main_team=main)

    return _moved([user], wanted, actor)


def _moved(people: Iterable[User], wanted: Callable[[Standing], Standing], actor: Actor) -> Preview:
    """Tell what standing as `wanted` makes of how they stand would do for these people."""
    keys = keys_to_change(people, actor, "teams")
    company = standings.now()
    changed = {key: wanted(company.people[key]) for key in keys}
    return previewed(company, company.with_people(changed), changed, actor=actor)


def team_moved(team: Team, *, parent: Team | None, actor: Actor) -> Preview:
    """Tell what hanging a team elsewhere in the tree would do (`change_team`, E21)."""
    require(actor, "change", team)
    company, tree = standings.now(), standings.parents_now()
    if parent is not None and parent.pk in company.below.get(team.pk, ()):
        raise InvalidChange(in_own_branch(parent, team))
    after = company.with_tree({**tree, team.pk: parent.pk if parent else None})
    return previewed(company, after, {}, actor=actor)


def team_deleted(team: Team, *, into: Team | None, actor: Actor) -> Preview:
    """Tell what deleting a team would do when its members, and the teams below, go to another one.

    Without another one members are in one team less, and the teams below hang where it hung. Whose
    main team it was has the other one as main team. What names the team, shares and rules, is none
    of it: a team that is named is not deleted.
    """
    require(actor, "delete", team)
    company, tree = standings.now(), standings.parents_now()
    if into is not None and into.pk in company.below.get(team.pk, ()):
        raise InvalidChange(in_own_branch(into, team))
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
    after = company.with_people(changed).with_tree(parents)
    return previewed(company, after, changed, actor=actor)


def _out_of(standing: Standing, team: int, heir: int | None) -> Standing:
    teams = standing.teams - {team} | ({heir} if heir is not None else set())
    main = heir if standing.main_team == team else standing.main_team
    return replace(standing, teams=teams, main_team=main)
