"""No hash on a screen, in a form, in the log or in a mail tells what its reader may not see.

The attack: whoever knows all of a file, a request or an event but one short value makes it with
every possible value and compares. It must find nothing, and does find it where the hash is plain.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from accounts import audit
from accounts import operations as account_operations
from accounts.models import AuditEvent, Notice
from exports import hashes, operations, worker
from exports.models import ExportRequest
from exports.steps import SYSTEM
from exports.writers import manifest
from records.models import Contact, Property
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, path_of, pending
from tests.support.factories import ContactFactory

LOG = "/admin/exports/exportrequest/"
PHONE = "+49 30 0417"
GUESSES = [f"+49 30 {number:04}" for number in range(1000)]

Attack = Callable[[set[str]], list[str]]


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def hashes_in(texts: Iterator[str]) -> set[str]:
    return {found for text in texts for found in re.findall(r"(?<![0-9a-f])[0-9a-f]{64}", text)}


def seen_by(c: TinyCompany, name: str, export: ExportRequest) -> Iterator[str]:
    """Return the pages, messages and mails that a person gets about an export."""
    client = logged_in(c, name)
    yield client.get(f"{LOG}?review={export.pk}").text
    yield client.get(f"{LOG}?q={export.sha256}").text.replace(export.sha256, "", 4)  # typed
    yield client.get("/admin/inbox/").text
    yield client.get("/admin/accounts/auditevent/").text
    for event in AuditEvent.objects.filter(object="exportrequest", object_id=str(export.pk)):
        yield client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    person = c.people[name]
    for notice in Notice.objects.filter(user=person):
        yield f"{notice.text} {notice.link}"
    for message in mail.outbox:
        if person.email in message.to:
            yield f"{message.subject} {message.body}"


def plain_and_keyed(data: bytes) -> Iterator[str]:
    """Return what may be made of a file by whoever knows the product's source and no secret."""
    plain = hashlib.sha256(data).hexdigest()
    yield plain
    yield hashlib.sha256(plain.encode()).hexdigest()
    yield audit.digest("", plain)


def on_the_file(export: ExportRequest) -> Attack:
    """Try phone numbers in an export's file."""
    known = path_of(export).read_bytes()
    assert known.count(PHONE.encode()) == 1

    def attack(seen: set[str]) -> list[str]:
        return [
            guess
            for guess in GUESSES
            if seen & set(plain_and_keyed(known.replace(PHONE.encode(), guess.encode())))
        ]

    return attack


def on_the_request(export: ExportRequest, salts: list[str]) -> Attack:
    """Try phone numbers in the query of a request."""
    known, tried = export.query, copy(export)
    made: dict[str, set[str]] = {}
    for guess in GUESSES:
        tried.query = known.replace(PHONE[-4:], guess[-4:])
        made[guess] = {
            manifest.digest(tried, salt, form) for salt in salts for form in manifest.FORMS
        }

    def attack(seen: set[str]) -> list[str]:
        return [guess for guess, digests in made.items() if digests & seen]

    return attack


@pytest.fixture
def export(c: TinyCompany) -> ExportRequest:
    """Return a finished export of one contact; nobody but Rita and super admins saw the number."""
    contact = ContactFactory(last_name="Secret", owner=c.rita, phone=PHONE)
    wish: dict[str, Any] = {"model": Contact, "ids": [contact.pk], "columns": ["id", "phone"]}
    found = pending(c.rita, c.axel, **wish)
    operations.approve(found, actor=c.axel, version=found.version)
    worker.run_once()
    operations.open_download(found, actor=c.rita).close()
    found.refresh_from_db()
    assert found.status == "completed"
    return found


@pytest.mark.parametrize("who", ["otto", "axel", "mona"])
def test_phone_number_in_a_file_is_not_recovered_from_any_hash(
    c: TinyCompany, export: ExportRequest, who: str
) -> None:
    seen = hashes_in(seen_by(c, who, export))
    assert hashes.keyed(export.sha256) in seen
    assert on_the_file(export)(seen) == []
    panel = logged_in(c, who).get(f"{LOG}?review={export.pk}").text
    assert "<dd>less than 1 KB</dd>" in panel  # the exact size is the length of the number


@pytest.mark.parametrize("who", ["rita", "sam"])
def test_requester_and_super_admins_read_the_plain_hash(
    c: TinyCompany, export: ExportRequest, who: str
) -> None:
    page = logged_in(c, who).get(f"{LOG}?review={export.pk}").text
    assert "SHA-256</dt>" in page
    assert f"<dd>{export.file_size}\xa0bytes</dd>" in page
    assert on_the_file(export)(hashes_in(iter([page]))) == [PHONE]  # the attack works where it can


