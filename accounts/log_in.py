"""Who logs in: every password that somebody types is counted before it is checked.

Nobody tries passwords out, and nobody locks a colleague out either. Three counts, each with pauses
that double from a minute to a quarter of an hour:

- one account from one address: 5 wrong ones in a row are free;
- one account from anywhere: 30, so that many addresses do not help;
- one address for whatever accounts: 50, so that one password is not tried with everybody.

A browser in which the person has logged in before is known by a signed cookie and has a count of
its own instead of all three: whatever others type elsewhere, the person logs in there.

An attempt is counted under a lock first and checked afterwards, so that of any number of attempts
at once no more are checked than are free: not one more, in however many processes. An e-mail
address that nobody has is counted, checked and answered like any other.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext, ngettext

from accounts import audit
from accounts.models import AuditEvent, LogInCount, User
from accounts.passwords import HASHES_AT_ONCE
from accounts.text import normal_email, trouble

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
TURNED_AWAY_PER_MINUTE = 30

KNOWN_BROWSER = "known_browser"
"""The cookie of a browser in which somebody has logged in."""
KNOWN_FOR = timedelta(days=180)

LOG_IN = audit.System("log-in")

_turns = threading.BoundedSemaphore(HASHES_AT_ONCE)


class LogInPaused(Exception):
    """A password was not even looked at: there were too many wrong ones."""

    def __init__(self, rest: timedelta) -> None:
        self.seconds = max(1, int(rest.total_seconds()))
        self.minutes = -(-self.seconds // 60)
        self.in_words = ngettext("%(count)s minute", "%(count)s minutes", self.minutes) % {
            "count": self.minutes
        }
        super().__init__(
            gettext("There were too many wrong passwords, so log-in is paused for %(time)s.")
            % {"time": self.in_words}
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """How many wrong passwords in a row are free, and how long they are remembered."""

    free: int
    forgotten_after: timedelta
    """Since the latest of them."""

    def pause(self, wrong: int) -> timedelta:
        """Return how long nothing more is checked after so many wrong ones."""
        if wrong < self.free:
            return timedelta(0)
        # Doubled ten times at most: any more would be longer than the longest anyway.
        doubled: int = 2 ** min(wrong - self.free, 10)
        return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


FROM_HERE = Limit(5, timedelta(hours=24))
OF_ACCOUNT = Limit(30, timedelta(hours=24))
FROM_ADDRESS = Limit(50, timedelta(hours=1))
# Of questions for a new password, whether somebody has the account or not.
QUESTIONS_FOR_ACCOUNT = Limit(3, timedelta(hours=1))
QUESTIONS_FROM_ADDRESS = Limit(20, timedelta(hours=1))


def log_in(request: HttpRequest, email: str, password: str) -> User | None:
    """Return the person whose password this is; None where it is wrong, and that is logged.

    Raises `LogInPaused` where there were too many wrong ones.
    """
    with _counted(request, email) as attempt:
        user = authenticate(request, username=email, password=password)
        if isinstance(user, User):
            attempt.succeed()
            return user
    known = User.objects.filter(email=normal_email(email)).first()
    data = {"user": known.pk} if known else {}
    with transaction.atomic():
        audit.record(
            "session.login_failed",
            actor=LOG_IN,
            on=known,
            result="refused",
            data={**data, **attempt.facts},
            text=address_typed(email),
        )
    return None


def confirm(request: HttpRequest, user: User, password: str) -> bool:
    """Tell whether somebody who is logged in knows their password; counted as a log-in is."""
    with _counted(request, user.email) as attempt:
        if user.check_password(password):
            attempt.succeed()
            return True
    with transaction.atomic():
        audit.record(
            "person.confirm_password",
            actor=user,
            on=user,
            result="refused",
            data={"code": "wrong_password", **attempt.facts},
        )
    return False


def address_typed(email: str) -> str:
    """Return what was typed for the log, if it is an e-mail address: it might be a password."""
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return "" if trouble(email) else email


# --- Counting -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Attempt:
    """One password that is being checked, and what counts it."""

    account: str
    limits: dict[str, Limit]
    """The counts it is in, by key."""
    pause: timedelta = timedelta(0)
    """What follows if it is wrong."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the log keeps of a wrong one, beside the address."""
        pause = {"pause_minutes": LogInPaused(self.pause).minutes} if self.pause else {}
        return {"browser": audit.agent.get(), **pause}

    def begin(self) -> None:
        """Count it as a wrong one, until it turns out to be right."""
        rows = LogInCount.objects.filter(pk__in=self.limits).annotate(now=Now())
        # Whoever has to wait costs one statement, and no lock.
        _require_no_pause(rows)
        with transaction.atomic():
            LogInCount.objects.bulk_create(
                (
                    LogInCount(key=key, account="" if limit is FROM_ADDRESS else self.account)
                    for key, limit in self.limits.items()
                ),
                ignore_conflicts=True,
            )
            # Compared after the lock: PostgreSQL compares in a statement what was there before it.
            counts = list(rows.select_for_update().order_by("pk"))
            _require_no_pause(counts)
            for count in counts:
                limit, now = self.limits[count.key], count.now
                if count.last_at is None or count.last_at < now - limit.forgotten_after:
                    count.wrong = 0
                count.wrong += 1
                count.last_at = now
                pause = limit.pause(count.wrong)
                count.paused_until = now + pause
                count.save(update_fields=["wrong", "last_at", "paused_until"])
                self.pause = max(self.pause, pause)

    def succeed(self) -> None:
        """Forget the account's wrong passwords; of the address only this one, which was right.

        Else whoever has an account could go on for ever with those of others.
        """
        with transaction.atomic():
            keys = {*self.limits, _key("account", self.account)}
            rows = LogInCount.objects.filter(pk__in=keys)
            # Locked in the order of `begin`, so that no two attempts wait for each other.
            counts = list(rows.select_for_update().order_by("pk"))
            rows.exclude(account="").delete()
            for count in counts:
                if count.account:
                    continue
                count.wrong = max(0, count.wrong - 1)
                if count.wrong < FROM_ADDRESS.free:
                    count.paused_until = None
                count.save(update_fields=["wrong", "paused_until"])


