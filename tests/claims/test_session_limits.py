"""Log-ins end by themselves: when nobody uses them, and after so many hours in any case."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import session_limits
from accounts.models import Session
from accounts.operations import set_password
from records.models import Deal
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD

LIST = "/admin/records/deal/"


@pytest.fixture
def rita(c: TinyCompany) -> Client:
    client = Client()
    client.force_login(c.rita)
    return client


def age(client: Client, **spans: timedelta) -> None:
    """Let a session have begun, or have been used, so long ago."""
    session = client.session
    for name, span in spans.items():
        session[f"{name}_at"] -= span.total_seconds()
    session.save()


MINUTES, HOURS = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("spans", "ended"),
    [
        ({"used": 119 * MINUTES}, ""),
        ({"used": 120 * MINUTES}, "idle"),
        ({"begun": 11.9 * HOURS}, ""),
        ({"begun": 12 * HOURS}, "long"),
    ],
)
def test_session_ends_and_the_log_in_page_says_why_and_leads_back(
    c: TinyCompany, rita: Client, spans: dict[str, timedelta], ended: str
) -> None:
    age(rita, **spans)
    answer = rita.get(f"{LIST}?q=a+b")
    if not ended:
        assert answer.status_code == 200
        return
    assert answer.status_code == 302
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert query == {"next": [f"{LIST}?q=a+b"], "ended": [ended]}
    page = rita.get(answer["Location"])
    assert session_limits.in_words(ended).replace("'", "&#x27;") in page.text
    again = rita.post(answer["Location"], {"username": "rita@example.com", "password": PASSWORD})
    assert (again.status_code, again["Location"]) == (302, f"{LIST}?q=a+b")
    assert rita.get(LIST).status_code == 200


def test_what_was_sent_too_late_is_not_saved_and_leads_back(c: TinyCompany, rita: Client) -> None:
    deal = c.deals["ritas"]
    page = f"{LIST}{deal.pk}/change/"
    age(rita, used=3 * HOURS)
    referer = {"Referer": f"http://testserver{page}?_tab=2"}
    answer = rita.post(page, {"name": "A long name", "_save": "Save"}, headers=referer)
    assert answer.status_code == 403
    assert "You did nothing here for 2 hours" in answer.text
    assert "next=/admin/records/deal/" in answer.text
    assert Deal.objects.get(pk=deal.pk).name == deal.name
    assert rita.get(page).status_code == 302  # it has ended, and stays so


@pytest.mark.parametrize(
    "referer", ["https://evil.example/x", "//evil.example", "javascript:1", ""]
)
def test_nobody_is_led_elsewhere(c: TinyCompany, rita: Client, referer: str) -> None:
    age(rita, used=3 * HOURS)
    answer = rita.post(LIST, {}, headers={"Referer": referer})
    assert "next=/admin/&amp;ended=idle" in answer.text
    assert "evil" not in answer.text


def test_use_keeps_a_session_and_is_written_every_few_minutes(c: TinyCompany, rita: Client) -> None:
    assert rita.get(LIST).status_code == 200
    assert session_writes(rita) == 0
    age(rita, used=4 * MINUTES)
    assert session_writes(rita) == 0
    age(rita, used=2 * MINUTES)
    assert session_writes(rita, follows=True) == 0  # a page that looks by itself is no use
    assert session_writes(rita) == 1
    assert session_writes(rita) == 0
    for _ in range(5):  # used every hour and a half
        age(rita, used=1.5 * HOURS, begun=1.5 * HOURS)
        assert rita.get(LIST).status_code == 200
    age(rita, begun=5 * HOURS)  # and yet twelve hours are the end
    assert "ended=long" in rita.get(LIST)["Location"]


def session_writes(client: Client, *, follows: bool = False) -> int:
    with CaptureQueriesContext(connection) as captured:
        headers = {"X-Follows": "1"} if follows else {}
        assert client.get(LIST, headers=headers).status_code == 200
    return sum('UPDATE "accounts_session"' in each["sql"] for each in captured)


def test_a_session_logged_out_meanwhile_is_not_written_anew(c: TinyCompany, rita: Client) -> None:
    """A request that read the session just before it was ended does not bring it back."""
    age(rita, used=10 * MINUTES)
    load = session_limits._ended

    def ended(request: object) -> str:
        said = load(request)  # type: ignore[arg-type]  # any request
        Session.objects.all().delete()
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_limits, "_ended", ended)
        assert "ended=gone" in rita.get(LIST)["Location"]
    assert "ended" not in rita.get(LIST)["Location"]


def test_busy_database_logs_nobody_out(c: TinyCompany, rita: Client) -> None:
    age(rita, used=10 * MINUTES)

    def busy(execute: object, sql: str, *rest: object) -> object:
        if 'UPDATE "accounts_session"' in sql:
            raise OperationalError("database is locked")
        return execute(sql, *rest)  # type: ignore[operator]  # what Django hands over

    with connection.execute_wrapper(busy):
        assert rita.get(LIST).status_code == 200
    assert session_writes(rita) == 1


def test_new_password_ends_the_other_sessions_at_once(c: TinyCompany, rita: Client) -> None:
    assert rita.get(LIST).status_code == 200
    set_password(c.rita, actor=c.sam, password="a different long one")
    assert rita.get(LIST).status_code == 302


def test_public_pages_are_there_after_the_end(c: TinyCompany, rita: Client) -> None:
    answers: list[HttpResponse] = []
    for address in ("/admin/login/", "/"):
        rita.force_login(c.rita)
        age(rita, used=3 * HOURS)
        answers.append(rita.get(address))
    assert [answer.status_code for answer in answers] == [200, 302]
    invented = rita.get("/admin/login/?ended=<script>")
    assert "script>" not in invented.text.split("</head>")[1].split('id="login-form"')[0][:3000]


def test_limits_are_said_as_they_are_set(settings: Settings) -> None:
    assert "for 2 hours, so" in session_limits.in_words("idle")
    settings.SESSION_IDLE, settings.SESSION_LONGEST = timedelta(minutes=45), timedelta(hours=1)
    assert "for 45 minutes, so" in session_limits.in_words("idle")
    assert "lasts 1 hour at most" in session_limits.in_words("long")
    assert session_limits.in_words("anything else") == ""
