"""Pickers offer by their purpose: what can be chosen now, or whatever there is to ask about."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from accounts.models import User
from accounts.pickers import Purpose, offered
from records import operations
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, DealFactory

ASK, CHOOSE = "/admin/autocomplete/", "/admin/autocomplete/choose/"
FIELDS = [
    (model._meta.app_label, model._meta.model_name, field.name)
    for model in admin.site._registry
    for field in model._meta.fields
    if field.is_relation
]
"""Every relation of a screen's model."""


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def texts(client: Client, address: str, field: tuple[str, str, str], term: str) -> Any:
    """Return the names offered, or the status of a refusal."""
    app_label, model, name = field
    asked = {"app_label": app_label, "model_name": model, "field_name": name, "term": term}
    answer = client.get(address, asked)
    return [row["text"] for row in answer.json()["results"]] if answer.status_code == 200 else 403


OWNER = ("records", "deal", "owner")
ACTOR = ("accounts", "auditevent", "actor")
REQUESTER = ("exports", "exportrequest", "requester")


@pytest.mark.parametrize(
    ("who", "owner_asked", "owner_chosen", "actor_asked", "requester_asked"),
    [
        ("sam", ["Fred (deactivated)"], [], ["Fred (deactivated)"], ["Fred (deactivated)"]),
        ("rita", ["Fred (deactivated)"], [], 403, ["Fred (deactivated)"]),
        ("ruth", ["Fred (deactivated)"], 403, 403, ["Fred (deactivated)"]),  # views deals only
        ("otto", 403, 403, ["Fred (deactivated)"], ["Fred (deactivated)"]),  # audit log only
    ],
)
def test_people_who_left_are_asked_about_and_not_chosen(
    c: TinyCompany,
    who: str,
    owner_asked: Any,
    owner_chosen: Any,
    actor_asked: Any,
    requester_asked: Any,
) -> None:
    client = log_in(c.people[who])
    assert texts(client, ASK, OWNER, "Fred") == owner_asked
    assert texts(client, CHOOSE, OWNER, "Fred") == owner_chosen
    assert texts(client, ASK, ACTOR, "Fred") == actor_asked
    assert texts(client, ASK, REQUESTER, "Fred") == requester_asked
    # Nobody is chosen in a log, and no relation is asked by that no filter has.
    assert texts(client, CHOOSE, ACTOR, "") == texts(client, CHOOSE, REQUESTER, "") == 403
    assert texts(client, ASK, ("records", "deal", "co_owner"), "") == 403


def test_who_governs_people_asks_by_teams(c: TinyCompany) -> None:
    """“Who can see this” of a record has a picker of teams, whose key is another table's."""
    parent = ("accounts", "team", "parent")
    assert texts(log_in(c.sam), ASK, parent, c.teams["south"].name) == [c.teams["south"].name]
    assert texts(log_in(c.people["rita"]), ASK, parent, "") == 403


def test_purpose_is_of_the_address_and_no_parameter_changes_it(c: TinyCompany) -> None:
    """A co-owner is chosen on forms, and no filter asks by the field."""
    client = log_in(c.people["rita"])
    address = f"{CHOOSE}?app_label=records&model_name=deal&field_name=co_owner&term="
    assert [row["text"] for row in client.get(f"{address}Rob").json()["results"]] == ["Rob"]
    for more in ("purpose=ask", "purpose=autocomplete", "is_active=0", "deactivated_too=1", "all="):
        assert client.get(f"{address}Fred&{more}").json()["results"] == []
    for elsewhere, status in (("", 403), ("anybody/", 404), ("ask/", 404)):
        assert client.get(f"{address}Fred".replace("choose/", elsewhere)).status_code == status


def test_every_relation_answers_whom_a_page_offers_it_and_nobody_else(c: TinyCompany) -> None:
    """Attack both addresses by every relation of every screen; refusals say all the same."""
    client = log_in(c.people["rita"])
    absent = client.get(ASK, {"app_label": "no", "model_name": "such", "field_name": "thing"})
    answered: dict[str, set[tuple[str, str, str]]] = {ASK: set(), CHOOSE: set()}
    for address, found in answered.items():
        for field in FIELDS:
            parts = zip(("app_label", "model_name", "field_name"), field, strict=True)
            answer = client.get(address, dict(parts))
            if answer.status_code == 200:
                found.add(field)
            elif answer.status_code == 403:
                assert answer.content == absent.content
            else:
                assert answer.status_code == 404  # nothing is found there by typing
    drawn: dict[str, set[tuple[str, str, str]]] = {ASK: set(), CHOOSE: set()}
    for kind in ("records/contact", "records/company", "records/deal", "exports/exportrequest"):
        for page in ("", "add/"):
            text = client.get(f"/admin/{kind}/{page}").text
            for select in re.findall(r"<select[^>]* data-ajax--url=[^>]*>", text):
                data = dict(re.findall(r'data-([\w-]+)="([^"]*)"', select))
                of = (data["app-label"], data["model-name"], data["field-name"])
                drawn[data["ajax--url"]].add(of)
    assert answered == drawn
    assert all(drawn.values())


def test_what_lies_in_the_bin_is_asked_about_by_whom_it_was_seen_and_not_chosen(
    c: TinyCompany,
) -> None:
    old = CompanyFactory(name="Old Ltd", owner=c.people["rita"])
    deal = DealFactory(
        name="Left over", company=old, owner=c.people["rita"], stage=c.stages["open"]
    )
    operations.delete(old, actor=c.sam)
    company = ("records", "deal", "company")
    rita, ruth = log_in(c.people["rita"]), log_in(c.people["ruth"])
    assert texts(rita, ASK, company, "Old") == ["Old Ltd (in the recycle bin)"]
    assert texts(rita, CHOOSE, company, "Old") == []
    filtered = rita.get(f"/admin/records/deal/?company={old.pk}")
    assert [row.pk for row in filtered.context["cl"].result_list] == [deal.pk]
    assert f'<option value="{old.pk}" selected>Old Ltd (in the recycle bin)</option>' in (
        filtered.text
    )
    dialog = rita.get(f"/admin/exports/exportrequest/new/deal/?company={old.pk}")
    assert "Old Ltd (in the recycle bin)" in dialog.text
    # Who never saw it reads of it what they read of one that is absent.
    assert texts(ruth, ASK, company, "Old") == []
    hidden, absent = (ruth.get(f"/admin/records/deal/?company={pk}") for pk in (old.pk, 10**9))
    assert (hidden.status_code, hidden.content) == (400, absent.content)


def test_filter_keeps_showing_whom_it_asks_about(c: TinyCompany) -> None:
    client = log_in(c.sam)
    chosen = f'<option value="{c.fred.pk}" selected>Fred (deactivated)</option>'
    for page in (
        f"/admin/accounts/auditevent/?actor={c.fred.pk}",
        f"/admin/exports/exportrequest/?requester={c.fred.pk}",
        f"/admin/records/deal/?owner={c.fred.pk}",
    ):
        text = client.get(page).text
        assert chosen in text
        # The page loads once each what draws the picker.
        assert text.count("js/autocomplete.js") == text.count("select2.full") == 1


def test_purposes_differ_by_what_a_model_says_can_be_chosen(c: TinyCompany) -> None:
    everybody, sam = User.objects.all(), c.fresh("sam")
    chosen, asked = (set(offered(everybody, sam, purpose)) for purpose in Purpose)
    assert asked - chosen == set(User.objects.filter(is_active=False)) != set()
    assert not set(offered(everybody, c.fresh("fred"), Purpose.ASK))
