"""The worker: takes exports one after the other, writes their files, and does what time demands.

Run as many as you like, on as many machines as share the database and EXPORT_ROOT.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import time
from array import array
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import (
    DatabaseError,
    InterfaceError,
    close_old_connections,
    connection,
    transaction,
)

from accounts import access, mail
from accounts.models import User
from exports import clocks, consent, folder, jobs, tables, upkeep
from exports.models import ExportRequest
from exports.operations import begin_delegations
from exports.steps import WrongState
from exports.writers import files, manifest, writer_of
from exports.writers.files import FolderError
from exports.writers.rows import rows_of
from exports.writers.writer import Head
from records.operations import access_requests

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
BEAT = 0.5
POLL = 1.0
UPKEEP_EVERY = 30.0
STATISTICS_EVERY = 3600.0


class Stop:
    """Asks the worker to end after the chunk it is at; a signal handler may set it.

    Not a threading.Event: its lock is not safe in a handler that interrupts its own `wait`.
    """

    def __init__(self) -> None:
        self.asked = False

    def wait(self, seconds: float) -> None:
        """Return after so long, or soon after being asked."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


class Interrupted(Exception):
    """The worker was asked to end; the job is left to be taken over."""


class Revoked(Exception):
    """The requester may not export any more, in the middle of it (B5)."""


class Narrowed(Exception):
    """Less may leave, or not without consent, than when it was begun: begin again (Q3, B6)."""


def new_worker_name() -> str:
    """Return a name that no other worker has, on whatever machine."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{secrets.token_hex(4)}"


def refresh_statistics() -> None:
    """Let SQLite learn how large its tables are; PostgreSQL does so by itself.

    Without it a list of a team's records took twenty times as long (measured at 100,000 deals).
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA analysis_limit = 1000")
            # Not PRAGMA optimize: before SQLite 3.46 it looks only at tables that this connection
            # has read, and a new one has read none.
            cursor.execute("ANALYZE")


class Upkeep:
    """What time demands, at once and then every half a minute, between two exports too."""

    def __init__(self, *, statistics: bool = False) -> None:
        self.next = 0.0
        self.next_statistics = 0.0 if statistics else math.inf

    def __call__(self, stop: Stop) -> None:
        """Do it where it is due; what broke off is due again."""
        if time.monotonic() >= self.next_statistics:
            refresh_statistics()
            self.next_statistics = time.monotonic() + STATISTICS_EVERY
        if time.monotonic() >= self.next:
            do_upkeep(stop)
            self.next = time.monotonic() + UPKEEP_EVERY


def run_once(
    *,
    worker: str = "",
    lease: timedelta = LEASE,
    stop: Stop | None = None,
    upkeep: Callable[[Stop], None] | None = None,
) -> int:
    """Do everything there is to do now: every export that waits, upkeep first and when it is due.

    Return how many exports were taken.
    """
    stop, upkeep = stop or Stop(), upkeep or Upkeep()
    worker = worker or new_worker_name()
    taken = 0
    while not stop.asked:
        give_back_unsaid()
        upkeep(stop)
        if not folder.is_ready():
            break
        if (export := jobs.claim(worker, lease)) is None:
            folder.worked_where_nothing_waits()
            break
        process(export, lease, stop)
        taken += 1
    return taken


def do_upkeep(stop: Stop | None = None) -> None:
    """Do what time demands; a duty that fails holds up neither the others nor exports."""
    stop = stop or Stop()
    agree = clocks.agree()
    # First, so that nobody is reminded of what is over.
    duties: list[Callable[[], object]] = (
        [upkeep.lapse_overdue, access_requests.lapse_overdue] if agree else []
    )
    duties += [
        upkeep.remind,
        begin_delegations,
        upkeep.cancel_waiting_of_revoked,
        partial(mail.send_waiting, asked_to_end=lambda: stop.asked),
    ]
    if agree:
        duties.append(upkeep.expire_files)
        # In another folder a file that is to go is not found, and would be forgotten.
        if folder.is_ours():
            duties += [upkeep.remove_files, upkeep.remove_left_files, upkeep.report_strays]
    for duty in duties:
        try:
            duty()
        except DatabaseError:
            raise
        except Exception:
            logger.exception("A duty of the export worker failed; it is tried again.")


