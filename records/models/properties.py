"""What is known about a field of a kind of record: whether its values are sensitive (E29)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.access import Person, Rule


class Property(models.Model):
    """One field of one kind of record; data of the running system, not a list in code."""

    object = models.CharField(max_length=60)
    name = models.CharField("field", max_length=60)
    sensitive = models.BooleanField(
        default=False,
        help_text="An export with this field always needs approval, whatever its size (R113).",
    )

    always_visible = ("object", "name", "sensitive")

    class Meta:
        ordering = ("object", "name")
        verbose_name_plural = "properties"
        constraints = (models.UniqueConstraint(fields=["object", "name"], name="property_once"),)

    def __str__(self) -> str:
        return f"{self.object}.{self.name}"

    @classmethod
    def access_rules(cls, person: Person, action: str) -> list[Rule]:
        """Sensitive fields are flagged by super admins (E29)."""
        return []


def sensitive_fields(object_key: str) -> frozenset[str]:
    """Return the names of an object's sensitive fields, as they are flagged now."""
    return frozenset(
        Property.objects.filter(object=object_key, sensitive=True).values_list("name", flat=True)
    )
