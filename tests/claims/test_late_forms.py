"""A form that is sent when its log-in is over: typed values come back to whoever typed them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, AuditText, Session, User
from accounts.operations import set_password
from records.models import Contact
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD
from tests.support.forms_as_shown import form_with

ADD = "/admin/records/contact/add/"
LOG_IN = "/admin/login/"
TYPED = "Typed <for> an hour"


def log_in(client: Client, who: str, password: str = PASSWORD) -> HttpResponse:
    _, form = form_with(client.get(LOG_IN).text, "username")
    answer: Any = client.post(
        LOG_IN, {**form, "username": f"{who}@example.com", "password": password}
    )
    return answer


@pytest.fixture
def rita(c: TinyCompany) -> Client:
    """A browser in which Rita has logged in, with every token checked."""
    client = Client(enforce_csrf_checks=True)
    assert log_in(client, "rita").status_code == 302
    return client


def filled_in(client: Client, **values: str) -> dict[str, Any]:
    _, form = form_with(client.get(ADD).text, "last_name")
    return {**form, "last_name": TYPED, "_save": "Save", **values}


def idle(client: Client, c: TinyCompany) -> None:
    session = client.session
    session["used_at"] -= timedelta(hours=3).total_seconds()
    session.save()


def too_long(client: Client, c: TinyCompany) -> None:
    session = client.session
    session["begun_at"] -= timedelta(hours=13).total_seconds()
    session.save()


def logged_out(client: Client, c: TinyCompany) -> None:
    _, form = form_with(client.get(ADD).text, "last_name")
    client.post("/admin/logout/", {"csrfmiddlewaretoken": form["csrfmiddlewaretoken"]})


def new_password(client: Client, c: TinyCompany) -> None:
    set_password(c.rita, actor=c.sam, password="another long password")


def made() -> list[str]:
    return list(Contact.objects.filter(last_name=TYPED).values_list("last_name", flat=True))


@pytest.mark.parametrize("over", [idle, too_long, logged_out, new_password])
def test_what_was_typed_comes_back_after_log_in_and_is_saved_once(
    c: TinyCompany, rita: Client, over: Callable[[Client, TinyCompany], None]
) -> None:
    form = filled_in(rita)
    over(rita, c)
    late = rita.post(ADD, form)
    assert (late.status_code, made()) == (403, [])
    assert late["Cache-Control"] == "private, no-store"
    assert "Typed" not in late.text  # whoever stands there now does not read it
    action, again = form_with(late.text, "late_form")
    password = "another long password" if over is new_password else PASSWORD
    wrong = rita.post(action, {**again, "username": "rita@example.com", "password": "no"})
    action, again = form_with(wrong.text, "late_form")  # a wrong password loses nothing
    shown = rita.post(action, {**again, "username": "rita@example.com", "password": password})
    assert shown.status_code == 200
    assert "Typed &lt;for&gt; an hour" in shown.text
    assert made() == []
    action, ready = form_with(shown.text, "last_name")
    assert action == ADD
    assert {n: v for n, v in ready.items() if n != "csrfmiddlewaretoken"} == {
        n: v if isinstance(v, list) else [v] for n, v in form.items() if n != "csrfmiddlewaretoken"
    }
    for _ in range(2):  # pressed twice
        assert rita.post(action, ready).status_code == 302
    assert made() == [TYPED]


def test_somebody_else_who_logs_in_there_neither_reads_nor_saves_it(
    c: TinyCompany, rita: Client
) -> None:
    form = filled_in(rita)
    idle(rita, c)
    action, again = form_with(rita.post(ADD, form).text, "late_form")
    answer = rita.post(
        action, {**again, "username": "nora@example.com", "password": PASSWORD}, follow=True
    )
    assert answer.redirect_chain == [("/admin/", 302)]
    assert "It was dropped, and nothing of it was saved." in answer.text
    assert "Typed" not in answer.text
    # Rita's tab, sent while Nora is logged in: its token is not hers.
    late = rita.post(ADD, form)
    assert late.status_code == 403
    assert "Typed" not in late.text
    assert "late_form" not in late.text
    assert made() == []
    kept = [*AuditText.objects.values_list("text", flat=True)]
    kept += [str(data) for data in AuditEvent.objects.values_list("data", flat=True)]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    assert not any("Typed" in text for text in kept)


def test_form_of_another_tab_is_saved_after_the_same_person_logged_in_again(
    c: TinyCompany, rita: Client
) -> None:
    form = filled_in(rita)
    idle(rita, c)
    assert rita.get(ADD).status_code == 302
    assert log_in(rita, "rita").status_code == 302
    assert rita.post(ADD, form).status_code == 302
    assert made() == [TYPED]
    # Somebody else gets a token of their own, and so does Rita after them.
    for who in ("nora", "rita"):
        idle(rita, c)
        assert log_in(rita, who).status_code == 302
        assert rita.post(ADD, form).status_code == 403


def test_what_another_site_made_a_browser_send_is_kept_for_nobody(
    c: TinyCompany, rita: Client
) -> None:
    form = filled_in(rita)
    idle(rita, c)
    for token in ("", "a" * 64):
        late = rita.post(ADD, {**form, "csrfmiddlewaretoken": token})
        assert (late.status_code, "late_form" in late.text) == (403, False)
    stranger = Client()  # tokens fit, but nobody was logged in there
    assert stranger.post(ADD, form)["Location"].startswith(LOG_IN)


def test_pauses_of_log_in_hold_there_too(c: TinyCompany, rita: Client) -> None:
    form = filled_in(rita)
    idle(rita, c)
    action, again = form_with(rita.post(ADD, form).text, "late_form")
    again |= {"username": "rita@example.com"}
    codes = [rita.post(action, {**again, "password": "no"}).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    paused = rita.post(action, {**again, "password": PASSWORD})
    assert (paused.status_code, "late_form" in paused.text) == (429, True)


def test_what_is_no_late_form_of_ours_is_nothing(c: TinyCompany, rita: Client) -> None:
    forged = signing.dumps([c.rita.pk, "/admin/", [["a", "b"]], []], salt="another")
    for text in (forged, "x", "", "\x00"):
        rita.post("/admin/logout/", {"csrfmiddlewaretoken": rita.cookies["csrftoken"].value})
        _, form = form_with(rita.get(LOG_IN).text, "username")
        sent = {**form, "username": "rita@example.com", "password": PASSWORD, "late_form": text}
        assert rita.post(LOG_IN, sent).status_code == 302


def test_password_is_not_kept_and_asked_for_again(c: TinyCompany) -> None:
    sam = Client(enforce_csrf_checks=True)
    log_in(sam, "sam")
    add = reverse("admin:accounts_user_add")
    _, form = form_with(sam.get(add).text, "email")
    form |= {"email": "new@example.com", "first_name": "New", "password": "never to be kept"}
    idle(sam, c)
    action, again = form_with(sam.post(add, form).text, "late_form")
    carried = signing.loads(again["late_form"][0], salt="accounts.late_forms")
    assert "never to be kept" not in str(carried)
    shown = sam.post(action, {**again, "username": "sam@example.com", "password": PASSWORD})
    assert "never to be kept" not in shown.text
    action, ready = form_with(shown.text, "first_name")
    assert ready["password"] == [""]  # without it nobody sends the form by mistake
    assert re.search(r'name="password" required', shown.text)
    assert sam.post(action, {**ready, "password": "typed once more"}).status_code == 302
    assert User.objects.get(email="new@example.com").check_password("typed once more")


def test_what_is_too_long_to_be_kept_can_be_copied(
    c: TinyCompany, rita: Client, settings: Any
) -> None:
    form = filled_in(rita)
    idle(rita, c)
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 + 100
    late = rita.post(ADD, form)
    assert "late_form" not in late.text
    assert "Typed &lt;for&gt; an hour" in late.text
