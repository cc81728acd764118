"""The door: wrong passwords are logged, counted and answered by pauses, whosever they are."""

from __future__ import annotations

import ast
import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts import log_in
from accounts.models import AuditEvent, AuditText, LogInCount, User
from accounts.operations import NotAllowed, lift_log_in_pause, set_password
from tests.support.company import TinyCompany
from tests.support.exports_process import racers
from tests.support.factories import PASSWORD

DOOR = "/admin/login/"
FREE = log_in.FROM_HERE.free
WRONG = "an altogether wrong one"
HERE = "198.51.100.7"


def knock(
    email: str, password: str = WRONG, *, at: str = HERE, client: Client | None = None, **more: str
) -> HttpResponse:
    """Try to log in from an address, in a browser that nobody has used before."""
    posted = {"username": email, "password": password}
    address = more.pop("address", DOOR)
    return (client or Client()).post(address, posted, REMOTE_ADDR=at, **more)


def knock_often(number: int, email: str, **more: str) -> list[int]:
    return [knock(email, **more).status_code for _ in range(number)]


def let_pauses_pass() -> None:
    LogInCount.objects.update(paused_until=timezone.now() - timedelta(seconds=1))


# --- What stands in the log -----------------------------------------------------------------------


def test_failed_log_in_stands_in_the_log_with_address_and_browser(c: TinyCompany) -> None:
    assert knock("Rita@example.com", headers={"User-Agent": "Mozilla\x1b/5.0"}).status_code == 200
    event = AuditEvent.objects.get(action="session.login_failed")
    assert (event.actor, event.system, event.result) == (None, "log-in", "refused")
    assert (event.ip, event.object, event.object_id) == (HERE, "user", str(c.rita.pk))
    assert event.data == {"user": c.rita.pk, "browser": "Mozilla/5.0"}
    assert event.text.text == "Rita@example.com"  # the part that can be erased


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("nobody@example.com", "nobody@example.com"), ("my secret in the wrong field", "")],
)
def test_what_was_typed_is_kept_only_if_it_is_an_address(
    c: TinyCompany, typed: str, kept: str
) -> None:
    knock(typed, WRONG)
    event = AuditEvent.objects.get(action="session.login_failed")
    assert (event.object_id, event.data) == ("", {"browser": ""})
    assert [text.text for text in AuditText.objects.filter(event=event)] == ([kept] if kept else [])
    everything = str([*AuditEvent.objects.values(), *LogInCount.objects.values()])
    assert typed not in everything
    assert WRONG not in everything


def test_log_shows_failures_in_words_and_by_kind(c: TinyCompany, client: Client) -> None:
    knock_often(FREE + 1, "rita@example.com", headers={"User-Agent": "Guesser/1"})
    client.force_login(c.otto)
    text = client.get("/admin/accounts/auditevent/?about=session&result=refused").text
    assert text.count("Log-in: failed") == FREE
    assert text.count("Log-in: refused, paused after wrong passwords") == 1
    latest = AuditEvent.objects.filter(action="session.login_failed").latest("id")
    page = client.get(f"/admin/accounts/auditevent/{latest.pk}/change/").text
    assert all(each in page for each in ("Rita", "Guesser/1", HERE, "Pause minutes"))


# --- Pauses ---------------------------------------------------------------------------------------


def test_after_five_wrong_ones_even_the_right_one_waits(c: TinyCompany) -> None:
    assert knock_often(FREE, "rita@example.com") == [200] * FREE
    waiting = knock("rita@example.com", PASSWORD)
    assert waiting.status_code == 429
    assert 0 < int(waiting["Retry-After"]) <= 60
    assert "Log-in is paused for 1 minute<" in waiting.text
    assert "Ask a super admin" in waiting.text
    assert knock("mona@example.com", PASSWORD).status_code == 302  # a colleague beside her
    assert knock("rita@example.com", PASSWORD, at="203.0.113.9").status_code == 302  # elsewhere
    let_pauses_pass()
    assert knock("rita@example.com").status_code == 200
    assert "paused for 2 minutes<" in knock("rita@example.com").text
    let_pauses_pass()
    assert knock("rita@example.com", PASSWORD).status_code == 302
    assert knock_often(FREE, "rita@example.com") == [200] * FREE  # the count began anew


