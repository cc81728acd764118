"""Each person reads in their own language and time zone, whoever wrote what they read."""

from __future__ import annotations

import itertools
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext
from pytest_django import Settings

from accounts import clock
from accounts.models import Notice, Outbox, User
from accounts.notices import notify
from accounts.numbers import NumberField
from exports import operations, worker
from exports.models import ExportRequest
from exports.screens import risk
from exports.screens.panel import told
from records import filters, query_words
from records.models import Contact, Deal, ScreenCount
from records.operations import restrict_property, screen_limit
from tests.support.company import TinyCompany
from tests.support.exports_kit import delivered_ids, frozen_ids, pending
from tests.support.factories import ContactFactory

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def reads(person: User, **chosen: str) -> User:
    """Let a person have chosen these settings of their own."""
    User.objects.filter(pk=person.pk).update(**chosen)
    return User.objects.get(pk=person.pk)


def test_each_is_told_in_their_own_language_and_zone(c: TinyCompany, settings: Settings) -> None:
    settings.MAIL_ENABLED = True
    people = [
        reads(c.rita, language="en-gb", time_zone="Asia/Tokyo"),
        reads(c.nora, language="de", time_zone="Europe/Berlin"),
        reads(c.mona, language="de", time_zone="Europe/Berlin"),
        reads(c.rob),  # chose nothing: as the installation speaks
    ]
    asked = []

    def text() -> str:
        asked.append(translation.get_language())
        moment = date_format(timezone.localtime(NOON), "LONG_MOMENT_FORMAT")
        return f"{gettext('Monday')}, {moment}"

    with (
        translation.override("de"),
        CaptureQueriesContext(
            connection,
        ) as few,
    ):
        notify(people[:1], text, subject=text)
    with translation.override("de"), CaptureQueriesContext(connection) as many:
        notify(people, text, subject=text)
    assert len(few) == len(many)
    # Once for each language and zone, of the notice and of its e-mail.
    assert asked[2:] == ["en-gb", "en-gb", "de", "de", "en-gb", "en-gb"]
    told = {
        "rita": "Monday, 1 July 2026, 21:00 JST",
        "nora": "Montag, 1. Juli 2026, 14:00 CEST",
        "mona": "Montag, 1. Juli 2026, 14:00 CEST",
        "rob": "Monday, 1 July 2026, 12:00 UTC",
    }
    for name, said in told.items():
        assert Notice.objects.filter(user=c.people[name]).latest("id").text == said
        assert Outbox.objects.filter(notice__user=c.people[name]).latest("id").subject == said


def test_a_language_or_zone_that_is_gone_is_as_none(c: TinyCompany) -> None:
    rita = reads(c.rita, language="tlh", time_zone="Asia/Nowhere")
    notify([rita], lambda: f"{gettext('Monday')} {timezone.get_current_timezone_name()}")
    assert Notice.objects.get(user=rita).text == "Monday UTC"


# --- Each request ---------------------------------------------------------------------------------

HOME = "/admin/"


def logged_in(person: User, **headers: str) -> Client:
    client = Client(headers=headers)
    client.force_login(person)
    return client


def language_of(answer: HttpResponse) -> str:
    """Return the language that an answer is in, by what it says of itself and of its page."""
    found = re.search(r'<html lang="([^"]*)"', answer.text)
    assert found is not None
    assert answer.headers["Content-Language"] == found[1]
    assert "Accept-Language" in answer.headers["Vary"]
    return found[1]


