"""Pages about people cost as many statements for 300 people, teams and shares as for three."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from accounts import operations
from accounts.models import Membership, PermissionSet, Rank, Team, TeamReach, User
from records.models import SHARES, Contact, Deal
from tests.claims.test_budgets import statements
from tests.support.company import TinyCompany
from tests.support.factories import SetFactory, UserFactory

BUDGETS = {
    "people": 14,
    "person": 20,
    "what they may do": 40,  # of these one for each action and kind of record, to count
    "editor": 12,
    "editor of a set": 12,
    "their history": 12,
    "new person": 12,
    "teams": 17,
    "team": 20,
    "sets": 10,
    "set": 22,
}
ADDRESSES = {
    "people": "/admin/accounts/user/",
    "person": "/admin/accounts/user/{rita}/change/",
    "what they may do": "/admin/accounts/user/{rita}/access/",
    "editor": "/admin/accounts/user/permissions/?person={rita}",
    "editor of a set": "/admin/accounts/permissionset/permissions/?set={rep}",
    "their history": "/admin/permissions/history/?person={rita}",
    "new person": "/admin/accounts/user/add/",
    "teams": "/admin/accounts/team/",
    "team": "/admin/accounts/team/{north}/change/",
    "sets": "/admin/accounts/permissionset/",
    "set": "/admin/accounts/permissionset/{rep}/change/",
}
NOT_GAILS = {"editor of a set", "their history"}
PAGES = {"sam": {*ADDRESSES}, "gail": {*ADDRESSES} - NOT_GAILS}
"""For a super admin, and for whoever adds and edits people of all teams."""


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    scopes = {key: {"view": Rank.EVERYTHING} for key in ("deal", "contact")}
    tools = ["account.access", "account.edit_users", "account.user_table", "account.edit_teams"]
    c.sets["governor"] = SetFactory(name="Governor", scopes=scopes, tools=tools)
    return c


def more(c: TinyCompany, start: int, number: int) -> None:
    """Lay down so many more people, teams below North, records and shares of Rita's."""
    keys = range(start, start + number)
    teams = Group.objects.bulk_create(Group(name=f"Team {key:03}") for key in keys)
    with connection.cursor() as cursor:  # Django cannot create many of a model with a parent
        cursor.executemany(
            f"INSERT INTO {Team._meta.db_table} (group_ptr_id, parent_id) VALUES (%s, %s)",
            [(team.pk, c.teams["north"].pk) for team in teams],
        )
    operations.rewrite_reach()
    sets = [c.sets["rep"], c.sets["manager"]]
    people = User.objects.bulk_create(
        User(email=f"p{key}@example.com", password="!", permission_set=sets[key % 2])
        for key in keys
    )
    Membership.objects.bulk_create(
        Membership(user=each, team_id=team.pk, is_main=True)
        for each, team in zip(people, teams, strict=True)
    )
    Membership.objects.bulk_create(
        Membership(user=who, team_id=team.pk) for team in teams for who in (c.rita, c.gail)
    )
    deals = Deal.objects.bulk_create(
        Deal(name=f"Deal {key}", stage=c.stages["open"], owner=c.rita) for key in keys
    )
    contacts = Contact.objects.bulk_create(
        Contact(last_name=f"Contact {key}", owner=each)
        for key, each in zip(keys, people, strict=True)
    )
    view_deal = Permission.objects.get(content_type__app_label="records", codename="view_deal")
    view_contact = Permission.objects.get(
        content_type__app_label="records", codename="view_contact"
    )
    to_people, to_teams = SHARES["deal"]
    to_people._default_manager.bulk_create(
        to_people(content_object=deal, permission=view_deal, user=each, giver=c.rita)
        for deal, each in zip(deals, people, strict=True)
    )
    to_teams._default_manager.bulk_create(
        to_teams(content_object=deal, permission=view_deal, group=team, giver=c.rita)
        for deal, team in zip(deals, teams, strict=True)
    )
    received = SHARES["contact"][0]
    received._default_manager.bulk_create(
        received(content_object=contact, permission=view_contact, user=c.rita, giver=each)
        for contact, each in zip(contacts, people, strict=True)
    )
    PermissionSet.objects.bulk_create(PermissionSet(name=f"Set {key}") for key in keys if key < 90)
    # A day's work in a company. PostgreSQL has seen these tables empty, and plans by that.
    with connection.cursor() as cursor:
        for model in (User, Membership, TeamReach, Team, Group, Deal, Contact, *SHARES["deal"]):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


@pytest.mark.parametrize("governor", sorted(PAGES))
def test_page_of_people_costs_as_many_statements_for_3_as_for_300(
    c: TinyCompany, client: Client, governor: str
) -> None:
    c.people["gail"] = UserFactory(email="gail@example.com", permission_set=c.sets["governor"])
    client.force_login(c.people[governor])
    keys = {"rita": c.rita.pk, "rep": c.sets["rep"].pk, "north": c.teams["north"].pk}
    pages = {name: ADDRESSES[name].format(**keys) for name in PAGES[governor]}
    more(c, 0, 3)
    for address in pages.values():
        assert client.get(address).status_code == 200  # Django remembers content types
    few = {name: statements(client, address) for name, address in pages.items()}
    more(c, 3, 297)
    assert {name: statements(client, address) for name, address in pages.items()} == few
    assert {name: count for name, count in few.items() if count > BUDGETS[name]} == {}