@pytest.mark.parametrize(
    ("wrong", "minutes"), [(4, 0), (5, 1), (6, 2), (8, 8), (9, 15), (10, 15), (10**9, 15)]
)
def test_pauses_double_up_to_a_quarter_of_an_hour(wrong: int, minutes: int) -> None:
    assert log_in.FROM_HERE.pause(wrong) == timedelta(minutes=minutes)


def test_wrong_ones_of_yesterday_are_forgotten(c: TinyCompany) -> None:
    knock_often(FREE - 1, "rita@example.com")
    LogInCount.objects.update(last_at=timezone.now() - timedelta(hours=23))
    knock("rita@example.com")
    assert knock("rita@example.com").status_code == 429
    LogInCount.objects.update(
        last_at=timezone.now() - timedelta(hours=25), paused_until=timezone.now()
    )
    assert knock_often(FREE, "rita@example.com") == [200] * FREE


def test_all_spellings_of_an_address_are_one_account(c: TinyCompany) -> None:
    spellings = ["rita@example.com", " RITA@Example.com", "ｒita@example.com", "Rita@example.com\t"]
    for each in [*spellings, *spellings][:FREE]:
        assert knock(each).status_code == 200
    assert knock("rita@EXAMPLE.com", PASSWORD).status_code == 429


def test_an_account_that_does_not_exist_is_treated_alike(c: TinyCompany) -> None:
    """In what is answered, to the byte, and in what is asked of the database."""
    User.objects.filter(pk=c.rob.pk).update(is_active=False)
    no_password = User.objects.get(pk=c.ella.pk)
    no_password.set_unusable_password()
    no_password.save()
    seen = {}
    for email in ("rita@example.com", "nope@example.com", "rob@example.com", "ella@example.com"):
        password = PASSWORD if email.startswith("rob") else WRONG
        client = Client()
        seen[email] = [one_attempt(client, email, password) for _ in range(FREE + 2)]
    assert [status for status, _, _ in seen["rita@example.com"]] == [200] * FREE + [429] * 2
    assert all(each == seen["rita@example.com"] for each in seen.values())


def one_attempt(client: Client, email: str, password: str) -> tuple[int, str, int]:
    with CaptureQueriesContext(connection) as captured:
        answer = knock(email, password, client=client, at=f"10.0.0.{len(email)}")
    text = re.sub(r'value="[^"]*"|nonce="[^"]*"', "", answer.text).replace(email, "")
    return answer.status_code, text, len(captured)


def test_many_addresses_do_not_help_against_one_account(c: TinyCompany) -> None:
    known = Client()
    assert knock("rita@example.com", PASSWORD, client=known).status_code == 302
    for number in range(log_in.OF_ACCOUNT.free):
        assert knock("rita@example.com", at=f"203.0.113.{number}").status_code == 200
    assert knock("rita@example.com", PASSWORD, at="192.0.2.1").status_code == 429
    # And nobody keeps her out of the browser she always uses, wherever she takes it.
    known.post("/admin/logout/")
    assert knock("rita@example.com", PASSWORD, client=known, at="192.0.2.1").status_code == 302


def test_known_browser_has_a_count_of_its_own_and_for_its_person_only(c: TinyCompany) -> None:
    known = Client()
    knock("rita@example.com", PASSWORD, client=known)
    known.post("/admin/logout/")
    knock_often(FREE, "rita@example.com")  # a colleague at the next desk
    assert knock("rita@example.com").status_code == 429
    assert [knock("rita@example.com", client=known).status_code for _ in range(FREE)] == [200] * 5
    assert knock("rita@example.com", PASSWORD, client=known).status_code == 429
    knock_often(FREE, "mona@example.com")
    assert knock("mona@example.com", client=known).status_code == 429
    forged = Client()
    forged.cookies[log_in.KNOWN_BROWSER] = "anything:1:x"
    assert knock("rita@example.com", client=forged).status_code == 429


