"""A file, and all that is kept of an export, is the same whoever reads which language.

What people read of it is in their own.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from accounts.models import AuditEvent, Notice, User
from exports import jobs, operations, reasons, tables, upkeep, worker
from exports.models import ExportRequest
from exports.operations import Conditions, wishes
from exports.screens import panel
from exports.writers import manifest
from records.models import Company, Contact, Deal, Property, Record
from records.operations import restrict_property
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    ask,
    events,
    path_of,
    pending,
    set_policy,
    take_tool,
)

Access = Property.Access
ENGLISH, GERMAN = "en-gb", "de"
# Who asks, who decides, the worker.
OTHERS = [
    (GERMAN, GERMAN, GERMAN),
    (GERMAN, ENGLISH, ENGLISH),
    (ENGLISH, GERMAN, ENGLISH),
    (ENGLISH, ENGLISH, GERMAN),
]
ALL_ENGLISH = (ENGLISH, ENGLISH, ENGLISH)
# Of one export and of no other: drawn by chance, numbered, or a moment.
OWN = {
    *("id", "token", "wish_sha256", "file_name", "worker", "lease_until", "claimed_at"),
    *("requested_at", "decided_at", "ended_at", "expires_at", "waits_again_since"),
    "released_again_at",
}
# A workbook says when it was made.
OWN_IF_XLSX = {"sha256", "file_size"}
OWN_IN_EVENTS = {"manifest_digest", "file_digest", "worker"}
XLSX_MOMENT = "docProps/core.xml"


def kept(export: ExportRequest) -> dict[str, Any]:
    """Return all that is kept of an export and could hold words, its digest among it."""
    export.refresh_from_db()
    row = ExportRequest.objects.filter(pk=export.pk).values().get()
    own = OWN | OWN_IF_XLSX if export.format == "xlsx" else OWN
    found = AuditEvent.objects.filter(object="exportrequest", object_id=str(export.pk))
    told = Notice.objects.filter(link__endswith=f"/{export.pk}/change/").order_by("id")
    return {
        "row": {name: value for name, value in row.items() if name not in own},
        "events": [
            (
                *(event.action, event.actor_id, event.result),
                {name: value for name, value in event.data.items() if name not in OWN_IN_EVENTS},
            )
            for event in found.order_by("id")
        ],
        "frozen": list(export.frozen.order_by("id").values_list("columns", "form")),
        "digest": manifest.digest(export, "salt"),
        "told": list(told.values_list("user", "text")),
    }


def bytes_of(export: ExportRequest) -> Any:
    """Return a file's bytes; of a workbook, all but the moment at which it was made."""
    if export.format != "xlsx":
        return path_of(export).read_bytes()
    with zipfile.ZipFile(path_of(export)) as book:
        names = [name for name in book.namelist() if name != XLSX_MOMENT]
        return {name: book.read(name) for name in names}


