"""A forgotten password: a link by e-mail, once, for an hour; nobody learns who has an account."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import log_in, mail, new_password, operations
from accounts.models import AuditEvent, AuditText, LogInCount, Notice, Outbox, User
from accounts.operations import InvalidChange
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD

ASK, DOOR, SENT = "/admin/password_reset/", "/admin/login/", "/admin/password_reset/sent/"
NEW = "an altogether new one"
RITA = "rita@example.com"
HERE = "198.51.100.7"


@pytest.fixture(autouse=True)
def mail_is_set_up(settings: Settings) -> None:
    settings.MAIL_ENABLED, settings.SITE_URL = True, "https://crm.example"


def ask(email: str = RITA, *, at: str = HERE) -> HttpResponse:
    return Client().post(ASK, {"email": email}, REMOTE_ADDR=at)


def link_in(message: EmailMessage) -> str:
    found = re.search(r"https://crm\.example(/admin/password_reset/\S+)", str(message.body))
    assert found is not None, message.body
    return found[1]


@pytest.fixture
def link(c: TinyCompany, mailoutbox: list[EmailMessage]) -> str:
    """The link that Rita finds in her e-mail."""
    ask()
    mail.send_waiting()
    return link_in(mailoutbox[-1])


def choose(link: str, password: str = NEW, client: Client | None = None) -> HttpResponse:
    """Open a link and send the form behind it, if there is one."""
    client = client or Client()
    opened = client.get(link)
    address = opened["Location"] if opened.status_code == 302 else link
    return client.post(address, {"new_password1": password, "new_password2": password})


def works(password: str, email: str = RITA) -> bool:
    return Client().login(username=email, password=password)


# --- One that works -------------------------------------------------------------------------------


def test_link_lets_choose_a_new_password_and_ends_every_session(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    open_session = Client()
    open_session.force_login(c.rita)
    ask()
    mail.send_waiting()
    link = link_in(mailoutbox[-1])
    assert open_session.get("/admin/").status_code == 200
    browser = Client()
    opened = browser.get(link)
    assert (opened.status_code, link.rsplit("/", 2)[1] in opened["Location"]) == (302, False)
    page = browser.get(opened["Location"])
    assert page.text.count('type="password"') == 2
    assert "no-store" in page["Cache-Control"]
    done = choose(link, client=browser)
    assert done["Location"] == "/admin/password_reset/done/"
    assert "Log in" in browser.get(done["Location"]).text
    assert browser.get("/admin/").status_code == 302  # it logs nobody in
    assert open_session.get("/admin/").status_code == 302
    assert (works(PASSWORD), works(NEW)) == (False, True)
    event = AuditEvent.objects.get(action="person.reset_own_password")
    assert (event.actor, event.object_id, event.data) == (c.rita, str(c.rita.pk), {})
    mail.send_waiting()
    assert [m.subject for m in mailoutbox] == ["Choose a new password", "Your password was changed"]


def test_link_works_once(c: TinyCompany, link: str) -> None:
    early, late = Client(), Client()
    form = late.get(link)["Location"]  # opened before, sent after the other
    assert choose(link, client=early).status_code == 302
    second = {"new_password1": "yet another long one", "new_password2": "yet another long one"}
    for answer in (late.post(form, second), Client().get(link), choose(link, "yet another one")):
        assert (answer.status_code, "does not work any more" in answer.text) == (200, True)
    assert works(NEW)
    assert AuditEvent.objects.filter(action="person.reset_own_password").count() == 1


def test_two_who_checked_one_link_do_not_both_get_through(c: TinyCompany) -> None:
    first, second = (User.objects.get(pk=c.rita.pk) for _ in range(2))
    operations.reset_own_password(actor=first, password=NEW)
    with pytest.raises(InvalidChange, match="used already"):
        operations.reset_own_password(actor=second, password="yet another long one")
    assert works(NEW)


@pytest.mark.parametrize("what", ["time", "log-in", "admin", "e-mail", "deactivated", "mail off"])
def test_link_ends_by_whatever_makes_it_needless(
    c: TinyCompany, link: str, what: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Client().get(link).status_code == 302
    if what == "time":
        late = new_password.tokens._now() + timedelta(minutes=61)
        monkeypatch.setattr(type(new_password.tokens), "_now", lambda self: late)
    elif what == "log-in":
        Client().post(DOOR, {"username": RITA, "password": PASSWORD})
    elif what == "admin":
        operations.set_password(c.rita, actor=c.sam, password="one from a super admin")
    elif what == "e-mail":
        User.objects.filter(pk=c.rita.pk).update(email="rita@example.org")
    elif what == "deactivated":
        operations.deactivate(c.rita, actor=c.sam)
    else:
        settings.MAIL_ENABLED = False
    answer = choose(link)
    assert answer.status_code == (404 if what == "mail off" else 200)
    assert User.objects.get(pk=c.rita.pk).check_password(NEW) is False


def test_new_password_is_held_to_what_every_other_is(c: TinyCompany, link: str) -> None:
    for bad in ("short", "rita@example.com", "1234567890", "x" * 501):
        answer = choose(link, bad)
        assert answer.status_code == 200
        assert User.objects.get(pk=c.rita.pk).check_password(PASSWORD)
    assert choose(link).status_code == 302


def test_what_is_wrong_with_a_password_is_said_where_it_is_typed(
    c: TinyCompany, link: str, client: Client
) -> None:
    assert choose(link, "rita@example.com").context["form"].errors.keys() == {"new_password1"}
    client.force_login(c.rita)
    typed = {"old_password": PASSWORD, "new_password1": "1234567890", "new_password2": "1234567890"}
    answer = client.post("/admin/password_change/", typed)
    assert answer.context["form"].errors.keys() == {"new_password1"}
    assert "Your new password is set" in Client().get("/admin/password_reset/done/").text


# --- Who gets one ---------------------------------------------------------------------------------


def page_of(answer: HttpResponse) -> tuple[int, str, bytes, list[tuple[str, str]]]:
    shown = Client().get(answer["Location"])
    return (
        answer.status_code,
        answer["Location"],
        answer.content + shown.content,
        sorted(answer.items()),
    )


def test_answer_is_the_same_to_the_byte_whoever_it_is(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    operations.deactivate(c.rob, actor=c.sam)
    without = operations.create_person(actor=c.sam, email="new@example.com")
    addresses = (RITA, "nobody@example.com", c.rob.email, without.email, "  RITA@Example.com ")
    answers = [page_of(ask(email)) for email in addresses]
    assert answers == [answers[0]] * len(addresses)
    assert answers[0][1] == SENT
    mail.send_waiting()
    asked = [m.to for m in mailoutbox if m.subject == new_password.SUBJECT]
    assert asked == [[RITA], [RITA]]


def test_everybody_is_counted_alike_and_turned_away_alike(c: TinyCompany) -> None:
    free = log_in.QUESTIONS_FOR_ACCOUNT.free
    for email in (RITA, "nobody@example.com"):
        statuses = [ask(email, at=f"198.51.100.{n}").status_code for n in range(free + 1)]
        assert statuses == [302] * free + [429]
    refused = [ask(email, at="203.0.113.9") for email in (RITA, "nobody@example.com")]
    texts = [re.sub(r'name="csrf\w+" value="\w+"|value="\S+@\S+"', "", r.text) for r in refused]
    assert texts[0] == texts[1]
    assert all(0 < int(r["Retry-After"]) <= 60 for r in refused)
    assert Outbox.objects.count() == free


def test_one_address_asks_for_so_many_only(c: TinyCompany) -> None:
    free = log_in.QUESTIONS_FROM_ADDRESS.free
    statuses = [ask(f"person{n}@example.com").status_code for n in range(free + 1)]
    assert statuses == [302] * free + [429]
    assert ask(RITA, at="203.0.113.9").status_code == 302  # from elsewhere it goes on
    LogInCount.objects.update(paused_until=timezone.now() - timedelta(seconds=1))
    assert ask(RITA).status_code == 302


def test_questions_keep_nobody_from_logging_in(c: TinyCompany) -> None:
    for _ in range(5):
        ask()
    assert not log_in.is_paused(RITA)
    answer = Client().post(DOOR, {"username": RITA, "password": PASSWORD}, REMOTE_ADDR=HERE)
    assert answer.status_code == 302
    assert ask().status_code == 429  # and logging in begins no new count


def test_new_password_ends_a_pause_of_the_log_in(c: TinyCompany, link: str) -> None:
    for _ in range(log_in.FROM_HERE.free):
        Client().post(DOOR, {"username": RITA, "password": "wrong one"}, REMOTE_ADDR=HERE)
    posted = {"username": RITA, "password": NEW}
    assert Client().post(DOOR, posted, REMOTE_ADDR=HERE).status_code == 429
    assert choose(link).status_code == 302
    assert Client().post(DOOR, posted, REMOTE_ADDR=HERE).status_code == 302


# --- What is written down -------------------------------------------------------------------------


def test_no_link_and_no_password_stands_in_the_database_or_the_log(
    c: TinyCompany, link: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = link.rsplit("/", 2)[1]
    with caplog.at_level(logging.DEBUG):
        choose(link)
    tables = (AuditEvent, AuditText, Notice, Outbox, LogInCount)
    everything = str([list(table.objects.values()) for table in tables]) + caplog.text
    assert token not in everything
    assert NEW not in everything
    asked = AuditEvent.objects.get(action="person.ask_new_password")
    assert (asked.system, asked.result, asked.object_id) == ("log-in", "done", str(c.rita.pk))


def test_a_question_for_nobody_is_logged_as_a_failed_log_in_is(c: TinyCompany) -> None:
    ask("nobody@example.com")
    event = AuditEvent.objects.get(action="person.ask_new_password")
    assert (event.result, event.object_id, event.ip) == ("refused", "", HERE)
    assert event.text.text == "nobody@example.com"


def test_link_is_never_made_from_what_the_browser_calls_the_site(
    c: TinyCompany, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    Client().post(ASK, {"email": RITA}, headers={"Host": "evil.example"})
    mail.send_waiting()
    assert "evil.example" not in mailoutbox[0].message().as_string()
    assert link_in(mailoutbox[0])


def test_link_that_would_come_hours_late_is_not_sent(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    ask()
    Notice.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    mail.send_waiting()
    assert (mailoutbox, Outbox.objects.get().status) == ([], "dropped")


def test_who_was_deactivated_meanwhile_gets_none(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    ask()
    operations.deactivate(c.rita, actor=c.sam)
    mail.send_waiting()
    assert [m.subject for m in mailoutbox if RITA in m.to] == []


# --- Where it is not set up -----------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["MAIL_ENABLED", "SITE_URL"])
def test_without_mail_the_log_in_page_says_whom_to_ask(
    c: TinyCompany, settings: Settings, missing: str
) -> None:
    assert f'href="{ASK}"' in Client().get(DOOR).text
    assert "Ask a super admin for a new one" not in Client().get(DOOR).text
    setattr(settings, missing, "")
    page = Client().get(DOOR).text
    assert ASK not in page
    assert "Ask a super admin for a new one" in page
    for address in (ASK, SENT, "/admin/password_reset/done/", "/admin/password_reset/MQ/a-b/"):
        for answer in (Client().get(address), Client().post(address, {"email": RITA})):
            assert answer.status_code == 404
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("typed", ["", "no address", "a" * 300 + "@example.com", "a\x00@b.example"])
def test_what_is_no_address_is_said_to_be_none(c: TinyCompany, typed: str) -> None:
    answer = ask(typed)
    assert answer.status_code == 200
    assert not AuditEvent.objects.filter(action="person.ask_new_password").exists()
    assert not LogInCount.objects.exists()


@pytest.mark.parametrize("odd", ["MQ/set-password", "!!/x-y", "OTk5OTk5/abc-def", "MQ/%00-x"])
def test_made_up_links_are_all_answered_alike(c: TinyCompany, odd: str) -> None:
    answer = Client().get(f"/admin/password_reset/{odd}/")
    assert (answer.status_code, "does not work any more" in answer.text) == (200, True)
