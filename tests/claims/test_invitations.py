"""Invitations: a link, once, for a week, by which somebody chooses their first password (Q23)."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import invitations, mail, operations
from accounts.models import AuditEvent, AuditText, Notice, Outbox, RightsChange, User
from accounts.operations import InvalidChange, NotAllowed
from accounts.rights import let_in
from tests.support.company import TinyCompany
from tests.support.factories import UserFactory
from tests.support.laid_down import tiny_company

LIST = "/admin/accounts/user/"
NEW = "an altogether new one"
EMAIL = "new@example.com"


@pytest.fixture
def by_mail(settings: Settings) -> None:
    settings.MAIL_ENABLED, settings.SITE_URL = True, "https://crm.example"


def invited(c: TinyCompany) -> User:
    person = operations.create_person(actor=c.sam, email=EMAIL, first_name="Newt")
    operations.invite(person, actor=c.sam)
    return User.objects.get(pk=person.pk)


def link_in(text: str) -> str:
    found = re.search(r"https?://[^/\s\"]+(/admin/invitation/[^\s\"]+)", text)
    assert found is not None, text
    return found[1]


def choose(link: str, password: str = NEW, client: Client | None = None) -> HttpResponse:
    """Open a link and send the form behind it, if there is one."""
    client = client or Client()
    opened = client.get(link)
    address = opened["Location"] if opened.status_code == 302 else link
    return client.post(address, {"new_password1": password, "new_password2": password})


def works(password: str = NEW) -> bool:
    return Client().login(username=EMAIL, password=password)


def add(client: Client, **more: Any) -> HttpResponse:
    posted = {"first_name": "Newt", "last_name": "", "email": EMAIL, "password": "", **more}
    return client.post(f"{LIST}add/", posted, follow=True)


# --- One that works -------------------------------------------------------------------------------


def test_person_is_added_invited_by_mail_and_logs_in_with_their_own_password(
    c: TinyCompany, client: Client, by_mail: None, mailoutbox: list[EmailMessage]
) -> None:
    client.force_login(c.sam)
    assert 'name="invite"' in client.get(f"{LIST}add/").text
    page = add(client, invite="on", permission_set=c.sets["rep"].pk)
    assert "/admin/invitation/" not in page.text
    listed = client.get(LIST, {"status": "invited"})
    assert [row.email for row in listed.context["cl"].result_list] == [EMAIL]
    assert "Invited</span>" in listed.text
    mail.send_waiting()
    assert (mailoutbox[0].to, mailoutbox[0].subject) == ([EMAIL], invitations.SUBJECT)
    link = link_in(str(mailoutbox[0].body))
    browser = Client()
    opened = browser.get(link)
    assert (opened.status_code, link.rsplit("/", 2)[1] in opened["Location"]) == (302, False)
    assert EMAIL in browser.get(opened["Location"]).text
    done = choose(link, client=browser)
    assert done["Location"] == "/admin/invitation/done/"
    assert "Log in" in browser.get(done["Location"]).text
    assert browser.get("/admin/").status_code == 302  # it logs nobody in
    assert works()
    events = AuditEvent.objects.filter(action__in=["person.invite", "person.accept_invitation"])
    assert [(e.action, e.data) for e in events.order_by("id")] == [
        ("person.invite", {"by": "e-mail"}),
        ("person.accept_invitation", {}),
    ]


def test_without_mail_the_inviter_is_shown_the_link_once_and_could_have_used_it(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    page = add(client, invite="on")
    link = link_in(page.text)
    assert "no-store" in page["Cache-Control"]
    copied = re.search(r'<button [^>]*hidden data-copies="([^"]+)"', page.text)  # by a script
    assert copied
    assert re.search(rf'<input id="{copied[1]}"[^>]*value="[^"]*{link}"', page.text)
    person = User.objects.get(email=EMAIL)
    assert not Outbox.objects.exists()
    for address in (LIST, f"{LIST}{person.pk}/change/", "/admin/inbox/"):
        assert "/admin/invitation/" not in client.get(address).text
    doors = RightsChange.objects.filter(person=person, actor=c.sam, tool="")
    assert set(doors.values_list("door", flat=True)) == {"created", "invited"}
    # Another super admin makes a newer link: they too could log in by it.
    other = Client()
    other.force_login(c.sue)
    newer = link_in(other.post(f"{LIST}{person.pk}/invite/").text)
    assert set(let_in(person=person.pk).values_list("actor", flat=True)) == {c.sam.pk, c.sue.pk}
    assert choose(link).status_code == 200
    assert choose(newer).status_code == 302
    assert works()


def test_link_ends_once_the_person_may_do_more_than_whoever_was_shown_it(
    c: TinyCompany, client: Client
) -> None:
    """And whoever raises somebody reads who could log in as them."""
    client.force_login(c.sam)
    link = link_in(add(client, invite="on").text)
    person = User.objects.get(email=EMAIL)
    other = Client()
    other.force_login(c.sue)
    User.objects.filter(pk=c.sam.pk).update(is_superuser=False)
    review = other.post(f"{LIST}{person.pk}/promote/").text
    assert "Sam made or reactivated the account of Newt in the last 30 days" in review
    assert "Sue made or reactivated" not in review
    operations.make_super_admin(person, actor=c.sue)
    assert choose(link).status_code == 200
    operations.remove_super_admin(person, actor=c.sue, permission_set=c.sets["rep"])
    User.objects.filter(pk=person.pk).update(is_partner_admin=True)
    assert choose(link).status_code == 200
    User.objects.filter(pk=person.pk).update(is_partner_admin=False)
    assert not works()
    assert choose(link).status_code == 302
    assert works()


def test_link_is_shown_to_who_adds_a_member_to_their_own_team(
    c: TinyCompany, client: Client
) -> None:
    """By that they reach other records than before: the page is drawn by the rights of now."""
    tess = UserFactory(email="tess@example.com", is_superuser=True, team=c.teams["north_a"])
    client.force_login(tess)
    page = add(client, invite="on", main_team=c.teams["north_a"].pk)
    assert page.status_code == 200
    assert choose(link_in(page.text)).status_code == 302
    assert works()


def test_by_mail_whoever_resends_it_could_not_have_used_it(c: TinyCompany, by_mail: None) -> None:
    person = invited(c)
    operations.invite(person, actor=c.sue)
    assert list(let_in(person=person.pk).values_list("actor", flat=True)) == [c.sam.pk]


def test_without_mail_nothing_says_that_an_invitation_is_sent(
    c: TinyCompany, client: Client, settings: Settings
) -> None:
    client.force_login(c.sam)
    addresses = (LIST, f"{LIST}{c.nils.pk}/change/", f"{LIST}{c.nils.pk}/invite/", f"{LIST}add/")
    for by_mail in (False, True):
        settings.MAIL_ENABLED, settings.SITE_URL = by_mail, "https://crm.example"
        for address in addresses:
            text = client.get(address).text
            found = ("Send an invitation" in text, "Make an invitation link" in text)
            assert found == (by_mail, not by_mail), address
        listed = client.get(LIST).text
        assert ("Send invitations" in listed, "Make invitation links" in listed) == found


def test_a_first_password_needs_no_invitation(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    add(client, invite="on", password=NEW)
    assert works()
    assert User.objects.get(email=EMAIL).invited_at is None


# --- What ends a link -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["time", "resent", "password", "e-mail", "deactivated", "reactivated", "logged in"]
)
def test_link_ends_by_whatever_makes_it_needless(c: TinyCompany, what: str) -> None:
    person = invited(c)
    link = invitations.path_for(person)
    assert Client().get(link).status_code == 302
    if what == "time":
        late = timezone.now() - timedelta(days=7, seconds=5)
        User.objects.filter(pk=person.pk).update(invited_at=late)
        link = invitations.path_for(User.objects.get(pk=person.pk))
    elif what == "resent":
        User.objects.filter(pk=person.pk).update(
            invited_at=person.invited_at - timedelta(seconds=1)  # type: ignore[operator]  # was invited
        )
        operations.invite(person, actor=c.sam)
    elif what == "password":
        operations.set_password(person, actor=c.sam, password="one from a super admin")
    elif what == "e-mail":
        operations.change_person(
            person, actor=c.sam, email="other@example.com", first_name="N", last_name=""
        )
    elif what == "logged in":
        User.objects.filter(pk=person.pk).update(last_login=timezone.now())
    else:
        operations.deactivate(person, actor=c.sam)
        if what == "reactivated":
            operations.reactivate(person, actor=c.sam)
    answer = choose(link)
    assert (answer.status_code, "does not work any more" in answer.text) == (200, True)
    assert not User.objects.get(pk=person.pk).check_password(NEW)


def test_link_works_once(c: TinyCompany) -> None:
    link = invitations.path_for(invited(c))
    early, late = Client(), Client()
    form = late.get(link)["Location"]  # opened before, sent after the other
    assert choose(link, client=early).status_code == 302
    second = {"new_password1": "yet another long one", "new_password2": "yet another long one"}
    for answer in (late.post(form, second), Client().get(link), choose(link, "yet another one")):
        assert (answer.status_code, "does not work any more" in answer.text) == (200, True)
    assert works()
    assert AuditEvent.objects.filter(action="person.accept_invitation").count() == 1


def test_two_who_checked_one_link_do_not_both_get_through(c: TinyCompany) -> None:
    first, second = (User.objects.get(pk=invited_key) for invited_key in [invited(c).pk] * 2)
    operations.accept_invitation(actor=first, password=NEW)
    with pytest.raises(InvalidChange, match="used already"):
        operations.accept_invitation(actor=second, password="yet another long one")
    assert works()


def test_first_password_is_held_to_what_every_other_is(c: TinyCompany) -> None:
    link = invitations.path_for(invited(c))
    for bad in ("short", EMAIL, "1234567890", "x" * 501):
        assert choose(link, bad).status_code == 200
    assert choose(link).status_code == 302


def test_an_older_e_mail_that_was_not_sent_yet_brings_no_link(
    c: TinyCompany, by_mail: None, mailoutbox: list[EmailMessage]
) -> None:
    person = invited(c)
    Notice.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    operations.invite(person, actor=c.sam)
    mail.send_waiting()
    assert [mail.to for mail in mailoutbox] == [[EMAIL]]
    assert sorted(Outbox.objects.values_list("status", flat=True)) == ["dropped", "sent"]


@pytest.mark.parametrize("odd", ["MQ/choose-password", "!!/x-y", "OTk5OTk5/abc-def", "MQ/%00-x"])
def test_made_up_links_are_all_answered_alike(c: TinyCompany, odd: str) -> None:
    answer = Client().get(f"/admin/invitation/{odd}/")
    assert (answer.status_code, "does not work any more" in answer.text) == (200, True)


def test_link_of_a_forgotten_password_opens_no_invitation_and_the_other_way_round(
    c: TinyCompany, by_mail: None
) -> None:
    link = invitations.path_for(invited(c))
    assert Client().get(link.replace("invitation", "password_reset")).status_code == 200
    assert Client().get(link).status_code == 302


# --- Who may, and whom ----------------------------------------------------------------------------


def test_who_logged_in_or_is_deactivated_is_not_invited(c: TinyCompany) -> None:
    User.objects.filter(pk=c.rita.pk).update(last_login=timezone.now())
    for person, why in ((c.rita, "has logged in before"), (c.fred, "Reactivate them first")):
        with pytest.raises(InvalidChange, match=why):
            operations.invite(person, actor=c.sam)
        assert User.objects.get(pk=person.pk).invited_at is None


@pytest.mark.parametrize("name", ["mona", "rita"])
def test_below_super_admin_nobody_invites(c: TinyCompany, client: Client, name: str) -> None:
    with pytest.raises(NotAllowed):
        operations.invite(c.nils, actor=c.people[name])
    client.force_login(c.people[name])
    for address in (f"{LIST}{c.nils.pk}/invite/", f"{LIST}many/invite/"):
        assert client.post(address, {"people": str(c.nils.pk)}).status_code in (403, 404)
    assert c.fresh("nils").invited_at is None


def test_many_are_invited_and_their_links_shown_where_there_is_no_mail(
    c: TinyCompany, client: Client
) -> None:
    User.objects.filter(pk=c.rita.pk).update(last_login=timezone.now())
    client.force_login(c.sam)
    keys = [person.pk for person in (c.nils, c.rita, c.nora)]
    ticked = {"action": "invite", "index": "0", "_selected_action": keys}
    page = client.post(LIST, ticked, follow=True)
    sent = {
        name: re.search(f'name="{name}" value="([^"]*)"', page.text)[1]  # type: ignore[index]  # the page has it
        for name in ("people", "as_opened")
    }
    done = client.post(f"{LIST}many/invite/", sent)
    assert done.text.count("/admin/invitation/") == 2
    assert "Rita has logged in before" in done.text
    # Pressed again: the links that were handed over go on working.
    again = client.post(f"{LIST}many/invite/", sent)
    assert "Somebody changed one of these people" in again.text
    assert choose(link_in(done.text)).status_code == 302


# --- What is written down -------------------------------------------------------------------------


def test_no_link_stands_in_the_database_or_the_log(
    c: TinyCompany, by_mail: None, caplog: pytest.LogCaptureFixture, mailoutbox: list[EmailMessage]
) -> None:
    with caplog.at_level(logging.DEBUG):
        invited(c)
        mail.send_waiting()
        link = link_in(str(mailoutbox[0].body))
        choose(link)
    tables = (AuditEvent, AuditText, Notice, Outbox, RightsChange)
    everything = str([list(table.objects.values()) for table in tables]) + caplog.text
    assert link.rsplit("/", 2)[1] not in everything
    assert NEW not in everything


# --- At the same moment ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_link_used_twice_at_once_sets_one_password(quick_passwords: None) -> None:
    c = tiny_company()
    person = invited(c)
    readings = [User.objects.get(pk=person.pk) for _ in range(2)]
    passwords = ["the first long one", "the second long one"]

    def accept(reading: User, password: str) -> str:
        try:
            operations.accept_invitation(actor=reading, password=password)
        except InvalidChange:
            return ""
        finally:
            connection.close()
        return password

    with ThreadPoolExecutor(2) as pool:
        taken = [each for each in pool.map(accept, readings, passwords) if each]
    assert len(taken) == 1
    assert works(taken[0])
    assert AuditEvent.objects.filter(action="person.accept_invitation").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_inviters_at_once_the_later_link_works(quick_passwords: None) -> None:
    c = tiny_company()
    person = operations.create_person(actor=c.sam, email=EMAIL)

    def invite(actor: User) -> str:
        reading = User.objects.get(pk=person.pk)
        try:
            operations.invite(reading, actor=actor)
            return invitations.path_for(reading)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        links = set(pool.map(invite, [c.sam, c.sue]))
    stored = User.objects.get(pk=person.pk)
    working = [link for link in links if choose(link).status_code == 302]
    assert working == [invitations.path_for(stored)]
