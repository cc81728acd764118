"""The database's clock decides; a machine whose own is wrong ends nothing and deletes nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts import audit, clock, mail
from accounts.models import Notice, Outbox
from accounts.notices import notify
from exports import clocks, operations, policy, upkeep, worker
from exports.models import ExportRequest, Trouble
from records.operations import Invalid, sharing
from tests.support.company import TinyCompany
from tests.support.exports_kit import LONG_AGO, ask, completed, files, pending, set_policy

YEAR, DAY, MINUTE = timedelta(days=365), timedelta(days=1), timedelta(minutes=1)
RIGHT_NOW = timezone.now


def set_machines_clock(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    """Let Python's clock, and not the database's, be wrong by so much."""
    monkeypatch.setattr(timezone, "now", lambda: RIGHT_NOW() + ahead)


@pytest.fixture(params=[-YEAR, timedelta(0), YEAR], ids=["a year ago", "now", "in a year"])
def machines_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    set_machines_clock(monkeypatch, request.param)


def state(export: ExportRequest) -> str:
    export.refresh_from_db()
    return export.status


# --- Whatever the machine's clock says, the same is decided ---------------------------------------


def test_now_is_the_databases(db: None, machines_clock: None) -> None:
    assert abs(clock.database_now() - RIGHT_NOW()) < MINUTE
    assert clock.database_today() == timezone.localdate(clock.database_now())


def test_requests_lapse_and_files_expire_alike(c: TinyCompany, machines_clock: None) -> None:
    closed, kept = completed(c.rita), completed(c.rita)
    overdue, fresh = pending(c.rita, c.sue), pending(c.rita, c.sue)
    ExportRequest.objects.filter(pk=closed.pk).update(expires_at=LONG_AGO)
    ExportRequest.objects.filter(pk=overdue.pk).update(requested_at=RIGHT_NOW() - 15 * DAY)
    upkeep.lapse_overdue()
    upkeep.expire_files()
    assert [state(e) for e in (closed, kept)] == ["expired", "completed"]
    assert [state(e) for e in (overdue, fresh)] == ["lapsed", "pending"]
    assert kept.expires_at is not None
    assert abs(kept.expires_at - RIGHT_NOW() - 7 * DAY) < MINUTE
    operations.open_download(kept, actor=c.rita).close()
    with pytest.raises(operations.WrongState):
        operations.open_download(closed, actor=c.rita)


def test_reminders_come_alike(c: TinyCompany, machines_clock: None) -> None:
    waited, fresh = pending(c.rita, c.sue), pending(c.rita, c.sue)
    ExportRequest.objects.filter(pk=waited.pk).update(requested_at=RIGHT_NOW() - 2 * DAY)
    upkeep.remind()
    reminders = [ExportRequest.objects.get(pk=e.pk).reminders for e in (waited, fresh)]
    assert reminders == [1, 0]


def test_limits_count_alike(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, machines_clock: None
) -> None:
    set_policy(on=True, threshold=1000)
    policy.ExportPolicy.objects.update(daily_records=1000, weekly_records=1000)
    old, lately = ask(c.rita), ask(c.rita)
    ExportRequest.objects.filter(pk=old.pk).update(requested_at=RIGHT_NOW() - 2 * DAY)
    used = policy.usage(c.rita)
    assert (used.daily_used, used.weekly_used) == (
        lately.record_count,
        old.record_count + lately.record_count,
    )
    monkeypatch.setattr(policy, "MOST_A_DAY", 1)
    possible = policy.next_possible(c.rita)
    assert possible == lately.requested_at + DAY
    assert abs(lately.requested_at - RIGHT_NOW()) < MINUTE


def test_shares_and_standing_in_end_alike(c: TinyCompany, machines_clock: None) -> None:
    until = RIGHT_NOW() + timedelta(hours=1)
    sharing.share(c.deals["robs"], actor=c.sam, level="view", user=c.rita, until=until)
    with pytest.raises(Invalid):
        past = RIGHT_NOW() - timedelta(hours=1)
        sharing.share(c.deals["robs"], actor=c.sam, level="view", user=c.rita, until=past)
    today = clock.database_today()
    operations.arrange_delegate(actor=c.axel, delegate=c.sue, first_day=today, last_day=today)
    assert c.sue in operations.with_delegates([c.axel], operations.approvers_for(c.rita))
    with pytest.raises(operations.InvalidRequest, match="is over"):
        operations.arrange_delegate(
            actor=c.mona, delegate=c.sue, first_day=today - 2 * DAY, last_day=today - DAY
        )


def test_mail_is_due_and_given_up_alike(
    c: TinyCompany, settings: pytest.MonkeyPatch, machines_clock: None
) -> None:
    settings.MAIL_ENABLED = True  # type: ignore[attr-defined]  # Django's settings
    notify([c.rita], "News.")
    assert Outbox.objects.get().notice.created_at - RIGHT_NOW() < MINUTE
    mail._rest(OSError())  # a server that is not to be reached
    assert Outbox.objects.get().status == "waiting"
    Outbox.objects.update(next_try_at=LONG_AGO)
    assert mail.send_waiting() == 1


def test_log_has_the_databases_time(c: TinyCompany, machines_clock: None) -> None:
    event = audit.record("person.note", actor=c.rita)
    assert abs(event.at - RIGHT_NOW()) < MINUTE


# --- Where the clocks are apart, nothing that cannot be undone is done ----------------------------


@pytest.mark.parametrize("ahead", [-6 * MINUTE, 6 * MINUTE, YEAR])
def test_worker_with_a_wrong_clock_ends_nothing_and_says_so_once(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    closed, overdue = completed(c.rita), pending(c.rita, c.sue)
    written = files()
    ExportRequest.objects.filter(pk=closed.pk).update(expires_at=LONG_AGO)
    ExportRequest.objects.filter(pk=overdue.pk).update(requested_at=LONG_AGO)
    recalled = pending(c.rita, c.sue)
    with monkeypatch.context() as patch:
        set_machines_clock(patch, ahead)
        for _ in range(3):
            worker.do_upkeep()
        operations.recall(recalled, actor=c.rita)  # what people do goes on
        set_policy(on=False)
        done = completed(c.nora)
    assert [state(e) for e in (closed, overdue, done)] == ["completed", "pending", "completed"]
    assert set(written) < set(files())
    told = Notice.objects.filter(user=c.sam, text__contains="more than five minutes apart")
    assert told.count() == 1
    worker.do_upkeep()
    assert [state(e) for e in (closed, overdue)] == ["expired", "lapsed"]
    assert files() == [done.file_name]
    assert Notice.objects.filter(user=c.sam, text__contains="agree again").count() == 1
    assert not Trouble.objects.exists()


def test_clocks_a_little_apart_agree(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    set_machines_clock(monkeypatch, 4 * MINUTE)
    assert clocks.agree()
    assert not Notice.objects.exists()


# --- Nobody asks the machine ----------------------------------------------------------------------

HERE = Path(__file__).parents[2]
ASKS_THE_MACHINE = {
    *(("timezone", "now"), ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today")),
    *(("date", "today"), ("time", "time")),
}
WITHOUT_ARGUMENTS = {("timezone", "localdate"), ("timezone", "localtime")}


def decides() -> Iterator[Path]:
    """Every module that decides by time."""
    yield from (p for p in (HERE / "exports").rglob("*.py") if "migrations" not in p.parts)
    yield from (HERE / "accounts" / f"{name}.py" for name in ("audit", "mail", "notices"))
    yield from (HERE / "records" / f"{name}.py" for name in ("operations/sharing", "models/rules"))


def asked(source: str) -> list[int]:
    """Return the lines that ask for the machine's time."""
    found = []
    for node in ast.walk(ast.parse(source)):
        name = node.func if isinstance(node, ast.Call) else node
        if not (isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name)):
            continue
        pair = (name.value.id, name.attr)
        bare = isinstance(node, ast.Call) and not node.args and pair in WITHOUT_ARGUMENTS
        if pair in ASKS_THE_MACHINE or bare:
            found.append(node.lineno)
    return found


def test_no_module_that_decides_asks_for_the_machines_time() -> None:
    read = {path: asked(path.read_text()) for path in decides()}
    assert len(read) > 40
    assert {str(path): lines for path, lines in read.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("x = timezone.now()", [1, 1]),
        ("at = DateTimeField(default=timezone.now)", [1]),
        ("timezone.localdate()", [1]),
        ("timezone.localdate(moment)", []),
        ("time.monotonic()", []),
    ],
)
def test_what_asks_for_the_machines_time_is_found(source: str, lines: list[int]) -> None:
    assert asked(source) == lines
