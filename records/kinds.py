"""What a kind of record is and which fields it has: declared once, and read from here by all else.

A kind is declared at its model by `@declare(…)` (models/declared.py); its fields are read off the
model. From the two follow filters, lists, forms, search, exports, pickers, panels and the side bar.
Whatever is cached for longer than a request has the `Kind` in its key: another definition is
another key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from accounts import catalogue
from accounts.catalogue import ObjectKind

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from records.models.base import Record

FULL_NAME = "full_name"
"""The first column of a list, where a record is named by several fields."""


class Type(StrEnum):
    """What a value is, beside nothing: this decides how it is filtered by and written out."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    MOMENT = "moment"
    RELATION = "relation"
    PERSON = "person"


class Part(StrEnum):
    """What a trade does with a kind of record, where its permission set is one to begin with."""

    NONE = "none"
    READS = "reads"
    KEEPS = "keeps"
    """Reads it, and looks after what is their own."""
    WORKS = "works"


@dataclass(frozen=True, slots=True)
class Beginning:
    """The pipeline that an empty installation may begin with: its name, and its stages in order."""

    name: StrOrPromise
    stages: tuple[tuple[StrOrPromise, str], ...]
    """Name and outcome (`Stage.Outcome`) of each."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a kind of record, or the pipeline that its stage belongs to."""

    name: str
    # Labels, helps and choices are lazy: a field is kept for readers of every language.
    label: str = field(compare=False)
    """As it stands inside a sentence: `e-mail`."""
    help: str = field(compare=False)
    holds: Type
    path: str
    """Where the ORM finds the value: what has a public name is found by it, all else by its key."""
    related: type[models.Model] | None = None
    choices: dict[Any, str] = field(default_factory=dict, compare=False)
    places: int = 0
    """Digits after the point, of a decimal number."""
    is_stored: bool = True
    """Whether the record's own table has it."""
    is_owner: bool = False
    always_visible: bool = False
    editable: bool = False
    required: bool = False
    unique: bool = False
    sortable: bool = False
    exportable: bool = False

    @property
    def title(self) -> str:
        """Return the label as it stands by itself, lazily: `E-mail`."""
        return capfirst(self.label)


@dataclass(frozen=True, slots=True)
class Kind(ObjectKind):
    """A kind of record as its model and its declaration describe it."""

    model: type[Record]
    # What is read by people is in each reader's language, and no part of what a kind is known by.
    label: str = field(compare=False)
    plural: str = field(compare=False)
    icon: str = ""
    search_help: str = field(default="", compare=False)
    number_help: str = field(default="", compare=False)
    """What the search box says to whoever finds numbers too."""
    columns: tuple[str, ...] = ()
    """What a list shows beside the name."""
    unsorted: tuple[str, ...] = ()
    """Columns by which a list is not ordered although they could be."""
    filters: tuple[str, ...] = ()
    """Fields that a list is filtered by, beside owners and stamps; a stage brings its pipeline."""
    closing: str = ""
    """The day by which a record is done with, as the first page lists it; empty: there is none."""
    worth: str = ""
    """The amount that a record is about, as the first page sums it up; empty: there is none."""
    rows: tuple[tuple[str, ...], ...] = ()
    """How the form lays the fields out, where it is not two by two in the model's order."""
    sales: Part = Part.WORKS
    """What whoever sells does with it; so says `service` of whoever helps customers."""
    service: Part = Part.READS
    beginning: Beginning | None = field(default=None, compare=False)
    version: int = 0
    """Grows with every change of the fields that does not show in the declaration."""

    @property
    def noun(self) -> str:
        """Return how one record is called inside a sentence."""
        return str(self.model._meta.verbose_name)

    @property
    def nouns(self) -> str:
        """Return how records are called inside a sentence."""
        return str(self.model._meta.verbose_name_plural)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Return every field, in the order of an export: the key, its own, owners, stamps."""
        return tuple(_fields(self).values())

    def field(self, name: str) -> Field:
        """Return the field of this name; KeyError where there is none."""
        return _fields(self)[name]

    def label_of(self, name: str) -> str:
        """Return how a field is called where several kinds meet: `Deal: expected close`."""
        return f"{self.label}: {self.field(name).label}"

    @property
    def is_staged(self) -> bool:
        """Tell whether records of this kind stand in a stage of a pipeline."""
        return "pipeline" in _fields(self)

    @property
    def title(self) -> str:
        """Return the first column of a list: the field that names a record, or `FULL_NAME`."""
        names = self.model.name_fields
        return names[0] if len(names) == 1 else FULL_NAME

    @property
    def sortable(self) -> tuple[str, ...]:
        """Return the columns by which a list can be ordered."""
        columns = (self.field(name) for name in self.columns)
        return (
            self.title,
            *(c.name for c in columns if c.sortable and c.name not in self.unsorted),
        )

    @property
    def form(self) -> tuple[tuple[str, ...], ...]:
        """Return the form's rows; a field that the declaration leaves out has one of its own."""
        names = [each.name for each in self.fields if each.editable and not each.is_owner]
        if not self.rows:
            return tuple(tuple(names[at : at + 2]) for at in range(0, len(names), 2))
        told = {self.field(name).name for row in self.rows for name in row}
        return (*self.rows, *((name,) for name in names if name not in told))

    @property
    def relations(self) -> tuple[Field, ...]:
        """Return the fields that lead to another record."""
        return tuple(each for each in self.fields if each.holds is Type.RELATION)

    @property
    def linked_from(self) -> tuple[str, ...]:
        """Return the relations by which records of other kinds lead to one of this kind."""
        return tuple(
            str(kind.model._meta.get_field(each.name).remote_field.get_accessor_name())  # type: ignore[union-attr]  # a foreign key
            for kind in every()
            if kind.model is not self.model
            for each in kind.relations
            if each.related is self.model
        )


