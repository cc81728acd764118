"""The list of people: who is found, and what is done with many at once (R1, R6, E19, E23)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations
from accounts.audit import Actor
from accounts.models import AuditEvent, Membership, User
from accounts.operations import InvalidChange, NotAllowed
from tests.support.company import EVERYTHING, TEAM, TinyCompany
from tests.support.factories import SetFactory, UserFactory
from tests.support.reviewed import confirmed

LIST = "/admin/accounts/user/"


def ticked(client: Client, action: str, *people: User, **more: Any) -> HttpResponse:
    """Tick people in the list and choose what to do with them."""
    keys = [person.pk for person in people]
    return client.post(
        LIST, {"action": action, "index": "0", "_selected_action": keys, **more}, follow=True
    )


def button_of(text: str) -> str:
    """Return the first button of the page that carries a step out."""
    return text.split('class="buttons"', 1)[1].split("</button>", 1)[0]


def asked(page: HttpResponse) -> dict[str, str]:
    """Return what the page that asks sends back unseen."""
    names = ("people", "as_opened")
    return {name: re.search(f'name="{name}" value="([^"]*)"', page.text)[1] for name in names}  # type: ignore[index]  # the page has it


def teams(person: User) -> set[tuple[str, bool]]:
    return set(Membership.objects.filter(user=person).values_list("team__name", "is_main"))


# --- Finding --------------------------------------------------------------------------------------


def test_list_is_narrowed_by_every_filter(c: TinyCompany, client: Client) -> None:
    now = timezone.now()
    User.objects.filter(pk=c.rita.pk).update(last_login=now - timedelta(days=40))
    User.objects.filter(pk=c.nora.pk).update(last_login=now - timedelta(days=100))
    User.objects.filter(pk=c.rob.pk).update(last_login=now)
    north, north_a = c.teams["north"], c.teams["north_a"]
    client.force_login(c.sam)
    User.objects.filter(pk=c.sam.pk).update(last_login=now)
    everybody = set(User.objects.values_list("first_name", flat=True))
    have_logged_in = {"Rita", "Nora", "Rob", "Sam"}
    table: list[tuple[dict[str, Any], set[str]]] = [
        ({"status": "deactivated"}, {"Fred"}),
        ({"status": "active"}, everybody - {"Fred"}),
        (
            {"team": north.pk},
            set(Membership.objects.filter(team=north).values_list("user__first_name", flat=True)),
        ),
        (
            {"team": north.pk, "below": "yes"},
            set(
                Membership.objects.filter(team__in=[north, north_a]).values_list(
                    "user__first_name", flat=True
                )
            ),
        ),
        ({"permission_set": c.sets["manager"].pk}, {"Mona"}),
        ({"super_admin": "yes"}, {"Sam", "Sue"}),
        ({"scope": "deal.change", "level": "2"}, {"Mona"}),
        ({"last_log_in": "never"}, everybody - have_logged_in),
        ({"last_log_in": "30"}, {"Rita", "Nora"}),
        ({"last_log_in": "90"}, {"Nora"}),
        ({"last_log_in": "30", "team": north_a.pk, "q": "rit"}, {"Rita"}),
    ]
    for query, expected in table:
        rows = client.get(LIST, query).context["cl"].result_list
        assert {row.first_name for row in rows} == expected, query


def test_super_admin_has_every_scope_and_whoever_has_no_row_has_none(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    every = client.get(LIST, {"scope": "deal.change", "level": "3"}).context["cl"].result_list
    none = client.get(LIST, {"scope": "deal.change", "level": "0"}).context["cl"].result_list
    assert {"Sam", "Sue"} <= {row.first_name for row in every}
    assert not {"Sam", "Sue"} & {row.first_name for row in none}
    assert "Otto" in {row.first_name for row in none}


@pytest.mark.parametrize(
    "query", [{"level": "3"}, {"scope": "deal.change"}, {"below": "yes"}], ids=str
)
def test_half_a_filter_is_a_sentence_and_no_rows(
    c: TinyCompany, client: Client, query: dict[str, str]
) -> None:
    client.force_login(c.sam)
    page = client.get(LIST, query)
    assert list(page.context["cl"].result_list) == []
    assert "Choose as well" in page.text


def test_unknown_filters_and_values_are_refused(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    for query in ({"status": "odd"}, {"team": "0"}, {"is_active__exact": "1"}, {"scope": "x.y"}):
        assert client.get(LIST, query).status_code == 400, query


def test_page_costs_the_same_for_few_people_and_for_many(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(LIST, {"q": "example.com"})
    people = UserFactory.build_batch(300, password="!", permission_set=c.sets["rep"])
    User.objects.bulk_create(people)
    Membership.objects.bulk_create(
        Membership(user=each, team=c.teams["south"], is_main=True) for each in people
    )
    with CaptureQueriesContext(connection) as many:
        page = client.get(LIST, {"q": "example.com"})
    assert len(page.context["cl"].result_list) == 50
    assert len(many) == len(few) <= 14


# --- One row --------------------------------------------------------------------------------------


def test_row_offers_what_can_be_done_with_this_person(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = client.get(LIST).text
    base = "/admin/accounts/user"

    def offered(person: User) -> set[str]:
        return set(re.findall(rf'href="{base}/{person.pk}/(\w+)/"', page))

    assert offered(c.rita) == {"change", "invite", "password", "promote", "deactivate"}
    assert offered(c.sue) == {"change", "invite", "password", "demote", "deactivate"}
    assert offered(c.fred) == {"change", "password", "reactivate"}
    assert offered(c.sam) == {"access", "change", "password"}  # logged in: their own is in the menu
    assert f'aria-label="Actions for {c.rita}"' in page


def test_page_of_a_user_has_two_steps_and_a_menu_that_ends_with_deactivating(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    page = client.get(f"{LIST}{c.rita.pk}/change/").text
    steps = page.split('<div class="steps">', 1)[1].split("</div>", 1)[0]
    beside, menu = steps.split("<button", 1)
    assert re.findall(r">([^<>]+)</a>", beside) == ["What they may do", "Edit permissions"]
    assert re.findall(r">([^<>]+)</a>", menu) == [
        "Make an invitation link",
        "Set password",
        "Make super admin",
        "Permission history",
        "Copy to a new set",
        "Deactivate",
    ]
    # The browser opens it by itself: with the keyboard, and without a script.
    assert ('popovertarget="steps"' in menu, '<div popover id="steps"' in menu) == (True, True)


@pytest.mark.parametrize(("step", "grave"), [("deactivate", True), ("password", False)])
def test_button_of_a_step_is_red_where_it_takes_a_lot_away(
    c: TinyCompany, client: Client, step: str, grave: bool
) -> None:
    client.force_login(c.sam)
    text = client.get(f"{LIST}{c.rita.pk}/{step}/").text
    assert (button_of(text).count("bg-red-600") > 0) is grave
    if grave:
        assert "bg-red-600" in button_of(ticked(client, step, c.rita, c.nora).text)


def test_review_of_a_new_super_admin_has_a_red_button(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    text = client.post(f"{LIST}{c.rita.pk}/promote/").text
    assert "What follows" in text
    assert "bg-red-600" in button_of(text)


# --- Many at once ---------------------------------------------------------------------------------


def test_action_only_asks_and_names_exactly_who_was_ticked(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = ticked(client, "deactivate", c.rita, c.nora)
    assert page.status_code == 200
    for person, is_named in ((c.rita, True), (c.nora, True), (c.rob, False)):
        assert (person.email in page.text) is is_named
    assert "They are logged out at once" in page.text
    assert c.fresh("rita").is_active
    assert not AuditEvent.objects.filter(action="person.deactivate").exists()


def test_many_are_deactivated_and_whoever_cannot_be_is_named_with_why(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    page = ticked(client, "deactivate", c.rita, c.sam, c.fred)
    done = client.post(f"{LIST}many/deactivate/", asked(page))
    assert (done.status_code, "Nobody deactivates themselves" in done.text) == (200, True)
    assert "1 person is deactivated now." in done.text
    assert [c.fresh(name).is_active for name in ("rita", "sam", "fred")] == [False, True, False]
    events = AuditEvent.objects.filter(action="person.deactivate").order_by("pk")
    assert {(event.object_id, event.result) for event in events} == {
        (str(c.rita.pk), "done"),
        (str(c.sam.pk), "refused"),
    }
    assert len(events) == 2


def test_a_set_is_given_to_many(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = ticked(client, "assign_set", c.rita, c.nora)
    unchosen = client.post(f"{LIST}many/assign_set/", asked(page))
    assert (unchosen.status_code, "This field is required." in unchosen.text) == (200, True)
    posted = {**asked(page), "permission_set": c.sets["reader"].pk}
    done = confirmed(client, f"{LIST}many/assign_set/", posted, follow=True)
    assert "2 people have the permission set now." in done.text
    assert {c.fresh(name).permission_set for name in ("rita", "nora")} == {c.sets["reader"]}


def test_main_team_is_replaced_and_extra_teams_stay(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = ticked(client, "set_main_team", c.rita, c.ella, c.lena)
    posted = {**asked(page), "team": c.teams["north_a"].pk}
    done = confirmed(client, f"{LIST}many/set_main_team/", posted, follow=True)
    assert "2 people have the main team now." in done.text  # Rita is in it already
    assert teams(c.rita) == teams(c.ella) == teams(c.lena) == {("North A", True)}


def test_people_are_added_to_a_team_as_extra_members(c: TinyCompany) -> None:
    for name in ("rita", "rob"):
        operations.add_to_team(c.people[name], actor=c.sam, team=c.teams["south"])
    assert teams(c.rita) == {("North A", True), ("South", False)}
    assert teams(c.rob) == {("South", True)}  # the main team stays what it is
    operations.remove_from_team(c.rita, actor=c.sam, team=c.teams["north_a"])
    assert teams(c.rita) == {("South", False)}


def test_nothing_is_changed_where_somebody_was_changed_meanwhile(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    sent = asked(ticked(client, "deactivate", c.rita, c.nora))
    operations.assign_set(c.nora, actor=c.sue, permission_set=c.sets["manager"])
    again = client.post(f"{LIST}many/deactivate/", sent)
    assert "Somebody changed one of these people" in again.text
    assert c.fresh("rita").is_active
    done = client.post(f"{LIST}many/deactivate/", asked(again), follow=True)
    assert "2 people are deactivated now." in done.text


def test_what_is_refused_for_one_is_done_for_the_others_in_one_transaction(c: TinyCompany) -> None:
    def step(person: User, actor: Actor) -> None:
        operations.set_main_team(person, actor=actor, team=c.teams["south"])
        if person == c.nora:
            raise InvalidChange("Not Nora.")

    found = User.objects.filter(pk__in=[c.rita.pk, c.nora.pk]).order_by("first_name")
    outcome = operations.change_many(found, actor=c.sam, step=step)
    assert (outcome.changed, outcome.skipped) == ([c.rita], [(c.nora, "Not Nora.")])
    assert (teams(c.rita), teams(c.nora)) == ({("South", True)}, {("North A", True)})

    def breaks(person: User, actor: Actor) -> None:
        operations.set_main_team(person, actor=actor, team=None)
        if person == c.rita:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        operations.change_many(found, actor=c.sam, step=breaks)
    assert teams(c.nora) == {("North A", True)}


@pytest.mark.parametrize("name", ["mona", "rita", "eve"])
def test_below_super_admin_nobody_changes_many(c: TinyCompany, client: Client, name: str) -> None:
    client.force_login(c.people[name])
    sent = {"people": str(c.rob.pk), "as_opened": ""}
    for step in ("deactivate", "reactivate", "assign_set", "set_main_team", "add_to_team"):
        assert client.post(f"{LIST}many/{step}/", sent).status_code == 403
        assert client.get(f"{LIST}many/{step}/").status_code == 403
    with pytest.raises(NotAllowed):
        operations.set_main_team(c.rob, actor=c.people[name], team=None)
    outcome = operations.change_many(
        User.objects.filter(pk=c.rob.pk),
        actor=c.people[name],
        step=lambda person, actor: operations.deactivate(person, actor=actor),
    )
    assert [person for person, _ in outcome.skipped] == [c.rob]
    assert c.fresh("rob").is_active


@pytest.mark.parametrize("sent", ["", "x", "1,", "9" * 40, "1,-2", ",".join(["7"] * 501)])
def test_keys_that_no_page_wrote_are_refused(c: TinyCompany, client: Client, sent: str) -> None:
    client.force_login(c.sam)
    answer = client.post(f"{LIST}many/deactivate/", {"people": sent, "as_opened": ""})
    assert answer.status_code == 400
    assert client.get(f"{LIST}many/deactivate/", {"people": sent}).status_code == 400
    assert client.get(f"{LIST}many/deactivate/", follow=True).status_code == 200


# --- Without the table (R7, A-16) -----------------------------------------------------------------


def test_table_needs_its_permission_and_choosing_a_person_elsewhere_does_not(
    c: TinyCompany, client: Client
) -> None:
    """Who governs people without seeing the table governs nobody; who only sees it reads (R7)."""
    governs = ["account.access", "account.edit_users"]
    sets = {
        name: SetFactory(scopes={"deal": {"view": EVERYTHING, "change": EVERYTHING}}, tools=tools)
        for name, tools in {
            "looks": ["account.user_table"],
            "governs": [*governs, "account.user_table"],
            "sees nothing": governs,
        }.items()
    }
    people = {name: UserFactory(permission_set=each) for name, each in sets.items()}
    for user, sees, adds in (
        (c.sam, True, True),
        (c.rita, False, False),
        (people["looks"], True, False),
        (people["governs"], True, True),
        (people["sees nothing"], False, False),
    ):
        client.force_login(user)
        assert (f'href="{LIST}"' in client.get("/admin/").text) is sees
        assert client.get(LIST).status_code == (200 if sees else 403)
        for page in (f"{LIST}import/", f"{LIST}add/"):
            assert client.get(page).status_code == (200 if adds else 403)
        found = client.get(
            "/admin/autocomplete/choose/",
            {"app_label": "records", "model_name": "deal", "field_name": "owner", "term": "nor"},
        )
        if user != c.rita:
            continue
        assert [each["text"] for each in found.json()["results"]] == ["Nora"]


def test_delegate_changes_many_within_her_own(c: TinyCompany, client: Client) -> None:
    """Whoever she may not change is left out of her list's steps, and said."""
    lead = UserFactory(
        permission_set=SetFactory(
            scopes={"deal": {"view": TEAM}},
            tools=["account.access", "account.edit_users", "account.user_table"],
        ),
        team=c.teams["north"],
    )
    small = SetFactory(name="Small", scopes={"deal": {"view": TEAM}})
    weak = UserFactory(permission_set=small, team=c.teams["north_a"])
    client.force_login(lead)
    text = client.get(LIST).text
    assert "Give a permission set" in text
    assert 'value="deactivate"' not in text
    outcome = operations.change_many(
        User.objects.filter(pk__in=[weak.pk, c.mona.pk]),
        actor=lead,
        step=lambda person, actor: operations.assign_set(
            person, actor=actor, permission_set=small if person == c.mona else None
        ),
    )
    assert outcome.changed == [weak]
    assert [person for person, _ in outcome.skipped] == [c.mona]
