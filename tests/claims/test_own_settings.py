"""Everybody chooses how they read, on a page of their own, and for nobody else."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import AuditEvent, Session, User
from accounts.operations import InvalidChange, choose_settings, edit_permissions
from tests.support.company import TinyCompany

PAGE = "/admin/your-settings/"
PLAIN = {"language": "", "time_zone": "", "density": "comfortable"}
OWN = {"language": "de", "time_zone": "Asia/Tokyo", "density": "compact"}


def settings_of(person: User) -> dict[str, str]:
    return User.objects.filter(pk=person.pk).values(*PLAIN).get()


@pytest.mark.parametrize("name", ["sam", "rita", "axel", "otto", "lena", "mona", "nora"])
def test_everybody_chooses_for_themselves(c: TinyCompany, client: Client, name: str) -> None:
    person = c.people[name]
    if name == "nora":  # a delegate, who governs others
        changes = {"account.edit_users": True, "account.user_table": True}
        edit_permissions([person], actor=c.sam, changes=changes)
    everybody = User.objects.exclude(pk=person.pk)
    before = list(everybody.values("pk", *PLAIN))
    client.force_login(person)
    assert settings_of(person) == PLAIN
    page = client.get(PAGE)
    assert page.status_code == 200
    assert PAGE in client.get("/admin/").text
    # A key of somebody else's in the form means nothing.
    posted = {**OWN, "user": str(c.rob.pk), "pk": str(c.rob.pk)}
    saved = client.post(PAGE, posted, follow=True)
    assert "Ihre Einstellungen sind gespeichert." in saved.text
    assert settings_of(person) == OWN
    assert list(everybody.values("pk", *PLAIN)) == before
    event = AuditEvent.objects.get(action="person.choose_settings")
    assert (event.actor, event.object_id) == (person, str(person.pk))
    assert event.data == {name: {"from": PLAIN[name], "to": OWN[name]} for name in PLAIN}
    # The same again is no change.
    client.post(PAGE, OWN)
    assert AuditEvent.objects.filter(action="person.choose_settings").count() == 1
    # Without a choice the browser says it again, at once.
    english = client.post(PAGE, PLAIN, follow=True, headers={"Accept-Language": "en"})
    assert "Your settings are saved." in english.text


def test_visitors_have_no_settings(c: TinyCompany, client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    assert client.post(PAGE, OWN).status_code == 302
    assert not Session.objects.exists()
    assert not User.objects.exclude(**PLAIN).exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"language": "fr"}, "Select a valid choice."),
        ({"time_zone": "Berlin"}, "There is no time zone of this name."),
        ({"time_zone": "../etc/passwd"}, "There is no time zone of this name."),
        ({"time_zone": "x" * 61}, "Ensure this value has at most 60 characters"),
        ({"density": ""}, "This field is required."),
        ({"density": "dense"}, "Select a valid choice."),
    ],
)
def test_what_there_is_none_of_is_said(
    c: TinyCompany, client: Client, wrong: dict[str, str], said: str
) -> None:
    client.force_login(c.rita)
    refused = client.post(PAGE, {**PLAIN, "language": "en-gb", **wrong})
    assert refused.status_code == 200
    assert said in refused.text
    assert settings_of(c.rita) == PLAIN
    assert not AuditEvent.objects.filter(action="person.choose_settings").exists()
    if "" not in wrong.values() and "x" * 61 not in wrong.values():
        with pytest.raises(InvalidChange):
            choose_settings(actor=c.rita, **{**PLAIN, **wrong})
    # Beside the refusals: letters and spaces as people type them.
    client.post(PAGE, {**PLAIN, "time_zone": "america/new york"})
    assert settings_of(c.rita) == {**PLAIN, "time_zone": "America/New_York"}


def test_the_page_offers_zones_by_name(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    text = client.get(PAGE).text
    assert '<option value="Europe/Berlin">' in text
    assert 'list="id_time_zone_zones"' in text
    assert 'id="id_time_zone_zones"' in text
    assert "posix" not in text


def test_rows_stand_closer_for_whoever_wants_that(c: TinyCompany, client: Client) -> None:
    for person, is_compact in ((c.rita, True), (c.nora, False)):
        if is_compact:
            choose_settings(actor=person, **{**PLAIN, "density": "compact"})
        client.force_login(person)
        assert ("is-compact" in client.get("/admin/records/deal/").text) == is_compact
    style = client.get("/static/crmperms.css").getvalue().decode()
    assert ".is-compact .list-cell" in style


def test_a_person_who_was_deactivated_meanwhile_changes_nothing(c: TinyCompany) -> None:
    rita = c.rita
    User.objects.filter(pk=rita.pk).update(is_active=False)
    choose = {**PLAIN, "density": "compact"}
    client = Client()
    client.force_login(rita)
    assert client.post(PAGE, choose).status_code in (302, 403)
    assert settings_of(rita) == PLAIN
