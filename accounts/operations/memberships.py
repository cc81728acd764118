"""Who is in which team: one main team at most, and extra ones (E19, E23)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

from accounts import audit
from accounts.audit import Actor, operation
from accounts.models import Membership, PermissionSet, Team, User
from accounts.operations.frame import require, this
from accounts.operations.granting import (
    held_in,
    is_free,
    keys_of,
    opening_no_log_in,
    owns_anything,
    require_may_move,
)
from accounts.permission_history import kept

Teams = Mapping[str, Any]
"""Somebody's teams by key: {"main": the main one or None, "extra": the others in order}."""
NO_TEAMS: Teams = {"main": None, "extra": []}


@operation("person.set_teams")
def set_teams(
    person: User, *, actor: Actor, main_team: Team | None, extra_teams: Iterable[Team] = ()
) -> None:
    """Put a person into exactly these teams (E19, E23), as far as the actor sees them (Q21)."""
    wanted = teams_wanted(main_team, extra_teams)
    change_teams(person, actor, lambda before: wanted)


@operation("person.set_teams")
def set_main_team(person: User, *, actor: Actor, team: Team | None) -> None:
    """Give a person this main team, or none; they leave the one they had and keep extra ones."""
    main = team and team.pk
    change_teams(
        person,
        actor,
        lambda before: {"main": main, "extra": [key for key in before["extra"] if key != main]},
    )


@operation("person.set_teams")
def add_to_team(person: User, *, actor: Actor, team: Team) -> None:
    """Put a person into one team more, as an extra member (E19, E23)."""
    change_teams(
        person,
        actor,
        lambda before: {**before, "extra": sorted({*before["extra"], team.pk} - {before["main"]})},
    )


@operation("person.set_teams")
def remove_from_team(person: User, *, actor: Actor, team: Team) -> None:
    """Take a person out of one team, be it their main team or an extra one."""
    change_teams(
        person,
        actor,
        lambda before: {
            "main": None if before["main"] == team.pk else before["main"],
            "extra": [key for key in before["extra"] if key != team.pk],
        },
    )


def change_teams(person: User, actor: Actor, wanted: Callable[[Teams], Teams]) -> None:
    """Write the teams that `wanted` makes of those somebody has, with the event of it.

    Every change of who is in which team comes by here.
    """
    require(actor, "teams", person)
    before = team_data(person)
    after = wanted(before)
    if before == after:
        return
    if not is_free(actor):
        held = held_in(PermissionSet.objects.filter(people=person).first())
        require_may_move(actor, person.pk, before, after, held, owns_records=owns_anything(person))
    left = keys_of(before) - keys_of(after) or before["main"] not in (None, after["main"])
    # Whoever comes into a team of the actor's is governed from then on.
    around = opening_no_log_in(actor, this(person)) if left else nullcontext()
    with around, kept(actor, people=this(person)):
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
