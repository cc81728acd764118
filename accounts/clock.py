"""The time by the database's clock.

Whatever decides by time asks here, or says `Now()` in its statement: web processes and workers run
on many machines, and one with a wrong clock must not end what the others keep. On SQLite it is the
machine's own clock, the only one there is.

A day that something is decided by is a day of the installation's zone (`TIME_ZONE`), whoever asks:
by a zone of their own, a person would have a second day with another zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models.functions import Now, TruncDate
from django.utils import timezone


def database_now() -> datetime:
    """Return this moment by the database's clock; one statement."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT STATEMENT_TIMESTAMP()")
            now: datetime = cursor.fetchone()[0]
            return now
        cursor.execute("SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


def here(moment: datetime | None = None) -> datetime:
    """Return a moment, or this one by the machine's clock, as the installation's clocks show it."""
    return timezone.localtime(moment, timezone.get_default_timezone())


def database_today() -> date:
    """Return the installation's day by the database's clock."""
    return here(database_now()).date()


class Today(TruncDate):
    """The same day as an expression, for where a statement asks anyway."""

    def __init__(self) -> None:
        super().__init__(Now(), tzinfo=timezone.get_default_timezone())


def difference() -> timedelta:
    """Return how far apart the clocks of this machine and of the database are."""
    return abs(timezone.now() - database_now())
