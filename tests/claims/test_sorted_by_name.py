"""Lists and exports go by stage, owner and company as these are shown to whoever asks (14.3)."""

from __future__ import annotations

import re
from functools import cmp_to_key
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.access import permitted
from accounts.letters import in_order, knows_all_letters
from accounts.models import User
from exports.models import ExportRecord, ExportRequest
from records import by_name, filters
from records.models import Contact, Deal, Property
from records.models.properties import field_key
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, DealFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/records/deal/"
STAGE, COMPANY, OWNER = 4, 5, 6


def shown(client: Client, query: str) -> list[int]:
    page = client.get(f"{LIST}{query}").text
    return list(map(int, re.findall(r"/admin/records/deal/(\d+)/change/", page)))


def heads(page: str) -> set[int]:
    """Return the columns whose heads are links that sort."""
    return {int(each) for each in re.findall(r'href="\?[^"]*\bo=-?(\d+)[^"]*"', page)}


@pytest.fixture
def several(c: TinyCompany) -> list[Any]:
    """Deals of people and companies in all sorts of letters; Rita sees some of the companies."""
    own = [CompanyFactory(name=name, owner=c.rita) for name in ("Äpfel", "beta", "Zeta", "Alpha")]
    hidden = [CompanyFactory(name=name, owner=c.rob) for name in ("Aaa", "Mmm", "Zzz")]
    User.objects.filter(pk=c.nora.pk).update(first_name="", last_name="")  # known by her address
    User.objects.filter(pk=c.rita.pk).update(first_name="rita", last_name="Ünal")
    people = [c.rita, c.nora, None]
    stages = list(c.stages.values())
    for number, company in enumerate([*own, *hidden, None, None]):
        DealFactory(
            name=f"Deal {number}",
            owner=people[number % 3],
            stage=stages[number % len(stages)],
            company=company,
        )
    return hidden


def by(texts: dict[int, str | None], *, down: bool) -> list[str | None]:
    """Return texts in the order of lists: as letters go, and what is empty last."""
    filled = [text for text in texts.values() if text is not None]
    filled.sort(key=cmp_to_key(in_order), reverse=down)
    return [*filled, *(text for text in texts.values() if text is None)]


@pytest.mark.parametrize("down", [False, True])
def test_order_is_that_of_what_the_list_shows_with_nothing_last(
    c: TinyCompany, client: Client, several: list[Any], down: bool
) -> None:
    client.force_login(c.rita)
    rita = c.fresh("rita")
    deals = Deal.objects.select_related("owner", "company", "stage__pipeline").in_bulk()
    sees = set(
        permitted(Deal._meta.get_field("company").related_model.objects, rita, "view").values_list(  # type: ignore[union-attr]
            "pk", flat=True
        )
    )
    sign = "-" if down else ""
    companies = {
        pk: deals[pk].company.name if deals[pk].company_id in sees else None
        for pk in shown(client, f"?o={sign}{COMPANY}")
    }
    owners = {
        pk: deals[pk].owner.get_full_name() if deals[pk].owner else None
        for pk in shown(client, f"?o={sign}{OWNER}")
    }
    assert companies.keys() == owners.keys()
    assert len(companies) > len(several) + 4
    assert {None, "Äpfel"} <= set(companies.values())
    assert not {each.name for each in several} & set(companies.values())
    if knows_all_letters(connection):
        assert list(companies.values()) == by(companies, down=down)
        assert list(owners.values()) == by(owners, down=down)
    places = [
        (deals[pk].stage.pipeline.name, deals[pk].stage.position)
        for pk in shown(client, f"?o={sign}{STAGE}")
    ]
    assert places == sorted(places, reverse=down)
    assert len(set(places)) > 2


def test_company_out_of_sight_has_no_place(
    c: TinyCompany, client: Client, several: list[Any]
) -> None:
    """Whatever it is called, and whether two deals have the same one, the list stays as it is."""
    client.force_login(c.rita)
    before = {each: shown(client, f"?o={each}") for each in ("5", "-5", "5.1", "-5.-1")}
    deal = Deal.objects.get(company=several[0])
    for name in ("Zzzz", "0", "Beta"):
        type(several[0]).objects.filter(pk=several[0].pk).update(name=name)
        assert {each: shown(client, f"?o={each}") for each in before} == before, name
    Deal.objects.filter(pk=deal.pk).update(company=several[2])
    assert {each: shown(client, f"?o={each}") for each in before} == before
    Deal.objects.filter(pk=deal.pk).update(company=None)
    assert {each: shown(client, f"?o={each}") for each in before} == before
    # Negative control: in sight it has one.
    client.force_login(c.sam)
    Deal.objects.filter(pk=deal.pk).update(company=several[0])
    first = shown(client, "?o=5")
    type(several[0]).objects.filter(pk=several[0].pk).update(name="zzzzz")
    assert shown(client, "?o=5") != first


