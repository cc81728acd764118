"""The figures of the first page: each is what its list shows, of what its reader may see."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import audit
from accounts.models import User
from crmperms import figures
from exports.models import ExportRequest
from records import kinds
from records.models import Deal, Property, ScreenLimit, Stage
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, pending
from tests.support.factories import DealFactory, SetFactory, StageFactory, UserFactory

pytestmark = pytest.mark.django_db
CHART = "unfold/js/chart/chart.js"


def home_of(person: User) -> Any:
    client = Client()
    client.force_login(person)
    return client.get("/admin/")


def figures_of(answer: Any) -> list[tuple[str, str, str, str]]:
    """Return every figure with a list behind it: chart, row, number, address."""
    found = [
        (chart.title, label, cell.text, cell.address)
        for chart in answer.context["charts"]
        for label, cells in chart.rows
        for cell in cells
        if cell.address
    ]
    found += [
        (each["title"], "", str(each["count"]), each["address"])
        for each in answer.context["closing"]
    ]
    return found + [
        ("people", label, cell.text, cell.address)
        for label, cell in answer.context["people_lacking"]
    ]


def busy(c: TinyCompany) -> None:
    """Requests that wait, are delivered and are refused, and deals that close this month."""
    today = timezone.localdate()
    DealFactory(name="Mine too", owner=c.rita, stage=c.stages["open"], closed=today)
    won = StageFactory(pipeline=c.pipeline, name="Signed", outcome=Stage.Outcome.WON)
    DealFactory(name="Won", owner=c.rita, stage=won, closed=today)
    DealFactory(name="Rob's", owner=c.rob, stage=c.stages["open"], closed=today)
    completed(c.rita)
    late = pending(c.rita, c.mona)
    day = timezone.now() - timedelta(days=8)
    ExportRequest.objects.filter(pk=late.pk).update(requested_at=day, has_sensitive=True)
    pending(c.rita, c.mona)
    audit.record_refusal("deal.change", actor=c.rob, code="out_of_reach", on=c.deals["ritas"])
    UserFactory(email="none@example.com", permission_set=None, last_login=None)


@pytest.mark.parametrize("name", ["sam", "rita", "mona", "otto", "ella"])
def test_each_figure_is_what_its_list_shows(c: TinyCompany, name: str) -> None:
    busy(c)
    person = c.fresh(name)
    answer = home_of(person)
    client = Client()
    client.force_login(person)
    found = figures_of(answer)
    for title, label, number, address in found:
        listed = client.get(address)
        assert listed.status_code == 200, (title, label, address)
        if "records" not in title.lower() and "Sensitive data out" not in title:
            assert str(listed.context["cl"].result_count) == number, (title, label, address)
    told = {title for title, *_ in found}
    expected = {
        "sam": {"Exports by week", "Refusals by week", "people"},
        "rita": {"My open deals by stage", "My deals closing this month"},
        "mona": {"Waiting export requests by age"},
        "otto": {"Exports by week", "Refusals by week"},
        "ella": set(),
    }
    assert expected[name] <= told, told


def test_who_is_to_see_no_records_is_sent_to_no_super_admin(c: TinyCompany) -> None:
    """Otto reads the logs and the exports; a permission set without anything helps nobody."""
    nobody = UserFactory(email="no@example.com", permission_set=SetFactory(name="Nothing"))
    for person, is_sent in ((c.fresh("otto"), False), (nobody, True)):
        text = home_of(person).text
        assert "Your permissions show you no records." in text
        assert ("A super admin can give you" in text) == is_sent
        assert ("What they do show is in the menu." in text) != is_sent


def test_figures_hold_nothing_out_of_sight(c: TinyCompany) -> None:
    """Rita sees of deals her team's alone, and counts her own; the logs are not hers to count."""
    busy(c)
    before = home_of(c.fresh("rita"))
    [chart] = before.context["charts"]
    assert chart.title == "My open deals by stage"
    assert [(label, cells[0].text) for label, cells in chart.rows] == [
        ("Renewals: Vault", "1"),
        ("Sales: Open", "3"),
        ("Sales: Chosen", "1"),
    ]
    [soon] = before.context["closing"]
    assert [row["name"] for row in soon["rows"]] == ["Mine too"]
    for stage in (c.stages["open"], c.stages["vault"]):
        DealFactory(owner=c.rob, stage=stage, closed=timezone.localdate())
    stored = c.deals["chosen"]
    Stage.objects.filter(pk=stored.stage_id).update(outcome=Stage.Outcome.WON)
    [chart] = home_of(c.fresh("rita")).context["charts"]
    assert [cells[0].text for _, cells in chart.rows] == ["1", "3"]


