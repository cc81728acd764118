"""What another process does between a step's reading and its writing, on both databases.

SQLite lets nobody write in between, and PostgreSQL seldom does: here it happens every time, right
before the statement that writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from exports import jobs, operations
from exports.models import ExportRequest
from exports.steps import WrongState
from tests.support.company import TinyCompany
from tests.support.exports_kit import approved, events, pending

pytestmark = pytest.mark.django_db


@contextmanager
def right_before_writing(act: Callable[[], object]) -> Iterator[list[str]]:
    """Do this before the first UPDATE of an export; it is undone where the step is refused."""
    written: list[str] = []

    def watched(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(f'UPDATE "{ExportRequest._meta.db_table}"') and not written:
            written.append(sql)
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watched):
        yield written


def came_back(export: ExportRequest) -> Callable[[], object]:
    """Approved, claimed, and put before the approvers again, all by others: pending once more."""
    return lambda: ExportRequest.objects.filter(pk=export.pk).update(version=F("version") + 3)


@pytest.mark.parametrize("step", ["approve", "reject"])
def test_nobody_decides_on_a_request_that_came_back_since_they_read_it(
    c: TinyCompany, step: str
) -> None:
    export = pending(c.rita, c.sue)
    decide = getattr(operations, step)
    with right_before_writing(came_back(export)) as written, pytest.raises(WrongState):
        decide(export, actor=c.sue, version=export.version, note="A reason.")
    assert len(written) == 1
    stored = ExportRequest.objects.get(pk=export.pk)
    assert (stored.status, stored.decided_by, events(export)) == (
        ("pending", None, ["export.request"])
    )
    decide(stored, actor=c.sue, version=stored.version, note="A reason.")
    assert stored.decided_by == c.sue


def test_nobody_decides_on_a_request_that_was_recalled_since_they_read_it(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    recalled = ExportRequest.objects.filter(pk=export.pk)
    with (
        right_before_writing(lambda: recalled.update(status="recalled")),
        pytest.raises(WrongState),
    ):
        operations.approve(export, actor=c.sue, version=export.version)
    operations.approve(export, actor=c.sue, version=export.version)
    assert events(export) == ["export.request", "export.approve"]


def test_no_worker_takes_an_export_that_another_took_since_it_looked(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    another = ExportRequest.objects.filter(pk=export.pk)
    with (
        right_before_writing(lambda: another.update(attempt=F("attempt") + 1)),
        pytest.raises(WrongState),
    ):
        jobs.take(export, "w", timedelta(minutes=1))
    export.refresh_from_db()
    assert (export.status, export.attempt) == ("approved", 0)
    jobs.take(export, "w", timedelta(minutes=1))
    assert (export.status, export.attempt) == ("processing", 1)
