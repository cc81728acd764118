"""A right taken at each moment of an export's life: no byte leaves that may not, and the log says
why (B5, Q3, Q9, Q16, leaks S38).

Over HTTP where a person acts, with the session they had before; the worker's pass for the run.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import operations as people
from accounts.models import AuditEvent, User
from exports import operations, worker
from exports.models import Download, ExportRequest
from exports.operations import fetching
from exports.writers import files as storage
from exports.writers import manifest
from records import operations as records
from records.models import Company, Deal
from records.operations import sharing
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    between_chunks,
    completed,
    delivered_ids,
    end_lease,
    files,
    frozen_ids,
    narrow,
    refusals,
    seen_by,
    set_policy,
    table_of,
    take_tool,
)

LOG = "/admin/exports/exportrequest/"
NEW = f"{LOG}new/deal/"
COLUMNS = ["id", "name", "amount"]
CANARY = "7777.00"
"""Every deal's amount: it stands in a file exactly where the column does."""


# --- What is taken --------------------------------------------------------------------------------


def export_permission(c: TinyCompany) -> None:
    take_tool(c.sets["rep"], "crm.export")


def view_scope(c: TinyCompany) -> None:
    narrow(c.sets["rep"], "deal", 0)


def team(c: TinyCompany) -> None:
    people.set_teams(c.rita, actor=c.sam, main_team=None)


def account(c: TinyCompany) -> None:
    people.deactivate(c.rita, actor=c.sam)


def column(c: TinyCompany) -> None:
    records.restrict_property(
        actor=c.sam, object="deal", name="amount", access="super_admins", sensitive=False
    )


def record(c: TinyCompany) -> None:
    records.delete(Deal.objects.get(pk=c.deals["noras"].pk), actor=c.sam)


def share(c: TinyCompany) -> None:
    sharing.unshare(c.deals["robs"], actor=c.sam, user=c.rita)


LOSSES: dict[str, Callable[[TinyCompany], None]] = {
    f.__name__: f for f in (export_permission, view_scope, team, account, column, record, share)
}
ROWS = {"team", "record", "share"}
"""What takes some of the records, and leaves the rest."""


def lost(c: TinyCompany, export: ExportRequest) -> list[str]:
    """Return the names of frozen records that the requester may not see any more."""
    gone = set(frozen_ids(export)) - seen_by(c.rita)
    return list(Deal.objects.filter(pk__in=gone).values_list("name", flat=True))


# --- The people and their sessions ----------------------------------------------------------------


class Story:
    """Rita's export, step by step as people click it."""

    def __init__(self, c: TinyCompany) -> None:
        self.c, self.rita, self.axel = c, Client(), Client()
        self.rita.force_login(c.rita)
        self.axel.force_login(c.axel)
        Deal.objects.update(amount=CANARY)
        # First in the list, and in the file: her own, which she keeps whatever rows she loses.
        Deal.objects.filter(pk=c.deals["chosen"].pk).update(updated_at=timezone.now())
        sharing.share(c.deals["robs"], actor=c.sam, level="view", user=c.rita)
        set_policy(on=True, threshold=0)

    def request(self) -> Any:
        posted = {"step": "request", "columns": COLUMNS, "approvers": [self.c.axel.pk]}
        return self.rita.post(NEW, posted)

    @property
    def export(self) -> ExportRequest:
        return ExportRequest.objects.get()

    def approve(self) -> str:
        export = self.export
        address = f"{LOG}{export.pk}/approve/"
        return self.axel.post(address, {"version": export.version}, follow=True).text

    def run(self) -> None:
        worker.run_once()
        if self.export.status == "processing":  # given back, for another attempt
            end_lease(self.export)
            worker.run_once()

    def download(self) -> Any:
        return self.rita.post(f"{LOG}{self.export.pk}/download/")

    def bytes_for_rita(self) -> str:
        """Return what a download of hers brings, empty where it is refused."""
        answer = self.download()
        return answer.getvalue().decode() if answer.streaming else ""


def reason_of(export: ExportRequest, action: str) -> tuple[str, str]:
    """Return who said why, in the log: the name of the system and the code."""
    event = AuditEvent.objects.filter(object_id=str(export.pk), action=action).latest("id")
    return event.system, event.data["reason"]


# --- Before it is asked for -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_right_lost_before_the_request(c: TinyCompany, loss: str) -> None:
    story = Story(c)
    assert "Amount" in story.rita.get(NEW).text  # the dialog is open
    before = seen_by(c.rita)
    LOSSES[loss](c)
    answer = story.request()
    if loss in ROWS:
        assert (answer.status_code, set(frozen_ids(story.export))) == (302, seen_by(c.rita))
        assert seen_by(c.rita) < before
        event = AuditEvent.objects.get(action="export.request")
        assert event.data["records"] == len(seen_by(c.rita))
        return
    assert answer.status_code == {"account": 302, "column": 200}.get(loss, 403)
    if loss == "account":
        assert answer["Location"].startswith("/admin/login/")
    assert "Amount" not in answer.text
    assert not ExportRequest.objects.exists()


