"""Passwords: which ones are refused wherever one is set, and what checking one costs."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from accounts import operations
from accounts.models import AuditEvent, Notice, RightsChange, User
from accounts.operations import InvalidChange
from accounts.passwords import HASHES_AT_ONCE, Argon2Hasher, OwnNameValidator
from crmperms.demo.cast import PASSWORD as DEMO_PASSWORD
from crmperms.management.commands import changepassword
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD, UserFactory

PRODUCT = project.PASSWORD_HASHERS
QUICK = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ANNA = {"email": "anna.lee@example.com", "first_name": "Anna-Zoë", "last_name": "Müller Lee"}


@pytest.mark.parametrize(
    "password",
    [
        "anna.lee@example.com",
        "Anna.Lee@Example.COM",
        "  anna.lee@example.com ",
        "ａｎｎａ．ｌｅｅ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "𝐀nna.Lee@example.com",
        "anna.lee2026",
        "Anna-Zoë Müller Lee",
        "annazoemullerlee",
        "MULLER LEE ANNA ZOE",
        "Anna-Zoë12",
        "moc.elpmaxe"[::-1],
    ],
)
def test_own_name_or_email_is_no_password(password: str) -> None:
    with pytest.raises(
        ValidationError, match=r"too much like the (name|e-mail address) of the account"
    ):
        OwnNameValidator().validate(password, User(**ANNA))


@pytest.mark.parametrize(
    "password",
    ["quite a long one", "two bananas split", DEMO_PASSWORD, PASSWORD, "山田太郎さんの犬"],
)
def test_other_passwords_are_fine(password: str) -> None:
    for person in (User(**ANNA), User(email="li@x.org", first_name="", last_name="Li"), None):
        OwnNameValidator().validate(password, person)


OWN, OTHER = "Rita@Example.com", "quite a long one"


def test_admin_cannot_give_anybody_their_own_email_for_a_password(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    address = f"/admin/accounts/user/{c.rita.pk}/password/"
    assert "too much like" in client.post(address, {"password": OWN}, follow=True).text
    assert Client().login(username="rita@example.com", password=PASSWORD)
    client.post(address, {"password": OTHER})
    assert Client().login(username="rita@example.com", password=OTHER)


def test_new_person_does_not_begin_with_their_own_name(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    posted = {"first_name": "Wilhelmina", "last_name": "Ng", "email": "w.ng@example.com"}
    address = "/admin/accounts/user/add/"
    refused = client.post(address, {**posted, "password": "wilhelmina ng"})
    assert (refused.status_code, "too much like" in refused.text) == (200, True)
    assert not User.objects.filter(email="w.ng@example.com").exists()
    assert client.post(address, {**posted, "password": OTHER}).status_code == 302


def test_own_password_is_not_changed_to_the_own_name(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    for new, status in ((OWN, 200), ("x" * 501, 200), (OTHER, 302)):
        posted = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        assert client.post("/admin/password_change/", posted).status_code == status
    assert Client().login(username="rita@example.com", password=OTHER)


@pytest.mark.parametrize("password", [OWN, "short", "1234567890", "y" * 501])
def test_operations_refuse_by_themselves(c: TinyCompany, password: str) -> None:
    person = {"email": "rita@example.org", "first_name": "Rita"}
    for refused in (
        lambda: operations.set_password(c.rita, actor=c.sam, password=password),
        lambda: operations.change_own_password(actor=c.rita, password=password),
        lambda: operations.create_person(actor=c.sam, password=password, **person),
    ):
        with pytest.raises(InvalidChange):
            refused()
    assert User.objects.get(pk=c.rita.pk).check_password(PASSWORD)
    assert not User.objects.filter(email="rita@example.org").exists()


def test_first_super_admin_is_no_exception(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "Boss@Example.com")
    command = ["createsuperuser", "--noinput", "--email", "boss@example.com"]
    with pytest.raises(CommandError, match=r"too much like"):
        call_command(*command, stdout=io.StringIO())
    assert not User.objects.exists()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", OTHER)
    call_command(*command, stdout=io.StringIO())
    assert Client().login(username="boss@example.com", password=OTHER)


def test_super_admin_who_is_added_on_the_server_stands_in_the_log_and_the_others_are_told(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", OTHER)
    call_command("createsuperuser", "--noinput", email="boss@example.com", stdout=io.StringIO())
    boss = User.objects.get(email="boss@example.com")
    event = AuditEvent.objects.get(action="person.create", object_id=boss.pk)
    assert (event.system, event.data["super_admin"]) == ("createsuperuser", True)
    assert RightsChange.objects.filter(person=boss, door="created", system="createsuperuser")
    told = Notice.objects.filter(text__contains="super admin on the server itself")
    assert {each.user for each in told} == {c.sam, c.sue}


def test_password_that_is_set_on_the_server_is_as_any_other(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    client.force_login(c.rita)
    typed = iter([OTHER, f"{OTHER}!", "rita@example.com", "rita@example.com", OTHER, OTHER])
    monkeypatch.setattr(changepassword.Command, "_get_pass", lambda *_: next(typed))
    for said in ("two different passwords", "too much like"):
        with pytest.raises(CommandError, match=said):
            call_command("changepassword", "rita@example.com")
    with pytest.raises(CommandError, match="Nobody logs in with this"):
        call_command("changepassword", "nobody@example.com")
    assert client.get("/admin/").status_code == 200
    call_command("changepassword", "Rita@Example.com", stdout=io.StringIO())
    assert client.get("/admin/").status_code == 302
    assert Client().login(username="rita@example.com", password=OTHER)
    assert AuditEvent.objects.get(action="person.set_password").system == "changepassword"


def test_one_password_for_all_who_are_brought_in_is_nobodys_name(db: None) -> None:
    folder = str(Path(__file__).parents[1] / "data" / "crm-sample")
    quiet = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    with pytest.raises(CommandError, match=r"too much like"):
        call_command("import_crm", folder, "--password", "DUSTIN brinkmann", **quiet)
    assert not User.objects.exists()
    call_command("import_crm", folder, "--password", OTHER, **quiet)
    assert User.objects.exists()


def test_email_is_one_in_whatever_letters_it_is_typed(c: TinyCompany) -> None:
    # A long s, which a check for A to Z without regard to case lets pass.
    made = operations.create_person(actor=c.sam, email="\u017fven@example.com", password=OTHER)
    assert made.email == "sven@example.com"
    with pytest.raises(InvalidChange, match="Another person logs in"):
        operations.create_person(actor=c.sam, email="ＳＶＥＮ@example.com")
    assert Client().login(username=" ｓven@Example.com", password=OTHER)


# --- What a hash costs ----------------------------------------------------------------------------


def test_hash_of_former_days_is_renewed_at_the_next_log_in_and_at_no_other(
    db: None, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = PRODUCT
    person = UserFactory(email="rita@example.com")
    former = Argon2PasswordHasher()
    former.memory_cost = 64  # in place of Django's 100 MiB, to be quick
    User.objects.filter(pk=person.pk).update(password=former.encode(PASSWORD, former.salt()))
    before = User.objects.get(pk=person.pk).password
    assert not Client().login(username=person.email, password="something else")
    assert User.objects.get(pk=person.pk).password == before
    client = Client()
    assert client.login(username=person.email, password=PASSWORD)
    after = User.objects.get(pk=person.pk).password
    assert f"$m={Argon2Hasher.memory_cost},t=2,p=1$" in after
    assert client.get("/admin/").status_code == 200  # the session knows the new one
    assert Client().login(username=person.email, password=PASSWORD)
    assert User.objects.get(pk=person.pk).password == after


def test_password_set_meanwhile_is_not_replaced_by_the_old_one_made_anew(
    c: TinyCompany, settings: Settings
) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *QUICK]
    checking = User.objects.get(pk=c.rita.pk)  # read with the old hash
    operations.set_password(c.rita, actor=c.sam, password=OTHER)
    assert checking.check_password(PASSWORD)
    now = User.objects.get(pk=c.rita.pk)
    assert (now.check_password(OTHER), now.check_password(PASSWORD)) == (True, False)


def test_no_more_than_two_hash_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits goes on when a turn is free."""
    settings.PASSWORD_HASHERS = PRODUCT
    inside, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(HASHES_AT_ONCE)

    def encode(hasher: object, password: str, salt: str) -> str:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        both.wait(timeout=30)  # with one at a time nobody would come here
        with lock:
            inside -= 1
        return "argon2$made"

    monkeypatch.setattr(Argon2PasswordHasher, "encode", encode)

    threads = [
        threading.Thread(target=make_password, args=[PASSWORD]) for _ in range(4 * HASHES_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert most == HASHES_AT_ONCE
    assert not any(thread.is_alive() for thread in threads)
