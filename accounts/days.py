"""When a day begins and ends: the one place where a day becomes a moment.

A day is a day of the reader's time zone, from its first moment on and *before* the first moment of
the next day; so no moment lies between two days, and none in both. Ask with
`__gte=first_moment(day)` and `__lt=moment_after(day)`, never with 23:59:59. What is asked by days
now and is to mean the same later is kept with its zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
"""Which days may become a moment: wide enough for every record, and far enough from the years 1 and
9999, beyond which a database or another time zone has moments that Python cannot hold."""

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def first_moment(day: date, zone: tzinfo | None = None) -> datetime:
    """Return the first moment of a day of this zone, or of the reader's, in UTC.

    After it, no moment is of a day before. Usually that is midnight. Where the clock goes forward
    at midnight, the day begins later; where it goes back to before midnight, the hour that comes
    twice belongs to the day before, both times. A day that was left out is empty. Raises
    `ValidationError` for a day that `check_day` refuses.
    """
    check_day(day)
    return _first_moment(day, zone or timezone.get_current_timezone())


def moment_after(day: date, zone: tzinfo | None = None) -> datetime:
    """Return the first moment that is not of this day any more, in UTC; otherwise as above."""
    check_day(day)
    return _first_moment(day + _DAY, zone or timezone.get_current_timezone())


def last_day_before(moment: datetime) -> date | None:
    """Return the day that ends with this moment; None for a moment at which no day ends."""
    day = timezone.localdate(moment - _SECOND)
    return day if day <= LAST_DAY and moment_after(day) == moment else None


def check_day(day: date) -> None:
    """Raise `ValidationError` for a day before `FIRST_DAY` or after `LAST_DAY`."""
    if not FIRST_DAY <= day <= LAST_DAY:
        first, last = (date_format(each, "LONG_DATE_FORMAT") for each in (FIRST_DAY, LAST_DAY))
        raise ValidationError(
            gettext("Choose a day from %(first)s to %(last)s.") % {"first": first, "last": last},
            code="far_day",
        )


def _first_moment(day: date, zone: tzinfo) -> datetime:
    midnight = datetime.combine(day, time.min, zone)
    # The same wall clock read with the offset before a change of the clock, and after it.
    before, after = (midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if after > before:
        # Midnight comes twice. Of the second one where the day before goes on in between.
        goes_on = (after - _SECOND).astimezone(zone).date() < day
        return after if goes_on else before
    # Midnight is left out: the day begins when the clock goes forward, which is in between.
    while before > after:
        middle = after + (before - after) / 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).date() < day:
            after = middle + _SECOND
        else:
            before = middle
    return before
