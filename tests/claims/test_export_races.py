"""Real processes against each other: one decision, one file, whoever is killed (Q12, B5)."""

import hashlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exports import operations, worker
from exports.models import ExportRequest
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    end_lease,
    events,
    files,
    frozen_ids,
    ids_in,
    path_of,
    pending,
    set_policy,
)
from tests.support.exports_process import PATIENCE, racers

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(export: ExportRequest) -> ExportRequest:
    return ExportRequest.objects.get(pk=export.pk)


def becomes_true(condition: Callable[[], bool]) -> bool:
    """Ask again and again until it holds, at most for a while."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def assert_whole(export: ExportRequest) -> None:
    """The file is the frozen manifest, each row once, and its hash is the one in the row."""
    assert export.status == "completed"
    assert ids_in(export) == frozen_ids(export)
    assert hashlib.sha256(path_of(export).read_bytes()).hexdigest() == export.sha256


# --- Deciding -------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["approve", "reject"])
def test_of_two_approvers_at_once_exactly_one_decides(c: TinyCompany, second: str) -> None:
    export = pending(c.rita, c.sue)
    people = [("approve", "sue@example.com"), (second, "axel@example.com")]
    with racers(
        *(("decide", step, export.pk, email, export.version) for step, email in people)
    ) as both:
        for racer in both:
            racer.go()
        said = [racer.says() for racer in both]
    assert sorted(line.split(":")[0] for line in said) == ["WrongState", "done"]
    export = fresh(export)
    winner = said.index("done")
    assert export.decided_by is not None
    assert export.decided_by.email == people[winner][1]
    assert export.status == {"approve": "approved", "reject": "rejected"}[people[winner][0]]
    # The one who came second reads who was first.
    assert export.decided_by.get_full_name() in said[1 - winner]
    assert events(export) == ["export.request", f"export.{people[winner][0]}"]


# --- Writing --------------------------------------------------------------------------------------


def test_two_workers_never_write_the_same_export(c: TinyCompany) -> None:
    set_policy(on=False)
    exports = [ask(c.people[who]) for who in ("rita", "nora", "sam", "mona", "rita", "sam")]
    with racers(("work", "--once"), ("work", "--once")) as both:
        for racer in both:
            racer.go()
        assert [racer.says() for racer in both] == ["ended", "ended"]
    for export in map(fresh, exports):
        assert_whole(export)
        assert export.attempt == 1
        assert events(export) == ["export.request", "export.claim", "export.finish"]
    assert files() == sorted(fresh(export).file_name for export in exports)


def test_killed_worker_costs_one_lease_and_nothing_else(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    with racers(("work", "--once", "--hold")) as (killed,):
        killed.go()
        assert killed.says() == f"holding {export.pk}"
        assert files() == [fresh(export).file_name + ".part"]
        killed.kill()
    assert worker.run_once() == 0  # its lease runs on
    end_lease(export)
    assert worker.run_once() == 1
    export = fresh(export)
    assert_whole(export)
    assert (export.attempt, files()) == (2, [export.file_name])
    assert events(export)[-3:] == ["export.claim", "export.claim", "export.finish"]


def test_frozen_worker_that_wakes_up_changes_nothing(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    with racers(("work", "--once", "--hold")) as (sleeper,):
        sleeper.go()
        assert sleeper.says() == f"holding {export.pk}"
        end_lease(export)
        worker.run_once()
        done = fresh(export)
        assert_whole(done)
        sleeper.go()
        assert sleeper.says() == "ended"
        assert sleeper.end() == 0
    assert ExportRequest.objects.filter(pk=export.pk).values().get() == (
        ExportRequest.objects.filter(pk=done.pk, version=done.version).values().get()
    )
    assert files() == [done.file_name]
    assert events(done).count("export.finish") == 1


@pytest.mark.parametrize("step", ["recall", "cancel"])
def test_ended_while_another_process_writes(c: TinyCompany, step: str) -> None:
    export = approved(c.rita, c.sue)
    with racers(("work", "--once", "--hold")) as (writer,):
        writer.go()
        assert writer.says() == f"holding {export.pk}"
        getattr(operations, step)(fresh(export), actor=c.rita if step == "recall" else c.sam)
        writer.go()
        assert writer.says() == "ended"
    assert fresh(export).status == {"recall": "recalled", "cancel": "cancelled"}[step]
    assert files() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_worker_hands_over_at_once(c: TinyCompany, number: signal.Signals) -> None:
    export = approved(c.rita, c.sue)
    with racers(("work", "--hold")) as (stopped,):
        stopped.go()
        assert stopped.says() == f"holding {export.pk}"
        stopped.process.send_signal(number)
        stopped.go()
        assert stopped.says() == "ended"
        assert stopped.end() == 0
    assert (fresh(export).status, files()) == ("processing", [])
    assert becomes_true(lambda: worker.run_once() == 1)
    assert_whole(fresh(export))


def test_worker_at_rest_finds_new_work_and_ends_when_asked(
    c: TinyCompany, export_root: Path
) -> None:
    set_policy(on=False)
    with racers(("work", "--lease", "30")) as (idle,):
        idle.go()
        export = ask(c.rita)
        assert becomes_true(lambda: fresh(export).status == "completed")
        idle.process.send_signal(signal.SIGTERM)
        assert idle.says() == "ended"
        assert idle.end() == 0
    assert_whole(fresh(export))
    assert export_root.is_dir()
