"""What a change to teams would do: who is in them, and where they hang in the tree (E21, Q23)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from accounts.audit import Actor
from accounts.models import Team, User
from accounts.operations.errors import InvalidChange
from accounts.operations.frame import require
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
    keys = keys_to_change(people, actor)
    main = main_team.pk if main_team else None
    teams = frozenset(keys_of(extra_teams)) | ({main} if main is not None else set())
    company = standings.now()
    changed = {key: replace(company.people[key], teams=teams, main_team=main) for key in keys}
    return previewed(company, company.with_people(changed), changed)


def team_moved(team: Team, *, parent: Team | None, actor: Actor) -> Preview:
    """Tell what hanging a team elsewhere in the tree would do (`change_team`, E21)."""
    require(actor, "change", team)
    company, tree = standings.now(), standings.parents_now()
    if parent is not None and parent.pk in company.below.get(team.pk, ()):
        raise InvalidChange(
            f"{parent} is {team} itself or below it. Choose a team outside its own branch."
        )
    after = company.with_tree({**tree, team.pk: parent.pk if parent else None})
    return previewed(company, after, {})


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
    return previewed(company, company.with_people(changed).with_tree(parents), changed)


def _out_of(standing: Standing, team: int, heir: int | None) -> Standing:
    teams = standing.teams - {team} | ({heir} if heir is not None else set())
    main = heir if standing.main_team == team else standing.main_team
    return replace(standing, teams=teams, main_team=main)
