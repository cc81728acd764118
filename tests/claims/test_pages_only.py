"""Data is read page by page: no address, parameter or picker gives more than one page."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.test import Client

from accounts.adminsite import MOST_FOUND
from records.screens.associations import MOST_LISTED
from tests.support.company import TinyCompany
from tests.support.factories import ContactFactory, DealFactory

PAGE = 50
LISTS = tuple(model for model in admin.site._registry)


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model._meta.model_name)
def test_no_list_gives_more_than_a_page(c: TinyCompany, client: Client, model: type) -> None:
    client.force_login(c.sam)
    options = model._meta  # type: ignore[attr-defined]  # a model
    address = f"/admin/{options.app_label}/{options.model_name}/"
    assert client.get(address).status_code == 200
    for size in ("all", "list_per_page", "per_page", "page_size", "limit", "size"):
        for value in ("", "1000"):
            assert client.get(address, {size: value}).status_code == 400


def test_a_list_shows_one_page_however_it_is_asked_and_links_to_no_more(
    c: TinyCompany, client: Client
) -> None:
    ContactFactory.create_batch(PAGE + 10)
    client.force_login(c.rita)
    address = "/admin/records/contact/"
    shown = client.get(address)
    assert len(shown.context["cl"].result_list) == PAGE
    assert "?all" not in shown.text
    assert "all=" not in shown.text
    # All of them ticked, without an action that does something: the same page again.
    ticked = {"action": "", "select_across": "1", "_selected_action": [c.contacts["cora"].pk]}
    again = client.post(address, ticked, follow=True)
    assert len(again.context["cl"].result_list) <= PAGE


def test_pickers_palette_and_panels_are_bounded(c: TinyCompany, client: Client) -> None:
    ContactFactory.create_batch(PAGE + 10, last_name="Alike", company=c.companies["acme"])
    DealFactory.create_batch(MOST_LISTED + 5, owner=c.sam, stage=c.stages["open"])
    client.force_login(c.sam)
    of = {"app_label": "records", "model_name": "deal", "field_name": "contact", "term": "Alike"}
    for more in ({}, {"page_size": "1000"}, {"paginate_by": "1000"}, {"all": "1"}):
        found = client.get("/admin/autocomplete/", {**of, **more}).json()["results"]
        assert len(found) == AutocompleteJsonView.paginate_by
    hits = client.get("/admin/search/", {"s": "Alike", "extended": "1"}).context["results"]
    assert len(hits) == MOST_FOUND
    record = client.get(f"/admin/records/company/{c.companies['acme'].pk}/change/")
    assert record.text.count(" Alike</a>") == MOST_LISTED
