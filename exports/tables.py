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

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.text import capfirst, format_lazy
from django.utils.translation import ngettext

from accounts import access
from accounts.models import AuditEvent, User
from accounts.words import counted
from exports.language import as_installed
from exports.models import ExportRequest
from records import filters, kinds, query_words
from records.kinds import Type
from records.models import Record
from records.models.properties import (
    FieldKey,
    field_key,
    hidden_fields,
    hidden_keys,
    sensitive_keys,
    veiled_keys,
)
from records.operations.screen_limit import counted_fields
from records.reads import as_text, fields_on, kind_of, named

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Kind = Type
"""What a cell holds is what its field holds: this decides its form in each format."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `path` is where the ORM finds its value."""

    name: str
    label: StrOrPromise
    """In the language of whoever reads it now; in a file it is the installation's."""
    kind: Kind
    path: str
    reads: frozenset[FieldKey]
    """Every field, of whatever kind of record, that a cell is made of: each can be sensitive."""
    related: type[models.Model] | None = None
    choices: Mapping[Any, StrOrPromise] = field(default_factory=dict, compare=False)
    places: int = 0
    """Digits after the point, of a decimal number."""
    relation: str = ""
    """Of an associated column: the record's own field that leads to the related record."""
    of: type[Record] | None = None
    """Of an associated column: the kind of the related record, on which `path` starts."""
    is_name: bool = False
    """Whether a record is named by it, and perhaps by others."""

    @property
    def field(self) -> str:
        """The record's own field that leads to the value; `reads` tells all that it is made of."""
        return self.relation or self.path.split("__")[0]


def model_of(key: str) -> type[Record]:
    """Return the model of an exportable object; KeyError for anything else."""
    kind = kinds.named(key)
    if kind is None:
        raise KeyError(key)
    return kind.model


def is_known(key: str) -> bool:
    """Tell whether this kind of record is still there: exports outlive one that was removed."""
    return kinds.named(key) is not None


def table(model: type[Record]) -> tuple[Column, ...]:
    """Return every column of this kind of record's own, the record's id first."""
    return _table(kinds.of(model))


@lru_cache(maxsize=1000)
def _table(kind: kinds.Kind) -> tuple[Column, ...]:
    return tuple(_column(kind.model, each) for each in kind.fields if each.exportable)


def associated(model: type[Record]) -> tuple[Column, ...]:
    """Return the columns of related records: their own fields, no relations of theirs (E36).

    The notes of E36 allow one object per request; here each of these may be chosen.
    """
    return _associated(kinds.of(model))


@lru_cache(maxsize=1000)
def _associated(kind: kinds.Kind) -> tuple[Column, ...]:
    found = []
    for relation in kind.relations:
        of = kinds.of(relation.related)
        plain = {each.name for each in of.fields if each.related is None}
        found += [
            replace(
                column,
                name=f"{relation.name}.{column.name}",
                # Lazy, since columns are kept for as long as the process runs.
                label=format_lazy("{}: {}", relation.title, column.label),
                reads=column.reads | fields_on(kind.model, relation.name),
                relation=relation.name,
                of=of.model,
            )
            for column in _table(of)
            if column.name in plain
        ]
    return tuple(found)


def all_columns(model: type[Record]) -> tuple[Column, ...]:
    """Return every column an export of this kind of record can have, associated ones last (E39)."""
    return (*table(model), *associated(model))


def beside(key: str) -> tuple[str, ...]:
    """Return the kinds of related records of which an export of this object may hold something."""
    relations = kinds.of(model_of(key)).relations
    return tuple(dict.fromkeys(kinds.of(each.related).key for each in relations))


Leads = tuple[tuple[str, tuple[str, ...]], ...]
"""By kind, the relations by which its records lead to those of one model."""


def leads(model: type[Record], user: User) -> Leads:
    """Return how records lead to those of this model, as far as this person may see it.

    Only relations of which an export may hold something, and whose field is not hidden.
    """
    found = []
    for kind in kinds.every():
        hidden = hidden_fields(user, kind.model)
        relations = [each for each in kind.relations if each.related is model]
        names = (each.name for each in relations if each.name not in hidden)
        found.append((kind.key, tuple(names)))
    return tuple(found)


