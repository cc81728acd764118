"""A list's page says what the theme would say, in less HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from unfold.templatetags.unfold_list import results

from records.models import Contact
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import ContactFactory, DealFactory

LIST = "/admin/records/deal/"
BYTES_PER_ROW = 1_500
"""With the theme's own rows a deal took 6,000."""


class Cells(HTMLParser):
    """The cells of a row: which element, its text and where it leads; a tick box by its value."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[list[str]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = dict(attrs)
        if tag in ("td", "th"):
            names = (have.get("class") or "").split()
            self.found.append([tag, *(n for n in names if n.startswith(("field-", "action-")))])
        if told := have.get("href") or have.get("value") or have.get("title"):
            self.found[-1].append(told)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found[-1].append(data.strip())


@pytest.mark.parametrize("query", ["", "o=1&p=1"])
def test_rows_say_what_the_rows_of_the_theme_say(
    c: TinyCompany, rf: RequestFactory, query: str
) -> None:
    pending(c.lena, c.axel, model=Contact)
    compared = 0
    for screen in admin.site._registry.values():
        request = rf.get(LIST, query_string=query)
        request.user = c.sam
        cl: Any = screen.get_changelist_instance(request)
        for ours, theirs in zip(cl.rows(), results(cl), strict=True):
            assert Cells(ours).found == Cells("".join(theirs)).found, screen
            compared += 1
    assert compared >= 50


def test_a_row_takes_little_of_a_page(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    few = len(client.get(LIST).content)
    for _ in range(20):
        DealFactory(owner=c.rita, stage=c.stages["open"], company=c.companies["acme"])
    assert len(client.get(LIST).content) - few < 20 * BYTES_PER_ROW


@pytest.mark.parametrize(("letters", "is_long"), [(40, False), (41, True)])
def test_cells_are_told_apart_by_what_they_hold(
    c: TinyCompany, client: Client, letters: int, is_long: bool
) -> None:
    """The style sheet leaves out what is not there, and gives room to what is long."""
    client.force_login(c.sam)
    email = f"long@{'x' * (letters - 27)}.example"
    ContactFactory(last_name="x" * letters, first_name="", email=email, phone="")
    text = client.get("/admin/records/contact/?q=long").text
    row = text[text.index('<tr class="data-row') :]
    name = re.search(r'<th class="([^"]+)"', row)
    assert name is not None
    assert name[1].endswith("is-long") is is_long
    assert 'class="field-phone list-cell is-empty"' in row
    # An address is one word: from 27 letters on it is long.
    assert ('class="field-email list-cell is-long"' in row) is is_long


def test_text_of_a_record_is_text_on_a_list(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    DealFactory(owner=c.rita, stage=c.stages["open"], name="<b>bold</b>")
    text = client.get(LIST).text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<b>bold" not in text


def test_rows_lead_back_to_the_list_as_it_is(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    text = client.get(LIST, {"q": "vault", "o": "1"}).text
    vault = c.deals["vault"]
    assert f'href="{LIST}{vault.pk}/change/?_changelist_filters=q%3Dvault%26o%3D1"' in text


@pytest.mark.parametrize("address", [LIST, f"{LIST}add/", "/admin/accounts/user/", "/admin/"])
def test_pages_load_no_library_that_they_do_not_use(
    c: TinyCompany, client: Client, address: str
) -> None:
    client.force_login(c.sam)
    scripts = re.findall(r'<script src="([^"?]+)', client.get(address).text)
    assert "/static/unfold/js/app.js" in scripts
    assert ("/static/admin/js/core.js" in scripts) == (address != "/admin/")
    unused = ("chart", "xregexp", "urlify", "prepopulate.js")
    assert [each for each in scripts if any(name in each for name in unused)] == []
