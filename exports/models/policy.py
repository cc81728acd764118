"""Settings of exports: when consent is needed, who stands in, who wants to hear, own profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_lazy

from accounts.access import ALWAYS, Rule
from accounts.fields import Line
from accounts.models import Deed

if TYPE_CHECKING:
    from accounts.asker import Asker


class GateRules(models.Model):
    """What lets an export through without consent, with more records, or without a purpose.

    How long requests and files live is no part of it.
    """

    class Purpose(models.TextChoices):
        """Of which exports it has to be said what the file is for."""

        NEVER = "never", gettext_lazy("Never")
        APPROVAL = "approval", gettext_lazy("For exports that need approval")
        ALWAYS = "always", gettext_lazy("For every export")

    require_approval = models.BooleanField(
        gettext_lazy("require approvals for exports"),
        default=False,
        help_text="Off: every export of a person with the permission Export runs at once.",
    )
    threshold = models.PositiveIntegerField(
        gettext_lazy("record threshold"),
        default=100,
        help_text="An export with more than this many records needs approval; 0: every export "
        "that is not empty. Exports with sensitive fields always need it.",
    )
    daily_records = models.PositiveIntegerField(
        gettext_lazy("records per person in 24 hours"),
        null=True,
        blank=True,
        help_text="Who takes out more than this in 24 hours needs approval for what exceeds it, "
        "however small each export is. Empty: no limit.",
    )
    weekly_records = models.PositiveIntegerField(
        gettext_lazy("records per person in 7 days"),
        null=True,
        blank=True,
        help_text="The same over 7 days. Empty: no limit.",
    )
    second_person_above = models.PositiveIntegerField(
        gettext_lazy("a second person above"),
        null=True,
        blank=True,
        help_text="People who export without approval, super admins included, need somebody's "
        "consent above this many records. Empty: never.",
    )
    purpose_required = models.CharField(
        gettext_lazy("a purpose is required"),
        max_length=10,
        choices=Purpose.choices,
        default=Purpose.NEVER,
        help_text="Of which exports the requester has to say what the file is for.",
    )

    class Meta:
        abstract = True


class ExportPolicy(GateRules):
    """When an export needs somebody's consent; one row for the whole account (R111, R112, Q1)."""

    lapse_days = models.PositiveSmallIntegerField(
        gettext_lazy("days until a request lapses"),
        default=14,
        help_text="A request that nobody decides on is cancelled after this many days.",
    )
    file_days = models.PositiveSmallIntegerField(
        gettext_lazy("days a file stays"),
        default=7,
        help_text="A finished file can be downloaded for this many days, at most 30.",
    )
    most_downloads = models.PositiveSmallIntegerField(
        gettext_lazy("downloads of a file"),
        default=10,
        help_text="A finished file can be downloaded this many times, at most 100.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    always_visible = (
        *("require_approval", "threshold", "lapse_days", "file_days", "most_downloads"),
        *("daily_records", "weekly_records", "second_person_above", "purpose_required"),
    )

    class Meta:
        verbose_name = gettext_lazy("approvals")
        verbose_name_plural = gettext_lazy("approvals")
        constraints = (
            models.CheckConstraint(condition=Q(pk=1), name="one_export_policy"),
            models.CheckConstraint(
                condition=Q(lapse_days__gte=1, file_days__gte=1, file_days__lte=30),
                name="export_days_make_sense",
            ),
            models.CheckConstraint(
                condition=Q(most_downloads__gte=1, most_downloads__lte=100),
                name="downloads_make_sense",
            ),
            models.CheckConstraint(
                condition=Q(purpose_required__in=["never", "approval", "always"]),
                name="purpose_is_one_of_three",
            ),
        )

    def __str__(self) -> str:
        return gettext("Approvals")

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Only super admins configure export approvals (R99)."""
        if action in {"add", "delete"}:
            because = gettext_lazy("there is one export policy, always")
            return [Rule("unseen", False, ALWAYS, because)]
        return []


class GateChange(Deed, GateRules):
    """Somebody changed these rules: who and when, and how they stood before.

    Asked before somebody decides, or exports, so it is no part of the log: written in the
    transaction of the change, and never altered.
    """

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=["actor", "at"], name="gate_changed_by"),)

    def __str__(self) -> str:
        return f"{self.actor_id} at {self.at}"


class LargeExportAlert(models.Model):
    """A super admin's own wish to hear of exports above so many records (E47)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="large_export_alert"
    )
    records = models.PositiveIntegerField(help_text="Told of exports with more records than this.")

    def __str__(self) -> str:
        return f"{self.user_id}: above {self.records}"


class Delegation(models.Model):
    """Somebody who stands in for an approver from one day to another, both included.

    The delegate is told what the approver would be told; whether they may decide is asked of their
    own permissions, like anybody's.
    """

    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="export_delegations"
    )
    delegate = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    first_day = models.DateField()
    last_day = models.DateField()
    created_at = models.DateTimeField(db_default=Now())
    begun_at = models.DateTimeField(
        null=True, help_text="When the delegate was told of what waited already."
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = gettext_lazy("out of office")
        verbose_name_plural = gettext_lazy("out of office")
        ordering = ("first_day", "id")
        constraints = (
            models.CheckConstraint(
                condition=~Q(approver=F("delegate")), name="nobody_stands_in_for_themselves"
            ),
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")), name="delegation_days_in_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.delegate_id} for {self.approver_id}"

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """An approver arranges their own; the rest is the operations' to decide."""
        because = gettext_lazy("the person goes away themselves")
        return [Rule("owned", True, Q(approver=asker.id()), because)]


class ExportProfile(models.Model):
    """Columns and format of an export, kept by one person under a name, to be used again."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="export_profiles"
    )
    object = models.CharField(max_length=60)
    name = Line(max_length=80)
    columns = models.JSONField(default=list, help_text="Names of columns, in order.")
    format = models.CharField(max_length=10, default="csv")
    headers = models.CharField(max_length=10, default="labels")

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=["owner", "object", "name"], name="profile_name_once_per_owner"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """A profile is its owner's alone."""
        because = gettext_lazy("the profile is the person's own")
        return [Rule("owned", True, Q(owner=asker.id()), because)]
