"""A forgotten password: whoever reads a person's e-mails chooses a new one, by a link in one.

Only where e-mail is set up and the site knows its own address: a link is never made from what a
browser says the site is called. The link is made when the e-mail is sent, so that neither the
outbox nor the log holds one. It works for an hour and once: it is signed over the hash of the
password, the last log-in and the count of ended sessions, any of which a new password changes.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext, gettext_noop

from accounts import audit, log_in
from accounts.models import Notice, User
from accounts.notices import notify
from accounts.text import normal_email

LINK = "{link}"
"""Stands in the outbox, in a line of its own, where the e-mail will have its link.

Other e-mails name people, who may be called so: no name has a line of its own (`one_line`).
"""
SUBJECT = gettext_noop("Choose a new password")
ASKED = gettext_noop(
    "Somebody asked for a new password for your account, on the log-in page. The link went to your "
    "e-mail address."
)
MAIL = gettext_noop(
    "Somebody, probably you, asked for a new password for your account in crmperms. If it was not "
    "you, ignore this e-mail: your password stays as it is."
)
WAY_IN = gettext_noop("To choose a new password, open this within an hour; it works once:")


class LinkTokens(PasswordResetTokenGenerator):
    """Django's tokens, which also end with the person's sessions."""

    key_salt = "accounts.new_password"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)} {user.session_epoch}"


tokens = LinkTokens()


def is_offered() -> bool:
    """Tell whether links can be sent here: there is a mail server, and an address for them."""
    return bool(settings.MAIL_ENABLED and settings.SITE_URL)


def ask(email: str) -> None:
    """Send the person with this address a link, if there is one who may have it.

    Says nothing about whether there is. Raises `LogInPaused` where it was asked too often, also
    for an address that nobody has.
    """
    log_in.count_question(email)
    found = User.objects.filter(email=normal_email(email)).first()
    person = found if found is not None and may_have(found) else None
    with transaction.atomic():
        audit.record(
            "person.ask_new_password",
            actor=log_in.LOG_IN,
            on=found,
            result="done" if person else "refused",
            data={"browser": audit.agent.get()},
            text=log_in.address_typed(email),
        )
        if person:
            notify(
                [person],
                lambda: gettext(ASKED),
                subject=lambda: gettext(SUBJECT),
                mail=lambda: gettext(MAIL),
                way_in=lambda: "\n".join((gettext(WAY_IN), LINK)),
            )


def may_have(person: User) -> bool:
    """Tell whether a link may be sent to this person, and works for them.

    Whoever was never given a password is not let in by the product of its own accord.
    """
    return person.is_active and person.has_usable_password()


def filled_in(text: str, person: User) -> str:
    """Return the text of an e-mail with its link, if it is to have one."""
    if not has_line(text, LINK):
        return text
    key = urlsafe_base64_encode(force_bytes(person.pk))
    path = reverse("admin:password_reset_confirm", args=[key, tokens.make_token(person)])
    return with_line(text, LINK, f"{settings.SITE_URL}{path}")


def is_wanted_still(text: str, notice: Notice) -> bool:
    """Tell whether an e-mail may go out, as far as its link is concerned: not hours late."""
    if not has_line(text, LINK):
        return True
    waited = (timezone.now() - notice.created_at).total_seconds()
    return is_offered() and waited < settings.PASSWORD_RESET_TIMEOUT and may_have(notice.user)


def has_line(text: str, line: str) -> bool:
    """Tell whether a text has this line, and nothing else in it."""
    return line in text.split("\n")


def with_line(text: str, line: str, instead: str) -> str:
    """Return a text with something else in the place of this line."""
    return "\n".join(instead if each == line else each for each in text.split("\n"))