def run_forever(stop: Stop, *, lease: timedelta = LEASE) -> None:
    """Look for work every second until asked to stop; survives a database that went away."""
    worker = new_worker_name()
    upkeep = Upkeep(statistics=True)
    while not stop.asked:
        try:
            close_old_connections()
            run_once(worker=worker, lease=lease, stop=stop, upkeep=upkeep)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The database did not answer (%s); trying again.", type(error).__name__)
            connection.close()
        except Exception:
            logger.exception("A pass of the export worker failed; trying again.")
        stop.wait(POLL)
    connection.close()


def process(export: ExportRequest, lease: timedelta, stop: Stop) -> None:
    """Write one claimed export's file and finish it; whatever happens, leave no part behind.

    What went wrong is logged, and the export is tried again; see `_give_up`.
    """
    part = None
    try:
        part = files.Part(export.file_name)
        dropped = _write(export, part, lease, stop)
        part.publish()
        _requester_of(export)  # once more: publishing may take its time
    except Exception as error:
        if part is not None:
            part.discard()
        _give_up(export, (part and part.trouble) or error, lease)
        return
    try:
        jobs.finish(export, part, dropped)
        folder.worked()
    except WrongState:
        part.discard()  # ended or taken over meanwhile: this file was never anybody's
    except Exception as error:
        # The commit may have arrived though its answer did not, so the file stays; if it did not
        # arrive, the next attempt removes it by the name in the row.
        _give_up(export, error, lease)


def _write(export: ExportRequest, part: files.Part, lease: timedelta, stop: Stop) -> array[int]:
    """Write every row that may leave; return the ids of those that may not any more.

    The requester is loaded for every chunk, so a right taken away holds for the next one (B5).
    """
    dropped = array("q")
    written = 0
    last_beat = time.monotonic()
    beside = manifest.Beside(export)
    with writer_of(export.format)(part, heads(export)) as writer:
        for places in manifest.chunks(export):
            if stop.asked:
                raise Interrupted
            if time.monotonic() - last_beat >= BEAT:
                jobs.keep(export, lease, written)
                last_beat = time.monotonic()
            rows = rows_of(export, _requester_of(export), places)
            writer.take(rows)
            beside.add(rows.related)
            written += len(rows.found)
            dropped.extend(manifest.not_among(rows.found, export, places))
        writer.finish()
    # Once more before the disk is made to write, which may take its time.
    jobs.keep(export, lease, written)
    return dropped


def _requester_of(export: ExportRequest) -> User:
    """Return the requester as of now; raise where the file may not go on as it was begun."""
    requester = User.objects.get(pk=export.requester_id)
    if not tables.is_known(export.object):
        raise Revoked
    if not access.allows_any(requester, access.EXPORT, tables.model_of(export.object)):
        raise Revoked
    if not consent.still_whole(export, requester):
        raise Narrowed
    return requester


def heads(export: ExportRequest) -> list[Head]:
    """Return what stands above each column of the file, and what is in it."""
    known = {column.name: column for column in tables.all_columns(tables.model_of(export.object))}
    found = []
    for frozen, heading in zip(
        export.leaving_columns,
        tables.headings(export.leaving_columns, export.headers),
        strict=True,
    ):
        column = known.get(frozen["name"])
        found.append(Head(heading, column.kind, column.places) if column else Head(heading))
    return found


def _give_up(export: ExportRequest, error: Exception, lease: timedelta) -> None:
    """Do what an attempt that did not finish demands; the database itself may be the trouble."""
    try:
        if isinstance(error, Interrupted | Narrowed):
            jobs.give_back(export)
        elif isinstance(error, Revoked):
            consent.cancel_revoked(export)
        elif isinstance(error, FolderError):
            jobs.refused_by_folder(export, error)
        elif not isinstance(error, WrongState):
            logger.error(
                "Export %s failed at attempt %s.", export.pk, export.attempt, exc_info=error
            )
            jobs.note_attempt(export, error, lease)
    except WrongState:
        pass
    except (DatabaseError, InterfaceError):
        if transaction.get_connection().in_atomic_block:
            raise
        connection.close()
        _unsaid.append(export)
        logger.warning("Export %s is given back when the database answers again.", export.pk)


def give_back_unsaid() -> None:
    """Give back what could not be while the database was away; it has cost nothing.

    Where it took longer than the lease, another worker may have it by now: nothing is changed then.
    """
    while _unsaid:
        jobs.give_back(_unsaid[-1])
        _unsaid.pop()


_unsaid: list[ExportRequest] = []
