"""Which forms were sent already, so that pressing Save twice does a thing once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SentForm(models.Model):
    """A form that made something; its token was drawn with the page.

    A person's rows are forgotten after a day, with the next thing they make.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    token = models.UUIDField()
    at = models.DateTimeField(db_default=Now())
    object = models.CharField(max_length=60)
    object_id = models.BigIntegerField()
    wish_sha256 = models.CharField(
        max_length=64, blank=True, default="", help_text="Over what was sent with the token."
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "token"], name="form_sent_once_per_person"),
        )

    def __str__(self) -> str:
        return f"{self.user_id}: {self.object} {self.object_id}"
