"""Above a list: whose records, at one click, and what narrows it, to be taken away (issue 14.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.ago import ago
from records.models import Deal
from tests.support.company import TinyCompany

LIST = "/admin/records/deal/"


def tabs(page: str) -> dict[str, str]:
    """Return the tabs of a list and their addresses; the one shown begins with a star."""
    found = re.search(r'<nav class="quick-tabs".*?</nav>', page, re.DOTALL)
    links = re.findall(
        r'<a href="([^"]*)"( aria-current="page")?>(.*?)</a>', found[0] if found else ""
    )
    return {f"{'*' if on else ''}{title}": unescape(address) for address, on, title in links}


def chips(page: str) -> dict[str, str]:
    """Return the chips of a list, with the address that each leads to without it."""
    found = re.findall(r'<li class="chip">(.*?) <a href="([^"]*)"', page)
    return {unescape(text): unescape(address) for text, address in found}


def shown(page: str) -> set[int]:
    return set(map(int, re.findall(r"/admin/records/deal/(\d+)/change/", page)))


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("sam", ["Mine", "Unassigned", "*All"]),  # in no team
        ("mona", ["Mine", "My team", "*All"]),
        ("ella", ["Mine", "My team", "Unassigned", "*All"]),
        ("nils", []),
    ],
)
def test_tabs_are_those_that_make_a_difference(
    c: TinyCompany, client: Client, name: str, offered: list[str]
) -> None:
    client.force_login(c.people[name])
    assert list(tabs(client.get(LIST).text)) == offered


def test_who_sees_their_own_alone_has_no_tabs(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)  # of companies she sees her own, of deals her team's
    assert tabs(client.get("/admin/records/company/").text) == {}
    assert list(tabs(client.get(LIST).text)) == ["Mine", "My team", "Unassigned", "*All"]


def test_tab_is_a_filter_and_shows_no_more_than_it(c: TinyCompany, client: Client) -> None:
    """It goes through the same filters, and the list narrows by the same rights."""
    client.force_login(c.ella)
    everything = client.get(LIST).text
    for title, address in tabs(everything).items():
        page = client.get(f"{LIST}{address}").text
        assert f"*{title.removeprefix('*')}" in tabs(page)
        assert shown(page) <= shown(everything), title
    mine = shown(client.get(f"{LIST}{tabs(everything)['Mine']}").text)
    owned = Deal.objects.filter(pk__in=shown(everything))
    assert mine == {d.pk for d in owned if c.ella in (d.owner, d.co_owner)}
    unassigned = shown(client.get(f"{LIST}?unassigned=yes").text)
    assert unassigned == {d.pk for d in owned if d.owner is None and d.co_owner is None} != set()


def test_tab_keeps_other_filters_and_begins_at_the_first_page(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.ella)
    found = tabs(client.get(f"{LIST}?amount_min=5&team={c.teams['south'].pk}&q=a&o=1&p=1").text)
    assert found["Mine"] == f"?amount_min=5&q=a&o=1&owner={c.ella.pk}"
    assert found["All"] == "?amount_min=5&q=a&o=1"


def test_each_chip_takes_one_filter_away(c: TinyCompany, client: Client) -> None:
    client.force_login(c.mona)
    asked = f"?stage={c.stages['open'].pk}&amount_min=1&amount_max=9&owner={c.rita.pk}&q=ri"
    found = chips(client.get(LIST + asked).text)
    stage = f"stage={c.stages['open'].pk}"
    assert found == {
        "Owner or co-owner: Rita": f"?{stage}&amount_min=1&amount_max=9&q=ri",
        f"Stage: {c.stages['open']}": f"?amount_min=1&amount_max=9&owner={c.rita.pk}&q=ri",
        "Amount: 1 – 9": f"?{stage}&owner={c.rita.pk}&q=ri",
        "Search: ri": f"?{stage}&amount_min=1&amount_max=9&owner={c.rita.pk}",
    }
    for address in found.values():
        assert client.get(LIST + address).status_code == 200
    assert chips(client.get(LIST).text) == {}
    # The tab says it already.
    assert chips(client.get(f"{LIST}?owner={c.mona.pk}").text) == {}


def test_chips_stand_above_logs_too(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = client.get(f"/admin/accounts/auditevent/?result=refused&actor={c.rita.pk}").text
    assert list(chips(page)) == ["Result: Refused", "Who: Rita"]
    assert tabs(page) == {}
    page = client.get("/admin/exports/exportrequest/?status=failed&status=pending").text
    assert list(chips(page)) == ["Status: Failed, Pending approval"]


def test_tabs_ask_the_database_nothing(c: TinyCompany, client: Client, monkeypatch: Any) -> None:
    client.force_login(c.mona)
    client.get(LIST)
    with CaptureQueriesContext(connection) as with_tabs:
        assert tabs(client.get(LIST).text)
    monkeypatch.setattr("records.screens.listing.tabs", lambda *_: [])
    with CaptureQueriesContext(connection) as without:
        assert not tabs(client.get(LIST).text)
    assert len(with_tabs) == len(without)


def test_cells_are_badges_amounts_and_ages(c: TinyCompany, client: Client, settings: Any) -> None:
    settings.CURRENCY = "EUR"
    client.force_login(c.sam)
    now = timezone.now()  # the company was laid down when the process began
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(amount="1234.5", updated_at=now)
    page = client.get(f"{LIST}?q={c.deals['ritas'].name}").text
    assert '<span class="number">1,234.50 EUR</span>' in page
    stage = c.deals["ritas"].stage
    assert (
        f'<span class="chip stage is-{stage.outcome}" title="{stage}">{stage.name}</span>' in page
    )
    assert re.search(r'<time datetime="20\d\d-[^"]+" title="[^"]+">just now</time>', page)
    # Sorted by as before.
    for column in ("3", "-8"):
        assert client.get(f"{LIST}?o={column}").status_code == 200


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=-30), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=1), "1 d ago"),
        (timedelta(days=29, hours=23), "29 d ago"),
        (timedelta(days=30), "30 Oct 2026"),
        (timedelta(days=-2), "1 Dec 2026"),
    ],
)
def test_age_is_said_shortly(passed: timedelta, said: str) -> None:
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    assert ago(now - passed, now) == said
