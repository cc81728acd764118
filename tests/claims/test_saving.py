"""A record's form holds SQLite's one write lock for its operation, and not for its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client

from records.models import Deal
from records.screens.saving import SavesByOneOperation
from tests.claims.test_screens import LIST, form_of, page
from tests.support.company import TinyCompany

WRITES = ("INSERT", "UPDATE", "DELETE")


class Watched:
    """Notes of every statement whether it ran in a transaction."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        self.seen.append((sql.lstrip().split(" ", 1)[0], connection.in_atomic_block))
        return execute(sql, params, many, context)


def add(c: TinyCompany, client: Client) -> None:
    deal = Deal(name="New", stage=c.stages["open"], owner=c.rita)
    form = form_of(deal)
    del form["record_version"]
    assert client.post(f"{LIST}add/", form).status_code == 302
    assert Deal.objects.filter(name="New").exists()


def change(c: TinyCompany, client: Client) -> None:
    deal = c.deals["ritas"]
    assert client.post(page(deal), form_of(deal, name="Changed")).status_code == 302
    assert Deal.objects.get(pk=deal.pk).name == "Changed"


def delete(c: TinyCompany, client: Client) -> None:
    deal = c.deals["ritas"]
    assert client.post(page(deal, "delete"), {"post": "yes"}).status_code == 302
    assert Deal._base_manager.get(pk=deal.pk).deleted_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("save", [add, change, delete])
def test_page_is_made_outside_the_transaction_that_saves(
    c: TinyCompany, save: Callable[[TinyCompany, Client], None]
) -> None:
    client = Client()
    client.force_login(c.sam)
    with connection.execute_wrapper(watched := Watched()):
        save(c, client)
    reads_outside = [verb for verb, inside in watched.seen if verb == "SELECT" and not inside]
    assert len(reads_outside) > 5
    # The record and its event, both or neither; the session is saved by itself.
    assert sum(inside for verb, inside in watched.seen if verb in WRITES) >= 2


def test_screens_that_save_so_have_nothing_else_to_save() -> None:
    screens = [s for s in admin.site._registry.values() if isinstance(s, SavesByOneOperation)]
    assert len(screens) == 4
    assert not any(screen.inlines for screen in screens)