# --- Before somebody consents, and before it is written -------------------------------------------


def assert_ended_rightly(story: Story, loss: str, handed_out: str) -> None:
    """The file is without what was lost, or there is none; the log has the reason."""
    c, export = story.c, story.export
    if loss in ROWS:
        gone = lost(c, export)
        assert gone
        assert (export.status, [name for name in gone if name in handed_out]) == ("completed", [])
        assert delivered_ids(export) == set(frozen_ids(export)) & seen_by(c.rita)
        finished = AuditEvent.objects.get(action="export.finish")
        assert finished.data["dropped"] == len(gone)
        assert len(table_of(export)) - 1 == finished.data["delivered"]
        return
    assert (handed_out, files(), delivered_ids(export)) == ("", [], set())
    assert not AuditEvent.objects.filter(action="export.finish").exists()
    if loss == "column":
        assert export.status == "pending"
        assert reason_of(export, "export.back_to_pending") == ("exports", "became_restricted")
        assert [each["name"] for each in export.columns] == ["id", "name"]
        return
    code = "requester_inactive" if loss == "account" else "requester_lost_right"
    assert export.status == "cancelled"
    assert reason_of(export, "export.cancel") == ("exports", code)
    assert (
        export.ended_because
        == {
            "requester_inactive": "The requester was deactivated.",
            "requester_lost_right": "The requester may not export this any more.",
        }[code]
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_right_lost_before_the_approval(c: TinyCompany, loss: str) -> None:
    story = Story(c)
    story.request()
    LOSSES[loss](c)
    said = story.approve()
    assert ("Approved." in said) == (loss in ROWS | {"column"})
    story.run()
    assert_ended_rightly(story, loss, story.bytes_for_rita())


@pytest.mark.parametrize("loss", LOSSES)
def test_right_lost_before_the_run(c: TinyCompany, loss: str) -> None:
    story = Story(c)
    story.request()
    assert "Approved." in story.approve()
    LOSSES[loss](c)
    story.run()
    assert_ended_rightly(story, loss, story.bytes_for_rita())


@pytest.mark.parametrize("loss", LOSSES)
def test_right_lost_in_the_middle_of_the_run(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    story = Story(c)
    story.request()
    story.approve()
    assert frozen_ids(story.export)[0] == c.deals["chosen"].pk
    with monkeypatch.context() as patch:
        acted = []
        between_chunks(patch, lambda: acted.append(None) or len(acted) > 1 or LOSSES[loss](c))
        patch.setattr(worker, "BEAT", 0)
        story.run()
    assert acted
    assert_ended_rightly(story, loss, story.bytes_for_rita())


# --- Before and while it is fetched ---------------------------------------------------------------


def finished(c: TinyCompany) -> Story:
    story = Story(c)
    story.request()
    story.approve()
    story.run()
    text = story.bytes_for_rita()
    assert CANARY in text
    assert "Rob's" in text
    return story


@pytest.mark.parametrize("loss", LOSSES)
def test_right_lost_before_the_download(c: TinyCompany, loss: str) -> None:
    story = finished(c)
    LOSSES[loss](c)
    answer = story.download()
    assert (answer.streaming, answer.status_code) == (False, 302)
    if loss == "account":
        assert answer["Location"].startswith("/admin/login/")
    else:
        assert answer["Location"] == f"{LOG}?review={story.export.pk}"
        assert refusals("export.download") == [("rita@example.com", "not_allowed")]
    with pytest.raises(operations.NotAllowed) as refused:
        operations.open_download(story.export, actor=c.rita)
    assert not [name for name in lost(c, story.export) if name in str(refused.value)]
    assert Download.objects.count() == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_right_or_record_lost_in_the_middle_of_the_download(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    story = finished(c)
    monkeypatch.setattr(storage, "ASK_AGAIN_AFTER", 16)
    answer = story.download()
    parts = iter(answer.streaming_content)
    first = next(parts)
    LOSSES[loss](c)
    with pytest.raises(operations.NotAllowed):
        b"".join(parts)
    assert len(first) == 16 < int(answer["Content-Length"])  # the browser sees that it broke off
    assert CANARY.encode() not in first


@pytest.mark.parametrize("loss", [None, "record", "share"])
def test_slow_reader_is_asked_about_by_time(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, loss: str | None
) -> None:
    """Whoever reads a few bytes now and then is asked about as well, megabytes or not."""
    story = finished(c)
    monkeypatch.setattr(storage, "ASK_AGAIN_SECONDS", 3600)
    file = operations.open_download(story.export, actor=c.rita)
    first = file.read(8)
    if loss is not None:
        LOSSES[loss](c)
    first += file.read(8)  # a moment later
    monkeypatch.setattr(storage, "ASK_AGAIN_SECONDS", 0)
    if loss is None:
        assert first + b"".join(iter(lambda: file.read(8), b""))
        return
    with pytest.raises(operations.NotAllowed, match="holds a record"):
        file.read(8)
    assert refusals("export.download") == [("rita@example.com", "broken_off")]


def test_looking_at_every_record_takes_a_tenth_of_the_time_at_most(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = finished(c)
    monkeypatch.setattr(storage, "ASK_AGAIN_SECONDS", 0)
    looks = []
    look = manifest.has_out_of_reach
    clock = [100.0]

    def slow(export: ExportRequest, user: User) -> bool:
        looks.append(clock[0])
        clock[0] += 1
        return look(export, user)

    monkeypatch.setattr(manifest, "has_out_of_reach", slow)
    file = operations.open_download(story.export, actor=c.rita)
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for _ in range(30):
        assert file.read(1)
        clock[0] += 0.5
    # The first when it was opened; from then on a second's look every ten.
    assert looks[1:] == [101.5, 111.5]
    # A right that changed is no reason to wait.
    team(c)
    with pytest.raises(operations.NotAllowed):
        file.read(1)


def test_file_that_lost_a_record_while_it_was_written_is_not_closed_by_it(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(c)
    story.request()
    story.approve()
    with monkeypatch.context() as patch:
        acted: list[None] = []
        between_chunks(patch, lambda: acted.append(None) or len(acted) > 1 or record(c))
        story.run()
    gone = c.deals["noras"].pk
    assert story.export.status == "completed"
    assert gone in set(frozen_ids(story.export)) - delivered_ids(story.export)
    assert CANARY in story.bytes_for_rita()
    # Beside it: a record that is in the file does close it.
    share(c)
    assert story.bytes_for_rita() == ""


# --- What stands beside a record ------------------------------------------------------------------


@pytest.fixture
def beside(c: TinyCompany) -> ExportRequest:
    """An export of two deals with what Rita may see of their companies: Acme hers, Bolt not."""
    Company.objects.update(country="Atlantis")
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(company=c.companies["acme"])
    sharing.share(c.deals["robs"], actor=c.sam, level="view", user=c.rita)
    ids = [c.deals[name].pk for name in ("ritas", "robs")]
    return completed(c.rita, ids=ids, columns=["name", "company", "company.country"])


def move_acme(c: TinyCompany) -> None:
    acme = Company.objects.get(name="Acme")
    records.change(acme, actor=c.sam, values={"owner": c.rob}, version=acme.version)


def close_country(c: TinyCompany) -> None:
    records.restrict_property(
        actor=c.sam, object="company", name="country", access="super_admins", sensitive=False
    )


@pytest.mark.parametrize("loss", [move_acme, close_country])
def test_file_closes_with_what_stands_beside_its_records(
    c: TinyCompany, beside: ExportRequest, loss: Callable[[TinyCompany], None]
) -> None:
    assert sorted(table_of(beside)) == [
        ["Name", "Company", "Company: Country"],
        ["Rita's", "Acme", "Atlantis"],
        ["Rob's", "", ""],
    ]
    assert not operations.open_download(beside, actor=c.rita).closed
    # What was out of reach when it was written is not in the file, and closes nothing.
    records.delete(Company.objects.get(name="Bolt"), actor=c.sam)
    assert not operations.open_download(beside, actor=c.rita).closed
    loss(c)
    with pytest.raises(operations.NotAllowed, match="closed to you") as refused:
        operations.open_download(beside, actor=c.rita)
    assert "Acme" not in str(refused.value)
    again = completed(c.rita, ids=frozen_ids(beside), columns=["name"])
    assert not operations.open_download(again, actor=c.rita).closed


def test_attempt_that_wrote_something_else_closes_a_file_too_early_and_never_too_late(
    c: TinyCompany, beside: ExportRequest
) -> None:
    assert set(beside.related.values_list("object", "record_id")) == {
        ("company", c.companies["acme"].pk)
    }
    manifest.Beside(beside).add({"company": {c.companies["acme"].pk, c.companies["bolt"].pk}})
    assert beside.related.count() == 2
    with pytest.raises(operations.NotAllowed):
        operations.open_download(beside, actor=c.rita)


def test_exports_stand_on_the_page_of_what_stood_beside(
    c: TinyCompany, beside: ExportRequest
) -> None:
    client = Client()
    client.force_login(c.sam)
    pages = {
        name: client.get(f"/admin/records/company/{company.pk}/change/").text
        for name, company in c.companies.items()
    }
    assert {name for name, text in pages.items() if f"review={beside.pk}" in text} == {"acme"}