def every() -> Iterator[Kind]:
    """Return every kind of record in the order of declaration."""
    return (kind for kind in catalogue.objects() if isinstance(kind, Kind))


def of(model: type[models.Model] | None) -> Kind:
    """Return the kind of record that a model is; KeyError for any other model."""
    kind = catalogue.kind_of(model) if model else None
    if not isinstance(kind, Kind):
        raise KeyError(model)
    return kind


def plural_of(key: str) -> str:
    """Return how records of this kind are called; the key where there is none of them any more."""
    kind = named(key)
    return kind.plural if kind else key


def named(key: str) -> Kind | None:
    """Return the kind of record with this key; None where there is none, any more."""
    kind = catalogue.object_kind(key)
    return kind if isinstance(kind, Kind) else None


# --- Read off the model ---------------------------------------------------------------------------


@lru_cache(maxsize=1000)
def _fields(kind: Kind) -> dict[str, Field]:
    model = kind.model
    last = (*model.owner_fields, *model.stamps, *model.internal)
    known = {each.name: each for each in model._meta.concrete_fields}
    names = [*(name for name in known if name not in last), *last]
    read = (each for name in names for each in _read_off(model, known[name]))
    return {each.name: each for each in read}


def _read_off(model: type[Record], column: models.Field[Any, Any]) -> Iterator[Field]:
    related: Any = column.related_model if column.is_relation else None
    is_public = getattr(related, "names_are_public", False) and related is not get_user_model()
    if related is apps.get_model("records", "Stage"):
        # Whoever says where a record stands says in which pipeline.
        path, pipeline = f"{column.name}__pipeline__name", apps.get_model("records", "Pipeline")
        yield Field(
            *("pipeline", cast("str", gettext_lazy("pipeline")), "", Type.TEXT, path, pipeline),
            is_stored=False,
            exportable=True,
        )
    yield Field(
        name=column.name,
        label=cast("str", column.verbose_name),
        help=cast("str", column.help_text),
        holds=Type.TEXT if is_public else _type(column, related),
        path=f"{column.name}__name" if is_public else column.name,
        related=related,
        choices=dict(column.flatchoices),
        places=column.decimal_places if isinstance(column, models.DecimalField) else 0,
        is_owner=column.name in model.owner_fields,
        always_visible=column.name in model.always_visible,
        editable=column.editable and not column.primary_key,
        required=not (column.blank or column.null or column.has_default()),
        unique=column.unique,
        sortable=related is None and column.name not in model.internal,
        exportable=column.primary_key or column.editable or column.name in model.stamps,
    )


def _type(column: models.Field[Any, Any], related: Any) -> Type:
    if related is not None:
        return Type.PERSON if related is get_user_model() else Type.RELATION
    for of, found in _TYPES:
        if isinstance(column, of):
            return found
    return Type.TEXT


# The first that fits: Django's moment is a day too.
_TYPES: tuple[tuple[type[models.Field[Any, Any]], Type], ...] = (
    (models.DateTimeField, Type.MOMENT),
    (models.DateField, Type.DATE),
    (models.IntegerField, Type.INTEGER),
    (models.DecimalField, Type.DECIMAL),
)
