"""Why an export ended or waits again: kept in English, read in the language of whoever reads it.

The sentence stands in the request's row and is the same whoever caused it, and whichever language
the worker runs in. A reader's page finds by the form of the sentence what to say instead. What has
no such form, as a row of an earlier version may, is read as it is. The same for what is wrong with
the folder for files, and with a file in it: that is kept, logged and printed too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.translation import gettext_lazy, ngettext

from accounts.languages import ENGLISH
from accounts.words import counted

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

CANCELLED_BY = gettext_lazy("%(name)s cancelled it.")
REQUESTER_LOST_RIGHT = gettext_lazy("The requester may not export this any more.")
REQUESTER_INACTIVE = gettext_lazy("The requester was deactivated.")
CHANGED_OUTSIDE = gettext_lazy("The request was changed outside the product, so it was not run.")
OF_AN_ERROR = gettext_lazy("of an error (%(error)s)")
FAILED_BY_ERROR = gettext_lazy(
    "%(attempts)s attempts to write the file failed; the last one because of an error (%(error)s)."
)
FAILED_KILLED = gettext_lazy(
    "%(attempts)s attempts to write the file failed; the last one because the worker was ended "
    "while it wrote."
)

APPROVER_LOST_RIGHT = gettext_lazy("The approver, %(name)s, may not approve any more.")
NO_APPROVER = gettext_lazy("The approver, nobody, may not approve any more.")
EXEMPTION_LOST = gettext_lazy("The requester may not export without approval any more.")
RESTRICTED = gettext_lazy("A column was restricted since it was approved.")
SENSITIVE_SINCE_APPROVED = gettext_lazy("A column became sensitive since it was approved.")
SENSITIVE_SINCE_ASKED = gettext_lazy("A column became sensitive since it was asked for.")

NO_FOLDER = gettext_lazy("it is not there")
FOLDER_IS_FILE = gettext_lazy("it is a file, not a folder")
FOLDER_WITHOUT_MARKER = gettext_lazy(
    "its file %(marker)s is missing, as where a volume is not mounted; if you changed it on "
    "purpose, run “manage.py export_worker --use-folder”"
)
FOLDER_OF_OTHERS = gettext_lazy("it belongs to another installation of crmperms")
MARKER_NOT_WRITTEN = gettext_lazy("its marker file could not be written")

FILE_CHANGED = gettext_lazy("it was changed since it was written")
FILE_OF_OTHER_SIZE = gettext_lazy("its size is not the one that was written")
NO_REGULAR_FILE = gettext_lazy("it is not a regular file")

# The first one that fits is taken, so what has no parts comes first.
_FORMS = (
    *(REQUESTER_LOST_RIGHT, REQUESTER_INACTIVE, CHANGED_OUTSIDE, NO_APPROVER, EXEMPTION_LOST),
    *(RESTRICTED, SENSITIVE_SINCE_APPROVED, SENSITIVE_SINCE_ASKED),
    *(NO_FOLDER, FOLDER_IS_FILE, FOLDER_OF_OTHERS, MARKER_NOT_WRITTEN),
    *(FILE_CHANGED, FILE_OF_OTHER_SIZE, NO_REGULAR_FILE),
    *(FOLDER_WITHOUT_MARKER, FAILED_KILLED, FAILED_BY_ERROR, OF_AN_ERROR),
    *(APPROVER_LOST_RIGHT, CANCELLED_BY),
)
_NOT_IN_TIME = re.compile(r"Nobody decided on it within ([\d,]+) days?\.")


def kept(reason: StrOrPromise, **parts: object) -> str:
    """Return a reason as it is kept."""
    with translation.override(ENGLISH):
        return str(reason) % parts


def not_in_time(days: int) -> str:
    """Return, to be kept, that nobody decided within so many days."""
    return f"Nobody decided on it within {days:,} {'day' if days == 1 else 'days'}."


def failed(attempts: int, last: str) -> str:
    """Return, to be kept, that all attempts failed; `last` is what was kept of the last one."""
    if found := _pattern(OF_AN_ERROR).fullmatch(last):
        return kept(FAILED_BY_ERROR, attempts=attempts, **found.groupdict())
    return kept(FAILED_KILLED, attempts=attempts)


def read(reason: str) -> str:
    """Return what was kept in the reader's language."""
    if found := _NOT_IN_TIME.fullmatch(reason):
        days = int(found[1].replace(",", ""))
        text = ngettext(
            "Nobody decided on it within %(days)s day.",
            "Nobody decided on it within %(days)s days.",
            days,
        )
        return text % {"days": counted(days)}
    for pattern, form in _patterns():
        if found := pattern.fullmatch(reason):
            return str(form) % found.groupdict()
    return reason


@cache
def _patterns() -> list[tuple[re.Pattern[str], StrOrPromise]]:
    return [(_pattern(form), form) for form in _FORMS]


def _pattern(form: StrOrPromise) -> re.Pattern[str]:
    """Return what a reason of this form looks like where it is kept, its parts as groups."""
    with translation.override(ENGLISH):
        pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(str(form)))
    return re.compile(pattern, re.DOTALL)
