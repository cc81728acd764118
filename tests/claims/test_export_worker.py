"""The worker's duties: claim, write, give up, take over, and what time demands (B5, B10)."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone

from accounts.models import AuditEvent, Notice, User
from exports import consent, folder, jobs, operations, upkeep, worker
from exports.models import ExportRecord, ExportRequest
from exports.steps import WrongState
from exports.writers import files as storage
from records.models import Contact, Deal, Property
from tests.support.company import OWNED, TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    ask,
    between_chunks,
    completed,
    delivered_ids,
    end_lease,
    events,
    files,
    frozen_ids,
    ids_in,
    lease_runs,
    narrow,
    path_of,
    pending,
    raise_attempts,
    seen_by,
    set_policy,
    table_of,
    take_tool,
)
from tests.support.factories import DealFactory

MINUTE = timedelta(minutes=1)


def state(export: ExportRequest) -> str:
    export.refresh_from_db()
    return export.status


def claimed(export: ExportRequest) -> ExportRequest:
    """Let a worker take this export and nothing more."""
    assert folder.is_ready()
    taken = jobs.claim("a worker", MINUTE)
    assert taken is not None
    assert taken.pk == export.pk
    return taken


# --- One export from request to file --------------------------------------------------------------


def test_life_of_an_export(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    assert worker.run_once() == 0  # nothing runs without consent
    assert (state(export), files()) == ("pending", [])
    operations.approve(export, actor=c.sue, version=export.version)
    assert worker.run_once() == 1
    assert state(export) == "completed"
    assert events(export) == [
        "export.request",
        "export.approve",
        "export.claim",
        "export.finish",
    ]
    assert set(ids_in(export)) == delivered_ids(export) == seen_by(c.rita)
    assert export.delivered_count == export.rows_written == export.record_count
    assert (export.worker, export.lease_until, export.attempt) == ("", None, 1)
    assert files() == [export.file_name]
    assert export.expires_at is not None
    assert export.expires_at - timezone.now() > timedelta(days=6)
    texts = list(Notice.objects.filter(user=c.rita).order_by("id").values_list("text", flat=True))
    assert texts[-1] == f"Your export “All deals” is ready: {export.record_count} records."
    assert worker.run_once() == 0


def test_command_runs_once(c: TinyCompany) -> None:
    set_policy(on=False)
    first, second = ask(c.rita), ask(c.nora)
    call_command("export_worker", "--once")
    assert [state(first), state(second)] == ["completed", "completed"]


def test_oldest_is_taken_first(c: TinyCompany) -> None:
    set_policy(on=False)
    exports = [ask(c.rita) for _ in range(3)]
    taken = [jobs.claim("a worker", MINUTE) for _ in range(4)]
    assert [t.pk if t else None for t in taken] == [*(e.pk for e in exports), None]


# --- Rights lost on the way -----------------------------------------------------------------------


def test_file_is_the_manifest_less_what_was_lost_and_never_more(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    frozen = set(frozen_ids(export))
    new = DealFactory(owner=c.rita, stage=c.stages["open"])
    Deal.objects.filter(pk=c.deals["noras"].pk).update(owner=c.rob)
    Deal.objects.filter(pk=c.deals["monas"].pk).update(owner=c.rita)  # gained, but not frozen
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(deleted_at=timezone.now())
    worker.run_once()
    lost = {c.deals["noras"].pk, c.deals["ritas"].pk}
    assert state(export) == "completed"
    assert set(ids_in(export)) == delivered_ids(export) == frozen - lost
    assert export.delivered_count == len(frozen) - 2
    assert set(frozen_ids(export)) == frozen  # the trail keeps what was approved
    assert new.pk not in ids_in(export)


def test_scope_narrowed_after_approval_narrows_the_file(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    narrow(c.sets["rep"], "deal", OWNED)
    worker.run_once()
    assert state(export) == "completed"
    assert set(ids_in(export)) == seen_by(c.rita) < set(frozen_ids(export))


def test_scope_narrowed_in_the_middle_holds_from_the_next_chunk(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_chunks(monkeypatch, lambda: narrow(c.sets["rep"], "deal", OWNED))
    set_policy(on=False)
    Deal.objects.filter(pk=c.deals["noras"].pk).update(name="A colleague's comes first")
    export = ask(c.rita, query="o=name")
    first = frozen_ids(export)[0]
    assert first not in {d.pk for d in Deal.objects.filter(owner=c.rita)}
    worker.run_once()
    assert state(export) == "completed"
    assert set(ids_in(export)) == {first} | seen_by(c.rita)


def lose_export(c: TinyCompany) -> None:
    take_tool(c.sets["rep"], "crm.export")


def lose_view(c: TinyCompany) -> None:
    narrow(c.sets["rep"], "deal", 0)


def lose_account(c: TinyCompany) -> None:
    User.objects.filter(pk=c.rita.pk).update(is_active=False)


LOSSES = [
    (lose_export, "requester_lost_right"),
    (lose_view, "requester_lost_right"),
    (lose_account, "requester_inactive"),
]


@pytest.mark.parametrize(("lose", "reason"), LOSSES)
@pytest.mark.parametrize("when", ["waiting", "approved", "writing"])
def test_export_of_who_may_not_any_more_is_cancelled(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, when: str, lose: Any, reason: str
) -> None:
    export = pending(c.rita, c.sue) if when == "waiting" else approved(c.rita, c.sue)
    control = pending(c.mona, c.sue)
    if when == "writing":
        between_chunks(monkeypatch, lambda: lose(c))
    else:
        lose(c)
    worker.run_once()
    assert (state(export), state(control), files()) == ("cancelled", "pending", [])
    event = AuditEvent.objects.filter(action="export.cancel").get()
    assert (event.system, event.data["reason"]) == ("exports", reason)
    assert not delivered_ids(export)


def test_filter_that_names_what_is_hidden_now_ends_the_export(c: TinyCompany) -> None:
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(company=c.companies["acme"])
    export = approved(c.rita, c.sue, query=f"company={c.companies['acme'].pk}")
    c.companies["acme"].owner = c.rob
    c.companies["acme"].save()
    worker.run_once()
    assert (state(export), files()) == ("cancelled", [])


@pytest.mark.parametrize("step", ["recall", "cancel"])
def test_ended_while_it_is_written_leaves_no_file(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    export = approved(c.rita, c.sue)
    monkeypatch.setattr(worker, "BEAT", 0)
    actor = c.rita if step == "recall" else c.sam
    between_chunks(
        monkeypatch,
        lambda: getattr(operations, step)(ExportRequest.objects.get(pk=export.pk), actor=actor),
    )
    worker.run_once()
    assert (state(export), files()) == ({"recall": "recalled", "cancel": "cancelled"}[step], [])
    assert not delivered_ids(export)
    assert "export.finish" not in events(export)


# --- Consent that does not hold any more ----------------------------------------------------------


def test_approver_who_lost_the_right_gave_no_consent(c: TinyCompany) -> None:
    export, control = approved(c.rita, c.axel), approved(c.rita, c.mona)
    take_tool(c.sets["approver"], "crm.export_approver")
    worker.run_once()
    assert (state(export), state(control)) == ("pending", "completed")
    assert (export.decided_by, export.decided_at, export.lease_until) == (None, None, None)
    assert events(export)[-1] == "export.back_to_pending"
    assert files() == [control.file_name]
    operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    assert state(export) == "completed"


def test_deactivated_approver_gave_no_consent(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel)
    User.objects.filter(pk=c.axel.pk).update(is_active=False)
    worker.run_once()
    assert state(export) == "pending"


def test_column_that_became_sensitive_needs_a_new_decision(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel)
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    assert (state(export), export.sensitive_fields, export.has_sensitive) == (
        "pending",
        ["amount"],
        True,
    )
    assert [col["name"] for col in export.columns if col["sensitive"]] == ["amount"]
    assert "decided on again" in Notice.objects.filter(user=c.axel).latest("id").text
    assert "approval again" in Notice.objects.filter(user=c.rita).latest("id").text
    operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    assert state(export) == "completed"


def test_small_export_whose_column_became_sensitive_now_needs_consent(c: TinyCompany) -> None:
    set_policy(on=True, threshold=1000)
    export, exempt, other = ask(c.rita), ask(c.sam), ask(c.rita, columns=["id", "name"])
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    assert [state(e) for e in (export, exempt, other)] == ["pending", "completed", "completed"]
    assert export.approval_needed


def hide_amount() -> None:
    Property.objects.get_or_create(object="deal", name="amount", access="super_admins")


def test_restricted_column_is_neither_offered_nor_accepted(c: TinyCompany) -> None:
    ask(c.rita, columns=["id", "amount"])
    hide_amount()
    with pytest.raises(operations.InvalidRequest):
        ask(c.rita, columns=["id", "amount"])
    assert "amount" not in {column["name"] for column in ask(c.rita).columns}


def test_column_that_became_restricted_needs_a_new_decision_without_it(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    hide_amount()
    worker.run_once()
    assert state(export) == "pending"
    operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    assert state(export) == "completed"
    assert "Amount" not in table_of(export)[0]


def test_column_restricted_in_the_middle_begins_again_without_it(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    Deal.objects.update(amount=7)
    consented = approved(c.rita, c.sue, columns=["id", "amount", "name"])
    set_policy(on=False)
    free = ask(c.rita, columns=["id", "amount", "name"])
    between_chunks(monkeypatch, hide_amount)
    worker.run_once()
    for export in (consented, free):
        if state(export) == "processing":  # given back; another pass takes it over
            end_lease(export)
    worker.run_once()
    assert state(consented) == "pending"
    assert state(free) == "completed"
    assert table_of(free)[0] == ["ID", "Name"]
    assert "7.00" not in path_of(free).read_text()


def test_finished_file_with_a_column_restricted_since_is_closed(c: TinyCompany) -> None:
    export, other = completed(c.rita, columns=["id", "amount"]), completed(c.rita, columns=["id"])
    hide_amount()
    with pytest.raises(operations.NotAllowed):
        operations.open_download(export, actor=c.rita)
    operations.open_download(other, actor=c.rita).close()


# --- Leases ---------------------------------------------------------------------------------------


def test_running_export_is_left_alone_until_its_lease_is_over(c: TinyCompany) -> None:
    export = claimed(approved(c.rita, c.sue))
    assert lease_runs(export)
    assert worker.run_once() == 0
    assert state(export) == "processing"
    end_lease(export)
    assert worker.run_once() == 1
    assert (state(export), export.attempt) == ("completed", 2)


def test_worker_that_wakes_up_late_changes_nothing(c: TinyCompany) -> None:
    late = claimed(approved(c.rita, c.sue))
    part = storage.Part(late.file_name)
    part.write(b"late")
    part.file.flush()
    end_lease(late)
    worker.run_once()
    done = ExportRequest.objects.get(pk=late.pk)
    assert done.status == "completed"
    with pytest.raises(WrongState):
        jobs.keep(late, MINUTE, 1)
    jobs.give_back(late)
    jobs.note_error(late, ValueError(), MINUTE)
    with pytest.raises(WrongState):
        consent.cancel_revoked(ExportRequest.objects.get(pk=late.pk))
    late.attempt = 1  # what the sleeper still believes
    with pytest.raises(WrongState):
        jobs.finish(late, part, worker.array("q"))
    part.discard()
    assert ExportRequest.objects.filter(pk=late.pk).values().get() == (
        ExportRequest.objects.filter(pk=done.pk, attempt=2, sha256=done.sha256).values().get()
    )
    assert files() == [done.file_name]


def test_worker_that_was_replaced_cannot_disturb_the_one_at_work(c: TinyCompany) -> None:
    late = claimed(approved(c.rita, c.sue))
    end_lease(late)
    export = claimed(late)
    before = ExportRequest.objects.filter(pk=export.pk).values().get()
    part = storage.Part(late.file_name + "x")
    late.attempt = 1  # what the sleeper still believes
    for step in (
        lambda: jobs.keep(late, MINUTE, 1),
        lambda: jobs.finish(late, part, worker.array("q")),
    ):
        with pytest.raises(WrongState):
            step()
        late.attempt = 1
    jobs.give_back(late)
    jobs.note_error(late, ValueError(), MINUTE)
    part.discard()
    assert ExportRequest.objects.filter(pk=export.pk).values().get() == before
    worker.process(export, MINUTE, worker.Stop())
    assert (state(export), files()) == ("completed", [export.file_name])


def test_of_two_workers_that_saw_the_same_export_one_gets_it(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    seen_by_other = ExportRequest.objects.get(pk=export.pk)
    claimed(export)
    with pytest.raises(WrongState):
        jobs.take(seen_by_other, "the other", MINUTE)
    end_lease(export)
    late = ExportRequest.objects.get(pk=export.pk)
    claimed(export)
    with pytest.raises(WrongState):
        jobs.take(late, "the other", MINUTE)


def test_recalled_at_the_last_moment_leaves_no_file(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = approved(c.rita, c.sue)
    publish = storage.Part.publish

    def publish_and_recall(part: storage.Part) -> None:
        publish(part)
        assert len(files()) == 1
        operations.recall(ExportRequest.objects.get(pk=export.pk), actor=c.rita)

    monkeypatch.setattr(storage.Part, "publish", publish_and_recall)
    worker.run_once()
    assert (state(export), files(), delivered_ids(export)) == ("recalled", [], set())


def test_recalled_export_cannot_be_kept(c: TinyCompany) -> None:
    export = claimed(approved(c.rita, c.sue))
    jobs.keep(export, MINUTE, 1)
    operations.recall(ExportRequest.objects.get(pk=export.pk), actor=c.rita)
    with pytest.raises(WrongState):
        jobs.keep(export, MINUTE, 2)


def test_keeping_extends_the_lease_and_shows_progress(c: TinyCompany) -> None:
    export = claimed(approved(c.rita, c.sue))
    end_lease(export)
    assert not lease_runs(export)
    jobs.keep(export, MINUTE, 7)
    assert lease_runs(export)
    assert ExportRequest.objects.get(pk=export.pk).rows_written == 7


def test_part_of_a_dead_worker_is_removed_by_the_next_one(c: TinyCompany) -> None:
    export = claimed(approved(c.rita, c.sue))
    storage.Part(export.file_name).file.close()
    assert files() == [export.file_name + ".part"]
    end_lease(export)
    worker.run_once()
    export.refresh_from_db()
    assert files() == [export.file_name]


@pytest.mark.parametrize("whole", [False, True])
def test_what_a_dead_worker_left_of_an_ended_export_is_removed(c: TinyCompany, whole: bool) -> None:
    export = claimed(approved(c.rita, c.sue))
    part = storage.Part(export.file_name)
    part.file.close()
    if whole:
        part.part.rename(part.path)
    operations.recall(export, actor=c.rita)
    worker.run_once()
    assert len(files()) == 1  # its worker may be alive and cleans up itself
    ExportRequest.objects.filter(pk=export.pk).update(lease_until=LONG_AGO)
    worker.run_once()
    assert files() == []
    assert (state(export), export.file_name) == ("recalled", "")


def test_stopped_worker_gives_the_job_back_at_once(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = worker.Stop()
    export = approved(c.rita, c.sue)
    with monkeypatch.context() as patch:
        between_chunks(patch, lambda: setattr(stop, "asked", True))
        worker.run_once(stop=stop)
    assert (state(export), files(), lease_runs(export)) == ("processing", [], False)
    assert worker.run_once() == 1
    assert state(export) == "completed"


# --- Errors ---------------------------------------------------------------------------------------


def fail(*args: Any, **kwargs: Any) -> Any:
    raise OSError(28, "No space left on device", "/secret/path")


# Of the folder for files it costs nothing: see test_export_faults.py.


def test_error_is_tried_again_and_fails_after_five_attempts(
    c: TinyCompany,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    export = approved(c.rita, c.sue)
    monkeypatch.setattr(worker, "rows_of", fail)
    for attempt in range(1, 6):
        with caplog.at_level(logging.CRITICAL):
            assert worker.run_once() == 1
        assert (state(export), export.attempt, files()) == ("processing", attempt, [])
        assert worker.run_once() == 0  # not before its lease is over
        end_lease(export)
    assert worker.run_once() == 0
    assert state(export) == "failed"
    assert export.ended_because == (
        "5 attempts to write the file failed; the last one because of an error "
        "(no space left on device)."
    )
    assert "failed" in Notice.objects.filter(user=c.rita).latest("id").text
    assert events(export).count("export.claim") == 5


def test_error_that_passes_costs_one_lease(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    export = approved(c.rita, c.sue)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "rows_of", fail)
        worker.run_once()
    assert (state(export), files()) == ("processing", [])
    end_lease(export)
    worker.run_once()
    assert (state(export), export.ended_because, len(files())) == ("completed", "", 1)


def test_killed_at_the_last_attempt_says_so(c: TinyCompany) -> None:
    export = claimed(approved(c.rita, c.sue))
    raise_attempts(export, 5)
    end_lease(export)
    worker.run_once()
    assert state(export) == "failed"
    assert "the worker was ended while it wrote" in export.ended_because


def test_export_of_a_kind_that_is_gone_does_not_hold_up_the_next(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(on=False)
    broken, fine = ask(c.rita), ask(c.rita)
    ExportRequest.objects.filter(pk=broken.pk).update(object="nothing")
    worker.run_once()
    assert (state(broken), broken.attempt, state(fine)) == ("cancelled", 1, "completed")


def test_lost_database_is_tried_again(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, passes = worker.Stop(), []

    def flaky(**kwargs: Any) -> int:
        passes.append(kwargs)
        if len(passes) == 1:
            raise OperationalError("database is locked")
        stop.asked = True
        return 0

    monkeypatch.setattr(worker, "run_once", flaky)
    monkeypatch.setattr(worker, "POLL", 0)
    monkeypatch.setattr(worker, "connection", type("Left", (), {"close": staticmethod(int)}))
    monkeypatch.setattr(worker, "close_old_connections", int)
    worker.run_forever(stop)
    assert len(passes) == 2
    assert "trying again" in caplog.text


def test_duty_that_fails_holds_up_nothing(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_policy(on=False)
    export = ask(c.rita)
    monkeypatch.setattr(upkeep, "expire_files", fail)
    with caplog.at_level(logging.CRITICAL):
        worker.run_once()
    assert state(export) == "completed"


# --- What time demands ----------------------------------------------------------------------------


def test_request_lapses_when_nobody_decides(c: TinyCompany) -> None:
    export, fresh = pending(c.rita, c.sue), pending(c.rita, c.sue)
    late = timezone.now() - timedelta(days=14, seconds=1)
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=late)
    worker.run_once()
    assert (state(export), state(fresh)) == ("lapsed", "pending")
    assert export.ended_because == "Nobody decided on it within 14 days."
    assert Notice.objects.filter(user=c.rita).count() == 1


def test_file_expires_and_its_hash_stays(c: TinyCompany) -> None:
    export, fresh = completed(c.rita), completed(c.nora)
    sha256 = export.sha256
    ExportRequest.objects.filter(pk=export.pk).update(expires_at=LONG_AGO)
    worker.run_once()
    assert (state(export), export.sha256, export.file_name) == ("expired", sha256, "")
    assert (state(fresh), files()) == ("completed", [fresh.file_name])
    assert events(export)[-1] == "export.expire"
    assert delivered_ids(export) == set(frozen_ids(export))


def test_nobodys_files_are_touched(c: TinyCompany) -> None:
    path_of(completed(c.rita)).with_name("README").write_text("not ours")
    worker.run_once()
    assert "README" in files()


def test_marked_records_say_what_did_not_leave(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue, model=Contact)
    Contact.objects.filter(pk=c.contacts["carl"].pk).update(deleted_at=timezone.now())
    worker.run_once()
    rows = ExportRecord.objects.filter(export=export).values_list("record_id", "left_out")
    assert dict(rows) == {c.contacts["cora"].pk: False, c.contacts["carl"].pk: True}
    assert len(table_of(ExportRequest.objects.get(pk=export.pk))) == 2
