"""A folder, a worker, a deploy or a file that fails: no consent is spent, and nothing is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils.timezone import now

from accounts.models import AuditEvent, Notice, User
from exports import folder, jobs, operations, policy, upkeep, worker
from exports.models import Download, ExportRequest, LeftFile, Trouble
from exports.models.folder import ExportFolder
from exports.screens.panel import panel
from exports.writers import files as storage
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    ask,
    completed,
    end_lease,
    events,
    files,
    path_of,
    set_policy,
    take_tool,
)
from tests.support.factories import DealFactory

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def state(export: ExportRequest) -> str:
    export.refresh_from_db()
    return export.status


def next_try() -> None:
    """Let all pauses be over by the database's clock."""
    Trouble.objects.update(next_try_at=LONG_AGO)
    ExportRequest.objects.filter(status="processing").update(lease_until=LONG_AGO)


def told(user: User, what: str) -> int:
    return Notice.objects.filter(user=user, text__contains=what).count()


# --- The folder for files -------------------------------------------------------------------------


def is_missing(root: Path) -> None:
    root.rename(root.with_name("aside"))


def is_a_file(root: Path) -> None:
    is_missing(root)
    root.write_text("a file")


def came_up_empty(root: Path) -> None:
    is_missing(root)
    root.mkdir()


def is_anothers(root: Path) -> None:
    came_up_empty(root)
    (root / storage.MARKER).write_text("f" * 32)


def is_a_folder_where_the_marker_is(root: Path) -> None:
    came_up_empty(root)
    (root / storage.MARKER).mkdir()


def mend(root: Path) -> None:
    if root.is_dir():
        for each in root.iterdir():
            each.rmdir() if each.is_dir() else each.unlink()
        root.rmdir()
    else:
        root.unlink(missing_ok=True)
    root.with_name("aside").rename(root)


BROKEN = {
    f.__name__: f
    for f in (is_missing, is_a_file, came_up_empty, is_anothers, is_a_folder_where_the_marker_is)
}


@pytest.mark.parametrize("broken", BROKEN)
def test_folder_that_cannot_be_used_costs_nothing_and_is_told_once(
    c: TinyCompany, export_root: Path, broken: str
) -> None:
    earlier, gone = completed(c.nora), completed(c.nora)
    export = approved(c.rita, c.sue)
    ExportRequest.objects.filter(pk=gone.pk).update(expires_at=LONG_AGO)
    for times in (1, 2):
        BROKEN[broken](export_root)
        for _ in range(7):
            assert worker.run_once() == 0
            next_try()
        assert (state(export), export.attempt, export.tries) == ("approved", 0, 0)
        assert told(c.sam, "Exports wait") == times
        assert "nothing is lost" in panel(export, c.rita)["waits_because"]
        assert "cannot be read at the moment" in refused(earlier, c.nora)
        mend(export_root)
        if times == 1:
            # What is to be deleted was not forgotten while it could not be found.
            assert path_of(gone).exists()
            next_try()
            assert worker.run_once() == 1
            assert (state(export), export.attempt) == ("completed", 1)
            assert told(c.sam, "works again") == 1
            assert panel(export, c.rita)["waits_because"] == ""
            assert state(gone) == "expired"
            assert files() == sorted([earlier.file_name, export.file_name])
            operations.open_download(earlier, actor=c.nora).close()
            export = approved(c.rita, c.sue)
    assert told(c.rita, "Exports wait") == 0


def refused(export: ExportRequest, actor: User) -> str:
    with pytest.raises(operations.ExportError) as refusal:
        operations.open_download(export, actor=actor)
    return str(refusal.value)


def test_pause_is_everybodys_and_grows_to_a_minute(c: TinyCompany, export_root: Path) -> None:
    completed(c.nora)
    export = approved(c.rita, c.sue)
    is_missing(export_root)
    pauses = []
    for _ in range(8):
        assert worker.run_once() == 0
        trouble = Trouble.objects.get()
        assert trouble.next_try_at is not None
        pauses.append(folder._pause(trouble.failures))
        assert not folder.is_ready()  # of another worker, too, and after a restart
        assert Trouble.objects.get().failures == trouble.failures
        next_try()
    assert pauses == sorted(pauses)
    assert pauses[-1] == MINUTE
    mend(export_root)
    # Somebody else tries at this moment.
    Trouble.objects.update(next_try_at=timedelta(hours=1) + upkeep.Now())
    assert worker.run_once() == 0
    assert state(export) == "approved"


