"""What the product tells a person: a sentence and where to go, in the product and by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.models.lease import Lease

if TYPE_CHECKING:
    from accounts.asker import Asker
    from accounts.rule import Rule


class Notice(models.Model):
    """A sentence for one person, with a link; it carries no data of any record (L88)."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices", db_index=False
    )
    text = models.CharField(max_length=300)
    link = models.CharField(max_length=300, blank=True)
    about = models.CharField(
        max_length=20,
        blank=True,
        default="",
        help_text="Which kind of request it is about (`accounts.to_decide`); empty: none.",
    )
    about_id = models.BigIntegerField(null=True)
    for_super_admins = models.BooleanField(
        default=False, help_text="Whether only who is a super admin by now may read it."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, editable=False)

    always_visible = ("text", "created_at", "read_at")

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(about="", about_id=None) | (~Q(about="") & Q(about_id__isnull=False)),
                name="notice_is_about_one_request",
            ),
        )
        indexes = (
            models.Index(fields=["user", "read_at", "-id"], name="notice_inbox"),
            models.Index(fields=["user", "-created_at", "-id"], name="notice_newest"),
            # What was told of one request; the newest stands for all of it.
            models.Index(
                fields=["user", "about", "about_id", "id"],
                condition=Q(about_id__isnull=False),
                name="notice_of_request",
            ),
        )

    def __str__(self) -> str:
        return self.text

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Notices are shown to their addressee by the site itself and governed by nobody."""
        return []


class Outbox(Lease):
    """An e-mail that is to be sent, written in the transaction of what it tells of (R129, R130).

    It holds no data of any record and no link that opens anything without a log-in (L88, Q16): the
    one to a new password is put in while the e-mail is sent.
    """

    class Status(models.TextChoices):
        """Where the e-mail stands."""

        WAITING = "waiting", gettext_lazy("Waiting")
        SENDING = "sending", gettext_lazy("Being sent")
        SENT = "sent", gettext_lazy("Sent")
        DROPPED = "dropped", gettext_lazy("Not sent: the person may not read it any more")
        UNCERTAIN = "uncertain", gettext_lazy("Not known: the worker ended while sending")
        FAILED = "failed", gettext_lazy("Failed")

    notice = models.OneToOneField(Notice, models.CASCADE, related_name="mail")
    subject = models.CharField(max_length=150)
    text = models.TextField()
    address = models.EmailField(
        blank=True, help_text="Where it goes, if not to the person’s address as it is by then."
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    next_try_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = gettext_lazy("e-mail")
        verbose_name_plural = gettext_lazy("e-mails")
        indexes = (
            models.Index(
                fields=["next_try_at"],
                name="mail_to_send",
                condition=Q(status__in=["waiting", "sending"]),
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} ({self.status})"
