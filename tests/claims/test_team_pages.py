"""Teams as people expect them: a tree, members on the team's page, mergers (R6, E19–E23)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import operations
from accounts.access import allows
from accounts.models import AuditEvent, Membership, Team, TeamReach, User
from accounts.operations import InvalidChange, NotAllowed
from accounts.team_tree import in_tree_order, owned_by_each
from records.models import StageRule
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.factories import DealFactory, SetFactory, TeamFactory, UserFactory
from tests.support.reviewed import confirmed

LIST = "/admin/accounts/team/"


def teams(person: User) -> set[tuple[str, bool]]:
    return set(Membership.objects.filter(user=person).values_list("team__name", "is_main"))


def owned(c: TinyCompany, reader: User) -> list[str]:
    """Return what North A is said to own."""
    team = c.teams["north_a"]
    return owned_by_each([team], reader).get(team.pk, [])


def page(team: Team, step: str = "change") -> str:
    return f"{LIST}{team.pk}/{step}/"


# --- The tree -------------------------------------------------------------------------------------


def test_tree_order_is_each_team_below_its_parent_by_name_and_a_circle_is_shown_too() -> None:
    rows = [(1, None, "b"), (2, 1, "z"), (3, 1, "A"), (4, None, "a"), (5, 3, "x"), (6, 99, "C")]
    assert list(in_tree_order(rows)) == [4, 1, 3, 5, 2, 6]
    placed = in_tree_order(rows)
    assert (placed[5].depth, placed[5].above) == (2, ("b", "A"))
    assert set(in_tree_order([(1, 2, "a"), (2, 1, "b"), (3, 3, "c")])) == {1, 2, 3}
    deep = in_tree_order((key, key - 1 or None, str(key)) for key in range(1, 3001))
    assert deep[3000].depth == 2999


def test_list_is_the_tree_with_who_is_in_each_team_and_what_they_own(
    c: TinyCompany, client: Client
) -> None:
    TeamFactory(name="Alpha")
    TeamFactory(name="Below South", parent=c.teams["south"])
    client.force_login(c.sam)
    rows = client.get(LIST).context["cl"].result_list
    assert [(row.name, row.position.depth) for row in rows] == [
        *(("Alpha", 0), ("North", 0), ("North A", 1), ("South", 0), ("Below South", 1)),
    ]
    by_name = {row.name: row for row in rows}
    assert (by_name["North A"].people_main, by_name["North A"].people_extra) == (3, 1)
    # Seven that one of them owns, and one that one of them co-owns: as the team’s own page has it.
    assert "8 deals" in by_name["North A"].owned
    assert ", ".join(by_name["North A"].owned) in client.get(page(c.teams["north_a"])).text
    assert (by_name["Alpha"].people_main, by_name["Alpha"].owned) == (0, [])
    found = client.get(LIST, {"q": "below"})
    assert "below South" in found.text


def test_pages_of_the_tree_hold_every_team_once(c: TinyCompany, client: Client) -> None:
    for number in range(60):
        TeamFactory(name=f"T{number:02}", parent=c.teams["south"] if number % 2 else None)
    client.force_login(c.sam)
    shown = [
        row.name
        for number in ("1", "2")
        for row in client.get(LIST, {"p": number}).context["cl"].result_list
    ]
    assert sorted(shown) == sorted(Team.objects.values_list("name", flat=True))
    assert shown.index("South") + 1 == shown.index("T01")


def test_list_costs_the_same_for_few_teams_and_for_many(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    client.get(LIST)
    with CaptureQueriesContext(connection) as few:
        client.get(LIST)
    for _ in range(45):
        UserFactory(team=TeamFactory(parent=c.teams["south"]), password="!")
    with CaptureQueriesContext(connection) as many:
        client.get(LIST)
    assert len(many) == len(few) <= 18


# --- Members --------------------------------------------------------------------------------------


def test_members_come_and_go_on_the_page_of_the_team(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    south = c.teams["south"]
    operations.deactivate(c.ella, actor=c.sam)
    shown = client.get(page(south)).text
    assert "Ella (deactivated)" in shown
    assert f"/admin/pick/team_members/?of={south.pk}" in client.get(page(south, "add_members")).text
    found = client.get(f"/admin/pick/team_members/?of={south.pk}").json()["results"]
    offered = {int(each["id"]) for each in found}
    assert {c.rita.pk, c.lena.pk} <= offered
    assert c.rob.pk not in offered
    posted = {"people": [c.rita.pk, c.lena.pk], "how": "extra"}
    assert (
        "South has 2 members more."
        in confirmed(client, page(south, "add_members"), posted, follow=True).text
    )
    assert teams(c.rita) == {("North A", True), ("South", False)}
    confirmed(client, page(south, "add_members"), {"people": [c.nora.pk], "how": "main"})
    assert teams(c.nora) == {("South", True)}
    gone = confirmed(client, page(south, "remove_member"), {"person": c.rita.pk}, follow=True)
    assert "Rita is not in South any more." in gone.text
    assert teams(c.rita) == {("North A", True)}
    for absent in (c.rita.pk, 10**9, "x"):
        answer = client.post(page(south, "remove_member"), {"person": absent})
        assert answer.status_code == 404


def test_page_counts_what_members_own_once_each_within_the_readers_view(c: TinyCompany) -> None:
    DealFactory(owner=c.rita, co_owner=c.nora, stage=c.stages["open"])
    assert "9 deals" in owned(c, c.sam)
    assert owned(c, c.fresh("nils")) == []
    # By whose deals a team's number grows, somebody who does not see people would find its members.
    for table, said in (([], []), (["account.user_table"], ["9 deals"])):
        tools = ["account.access", "account.edit_teams", *table]
        everything = SetFactory(scopes={"deal": {"view": EVERYTHING}}, tools=tools)
        user = UserFactory(permission_set=everything)
        assert owned(c, user) == said


# --- Merging --------------------------------------------------------------------------------------


def merge(client: Client, team: Team, into: Any) -> Any:
    return confirmed(client, page(team, "merge"), {"into": into}, follow=True)


def test_merger_moves_members_and_teams_below_and_shows_first_who_moves(
    c: TinyCompany, client: Client
) -> None:
    below = TeamFactory(name="Below", parent=c.teams["north_a"])
    north_a, south = c.teams["north_a"], c.teams["south"]
    c.rule.teams.clear()
    client.force_login(c.sam)
    asked = client.get(page(north_a, "merge")).text
    for name in ("Rita", "Nora", "Ella", "Fred (deactivated)", "Below"):
        assert name in asked
    assert allows(c.fresh("rob"), "view", c.deals["ritas"]) is False
    done = merge(client, north_a, south.pk)
    assert "North A is merged into South." in done.text
    assert teams(c.rita) == teams(c.nora) == teams(c.fred) == {("South", True)}
    assert teams(c.ella) == {("South", True)}  # it was her main team already
    assert Team.objects.get(pk=below.pk).parent == south
    assert not Team.objects.filter(pk=north_a.pk).exists()
    assert TeamReach.objects.filter(above=south, below=below).exists()
    assert allows(c.fresh("rob"), "view", c.deals["ritas"]) is True
    event = AuditEvent.objects.get(action="team.merge")
    assert event.data == {"name": "North A", "into": south.pk, "members": 4, "teams_below": 1}
    assert AuditEvent.objects.filter(action="person.set_teams").count() == 4


def test_extra_members_become_main_members_nowhere(c: TinyCompany) -> None:
    operations.set_teams(
        c.rita, actor=c.sam, main_team=c.teams["south"], extra_teams=[c.teams["north_a"]]
    )
    operations.merge_teams(c.teams["north_a"], into=c.teams["north"], actor=c.sam)
    assert teams(c.rita) == {("South", True), ("North", False)}
    assert teams(c.nora) == {("North", True)}


def test_team_that_is_named_is_not_merged_and_its_places_are_linked(
    c: TinyCompany, client: Client
) -> None:
    south = c.teams["south"]
    client.force_login(c.sam)
    asked = client.get(page(south, "merge")).text
    assert f'href="/admin/records/pipeline/{c.pipeline.pk}/change/"' in asked
    assert "1 stage rule (Sales)" in asked
    assert "Merge and delete" not in asked
    before = set(Membership.objects.values_list("user", "team", "is_main"))
    refused = merge(client, south, c.teams["north"].pk)
    assert "1 stage rule (Sales)" in refused.text
    assert set(Membership.objects.values_list("user", "team", "is_main")) == before
    assert StageRule.objects.filter(teams=south).exists()
    c.rule.teams.clear()
    assert "is merged into North." in merge(client, south, c.teams["north"].pk).text


def test_team_is_merged_neither_into_itself_nor_into_one_below_it(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    north, north_a = c.teams["north"], c.teams["north_a"]
    for into in (north, north_a):
        with pytest.raises(InvalidChange, match="outside its own branch"):
            operations.merge_teams(north, into=into, actor=c.sam)
        assert merge(client, north, into.pk).status_code == 200
    for odd in ("", "x", 10**9, "9" * 40):
        assert merge(client, north, odd).status_code == 200
    assert Team.objects.filter(pk=north.pk).exists()


def test_deleting_a_team_with_members_leads_to_the_merger(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    answer = client.get(page(c.teams["north_a"], "delete"), follow=True)
    assert answer.redirect_chain[-1][0] == page(c.teams["north_a"], "merge")
    empty = TeamFactory(name="Empty")
    for step in ("change", "merge", "add_members", "delete"):
        assert client.get(page(empty, step)).status_code == 200


@pytest.mark.parametrize("name", ["mona", "rita"])
def test_below_super_admin_nobody_reaches_these_pages(
    c: TinyCompany, client: Client, name: str
) -> None:
    client.force_login(c.people[name])
    for step in ("add_members", "remove_member", "merge", "delete"):
        for ask in (client.get, client.post):
            assert ask(page(c.teams["south"], step)).status_code == 404
    with pytest.raises(NotAllowed):
        operations.merge_teams(c.teams["south"], into=c.teams["north"], actor=c.people[name])


def test_who_is_in_a_team_is_for_who_sees_people(c: TinyCompany, client: Client) -> None:
    """Names of teams are public, who is in them is not (R7)."""
    tools = ["account.access", "account.edit_teams"]
    for extra, sees in (([], False), (["account.user_table"], True)):
        user = UserFactory(permission_set=SetFactory(tools=[*tools, *extra]))
        client.force_login(user)
        text = client.get(f"/admin/accounts/team/{c.teams['south'].pk}/change/").text
        assert ("Main team" in text) is sees
        assert ("Remove Rob from this team" in text) is sees
        # Nor is it found out by trying to take somebody out.
        answers = [
            client.post(page(c.teams["south"], "remove_member"), {"person": each.pk}, follow=True)
            for each in (c.rob, c.rita)
        ]
        assert [each.status_code for each in answers] == [200 if sees else 404, 404]
