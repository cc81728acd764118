"""Counting the sensitive values that a person sees on screens, and stopping at a limit.

A page counts its values before it shows them, in a transaction of its own, so that no number of
pages opened at once shows more than the limit. Beyond it values read as dots. While no limit is
set nothing is counted: whether one is, comes with the query that reads the rules of fields.

Names, owners and stages are not counted, even where they are flagged as sensitive: they stand in
every link, title and explanation, and nobody can work with a record that has no name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts import access, audit, clock
from accounts.access import NEVER
from accounts.audit import Actor, operation
from accounts.models import User
from accounts.notices import one_line, tell_super_admins
from accounts.operations import require
from accounts.words import counted
from records.models import Record, ScreenCount, ScreenLimit
from records.models.properties import field_access
from records.operations import records
from records.refusals import Invalid, RecordError, Stale

K = TypeVar("K")

PAGE = "admin:records_screenlimit_changelist"
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown(Generic[K]):
    """Which of the values that a page wanted to show it may show."""

    keys: frozenset[K]
    everything: bool
    """Whether none became dots; where some did, empty values are dots too, and tell nothing."""

    def has(self, key: K, value: object) -> bool:
        """Tell whether this value is shown; an empty one is not counted."""
        return key in self.keys or (self.everything and is_empty(value))


def is_empty(value: object) -> bool:
    """Tell whether there is nothing to be seen of a value, and so nothing to be counted."""
    return value is None or value == ""


def counted_fields(user: User, model: type[Any]) -> frozenset[str]:
    """Return the fields whose values are counted for this person; none where no limit is set."""
    found = field_access(user, model)
    if found.screen_limit is None or not issubclass(model, Record):
        return frozenset()
    kept = {*model.name_fields, *model.owner_fields, "stage"}
    return found.sensitive - found.veiled - kept


def limit_of(user: User, model: type[Record]) -> int | None:
    """Return how many values a day this person may see; None where no limit is set."""
    return field_access(user, model).screen_limit


def is_used_up(user: User, limit: int) -> bool:
    """Tell whether this person has seen as many values today as they may."""
    seen = ScreenCount.objects.filter(user=user, day=clock.here().date())
    return (seen.values_list("shown", flat=True).first() or 0) >= limit


def show(user: User, keys: Sequence[K], limit: int) -> Shown[K]:
    """Count these values as shown to this person today, the first ones up to the limit.

    `keys` name the values that are not empty, in the order of the page. Whatever the page becomes
    afterwards, they stay counted. The first time on a day that the limit is reached, super admins
    are told and the log keeps it.
    """
    day = clock.here().date()
    known = ScreenCount.objects.filter(user=user, day=day).first()
    if known is not None and known.shown >= limit and known.reached_at is not None:
        return Shown(frozenset(), everything=False)  # nothing to write: a page is only read
    if not keys and (known is None or known.shown < limit):
        return Shown(frozenset(), everything=True)
    with transaction.atomic():
        row, _ = ScreenCount.objects.get_or_create(user=user, day=day)
        granted = _take(row, len(keys), limit)
        left = limit - row.shown
        if left <= 0:
            _tell(row, user, limit)
    was_used_up = left <= 0 and not granted
    return Shown(frozenset(keys[:granted]), granted == len(keys) and not was_used_up)


def _take(row: ScreenCount, wanted: int, limit: int) -> int:
    """Add as many of the wanted values as the limit leaves, and return how many those are.

    Asked of the stored row: whoever counted meanwhile makes this one look again.
    """
    while granted := max(0, min(wanted, limit - row.shown)):
        same = ScreenCount.objects.filter(pk=row.pk, shown=row.shown)
        if same.update(shown=F("shown") + granted):
            row.shown += granted
            return granted
        row.refresh_from_db()
    return 0


def _tell(row: ScreenCount, user: User, limit: int) -> None:
    """Tell super admins, and the log, once per person and day."""
    first = ScreenCount.objects.filter(pk=row.pk, reached_at=None)
    if row.reached_at is not None or not first.update(reached_at=timezone.now()):
        return
    data = {"limit": limit, "day": row.day}
    audit.record("screen_limit.reach", actor=user, on=user, data=data)

    def text() -> str:
        said = ngettext(
            "%(name)s has seen %(count)s sensitive values on screens today, as many as one person "
            "may in a day. Further ones read as dots for them.",
            "%(name)s has seen %(count)s sensitive values on screens today, as many as one person "
            "may in a day. Further ones read as dots for them.",
            limit,
        )
        return said % {"name": user.get_full_name(), "count": counted(limit)}

    tell_super_admins(
        text,
        reverse(PAGE),
        subject=lambda: gettext("Somebody reached the limit of sensitive values on screens"),
        mail=lambda: gettext(
            "Somebody reached the limit of sensitive values that one person sees in a day."
        ),
        place=lambda: gettext("Sensitive data on screens"),
    )


def hidden_notices(user: User) -> Q:
    """Hold for notices about this limit, unless the person may read its page.

    Fills the slot `accounts.notices.hidden`.
    """
    return NEVER if access.allows_any(user, "view", ScreenLimit) else Q(link=reverse(PAGE))


class UsedUp(RecordError):
    """The person saw as many sensitive values today as they may; the message says whom to ask."""


def reveal(record: Record, *, actor: User, name: str) -> Any:
    """Return one highly sensitive value as `operations.reveal` does, counted before it is shown.

    Raises `UsedUp` beyond the limit.
    """
    found = field_access(actor, type(record))
    value = getattr(record, name) if name in found.veiled else None
    limit = found.screen_limit
    if limit is not None and not is_empty(value) and not show(actor, [name], limit).keys:
        raise UsedUp(why_dots(limit))
    return records.reveal(record, actor=actor, name=name)


def why_dots(limit: int) -> str:
    """Return why values read as dots, until when, and whom to ask, for whom it concerns."""
    said = ngettext(
        "You have seen %(count)s sensitive values today, as many as one person may see on screens "
        "in a day. Others read as dots until midnight (%(zone)s), and stay as they are when you "
        "save. If your work needs more today, ask a super admin.",
        "You have seen %(count)s sensitive values today, as many as one person may see on screens "
        "in a day. Others read as dots until midnight (%(zone)s), and stay as they are when you "
        "save. If your work needs more today, ask a super admin.",
        limit,
    )
    return said % {"count": counted(limit), "zone": settings.TIME_ZONE}


# --- What super admins set ------------------------------------------------------------------------


def current() -> ScreenLimit:
    """Return the limit as it is now."""
    return ScreenLimit.objects.filter(pk=1).first() or ScreenLimit(pk=1)


def seen_today(most: int) -> list[ScreenCount]:
    """Return who has seen most sensitive values today, as far as they were counted."""
    today: date = clock.here().date()
    return list(ScreenCount.objects.filter(day=today, shown__gt=0).select_related("user")[:most])


def check_limit(values_a_day: int | None) -> None:
    """Raise `Invalid` for a limit that cannot be set."""
    if values_a_day is not None and not 1 <= values_a_day <= MOST:
        said = gettext("Give a whole number from 1 to %(most)s, or leave it empty for no limit.")
        raise Invalid(said % {"most": counted(MOST)})


@operation("screen_limit.change")
def set_screen_limit(*, actor: Actor, values_a_day: int | None, version: int) -> ScreenLimit:
    """Set how many sensitive values a person sees on screens in a day; None: no limit.

    It holds on the next request. `version` is the one that was read: a form that is out of date
    changes nothing. Raises `NotAllowed`, `Invalid` or `Stale`.
    """
    require(actor, "change", ScreenLimit)
    check_limit(values_a_day)
    stored, _ = ScreenLimit.objects.get_or_create(pk=1)
    changed = stored.values_a_day != values_a_day
    rows = ScreenLimit.objects.filter(pk=1, version=version)
    if not rows.update(values_a_day=values_a_day, version=F("version") + int(changed)):
        raise Stale(
            gettext(
                "Somebody changed this limit while you had it open. Nothing was saved; open the "
                "page again to see what holds now."
            )
        )
    if changed:
        data = {"from": stored.values_a_day, "to": values_a_day}
        audit.record("screen_limit.change", actor=actor, on=stored, data=data)
        if isinstance(actor, User):
            _tell_super_admins(actor, stored.values_a_day, values_a_day)
    return current()


def _tell_super_admins(actor: User, before: int | None, now: int | None) -> None:
    """Tell the other super admins who changed the limit, and from what to what."""
    name = actor.get_full_name()

    def text() -> str:
        said = gettext(
            "%(name)s changed how many sensitive values a person sees on screens in a day: "
            "%(before)s before, %(now)s now."
        )
        return said % {"name": name, "before": _in_words(before), "now": _in_words(now)}

    def mail() -> str:
        said = gettext(
            "%(name)s changed how many sensitive values a person sees on screens in a day. Look "
            "whether it is meant."
        )
        return said % {"name": one_line(name)}

    tell_super_admins(
        text,
        reverse(PAGE),
        but=[actor.pk],
        subject=lambda: gettext("The limit for sensitive data on screens was changed"),
        mail=mail,
        place=lambda: gettext("Sensitive data on screens"),
    )


def _in_words(limit: int | None) -> str:
    if limit is None:
        return gettext("no limit")
    # English says “1 values” here: the number is a setting, and not of something there is.
    return ngettext("%(count)s values", "%(count)s values", limit) % {"count": counted(limit)}
