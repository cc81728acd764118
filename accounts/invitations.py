"""Invitations: a link by which somebody who never logged in chooses their first password (Q23).

It works once and for a week. When it was made stands with the person and is part of what the link
is signed over, beside the e-mail address, the password and the count of ended sessions: a newer
invitation, another address, a password, a deactivation or the status of a super admin or partner
admin ends it. Neither the outbox, nor a notice, nor the log holds a link: it is made while the
e-mail is sent, or while the page is drawn on which the inviter copies it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.functional import lazy
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext, gettext_noop

from accounts import new_password
from accounts.models import Notice, User

DAYS = 7
LINK = "{invitation}"
"""Stands in the outbox where the e-mail will have its link; no person's words are in that text."""
SUBJECT = gettext_noop("You are invited to crmperms")
INVITED = gettext_noop(
    "You were invited to crmperms. The link to choose a password went to your e-mail address."
)
MAIL = gettext_noop(
    "Somebody made an account in crmperms for you. If you did not expect that, ignore this e-mail: "
    "nobody can use the account without it."
)
WAY_IN = gettext_noop(
    "To choose your password and log in, open this within %(days)s days; it works once:"
)

never_logged_in = Q(is_active=True, last_login=None)
"""Hold for those who may be invited."""
waiting = Q(invited_at__isnull=False) & never_logged_in
"""Hold for those who were invited and have not logged in yet, whether or not their link ended."""


class InvitationTokens(new_password.LinkTokens):
    """Django's tokens, signed over the moment of the invitation instead of one of their own."""

    key_salt = "accounts.invitations"

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        signed = f"{super()._make_hash_value(user, timestamp)} {user.invited_at.isoformat()}"
        # Whoever was shown the link invited somebody who could do less. Links of before go on.
        if user.is_superuser or user.is_partner_admin:
            signed += f" {user.is_superuser:d}{user.is_partner_admin:d}"
        return signed

    def _now(self) -> datetime:
        """Return the first moment that Django counts: the database tells when a link ends."""
        return datetime(2001, 1, 1)  # noqa: DTZ001  # as Django counts, without a zone


tokens = InvitationTokens()


def go_by_mail() -> bool:
    """Tell whether links are sent here; if not, the inviter is shown them to hand them over."""
    return new_password.is_offered()


def open_ones() -> QuerySet[User]:
    """Return the people whose invitation has not ended, by the database's clock."""
    return User.objects.filter(waiting, invited_at__gt=Now() - timedelta(days=DAYS))


def path_for(person: User) -> str:
    """Return the link of a person's invitation as it stands, without the site's address."""
    key = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("admin:invitation", args=[key, tokens.make_token(person)])


def way_in() -> str:
    """Return what the e-mail says of its link, in the language that is active."""
    return "\n".join((gettext(WAY_IN) % {"days": DAYS}, LINK))


def filled_in(text: str, person: User) -> str:
    """Return the text of an e-mail with its link, if it is to have one."""
    if not new_password.has_line(text, LINK):
        return text
    return new_password.with_line(text, LINK, f"{settings.SITE_URL}{path_for(person)}")


def is_wanted_still(text: str, notice: Notice) -> bool:
    """Tell whether an e-mail may go out, as far as its link is concerned: it is the newest one."""
    if not new_password.has_line(text, LINK):
        return True
    same = open_ones().filter(pk=notice.user_id, invited_at__lte=notice.created_at)
    return go_by_mail() and same.exists()


def _title() -> str:
    return gettext("Send an invitation") if go_by_mail() else gettext("Make an invitation link")


def _title_again() -> str:
    return gettext("Resend the invitation") if go_by_mail() else gettext("Make a new link")


def _title_of_many() -> str:
    return gettext("Send invitations") if go_by_mail() else gettext("Make invitation links")


# Read when a page is drawn: whether there is e-mail is a setting.
TITLE = lazy(_title, str)()
AGAIN = lazy(_title_again, str)()
OF_MANY = lazy(_title_of_many, str)()


def what_follows() -> str:
    """Return what an invitation does here, for whoever is about to send one."""
    if go_by_mail():
        return gettext(
            "The person gets an e-mail with a link to choose their password. The link works "
            "once, for %(days)s days; an earlier link ends."
        ) % {"days": DAYS}
    return gettext(
        "No e-mail is set up here, so the next page shows a link, this once. Give it to the "
        "person, who uses it to choose a password. It works once, for %(days)s days; an earlier "
        "link ends. You could use the link yourself, so it counts like a password that you set."
    ) % {"days": DAYS}
