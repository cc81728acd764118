"""Faults: what their author reads, what the log keeps, and that nothing done is called undone."""

from __future__ import annotations

import io
import logging
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path
from pytest_django import Settings

import crmperms.urls
from accounts.models import Session
from crmperms.faults import is_busy
from crmperms.wsgi import application
from records.models import Deal
from tests.claims.test_screens import form_of, page
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD

handler500 = crmperms.urls.handler500


def breaks(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret value: 0151-23456789")


urlpatterns = [*crmperms.urls.urlpatterns, path("breaks/", breaks)]

# --- A page and a line of the log -----------------------------------------------------------------


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log's lines as the console has them."""
    console = next(h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    for record in caplog.records:
        console.filter(record)
    return [console.format(record).splitlines()[0] for record in caplog.records]


def reference_on(answer: Any) -> str:
    found = re.search(r"<code>([0-9a-f]{8})</code>", answer.text)
    assert found, answer.text
    return found.group(1)


def test_error_page_names_a_reference_that_stands_in_the_log_and_nothing_else(
    c: TinyCompany, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    client.force_login(c.rita)
    first, second = client.get("/breaks/"), client.get("/breaks/")
    assert first.status_code == second.status_code == 500
    assert "0151" not in first.text and "RuntimeError" not in first.text
    references = [reference_on(answer) for answer in (first, second)]
    assert references[0] != references[1]
    assert logged(caplog) == [f"[{r}] Internal Server Error: /breaks/" for r in references]


def test_refusals_carry_no_reference(c: TinyCompany, client: Client) -> None:
    """Hidden and absent are the same to the byte, so a number of chance has no place there."""
    client.force_login(c.rita)
    for status, address in ((404, "/admin/nothing/"), (400, "/admin/records/deal/?nonsense=1")):
        first, second = client.get(address), client.get(address)
        assert first.status_code == second.status_code == status
        assert first.content == second.content
        assert "Reference" not in first.text


# --- The database is locked or gone ---------------------------------------------------------------


@contextmanager
def database_away() -> Iterator[None]:
    """Let nothing be written: somebody holds SQLite's lock, or PostgreSQL cut every line."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
            connection.cursor().execute("PRAGMA busy_timeout = 20000")
        return
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as administrator:
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [connection.settings_dict["NAME"]],
        )
    try:
        yield
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_database_that_is_away_is_said_and_the_same_form_works_afterwards(
    c: TinyCompany, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    form = form_of(deal, name="Renamed")
    with database_away():
        busy = client.post(page(deal), form)
    assert (busy.status_code, busy["Retry-After"]) == (503, "10")
    assert "Wait a moment and try again" in busy.text
    assert "locked" not in busy.text and "OperationalError" not in busy.text
    assert logged(caplog) == [f"[{reference_on(busy)}] Service Unavailable: {page(deal)}"]
    assert Deal.objects.get(pk=deal.pk).name == deal.name
    assert client.post(page(deal), form).status_code == 302
    assert Deal.objects.get(pk=deal.pk).name == "Renamed"


@pytest.mark.django_db(transaction=True)
def test_log_in_without_a_database_is_busy_too(c: TinyCompany) -> None:
    client = Client(raise_request_exception=False)
    posted = {"username": c.rita.email, "password": PASSWORD}
    with database_away():
        busy = client.post("/admin/login/", posted)
    assert (busy.status_code, "sessionid" in client.cookies) == (503, False)
    assert client.post("/admin/login/", posted).status_code == 302
    assert client.get("/admin/").status_code == 200


after_the_view: list[Callable[[], None]] = []


class BetweenViewAndSession:
    """Lets something happen when the view is done, and its session not yet saved."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        for happen in after_the_view:
            happen()
        return answer


@pytest.fixture
def between(settings: Settings) -> Iterator[list[Callable[[], None]]]:
    """Return a list: what is put into it happens after the view and before its session is saved."""
    place = settings.MIDDLEWARE.index("crmperms.faults.KeptAnswerMiddleware") + 1
    outer, inner = settings.MIDDLEWARE[:place], settings.MIDDLEWARE[place:]
    settings.MIDDLEWARE = [*outer, f"{__name__}.BetweenViewAndSession", *inner]
    yield after_the_view
    after_the_view.clear()


def assert_change_is_kept(c: TinyCompany, client: Client) -> None:
    deal = c.deals["ritas"]
    answer = client.post(page(deal), form_of(deal, name="Stored"))
    assert answer.status_code == 302
    assert answer["Location"] == "/admin/records/deal/"


@pytest.mark.django_db(transaction=True)
def test_change_whose_session_cannot_be_saved_gets_the_answer_of_its_view(
    c: TinyCompany, between: list[Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(c.rita)
    away = database_away()
    between.append(away.__enter__)
    try:
        assert_change_is_kept(c, client)
    finally:
        between.clear()
        away.__exit__(None, None, None)
    assert Deal.objects.get(pk=c.deals["ritas"].pk).name == "Stored"
    (line,) = logged(caplog)
    assert re.match(r"\[[0-9a-f]{8}\] What this request left in its session is lost", line)
    assert re.search("OperationalError|AdminShutdown", line) and "Stored" not in line
    assert client.get(page(c.deals["ritas"])).status_code == 200


def test_change_of_somebody_who_logs_out_meanwhile_gets_the_answer_of_its_view(
    c: TinyCompany, client: Client, between: list[Callable[[], None]]
) -> None:
    client.force_login(c.rita)
    between.append(lambda: Session.objects.all().delete())
    assert_change_is_kept(c, client)
    between.clear()
    assert Deal.objects.get(pk=c.deals["ritas"].pk).name == "Stored"
    assert client.get(page(c.deals["ritas"])).status_code == 302  # to the log-in


@pytest.mark.parametrize("nonsense", ["SELECT * FROM nothing", "SELEC 1", "SELECT nothing"])
def test_a_question_that_is_wrong_is_no_busy_database(db: None, nonsense: str) -> None:
    with pytest.raises(Error) as wrong:
        connection.cursor().execute(nonsense)
    assert not is_busy(wrong.value)
    assert not is_busy(None)
    assert not is_busy(ValueError("database is locked"))


# --- Bodies ---------------------------------------------------------------------------------------

MOST = django_settings.DATA_UPLOAD_MAX_MEMORY_SIZE
FORM = "application/x-www-form-urlencoded"


class Unreadable(io.RawIOBase):
    """A body that nobody may touch."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("read before it was refused")


class Endless(io.RawIOBase):
    """A body without an end, which counts what is taken of it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.taken += size
        return b"x" * size


def send(body: Any, **given: object) -> tuple[str, str]:
    """Post to the log-in page as a web server does; return the status and the page."""
    environ = RequestFactory().post("/admin/login/", content_type=FORM).environ
    environ.pop("CONTENT_LENGTH")
    environ |= {key: str(value) for key, value in given.items()} | {"wsgi.input": body}
    told: list[Any] = []
    text = b"".join(application(environ, lambda *answer: told.extend(answer))).decode()
    return told[0], text


def test_a_body_too_large_is_refused_before_it_is_read(db: None) -> None:
    for length in (MOST + 1, 150 * 1024 * 1024):
        status, text = send(Unreadable(), CONTENT_LENGTH=length)
        assert status == "413 Request Entity Too Large"
        assert "nothing of it was saved" in text and "Reference" in text
    assert send(io.BytesIO(b"x=" + b"y" * (MOST - 2)), CONTENT_LENGTH=MOST)[0] == "403 Forbidden"


def test_a_file_is_a_body_like_any_other(db: None) -> None:
    kind = "multipart/form-data; boundary=b"
    assert send(Unreadable(), CONTENT_LENGTH=MOST + 1, CONTENT_TYPE=kind)[0].startswith("413")


def test_a_body_in_pieces_is_read_no_further_than_it_may_be(db: None) -> None:
    endless = Endless()
    status, _ = send(endless, HTTP_TRANSFER_ENCODING="chunked")
    assert (status[:3], endless.taken) == ("413", MOST + 1)
    whole = send(io.BytesIO(b"username=x"), HTTP_TRANSFER_ENCODING="chunked")
    assert whole[0] == "403 Forbidden"  # read, and without the form's token


def test_a_form_that_was_cut_off_is_not_taken_for_whole(c: TinyCompany) -> None:
    status, text = send(io.BytesIO(b"username=rita"), CONTENT_LENGTH=100)
    assert status == "400 Bad Request"
    assert "did not arrive whole" in text and "nothing was saved" in text
