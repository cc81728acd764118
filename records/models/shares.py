"""Shares: one record opened to one person, or to the main members of one team (E54, E55).

These are guardian's object permissions with a direct foreign key, which it finds by itself. The
level is guardian's permission, `view_deal` or `change_deal`; what a share is worth is said by
`rules.share_rules` alone, and rows are written by `records.operations.sharing` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import pgettext_lazy
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

if TYPE_CHECKING:
    from records.models.base import Record


class Level(models.TextChoices):
    """What a share lets its receiver do, as far as their own permissions let them (E55)."""

    VIEW = "view", pgettext_lazy("level", "View")
    EDIT = "edit", pgettext_lazy("level", "View and edit")

    @property
    def codename(self) -> str:
        """Django's word for it, with which the name of guardian's permission begins."""
        return "change" if self is Level.EDIT else "view"


class Share(models.Model):
    """What every share has: a giver, perhaps an end, and one row per receiver and record."""

    giver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        help_text="Who shared it. Empty: the product itself.",
    )
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: no end.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    receiver_field: ClassVar[str]

    class Meta:
        abstract = True

    def __str__(self) -> str:
        # Names neither the record nor the receiver: this text may stand anywhere.
        return f"{self._meta.verbose_name} {self.pk}"

    @property
    def level(self) -> Level:
        """What it gives, read from guardian's permission."""
        edit = self.permission.codename.startswith("change_")  # type: ignore[attr-defined]  # guardian's column
        return Level.EDIT if edit else Level.VIEW


class UserShare(Share, UserObjectPermissionBase):
    """A record shared with a person."""

    receiver_field = "user"

    class Meta:
        abstract = True
        # Its index, receiver first, is what the rule reads.
        constraints = (
            models.UniqueConstraint(fields=["user", "content_object"], name="%(class)s_once"),
        )


class TeamShare(Share, GroupObjectPermissionBase):
    """A record shared with a team: whoever it is the main team of, now (E55)."""

    receiver_field = "group"

    class Meta:
        abstract = True
        constraints = (
            models.UniqueConstraint(fields=["group", "content_object"], name="%(class)s_once"),
        )


SHARES: dict[str, tuple[type[UserShare], type[TeamShare]]] = {}
"""By kind of record; a kind that is not here cannot be shared."""


def share_tables(model: type[Record]) -> None:
    """Give a kind of record its tables of shares: with people, and with teams."""

    def table(base: Any, related_name: str) -> Any:
        to_record: Any = models.ForeignKey(
            model,
            models.CASCADE,
            related_name=related_name,
            verbose_name=model._meta.verbose_name,
        )
        parts = {"__module__": model.__module__, "content_object": to_record}
        return type(f"{model.__name__}{base.__name__}", (base,), parts)

    SHARES[model.object_key] = (table(UserShare, "user_shares"), table(TeamShare, "team_shares"))


WITHOUT_END = Q(until__isnull=True)
"""Shares that last for good."""


def live() -> Q:
    """Hold for shares that have not ended, by the database's clock at the moment of asking."""
    return WITHOUT_END | Q(until__gt=Now())