def test_one_address_does_not_try_one_password_with_everybody(c: TinyCompany) -> None:
    """Nor does a success with an account of one's own begin the count anew."""
    for number in range(log_in.FROM_ADDRESS.free - 1):
        assert knock(f"person{number}@example.com").status_code == 200
    assert knock("lena@example.com", PASSWORD).status_code == 302
    assert knock("rita@example.com").status_code == 200
    assert knock("mona@example.com", PASSWORD).status_code == 429
    assert knock("mona@example.com", PASSWORD, at="203.0.113.9").status_code == 302


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        (["2001:db8:1:2::1", "2001:db8:1:2:ffff:1:2:3"], True),
        (["2001:db8:1:2::1", "2001:db8:1:3::1"], False),
        (["::ffff:198.51.100.7", "198.51.100.7"], True),
        (["198.51.100.7", "198.51.100.8"], False),
    ],
)
def test_one_connection_is_one_place(c: TinyCompany, addresses: list[str], is_one: bool) -> None:
    knock_often(FREE, "rita@example.com", at=addresses[0])
    assert (knock("rita@example.com", at=addresses[1]).status_code == 429) == is_one


def test_invented_header_is_no_other_place(c: TinyCompany, settings: Settings) -> None:
    for number in range(FREE):
        knock("rita@example.com", headers={"X-Forwarded-For": f"203.0.113.{number}"})
    assert knock("rita@example.com", headers={"X-Forwarded-For": "203.0.113.99"}).status_code == 429
    settings.PROXIES = 1  # what our own proxy adds on the right counts, and nothing else
    said = {"X-Forwarded-For": "203.0.113.1, 192.0.2.44"}
    for number in range(FREE):
        said["X-Forwarded-For"] = f"203.0.113.{number}, 192.0.2.44"
        assert knock("rita@example.com", headers=said).status_code == 200
    assert knock("rita@example.com", headers=said).status_code == 429


# --- The other form that asks for a password ------------------------------------------------------