def linked(ways: Leads, key: Any, user: User) -> dict[str, models.QuerySet[Any]]:
    """Return, by kind, the records in this person's reach that lead to the one of this key."""
    found: dict[str, models.QuerySet[Any]] = {}
    for kind, names in ways:
        leading = models.Q(pk__in=[])
        for name in names:
            leading |= models.Q(**{name: key})
        rows = model_of(kind)._default_manager.filter(leading)
        found[kind] = access.permitted(rows, user, "view")
    return found


def told_of(model: type[Record], user: User) -> dict[str, None]:
    """Return the kinds whose exports may tell this person of a record of this model beside theirs.

    For who reads of exports whichever records they see: of links by fields that are hidden from
    them, nothing is told. A kind with several relations to the model is left out as soon as one is
    hidden, since what a file holds beside a record does not say by which of them.
    """
    found: dict[str, None] = {}
    for kind in kinds.every():
        names = {each.name for each in kind.relations if each.related is model}
        if names and not names & hidden_fields(user, kind.model):
            found[kind.key] = None
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
    made_of = {kinds.FULL_NAME: [name for name, column in known.items() if column.is_name]}
    wanted = [part for name in names for part in made_of.get(name, (name,))]
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
    return any(
        field_key(kind.key, name) in column.reads
        for kind in kinds.every()
        for name in counted_fields(user, kind.model)
    )


def described(columns: Iterable[dict[str, Any]], model: type[Record], user: User) -> list[Any]:
    """Return a request's columns as this person may read them: hidden ones without a name."""
    seen = {column.name: column.label for column in permitted_columns(model, user)}
    with as_installed():
        frozen_as = {name: str(label) for name, label in seen.items()}

    def label(column: dict[str, Any]) -> str:
        name = column["name"]
        if name not in seen:
            return str(query_words.RESTRICTED_FIELD)
        # What the field is called by now, in the reader's language; where it was called something
        # else when it was frozen, that.
        return str(seen[name]) if frozen_as[name] == column["label"] else column["label"]

    return [{**column, "label": label(column)} for column in columns]


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
            more = ngettext(
                "and %(count)s restricted field", "and %(count)s restricted fields", len(gone)
            )
            shown[name] = [*kept, more % {"count": counted(len(gone))}]
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
            found.append(str(query_words.RESTRICTED_FIELD))
            continue
        of = kinds.named(kind)
        titles = {field.name: field.title for field in of.fields} if of else {}
        label = str(titles.get(name, capfirst(name)))
        found.append(label if is_own else f"{of.label if of else capfirst(kind)}: {label}")
    return found


def frozen(columns: Iterable[Column], flagged: frozenset[FieldKey]) -> list[dict[str, Any]]:
    """Return columns as a request keeps them: what the approver reads and decides on (B10).

    Their labels are the file's headings, so they are in the installation's language.
    """
    with as_installed():
        return [
            {"name": c.name, "label": str(c.label), "sensitive": is_sensitive(c, flagged)}
            for c in columns
        ]


def headings(columns: Iterable[dict[str, Any]], headers: str) -> list[str]:
    """Return what stands above a request's columns, each once: labels or internal names (E36)."""
    by = "name" if headers == ExportRequest.Headers.NAMES else "label"
    found: list[str] = []
    for column in columns:
        text = column[by]
        found.append(f"{text} ({column['name']})" if text in found else text)
    return found


def _column(model: type[Record], field: kinds.Field) -> Column:
    related = field.related if field.holds in (Type.RELATION, Type.PERSON) else None
    paths = named(field.name, related) if related else (field.path,)
    return Column(
        field.name,
        field.title,
        field.holds,
        field.path,
        fields_on(model, *paths),
        related,
        field.choices,
        field.places,
        is_name=field.name in model.name_fields,
    )