@contextmanager
def undone() -> Iterator[None]:
    """Take back what happens in the block, so that the next story finds what this one found."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", list(operations.FORMATS))
@pytest.mark.parametrize("model", [Contact, Deal])
def test_files_are_the_same_in_every_language(
    c: TinyCompany, model: type[Record], format: str
) -> None:
    # Named by its kind, for want of a name.
    Company.objects.filter(pk=c.companies["acme"].pk).update(name="")
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(company=c.companies["acme"])
    names = [column.name for column in tables.all_columns(model)]
    set_policy(on=False)

    def story(asks: str, works: str) -> tuple[Any, dict[str, Any]]:
        with undone():
            with translation.override(asks):
                export = ask(c.sam, model, columns=names, format=format)
            with translation.override(works):
                worker.run_once()
            return bytes_of_completed(export), kept(export)

    expected = story(ENGLISH, ENGLISH)
    assert story(GERMAN, ENGLISH) == story(ENGLISH, GERMAN) == story(GERMAN, GERMAN) == expected


def test_a_request_in_the_language_of_who_asks_would_be_noticed(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(on=False)
    monkeypatch.setattr(wishes, "as_installed", nullcontext)  # known wrong
    found = []
    for language in (ENGLISH, GERMAN):
        with undone():
            with translation.override(language):
                export = ask(c.sam)
            found.append(kept(export))
    assert found[0] != found[1]


def bytes_of_completed(export: ExportRequest) -> Any:
    export.refresh_from_db()
    assert export.status == "completed"
    return bytes_of(export)


def test_files_are_in_the_language_of_the_installation(c: TinyCompany, settings: Settings) -> None:
    set_policy(on=False)
    with translation.override(ENGLISH):
        assert ask(c.sam).name == "All deals"
    settings.LANGUAGE_CODE = GERMAN
    for asks in (ENGLISH, GERMAN):
        with translation.override(asks):
            export = ask(c.sam)
        assert export.name.startswith("Alle ")
        with translation.override(GERMAN):
            labels = {c.name: str(c.label) for c in tables.all_columns(Deal)}
        assert {each["name"]: each["label"] for each in export.columns}.items() <= labels.items()


def test_all_columns_stand_in_one_order_for_everybody(c: TinyCompany) -> None:
    set_policy(on=False)
    page = "/admin/exports/exportrequest/new/deal/"
    orders = []
    for language in (ENGLISH, GERMAN):
        client = Client(headers={"accept-language": language})
        client.force_login(c.sam)
        with translation.override(language):
            answer = client.post(page, {"step": "columns", "which": "all"})
        assert answer.status_code == 302
        orders.append([each["name"] for each in ExportRequest.objects.latest("id").columns])
    assert orders[0] == orders[1]
    assert orders[0][0] == "id"


# --- Stories --------------------------------------------------------------------------------------


def test_a_request_with_consent_leaves_the_same_behind(c: TinyCompany) -> None:
    def story(asks: str, decides: str, works: str) -> tuple[Any, dict[str, Any]]:
        with undone():
            with translation.override(asks):
                export = pending(c.rita, c.axel, message="For the fair.", query="o=amount")
            with translation.override(decides):
                less = Conditions(columns_dropped=("amount",), most_records=1, file_days=1)
                note = "Without amounts."
                operations.approve(
                    export, actor=c.axel, version=export.version, note=note, conditions=less
                )
            with translation.override(works):
                worker.run_once()
            return bytes_of_completed(export), kept(export)

    expected = story(*ALL_ENGLISH)
    for languages in OTHERS:
        assert story(*languages) == expected


Ending = Callable[[TinyCompany], ExportRequest]


def _cancelled(c: TinyCompany) -> ExportRequest:
    export = pending(c.rita, c.axel)
    operations.cancel(export, actor=c.sam)
    return export


def _lapsed(c: TinyCompany, days: int = 14) -> ExportRequest:
    export = pending(c.rita, c.axel)
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=LONG_AGO, lapse_days=days)
    upkeep.lapse_overdue()
    return export


def _lapsed_after_a_day(c: TinyCompany) -> ExportRequest:
    return _lapsed(c, 1)


def _lapsed_after_years(c: TinyCompany) -> ExportRequest:
    return _lapsed(c, 2000)


def _revoked(c: TinyCompany) -> ExportRequest:
    export = pending(c.rita, c.axel)
    take_tool(c.sets["rep"], "crm.export")
    upkeep.cancel_waiting_of_revoked()
    return export


def _left(c: TinyCompany) -> ExportRequest:
    export = pending(c.rita, c.axel)
    User.objects.filter(pk=c.rita.pk).update(is_active=False)
    upkeep.cancel_waiting_of_revoked()
    return export


def _tampered(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.axel)
    ExportRequest.objects.filter(pk=export.pk).update(query="stage=1")
    worker.run_once()
    return export


def _tried_once(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.axel)
    taken = jobs.claim("worker", worker.LEASE)
    assert taken is not None
    jobs.note_attempt(taken, ValueError("of the data"), worker.LEASE)
    return export


def _failed(c: TinyCompany) -> ExportRequest:
    export = _tried_once(c)
    ExportRequest.objects.filter(pk=export.pk).update(tries=jobs.ATTEMPTS, lease_until=LONG_AGO)
    worker.run_once()
    return export


def _killed(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.axel)
    ExportRequest.objects.filter(pk=export.pk).update(setbacks=jobs.SETBACKS)
    worker.run_once()
    return export


def _approver_lost_right(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.axel)
    take_tool(c.sets["approver"], "crm.export_approver")
    worker.run_once()
    return export


def _exemption_lost(c: TinyCompany) -> ExportRequest:
    set_policy(on=True, threshold=0)
    export = ask(c.xena)
    take_tool(c.sets["exempt"], "crm.export_without_approval")
    worker.run_once()
    return export


def _restricted(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.axel)
    restrict_property(actor=c.sam, object="deal", name="amount", access=Access.SUPER_ADMINS)
    worker.run_once()
    return export


def _sensitive_since(export: ExportRequest, c: TinyCompany) -> ExportRequest:
    restrict_property(actor=c.sam, object="deal", name="amount", sensitive=True)
    worker.run_once()
    return export


def _sensitive_since_approved(c: TinyCompany) -> ExportRequest:
    return _sensitive_since(approved(c.rita, c.axel), c)


def _sensitive_since_asked(c: TinyCompany) -> ExportRequest:
    set_policy(on=True, threshold=100)
    return _sensitive_since(ask(c.rita), c)


ENDINGS: list[tuple[Ending, str, str]] = [
    (_cancelled, "Sam cancelled it.", "Sam hat ihn abgebrochen."),
    (
        _lapsed,
        "Nobody decided on it within 14 days.",
        "Niemand hat innerhalb von 14 Tagen darüber entschieden.",
    ),
    (
        _lapsed_after_a_day,
        "Nobody decided on it within 1 day.",
        "Niemand hat innerhalb von 1 Tag darüber entschieden.",
    ),
    (
        _lapsed_after_years,
        "Nobody decided on it within 2,000 days.",
        "Niemand hat innerhalb von 2.000 Tagen darüber entschieden.",
    ),
    (
        _revoked,
        "The requester may not export this any more.",
        "Der Antragsteller darf dies nicht mehr exportieren.",
    ),
    (_left, "The requester was deactivated.", "Der Antragsteller wurde deaktiviert."),
    (
        _tampered,
        "The request was changed outside the product, so it was not run.",
        "Die Anfrage wurde außerhalb des Produkts geändert, deshalb wurde sie nicht ausgeführt.",
    ),
    (_tried_once, "of an error (ValueError)", "wegen eines Fehlers (ValueError)"),
    (
        _failed,
        "5 attempts to write the file failed; the last one because of an error (ValueError).",
        "5 Versuche, die Datei zu schreiben, sind fehlgeschlagen, der letzte wegen eines Fehlers "
        "(ValueError).",
    ),
    (
        _killed,
        "12 attempts to write the file failed; the last one because the worker was ended while it "
        "wrote.",
        "12 Versuche, die Datei zu schreiben, sind fehlgeschlagen, der letzte, weil der Worker "
        "beim Schreiben beendet wurde.",
    ),
    (
        _approver_lost_right,
        "The approver, Axel, may not approve any more.",
        "Der Genehmiger, Axel, darf nicht mehr genehmigen.",
    ),
    (
        _exemption_lost,
        "The requester may not export without approval any more.",
        "Der Antragsteller darf nicht mehr ohne Genehmigung exportieren.",
    ),
    (
        _restricted,
        "A column was restricted since it was approved.",
        "Eine Spalte wurde seit der Genehmigung eingeschränkt.",
    ),
    (
        _sensitive_since_approved,
        "A column became sensitive since it was approved.",
        "Eine Spalte wurde seit der Genehmigung sensibel.",
    ),
    (
        _sensitive_since_asked,
        "A column became sensitive since it was asked for.",
        "Eine Spalte wurde seit der Anfrage sensibel.",
    ),
]


@pytest.mark.parametrize(
    ("ending", "stored", "german"), ENDINGS, ids=[e.__name__.strip("_") for e, _, _ in ENDINGS]
)
def test_why_it_ended_is_kept_once_and_read_in_each_language(
    c: TinyCompany, ending: Ending, stored: str, german: str
) -> None:
    found = []
    for language in (ENGLISH, GERMAN):
        with undone():
            with translation.override(language):
                export = ending(c)
            found.append(kept(export))
            row = found[-1]["row"]
            assert stored in (row["ended_because"], row["waits_again_because"])
            for read, said in ((ENGLISH, stored), (GERMAN, german)):
                with translation.override(read):
                    assert said in (export.why_it_ended, export.why_it_waits_again)
    assert found[0] == found[1]


def test_a_reason_of_an_earlier_version_is_read_as_it_is() -> None:
    with translation.override(GERMAN):
        assert reasons.read("The moon was full.") == "The moon was full."
        assert reasons.read("") == ""


# --- What people read -----------------------------------------------------------------------------


def test_each_side_reads_its_own_language(c: TinyCompany) -> None:
    User.objects.filter(pk=c.rita.pk).update(language=GERMAN)
    User.objects.filter(pk=c.axel.pk).update(language=ENGLISH)
    export = pending(c.rita, c.axel)
    with translation.override(GERMAN):  # whatever the approver's request is in
        operations.reject(export, actor=c.axel, version=export.version, note="Too many.")
    export.refresh_from_db()
    assert [notice.text for notice in Notice.objects.filter(user=c.axel)] == [
        f"Rita requests approval to export “All deals”, {export.record_count} records."
    ]
    assert [notice.text for notice in Notice.objects.filter(user=c.rita)] == [
        "Axel hat Ihren Export „All deals“ abgelehnt. Öffnen Sie ihn, um den Grund zu lesen."
    ]
    assert events(export) == ["export.request", "export.reject"]


def test_the_language_of_a_files_labels_is_said_in_the_readers(
    c: TinyCompany, settings: Settings
) -> None:
    """They are in the installation's, whoever reads the page on which they are chosen."""
    client = Client()
    client.force_login(c.rita)

    def offered() -> str:
        page = client.get("/admin/exports/exportrequest/new/deal/").text
        found = re.search(r'name="headers" value="labels"[^>]*><span>([^<]+)<', page)
        assert found is not None
        return found[1]

    assert offered() == "Labels, in English"
    User.objects.filter(pk=c.rita.pk).update(language=GERMAN)
    assert offered() == "Bezeichnungen auf Englisch"
    settings.LANGUAGE_CODE = GERMAN
    assert offered() == "Bezeichnungen auf Deutsch"


def test_labels_of_columns_are_the_readers_unless_they_were_others_when_frozen(
    c: TinyCompany,
) -> None:
    export = pending(c.rita, c.axel, columns=["name", "amount"])
    for language in (ENGLISH, GERMAN):
        with translation.override(language):
            labels = {c.name: str(c.label) for c in tables.all_columns(Deal)}
            shown = panel.described_columns(export, c.axel)
        assert [column["label"] for column in shown] == [labels["name"], labels["amount"]]
    export.columns[1]["label"] = "Volume"
    with translation.override(GERMAN):
        assert panel.described_columns(export, c.axel)[1]["label"] == "Volume"
