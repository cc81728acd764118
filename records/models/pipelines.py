"""Pipelines, their stages, and who may edit a record that stands in one (R105–R110)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from accounts.fields import Line
from accounts.models import Team
from records import kinds

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from accounts.asker import Asker
    from accounts.rule import Rule


def staged_kinds() -> list[tuple[str, StrOrPromise]]:
    """Return the kinds of record that go through pipelines, by key."""
    return [(kind.key, kind.plural) for kind in kinds.every() if kind.is_staged]


def first_staged_kind() -> str:
    """Return the kind that a new pipeline is for unless another is chosen."""
    return staged_kinds()[0][0]


class Pipeline(models.Model):
    """A path that records of one kind go through."""

    object = models.CharField(
        gettext_lazy("object"), max_length=60, choices=staged_kinds, default=first_staged_kind
    )
    name = Line(gettext_lazy("name"), max_length=100)

    always_visible = ("object", "name")
    name_fields = ("name",)
    names_are_public = True

    class Meta:
        verbose_name = gettext_lazy("pipeline")
        verbose_name_plural = gettext_lazy("pipelines")
        ordering = ("object", "name")
        constraints = (
            models.UniqueConstraint(fields=["object", "name"], name="pipeline_name_once"),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Pipelines are governed by super admins (R105); their names stand on every record."""
        return []


class Stage(models.Model):
    """A step of one pipeline."""

    class Outcome(models.TextChoices):
        """What it means for a record to stand here."""

        OPEN = "open", pgettext_lazy("outcome", "Open")
        WON = "won", gettext_lazy("Closed: won")
        LOST = "lost", gettext_lazy("Closed: lost")

    pipeline = models.ForeignKey(
        Pipeline, models.PROTECT, related_name="stages", verbose_name=gettext_lazy("pipeline")
    )
    name = Line(gettext_lazy("name"), max_length=100)
    position = models.PositiveSmallIntegerField(gettext_lazy("position"), default=1)
    outcome = models.CharField(
        gettext_lazy("outcome"), max_length=10, choices=Outcome.choices, default=Outcome.OPEN
    )

    always_visible = ("pipeline", "name", "position", "outcome")
    name_fields = ("pipeline__name", "name")
    names_are_public = True

    class Meta:
        verbose_name = gettext_lazy("stage")
        verbose_name_plural = gettext_lazy("stages")
        ordering = ("pipeline", "position", "id")
        constraints = (
            models.UniqueConstraint(fields=["pipeline", "name"], name="stage_name_once"),
        )

    def __str__(self) -> str:
        return f"{self.pipeline.name}: {self.name}"

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Stages are governed by super admins; their names stand on every record."""
        return []


class StageRule(models.Model):
    """Who may edit records in some stages of one pipeline; everybody else only reads them there.

    One rule a pipeline (Q43). No users and no teams chosen: super admins only (Q42).
    """

    class Editors(models.TextChoices):
        """Who may edit in the picked stages (R106)."""

        SUPER_ADMINS = "super_admins", gettext_lazy("Super admins only")
        CHOSEN = "chosen", gettext_lazy("Chosen users and teams")

    pipeline = models.OneToOneField(Pipeline, models.CASCADE, related_name="rule")
    enabled = models.BooleanField(gettext_lazy("Control editing access"), default=False)
    stages = models.ManyToManyField(Stage, related_name="rules", blank=True)
    editors = models.CharField(
        max_length=20,
        choices=Editors.choices,
        default=Editors.SUPER_ADMINS,
    )
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    teams = models.ManyToManyField(Team, related_name="+", blank=True)

    always_visible = ("pipeline", "enabled", "editors")

    class Meta:
        verbose_name = gettext_lazy("stage rule")

    def __str__(self) -> str:
        return gettext("Editing access in %(pipeline)s") % {"pipeline": self.pipeline}

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Pipeline rules are super admins' work (R99, R105)."""
        return []
