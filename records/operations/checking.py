"""What a record is held to before it is written: its fields, its owners, what it is linked with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.audit import Actor
from accounts.models import User
from accounts.text import trouble
from records import kinds
from records.models import Record
from records.models.properties import FieldAccess, field_access
from records.operations.changes import Change, raw
from records.refusals import Invalid, InvalidChoice, Stale

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def editable_fields(model: type[Record]) -> list[models.Field[Any, Any]]:
    kept = {"id", *model.internal, *model.stamps}
    return [field for field in model._meta.concrete_fields if field.name not in kept]


def require_open(model: type[Record], names: Iterable[str], actor: Actor) -> FieldAccess:
    """Raise `Invalid` unless the actor writes to these fields; return what they may with others."""
    fields = field_access(actor, model)
    open_ = {each.name for each in editable_fields(model)} - fields.closed
    if unknown := set(names) - open_:
        raise Invalid(cannot_be_changed(unknown))
    return fields


def cannot_be_changed(names: Iterable[str]) -> str:
    """Return one sentence for fields that do not exist, are hidden, or are only read."""
    said = gettext("These fields cannot be changed: %(fields)s.")
    return said % {"fields": ", ".join(sorted(names))}


def check(change: Change[Any], actor: Actor) -> None:
    """Raise `Invalid` for a value that cannot be saved, or not by this actor."""
    check_relations(change.after, change.names, actor)
    check_fields(change.after, change.names)
    check_owners(change.after, change.owners)


def check_unset(record: Record, actor: Actor) -> None:
    """A field that the creator may not write starts with its default value (E26).

    They may own what they make, even where owners are not theirs to choose (E7).
    """
    given = set()
    for name in field_access(actor, type(record)).closed:
        field: models.Field[Any, Any] = record._meta.get_field(name)  # type: ignore[assignment]  # concrete fields only
        value = raw(record, name)
        own = isinstance(actor, User) and name in record.owner_fields and value == actor.pk
        if value != field.get_default() and not own:
            given.add(name)
    if given:
        raise Invalid(cannot_be_changed(given))


def check_fields(record: Record, names: Iterable[str]) -> None:
    keep, kind = set(names), kinds.of(type(record))
    try:
        record.clean_fields(exclude={f.name for f in record._meta.fields if f.name not in keep})
    except ValidationError as error:
        raise Invalid(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    for name in sorted(keep):
        check_line(kind.field(name).title, getattr(record, name))


def check_line(label: str, value: object) -> None:
    """Of a single line of text everything is seen: people trust it by its look."""
    if isinstance(value, str) and (found := trouble(value)):
        raise Invalid(f"{label}: {found}")


def check_relations(record: Record, names: Iterable[str], actor: Actor) -> None:
    """A record is linked only to what the actor may name; hidden and absent are the same (L22)."""
    if not isinstance(actor, User):
        return
    for name in names:
        field = record._meta.get_field(name)
        value = raw(record, name)
        if not field.is_relation or value is None:
            continue
        related: type[models.Model] = field.related_model  # type: ignore[assignment]  # a foreign key
        if not access.nameable(related._default_manager.filter(pk=value), actor).exists():
            raise InvalidChoice(kinds.of(type(record)).field(name))


def check_owners(record: Record, names: Iterable[str]) -> None:
    """Whoever becomes an owner is active and may view this kind of record (E7).

    One sentence for whatever keeps them from it: what else others hold is nobody's business.
    """
    for name in names:
        owner: User | None = getattr(record, name)
        if owner is None:
            continue
        if not owner.is_active or not access.allows_any(owner, "view", type(record)):
            said = gettext("%(name)s cannot own %(kinds)s. Choose another owner.")
            raise Invalid(said % {"name": owner, "kinds": kinds.of(type(record)).nouns})


def require_as_opened(as_opened: str | None, now: str, refusal: StrOrPromise) -> None:
    """Raise where a form is out of date. Whoever read nothing before leaves the mark out."""
    if as_opened is not None and as_opened != now:
        raise Stale(str(refusal))


PIPELINE_CHANGED = gettext_lazy(
    "Somebody changed this pipeline while you had it open. Nothing was saved; open it again to see "
    "what it says now."
)
RULE_CHANGED = gettext_lazy(
    "Somebody changed this rule while you had it open. Nothing was saved; open it again to see "
    "what it says now."
)
FIELD_CHANGED = gettext_lazy(
    "Somebody changed this field while you had it open. Nothing was saved; open it again to see "
    "what it says now."
)