def test_first_use_makes_the_folder_and_an_old_one_is_adopted(
    c: TinyCompany, export_root: Path
) -> None:
    completed(c.rita)
    marker = (export_root / storage.MARKER).read_text()
    assert ExportFolder.objects.get().marker == marker
    assert export_root.stat().st_mode & 0o777 == 0o700
    ExportFolder.objects.all().delete()  # a new database
    completed(c.rita)
    assert ExportFolder.objects.get().marker == marker


def test_folder_replaced_on_purpose_is_used_when_somebody_says_so(
    c: TinyCompany, export_root: Path
) -> None:
    completed(c.nora)
    export = approved(c.rita, c.sue)
    came_up_empty(export_root)
    worker.run_once()
    assert state(export) == "approved"
    call_command("export_worker", "--use-folder")
    next_try()
    worker.run_once()
    assert state(export) == "completed"


ERRORS = ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EIO", "ENOENT", "ENAMETOOLONG", "ESTALE")


@pytest.mark.parametrize("code", ERRORS)
def test_error_of_the_folder_while_it_is_written_costs_no_attempt(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    number = getattr(errno, code)
    export = approved(c.rita, c.sue)

    def fsync(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    assert folder.is_ready()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        for _ in range(7):
            worker.run_once()
            assert (state(export), export.tries, export.setbacks) == ("processing", 0, 0)
            assert files() == []
            next_try()
    assert told(c.sam, "Exports wait") == 1
    worker.run_once()
    assert (state(export), len(files())) == ("completed", 1)
    assert told(c.sam, "works again") == 1


@pytest.mark.parametrize("format", ["csv", "xlsx", "jsonl", "parquet"])
def test_full_disk_is_known_whatever_library_writes(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    export = approved(c.rita, c.sue, format=format)
    assert folder.is_ready()
    opened = os.open

    def on_a_full_disk(path: Any, flags: int, mode: int = 0o777) -> int:
        full = str(path).endswith(storage.PART)
        return opened("/dev/full", os.O_WRONLY) if full else opened(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", on_a_full_disk)
        patch.setattr(os, "fdopen", partial(open, buffering=0))
        for _ in range(6):
            worker.run_once()
            next_try()
    assert (state(export), export.tries) == ("processing", 0)
    assert Trouble.objects.get().why == "no space left on device"
    worker.run_once()
    assert state(export) == "completed"


def test_export_that_alone_does_not_fit_waits_by_itself(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = approved(c.rita, c.sue), approved(c.mona, c.sue)
    assert folder.is_ready()
    write = storage.Part.write

    def too_much(part: storage.Part, data: bytes) -> None:
        if part.path.name == ExportRequest.objects.get(pk=large.pk).file_name:
            with part._folder():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(part, data)

    monkeypatch.setattr(storage.Part, "write", too_much)
    for _ in range(4):
        worker.run_once()
        next_try()
    assert (state(large), state(small)) == ("processing", "completed")
    assert (large.tries, large.folder_failures > 1) == (0, True)
    assert told(c.sam, "Exports wait") == told(c.sam, "works again") == 1
    assert "did not finish" in panel(large, c.rita)["waits_because"]


# --- Workers that are killed, and deploys that are broken -----------------------------------------


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (ImportError("half installed"), False),
        (SyntaxError("half written"), False),
        (OperationalError("the database is going away"), False),
        (ValueError("of the data"), True),
        (MemoryError(), True),
    ],
)
def test_what_would_happen_to_any_export_costs_no_attempt(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, error: Exception, counts: bool
) -> None:
    export = approved(c.rita, c.sue)

    def fails(*args: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(worker, "rows_of", fails)
        for _ in range(6):
            worker.run_once()
            if state(export) == "processing":
                end_lease(export)
        worker.run_once()
    if counts:
        assert (state(export), export.tries) == ("failed", 5)
        return
    assert (state(export), export.tries, export.setbacks) == ("processing", 0, 8)
    end_lease(export)
    worker.run_once()
    assert state(export) == "completed"


def test_file_of_a_worker_killed_between_two_steps_is_removed(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = approved(c.rita, c.sue)
    assert folder.is_ready()
    assert jobs.claim("killed after it gave the file its name", MINUTE) is not None
    export.refresh_from_db()
    part = storage.Part(export.file_name)
    part.write(b"whole")
    part.publish()
    end_lease(export)
    with monkeypatch.context() as patch:
        # And the next one before it removed what the first had left.
        patch.setattr(storage, "remove", lambda name: (_ for _ in ()).throw(OSError()))
        assert jobs.claim("killed as well", MINUTE) is not None
    assert (files(), LeftFile.objects.count()) == ([export.file_name], 1)
    worker.do_upkeep()
    assert files() == []
    LeftFile.objects.update(left_at=LONG_AGO)
    worker.do_upkeep()
    assert not LeftFile.objects.exists()


# --- Trying again ---------------------------------------------------------------------------------


def failed(c: TinyCompany, export: ExportRequest) -> ExportRequest:
    ExportRequest.objects.filter(pk=export.pk).update(tries=jobs.ATTEMPTS)
    worker.run_once()
    assert state(export) == "failed"
    return export


def test_failed_export_is_tried_again_with_its_consent(c: TinyCompany) -> None:
    export = failed(c, approved(c.rita, c.sue))
    page = Client()
    page.force_login(c.rita)
    log = "/admin/exports/exportrequest/"
    assert "Try again" in page.get(f"{log}?review={export.pk}").text
    for person in (c.axel, c.nora):
        with pytest.raises(operations.NotAllowed):
            operations.try_again(export, actor=person)
    page.post(f"{log}{export.pk}/again/")
    worker.run_once()
    assert (state(export), export.decided_by) == ("completed", c.sue)
    assert events(export)[-4:] == [
        "export.fail",
        "export.try_again",
        "export.claim",
        "export.finish",
    ]
    with pytest.raises(operations.WrongState):
        operations.try_again(export, actor=c.rita)


def test_super_admin_tries_again_and_the_requester_is_told(c: TinyCompany) -> None:
    export = failed(c, approved(c.rita, c.sue))
    operations.try_again(export, actor=c.sam)
    assert told(c.rita, "be tried again") == 1
    worker.run_once()
    assert state(export) == "completed"


def test_consent_that_does_not_hold_any_more_is_not_revived(c: TinyCompany) -> None:
    export = failed(c, approved(c.rita, c.axel))
    take_tool(c.sets["approver"], "crm.export_approver")
    operations.try_again(export, actor=c.rita)
    worker.run_once()
    assert state(export) == "pending"


@pytest.mark.parametrize("change", ["columns", "ended_at"])
def test_changed_or_old_export_is_not_tried_again(c: TinyCompany, change: str) -> None:
    export = failed(c, approved(c.rita, c.sue))
    value: Any = {"columns": export.columns[:1], "ended_at": LONG_AGO}[change]
    ExportRequest.objects.filter(pk=export.pk).update(**{change: value})
    with pytest.raises(operations.WrongState, match="Ask for the export again"):
        operations.try_again(export, actor=c.rita)
    assert state(export) == "failed"


def test_export_without_consent_is_tried_again_within_the_limits(c: TinyCompany) -> None:
    set_policy(on=False)
    export = failed(c, ask(c.rita))
    set_policy(on=True, threshold=0)
    with pytest.raises(operations.WrongState, match="needs approval"):
        operations.try_again(export, actor=c.rita)
    set_policy(on=True, threshold=1000)
    operations.try_again(export, actor=c.rita)
    worker.run_once()
    assert state(export) == "completed"


def long_failed(c: TinyCompany, export: ExportRequest, **when: Any) -> ExportRequest:
    """Return an export that failed, and was released long before a limit looks back."""
    failed(c, export)
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=now() - 8 * DAY, **when)
    export.refresh_from_db()
    return export


@pytest.mark.parametrize("limit", ["daily_records", "weekly_records"])
def test_old_exports_tried_again_at_once_are_within_the_limits_of_now(
    c: TinyCompany, limit: str
) -> None:
    """At the limit and not above it: two records may leave, a third one needs approval."""
    set_policy(on=True, threshold=1000)
    first, second, third = (
        long_failed(c, ask(c.rita, ids=[c.deals["ritas"].pk])) for _ in range(3)
    )
    set_policy(on=True, threshold=1000, **{limit: 2})
    for export in (first, second):
        operations.try_again(export, actor=c.rita)
    with pytest.raises(operations.WrongState, match="needs approval"):
        operations.try_again(third, actor=c.rita)
    for _ in range(2):
        worker.run_once()
    assert [state(each) for each in (first, second, third)] == ["completed"] * 2 + ["failed"]
    with pytest.raises(operations.WrongState, match="needs approval"):
        operations.try_again(third, actor=c.rita)
    # Once they left long enough ago, one more may.
    ExportRequest.objects.filter(pk=first.pk).update(released_again_at=now() - 8 * DAY)
    operations.try_again(third, actor=c.rita)


def test_export_with_consent_counts_from_when_it_is_tried_again(c: TinyCompany) -> None:
    one = {"ids": [c.deals["ritas"].pk]}
    export = long_failed(c, approved(c.rita, c.sue, **one), decided_at=now() - 8 * DAY)
    set_policy(on=True, threshold=1000, daily_records=1, weekly_records=1)
    assert policy.usage(c.rita) == policy.Usage(0, 1, 0, 1)
    operations.try_again(export, actor=c.rita)
    assert policy.usage(c.rita) == policy.Usage(1, 1, 1, 1)


def test_decision_after_the_consent_was_lost_counts_from_the_decision(c: TinyCompany) -> None:
    export = failed(c, approved(c.rita, c.axel, ids=[c.deals["ritas"].pk]))
    take_tool(c.sets["approver"], "crm.export_approver")
    operations.try_again(export, actor=c.rita)
    ExportRequest.objects.filter(pk=export.pk).update(released_again_at=now() - 8 * DAY)
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "pending"
    set_policy(on=True, threshold=1000, daily_records=5)
    operations.approve(export, actor=c.sue, version=export.version)
    assert policy.usage(c.rita) == policy.Usage(1, 5, 1, None)


# --- A file that is not the one that was written --------------------------------------------------


def link(path: Path) -> None:
    """Lead to the very same bytes, from elsewhere."""
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def changed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [link, pipe, directory, cut_off, lengthened])
def test_file_of_another_size_or_kind_is_not_handed_out(
    c: TinyCompany, spoil: Callable[[Path], None]
) -> None:
    export, other = completed(c.rita), completed(c.rita)
    spoil(path_of(export))
    for _ in range(2):
        assert "is not the one that was written" in refused(export, c.rita)
    assert Download.objects.count() == 0
    assert AuditEvent.objects.filter(action="export.close_file").count() == 1
    assert told(c.sam, f"The file of export #{export.pk} is closed") == 1
    with operations.open_download(other, actor=c.rita) as file:
        assert file.read() == path_of(other).read_bytes()


@pytest.mark.parametrize("moment", ["before", "while it is sent", "cut while it is sent"])
def test_changed_file_never_arrives_whole(c: TinyCompany, moment: str) -> None:
    # Longer than what is read ahead.
    DealFactory.create_batch(300, owner=c.rita, stage=c.stages["open"], product="x" * 100)
    export = completed(c.rita, columns=["id", "product"])
    page = Client()
    page.force_login(c.rita)
    path = path_of(export)
    if moment == "before":
        changed(path)
    answer = page.post(f"/admin/exports/exportrequest/{export.pk}/download/")
    assert answer.streaming
    if moment != "before":
        pieces = iter(answer.streaming_content)
        assert len(next(pieces)) == 4096
        # In place, as whoever holds the file open would do.
        with path.open("r+b") as file:
            file.seek(-10_000, os.SEEK_END)
            file.truncate() if moment.startswith("cut") else file.write(b"\0")
    received = b""
    with pytest.raises(storage.WrongFile):
        for piece in answer.streaming_content:
            received += piece
    assert len(received) < int(answer["Content-Length"])
    event = AuditEvent.objects.get(action="export.close_file")
    assert (event.system, event.object_id) == ("exports", str(export.pk))
    assert told(c.sam, "is closed") == 1
    assert "is not the one that was written" in refused(export, c.rita)
    assert "closed" in page.get(f"/admin/exports/exportrequest/?review={export.pk}").text
