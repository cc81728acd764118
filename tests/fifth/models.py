"""Projects: a kind of record of which the product has never heard."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.fields import Line
from records.models import Company, Record, Stage
from records.models.base import RecordQuerySet, link_indexes, record_indexes
from records.models.declared import declare


@declare(
    icon="folder",
    search_help="Search project name",
    columns=("status", "budget", "stage", "company", "owner"),
    filters=("stage", "status", "company", "budget", "due"),
)
class Project(Record):
    """Work that somebody ordered."""

    class Status(models.TextChoices):
        """How it goes."""

        CALM = "calm", "Calm"
        LATE = "late", "Late"

    name = Line(max_length=200)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CALM)
    budget = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    due = models.DateField(null=True, blank=True)
    stage = models.ForeignKey(
        Stage,
        models.PROTECT,
        related_name="projects",
        limit_choices_to={"pipeline__object": "project"},
    )
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="projects",
    )

    objects: ClassVar[RecordQuerySet[Project]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "project"
    always_visible = ("name", "stage", *Record.always_visible)
    search_fields = ("name",)

    class Meta:
        ordering = ("name", "id")
        indexes = (*record_indexes("project"), *link_indexes("project", "company"))
