"""Export requests, what was frozen in them, who consented, and who downloaded (R117–R128)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from accounts.access import ALWAYS, Rule
from accounts.models import Lease
from exports import reasons

if TYPE_CHECKING:
    from accounts.asker import Asker


class ExportQuerySet(models.QuerySet["ExportRequest"]):
    """Export requests by where they stand."""

    def awaiting_decision(self) -> ExportQuerySet:
        """Return requests that wait for an approver."""
        return self.filter(status=ExportRequest.Status.PENDING)

    def containing(
        self, object: str, record_id: Any, linked: Mapping[str, QuerySet[Any] | None] | None = None
    ) -> ExportQuerySet:
        """Return exports whose file held this record, or something of it beside others (B11).

        `linked`: by kind, the records through which the reader knows of a link to this one, or None
        for all of the kind; what held something of it beside others alone is left out. None:
        whoever reads knows all.
        """
        # By the record, not of each export: a log has many, and few of them held it.
        own = ExportRecord.objects.filter(record_id=record_id, left_out=False).values("export")
        beside = ExportRelated.objects.filter(record_id=record_id, object=object).values("export")
        known = Q()
        if linked is not None:
            known = Q(pk__in=[])
            for key, rows in linked.items():
                if rows is None:
                    known |= Q(object=key)
                    continue
                led = ExportRecord.objects.filter(
                    export=OuterRef("pk"), record_id__in=rows.values("pk"), left_out=False
                )
                known |= Q(Exists(led), object=key)
        return self.filter(
            Q(pk__in=own, object=object) | (Q(pk__in=beside) & known),
            delivered_count__isnull=False,
        )


class ExportRequest(Lease):
    """One export from request to file, and the job that writes it (R120–R124, Q13)."""

    class Status(models.TextChoices):
        """Where the export stands; the labels are what people read."""

        PENDING = "pending", gettext_lazy("Pending approval")
        APPROVED = "approved", gettext_lazy("Approved")
        PROCESSING = "processing", gettext_lazy("Processing")
        COMPLETED = "completed", gettext_lazy("Completed")
        REJECTED = "rejected", gettext_lazy("Rejected")
        RECALLED = "recalled", gettext_lazy("Cancelled: recalled")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")
        LAPSED = "lapsed", gettext_lazy("Cancelled: not decided in time")
        EXPIRED = "expired", gettext_lazy("File expired")
        FAILED = "failed", gettext_lazy("Failed")

    class Headers(models.TextChoices):
        """What stands above the columns (E36)."""

        LABELS = "labels", gettext_lazy("Labels")
        NAMES = "names", gettext_lazy("Internal names")

    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="export_requests"
    )
    object = models.CharField(max_length=60)
    name = models.CharField(
        max_length=200, help_text="What people read: All deals, Deals: filtered"
    )
    query = models.TextField(
        blank=True, help_text="The canonical filter, search and order it was asked with."
    )
    columns = models.JSONField(
        default=list, help_text="In order: [{name, label, sensitive}], as frozen at the request."
    )
    format = models.CharField(max_length=10, default="csv")
    headers = models.CharField(
        max_length=10,
        choices=Headers.choices,
        default=Headers.LABELS,
        help_text="What stands above the columns: labels as people read them, or internal names.",
    )
    record_count = models.PositiveIntegerField(gettext_lazy("records"))
    has_sensitive = models.BooleanField(gettext_lazy("sensitive data"), default=False)
    sensitive_fields = models.JSONField(
        default=list,
        help_text="Fields that were sensitive at the request, among columns, filters and order.",
    )
    sensitive_left_out = models.BooleanField(
        default=False,
        help_text="Whether nothing sensitive is left in the finished file.",
    )
    approval_needed = models.BooleanField(default=False)
    because = models.CharField(
        max_length=20, blank=True, help_text="Code of why approval was needed, or was not."
    )
    token = models.UUIDField(
        null=True, help_text="Drawn with the dialog: sending it twice asks for one export."
    )
    wish_sha256 = models.CharField(
        max_length=64, blank=True, help_text="Over what was sent with the token."
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    requested_at = models.DateTimeField(db_default=Now())
    message = models.TextField(blank=True)
    chosen = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="+",
        verbose_name=gettext_lazy("approvers chosen"),
        help_text="Whom the requester chose; reminders go to them, and who stands in by then.",
    )
    notified = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="+",
        verbose_name=gettext_lazy("approvers told"),
        help_text="Everybody who was told, who stood in for somebody among them.",
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="decided_exports"
    )
    decided_at = models.DateTimeField(null=True)
    decision_note = models.TextField(blank=True)
    released_again_at = models.DateTimeField(
        null=True, help_text="When it was tried again last, with the consent that it had."
    )
    conditions = models.JSONField(
        default=dict,
        help_text="What the approver allowed less of: {columns_dropped, most_records, file_days, "
        "most_downloads}, each only where it was set.",
    )
    waits_again_because = models.CharField(
        max_length=300, blank=True, help_text="Why a decision was undone, in a sentence."
    )
    waits_again_since = models.DateTimeField(null=True)
    # What the policy said when it was asked for: a change of it holds for new requests (Q10).
    lapse_days = models.PositiveSmallIntegerField(
        default=14, help_text="After so many days without a decision it lapses."
    )
    file_days = models.PositiveSmallIntegerField(
        default=7, help_text="How many days the file stays; a decision may say fewer."
    )
    most_downloads = models.PositiveSmallIntegerField(
        default=10,
        help_text="How many times the file may be fetched; a decision may say fewer, which is "
        "written here with the file.",
    )
    reminders = models.PositiveSmallIntegerField(
        default=0, help_text="How many times the approvers were reminded."
    )
    version = models.PositiveIntegerField(default=1)
    tries = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Attempts that failed through something about this export; five end it.",
    )
    setbacks = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Attempts that came to nothing though the export may be fine: the worker was "
        "killed, the database went away, the product was half installed.",
    )
    folder_failures = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Attempts that the folder for files refused; they never end the export.",
    )
    claimed_at = models.DateTimeField(
        null=True, editable=False, help_text="When a worker took it last: people take turns."
    )
    ended_at = models.DateTimeField(null=True, help_text="When it reached its last state.")
    ended_because = models.CharField(max_length=300, blank=True)
    rows_written = models.PositiveIntegerField(default=0)
    delivered_count = models.PositiveIntegerField(gettext_lazy("records delivered"), null=True)
    file_name = models.CharField(
        max_length=200,
        blank=True,
        help_text="Its name under EXPORT_ROOT: set before the first byte, emptied with the file.",
    )
    file_size = models.BigIntegerField(null=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True)
    closed_because = models.CharField(
        max_length=300,
        blank=True,
        help_text="Why the file is handed out no more: it is not the one that was written.",
    )

    objects: ClassVar[ExportQuerySet] = ExportQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    always_visible = ("name", "requester", "requested_at", "status", "record_count")
    log_columns = ("name", "object", "requester")

    class Meta:
        verbose_name = gettext_lazy("export")
        verbose_name_plural = gettext_lazy("exports")
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("requester")),
                name="requester_is_not_the_decider",
            ),
            models.CheckConstraint(
                condition=~Q(status="rejected")
                | (Q(decided_by__isnull=False) & ~Q(decision_note="")),
                name="rejection_has_decider_and_reason",
            ),
            models.CheckConstraint(
                condition=~Q(status="completed") | (~Q(file_name="") & ~Q(sha256="")),
                name="completed_has_its_file",
            ),
            # No way from "needed" to a file without somebody's consent.
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "processing", "completed", "expired"])
                | Q(approval_needed=False)
                | Q(decided_by__isnull=False),
                name="nothing_leaves_without_consent",
            ),
            models.UniqueConstraint(fields=["requester", "token"], name="one_export_per_token"),
        )
        indexes = (
            models.Index(fields=["status", "lease_until", "id"], name="export_queue"),
            models.Index(fields=["requester", "-id"], name="export_of_requester"),
            models.Index(fields=["object", "-id"], name="export_of_kind"),
            models.Index(fields=["name", "-id"], name="export_called"),
            # What the log is sorted by, and narrowed to days by.
            models.Index(fields=["requested_at", "id"], name="export_asked_at"),
            models.Index(fields=["record_count", "id"], name="export_by_size"),
            models.Index(fields=["requester", "claimed_at"], name="export_turns"),
            models.Index(fields=["status"], name="export_has_file", condition=~Q(file_name="")),
        )

    HOLDS_SENSITIVE: ClassVar[Q] = Q(has_sensitive=True, sensitive_left_out=False)
    """What `holds_sensitive` says, of rows."""

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"

    @property
    def holds_sensitive(self) -> bool:
        """Tell whether sensitive data was asked for, and is in the file where one was written."""
        return self.has_sensitive and not self.sensitive_left_out

    @property
    def is_final(self) -> bool:
        """Tell whether nothing can change any more, apart from the file's end."""
        return self.status not in {"pending", "approved", "processing"}

    @property
    def why_it_ended(self) -> str:
        """Why it ended, in the reader's language; while it is tried again, the last error."""
        return reasons.read(self.ended_because)

    @property
    def why_it_waits_again(self) -> str:
        """Why a decision was undone, in the reader's language."""
        return reasons.read(self.waits_again_because)

    @property
    def waiting_since(self) -> datetime:
        """Since when it waits for a decision, or waited for its last one."""
        return self.waits_again_since or self.requested_at

    @property
    def lapses_at(self) -> datetime:
        """When it lapses if nobody decides; a decision that was undone starts the time anew."""
        return self.waiting_since + timedelta(days=self.lapse_days)

    @property
    def leaving_columns(self) -> list[dict[str, Any]]:
        """The frozen columns without those the approver dropped: what the file has (B9)."""
        dropped = set(self.conditions.get("columns_dropped", ()))
        return [column for column in self.columns if column["name"] not in dropped]

    @property
    def most_leaving(self) -> int:
        """How many of the frozen records may leave, the first in their order (B9)."""
        cap: int = self.conditions.get("most_records", self.record_count)
        return min(self.record_count, cap)

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Return who sees an export in the log: its requester, approvers, auditors (E43, Q7).

        What may be *done* with it is decided by the operations' state machine.
        """
        if action != "view":
            because = gettext_lazy("exports change only through their own steps")
            return [Rule("unseen", False, ALWAYS, because)]
        return [
            Rule("owned", True, Q(requester=asker.id()), gettext_lazy("the person asked for it")),
            Rule(
                "shared",
                True,
                Q(approval_needed=True) & asker.holds("crm.export_approver"),
                gettext_lazy(
                    "the permission Export approver covers every request that needs approval"
                ),
            ),
            Rule(
                "everything",
                True,
                asker.holds("audit.view_exports"),
                gettext_lazy("the permission View all exports covers the whole log"),
            ),
        ]


class FrozenRequest(models.Model):
    """What a request was when it was frozen: a row for each time, the last one holds (B10, B12).

    A request is frozen when it is made, and again when the product itself changes its columns.
    The database refuses UPDATE, DELETE and TRUNCATE on this table (accounts/protection.py), so that
    whoever changes a request's row is noticed. The audit log tells the digest too, as evidence.
    """

    append_only = True

    export = models.ForeignKey(ExportRequest, models.PROTECT, related_name="frozen")
    at = models.DateTimeField(db_default=Now())
    columns = models.JSONField(default=list, help_text="Names of the columns, in order.")
    form = models.PositiveSmallIntegerField(
        help_text="Which form the digest has: see writers/manifest.py."
    )
    salt = models.CharField(
        max_length=32,
        help_text="Drawn by chance. Without it, whoever reads a digest could try values.",
    )
    digest = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=~Q(salt=""), name="frozen_request_is_salted"),
        )

    def __str__(self) -> str:
        return f"{self.export_id} at {self.at}"


class ExportRecordQuerySet(models.QuerySet["ExportRecord"]):
    """Records of frozen requests by what became of them."""

    def delivered(self) -> ExportRecordQuerySet:
        """Return those that a finished file held; it may be gone by now."""
        return self.filter(left_out=False, export__delivered_count__isnull=False)


class ExportRecord(models.Model):
    """One record of a frozen request, and whether the finished file lacks it (B10, B11).

    No foreign key to the record: the trail outlives it. Two indexes and no more, since a request
    may lay down a million rows: the key finds the exports of a record, the order an export's rows.
    For the same reason the database does not look for the export of each row, which took two
    thirds of the time that writing it takes, and what left is not marked, only what did not.
    """

    pk = models.CompositePrimaryKey("record_id", "export_id")
    export = models.ForeignKey(
        ExportRequest, models.CASCADE, related_name="records", db_index=False, db_constraint=False
    )
    record_id = models.BigIntegerField()
    position = models.PositiveIntegerField(help_text="Its place in the order asked for, from 1.")
    left_out = models.BooleanField(
        default=False, help_text="Out of reach when the file was written, or not consented to."
    )

    objects = ExportRecordQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["export", "position"], name="manifest_in_order"),
        )

    def __str__(self) -> str:
        return f"{self.export_id}: {self.record_id}"


class ExportRelated(models.Model):
    """One record that a file holds something of beside its own: a name, a column (B5, B11).

    Written while the file is, so that a file closes too when what stands beside its records does.
    """

    pk = models.CompositePrimaryKey("record_id", "object", "export_id")
    export = models.ForeignKey(
        ExportRequest, models.CASCADE, related_name="related", db_index=False, db_constraint=False
    )
    object = models.CharField(max_length=60)
    record_id = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["export", "object"], name="related_of_export"),)

    def __str__(self) -> str:
        return f"{self.export_id}: {self.object} {self.record_id}"


class Download(models.Model):
    """Somebody fetched a file: who, when, from where (E46, Q16)."""

    export = models.ForeignKey(ExportRequest, models.PROTECT, related_name="downloads")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())
    ip = models.GenericIPAddressField(gettext_lazy("IP address"), null=True)
    agent = models.CharField(gettext_lazy("browser"), max_length=300, blank=True)

    class Meta:
        ordering = ("-at",)

    def __str__(self) -> str:
        return f"{self.export_id} by {self.user_id}"
