"""What is said of a person on their page: what is shared with them, and what they share (E54)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import catalogue
from accounts.modeladmin import page_address
from accounts.models import User
from accounts.person_access import Line, Section
from records.operations import sharing
from records.screens.share_words import between, end_of

MOST_LISTED = 10


def shares_about(reader: User, user: User) -> Iterator[Section]:
    """Yield the shares this person received and gave, of records that the reader may view now."""
    is_own = reader == user
    received = gettext("Shared with me") if is_own else gettext("Shared with them")
    gave = gettext("Shared by me") if is_own else gettext("Shared by them")
    yield _section(received, sharing.shared_with(user, reader), given=False)
    yield _section(gave, sharing.shared_by(user, reader), given=True)


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
    url = page_address(record, "change", record.pk)
    said = (kind.label, between(share, given=given), share.level.label, end_of(share.until))
    return Line(str(record), url, " · ".join(map(str, said)))
