"""Why an export ended or waits again: kept in English, read in the language of whoever reads it.

The sentence stands in the request's row and is the same whoever caused it, and whichever language
the worker runs in. A reader's page finds by the form of the sentence what to say instead. What has
no such form, as a row of an earlier version may, is read as it is.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext, gettext_noop, ngettext

CANCELLED_BY = gettext_noop("%(name)s cancelled it.")
REQUESTER_LOST_RIGHT = gettext_noop("The requester may not export this any more.")
REQUESTER_INACTIVE = gettext_noop("The requester was deactivated.")
CHANGED_OUTSIDE = gettext_noop("The request was changed outside the product, so it was not run.")
OF_AN_ERROR = gettext_noop("of an error (%(error)s)")
FAILED_BY_ERROR = gettext_noop(
    "%(attempts)s attempts to write the file failed; the last one because of an error (%(error)s)."
)
FAILED_KILLED = gettext_noop(
    "%(attempts)s attempts to write the file failed; the last one because the worker was ended "
    "while it wrote."
)

APPROVER_LOST_RIGHT = gettext_noop("The approver, %(name)s, may not approve any more.")
NO_APPROVER = gettext_noop("The approver, nobody, may not approve any more.")
EXEMPTION_LOST = gettext_noop("The requester may not export without approval any more.")
RESTRICTED = gettext_noop("A column was restricted since it was approved.")
SENSITIVE_SINCE_APPROVED = gettext_noop("A column became sensitive since it was approved.")
SENSITIVE_SINCE_ASKED = gettext_noop("A column became sensitive since it was asked for.")

# The first one that fits is taken, so what has no parts comes first.
_FORMS = (
    *(REQUESTER_LOST_RIGHT, REQUESTER_INACTIVE, CHANGED_OUTSIDE, NO_APPROVER, EXEMPTION_LOST),
    *(RESTRICTED, SENSITIVE_SINCE_APPROVED, SENSITIVE_SINCE_ASKED),
    *(FAILED_KILLED, FAILED_BY_ERROR, OF_AN_ERROR, APPROVER_LOST_RIGHT, CANCELLED_BY),
)
_NOT_IN_TIME = re.compile(r"Nobody decided on it within ([\d,]+) days?\.")


def not_in_time(days: int) -> str:
    """Return, to be kept, that nobody decided within so many days."""
    return f"Nobody decided on it within {days:,} {'day' if days == 1 else 'days'}."


def failed(attempts: int, last: str) -> str:
    """Return, to be kept, that all attempts failed; `last` is what was kept of the last one."""
    if found := _pattern(OF_AN_ERROR).fullmatch(last):
        return FAILED_BY_ERROR % {"attempts": attempts, **found.groupdict()}
    return FAILED_KILLED % {"attempts": attempts}


def read(kept: str) -> str:
    """Return what was kept in the reader's language."""
    if found := _NOT_IN_TIME.fullmatch(kept):
        days = int(found[1].replace(",", ""))
        text = ngettext(
            "Nobody decided on it within %(days)s day.",
            "Nobody decided on it within %(days)s days.",
            days,
        )
        return text % {"days": found[1]}
    for form in _FORMS:
        if found := _pattern(form).fullmatch(kept):
            return gettext(form) % found.groupdict()
    return kept


@cache
def _pattern(form: str) -> re.Pattern[str]:
    """Return what a sentence of this form looks like, its parts as groups."""
    pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(form))
    return re.compile(pattern, re.DOTALL)
