"""What the database knows of the folder for files, and of what keeps workers from their work."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ExportFolder(models.Model):
    """Which folder is ours: its marker file holds this number; one row, made at the first use.

    A folder without it is another one, or a volume that is not mounted.
    """

    marker = models.CharField(max_length=32, blank=True)

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(pk=1), name="one_export_folder"),)

    def __str__(self) -> str:
        return self.marker


class Trouble(models.Model):
    """Something that keeps workers from their work, for as long as it lasts; all workers share it.

    The row is the memory of having told: who makes it tells, and who deletes it tells that it is
    over.
    """

    key = models.CharField(primary_key=True, max_length=100)
    why = models.CharField(max_length=300)
    since = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(default=0, help_text="How often it was met in a row.")
    next_try_at = models.DateTimeField(null=True, help_text="Until then nobody tries again.")

    def __str__(self) -> str:
        return f"{self.key}: {self.why}"


class LeftFile(models.Model):
    """A file that an attempt left behind, to be removed: written down before it is forgotten.

    Kept for a day, since a worker that was frozen may write it anew.
    """

    name = models.CharField(primary_key=True, max_length=200)
    left_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
