"""What an export of each kind of record contains: its columns, in order (Q3, Q5, Q31).

A column declares which fields it reads (records/reads.py); by that alone it is hidden or sensitive,
as `records.models.Property` says of fields. People, stages and pipelines are written by name, since
their names are public; a related record by name too, but only where the requester may view that
record, and as an empty cell otherwise: an export says neither what is hidden nor that something is
(Q31).

Beside its own columns a kind of record has associated ones, such as `company.domain`: fields of the
one related record, filled by the same rule (E36).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, cast

from django.db import models
from django.utils.text import capfirst

from accounts import access, catalogue
from accounts.models import AuditEvent, User
from exports.models import ExportRequest
from records import filters
from records.models import Record
from records.models.properties import (
    FieldKey,
    field_key,
    hidden_fields,
    hidden_keys,
    sensitive_keys,
    veiled_keys,
)
from records.reads import as_text, fields_on, kind_of, named
from records.screen_limit import counted_fields


class Kind(StrEnum):
    """What a cell holds, beside nothing: this decides its form in each format."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    MOMENT = "moment"
    RELATION = "relation"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `path` is where the ORM finds its value."""

    name: str
    label: str
    kind: Kind
    path: str
    reads: frozenset[FieldKey]
    """Every field, of whatever kind of record, that a cell is made of: each can be sensitive."""
    related: type[models.Model] | None = None
    choices: dict[Any, str] = field(default_factory=dict, compare=False)
    places: int = 0
    """Digits after the point, of a decimal number."""
    relation: str = ""
    """Of an associated column: the record's own field that leads to the related record."""
    of: type[Record] | None = None
    """Of an associated column: the kind of the related record, on which `path` starts."""

    @property
    def field(self) -> str:
        """The record's own field that leads to the value; `reads` tells all that it is made of."""
        return self.relation or self.path.split("__")[0]


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
# Relations to one record whose own fields may be asked for too; the notes of E36 allow one object
# per request, here each of these may be chosen.
_ASSOCIATED: dict[str, tuple[str, ...]] = {
    "contact": ("company",),
    "company": ("parent",),
    "deal": ("company", "contact"),
    "ticket": ("contact", "company"),
}
# Columns of a list that are made of several fields.
_MADE_OF: dict[str, tuple[str, ...]] = {"full_name": ("first_name", "last_name")}
# Written by their public names, inside the record's own query.
_PATHS = {"stage": "stage__name", "pipeline": "stage__pipeline__name"}


def model_of(key: str) -> type[Record]:
    """Return the model of an exportable object; KeyError for anything else."""
    kind = catalogue.object_kind(key)
    if kind is None or key not in _NAMES or not issubclass(kind.model, Record):
        raise KeyError(key)
    return kind.model


def is_known(key: str) -> bool:
    """Tell whether this kind of record is still there: exports outlive one that was removed."""
    try:
        model_of(key)
    except KeyError:
        return False
    return True


@cache
def table(model: type[Record]) -> tuple[Column, ...]:
    """Return every column of this kind of record's own, the record's id first."""
    return tuple(_column(model, name) for name in _NAMES[model.object_key])


@cache
def associated(model: type[Record]) -> tuple[Column, ...]:
    """Return the columns of related records: their own fields, no relations of theirs (E36)."""
    found = []
    for relation in _ASSOCIATED[model.object_key]:
        key = cast("models.ForeignKey[Any, Any]", model._meta.get_field(relation))
        of = cast("type[Record]", key.remote_field.model)
        found += [
            replace(
                column,
                name=f"{relation}.{column.name}",
                label=f"{capfirst(str(key.verbose_name))}: {column.label}",
                reads=column.reads | fields_on(model, relation),
                relation=relation,
                of=of,
            )
            for column in table(of)
            if column.related is None and column.name not in _PATHS
        ]
    return tuple(found)


def all_columns(model: type[Record]) -> tuple[Column, ...]:
    """Return every column an export of this kind of record can have, associated ones last (E39)."""
    return (*table(model), *associated(model))


@cache
def beside(key: str) -> tuple[str, ...]:
    """Return the kinds of related records of which an export of this object may hold something."""
    columns = all_columns(model_of(key))
    models = [column.of or column.related for column in columns]
    return tuple(dict.fromkeys(m.object_key for m in models if m and issubclass(m, Record)))


def linked(record: Record, user: User) -> dict[str, models.QuerySet[Any]]:
    """Return, by kind, the records in this person's reach that lead to this one, as they may see.

    Only by relations of which an export may hold something, and whose field is not hidden.
    """
    found: dict[str, models.QuerySet[Any]] = {}
    for key, relations in _ASSOCIATED.items():
        model = model_of(key)
        leads = models.Q(pk__in=[])
        for name in set(relations) - hidden_fields(user, model):
            if model._meta.get_field(name).related_model is type(record):
                leads |= models.Q(**{name: record.pk})
        rows = model._default_manager.filter(leads)
        found[key] = access.permitted(rows, user, "view")
    return found


def permitted_columns(model: type[Record], user: User) -> tuple[Column, ...]:
    """Return the columns this person may see now; every way out of the product asks here (S08).

    None that reads a hidden field: neither its value nor the way to it, nor a part of a name.
    """
    if not user.is_active:
        return ()
    hidden = hidden_keys(user)
    return tuple(column for column in all_columns(model) if not column.reads & hidden)


def offered_columns(model: type[Record], user: User) -> tuple[Column, ...]:
    """Return the permitted columns that can hold anything: a related record may be viewed (Q18)."""
    return tuple(
        column
        for column in permitted_columns(model, user)
        if column.of is None or access.allows_any(user, "view", column.of)
    )


