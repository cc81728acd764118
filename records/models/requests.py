"""Requests for access: somebody sees a record, may not edit it, and asks whoever can open it (B15).

A request opens nothing. What it leads to is a share, which is explained, logged and ended like any
other; `records.operations.access_requests` alone writes these rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_lazy

if TYPE_CHECKING:
    from accounts.asker import Asker
    from accounts.rule import Rule


class AccessRequest(models.Model):
    """One person's request to edit one record, and what became of it."""

    class Status(models.TextChoices):
        """Where a request stands; only a waiting one changes."""

        WAITING = "waiting", gettext_lazy("Waiting")
        GRANTED = "granted", gettext_lazy("Granted")
        DECLINED = "declined", gettext_lazy("Declined")
        WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # No foreign key: of whichever kind it is.
    object = models.CharField(max_length=60)
    record = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)
    until = models.DateTimeField(null=True, help_text="Of the share it led to. Empty: no end.")

    class Meta:
        verbose_name = gettext_lazy("request for access")
        verbose_name_plural = gettext_lazy("requests for access")
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["object", "record", "requester"],
                condition=Q(status="waiting"),
                name="access_requested_once",
            ),
            models.CheckConstraint(
                condition=~Q(decided_by=F("requester")),
                name="access_request_decided_by_another",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["granted", "declined"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                )
                | Q(status__in=["waiting", "withdrawn"], decided_by=None, decided_at=None),
                name="access_request_decided_by_somebody",
            ),
        )

    def __str__(self) -> str:
        # Names neither the record nor the requester: this text may stand anywhere.
        return gettext("Request for access #%(number)s") % {"number": self.pk}

    @property
    def is_waiting(self) -> bool:
        """Whether somebody has still to decide."""
        return self.status == self.Status.WAITING

    @classmethod
    def access_rules(cls, person: Asker, action: str) -> list[Rule]:
        """Requests are shown by the site itself (`access_requests.seen`) and governed by nobody."""
        return []
