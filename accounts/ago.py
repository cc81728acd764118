"""How long ago a moment was, as lists say it; the moment itself is one look away."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

HOUR, DAY = 60, 24 * 60
LONGEST = 30 * DAY
"""From so many minutes on the day says more."""


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Return “just now”, “5 min ago”, “2 h ago” or “3 d ago”, and the day of what is long ago.

    A moment to come, by a clock that differs, is just now up to a minute, and else its day.
    """
    passed = (now or timezone.now()) - moment
    minutes = passed // timedelta(minutes=1)
    if not -1 <= minutes < LONGEST:
        return date_format(timezone.localtime(moment), "DATE_FORMAT")
    if minutes < 1:
        return gettext("just now")
    if minutes < HOUR:
        return gettext("%(minutes)s min ago") % {"minutes": minutes}
    if minutes < DAY:
        return gettext("%(hours)s h ago") % {"hours": minutes // HOUR}
    return gettext("%(days)s d ago") % {"days": minutes // DAY}


def ago_with_moment(moment: datetime, now: datetime | None = None) -> SafeString:
    """Return the same for a page: the stamp stands in its tooltip, and for programs."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        localize(timezone.localtime(moment)),
        ago(moment, now),
    )
