"""The tree of teams: moved by several at once, never a circle, and no team gone that is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import operations
from accounts.access import allows
from accounts.audit import System
from accounts.models import AuditEvent, Team, TeamReach
from accounts.operations import InvalidChange
from records.models import SHARES, Deal, PropertyGrant, StageRule
from records.operations import delete, restrict_property, set_stage_rule
from records.operations.sharing import share, unshare
from tests.support.company import TinyCompany
from tests.support.exports_process import PATIENCE, racers
from tests.support.factories import (
    DealFactory,
    PipelineFactory,
    StageFactory,
    TeamFactory,
    UserFactory,
)

DealTeamShare = SHARES["deal"][1]

SYSTEM = System("test")
Move = tuple[str, str | None]


def closure() -> set[tuple[str, str]]:
    """Return who reaches whom as the tree says, worked out apart from the product."""
    above = dict(Team.objects.values_list("name", "parent__name"))
    pairs = {(name, name) for name in above}
    for _ in above:  # no way upwards has more steps than there are teams
        pairs |= {(over, name) for top, name in pairs if (over := above[top]) is not None}
    return pairs


def reach() -> set[tuple[str, str]]:
    return set(TeamReach.objects.values_list("above__name", "below__name"))


def is_waiting() -> bool:
    """Tell whether a process waits for a lock; on SQLite nobody can see that, and nobody needs."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- Several at once ------------------------------------------------------------------------------