def test_open_deals_are_worth_the_sum_of_those_that_are_counted(
    c: TinyCompany, settings: Settings
) -> None:
    """In the table and where one points at a bar; of no field that its reader may not sum up."""
    settings.CURRENCY = "EUR"
    Deal.objects.all().update(amount=None)
    Deal.objects.filter(pk=c.deals["chosen"].pk).update(amount="1234.50")
    for amount in ("1000", "0.25", None):
        DealFactory(owner=c.rita, stage=c.stages["open"], amount=amount)
    DealFactory(owner=c.rob, stage=c.stages["open"], amount="500000")
    deals = Deal.objects.filter(deleted_at=None)

    def worth(person: User) -> dict[str, str]:
        chart = home_of(person).context["charts"][0]
        return {label: cells[1].text for label, cells in chart.rows if len(cells) > 1}

    answer = home_of(c.fresh("rita"))
    assert worth(c.fresh("rita")) == {
        "Renewals: Vault": "–",
        "Sales: Open": "1,000.25 EUR",
        "Sales: Chosen": "1,234.50 EUR",
    }
    [chart] = answer.context["charts"]
    assert chart.heads == ["Deals", "Amount"]
    assert "500,000" not in answer.text
    assert "1,000.25 EUR" in chart.data
    assert deals.filter(owner=c.rita, stage=c.stages["open"]).count() == 4
    for said in (
        {"access": "super_admins"},
        {"access": "everyone_edit", "sensitive": True, "highly_sensitive": True},
    ):
        Property.objects.update_or_create(object="deal", name="amount", defaults=said)
        page = home_of(c.fresh("rita"))
        assert worth(c.fresh("rita")) == {}
        assert page.context["charts"][0].heads == ["Deals"]
        assert "1,000.25" not in page.text
    # A sensitive one is summed up while nobody's screens are counted, and not once they are.
    Property.objects.filter(name="amount").update(highly_sensitive=False)
    assert worth(c.fresh("rita"))["Sales: Open"] == "1,000.25 EUR"
    ScreenLimit.objects.update_or_create(pk=1, defaults={"values_a_day": 50})
    assert worth(c.fresh("rita")) == {}


def test_figure_needs_the_filters_of_its_list(c: TinyCompany) -> None:
    """What a person may not narrow a list by is not counted for them either."""
    kind = kinds.of(Deal)
    assert figures._own(c.fresh("rita"), kind, "amount_min") is not None
    Property.objects.create(object="deal", name="amount", access="super_admins")
    assert figures._own(c.fresh("rita"), kind, "amount_min") is None
    assert figures._own(c.fresh("sam"), kind, "amount_min") is not None
    assert figures._own(c.fresh("nils"), kind) is None


def test_library_of_charts_is_loaded_where_a_chart_is(c: TinyCompany) -> None:
    """200 kB: the first page of whoever has none, and every other page, are without."""
    client = Client()
    client.force_login(c.rita)
    assert CHART in client.get("/admin/").text
    assert CHART not in client.get("/admin/records/deal/").text
    client.force_login(c.ruth)
    assert CHART not in client.get("/admin/").text


@pytest.mark.parametrize("name", ["sam", "rita", "mona"])
def test_figures_cost_the_same_for_many_rows(c: TinyCompany, name: str) -> None:
    busy(c)
    person = c.fresh(name)

    def statements() -> int:
        home_of(person)
        with CaptureQueriesContext(connection) as captured:
            home_of(person)
        return len(captured)

    def more(number: int) -> None:
        for _ in range(number):
            DealFactory(owner=c.people[name], stage=c.stages["open"], closed=timezone.localdate())
            pending(c.rob, c.mona)

    more(figures.MOST_CLOSING + 1)  # from there on they are counted as well
    few = statements()
    more(9)
    assert statements() == few
