"""Real worker processes in trouble, each kind once; `make chaos` does it at length.

Kills and freezes in the middle of a file are in test_export_races.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from accounts.models import Notice
from exports.models import ExportRequest, Trouble
from tests.claims.test_export_races import assert_whole, becomes_true, fresh
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    completed,
    end_lease,
    files,
    path_of,
    pending,
)
from tests.support.exports_process import racers

pytestmark = pytest.mark.django_db(transaction=True)


def run_once(*faults: str) -> None:
    """Let a process make one pass, and end by itself."""
    with racers(("work", "--once", *faults)) as (worker,):
        worker.go()
        worker.end()


def test_real_worker_goes_on_by_itself_when_the_folder_is_back(
    c: TinyCompany, export_root: Path
) -> None:
    completed(c.nora)
    export = approved(c.rita, c.sue)
    aside = export_root.with_name("aside")
    export_root.rename(aside)
    export_root.write_text("a file")
    with racers(("work",), ("work",)) as both:
        for worker in both:
            worker.go()
        assert becomes_true(lambda: Trouble.objects.filter(failures__gte=2).exists())
        assert (fresh(export).status, fresh(export).attempt) == ("approved", 0)
        export_root.unlink()
        aside.rename(export_root)
        assert becomes_true(lambda: fresh(export).status == "completed")
    assert_whole(fresh(export))
    assert Notice.objects.filter(user=c.sam, text__startswith="Exports wait").count() == 1


def test_real_workers_on_a_full_disk_spend_nothing(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    for _ in range(6):
        run_once("--full-disk")
        Trouble.objects.update(next_try_at=LONG_AGO)
    assert (fresh(export).status, fresh(export).tries) == ("processing", 0)
    assert fresh(export).folder_failures == 6
    run_once()
    assert_whole(fresh(export))
    assert files() == [fresh(export).file_name]


def test_workers_killed_at_every_claim_spend_nothing(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    for number in range(1, 7):
        run_once("--dies")
        end_lease(export)
        if fresh(export).worker == "":  # it was waiting, after one of them
            run_once("--dies")
            end_lease(export)
        assert fresh(export).status == "processing"
        assert fresh(export).attempt >= number
    assert fresh(export).tries == 0
    run_once()
    end_lease(export)
    run_once()
    assert_whole(fresh(export))


def test_real_worker_with_a_wrong_clock_ends_nothing(c: TinyCompany) -> None:
    kept = completed(c.nora)
    waiting, export = pending(c.rita, c.sue), approved(c.rita, c.sue)
    overdue = pending(c.rita, c.sue)
    ExportRequest.objects.filter(pk=overdue.pk).update(requested_at=LONG_AGO)
    run_once("--year-ahead")
    assert [fresh(e).status for e in (kept, waiting, overdue)] == [
        "completed",
        "pending",
        "pending",
    ]
    assert path_of(kept).exists()
    assert_whole(fresh(export))
    run_once()
    assert (fresh(waiting).status, fresh(overdue).status) == ("pending", "lapsed")
