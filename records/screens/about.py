"""What is said of a person on their page: what is shared with them, and what they share (E54)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from accounts import catalogue, days
from accounts.modeladmin import page_address
from accounts.models import User
from accounts.person_access import Line, Section
from records.operations import sharing

MOST_LISTED = 10


def shares_about(reader: User, user: User) -> Iterator[Section]:
    """Yield the shares this person received and gave, of records that the reader may view now."""
    whom = "me" if reader == user else "them"
    yield _section(f"Shared with {whom}", sharing.shared_with(user, reader), given=False)
    yield _section(f"Shared by {whom}", sharing.shared_by(user, reader), given=True)


def _section(
    title: str,
    found: Iterable[tuple[catalogue.ObjectKind, list[QuerySet[Any]]]],
    *,
    given: bool,
) -> Section:
    shares = [
        (share, kind)
        for kind, querysets in found
        for rows in querysets
        for share in rows[: MOST_LISTED + 1]
    ]
    shares.sort(key=lambda each: (each[0].created_at, each[0].pk), reverse=True)
    lines = [_line(share, kind, given) for share, kind in shares[:MOST_LISTED]]
    return Section(title, lines, len(shares) > MOST_LISTED)


def _line(share: Any, kind: catalogue.ObjectKind, given: bool) -> Line:
    """Return one share in words; Any, since guardian's columns are not typed."""
    record = share.content_object
    receiver = getattr(share, share.receiver_field)
    other = f"with {receiver}" if given else f"by {share.giver or 'the product'}"
    if not given and share.receiver_field != "user":
        other += f", with {receiver}"
    url = page_address(record, "change", record.pk)
    return Line(
        str(record), url, f"{kind.label} · {other} · {share.level.label} · {_end(share.until)}"
    )


def _end(until: datetime | None) -> str:
    """Return when a share ends, as it was chosen: by a day, or by a moment."""
    if until is None:
        return "no end"
    if day := days.last_day_before(until):
        return f"until the end of {date_format(day, 'DATE_FORMAT')}"
    return f"until {date_format(timezone.localtime(until), 'DATETIME_FORMAT')}"
