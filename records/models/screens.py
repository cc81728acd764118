"""How many sensitive values a person may see on screens in a day, and how many they saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy

from accounts.access import ALWAYS, Rule

if TYPE_CHECKING:
    from accounts.asker import Asker


_ONE_ALWAYS = gettext_lazy("there is one limit, always")


class ScreenLimit(models.Model):
    """The one limit for everybody; without a row, or with an empty number, there is none."""

    values_a_day = models.PositiveIntegerField(
        gettext_lazy("sensitive values per person and day"),
        null=True,
        blank=True,
        help_text=gettext_lazy(
            "Further ones read as dots until midnight. Empty: no limit, and nobody counts."
        ),
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    always_visible = ("values_a_day",)

    class Meta:
        verbose_name = gettext_lazy("sensitive data on screens")
        verbose_name_plural = gettext_lazy("sensitive data on screens")
        constraints = (models.CheckConstraint(condition=Q(pk=1), name="one_screen_limit"),)

    def __str__(self) -> str:
        return gettext("Sensitive data on screens")

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Only super admins set it; there is one, and it is written by its operation alone."""
        if action in {"add", "delete"}:
            return [Rule("unseen", False, ALWAYS, _ONE_ALWAYS)]
        return []


class ScreenCount(models.Model):
    """How many sensitive values one person was shown on one calendar day."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    day = models.DateField(help_text="By the house's own time zone.")
    shown = models.PositiveIntegerField(default=0)
    reached_at = models.DateTimeField(
        null=True, help_text="When super admins were told that the limit was reached."
    )

    class Meta:
        ordering = ("-shown", "user")
        constraints = (
            models.UniqueConstraint(fields=["day", "user"], name="screen_count_once_a_day"),
        )

    def __str__(self) -> str:
        return f"{self.user_id} on {self.day}: {self.shown}"
