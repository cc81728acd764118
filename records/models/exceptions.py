"""Exceptions from the edit rule of a pipeline: one person edits one record for a time (B15).

The rule itself stays. What an exception is worth is said by `rules.stage_rules` alone, and rows are
written by `records.operations.exceptions` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy

from records.models.pipelines import Stage

if TYPE_CHECKING:
    from accounts.asker import Asker
    from accounts.rule import Rule


class StageException(models.Model):
    """One person who may edit one record for as long as it stands in this locked stage.

    In another stage it says nothing: whoever gave it was asked about this one.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # No foreign key: of whichever kind it is.
    object = models.CharField(max_length=60)
    record = models.BigIntegerField()
    stage = models.ForeignKey(Stage, models.CASCADE, related_name="+")
    until = models.DateTimeField()
    giver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Who made it. Empty: the product itself.",
    )

    class Meta:
        verbose_name = gettext_lazy("exception from a stage rule")
        verbose_name_plural = gettext_lazy("exceptions from stage rules")
        ordering = ("-id",)
        constraints = (
            # Its index, receiver first, is what the rule reads.
            models.UniqueConstraint(
                fields=["user", "object", "record"], name="stage_exception_once"
            ),
        )
        indexes = (models.Index(fields=["object", "record"], name="stage_exception_of"),)

    def __str__(self) -> str:
        # Names neither the record nor the receiver: this text may stand anywhere.
        return f"{self._meta.verbose_name} {self.pk}"

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Exceptions are super admins' work, as the rules on stages are (R105)."""
        return []
