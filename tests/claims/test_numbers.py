"""Numbers are read as they are shown, or refused in words; and a year is written as a year."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.audit import record
from accounts.numbers import ungrouped
from accounts.table_rows import Broken, Row
from exports.models import ExportPolicy
from records.models import Company, Deal
from records.operations import restrict_property
from tests.claims.test_screens import form_of, page
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending

AMBIGUOUS = "This number can be read in two ways. Write thousands with commas or without"


def test_what_a_list_shows_is_read_and_what_means_two_things_is_not() -> None:
    for typed, number in {
        "166,650.00": "166650.00",
        "1,500": "1500",
        "-1,234,567.8": "-1234567.8",
        "166 650.00": "166650.00",
        "166\u202f650.00": "166650.00",
        "1\u00a0234\u00a0567": "1234567",
        "1\u2009234": "1234",
        "1’234.5": "1234.5",
        "\u22125": "-5",
        " 0.125 ": "0.125",
        "12.50": "12.50",
        "1e3": "1e3",
        "abc, def": "abc, def",
    }.items():
        assert ungrouped(typed) == number, typed
    for typed in ("1,5", "1.234,50", "1.500", "12,34,567", "1,234 567", "1234,567", ",5", "1,"):
        with pytest.raises(ValidationError, match=AMBIGUOUS):
            ungrouped(typed)


def test_forms_of_records_read_what_lists_show(c: TinyCompany) -> None:
    client, deal = Client(), c.deals["ritas"]
    client.force_login(c.sam)
    Deal.objects.filter(pk=deal.pk).update(amount=Decimal("166650.00"))
    drawn = client.get(page(deal)).text
    assert 'value="166650.00"' in drawn
    assert 'type="number"' not in drawn
    for typed, stored in (("1,234.50", "1234.50"), ("166\u202f650", "166650.00")):
        assert client.post(page(deal), form_of(deal, amount=typed)).status_code == 302
        deal.refresh_from_db()
        assert str(deal.amount) == stored
    for typed in ("1,5", "1.500"):
        refused = client.post(page(deal), form_of(deal, amount=typed))
        assert AMBIGUOUS in refused.text
        assert f'value="{typed}"' in refused.text
    deal.refresh_from_db()
    assert str(deal.amount) == "166650.00"


def test_filters_read_what_lists_show_and_name_what_they_do_not(c: TinyCompany) -> None:
    client, deal = Client(), c.deals["ritas"]
    client.force_login(c.sam)
    Deal.objects.filter(pk=deal.pk).update(amount=Decimal("166650.00"))
    found = client.get("/admin/records/deal/", {"amount_min": "166,650.00"})
    assert [each.pk for each in found.context["cl"].result_list] == [deal.pk]
    refused = client.get("/admin/records/deal/", {"amount_min": "166.650,00"})
    assert f"Amount: {AMBIGUOUS}" in refused.text
    assert refused.context["cl"].result_count == 0


def test_tables_that_are_imported_may_have_them_too() -> None:
    row = Row("accounts.csv", 2, {"revenue": "1,100.04", "employees": "2 822", "founded": "1,5"})
    assert row.number("revenue") == Decimal("1100.04")
    assert row.whole("employees", 9999) == 2822
    for read in (row.number, lambda column: row.whole(column, 9999)):
        with pytest.raises(Broken, match="write it like"):
            read("founded")


def test_limits_and_conditions_read_what_pages_show(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.sam)
    values = {
        "threshold": "1,000",
        "daily_records": "2 000",
        "weekly_records": "",
        "second_person_above": "",
        "lapse_days": "14",
        "file_days": "7",
        "most_downloads": "10",
    }
    policy = "/admin/exports/exportpolicy/1/change/"
    posted = {**values, "record_version": ExportPolicy.objects.get().version}
    assert AMBIGUOUS in client.post(policy, {**posted, "threshold": "1.000"}).text
    assert client.post(policy, posted).status_code == 302
    now = ExportPolicy.objects.get()
    assert (now.threshold, now.daily_records) == (1000, 2000)

    export = pending(c.rita, c.axel)
    type(export).objects.filter(pk=export.pk).update(record_count=5000)
    client.force_login(c.axel)
    answer = client.post(
        f"/admin/exports/exportrequest/{export.pk}/approve/",
        {"version": export.version, "most_records": "1,200"},
        follow=True,
    )
    export.refresh_from_db()
    assert export.conditions == {"most_records": 1200}, answer.text


def test_a_year_is_written_without_a_comma(c: TinyCompany) -> None:
    company = c.companies["acme"]
    page_of = f"/admin/records/company/{company.pk}/"
    Company.objects.filter(pk=company.pk).update(founded=2017, employees=3456)
    client = Client()
    client.force_login(c.sam)
    assert 'value="2017"' in client.get(f"{page_of}change/").text
    restrict_property(actor=c.sam, object="company", name="founded", access="everyone_view")
    client.force_login(c.rita)
    shown = client.get(f"{page_of}change/").text
    assert 'name="founded"' not in shown
    assert ("2017" in shown, "2,017" in shown) == (True, False)
    restrict_property(actor=c.sam, object="company", name="founded", highly_sensitive=True)
    revealed = client.post(f"{page_of}reveal/", {"field": "founded"}).text
    assert ("2017" in revealed, "2,017" in revealed) == (True, False)


def test_the_number_of_an_event_is_written_without_a_comma(c: TinyCompany) -> None:
    event = record("deal.change", actor=c.sam)
    client = Client()
    client.force_login(c.sam)
    shown = client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    assert (str(event.pk) in shown, f"{event.pk:,}" in shown) == (True, False)