@pytest.mark.parametrize(
    ("own", "browser", "installation", "spoken"),
    [
        ("", "", "en-gb", "en-gb"),
        ("", "", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.5", "en-gb", "de"),
        ("", "en-US,en;q=0.9,de;q=0.5", "de", "en-gb"),
        ("", "fr,*;q=0.1", "de", "de"),
        ("", "fr;q=x,,;", "en-gb", "en-gb"),
        ("de", "en-GB", "en-gb", "de"),
        ("en-gb", "de", "de", "en-gb"),
        ("xx", "de", "en-gb", "de"),
    ],
)
def test_own_language_comes_before_the_browsers_and_that_before_ours(
    c: TinyCompany, settings: Settings, own: str, browser: str, installation: str, spoken: str
) -> None:
    settings.LANGUAGE_CODE = installation
    asks = {"Accept-Language": browser} if browser else {}
    assert language_of(logged_in(reads(c.rita, language=own), **asks).get(HOME)) == spoken
    # Whoever is not logged in has chosen nothing.
    visitor = language_of(Client(headers=asks).get("/admin/login/"))
    assert visitor == (spoken if own in ("", "xx") else language_of_browser(browser))


def language_of_browser(browser: str) -> str:
    return {"en-GB": "en-gb", "de": "de"}[browser]


def test_one_thread_answers_each_in_their_own_language(c: TinyCompany) -> None:
    people = [logged_in(reads(c.rita, language="de", time_zone="Asia/Tokyo")), logged_in(c.nora)]
    for _ in range(2):
        assert [language_of(each.get(HOME)) for each in people] == ["de", "en-gb"]
        # Nothing of them is left for whatever the thread does next.
        assert translation.get_language() == "en-gb"
        assert timezone.get_current_timezone_name() == "UTC"


def test_a_language_costs_no_query(c: TinyCompany) -> None:
    counts = []
    for chosen in ({}, {"language": "de", "time_zone": "Asia/Tokyo"}):
        client = logged_in(reads(c.rita, **chosen))
        client.get(HOME)
        with CaptureQueriesContext(connection) as queries:
            client.get(HOME)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_file_is_of_no_language(c: TinyCompany, client: Client) -> None:
    answer = client.get("/static/crmperms.css")
    assert answer.status_code == 200
    assert "Content-Language" not in answer.headers
    assert "Accept-Language" not in answer.headers.get("Vary", "")


# --- A zone of one's own is no way around a limit -------------------------------------------------


def another_day() -> str:
    """Return a time zone in which it is another day now than it is in UTC."""
    day = timezone.localdate()
    zones = ("Pacific/Kiritimati", "Pacific/Niue")
    return next(zone for zone in zones if timezone.localdate(timezone=ZoneInfo(zone)) != day)


def test_another_zone_is_no_second_day_of_sensitive_values(c: TinyCompany) -> None:
    ContactFactory.create_batch(5)
    Contact.objects.update(owner=c.rita, phone="+49 30 7")
    restrict_property(actor=c.sam, object="contact", name="phone", sensitive=True)
    now = screen_limit.current()
    screen_limit.set_screen_limit(actor=c.sam, values_a_day=3, version=now.version)

    def phones_shown(person: User) -> int:
        return logged_in(person).get("/admin/records/contact/").text.count("+49 30 7")

    assert phones_shown(c.rita) == 3
    assert phones_shown(reads(c.rita, time_zone=another_day())) == 0
    with timezone.override(another_day()):
        assert screen_limit.is_used_up(c.rita, 3)
        assert screen_limit.show(c.rita, ["phone"], 3).keys == frozenset()
        assert [row.user_id for row in screen_limit.seen_today(10)] == [c.rita.pk]
    # A new day of the installation is one in every zone.
    ScreenCount.objects.update(day=timezone.localdate() - timedelta(days=3))
    assert phones_shown(c.fresh("rita")) == 3


def test_another_zone_does_not_move_who_stands_in(c: TinyCompany) -> None:
    today = clock.database_today()
    with timezone.override(another_day()):
        assert clock.database_today() == today
        operations.arrange_delegate(actor=c.axel, delegate=c.mona, first_day=today, last_day=today)
        export = pending(c.rita, c.axel)
        assert c.mona in export.notified.all()
        assert told(export) == ["Axel (away; Mona stands in)", "Mona"]


def test_office_hours_are_the_installations(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    ExportRequest.objects.filter(pk=export.pk).update(
        requested_at=datetime(2026, 3, 4, 14, 15, tzinfo=UTC)
    )
    export.refresh_from_db()
    for zone in ("UTC", "Asia/Tokyo"):
        with timezone.override(zone):
            card = {each.code: each for each in risk.figures(export, c.axel)}
        assert (card["time"].value, card["time"].unusual) == ("Wednesday 14:15", False)
        assert "(UTC)" in card["time"].detail


# --- What is asked for means the same to everybody ------------------------------------------------


def test_days_of_a_filter_stay_those_of_whoever_asked(c: TinyCompany) -> None:
    """Of two deals around midnight in Tokyo, a request of a day there has the one of that day."""
    Deal.objects.all().update(owner=c.rita, stage=c.stages["open"])
    Deal.objects.update(created_at=datetime(2026, 6, 1, tzinfo=UTC))
    before, after = Deal.objects.order_by("pk")[:2]
    for deal, hour in ((before, 14), (after, 16)):
        moment = datetime(2026, 6, 30, hour, tzinfo=UTC)  # 23:00 there, and 01:00 on the next day
        Deal.objects.filter(pk=deal.pk).update(created_at=moment)
    typed = "created_at_after=30.06.2026&created_at_before=30/06/2026"
    with timezone.override("Asia/Tokyo"), translation.override("de"):
        assert list(filters.narrowed(Deal.objects.all(), typed, user=c.rita)) == [before]
        export = pending(c.rita, c.axel, query=typed)
    stored = "created_at_after=2026-06-30&created_at_before=2026-06-30&zone=Asia%2FTokyo"
    assert export.query == stored
    assert frozen_ids(export) == [before.pk]
    for zone, said in (
        ("UTC", "2026-06-30 – 2026-06-30 (Asia/Tokyo)"),
        ("Asia/Tokyo", "2026-06-30 – 2026-06-30"),
    ):
        with timezone.override(zone):
            assert filters.canonical(Deal, stored, user=c.rita) == stored
            assert list(filters.narrowed(Deal.objects.all(), stored, user=c.rita)) == [before]
            assert dict(query_words.described(Deal, stored, user=c.axel))["Created"] == said
    # Days without a zone are the installation's, which a reader elsewhere is told.
    plain = filters.canonical(Deal, typed, user=c.rita)
    assert "zone" not in plain
    with timezone.override("Asia/Tokyo"):
        assert dict(query_words.described(Deal, plain, user=c.axel))["Created"].endswith(" (UTC)")
    operations.approve(export, actor=c.axel, version=export.version)
    worker.run_once()
    assert delivered_ids(export) == {before.pk}


def test_days_of_the_installation_stay_so_for_who_reads_in_another_zone(c: TinyCompany) -> None:
    """What is frozen, and what the approver reads, is of the days that were asked for."""
    Deal.objects.all().update(owner=c.rita, stage=c.stages["open"])
    Deal.objects.update(created_at=datetime(2026, 6, 1, tzinfo=UTC))
    late = Deal.objects.order_by("pk")[0]
    moment = datetime(2026, 6, 30, 16, tzinfo=UTC)  # 01:00 on the next day, in Tokyo
    Deal.objects.filter(pk=late.pk).update(created_at=moment)
    asked = "created_at_after=2026-06-30&created_at_before=2026-06-30&zone=UTC"
    with timezone.override("Asia/Tokyo"):
        assert list(filters.narrowed(Deal.objects.all(), asked, user=c.rita)) == [late]
        assert filters.canonical(Deal, asked, user=c.rita) == asked
        export = pending(c.rita, c.axel, query=asked)
    assert frozen_ids(export) == [late.pk]
    assert dict(query_words.described(Deal, export.query, user=c.axel))["Created"] == (
        "2026-06-30 – 2026-06-30"
    )


def test_a_query_names_no_zone_that_is_none(c: TinyCompany) -> None:
    days = "created_at_after=2026-06-30"
    for zone in ("Asia/Nowhere", "../etc/passwd", "posixrules"):
        with pytest.raises(filters.BadQuery):
            filters.canonical(Deal, f"{days}&zone={zone}", user=c.rita)
    assert filters.canonical(Deal, f"{days}&zone=UTC", user=c.rita) == days
    # Where no day is a moment, no zone matters.
    for query in ("o=name", "closed_after=2026-06-30"):
        assert filters.canonical(Deal, f"{query}&zone=Asia/Tokyo", user=c.rita) == query


def test_amounts_of_a_filter_stay_those_of_whoever_asked(c: TinyCompany) -> None:
    typed = "amount_max=1.500&amount_min=1,5"
    with translation.override("de"):
        stored = filters.canonical(Deal, typed, user=c.rita)
    assert stored == "amount_max=1500&amount_min=1.5"
    for language, said in (("de", "1,5 – 1500"), ("en-gb", "1.5 – 1500")):
        with translation.override(language):
            assert filters.canonical(Deal, stored, user=c.rita) == stored
            assert said in dict(query_words.described(Deal, stored, user=c.axel)).values()
    # As it was typed, it is refused by the other language, and not read as another number.
    with pytest.raises(filters.InvalidValue, match="two ways"):
        filters.canonical(Deal, typed, user=c.rita)


def test_no_number_means_one_thing_in_english_and_another_in_german() -> None:
    typed = [
        "".join(signs)
        for length in range(1, 8)
        for signs in itertools.product("015,.", repeat=length)
    ]
    read: dict[str, dict[str, Decimal | None]] = {}
    for language in ("en-gb", "de"):
        # One field for all of them: to make one takes longer than to read a number.
        with translation.override(language):
            field, numbers = NumberField(max_digits=20, decimal_places=6), {}
            for text in typed:
                with suppress(ValidationError):
                    numbers[text] = field.clean(text)
        read[language] = numbers
    both = read["en-gb"].keys() & read["de"].keys()
    assert [text for text in both if read["en-gb"][text] != read["de"][text]] == []
    assert len(both) > 1000
