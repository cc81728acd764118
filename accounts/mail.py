"""Sending the e-mails that wait in the outbox: each at most once, whoever is killed (R129, R130).

A row is claimed before the first byte is sent. What the server certainly did not take is tried
again, later and later; where nobody can know, the row ends as `uncertain` and is never sent again.
A server that is not to be reached costs no attempt: its e-mails wait for it, for three days.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models import F
from django.db.models.functions import Now

from accounts import invitations, new_password
from accounts.models import Notice, Outbox, User
from accounts.notices import readable

S = Outbox.Status
WITH_LINKS = (new_password, invitations)
"""What puts a link into an e-mail while it is sent, and tells whether it may still go out."""
MOST_AT_ONCE = 50
PATIENCE = 10.0  # seconds after which a pass begins no further e-mail, however well it goes
ATTEMPTS = 5
WAITS_FOR_SERVER = timedelta(days=3)
FIRST_DELAY = timedelta(minutes=1)
# Longer than any conversation with a server whose every answer takes EMAIL_TIMEOUT.
LEASE = timedelta(minutes=10)


def send_waiting(limit: int = MOST_AT_ONCE, *, asked_to_end: Callable[[], bool] = bool) -> int:
    """Send what is due, at most so many, and return how many were sent.

    Exports wait behind it: it ends where the server is slow, and at the first sign that it is not
    to be reached.
    """
    if not settings.MAIL_ENABLED:
        return 0
    _give_up_left_behind()
    sent = 0
    began = time.monotonic()
    for _ in range(limit):
        if asked_to_end() or (mail := _claim()) is None:
            break
        if not _deliver(mail):
            break
        sent += mail.status == S.SENT
        if time.monotonic() - began > PATIENCE:
            break
    return sent


def _give_up_left_behind() -> None:
    """End what a killed worker was sending: it may have arrived, so it is not sent again."""
    Outbox.objects.filter(status=S.SENDING, lease_until__lt=Now()).update(
        status=S.UNCERTAIN, ended_at=Now(), ended_because="The worker was ended."
    )


def _claim() -> Outbox | None:
    """Take the e-mail that has been due for longest; None where there is none."""
    due = Outbox.objects.filter(status=S.WAITING, next_try_at__lte=Now())
    while (mail := due.order_by("next_try_at", "id").select_related("notice").first()) is not None:
        mine = Outbox.objects.filter(pk=mail.pk, status=S.WAITING, attempt=mail.attempt)
        if mine.update(status=S.SENDING, attempt=F("attempt") + 1, lease_until=Now() + LEASE):
            mail.status, mail.attempt = S.SENDING, mail.attempt + 1
            return mail
    return None


def _deliver(mail: Outbox) -> bool:
    """Send one claimed e-mail and keep what became of it.

    False where the server is not to be reached, or broke off: the next one would fare no better,
    and all of them rest.
    """
    if not _may_be_told(mail):
        _end(mail, S.DROPPED)
        return True
    try:
        message = _message(mail)
        message.message()  # what cannot be put in order is found before a server is asked
    except Exception as error:
        _try_later(mail, error)
        return True
    try:
        server = get_connection()
        server.open()
    except Exception as error:
        _put_back(mail, error)
        _rest(error)
        return False
    try:
        server.send_messages([message])
    except (SMTPResponseException, SMTPRecipientsRefused) as error:
        _try_later(mail, error)  # it said no, so it did not take it
        return True
    except Exception as error:
        _end(mail, S.UNCERTAIN, error)
        _rest(error)
        return False
    else:
        _end(mail, S.SENT)
        return True
    finally:
        with suppress(Exception):  # a server that takes no leave has taken the mail all the same
            server.close()


def _may_be_told(mail: Outbox) -> bool:
    """Tell whether the addressee may still read of it, by their rights of now (S36, L88)."""
    notice = mail.notice
    person = User.objects.filter(pk=notice.user_id, is_active=True).first()
    if person is None or not (mail.address or person.email):
        return False
    notice.user = person
    if not all(each.is_wanted_still(mail.text, notice) for each in WITH_LINKS):
        return False
    return readable(person, Notice.objects.filter(pk=notice.pk)).exists()


def _message(mail: Outbox) -> EmailMessage:
    """Return the e-mail; its id is the row's own, so that two of them would be seen to be one."""
    host = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    written = int(mail.notice.created_at.timestamp() * 1_000_000)
    text = mail.text
    for each in WITH_LINKS:
        text = each.filled_in(text, mail.notice.user)
    return EmailMessage(
        mail.subject,
        text,
        to=[mail.address or mail.notice.user.email],
        headers={
            "Message-ID": f"<crmperms.{mail.pk}.{written}@{host}>",
            "Auto-Submitted": "auto-generated",  # no absence note answers it (RFC 3834)
        },
    )


def _try_later(mail: Outbox, error: Exception) -> None:
    """Put an e-mail that was certainly not taken back, for longer each time, five times in all."""
    if mail.attempt >= ATTEMPTS:
        _end(mail, S.FAILED, error)
        return
    Outbox.objects.filter(pk=mail.pk, attempt=mail.attempt, status=S.SENDING).update(
        status=S.WAITING,
        next_try_at=Now() + FIRST_DELAY * 5 ** (mail.attempt - 1),
        lease_until=None,
        ended_because=type(error).__name__,
    )


def _put_back(mail: Outbox, error: Exception) -> None:
    """Put an e-mail that no server was asked to take back as it was, its attempt with it.

    The number that fences attempts may be used anew: this one has nothing left to write.
    """
    Outbox.objects.filter(pk=mail.pk, attempt=mail.attempt, status=S.SENDING).update(
        status=S.WAITING,
        attempt=F("attempt") - 1,
        next_try_at=Now(),
        lease_until=None,
        ended_because=type(error).__name__,
    )


def _end(mail: Outbox, status: Outbox.Status, error: Exception | None = None) -> None:
    """Keep what became of an e-mail, for good; of an error its kind, since its words may quote."""
    # A slow one may have been given up as uncertain meanwhile; this attempt knows better.
    held = Outbox.objects.filter(
        pk=mail.pk, attempt=mail.attempt, status__in=[S.SENDING, S.UNCERTAIN]
    )
    held.update(
        status=status,
        ended_at=Now(),
        lease_until=None,
        ended_because=type(error).__name__ if error else "",
    )
    mail.status = status


def _rest(error: Exception) -> None:
    """Let a server that is not to be reached be for a while; it costs no e-mail an attempt.

    What has waited for days is given up, so that its news does not come as if it were fresh.
    """
    now = Now()
    Outbox.objects.filter(status=S.WAITING, notice__created_at__lte=now - WAITS_FOR_SERVER).update(
        status=S.FAILED, ended_at=now, ended_because=type(error).__name__
    )
    Outbox.objects.filter(status=S.WAITING, next_try_at__lte=now + FIRST_DELAY).update(
        next_try_at=now + FIRST_DELAY
    )
