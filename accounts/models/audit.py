"""The append-only log of everything that matters (B12). Its form is final: no row changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy

from accounts.rule import ALWAYS, Rule

if TYPE_CHECKING:
    from accounts.asker import Asker


class AuditEvent(models.Model):
    """One thing that somebody did or was refused; written by `accounts.audit.record` only.

    The database refuses UPDATE, DELETE and TRUNCATE on this table (accounts/protection.py).
    """

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="audit_events"
    )
    system = models.CharField(
        max_length=60, blank=True, help_text="The named system actor, where no person acted."
    )
    real_actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    action = models.CharField(max_length=60)
    object = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    ip = models.GenericIPAddressField(gettext_lazy("IP address"), null=True)
    result = models.CharField(max_length=20)
    data = models.JSONField(default=dict)
    text_digest = models.CharField(gettext_lazy("text digest"), max_length=64, blank=True)
    txid = models.BigIntegerField(default=0)
    hash_version = models.PositiveSmallIntegerField()
    row_hash = models.CharField(max_length=64)

    object_name: str
    """What it is about is called so now; only on events of `audit_details.name_objects`."""

    always_visible = ("at", "action", "result")
    append_only = True
    log_columns = ("action", "actor")

    class Meta:
        ordering = ("-id",)
        verbose_name = gettext_lazy("audit event")
        verbose_name_plural = gettext_lazy("audit events")
        constraints = (
            models.CheckConstraint(
                condition=Q(actor__isnull=False, system="") | (Q(actor=None) & ~Q(system="")),
                name="somebody_or_a_named_system_acted",
            ),
        )
        indexes = (
            models.Index(fields=["object", "object_id", "-id"], name="audit_of_object"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["action", "-id"], name="audit_of_action"),
            models.Index(fields=["txid", "id"], name="audit_for_seal"),
            models.Index(fields=["at", "id"], name="audit_of_day"),
            # Nearly all is done; what was refused lies far apart.
            models.Index(fields=["at", "id"], name="audit_refused", condition=Q(result="refused")),
        )

    def __str__(self) -> str:
        return gettext("Event #%(number)s") % {"number": self.pk}

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Holders of *View audit log* read it (B12); nobody writes it by hand."""
        if action == "view":
            return [
                Rule(
                    "everything",
                    True,
                    asker.holds("audit.view"),
                    gettext_lazy("the permission View audit log covers the whole trail"),
                )
            ]
        return [
            Rule("unseen", False, ALWAYS, gettext_lazy("the audit log cannot be written by hand"))
        ]


class AuditText(models.Model):
    """Words a person wrote (a message, a reason); the one part of the log that can be erased.

    The event keeps their salted digest, so that the words can be proven while they exist and the
    proof stays whole when they are gone.
    """

    event = models.OneToOneField(AuditEvent, models.PROTECT, related_name="text")
    salt = models.CharField(max_length=32)
    text = models.TextField()

    def __str__(self) -> str:
        return f"text of event {self.event_id}"
