"""Which permissions this installation has known, and what becomes of new ones (R103, Q25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_lazy

from accounts.rule import ALWAYS, Rule

if TYPE_CHECKING:
    from accounts.asker import Asker


class KnownPermissionQuerySet(models.QuerySet["KnownPermission"]):
    """Known permissions, by what became of them."""

    def new(self) -> KnownPermissionQuerySet:
        """Return those that came with an upgrade."""
        return self.exclude(arrived="")

    def waiting(self) -> KnownPermissionQuerySet:
        """Return those that arrived off and that a super admin is to decide on."""
        return self.filter(to_review=True, decided_at=None)


class KnownPermission(models.Model):
    """One permission of the catalogue, or one option of it, that this installation has known.

    Written after each upgrade by `accounts.operations.receive_permissions`. What the installation
    began with has no `arrived`; what came later says how it arrived.
    """

    class Arrived(models.TextChoices):
        """How a new permission arrived in the sets that were there."""

        ON = "on", gettext_lazy("on")
        OFF = "off", gettext_lazy("off")

    key = models.CharField(max_length=100, unique=True)
    subject = models.CharField(
        max_length=100, help_text="The tool or the kind of record that is decided on as one."
    )
    at = models.DateTimeField(db_default=Now())
    arrived = models.CharField(max_length=3, choices=Arrived.choices, blank=True)
    sets = models.PositiveIntegerField(default=0, help_text="How many sets it arrived in.")
    to_review = models.BooleanField(default=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)

    objects = KnownPermissionQuerySet.as_manager()

    always_visible = ("key", "at")

    class Meta:
        verbose_name = gettext_lazy("new permission")
        verbose_name_plural = gettext_lazy("new permissions")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(to_review=False) | Q(arrived="off"), name="review_of_what_is_off"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None, decided_at=None)
                | Q(decided_by__isnull=False, decided_at__isnull=False, to_review=True),
                name="review_decided_by_somebody",
            ),
        )
        indexes = (
            models.Index(
                fields=["subject"],
                name="permissions_to_review",
                condition=Q(to_review=True, decided_at=None),
            ),
        )

    def __str__(self) -> str:
        return self.key

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins read and decide; the operations write."""
        if action in ("view", "change"):
            return []
        return [Rule("unseen", False, ALWAYS, gettext_lazy("permissions come with the product"))]


class ArrivalPolicy(models.Model):
    """The one switch of the account: “HubSpot-compatible: all on”; without a row it is off."""

    all_on = models.BooleanField(gettext_lazy("HubSpot-compatible: all on"), default=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    always_visible = ("all_on",)

    class Meta:
        verbose_name = gettext_lazy("arrival of new permissions")
        constraints = (models.CheckConstraint(condition=Q(pk=1), name="one_arrival_policy"),)

    def __str__(self) -> str:
        return gettext("Arrival of new permissions")

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Only super admins move it; there is one, and it is written by its operation alone."""
        if action in ("add", "delete"):
            return [Rule("unseen", False, ALWAYS, gettext_lazy("there is one switch, always"))]
        return []