def test_list_that_is_too_long_says_why_and_follows_no_such_order(
    c: TinyCompany, client: Client, several: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(c.rita)
    assert {STAGE, COMPANY, OWNER} <= heads(client.get(LIST).text)
    count = len(shown(client, "?o=6"))
    monkeypatch.setattr("records.screens.ordered.MOST_SORTED", count - 1)
    page = client.get(f"{LIST}?whole=yes").text
    assert not {STAGE, COMPANY, OWNER} & heads(page)
    assert page.count(f"once the list has {count - 1} records or fewer") == 6  # seen and read out
    for asked, rest in (("?o=6", "?whole=yes"), ("?o=-5.3.4", "?o=3"), ("?o=6&q=Deal", "?q=Deal")):
        answer = client.get(LIST + asked)
        if "q=" in asked:
            assert answer.status_code == 200  # what it narrows to is short enough
            continue
        assert answer["Location"] == LIST + rest, asked
        assert "not sorted by stage, owner or another name" in client.get(LIST + rest).text
    assert len(shown(client, f"?owner={c.rita.pk}&o=6")) < count
    assert {STAGE, COMPANY, OWNER} <= heads(client.get(f"{LIST}?owner={c.rita.pk}").text)


def test_export_has_the_order_of_the_list_and_reads_what_it_goes_by(
    c: TinyCompany, client: Client, several: list[Any], tmp_path: Path, settings: Settings
) -> None:
    settings.EXPORT_ROOT = tmp_path
    client.force_login(c.rita)
    for order, name in ((COMPANY, "company"), (OWNER, "owner"), (STAGE, "stage")):
        for sign in ("", "-"):
            page = client.get(f"{LIST}?o={sign}{order}").text
            assert f"/new/deal/?o={sign}{order}" in page
            answer = client.post(
                f"/admin/exports/exportrequest/new/deal/?o={sign}{order}",
                {"step": "columns", "columns": ["id"]},
            )
            assert answer.status_code == 302
            export = ExportRequest.objects.latest("pk")
            assert export.query == f"o={sign}{name}"
            frozen = ExportRecord.objects.filter(export=export).order_by("position")
            # Where several have one name, a list is in its own order and a file in that of keys.
            values = dict(Deal.objects.values_list("pk", f"{name}_id"))
            listed = shown(client, f"?o={sign}{order}")
            seen = set(
                permitted(type(several[0]).objects, c.fresh("rita"), "view").values_list(
                    "pk", flat=True
                )
            )
            if name == "company":
                values = {pk: key if key in seen else None for pk, key in values.items()}
            keys = list(frozen.values_list("record_id", flat=True))
            assert sorted(keys) == sorted(listed)
            assert [values[key] for key in keys] == [values[key] for key in listed], (sign, name)
    assert field_key("company", "name") in filters.reads_asked_for(Deal, "o=-company")
    assert field_key("deal", "company") in filters.reads_asked_for(Deal, "o=-company")
    assert field_key("company", "name") not in filters.reads_asked_for(Deal, "o=amount")


def test_field_that_one_may_not_read_sorts_nothing(
    c: TinyCompany, client: Client, several: list[Any]
) -> None:
    client.force_login(c.rita)
    assert by_name.columns_of(Deal) == ("stage", "company", "owner")
    assert by_name.columns_of(Contact) == ("company", "owner")
    filters.canonical(Deal, "o=company", user=c.fresh("rita"))
    Property.objects.create(object="deal", name="company", access="super_admins")
    with pytest.raises(filters.BadQuery):
        filters.canonical(Deal, "o=company", user=c.fresh("rita"))
    filters.canonical(Deal, "o=company", user=c.fresh("sam"))
    page = client.get(LIST).text
    assert "Company" not in page[page.index("<thead") : page.index("</thead")]
    for wrong in ("o=contact", "o=company__name", "o=created_by", "o=pipeline"):
        with pytest.raises(filters.BadQuery):
            filters.canonical(Deal, wrong, user=c.fresh("sam"))


def test_it_costs_the_same_for_many_rows(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)

    def statements(order: int) -> int:
        client.get(f"{LIST}?o={order}")
        with CaptureQueriesContext(connection) as captured:
            client.get(f"{LIST}?o={order}")
        return len(captured)

    orders = (STAGE, COMPANY, OWNER)
    DealFactory(owner=c.rita, stage=c.stages["open"], company=CompanyFactory(owner=c.rita))
    few = [statements(order) for order in orders]
    for _ in range(30):
        DealFactory(owner=c.rita, stage=c.stages["open"], company=CompanyFactory(owner=c.rita))
    assert [statements(order) for order in orders] == few
