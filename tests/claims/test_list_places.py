"""A list of records opens on the tab and in the order last used there; an address always wins."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from accounts.operations import InvalidChange, assign_set, keep_list_place
from tests.support.company import TinyCompany

LIST = "/admin/records/deal/"
CONTACTS = "/admin/records/contact/"
EVERYTHING = "?whole=yes"


def kept(person: User) -> dict[str, dict[str, str]]:
    return User.objects.values_list("list_places", flat=True).get(pk=person.pk)


def opened(client: Client, address: str = LIST) -> str:
    """Return the query that a list opens with; empty where it opens as it stands."""
    answer = client.get(address)
    if answer.status_code == 200:
        return ""
    assert answer.status_code == 302
    where, _, query = answer["Location"].partition("?")
    assert where == address
    assert client.get(answer["Location"]).status_code == 200
    return query


def tab_on(page: str) -> str:
    found = re.search(r'aria-current="page">(.*?)</a>', page[page.index("quick-tabs") :])
    return found[1] if found else ""


def test_list_opens_on_the_tab_and_in_the_order_last_used(c: TinyCompany, client: Client) -> None:
    client.force_login(c.ella)
    assert opened(client) == ""
    events = AuditEvent.objects.count()
    client.get(f"{LIST}?owner={c.ella.pk}&o=-3")
    assert kept(c.ella) == {"deal": {"tab": "mine", "order": "-amount"}}
    assert opened(client) == f"owner={c.ella.pk}&o=-3"
    # Each kind has a place of its own, and so has each person.
    assert opened(client, CONTACTS) == ""
    assert kept(c.mona) == {}
    client.get(f"{CONTACTS}?unassigned=yes")
    client.get(f"{LIST}?unassigned=yes&p=1")
    assert kept(c.ella) == {
        "deal": {"tab": "unassigned", "order": ""},
        "contact": {"tab": "unassigned", "order": ""},
    }
    assert opened(client) == "unassigned=yes"
    # On another computer too, and in the log there is nothing of it.
    elsewhere = Client()
    elsewhere.force_login(c.ella)
    before = AuditEvent.objects.count()
    assert opened(elsewhere) == "unassigned=yes"
    assert AuditEvent.objects.count() == before
    assert not AuditEvent.objects.filter(action__contains="list_place").exists()
    assert events <= before


def test_all_begins_anew_and_no_link_of_the_list_leads_back(c: TinyCompany, client: Client) -> None:
    client.force_login(c.ella)
    client.get(f"{LIST}?unassigned=yes&o=3")
    page = client.get(f"{LIST}?unassigned=yes").text
    assert tab_on(page) == "Unassigned"
    assert f'href="{EVERYTHING}">All</a>' in page
    # What takes a filter, a search or an order away is no address that opens as last used.
    for asked in ("?q=a", f"?stage={c.stages['open'].pk}", "?q=zzzzz", "?o=3", "?q=a&amount_min=1"):
        assert 'href="?"' not in client.get(LIST + asked).text, asked
        assert (EVERYTHING in unescape(client.get(LIST + asked).text)) == ("=3" not in asked), asked
    assert opened(client) == "o=3"  # the one of these that is a place
    page = client.get(LIST + EVERYTHING).text
    assert tab_on(page) == "All"
    assert kept(c.ella) == {}
    assert opened(client) == ""
    assert EVERYTHING in client.get("/admin/").text  # a figure of all records shows all of them


def test_an_explicit_address_wins_and_keeps_what_it_is_no_place_of(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.ella)
    client.get(f"{LIST}?owner={c.ella.pk}")
    before = kept(c.ella)
    for asked in (
        f"?owner={c.rita.pk}",
        f"?stage={c.stages['open'].pk}&o=3",
        "?q=a&unassigned=yes",
        f"?owner={c.ella.pk}&amount_min=5",
        "?unassigned=no",
    ):
        answer = client.get(LIST + asked)
        assert (answer.status_code, kept(c.ella)) == (200, before), asked
    assert before == {"deal": {"tab": "mine", "order": ""}}
    # Nor does a wrong address, nor one that posts.
    assert client.get(f"{LIST}?unassigned=yes&nonsense=1").status_code == 400
    client.post(f"{LIST}?unassigned=yes", {"action": "nothing"})
    assert kept(c.ella) == before


def test_place_that_is_no_more_is_passed_over(c: TinyCompany, client: Client) -> None:
    """The list looks each time: a tab that one lost and a column that one may not read are none."""
    client.force_login(c.ella)
    client.get(f"{LIST}?unassigned=yes&o=3")
    assert opened(client) == "unassigned=yes&o=3"
    assign_set(c.ella, actor=c.sam, permission_set=c.sets["manager"])
    keep_list_place(actor=c.mona, kind="deal", tab="boss", order="id,-amount,nonsense,password")
    client.force_login(c.mona)
    assert opened(client) == "o=-3"
    client.force_login(c.ella)
    assert opened(client) == "o=3"


def test_what_is_no_list_is_refused_and_a_second_look_writes_nothing(
    c: TinyCompany, client: Client
) -> None:
    for wrong in (
        {"kind": "password", "tab": "mine", "order": ""},
        {"kind": "deal", "tab": "x" * 201, "order": ""},
        {"kind": "deal", "tab": "", "order": "x" * 201},
    ):
        with pytest.raises(InvalidChange):
            keep_list_place(actor=c.ella, **wrong)
    assert kept(c.ella) == {}
    client.force_login(c.ella)
    client.get(f"{LIST}?unassigned=yes")
    with CaptureQueriesContext(connection) as again:
        client.get(f"{LIST}?unassigned=yes")
    assert not [q for q in again if "UPDATE" in q["sql"] and "list_places" in q["sql"]]


def test_visitors_and_who_sees_no_list_keep_nothing(c: TinyCompany, client: Client) -> None:
    assert client.get(f"{LIST}?unassigned=yes").status_code == 302
    client.force_login(c.axel)
    client.get(f"{LIST}?unassigned=yes")
    assert kept(c.axel) == {}
