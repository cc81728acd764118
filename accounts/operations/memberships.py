"""Who is in which team: one main team at most, and extra ones (E19, E23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from accounts import audit
from accounts.audit import Actor, operation
from accounts.models import Membership, Team, User
from accounts.operations.frame import require, this
from accounts.permission_history import kept
from accounts.rights import one_at_a_time


@operation
def set_teams(
    person: User, *, actor: Actor, main_team: Team | None, extra_teams: Iterable[Team] = ()
) -> None:
    """Put a person into exactly these teams (E19, E23)."""
    require(actor, "change", person)
    one_at_a_time("people")
    before = team_data(person)
    after = teams_wanted(main_team, extra_teams)
    if before == after:
        return
    with kept(actor, people=this(person)):
        write_teams(person, after)
    audit.record("person.set_teams", actor=actor, on=person, data={"from": before, "to": after})


def teams_wanted(main: Team | None, extra: Iterable[Team]) -> dict[str, Any]:
    """Return these teams in the form of `team_data`."""
    others = {team.pk for team in extra} - {main and main.pk}
    return {"main": main and main.pk, "extra": sorted(others)}


def write_teams(person: User, teams: Mapping[str, Any]) -> None:
    wanted = dict.fromkeys(teams["extra"], False)
    if teams["main"] is not None:
        wanted[teams["main"]] = True
    Membership.objects.filter(user=person).delete()
    Membership.objects.bulk_create(
        Membership(user=person, team_id=team, is_main=is_main) for team, is_main in wanted.items()
    )


def team_data(person: User) -> dict[str, Any]:
    rows = list(Membership.objects.filter(user=person).values_list("team", "is_main"))
    return {
        "main": next((team for team, is_main in rows if is_main), None),
        "extra": sorted(team for team, is_main in rows if not is_main),
    }
