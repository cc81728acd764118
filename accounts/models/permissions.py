"""Permission sets: what a person may do, per kind of record and per tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, gettext_lazy

from accounts import catalogue, delegation
from accounts.fields import Line

if TYPE_CHECKING:
    from accounts.asker import Asker
    from accounts.rule import Rule


class Rank(models.IntegerChoices):
    """How far a scope reaches (R12), as a rank that can be compared in SQL."""

    NONE = 0, catalogue.LEVEL_LABELS[0]
    OWNED = catalogue.OWNED, catalogue.LEVEL_LABELS[catalogue.OWNED]
    TEAM = catalogue.TEAM, catalogue.LEVEL_LABELS[catalogue.TEAM]
    EVERYTHING = catalogue.EVERYTHING, catalogue.LEVEL_LABELS[catalogue.EVERYTHING]


class PermissionSetQuerySet(models.QuerySet["PermissionSet"]):
    """Permission sets, of both sorts."""

    def named(self) -> Self:
        """Return the sets that can be given to people, without anybody's own permissions."""
        return self.filter(owner=None)


class PermissionSet(models.Model):
    """What somebody may do: a named set for many people, or one person's own permissions (Q26).

    Everybody's rights hang on exactly one set (R102, E12). One person's own has an `owner` and no
    name; `based_on` is the named set that was detached for it, where there was one.
    """

    name = Line(  # type: ignore[misc]  # it is text wherever it is read: own ones have none
        gettext_lazy("name"), max_length=100, unique=True, null=True
    )
    description = Line(gettext_lazy("description"), max_length=300, blank=True)
    owner = models.OneToOneField(
        "accounts.User", models.PROTECT, null=True, editable=False, related_name="own_permissions"
    )
    based_on = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="copies"
    )

    objects = PermissionSetQuerySet.as_manager()

    always_visible = ("name", "description")
    own_actions = ("assign",)
    """Giving this set to somebody (R97)."""

    class Meta:
        verbose_name = gettext_lazy("permission set")
        verbose_name_plural = gettext_lazy("permission sets")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(owner=None, name__isnull=False, based_on=None)
                | Q(owner__isnull=False, name=None),
                name="set_is_named_or_owned",
            ),
        )

    def __str__(self) -> str:
        if self.owner_id is None:
            return self.name
        if self.based_on:
            return gettext("based on %(set)s") % {"set": self.based_on}
        return gettext("Own permissions")

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins edit permission sets, delegated administrators assign them (R97, R98)."""
        return delegation.set_rules(asker, action)


def _within(narrow: str, wide: str) -> Q:
    """`narrow` reaches no record that `wide` does not, box included (R20)."""
    return Q(**{f"{narrow}__lte": F(wide)}) & (
        Q(**{f"{narrow}_unassigned": False})
        | Q(**{f"{wide}_unassigned": True})
        | Q(**{wide: Rank.EVERYTHING})
    )


def _box_fits(action: str) -> Q:
    """The box stands only beside Team only and Owned only (R13, R26)."""
    return Q(**{f"{action}_unassigned": False}) | Q(**{f"{action}__in": (Rank.OWNED, Rank.TEAM)})


class ObjectScope(models.Model):
    """One permission set's scopes on one kind of record: a column per action (R10, R12, R13)."""

    permission_set = models.ForeignKey(PermissionSet, models.CASCADE, related_name="scopes")
    object = models.CharField(max_length=60)
    add = models.BooleanField(default=False)
    view = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)
    view_unassigned = models.BooleanField(default=False)
    change = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)
    change_unassigned = models.BooleanField(default=False)
    delete = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)  # type: ignore[assignment]  # the action's own name; rows are deleted through querysets
    delete_unassigned = models.BooleanField(default=False)
    communicate = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)
    communicate_unassigned = models.BooleanField(default=False)
    merge = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)
    merge_unassigned = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["permission_set", "object"], name="one_scope_per_set_and_object"
            ),
            models.CheckConstraint(condition=_within("change", "view"), name="change_within_view"),
            models.CheckConstraint(condition=_within("delete", "view"), name="delete_within_view"),
            models.CheckConstraint(
                condition=_within("communicate", "view"), name="communicate_within_view"
            ),
            models.CheckConstraint(
                condition=_within("merge", "change"), name="merge_within_change"
            ),
            models.CheckConstraint(
                condition=Q(add=False) | Q(view__gt=Rank.NONE), name="add_needs_view"
            ),
            *(
                models.CheckConstraint(condition=_box_fits(action), name=f"{action}_box_fits")
                for action in catalogue.SCOPED_ACTIONS
            ),
            models.CheckConstraint(
                condition=Q(
                    view__in=Rank.values,
                    change__in=Rank.values,
                    delete__in=Rank.values,
                    communicate__in=Rank.values,
                    merge__in=Rank.values,
                ),
                name="ranks_are_known",
            ),
        )
        indexes = (models.Index(fields=["object", "permission_set"], name="scope_by_object"),)

    def __str__(self) -> str:
        return f"{self.permission_set_id}: {self.object}"


class ToolGrant(models.Model):
    """One permission set holds one tool of the catalogue, or one option of it."""

    permission_set = models.ForeignKey(PermissionSet, models.CASCADE, related_name="tools")
    key = models.CharField(max_length=60)
    option = models.CharField(max_length=30, blank=True)
    rank = models.SmallIntegerField(choices=Rank.choices, default=Rank.NONE)
    """The level of a tool that has levels (S-7, RP-4); None for every other."""
    unassigned = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["permission_set", "key", "option"], name="grant_once"),
            models.CheckConstraint(
                condition=Q(rank__in=Rank.values), name="level_of_a_grant_is_known"
            ),
            models.CheckConstraint(
                condition=Q(unassigned=False) | Q(rank__in=(Rank.OWNED, Rank.TEAM)),
                name="box_of_a_grant_fits",
            ),
        )

    def __str__(self) -> str:
        return f"{self.permission_set_id}: {self.as_grant}"

    @property
    def as_grant(self) -> catalogue.Grant:
        """The row as a value."""
        return catalogue.Grant(self.key, self.option, self.rank, self.unassigned)