def test_value_in_a_filter_is_not_recovered_from_any_hash(c: TinyCompany) -> None:
    ContactFactory(last_name=f"Secret {PHONE[-4:]}", owner=c.rita)
    Property.objects.create(object="contact", name="last_name", sensitive=True)
    export = pending(c.rita, c.axel, model=Contact, query=f"q={PHONE[-4:]}")
    assert PHONE[-4:] in export.query
    frozen = export.frozen.get()
    without_the_salt = on_the_request(export, [""])
    for who in ("otto", "axel"):
        assert PHONE[-4:] not in logged_in(c, who).get(f"{LOG}?review={export.pk}").text
        assert without_the_salt(hashes_in(seen_by(c, who, export))) == []
    # The attack finds it in the log, for whoever had the salt.
    logged = hashes_in(seen_by(c, "otto", export))
    assert on_the_request(export, [frozen.salt])(logged) == [PHONE]
    everything = " ".join(text for who in c.people for text in seen_by(c, who, export))
    assert frozen.salt not in everything


def test_events_of_earlier_versions_show_no_plain_hash_and_none_of_the_row(
    c: TinyCompany, export: ExportRequest
) -> None:
    data = {"to": "completed", "sha256": export.sha256, "manifest_sha256": "ab" * 32}
    with transaction.atomic():
        event = audit.record("export.finish", actor=SYSTEM, on=export, data=data)
    address = f"/admin/accounts/auditevent/{event.pk}/change/"
    auditor, super_admin = (logged_in(c, who).get(address).text for who in ("otto", "sam"))
    attack = on_the_file(export)

    def on_the_row(seen: set[str]) -> list[str]:
        tried = copy(event)
        found = []
        for guess in GUESSES:
            made = path_of(export).read_bytes().replace(PHONE.encode(), guess.encode())
            tried.data = {**data, "sha256": hashlib.sha256(made).hexdigest()}
            if audit.row_hash(tried) in seen:
                found.append(guess)
        return found

    seen = hashes_in(iter([auditor]))
    assert (attack(seen), on_the_row(seen)) == ([], [])
    assert hashes.keyed(export.sha256) in seen
    assert "ab" * 32 not in auditor
    assert "not shown, because it covers details that are hidden from you" in auditor
    seen = hashes_in(iter([super_admin]))
    assert (attack(seen), on_the_row(seen)) == ([PHONE], [PHONE])
    assert AuditEvent.objects.get(pk=event.pk).data == data


def test_hash_of_a_row_is_not_shown_where_a_hidden_column_is_in_it(c: TinyCompany) -> None:
    """A sibling: names of columns that are hidden from an auditor could be tried just so."""
    Property.objects.create(object="company", name="revenue", access="super_admins")
    with transaction.atomic():
        told = audit.record("export.request", actor=c.rita, data={"object": "deal", "columns": []})
        hides = audit.record(
            "export.request",
            actor=c.rita,
            data={"object": "deal", "columns": ["company.revenue"]},
        )
    pages = [
        logged_in(c, "otto").get(f"/admin/accounts/auditevent/{event.pk}/change/").text
        for event in (told, hides)
    ]
    assert told.row_hash in pages[0]
    assert hides.row_hash not in pages[1]


def test_mark_of_a_form_is_keyed(c: TinyCompany, settings: Settings) -> None:
    said = ["Rita", "Example", {"hidden": 7}]
    plain = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    mark = account_operations.mark(said)
    assert mark == account_operations.mark(said) != plain
    settings.SECRET_KEY = "another key"
    assert account_operations.mark(said) != mark


def test_equal_files_have_equal_fingerprints_and_others_have_others(c: TinyCompany) -> None:
    first, second, other = (
        completed(c.rita, columns=columns) for columns in (["id"], ["id"], ["id", "name"])
    )
    found = [hashes.shown(each, c.otto).value for each in (first, second, other)]
    assert found[0] == found[1] != found[2]
    page = logged_in(c, "otto").get(f"{LOG}?review={second.pk}").text
    assert found[0] in page
    assert second.sha256 not in page


def test_file_that_was_found_leads_to_its_export(c: TinyCompany, export: ExportRequest) -> None:
    def found(who: str, term: str) -> bool:
        return f"review={export.pk}" in logged_in(c, who).get(LOG, {"q": term}).text

    assert found("sam", export.sha256)
    assert found("sam", f" {export.sha256.upper()} ")
    assert not found("sam", export.sha256[:-1])
    assert not found("sam", hashes.keyed(export.sha256))
    assert found("rita", export.sha256)
    for who in ("otto", "axel", "mona", "nora"):
        assert not found(who, export.sha256)
    assert found("otto", export.name)


def test_log_proves_a_file_even_with_another_secret_key(
    c: TinyCompany, export: ExportRequest, settings: Settings
) -> None:
    settings.SECRET_KEY = "another key"
    salt = export.frozen.get().salt
    data = hashlib.sha256(path_of(export).read_bytes()).hexdigest()
    for action in ("export.finish", "export.download"):
        event = AuditEvent.objects.get(action=action, object_id=str(export.pk))
        assert event.data["file_digest"] == audit.digest(salt, data)
        assert not [name for name in event.data if name.endswith(hashes.PLAIN)]
