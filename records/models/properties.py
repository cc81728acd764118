"""What is known about a field of a kind of record: who may read and edit it, and how secret it is.

A row exists only for a field that differs from the default, so a field without one is open to
whoever may view or edit its record (R8, E24). Encryption at rest is left to the database and the
disk: what is promised here is who gets to read a value, and that reading a veiled one is logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NewType

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts import access, catalogue
from accounts.access import Rule
from accounts.models import Deed, Team, User
from accounts.prepared import Prepared, Seen, among
from accounts.rights import themselves_or_let_in
from records import kinds
from records.models.screens import ScreenLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts.asker import Asker
    from accounts.audit import Actor


REMAINS_SENSITIVE = timedelta(hours=24)
"""For how long a field stays sensitive for whoever said that it is not any more."""

FieldKey = NewType("FieldKey", str)
"""A field of a kind of record: `company.name`."""


def field_of(kind: str, name: str) -> kinds.Field | None:
    """Return the field that a row is about; None where the code has it no more.

    Rows outlive a field that was renamed or removed. They say nothing about anybody then, are shown
    as what they are, and can be removed.
    """
    known = kinds.named(kind)
    fields = known.fields if known else ()
    return next((field for field in fields if field.name == name and field.is_stored), None)


def label_of_field(kind: str, name: str) -> str | None:
    """Return what a field is called; fills the slot `accounts.audit_details.field_labels`."""
    found = kinds.named(kind)
    labels = (field.label for field in (found.fields if found else ()) if field.name == name)
    return next((label[:1].upper() + label[1:] for label in labels), None)


def field_key(kind: str, name: str) -> FieldKey:
    """Return how a field is named where several kinds of record meet."""
    return FieldKey(f"{kind}.{name}")


class Property(models.Model):
    """One field of one kind of record; data of the running system, not a list in code."""

    class Access(models.TextChoices):
        """Who may read and edit a field's values, of the records they reach anyway (E24)."""

        EVERYONE_EDIT = "everyone_edit", gettext_lazy("Everyone may view and edit")
        EVERYONE_VIEW = "everyone_view", gettext_lazy("Everyone may view, super admins edit")
        CHOSEN = "chosen", gettext_lazy("Chosen people and teams")
        SUPER_ADMINS = "super_admins", gettext_lazy("Private to super admins")

    object = models.CharField(max_length=60)
    name = models.CharField(gettext_lazy("field"), max_length=60)
    access = models.CharField(
        gettext_lazy("who may use it"),
        max_length=20,
        choices=Access.choices,
        default=Access.EVERYONE_EDIT,
        help_text=gettext_lazy(
            "Whoever may not view a field does not learn that it exists. Super admins always "
            "view and edit it; nobody edits more records than their permissions allow."
        ),
    )
    sensitive = models.BooleanField(
        gettext_lazy("sensitive"),
        default=False,
        help_text=gettext_lazy(
            "An export with this field always needs approval, whatever its size."
        ),
    )
    highly_sensitive = models.BooleanField(
        gettext_lazy("highly sensitive"),
        default=False,
        help_text=gettext_lazy(
            "Values appear only after a click, and every such click is logged. Nobody "
            "filters or sorts by them. Always sensitive too."
        ),
    )

    always_visible = ("object", "name", "sensitive")
    is_about_fields = True

    class Meta:
        ordering = ("object", "name")
        verbose_name = gettext_lazy("field")
        verbose_name_plural = gettext_lazy("fields")
        constraints = (
            models.UniqueConstraint(fields=["object", "name"], name="property_once"),
            models.CheckConstraint(
                condition=Q(highly_sensitive=False) | Q(sensitive=True),
                name="highly_sensitive_is_sensitive",
            ),
        )

    def __str__(self) -> str:
        known = kinds.named(self.object)
        label = label_of_field(self.object, self.name) or self.name
        return f"{known.label} · {label}" if known else f"{self.object}.{self.name}"

    @property
    def is_stale(self) -> bool:
        """Tell whether the field it is about is gone."""
        return field_of(self.object, self.name) is None

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Say who may read (view) and edit (change) the *values* of this field (R8, E24).

        What is open to everyone is open to partner admins unless it is sensitive (Q37).
        Adding and deleting a row, which lays the restriction down, is super admins' work; so is
        its screen. Team members count main and extra, evaluated live; teams above are not implied.
        """
        if action not in ("view", "change"):
            return []
        open_to_all, levels = [cls.Access.EVERYONE_EDIT], [PropertyGrant.Level.EDIT]
        if action == "view":
            open_to_all.append(cls.Access.EVERYONE_VIEW)
            levels.append(PropertyGrant.Level.VIEW)
        grants = PropertyGrant.objects.filter(level__in=levels)
        named = Q(pk__in=grants.filter(user=asker.id(depth=2)).values("property"))
        in_team = Q(pk__in=grants.filter(team__in=asker.teams(depth=2)).values("property"))
        chosen = Q(access=cls.Access.CHOSEN) & (named | in_team)
        open_because, chosen_because = _BECAUSE[action]
        return [
            Rule("everything", True, Q(access__in=open_to_all), open_because),
            Rule("shared", True, chosen, chosen_because),
            Rule(
                "protected",
                False,
                asker.is_partner_admin() & Q(sensitive=True) & ~(chosen | _never_hidden()),
                _PARTNERS_ONLY_CHOSEN,
            ),
        ]


_BECAUSE = {
    "view": (
        gettext_lazy("everyone may read this field"),
        gettext_lazy("the person, or a team of theirs, was chosen to read this field"),
    ),
    "change": (
        gettext_lazy("everyone may edit this field"),
        gettext_lazy("the person, or a team of theirs, was chosen to edit this field"),
    ),
}
_PARTNERS_ONLY_CHOSEN = gettext_lazy(
    "partner admins read sensitive fields only where they are chosen for them"
)


def _never_hidden() -> Q:
    """Hold for fields without which nobody could name, find or create a record (E27)."""
    found = Q(pk__in=[])
    for kind in kinds.every():
        names = [each.name for each in kind.fields if each.always_visible or each.required]
        found |= Q(object=kind.key, name__in=names)
    return found


class FlagLifted(Deed):
    """Somebody said that a field's values are not sensitive any more.

    Asked before that person exports, so it is no part of the log: written in the transaction of
    the change, and never altered.
    """

    object = models.CharField(max_length=60)
    name = models.CharField(max_length=60)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=["actor", "at"], name="flag_lifted_by"),)

    def __str__(self) -> str:
        return f"{self.actor_id}: {self.object}.{self.name} at {self.at}"


class PropertyGrant(models.Model):
    """One person or one team that may read, or read and edit, a field of chosen people."""

    class Level(models.TextChoices):
        """How far the choice goes (E24)."""

        VIEW = "view", pgettext_lazy("level", "View")
        EDIT = "edit", pgettext_lazy("level", "View and edit")

    property = models.ForeignKey(Property, models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+"
    )
    # A team with grants is not deleted: see records.screens.teams.
    team = models.ForeignKey(Team, models.CASCADE, null=True, blank=True, related_name="+")
    level = models.CharField(max_length=10, choices=Level.choices)

    always_visible = ("property", "user", "team", "level")

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(user__isnull=False, team__isnull=True)
                | Q(user__isnull=True, team__isnull=False),
                name="property_grant_has_one_receiver",
            ),
            models.UniqueConstraint(fields=["property", "user"], name="property_grant_user_once"),
            models.UniqueConstraint(fields=["property", "team"], name="property_grant_team_once"),
        )

    def __str__(self) -> str:
        return f"{self.property_id}: {self.level}"


@dataclass(frozen=True, slots=True)
class FieldAccess:
    """What one person may do with the fields of one kind of record, by field name."""

    hidden: frozenset[str] = frozenset()
    """Fields that do not exist for this person, name included (B6)."""
    fixed: frozenset[str] = frozenset()
    """Fields whose values they may read and not write."""
    veiled: frozenset[str] = frozenset()
    """Highly sensitive fields they may read, one value at a time and logged (E30)."""
    sensitive: frozenset[str] = frozenset()
    """Sensitive fields they may read."""
    screen_limit: int | None = None
    """How many sensitive values they may see on screens in a day; None: as many as they like."""

    @property
    def closed(self) -> frozenset[str]:
        """Return the fields that they do not write: hidden ones, and those they only read (R8)."""
        return self.hidden | self.fixed

    @property
    def unasked(self) -> frozenset[str]:
        """Return the fields by which they neither filter nor sort: which rows match would tell."""
        return self.hidden | self.veiled


def field_access(actor: Actor, model: type[models.Model]) -> FieldAccess:
    """Return what this person may do with this model's fields; the product itself may all.

    One query per `User` instance for all kinds of record, and never kept across requests: a change
    holds on the next one (Q24).
    """
    key = getattr(model, "object_key", None)
    if key is None or not isinstance(actor, User):
        return FieldAccess()
    known = access.noted(actor, _of_every_kind)
    return known.get(key, known[""])


def _of_every_kind(user: User) -> dict[str, FieldAccess]:
    """Return them by kind of record; under "" what holds where nothing is said of any field."""
    statement = _marked_for_somebody(user.is_active, user.is_superuser, user.is_partner_admin)
    lines = statement.fetched(person=user.pk, teams=among(user.grants.teams))
    most: int | None = lines[0][-1] if lines else None
    found: dict[str, dict[str, set[str]]] = {}
    for key, name, view, change, sensitive, veiled, _ in lines:
        # What no kind of record is called, a person say, has fields elsewhere and is obeyed.
        if catalogue.object_kind(key) and field_of(key, name) is None:
            continue
        sets = found.setdefault(
            key, {"hidden": set(), "fixed": set(), "veiled": set(), "sensitive": set()}
        )
        if not view:
            sets["hidden"].add(name)
            continue
        if not change:
            sets["fixed"].add(name)
        if veiled:
            sets["veiled"].add(name)
        if sensitive:
            sets["sensitive"].add(name)
    return {"": FieldAccess(screen_limit=most)} | {
        key: FieldAccess(
            frozenset(sets["hidden"]),
            frozenset(sets["fixed"]),
            frozenset(sets["veiled"]),
            frozenset(sets["sensitive"]),
            most,
        )
        for key, sets in found.items()
    }


@cache
def _marked_for_somebody(is_active: bool, is_superuser: bool, is_partner_admin: bool) -> Prepared:
    """Return what says, of every field, whether somebody like this may read and edit it.

    Asked in every request, and twice where the answer is compared with what is true by its end.
    """

    def lines(person: Seen, teams: Seen) -> QuerySet[Any]:
        somebody = access.somebody(
            person(2),
            teams(2),
            is_active=is_active,
            is_superuser=is_superuser,
            is_partner_admin=is_partner_admin,
        )
        rows = access.marked(
            access.marked(Property.objects.all(), somebody, "view"), somebody, "change"
        )
        columns = ("object", "name", "may_view", "may_change", "sensitive", "highly_sensitive")
        # The limit comes along: where no field is sensitive there is nothing to be limited either.
        limit = Subquery(ScreenLimit.objects.filter(pk=1).values("values_a_day"))
        return rows.order_by().values_list(*columns, limit)

    return Prepared(lines, Property, {"person": "id", "teams": "id"}, many=("teams",))


def hidden_fields(user: User, model: type[models.Model]) -> frozenset[str]:
    """Return the fields that do not exist for this person."""
    return field_access(user, model).hidden


def hidden_keys(user: User) -> frozenset[FieldKey]:
    """Return the fields of every kind of record that do not exist for this person."""
    return _keys_of(user, lambda fields: fields.hidden)


def veiled_keys(user: User) -> frozenset[FieldKey]:
    """Return the highly sensitive fields of every kind of record that this person may reveal."""
    return _keys_of(user, lambda fields: fields.veiled)


def unasked_keys(user: User) -> frozenset[FieldKey]:
    """Return the fields by which this person can neither filter nor sort: hidden and veiled ones.

    Which records match would tell their values (B6, L8).
    """
    return _keys_of(user, lambda fields: fields.unasked)


def _keys_of(user: User, which: Callable[[FieldAccess], frozenset[str]]) -> frozenset[FieldKey]:
    found = access.noted(user, _of_every_kind)
    return frozenset(field_key(kind, name) for kind in found for name in which(found[kind]))


def sensitive_fields(object_key: str) -> frozenset[str]:
    """Return the names of an object's sensitive fields, as they are flagged now."""
    return frozenset(
        Property.objects.filter(object=object_key, sensitive=True).values_list("name", flat=True)
    )


def flagged_keys() -> frozenset[FieldKey]:
    """Return the sensitive fields of every kind of record, as they are flagged now."""
    return _keys(Property.objects.filter(sensitive=True))


def sensitive_keys(user: User) -> frozenset[FieldKey]:
    """Return the fields of every kind of record that are sensitive where this person exports.

    Those flagged now; and for 24 hours those whose flag they took away themselves, or somebody who
    could log in as them: else whoever sets the flags takes one off, exports, by a puppet or not,
    and puts it back.
    """
    lifted = FlagLifted.objects.filter(
        themselves_or_let_in(user),
        at__gt=Now() - REMAINS_SENSITIVE,
        object=OuterRef("object"),
        name=OuterRef("name"),
    )
    return _keys(Property.objects.filter(Q(sensitive=True) | Exists(lifted)))


def _keys(rows: QuerySet[Property]) -> frozenset[FieldKey]:
    return frozenset(field_key(*key) for key in rows.order_by().values_list("object", "name"))
