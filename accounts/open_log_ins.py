"""The log-ins of a person that are open now: since when, when last used, from where (B5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.browsers import name_of
from accounts.models import Session, User
from accounts.session_limits import ADDRESS, BEGUN, BROWSER, USED

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class OpenLogIn:
    """One browser in which somebody is logged in."""

    mark: str
    """Names it in a page; its key opens it, and goes to nobody else."""
    since: datetime
    last_used: datetime
    """As it was written down last: every few minutes."""
    browser: str
    """As it names itself."""
    address: str
    is_this: bool

    @property
    def called(self) -> str:
        """What the browser is called, and the system it runs on."""
        return name_of(self.browser)


def mark_of(key: str) -> str:
    """Return what names a session without opening it."""
    return salted_hmac("accounts.open_log_ins", key, algorithm="sha256").hexdigest()[:32]


def sessions_of(user: User) -> Iterator[tuple[Session, dict[str, Any]]]:
    """Yield the sessions by which this person is logged in, with what is in them; one query.

    One that a new password, a deactivation or the time has ended is none, though its row is there.
    """
    if not user.is_active:
        return
    fits, now = user.get_session_auth_hash(), time.time()
    for row in Session.objects.filter(user=user, expire_date__gt=timezone.now()):
        data = row.get_decoded()
        if (
            constant_time_compare(data.get(HASH_SESSION_KEY, ""), fits)
            and now - data.get(BEGUN, 0) < settings.SESSION_LONGEST.total_seconds()
            and now - data.get(USED, 0) < settings.SESSION_IDLE.total_seconds()
        ):
            yield row, data


def open_log_ins(user: User, current: str | None) -> list[OpenLogIn]:
    """Return this person's open log-ins, the one used last first; `current` is the reader's own."""
    found = [
        OpenLogIn(
            mark_of(row.session_key),
            datetime.fromtimestamp(data[BEGUN], UTC),
            datetime.fromtimestamp(data[USED], UTC),
            data.get(BROWSER, ""),
            data.get(ADDRESS, ""),
            row.session_key == current,
        )
        for row, data in sessions_of(user)
    ]
    return sorted(found, key=lambda each: (not each.is_this, -each.last_used.timestamp()))
