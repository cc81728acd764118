"""What a column, a filter, a search or an order reads: fields of records, each with its kind (Q5).

Whoever declares one declares what it reads, as paths from its record (`company__name`). Every field
on the way counts, whatever kind of record it belongs to: which deals have a company of this name
tells of the deal's company and of the company's name. From these declarations alone it follows
whether an export is sensitive and which filters and columns a person has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models

from records.models.properties import FieldKey, field_key


def kind_of(model: type[models.Model]) -> str:
    """Return the key of a kind of record; of a person, stage or pipeline, the model's name."""
    return str(getattr(model, "object_key", model._meta.model_name))


def fields_on(model: type[models.Model], *paths: str) -> frozenset[FieldKey]:
    """Return every field on these paths of the ORM; FieldDoesNotExist where there is none."""
    found = set()
    for path in paths:
        at = model
        for name in path.split("__"):
            field: Any = at._meta.pk if name == "pk" else at._meta.get_field(name)
            found.add(field_key(kind_of(at), field.name))
            at = field.related_model
    return frozenset(found)


def named(relation: str, model: type[models.Model]) -> tuple[str, ...]:
    """Return the paths that are read where the record at the end of a relation is named."""
    names: tuple[str, ...] = model.name_fields  # type: ignore[attr-defined]  # declared by what is named
    return tuple(f"{relation}__{name}" for name in names)


def as_text(model: type[models.Model], fields: Iterable[FieldKey]) -> list[str]:
    """Return fields as requests and events keep them: `phone`, and `company.name` of others."""
    return sorted(field.removeprefix(f"{kind_of(model)}.") for field in fields)


def from_text(model: type[models.Model], names: Iterable[str]) -> frozenset[FieldKey]:
    """Return the fields that a request or an event names.

    Before other kinds were told apart, a field of a related record was named by the way to it:
    `parent.domain`. Those requests are still there, and are read as what was meant.
    """
    found = set()
    for name in names:
        before, _, last = name.rpartition(".")
        found.add(field_key(_kind(model, before), last))
    return frozenset(found)


def _kind(model: type[models.Model], name: str) -> str:
    if not name:
        return kind_of(model)
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    return kind_of(field.related_model) if field.is_relation else name
