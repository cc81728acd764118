"""Laying down who may read and edit a field, and how secret it is (E24, E29, R113)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils.translation import gettext

from accounts import audit
from accounts.audit import Actor, operation
from accounts.models import Team, User
from accounts.operations import mark, require
from records import kinds
from records.models import Property, PropertyGrant, Record
from records.operations.checking import FIELD_CHANGED, editable_fields, require_as_opened
from records.operations.flags import flags_changed
from records.refusals import Invalid


def restrictable(model: type[Record]) -> list[models.Field[Any, Any]]:
    """Return the fields about which something can be said: those that people write."""
    return editable_fields(model)


@operation("property.flag")
def flag_property(*, actor: Actor, object: str, name: str, sensitive: bool) -> Property:
    """Say whether a field's values are sensitive; exports with it then need approval (R113)."""
    require(actor, "add", Property)
    _field(object, name)
    flagged, created = Property.objects.get_or_create(
        object=object, name=name, defaults={"sensitive": sensitive}
    )
    if flagged.highly_sensitive and not sensitive:
        raise Invalid(
            gettext("This field is highly sensitive, and so sensitive too. Lift that first.")
        )
    if created or flagged.sensitive != sensitive:
        stood = _flags(None if created else flagged)
        Property.objects.filter(pk=flagged.pk).update(sensitive=sensitive)
        flagged.sensitive = sensitive
        flags_changed(stood, flagged, actor)
        audit.record("property.flag", actor=actor, on=flagged, data={"sensitive": sensitive})
    return flagged


def field_as_it_stands(row: Property) -> str:
    """Return a mark of all that is said about a field; its columns as this instance has them."""
    return mark(_property_data(row))


NOTHING_SAID = ""
"""What a form was opened on about whose field nothing is said yet: no mark of a row is this."""


@operation("property.restrict")
def restrict_property(
    *,
    actor: Actor,
    object: str,
    name: str,
    access: str = Property.Access.EVERYONE_EDIT,
    viewers: Iterable[User | Team] = (),
    editors: Iterable[User | Team] = (),
    sensitive: bool = False,
    highly_sensitive: bool = False,
    as_opened: str | None = None,
) -> Property:
    """Lay down everything that is said about one field; it holds on the next request (E24, E29).

    `as_opened` is what `field_as_it_stands` said when it was read, or `NOTHING_SAID`: a form that
    is out of date changes nothing.

    `viewers` and `editors` count where `access` is `chosen`; whoever is both is an editor. They are
    written exactly, and the event tells what was before (E28). Highly sensitive is sensitive too.
    """
    require(actor, "add", Property)
    check_restriction(object, name, access, highly_sensitive)
    grants: dict[User | Team, str] = {}
    if access == Property.Access.CHOSEN:
        grants = dict.fromkeys(viewers, PropertyGrant.Level.VIEW)
        grants |= dict.fromkeys(editors, PropertyGrant.Level.EDIT)
        if not grants:
            raise Invalid(
                gettext(
                    "Choose at least one person or team, or make the field private to super admins."
                )
            )
    row, created = Property.objects.get_or_create(object=object, name=name)
    # Locked, so that of two who change it at once the second is held against the first.
    row = Property.objects.select_for_update(no_key=True).get(pk=row.pk)
    require_as_opened(
        as_opened, NOTHING_SAID if created else field_as_it_stands(row), FIELD_CHANGED
    )
    before, stood = _property_data(row), _flags(row)
    columns = {
        "access": access,
        "sensitive": sensitive or highly_sensitive,
        "highly_sensitive": highly_sensitive,
    }
    held = {(grant.user or grant.team): grant.level for grant in row.grants.all()}
    if not created and held == grants and all(before[n] == columns[n] for n in columns):
        return row
    Property.objects.filter(pk=row.pk).update(**columns)
    PropertyGrant.objects.filter(property=row).delete()
    PropertyGrant.objects.bulk_create(
        PropertyGrant(
            property=row,
            user=receiver if isinstance(receiver, User) else None,
            team=receiver if isinstance(receiver, Team) else None,
            level=level,
        )
        for receiver, level in grants.items()
    )
    row.refresh_from_db()
    flags_changed(stood, row, actor)
    data = {"object": object, "name": name, "from": before, "to": _property_data(row)}
    audit.record("property.restrict", actor=actor, on=row, data=data)
    return row


@operation("property.forget")
def forget_property(row: Property, *, actor: Actor) -> None:
    """Remove what is said about a field that is gone; raise `Invalid` where it is there."""
    require(actor, "delete", row)
    if not row.is_stale:
        raise Invalid(gettext("This field is there. Open it to everyone instead of removing it."))
    data = {"object": row.object, "name": row.name, "from": _property_data(row)}
    audit.record("property.forget", actor=actor, on=row, data=data)
    row.delete()


def _field(object: str, name: str) -> kinds.Field:
    kind = kinds.named(object)
    if kind is None or name not in {field.name for field in restrictable(kind.model)}:
        said = gettext("There is no field “%(name)s” on this kind of record.")
        raise Invalid(said % {"name": name})
    return kind.field(name)


def check_restriction(object: str, name: str, access: str, highly_sensitive: bool) -> None:
    """Raise `Invalid` where a field cannot be restricted like this, or is none."""
    _check_restriction(_field(object, name), access, highly_sensitive)


def _check_restriction(field: kinds.Field, access: str, highly_sensitive: bool) -> None:
    """Raise where a field cannot be restricted like this, saying why (E27)."""
    label = {"field": field.title}
    if access not in Property.Access.values:
        raise Invalid(gettext("Choose one of the offered kinds of access."))
    hides = access in (Property.Access.CHOSEN, Property.Access.SUPER_ADMINS)
    if field.always_visible and (hides or highly_sensitive):
        said = gettext(
            "“%(field)s” is part of how a record is named, found and owned, so whoever sees the "
            "record sees it. Everyone may view is the strictest that can be chosen."
        )
        raise Invalid(said % label)
    if field.required and access != Property.Access.EVERYONE_EDIT:
        said = gettext(
            "Every new record needs “%(field)s”, so it stays open to whoever creates one."
        )
        raise Invalid(said % label)
    if highly_sensitive and (field.related or field.choices):
        said = gettext(
            "“%(field)s” is chosen from a list. Only text, numbers and dates can be highly "
            "sensitive; restrict who may view it instead."
        )
        raise Invalid(said % label)


def _flags(row: Property | None) -> dict[str, bool]:
    """Return how a field's flags stand; none where nothing was said of it."""
    return {
        "sensitive": row is not None and row.sensitive,
        "highly_sensitive": row is not None and row.highly_sensitive,
    }


def _property_data(row: Property) -> dict[str, Any]:
    grants = PropertyGrant.objects.filter(property=row).order_by("user", "team")
    return {
        "access": row.access,
        "sensitive": row.sensitive,
        "highly_sensitive": row.highly_sensitive,
        "grants": list(grants.values("user", "team", "level")),
    }
