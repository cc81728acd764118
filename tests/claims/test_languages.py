"""Each person reads in their own language and time zone, whoever wrote what they read."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext
from pytest_django import Settings

from accounts.models import Notice, Outbox, User
from accounts.notices import notify
from tests.support.company import TinyCompany

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
