"""What decided who reaches a record, and changed: owners, stage, bin, shares, stage rules (E17).

Written in the transaction of the change and never altered, so that who could see a record on a day
can be worked out (`records.past`). The log tells people the same; it is evidence, and never asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from accounts.rule import ALWAYS, Rule

if TYPE_CHECKING:
    from accounts.asker import Asker


_NOT_BY_HAND = gettext_lazy("this history cannot be written by hand")


class ReachChange(models.Model):
    """One fact that rules ask about a record or a pipeline, from one value to another.

    Owners and stages are keys; `deleted_at` is a moment; a share is its level and its end, an
    exception from a rule on stages its stage and its end; a rule on stages is all that it says.
    Null is none.
    """

    SHARE, STAGE_RULE, STAGE_EXCEPTION = "share", "stage_rule", "stage_exception"
    PIPELINE = "pipeline"

    at = models.DateTimeField(
        db_default=Now(), help_text="By the database's clock, which all processes share."
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    system = models.CharField(max_length=60, blank=True)
    # No foreign key: of whichever kind it is.
    object = models.CharField(max_length=60)
    record = models.BigIntegerField()
    fact = models.CharField(max_length=60, help_text="A column, “share” or “stage_rule”.")
    receiver = models.CharField(max_length=30, blank=True, help_text="Of a share: user:5, team:7.")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    append_only = True

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(actor__isnull=False, system="") | (Q(actor=None) & ~Q(system="")),
                name="reach_changed_by_somebody",
            ),
        )
        indexes = (
            models.Index(fields=["object", "record", "id"], name="reach_changed_of"),
            models.Index(
                fields=["receiver", "at"], name="reach_changed_shared", condition=~Q(receiver="")
            ),
        )

    def __str__(self) -> str:
        return f"{self.object} {self.record}: {self.fact}"

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins read it; nobody writes it but the operations."""
        if action == "view":
            return []
        return [Rule("unseen", False, ALWAYS, _NOT_BY_HAND)]