def race(teams: dict[str, Team], first: Move, second: Move) -> list[str]:
    """Let two super admins move teams at the same moment; return what both were told.

    The first stops when everything is written and nothing is committed; it goes on as soon as the
    second has finished, or waits for it.
    """

    def words(move: Move, email: str, hold: str) -> list[Any]:
        team, parent = move
        return ["move", teams[team].pk, teams[parent].pk if parent else "none", email, hold]

    with racers(words(first, "sam@example.com", "hold"), words(second, "sue@example.com", "")) as (
        one,
        other,
    ):
        one.go()
        assert one.says() == "moved"
        other.go()
        wait_until(lambda: other.has_said() or is_waiting())
        one.go()
        return [one.says(), other.says()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turned", [False, True], ids=["hung below first", "taken out first"])
def test_team_hung_below_one_that_is_taken_out_meanwhile_is_seen_from_where_it_hangs(
    c: TinyCompany, turned: bool
) -> None:
    top = TeamFactory(name="Top")
    teams = {"Top": top, "B": TeamFactory(name="B", parent=top), "A": TeamFactory(name="A")}
    boss = UserFactory(permission_set=c.sets["manager"], team=top)
    deal = DealFactory(
        owner=UserFactory(permission_set=c.sets["rep"], team=teams["A"]), stage=c.stages["open"]
    )
    moves: list[Move] = [("A", "B"), ("B", None)]
    first, second = reversed(moves) if turned else moves
    assert race(teams, first, second) == ["done", "done"]
    assert reach() == closure()
    assert ("B", "A") in reach()
    assert ("Top", "A") not in reach()
    assert not allows(boss, "view", deal)


@pytest.mark.django_db(transaction=True)
def test_two_teams_do_not_end_up_below_each_other(c: TinyCompany) -> None:
    teams = {"North": c.teams["north"], "South": c.teams["south"]}
    said = race(teams, ("North", "South"), ("South", "North"))
    assert said[0] == "done"
    assert said[1].startswith("InvalidChange: North is South itself or below it.")
    assert reach() == closure()
    operations.create_team(actor=c.sam, name="New", parent=Team.objects.get(name="North"))
    assert ("South", "New") in reach()


def test_circle_that_is_there_is_told_and_can_be_opened(c: TinyCompany) -> None:
    north, south = c.teams["north"], c.teams["south"]
    Team.objects.filter(pk=north.pk).update(parent=south)
    Team.objects.filter(pk=south.pk).update(parent=north)
    before = reach()
    attempts: list[Callable[[], Any]] = [
        lambda: operations.create_team(actor=c.sam, name="New"),
        lambda: operations.create_team(actor=c.sam, name="New", parent=c.teams["north_a"]),
        lambda: operations.change_team(
            c.teams["north_a"], actor=c.sam, name="North A", parent=south
        ),
        operations.rewrite_reach,
    ]
    for attempt in attempts:
        with pytest.raises(InvalidChange, match=r"in a circle: North, South\. Hang one"):
            attempt()
    assert reach() == before
    assert not Team.objects.filter(name="New").exists()
    operations.change_team(south, actor=c.sam, name="South", parent=None)
    assert reach() == closure()
    assert ("South", "North A") in reach()


@pytest.mark.parametrize("gone", ["the team", "the one above"])
def test_team_that_was_deleted_meanwhile_is_told(c: TinyCompany, gone: str) -> None:
    late = TeamFactory(name="Late")
    operations.delete_team(Team.objects.get(pk=late.pk), actor=c.sam)
    team, parent = (late, None) if gone == "the team" else (c.teams["south"], late)
    with pytest.raises(InvalidChange, match="does not exist any more"):
        operations.change_team(team, actor=SYSTEM, name="Name", parent=parent)
    assert reach() == closure()


# --- Named somewhere ------------------------------------------------------------------------------


def rule(c: TinyCompany, team: Team, name: str = "Sales") -> Callable[[], object]:
    pipeline = PipelineFactory(name=f"{name} of {team}")
    stage = StageFactory(pipeline=pipeline)
    more: dict[str, Any] = {"actor": c.sam, "enabled": True, "stages": [stage]}
    set_stage_rule(pipeline, editors="chosen", users=[c.nora], teams=[team], **more)
    return lambda: set_stage_rule(pipeline, editors="chosen", users=[c.nora], **more)


def grant(c: TinyCompany, team: Team) -> Callable[[], object]:
    field: dict[str, Any] = {"actor": c.sam, "object": "deal", "name": "product"}
    restrict_property(**field, access="chosen", viewers=[team], editors=[c.rita])
    return lambda: restrict_property(**field, access="chosen", editors=[c.rita])


def opened(c: TinyCompany, team: Team) -> Callable[[], object]:
    for name in ("ritas", "robs"):
        share(c.deals[name], actor=c.sam, team=team, level="view")

    def close() -> None:
        for name in ("ritas", "robs"):
            unshare(c.deals[name], actor=c.sam, team=team)

    return close


PLACES = {
    "rule": (rule, "1 stage rule (Sales of Empty)"),
    "field": (grant, "the access to 1 field (Deal: product)"),
    "share": (opened, "2 shares of deals"),
}


def named(team: Team) -> list[int]:
    return [
        StageRule.objects.filter(teams=team).count(),
        PropertyGrant.objects.filter(team=team).count(),
        DealTeamShare.objects.filter(group=team).count(),
    ]


@pytest.mark.parametrize("place", PLACES)
def test_empty_team_is_not_deleted_while_it_is_named(
    c: TinyCompany, client: Client, place: str
) -> None:
    team = TeamFactory(name="Empty")
    name, words = PLACES[place]
    take_out = name(c, team)
    client.force_login(c.sam)
    before, logged = named(team), AuditEvent.objects.count()
    assert sum(before) > 0
    answer = client.post(f"/admin/accounts/team/{team.pk}/delete/", {"post": "yes"}, follow=True)
    assert f"This team is still named in {words}. Take it out there first." in answer.text
    with pytest.raises(InvalidChange):
        operations.delete_team(team, actor=SYSTEM)
    assert (named(team), AuditEvent.objects.count()) == (before, logged)
    # Who does not govern teams learns nothing of it.
    for person in ("mona", "rita"):
        client.force_login(c.people[person])
        refused = client.post(f"/admin/accounts/team/{team.pk}/delete/", {"post": "yes"})
        absent = client.post(f"/admin/accounts/team/{10**9}/delete/", {"post": "yes"})
        assert (refused.status_code, refused.content) == (404, absent.content)
        with pytest.raises(operations.NotAllowed) as refusal:
            operations.delete_team(team, actor=c.people[person])
        assert "named" not in str(refusal.value)
    take_out()
    client.force_login(c.sam)
    assert (
        client.post(f"/admin/accounts/team/{team.pk}/delete/", {"post": "yes"}).status_code == 302
    )
    assert not Team.objects.filter(pk=team.pk).exists()
    assert reach() == closure()


def test_all_places_are_told_at_once(c: TinyCompany) -> None:
    team = TeamFactory(name="Empty")
    rule(c, team, "Other")
    for name, _ in PLACES.values():
        name(c, team)
    with pytest.raises(InvalidChange) as refusal:
        operations.delete_team(team, actor=c.sam)
    assert str(refusal.value) == (
        "This team is still named in 2 stage rules (Other of Empty, Sales of Empty); in the access "
        "to 1 field (Deal: product); in 2 shares of deals. Take it out there first."
    )


def test_share_that_ended_or_that_nobody_can_end_keeps_no_team(c: TinyCompany) -> None:
    team = TeamFactory(name="Empty")
    for name in ("ritas", "robs"):
        share(c.deals[name], actor=c.sam, team=team, level="view")
    past = timezone.now() - timedelta(days=1)
    DealTeamShare.objects.filter(content_object=c.deals["ritas"]).update(until=past)
    with pytest.raises(InvalidChange, match=r"in 1 share of a deal\. Take"):
        operations.delete_team(team, actor=c.sam)
    delete(Deal.objects.get(pk=c.deals["robs"].pk), actor=c.sam)
    operations.delete_team(team, actor=c.sam)
    assert not Team.objects.filter(pk=team.pk).exists()