def listed(columns: Iterable[Column], names: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns that stand for these columns of a list, in the list's order (E39)."""
    known = {column.name: column for column in columns if not column.relation}
    wanted = [part for name in names for part in _MADE_OF.get(name, (name,))]
    return tuple(known[name] for name in dict.fromkeys(wanted) if name in known)


def reads_of(model: type[Record], names: Collection[str]) -> frozenset[FieldKey]:
    """Return the fields that the columns of these names read."""
    return frozenset().union(*(c.reads for c in all_columns(model) if c.name in names))


def sensitive(
    model: type[Record], columns: Iterable[Column], query: str, requester: User
) -> frozenset[FieldKey]:
    """Return the fields, sensitive for this requester, that columns and query read (R113, Q5).

    A filter, a search or an order counts: being in the file, or where, reveals the value.
    """
    read = filters.reads(model, query).union(*(column.reads for column in columns))
    return sensitive_keys(requester) & read


def is_sensitive(column: Column, flagged: frozenset[FieldKey]) -> bool:
    """Tell whether a column reads what `sensitive` returned."""
    return bool(column.reads & flagged)


def is_veiled(column: Column, user: User) -> bool:
    """Tell whether a column's values are shown on no screen without a click (E30)."""
    return bool(column.reads & veiled_keys(user))


def is_counted(column: Column, user: User) -> bool:
    """Tell whether a column's values count as sensitive ones that this person sees on a screen."""
    for key in column.reads:
        kind, _, name = key.partition(".")
        of = catalogue.object_kind(kind)
        if of is not None and name in counted_fields(user, of.model):
            return True
    return False


def described(columns: Iterable[dict[str, Any]], model: type[Record], user: User) -> list[Any]:
    """Return a request's columns as this person may read them: hidden ones without a name."""
    seen = {column.name for column in permitted_columns(model, user)}
    return [
        column if column["name"] in seen else {**column, "label": filters.RESTRICTED_FIELD}
        for column in columns
    ]


def without_hidden_columns(user: User, event: AuditEvent, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without names of associated columns hidden from its reader (B6).

    Fills the slot `accounts.audit.shown_data`; the record's own fields are left out before it.
    """
    try:
        model = model_of(data["object"])
    except (KeyError, TypeError):
        return data
    seen = permitted_columns(model, user)
    hidden = {c.name for c in associated(model)} - {c.name for c in seen}
    hidden |= {*as_text(model, _read_elsewhere(model, all_columns(model)))}.difference(
        as_text(model, _read_elsewhere(model, seen))
    )
    shown = dict(data)
    for name, value in data.items():
        if isinstance(value, list) and (gone := [each for each in value if each in hidden]):
            kept = [each for each in value if each not in hidden]
            more = "s" if len(gone) > 1 else ""
            shown[name] = [*kept, f"and {len(gone)} restricted field{more}"]
    return shown


def _read_elsewhere(model: type[Record], columns: Iterable[Column]) -> frozenset[FieldKey]:
    """Return the fields of other kinds of record that these columns read."""
    own = field_key(kind_of(model), "")
    return frozenset(key for c in columns for key in c.reads if not key.startswith(own))


def called(model: type[Record], keys: Iterable[FieldKey], user: User) -> list[str]:
    """Return what this person reads for fields: `Phone`, `Company: Name`, or that it is restricted.

    A field of another kind has a name for them where they see some column that reads it.
    """
    hidden, seen = hidden_keys(user), _read_elsewhere(model, permitted_columns(model, user))
    found = []
    for key in keys:
        kind, _, name = key.partition(".")
        is_own = kind == kind_of(model)
        if key in hidden or not (is_own or key in seen):
            found.append(filters.RESTRICTED_FIELD)
            continue
        of = catalogue.object_kind(kind)
        fields = {f.name: str(f.verbose_name) for f in of.model._meta.concrete_fields} if of else {}
        label = capfirst(fields.get(name, name))
        found.append(label if is_own else f"{of.label if of else capfirst(kind)}: {label}")
    return found


def frozen(columns: Iterable[Column], flagged: frozenset[FieldKey]) -> list[dict[str, Any]]:
    """Return columns as a request keeps them: what the approver reads and decides on (B10)."""
    return [
        {"name": c.name, "label": c.label, "sensitive": is_sensitive(c, flagged)} for c in columns
    ]


def headings(columns: Iterable[dict[str, Any]], headers: str) -> list[str]:
    """Return what stands above a request's columns, each once: labels or internal names (E36)."""
    by = "name" if headers == ExportRequest.Headers.NAMES else "label"
    found: list[str] = []
    for column in columns:
        text = column[by]
        found.append(f"{text} ({column['name']})" if text in found else text)
    return found


def _column(model: type[Record], name: str) -> Column:
    if name in _PATHS:
        path = _PATHS[name]
        return Column(name, capfirst(name), Kind.TEXT, path, fields_on(model, path))
    found = cast("models.Field[Any, Any]", model._meta.get_field(name))
    label = "ID" if name == "id" else capfirst(str(found.verbose_name))
    if isinstance(found, models.ForeignKey):
        related = found.remote_field.model
        kind = Kind.PERSON if related is User else Kind.RELATION
        return Column(name, label, kind, name, fields_on(model, *named(name, related)), related)
    kind, places = Kind.TEXT, 0
    if isinstance(found, models.DateField):
        kind = Kind.MOMENT if isinstance(found, models.DateTimeField) else Kind.DATE
    elif isinstance(found, models.IntegerField):
        kind = Kind.INTEGER
    elif isinstance(found, models.DecimalField):
        kind, places = Kind.DECIMAL, found.decimal_places
    choices = dict(found.flatchoices)
    read = fields_on(model, name)
    return Column(name, label, kind, name, read, choices=choices, places=places)
