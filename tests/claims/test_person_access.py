"""What one person may do, in plain sentences, with origins and counts (B3)."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from accounts import access, operations
from accounts.models import User
from accounts.person_access import reached, sentences, tools_of
from records.models import Deal
from tests.support.company import TinyCompany
from tests.support.doors import rules

pytestmark = pytest.mark.django_db


def test_sentences_say_what_the_rules_come_to(c: TinyCompany) -> None:
    rules(threshold=100)
    assert sentences(c.fresh("rita")) == [
        "Sees all contacts, edits own ones, deletes none, and creates new ones.",
        "Sees own companies, edits none, deletes none, and creates none.",
        "Sees own deals and those of team North A and unassigned ones, edits own ones, deletes "
        "none, and creates new ones.",
        "Sees no tickets.",
        "Holds these permissions of high risk: Export.",
        "Cannot export more than 100 records, or sensitive data, without approval.",
    ]
    assert sentences(c.fresh("mona"))[2] == (
        "Sees own deals and those of team North and the teams below, edits all of these, deletes "
        "own ones, and creates new ones."
    )
    assert sentences(c.fresh("lena"))[2].startswith("Sees own deals and unassigned ones")
    assert sentences(c.fresh("axel"))[-1] == "Takes no records out: Export is off."
    assert "Exports without approval." in sentences(c.fresh("xena"))
    assert sentences(c.fresh("sam"))[0].startswith("Is a super admin")
    assert sentences(c.fresh("fred"))[0].startswith("Is deactivated")
    assert sentences(c.fresh("nils")) == ["Has no permission set, so may do nothing."]


def test_counts_are_those_of_the_rules(c: TinyCompany) -> None:
    for name in c.people:
        user = c.fresh(name)
        deals = dict(reached(user, counted=True))["Deals"]
        for row, action in zip(deals, ("view", "change", "delete"), strict=True):
            may = access.permitted(Deal.objects.all(), user, action).count()
            assert row.count == f"{may:,}", (name, action)


def test_tools_say_where_they_come_from(c: TinyCompany) -> None:
    operations.edit_permissions(
        [c.rita],
        actor=c.sam,
        changes={"crm.export": False, "crm.export_without_approval": True},
    )
    rows = {row["tool"].key: row["origin"] for row in tools_of(c.fresh("rita"))}
    assert rows == {"crm.export_without_approval": "stored, without effect: what it needs is off"}
    assert {row["origin"] for row in tools_of(c.fresh("sam"))} == {"super admin"}


def test_page_is_for_the_person_and_who_may_change_them(c: TinyCompany, client: Client) -> None:
    def page(actor: User, target: User) -> tuple[int, str]:
        client.force_login(actor)
        answer = client.get(f"/admin/accounts/user/{target.pk}/access/")
        return answer.status_code, re.sub(r"\s+", " ", html.unescape(answer.text))

    status, text = page(c.sam, c.rita)
    assert status == 200
    assert "Sees no tickets." in text
    assert '<th scope="col">Records</th>' in text
    assert page(c.otto, c.rita)[0] == 404
    # Everybody reads their own, to change nothing.
    status, text = page(c.rita, c.rita)
    assert status == 200
    assert "<title> My access and log-ins" in text
    assert "Edit permissions" not in text
    # A delegate reads it without counts: they would tell of records out of her own sight.
    operations.edit_permissions(
        [c.nora],
        actor=c.sam,
        changes={"account.access": True, "account.edit_users": True, "account.user_table": True},
    )
    status, text = page(c.nora, c.rita)
    assert status == 200
    assert '<th scope="col">Records</th>' not in text
    assert page(c.nora, c.sam)[0] == 404
