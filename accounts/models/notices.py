"""What the product tells a person: a sentence and where to go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from accounts.access import Person, Rule


class Notice(models.Model):
    """A sentence for one person, with a link; it carries no data of any record (L88)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    text = models.CharField(max_length=300)
    link = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, editable=False)

    always_visible = ("text", "created_at", "read_at")

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (models.Index(fields=["user", "read_at", "-id"], name="notice_inbox"),)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def access_rules(cls, person: Person, action: str) -> list[Rule]:
        """Notices are shown to their addressee by the site itself and governed by nobody."""
        return []
