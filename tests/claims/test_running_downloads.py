"""At most three running downloads a person, and threads left for pages; others do not count."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import AuditEvent
from exports import operations
from exports.models import Download, ExportRequest, RunningDownload
from exports.operations import WrongState, running
from tests.claims.test_delivery import LOG, logged_in
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed
from tests.support.exports_process import racers


def counted() -> tuple[int, int]:
    events = AuditEvent.objects.filter(action="export.download", result="done")
    return Download.objects.count(), events.count()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def take_all(c: TinyCompany, opened: ExitStack) -> tuple[ExportRequest, list[io.BufferedIOBase]]:
    """Let Rita have as many downloads running as she may, of two exports."""
    one, other = completed(c.rita), completed(c.rita)
    files = [
        opened.enter_context(operations.open_download(export, actor=c.rita))
        for export in (one, one, other)
    ]
    return other, files


def test_fourth_download_at_a_time_is_refused_and_not_counted(
    c: TinyCompany, opened: ExitStack
) -> None:
    export, files = take_all(c, opened)
    before = counted()
    with pytest.raises(WrongState, match="3 of your downloads are running already"):
        operations.open_download(export, actor=c.rita)
    assert counted() == before
    # Somebody else's are their own.
    theirs = completed(c.lena)
    opened.enter_context(operations.open_download(theirs, actor=c.lena))
    files[0].close()
    files[0].close()  # twice frees one place
    opened.enter_context(operations.open_download(export, actor=c.rita))
    with pytest.raises(WrongState):
        operations.open_download(export, actor=c.rita)


def test_refusal_is_read_on_the_page_it_was_asked_from(c: TinyCompany, opened: ExitStack) -> None:
    export, _ = take_all(c, opened)
    answer = logged_in(c, "rita").post(f"{LOG}{export.pk}/download/")
    assert answer.status_code == 302
    (told,) = [str(message) for message in get_messages(answer.wsgi_request)]
    assert told.startswith("3 of your downloads are running already. Wait until one has ended")
    assert "not counted" in told


def test_download_that_ends_or_breaks_off_makes_room(c: TinyCompany) -> None:
    export = completed(c.rita)
    rita = logged_in(c, "rita")
    for _ in range(running.MOST_OF_A_PERSON + 1):
        answer = rita.post(f"{LOG}{export.pk}/download/")
        assert (answer.status_code, bool(answer.getvalue())) == (200, True)
    assert not RunningDownload.objects.exists()
    for _ in range(running.MOST_OF_A_PERSON + 1):
        file = operations.open_download(export, actor=c.rita)
        assert file.read(1)
        file.close()  # as the web server does when its reader has gone
    assert not RunningDownload.objects.exists()


def test_download_of_a_process_that_was_killed_counts_until_its_lease_is_over(
    c: TinyCompany, opened: ExitStack
) -> None:
    export, _ = take_all(c, opened)
    mine = RunningDownload.objects.filter(user=c.rita)
    with pytest.raises(WrongState):
        operations.open_download(export, actor=c.rita)
    oldest = mine.order_by("pk")[0]
    mine.filter(pk=oldest.pk).update(until=Now() - timedelta(seconds=1))
    opened.enter_context(operations.open_download(export, actor=c.rita))
    assert not mine.filter(pk=oldest.pk).exists()
    assert mine.count() == running.MOST_OF_A_PERSON


def test_reader_who_goes_on_keeps_the_lease(
    c: TinyCompany, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = completed(c.rita)
    file = opened.enter_context(operations.open_download(export, actor=c.rita))
    almost_over = Now() + timedelta(seconds=5)
    RunningDownload.objects.update(until=almost_over)
    file.read(1)
    soon = RunningDownload.objects.filter(until__lt=Now() + timedelta(seconds=60))
    assert soon.exists()  # said a moment ago, so not said again
    monkeypatch.setattr(running, "SAY_AFTER", -1)
    file.read(1)
    assert not soon.exists()


def test_places_of_a_process_are_for_everybody_and_come_back(
    c: TinyCompany, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_places", running.places(1))
    export, theirs = completed(c.rita), completed(c.lena)
    file = operations.open_download(export, actor=c.rita)
    before = counted()
    with pytest.raises(WrongState, match="this one has to wait"):
        operations.open_download(theirs, actor=c.lena)
    assert counted() == before
    assert RunningDownload.objects.count() == 1
    file.close()
    opened.enter_context(operations.open_download(theirs, actor=c.lena))


def test_a_file_that_nobody_closed_frees_its_place_and_asks_the_database_nothing(
    c: TinyCompany, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is collected at any moment, perhaps within a statement of the same thread."""
    monkeypatch.setattr(running, "_places", running.places(1))
    export = completed(c.rita)
    file = operations.open_download(export, actor=c.rita)
    with CaptureQueriesContext(connection) as asked:
        del file
        gc.collect()
    assert len(asked) == 0
    assert RunningDownload.objects.filter(user=c.rita).count() == 1  # until its lease is over
    opened.enter_context(operations.open_download(export, actor=c.rita))


@pytest.mark.django_db(transaction=True)
def test_of_downloads_begun_at_the_same_moment_no_more_run_than_may(c: TinyCompany) -> None:
    """Five processes with an export each, so that the export's own lock does not order them."""
    exports = [completed(c.rita) for _ in range(5)]
    with racers(*(("hold", export.pk, c.rita.email) for export in exports)) as all_five:
        for racer in all_five:
            racer.go()
        said = sorted(racer.says() for racer in all_five)
        assert said == ["WrongState"] * 2 + ["held"] * 3
        assert Download.objects.count() == 3


def test_nginx_may_send_the_file_where_an_installation_wants_that(
    c: TinyCompany, settings: Settings
) -> None:
    """Counted and logged all the same; refused all the same; and nobody asks again on the way."""
    export = completed(c.rita)
    settings.X_ACCEL_REDIRECT = "/exports-inside/"
    answer = logged_in(c, "rita").post(f"{LOG}{export.pk}/download/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["X-Accel-Redirect"] == f"/exports-inside/{export.file_name}"
    assert answer["Content-Disposition"] == f'attachment; filename="deal-{export.pk}.csv"'
    assert answer["Cache-Control"] == "private, no-store"
    assert counted() == (1, 1)
    assert not RunningDownload.objects.exists()
    refused = logged_in(c, "sam").post(f"{LOG}{export.pk}/download/")
    assert "X-Accel-Redirect" not in refused
    assert counted() == (1, 1)