def _require_no_pause(counts: Iterable[Any]) -> None:  # counts with `now`, the database's clock
    rests = [count.paused_until - count.now for count in counts if count.paused_until]
    longest = max(rests, default=timedelta(0))
    if longest > timedelta(0):
        raise LogInPaused(longest)


@contextmanager
def _counted(request: HttpRequest, email: str) -> Iterator[_Attempt]:
    """Count an attempt; no more are under way in this process than can be hashed at once.

    So a person's own correct log-ins, several at once, are not taken for wrong ones.
    """
    attempt = _attempt(request, email)
    with _turns:
        try:
            attempt.begin()
        except LogInPaused:
            _record_turned_away()
            raise
        yield attempt


def _attempt(request: HttpRequest, email: str) -> _Attempt:
    account, address = _account(email), _network(audit.origin.get())
    if browser := _known_browser(request, account):
        return _Attempt(account, {_key("browser", account, browser): FROM_HERE})
    limits = {
        _key("here", account, address): FROM_HERE,
        _key("account", account): OF_ACCOUNT,
    }
    if address:
        limits[_key("address", address)] = FROM_ADDRESS
    return _Attempt(account, limits)


def _account(email: str) -> str:
    return _key("email", normal_email(email))


def _key(*parts: str) -> str:
    return salted_hmac("accounts.log_in", "\n".join(parts), algorithm="sha256").hexdigest()


def _network(address: str | None) -> str:
    """Return what one subscriber has: an address, of the new kind the half that is given out.

    Else whoever has one IPv6 connection has as many addresses as there are.
    """
    if not address:
        return ""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


def _record_turned_away() -> None:
    """Log that a password was not looked at, so many a minute: a robot must not fill the log."""
    with transaction.atomic():
        latest = AuditEvent.objects.filter(action="session.login_turned_away").order_by("-id")
        since = timezone.now() - timedelta(minutes=1)
        earlier = list(latest.values_list("at", flat=True)[:TURNED_AWAY_PER_MINUTE])
        if len(earlier) < TURNED_AWAY_PER_MINUTE or earlier[-1] < since:
            audit.record(
                "session.login_turned_away",
                actor=LOG_IN,
                result="refused",
                data={"browser": audit.agent.get()},
            )


def count_question(email: str) -> None:
    """Count a question for a new password; raise `LogInPaused` where there were too many.

    Counted apart from passwords: neither keeps anybody from the other. No account stands in the
    rows, so that no new password lets the questions begin anew.
    """
    limits = {_key("question", _account(email)): QUESTIONS_FOR_ACCOUNT}
    if address := _network(audit.origin.get()):
        limits[_key("question from", address)] = QUESTIONS_FROM_ADDRESS
    _Attempt("", limits).begin()


# --- Browsers in which somebody has logged in -----------------------------------------------------


def _known_browser(request: HttpRequest, account: str) -> str:
    """Return the name of this browser if this account was logged in with in it; else nothing."""
    return str(
        request.get_signed_cookie(
            KNOWN_BROWSER, default="", salt=account, max_age=int(KNOWN_FOR.total_seconds())
        )
    )


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Let this browser be known as one in which this person has logged in."""
    account = _account(user.email)
    response.set_signed_cookie(
        KNOWN_BROWSER,
        _known_browser(request, account) or secrets.token_urlsafe(16),
        salt=account,
        max_age=int(KNOWN_FOR.total_seconds()),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


# --- Lifting a pause, and tidying up --------------------------------------------------------------


def is_paused(email: str) -> bool:
    """Tell whether a pause holds anywhere for this account."""
    return LogInCount.objects.filter(account=_account(email), paused_until__gt=Now()).exists()


def lift(*, emails: Iterable[str] = (), addresses: Iterable[str] = ()) -> int:
    """End the pauses of these accounts and addresses; return how many counts are gone."""
    of_accounts = LogInCount.objects.filter(account__in=[_account(each) for each in emails])
    keys = [_key("address", _network(each)) for each in addresses]
    of_addresses = LogInCount.objects.filter(pk__in=keys)
    return sum(found.delete()[0] for found in (of_accounts, of_addresses))


def lift_all() -> int:
    """End every pause; return how many counts are gone."""
    return LogInCount.objects.all().delete()[0]


def forget_old() -> None:
    """Remove the counts that count for nothing any more."""
    LogInCount.objects.filter(last_at__lt=Now() - 2 * OF_ACCOUNT.forgotten_after).delete()
