"""Where several people or teams are chosen: each field offers what its form takes, and no more."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import PermissionSet, Team, User
from accounts.pickers import offers, rows_of
from records.models import Deal, Property
from tests.support.company import TinyCompany
from tests.support.factories import TeamFactory, UserFactory


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def asked(client: Client, offer: str, of: object = "", **more: object) -> Any:
    return client.get(f"/admin/pick/{offer}/", {"of": of, **more})


def names(answer: Any) -> list[str]:
    return [row["text"] for row in answer.json()["results"]]


def keys(c: TinyCompany) -> dict[str, int]:
    """Return, by offer, the key of something that its form is about; 0 where it is of nothing."""
    about = {"team_members": c.teams["south"].pk, "set_people": c.sets["reader"].pk}
    about |= {"deal_people": c.deals["ritas"].pk, "deal_teams": c.deals["ritas"].pk}
    return {name: about.get(name, 0) for name in offers}


# Who is offered anything by which form; of the other kinds of record nobody asks here.
WHOSE = {
    "sam": {*offers}
    - {f"{kind}_{of}" for kind in ("contact", "company", "ticket") for of in ("people", "teams")},
    "rita": {"deal_people", "deal_teams"},
    "nora": set(),  # sees the deal by her team, and may not change it
    "ruth": set(),
    "otto": set(),
    "nils": set(),
}


@pytest.mark.parametrize("who", WHOSE)
def test_an_offer_is_made_to_whom_its_form_is_for(c: TinyCompany, who: str) -> None:
    """Everybody else is refused in the words that there is no such offer."""
    client = log_in(c.people[who])
    absent = asked(client, "no-such-offer")
    assert absent.status_code == 403
    answers = {name: asked(client, name, key) for name, key in keys(c).items()}
    assert {name for name, each in answers.items() if each.status_code == 200} == WHOSE[who]
    for each in answers.values():
        assert each.status_code == 200 or each.content == absent.content
    for odd in (10**9, "9" * 30, "x", "-1", "\x00", c.deals["deleted"].pk, c.deals["robs"].pk):
        if who != "sam":
            assert asked(client, "deal_people", odd).content == absent.content
    assert Client().get("/admin/pick/deal_people/").status_code == 302


def test_offers_name_active_people_by_words_of_their_names_alone(c: TinyCompany) -> None:
    rita = log_in(c.rita)
    deal = c.deals["ritas"].pk
    everybody = names(asked(rita, "deal_people", deal))
    assert {"Rob", "Nora", "Lena"} <= set(everybody)
    assert not {"Rita", "Fred", "Fred (deactivated)"} & set(everybody)
    assert names(asked(rita, "deal_people", deal, term="ROB")) == ["Rob"]
    assert names(asked(rita, "deal_people", deal, term="Fred")) == []
    assert names(asked(rita, "deal_people", deal, term=c.people["rob"].email)) == []
    for odd in ("%", "_", "\x00", "x" * 10_000, "\u202e"):
        assert asked(rita, "deal_people", deal, term=odd).status_code == 200
    for number in range(30):
        UserFactory(first_name=f"Zed {number:02}", last_name="")
    first, second = (asked(rita, "deal_people", deal, term="zed", page=n) for n in (1, 2))
    assert first.json()["pagination"] == {"more": True}
    assert second.json()["pagination"] == {"more": False}
    assert len({*names(first), *names(second)}) == 30
    for page in ("0", "-1", "x", "9" * 30):
        assert asked(rita, "deal_people", deal, term="zed", page=page).status_code in (200, 404)


PAGES = {
    "rule": "/admin/records/pipeline/{pipeline}/rule/",
    "field": "/admin/records/property/{property}/change/",
    "new field": "/admin/records/property/add/",
    "person": "/admin/accounts/user/{rita}/change/",
    "new person": "/admin/accounts/user/add/",
    "members": "/admin/accounts/team/{team}/add_members/",
    "set": "/admin/accounts/permissionset/{set}/give/",
    "new set": "/admin/accounts/permissionset/add/",
    "share": "/admin/records/deal/{deal}/share/",
}


@pytest.fixture
def pages(c: TinyCompany) -> dict[str, str]:
    field = Property.objects.create(object="deal", name="product", access="chosen")
    row = {
        "pipeline": c.pipeline.pk,
        "property": field.pk,
        "rita": c.rita.pk,
        "team": c.teams["south"].pk,
        "set": c.sets["reader"].pk,
        "deal": c.deals["ritas"].pk,
    }
    return {name: address.format(**row) for name, address in PAGES.items()}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_as_long_for_many_people_and_teams_as_for_few(
    c: TinyCompany, pages: dict[str, str], name: str
) -> None:
    client = log_in(c.sam)

    def cost() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as captured:
            text = client.get(pages[name]).text
        # Single choices of a team stand in a list still.
        return len(re.sub(r"<option[^>]*>[^<]*</option>", "", text)), len(captured)

    client.get(pages[name])
    length, statements = cost()
    for _ in range(3):
        TeamFactory()
    for _ in range(60):
        UserFactory(permission_set=c.sets["rep"])
    now, also = cost()
    assert abs(now - length) < 200, "the page grows with the people"
    assert also == statements
    drawn = re.findall(
        r'data-ajax--url="/admin/pick/(\w+)/(?:\?of=(\d+))?"', client.get(pages[name]).text
    )
    assert drawn
    for offer, key in drawn:
        assert asked(client, offer, key).status_code == 200


def test_field_takes_what_its_address_offers_and_nothing_else(
    c: TinyCompany, pages: dict[str, str]
) -> None:
    sam = log_in(c.sam)
    offered = rows_of("set_people", c.fresh("sam"), c.sets["reader"].pk)
    assert offered is not None
    for person in User.objects.all():
        answer = sam.post(pages["set"], {"people": [person.pk]})
        taken = "Select a valid choice" not in answer.text
        assert taken == (person in offered), person
    for odd in ("x", "", "9" * 30, "\x00"):
        assert sam.post(pages["set"], {"people": [odd]}).status_code == 200


def test_without_a_script_a_search_and_boxes_do_the_same(
    c: TinyCompany, pages: dict[str, str]
) -> None:
    client = log_in(c.sam)
    # Nothing is checked or saved while somebody looks for a name, and nothing typed is lost.
    begun = {"first_name": "Typed", "extra_teams-boxes": "1", "extra_teams-term": "South"}
    found = client.post(pages["new person"], {**begun, "_find": "extra_teams"}).text
    south = c.teams["south"].pk
    assert f'name="extra_teams-box" value="{south}"> South' in found
    assert 'value="Typed"' in found
    assert "This field is required" not in found
    assert "Please correct" not in found
    assert not User.objects.filter(first_name="Typed").exists()
    ticked = {**begun, "extra_teams-box": [south], "email": "typed@crm.test", "_find": "x"}
    again = client.post(pages["new person"], {**ticked, "extra_teams-term": "North"}).text
    assert f'name="extra_teams-box" value="{south}" checked> South' in again
    assert 'value="typed@crm.test"' in again
    del ticked["_find"]
    answer = client.post(pages["new person"], {**ticked, "permission_set": c.sets["rep"].pk})
    assert answer.status_code in (200, 302)
    made = User.objects.get(email="typed@crm.test")
    assert [each.team for each in made.memberships.all()] == [Team.objects.get(pk=south)]
    # Whom nobody offers is not found by looking either.
    looked = {"people-boxes": "1", "people-term": "Fred", "_find": "people"}
    assert "Fred" not in re.findall(r"> ([^<]+)</label>", client.post(pages["set"], looked).text)
    rule = {"users-boxes": "1", "users-box": [c.fred.pk], "editors": "chosen", "stages": []}
    assert "Select a valid choice" in client.post(pages["rule"], rule).text


def test_whoever_loses_the_right_is_offered_nothing_more(c: TinyCompany) -> None:
    """A page that is already open: its field finds nobody from then on."""
    rita = log_in(c.rita)
    deal = c.deals["ritas"]
    assert asked(rita, "deal_people", deal.pk).status_code == 200
    Deal.objects.filter(pk=deal.pk).update(owner=c.rob, co_owner=None)
    assert asked(rita, "deal_people", deal.pk).status_code == 403
    assert PermissionSet.objects.named().exists()
    User.objects.filter(pk=c.rita.pk).update(is_active=False)
    assert asked(rita, "deal_people", deal.pk).status_code in (302, 403)