def test_old_password_is_not_tried_out_either(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    new = "a different long one"

    def change(old: str) -> HttpResponse:
        posted = {"old_password": old, "new_password1": new, "new_password2": new}
        return client.post("/admin/password_change/", posted, REMOTE_ADDR=HERE)

    for _ in range(FREE):
        assert "entered incorrectly" in change(WRONG).text
    assert "log-in is paused for 1 minute" in change(PASSWORD).text
    assert knock("rita@example.com", PASSWORD).status_code == 429  # one count for both forms
    event = AuditEvent.objects.filter(action="person.confirm_password").latest("id")
    assert (event.actor, event.result, event.ip) == (c.rita, "refused", HERE)
    assert (event.data["code"], event.data["pause_minutes"]) == ("wrong_password", 1)
    let_pauses_pass()
    assert change(PASSWORD).status_code == 302
    assert knock("rita@example.com", new).status_code == 302


def test_no_password_is_checked_without_being_counted() -> None:
    """Whoever adds a form that asks for a password calls `log_in` or `confirm`."""
    found = set()
    for floor in ("accounts", "records", "exports", "crmperms"):
        for source in Path(floor).rglob("*.py"):
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    if name in ("authenticate", "check_password"):
                        found.add((str(source), name))
    assert found == {
        ("accounts/log_in.py", "authenticate"),
        ("accounts/log_in.py", "check_password"),
        ("accounts/models/people.py", "check_password"),
    }


# --- Ending a pause -------------------------------------------------------------------------------


def test_super_admin_ends_a_pause_from_the_persons_page(c: TinyCompany, client: Client) -> None:
    page = f"/admin/accounts/user/{c.rita.pk}"
    client.force_login(c.sam)
    assert "/lift_pause/" not in client.get(f"{page}/change/").text
    knock_often(FREE, "rita@example.com")
    assert "/lift_pause/" in client.get(f"{page}/change/").text
    with pytest.raises(NotAllowed):
        lift_log_in_pause(c.rita, actor=c.mona)
    other = Client()
    other.force_login(c.mona)
    assert other.post(f"{page}/lift_pause/").status_code in (403, 404)
    assert knock("rita@example.com", PASSWORD).status_code == 429
    assert client.post(f"{page}/lift_pause/").status_code == 302
    events = AuditEvent.objects.filter(action="person.lift_log_in_pause").order_by("pk")
    assert [(event.actor, event.result) for event in events] == [
        (c.mona, "refused"),
        (c.sam, "done"),
    ]
    assert knock("rita@example.com", PASSWORD).status_code == 302


def test_new_password_ends_the_pause(c: TinyCompany) -> None:
    knock_often(FREE, "rita@example.com")
    set_password(c.rita, actor=c.sam, password="a different long one")
    assert knock("rita@example.com", "a different long one").status_code == 302


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["RITA@example.com"], 302),
        (["--address", HERE], 429),
        (["mona@example.com"], 429),
        (["--all"], 302),
    ],
)
def test_command_ends_a_pause(c: TinyCompany, arguments: list[str], status: int) -> None:
    knock_often(FREE, "rita@example.com")
    with pytest.raises(CommandError, match="Name an e-mail"):
        call_command("lift_log_in_pause")
    call_command("lift_log_in_pause", *arguments, stdout=io.StringIO())
    assert knock("rita@example.com", PASSWORD).status_code == status
    ended = AuditEvent.objects.filter(action="session.lift_log_in_pause").count()
    assert ended == (arguments != ["mona@example.com"])


# --- Many at once ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_guesses_at_the_same_moment_no_more_than_five_are_checked(c: TinyCompany) -> None:
    guesses = [("guess", "rita@example.com", 3)] * 5
    with racers(*guesses) as all_five:
        for racer in all_five:
            racer.go()
        said = [status for racer in all_five for status in racer.says().split()]
    assert sorted(said) == ["200"] * FREE + ["429"] * (3 * 5 - FREE)
    assert AuditEvent.objects.filter(action="session.login_failed").count() == FREE


# --- Odd input, and what Django does for us -------------------------------------------------------


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("rita@example.com\x00", PASSWORD),
        ("rita@example.com", f"{PASSWORD}\x00"),
        (f"{'r' * 300}@example.com", PASSWORD),
        ("rita@example.com", "x" * 1_000_000),
        ("\u202erita@example.com", PASSWORD),
        ("🦊", "🦊"),
        ("", ""),
    ],
)
def test_odd_input_is_a_page_with_a_sentence(c: TinyCompany, email: str, password: str) -> None:
    answer = knock(email, password)
    assert answer.status_code == 200
    assert "_auth_user_id" not in answer.client.session  # type: ignore[attr-defined]  # of the test client


def test_log_in_takes_no_session_from_before_and_no_other_site(c: TinyCompany) -> None:
    client = Client()
    client.cookies["sessionid"] = "a" * 32
    assert knock("rita@example.com", PASSWORD, client=client).status_code == 302
    assert client.cookies["sessionid"].value != "a" * 32
    strict = Client(enforce_csrf_checks=True)
    assert knock("rita@example.com", PASSWORD, client=strict).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/admin/records/deal/", "/admin/records/deal/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/", "/admin/"),
        ("/\\evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
    ],
)
def test_after_the_log_in_one_stays_here(c: TinyCompany, wanted: str, target: str) -> None:
    client = Client()
    address = f"{DOOR}?next={wanted}"
    answer = knock("rita@example.com", PASSWORD, client=client, address=address)
    assert (answer.status_code, answer["Location"]) == (302, target)
    for method in (client.get, client.head):
        assert (method(DOOR).status_code, method(DOOR)["Location"]) == (302, "/admin/")
