"""What one person does in their language: read by others in theirs, and stored the same in all."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone, translation

from accounts import operations as people
from accounts.models import AuditEvent, AuditText, Notice, PermissionChange, User
from exports import operations, worker
from exports.models import ExportPolicy, ExportRequest
from records import operations as records
from records.models import Contact, Deal
from records.operations import sharing
from tests.support.company import TinyCompany
from tests.support.english import English
from tests.support.exports_kit import path_of, set_policy

LONG_AFTER = datetime(2099, 1, 1, tzinfo=UTC)


def speaks(person: User, language: str, time_zone: str = "") -> User:
    User.objects.filter(pk=person.pk).update(language=language, time_zone=time_zone)
    return User.objects.get(pk=person.pk)


# --- What is stored -------------------------------------------------------------------------------


class _TakenBack(Exception):
    pass


def a_day(c: TinyCompany) -> list[str]:
    """Let people do something of everything; return the files that came of it."""
    deal = Deal.objects.get(pk=c.deals["ritas"].pk)
    records.change(deal, actor=c.rita, version=deal.version, values={"amount": 1234})
    sharing.share(deal, actor=c.rita, team=c.teams["south"], level="view", until=LONG_AFTER)
    records.restrict_property(actor=c.sam, object="contact", name="phone", sensitive=True)
    people.edit_permissions([c.nora], actor=c.sam, changes={"crm.deal.view": "owned"})
    people.create_set(actor=c.sam, name="Night", description="1")
    people.set_teams(c.lena, actor=c.sam, main_team=c.teams["south"])
    people.deactivate(c.ella, actor=c.sam)
    version = ExportPolicy.objects.get().version
    operations.change_policy(
        actor=c.sam, version=version, require_approval=True, threshold=0, daily_records=10_000
    )
    # The request of somebody who changed no rule.
    first = operations.request_export(
        actor=c.fresh("rita"), model=Deal, query="amount_min=1", approvers=[c.axel], message="1"
    )
    operations.reject(first, actor=c.axel, version=first.version, note="1")
    second = operations.request_export(actor=c.fresh("rita"), model=Deal, approvers=[c.axel])
    operations.approve(second, actor=c.axel, version=second.version)
    worker.run_once(worker="1")
    client = Client(headers={"Accept-Language": translation.get_language()})
    client.force_login(c.sam)
    client.post("/admin/records/deal/", {"action": "", "_selected_action": [deal.pk]})
    client.post(f"/admin/records/deal/{deal.pk}/delete/", {"post": "yes"})
    written = path_of(ExportRequest.objects.get(pk=second.pk)).read_bytes()
    return [_of_no_moment(written.decode())]


def stored(c: TinyCompany) -> dict[str, Any]:
    """Return all that a day left, without what is of the moment or drawn by chance."""
    events = AuditEvent.objects.order_by("id").values_list(
        "actor", "system", "action", "object", "object_id", "result", "data"
    )
    exports = ExportRequest.objects.order_by("id").values_list(
        "name", "query", "columns", "because", "status", "ended_because", "conditions"
    )
    changes = PermissionChange.objects.order_by("id")
    named = [f.name for f in PermissionChange._meta.concrete_fields if f.name not in ("id", "at")]
    return {
        "events": [_of_no_moment(repr(row)) for row in events],
        "texts": list(AuditText.objects.order_by("event").values_list("text", flat=True)),
        "exports": [_of_no_moment(repr(row)) for row in exports],
        "changes": [_of_no_moment(repr(row)) for row in changes.values_list(*named)],
    }


def _of_no_moment(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8,}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,}", "#", text)
    return re.sub(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9:.+]+", "@", text)


def by(c: TinyCompany, language: str, day: Callable[[TinyCompany], list[str]]) -> dict[str, Any]:
    """Return what is stored after such a day of people who read this language; take it back."""
    found: dict[str, Any] = {}
    try:
        with transaction.atomic(), translation.override(language):
            User.objects.update(language=language)
            files = day(c)
            found = {**stored(c), "files": files}
            raise _TakenBack
    except _TakenBack:
        return found


@pytest.mark.of_database("sqlite")  # the only one that takes the numbers of rows back, too
def test_log_requests_and_files_are_the_same_whatever_their_authors_read(c: TinyCompany) -> None:
    english, german = (by(c, language, a_day) for language in ("en-gb", "de"))
    assert len(english["events"]) > 12
    for name, rows in english.items():
        assert german[name] == rows, name


# --- What is read ---------------------------------------------------------------------------------


def newest(person: User) -> str:
    return Notice.objects.filter(user=person).latest("id").text


def test_the_worker_tells_each_in_their_language(c: TinyCompany) -> None:
    english = English()
    set_policy(on=False)
    told = {}
    for language in ("en-gb", "de"):
        rita = speaks(c.rita, language)
        with translation.override("de" if language == "en-gb" else "en-gb"):
            operations.request_export(actor=rita, model=Deal)
        worker.run_once(worker="1")
        told[language] = newest(rita)
    assert english.has(told["en-gb"]), told
    assert not english.has(told["de"]), told


def test_one_request_is_told_to_three_approvers_in_their_languages(c: TinyCompany) -> None:
    english = English()
    set_policy(on=True)
    sam, axel, mona = speaks(c.sam, "de"), speaks(c.axel, "en-gb"), speaks(c.mona, "")
    operations.request_export(actor=speaks(c.rita, "de"), model=Deal, approvers=[sam, axel, mona])
    assert [english.has(newest(each)) for each in (sam, axel, mona)] == [False, True, True]


def test_refusals_are_said_in_the_language_of_whoever_is_refused(c: TinyCompany) -> None:
    english = English()
    contact = Contact.objects.create(last_name="1", owner=c.rita)
    addresses = (f"/admin/records/contact/{contact.pk}/delete/", "/admin/accounts/auditevent/")
    for address in addresses:
        said = {}
        for language in ("en-gb", "de"):
            client = Client()
            client.force_login(speaks(c.rita, language))
            answer = client.post(address, {"post": "yes"})
            assert answer.status_code == 403, address
            said[language] = [
                " ".join(text.split()) for text in re.findall(r"<h[12][^>]*>([^<]+)<", answer.text)
            ]
        assert any(english.has(text) for text in said["en-gb"]), said
        assert not any(english.has(text) for text in said["de"]), said


def test_errors_of_operations_speak_the_language_of_their_moment(c: TinyCompany) -> None:
    english, said = English(), {}
    set_policy(on=True)
    export = operations.request_export(actor=c.fresh("rita"), model=Deal, approvers=[c.axel])
    for language in ("en-gb", "de"):
        with translation.override(language), pytest.raises(operations.NotAllowed) as refused:
            operations.approve(export, actor=c.fresh("rita"), version=export.version)
        said[language] = str(refused.value)
    assert english.has(said["en-gb"]), said
    assert not english.has(said["de"]), said
    assert timezone.get_current_timezone_name() == "UTC"


def test_english_is_recognized() -> None:
    """A control of these tests."""
    english = English()
    assert english.has("Mark all as read")
    assert not english.has("Alle als gelesen markieren")
    assert english.has("Page 3 of 5")
    assert not english.has("Seite 3 von 5")
