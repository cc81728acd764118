"""Requests for access: somebody may not do something, and asks whoever can change that (B15).

A request opens nothing. What it leads to is a share or an exception from the rule on a stage, each
explained, logged and ended like any other; or, for fields and exports, somebody's word that they
have changed what decides. `records.operations.access_requests` alone writes these rows.
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
    """What one person asked for, and what became of it."""

    class About(models.TextChoices):
        """What somebody asks for."""

        RECORD = "record", gettext_lazy("Edit one record")
        LINKED = "linked", gettext_lazy("See the record that a link leads to")
        FIELD = "field", gettext_lazy("Edit a field of all records that they may edit")
        EXPORT = "export", gettext_lazy("Export records of one kind")

    class Status(models.TextChoices):
        """Where a request stands; only a waiting one changes."""

        WAITING = "waiting", gettext_lazy("Waiting")
        GRANTED = "granted", gettext_lazy("Granted")
        DECLINED = "declined", gettext_lazy("Declined")
        WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")
        LAPSED = "lapsed", gettext_lazy("Not decided in time")

    requester = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    about = models.CharField(max_length=10, choices=About.choices, default=About.RECORD)
    # No foreign key: of whichever kind it is.
    object = models.CharField(max_length=60)
    record = models.BigIntegerField(null=True)
    field = models.CharField(max_length=60, blank=True)
    via_object = models.CharField(
        max_length=60, blank=True, help_text="Whose field leads to the record; of links alone."
    )
    via = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=500, blank=True)
    until = models.DateTimeField(
        null=True, help_text="Of the share or the exception that it led to. Empty: no end."
    )

    class Meta:
        verbose_name = gettext_lazy("request for access")
        verbose_name_plural = gettext_lazy("requests for access")
        ordering = ("-id",)
        # Every page asks whether any waits; of all that ever were, few do.
        indexes = (
            models.Index(
                fields=["created_at"],
                condition=Q(status="waiting"),
                name="access_request_waiting",
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["object", "record", "requester"],
                condition=Q(status="waiting", about="record"),
                name="access_requested_once",
            ),
            # By its way alone: that two links lead to one record is not told to who sees neither.
            models.UniqueConstraint(
                fields=["via_object", "via", "field", "requester"],
                condition=Q(status="waiting", about="linked"),
                name="access_requested_once_of_link",
            ),
            # A null record equals no other, so what is about no record needs this one beside it.
            models.UniqueConstraint(
                fields=["object", "about", "field", "requester"],
                condition=Q(status="waiting", record=None),
                name="access_requested_once_of_kind",
            ),
            models.CheckConstraint(
                condition=Q(about="record", record__isnull=False, field="", via=None)
                | (Q(about="linked", record__isnull=False, via__isnull=False) & ~Q(field=""))
                | (Q(about="field", record=None, via=None) & ~Q(field=""))
                | Q(about="export", record=None, field="", via=None),
                name="access_request_is_about_one_thing",
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
                | Q(
                    status__in=["waiting", "withdrawn", "lapsed"], decided_by=None, decided_at=None
                ),
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
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Requests are shown by the site itself (`access_requests.seen`) and governed by nobody."""
        return []
