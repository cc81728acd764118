"""What an export of each kind of record contains: its columns, in order (Q3, Q5, Q31).

A column is named after its field, so that a flag on a property (`records.models.Property`) and a
column can be compared. People, stages and pipelines are written by name, since their names are
public; a related record by name too, but only where the requester may view that record, and as an
empty cell otherwise: an export says neither what is hidden nor that something is (Q31).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, cast

from django.db import models
from django.utils.text import capfirst

from accounts import catalogue
from accounts.models import User
from records import filters
from records.models import Record
from records.models.properties import hidden_fields, sensitive_fields


class Kind(StrEnum):
    """How a cell is written: text is neutralised, a number stays a number (Q17)."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    RELATION = "relation"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `path` is where the ORM finds its value."""

    name: str
    label: str
    kind: Kind
    path: str
    related: type[models.Model] | None = None
    choices: dict[Any, str] = field(default_factory=dict, compare=False)

    @property
    def field(self) -> str:
        """The record's own field that the value hangs on; this is what can be sensitive."""
        return self.path.split("__")[0]


_STAMPS = ("owner", "co_owner", "created_at", "created_by", "updated_at", "updated_by")
_NAMES: dict[str, tuple[str, ...]] = {
    "contact": (
        *("id", "first_name", "last_name", "email", "phone", "job_title"),
        *("company", "city", "lifecycle", *_STAMPS),
    ),
    "company": (
        *("id", "name", "domain", "sector", "country", "employees", "revenue"),
        *("founded", "parent", *_STAMPS),
    ),
    "deal": (
        *("id", "name", "amount", "pipeline", "stage", "product"),
        *("company", "contact", "opened", "closed", *_STAMPS),
    ),
    "ticket": (
        *("id", "subject", "priority", "pipeline", "stage"),
        *("contact", "company", "opened", *_STAMPS),
    ),
}
# Written by their public names, inside the record's own query.
_PATHS = {"stage": "stage__name", "pipeline": "stage__pipeline__name"}


def model_of(key: str) -> type[Record]:
    """Return the model of an exportable object; KeyError for anything else."""
    kind = catalogue.object_kind(key)
    if kind is None or key not in _NAMES or not issubclass(kind.model, Record):
        raise KeyError(key)
    return kind.model


@cache
def table(model: type[Record]) -> tuple[Column, ...]:
    """Return every column of this kind of record, the record's id first."""
    return tuple(_column(model, name) for name in _NAMES[model.object_key])


def permitted_columns(model: type[Record], user: User) -> tuple[Column, ...]:
    """Return the columns this person may see now; every way out of the product asks here (S08)."""
    hidden = hidden_fields(user, model)
    return tuple(c for c in table(model) if c.field not in hidden) if user.is_active else ()


def sensitive(model: type[Record], columns: Iterable[Column], query: str) -> frozenset[str]:
    """Return the sensitive fields among these columns and what the query looks at (R113, Q5).

    A filter or an order on a sensitive field counts: being in the file reveals the value.
    """
    used = {column.field for column in columns} | filters.fields_used(model, query)
    return sensitive_fields(model.object_key) & used


def described(columns: Iterable[dict[str, Any]], model: type[Record], user: User) -> list[Any]:
    """Return a request's columns as this person may read them: hidden ones without a name."""
    seen = {column.name for column in permitted_columns(model, user)}
    return [
        column if column["name"] in seen else {**column, "label": filters.RESTRICTED_FIELD}
        for column in columns
    ]


def frozen(columns: Iterable[Column], flagged: frozenset[str]) -> list[dict[str, Any]]:
    """Return columns as a request keeps them: what the approver reads and decides on (B10)."""
    return [{"name": c.name, "label": c.label, "sensitive": c.field in flagged} for c in columns]


def _column(model: type[Record], name: str) -> Column:
    if name in _PATHS:
        return Column(name, capfirst(name), Kind.TEXT, _PATHS[name])
    found = cast("models.Field[Any, Any]", model._meta.get_field(name))
    label = "ID" if name == "id" else capfirst(str(found.verbose_name))
    if isinstance(found, models.ForeignKey):
        related = found.remote_field.model
        kind = Kind.PERSON if related is User else Kind.RELATION
        return Column(name, label, kind, name, related)
    kind = Kind.TEXT
    if isinstance(found, models.DateField):
        kind = Kind.DATE
    elif isinstance(found, models.DecimalField | models.FloatField | models.IntegerField):
        kind = Kind.NUMBER
    return Column(name, label, kind, name, choices=dict(found.flatchoices))
