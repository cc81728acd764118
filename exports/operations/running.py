"""How many downloads run at a time: a few for each person, and never so many that pages wait (B7).

A download holds one of its process's threads for as long as its reader takes.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from datetime import timedelta
from queue import Empty, SimpleQueue
from time import monotonic

from django.db import Error
from django.db.models.functions import Now
from django.utils.translation import gettext

from accounts.models import User
from exports import policy
from exports.models import Download, RunningDownload
from exports.steps import WrongState
from exports.writers.files import Handout

logger = logging.getLogger(__name__)

MOST_OF_A_PERSON = 3
MOST_OF_A_PROCESS = 10
"""Of the 16 threads in gunicorn.conf.py: the others are for pages and forms."""
LEASE = timedelta(seconds=180)
"""Longer than the server waits for a reader who takes nothing (`SEND_TIMEOUT`)."""
SAY_AFTER = 30  # seconds


def places(number: int) -> SimpleQueue[None]:
    """Return so many free places, in what alone may be put into while it is read (`__del__`)."""
    free: SimpleQueue[None] = SimpleQueue()
    for _ in range(number):
        free.put(None)
    return free


_places = places(MOST_OF_A_PROCESS)


def check(person: User) -> None:
    """Raise where the person has as many downloads running as may; for the transaction of one."""
    policy.one_at_a_time(person)
    theirs = RunningDownload.objects.filter(user=person)
    theirs.filter(until__lt=Now()).delete()
    if theirs.count() >= MOST_OF_A_PERSON:
        raise WrongState(
            gettext(
                "%(most)s of your downloads are running already. Wait until one has ended, or "
                "cancel one in your browser, and try again. This one was not counted. One that "
                "broke off counts as running for a few minutes more."
            )
            % {"most": MOST_OF_A_PERSON}
        )


def begin(download: Download, file: Handout) -> RunningFile:
    """Take a place in this process for a download, in its transaction; closing the file frees it.

    Raises where every place is taken, and nothing is counted.
    """
    try:
        _places.get_nowait()
    except Empty:
        file.close()
        raise WrongState(
            gettext(
                "So many downloads are running just now that this one has to wait. Try again in a "
                "minute. It was not counted."
            )
        ) from None
    taken = RunningFile(download.pk, file)
    RunningDownload.objects.create(download=download, user=download.user, until=Now() + LEASE)
    return taken


class RunningFile(io.BufferedIOBase):
    """A file on its way that keeps its lease while it is read, and ends it when it is closed."""

    def __init__(self, download_id: int, file: Handout) -> None:
        self._download_id = download_id
        self._rows = RunningDownload.objects.filter(pk=download_id)
        self._file = file
        self._said = monotonic()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return what the file has next; raises what the file raises."""
        if monotonic() - self._said > SAY_AFTER:
            self._said = monotonic()
            self._write(lambda: self._rows.update(until=Now() + LEASE))
        return self._file.read(size)

    def close(self) -> None:
        """Free the place and end the lease, once; a lease that cannot be ended runs out."""
        if self._let_go():
            self._write(self._rows.delete)

    def __del__(self) -> None:
        """Free the place of a file that nobody closed; its lease runs out.

        Python collects it whenever it likes, perhaps while this thread waits for an answer of the
        database: asking it anything here would wait for itself, for ever.
        """
        self._let_go()

    def _let_go(self) -> bool:
        """Close the file and free the place; False where that was done."""
        if self.closed:
            return False
        super().close()
        self._file.close()
        _places.put(None)
        return True

    def _write(self, change: Callable[[], object]) -> None:
        try:
            change()
        except Error:
            logger.warning(
                "The lease of download %s was not written.", self._download_id, exc_info=True
            )
