"""A day that becomes a moment: no gap, no overlap, and no day that breaks a page.

In every time zone, and on both databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from accounts import clock, days
from accounts.models import AuditEvent, User
from exports.models import ExportRequest
from records import filters
from records.models import SHARES, Contact, Deal, Level
from records.operations import Invalid, sharing
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import DealFactory

DealTeamShare = SHARES["deal"][1]

DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)

# Where the clock is changed in an unusual way, and round which day.
CHANGES = {
    "Africa/Cairo": ("2026-10-29", "2026-04-24"),  # 24:00 is 23:00 again; 00:00 is left out
    "Asia/Beirut": ("2026-10-24", "2026-03-29"),
    "America/Santiago": ("2026-04-04", "2026-09-06"),
    "America/Havana": ("2026-11-01", "2026-03-08"),  # 00:00 comes twice; it is left out
    "America/St_Johns": ("2010-11-07",),  # 00:01 is 23:01 again: two days change places
    "America/Toronto": ("1919-03-31",),  # 23:30 is 00:30
    "Pacific/Apia": ("2011-12-30",),  # a day that never was
    "America/New_York": ("2026-11-01",),
    "UTC": ("1900-01-02", "2999-12-29"),
}


@pytest.mark.parametrize("zone", CHANGES)
def test_no_moment_lies_between_two_days_or_in_both(zone: str) -> None:
    with timezone.override(zone):
        for written in CHANGES[zone]:
            middle = date.fromisoformat(written)
            for day in (middle - DAY, middle, middle + DAY):
                first, after = days.first_moment(day), days.moment_after(day)
                assert after == days.first_moment(day + DAY)
                assert timezone.localdate(first) >= day, "it has begun"
                assert timezone.localdate(first - MICROSECOND) < day, "and not before"
                left_out = (zone, day) == ("Pacific/Apia", date(2011, 12, 30))
                assert (first == after) is left_out


def test_a_days_end_is_named_by_the_day() -> None:
    with timezone.override("Africa/Cairo"):
        end = days.moment_after(date(2026, 10, 29))
        assert end == datetime(2026, 10, 29, 22, tzinfo=UTC)
        assert days.last_day_before(end) == date(2026, 10, 29)
        assert days.last_day_before(end - MICROSECOND) is None
        assert days.last_day_before(days.moment_after(days.LAST_DAY)) == days.LAST_DAY


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_far_days_are_refused_in_words(zone: str) -> None:
    with timezone.override(zone):
        for far in (date.min, date(1899, 12, 31), date(3000, 1, 1), date.max):
            with pytest.raises(ValidationError, match="from 1 January 1900 to 31 December 2999"):
                days.first_moment(far)
            with pytest.raises(ValidationError, match="Choose a day"):
                days.moment_after(far)


# --- Where days are typed -------------------------------------------------------------------------


@pytest.fixture(params=["America/New_York", "Pacific/Auckland"])
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with timezone.override(request.param):
        yield request.param


@pytest.mark.parametrize("kind", ["created", "logged", "requested"])
def test_an_hour_that_comes_twice_is_of_its_day(c: TinyCompany, kind: str) -> None:
    client = Client()
    client.force_login(c.sam)
    at = datetime(2026, 10, 29, 21, 30, tzinfo=UTC)  # 23:30 in Cairo, the second time

    def found(day: str) -> bool:
        if kind == "created":
            data = QueryDict(f"created_at_after={day}&created_at_before={day}")
            rows = Contact.objects.filter(last_name="Night")
            return filters.narrowed(rows, data, user=c.sam).exists()
        if kind == "logged":
            page = client.get(f"/admin/accounts/auditevent/?at_after={day}&at_before={day}")
        else:
            page = client.get(
                f"/admin/exports/exportrequest/?requested_after={day}&requested_before={day}"
            )
        return page.context["cl"].result_count == 1

    if kind == "created":
        Contact.objects.create(last_name="Night", created_at=at)
    elif kind == "logged":
        AuditEvent.objects.create(
            at=at, system="test", action="deal.change", result="done", hash_version=0
        )
    else:
        export = pending(c.rita, c.axel)
        ExportRequest.objects.filter(pk=export.pk).update(requested_at=at)
    with timezone.override("Africa/Cairo"):
        assert [found(f"2026-10-{day}") for day in (28, 29, 30)] == [False, True, False]


FAR = ("0001-01-01", "1899-12-31", "3000-01-01", "9999-12-31")


def test_lists_say_which_days_they_take(c: TinyCompany, zone: str) -> None:
    client = Client()
    client.force_login(c.sam)
    lists = {
        "/admin/records/deal/": ("created_at_after", "created_at_before", "closed_before"),
        "/admin/accounts/auditevent/": ("at_after", "at_before"),
        "/admin/exports/exportrequest/": ("requested_after", "requested_before"),
    }
    for address, parameters in lists.items():
        for parameter in parameters:
            for day in (FAR[0], FAR[-1]):
                page = client.get(address, {parameter: day})
                assert page.status_code == 200
                assert "Choose a day from 1 January 1900 to 31 December 2999." in page.text
            assert client.get(address, {parameter: "2026-01-01"}).status_code == 200
    page = client.get("/admin/records/deal/", {"closed_after": "tomorrow"})
    assert "Closed: Write the day as 2026-12-31." in page.text


def test_a_share_ends_with_its_last_day_or_is_refused(c: TinyCompany, zone: str) -> None:
    client, deal = Client(), c.deals["ritas"]
    client.force_login(c.rita)
    page = f"/admin/records/deal/{deal.pk}"
    wanted = {"teams": c.teams["south"].pk, "level": "view"}
    for day in FAR:
        answer = client.post(f"{page}/share/", {**wanted, "last_day": day})
        assert "Choose a day from 1 January 1900 to 31 December 2999." in answer.text
    assert not DealTeamShare.objects.exists()
    assert client.post(f"{page}/share/", {**wanted, "last_day": "2999-12-31"}).status_code == 302
    shared = DealTeamShare.objects.get()
    assert shared.until == days.moment_after(date(2999, 12, 31))
    for address in (f"{page}/change/", "/admin/shared/"):
        assert "until the end of 31 Dec 2999" in client.get(address).text
    today = timezone.localdate(clock.database_now())
    client.post(f"{page}/share/", {**wanted, "last_day": today.isoformat()})
    assert DealTeamShare.objects.get().until == days.moment_after(today)


@pytest.mark.parametrize("language", ["en-gb", "de"])
def test_a_day_is_picked_in_the_same_way_on_every_page(c: TinyCompany, language: str) -> None:
    """By the browser, which needs no script for it, and takes a day in one form alone."""
    User.objects.filter(pk=c.rita.pk).update(language=language)
    deal, client = c.deals["ritas"], Client()
    Deal.objects.filter(pk=deal.pk).update(opened=date(2026, 2, 1), closed=date(999, 12, 31))
    client.force_login(c.rita)
    page = client.get(f"/admin/records/deal/{deal.pk}/change/").text
    assert '<input type="date" name="opened" value="2026-02-01"' in page
    assert '<input type="date" name="closed" value="0999-12-31"' in page
    share = client.get(f"/admin/records/deal/{deal.pk}/share/").text
    assert '<input type="date" name="last_day"' in share
    some = client.get("/admin/records/deal/?closed_after=2026-02-01").text
    assert '<input type="date" name="closed_after" value="2026-02-01"' in some
    assert not [each for each in (page, share, some) if "vDateField" in each]


def test_a_command_cannot_store_an_end_that_breaks_pages(c: TinyCompany, zone: str) -> None:
    deal, latest = c.deals["ritas"], days.moment_after(days.LAST_DAY)
    for until in (datetime.max.replace(tzinfo=timezone.get_current_timezone()), latest + DAY):
        with pytest.raises(Invalid, match="after the year 2999"):
            sharing.share(deal, actor=c.rita, team=c.teams["south"], level=Level.VIEW, until=until)
    sharing.share(deal, actor=c.rita, team=c.teams["south"], level=Level.VIEW, until=latest)


def test_an_end_that_was_stored_before_is_mended(c: TinyCompany) -> None:
    sharing.share(c.deals["ritas"], actor=c.rita, team=c.teams["south"], level=Level.VIEW)
    stored = "10000-01-01 04:59:59+00" if connection.vendor == "postgresql" else "9999-12-31"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE records_dealteamshare SET until = %s", [stored])
    import_module("records.migrations.0006_far_ends_of_shares").bring_near(apps, None)
    assert DealTeamShare.objects.get().until == datetime(3000, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("far", [date.min, date.max])
def test_days_that_stay_days_may_be_far(c: TinyCompany, zone: str, far: date) -> None:
    """A date column holds every day; no page of its record makes a moment of it."""
    deal = DealFactory(owner=c.rita, name="Far", opened=far, closed=far)
    client = Client()
    client.force_login(c.sam)
    for address in (f"/admin/records/deal/{deal.pk}/change/", "/admin/records/deal/?o=-5"):
        assert client.get(address).status_code == 200
    assert Deal.objects.get(pk=deal.pk).closed == far
