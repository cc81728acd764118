"""One statement for the rows that leave: frozen ids ∩ what the requester may see now (B5, B10, Q3).

    SELECT … FROM (the manifest's places) JOIN (the records the requester may export now)
             LEFT JOIN (the related records they may see now) … ORDER BY place

Each part in brackets is a whole query of the ORM, compiled as it is: `access.permitted` and
`access.nameable` decide here as everywhere. Everything in a row is of one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, QuerySet

from accounts import access
from accounts.models import User
from exports.language import as_installed
from exports.tables import Column, Kind
from exports.writers.names import name_of
from records.models import Record

KEY, POSITION = "x_key", "x_position"
"""Names of columns begin with `x_`, so that no field of a model is called so."""
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One query among the others of the statement, and how Django reads its columns."""

    sql: str
    parameters: tuple[Any, ...]
    converters: Mapping[str, Sequence[Convert]]


@dataclass(frozen=True, slots=True)
class Value:
    """One cell of a row: its text in the statement, and what makes a value of what comes back."""

    sql: str
    parameters: tuple[Any, ...]
    kind: Kind
    places: int = 0
    converters: Sequence[Convert] = ()
    is_text: bool = False
    """Whether the database holds text there, and nothing has to be made of it."""

    def read(self, found: Any) -> Any:
        """Return a value as Django reads it."""
        for convert in self.converters:
            found = convert(found)
        return found


EMPTY = Value("NULL", (), Kind.TEXT, is_text=True)


@dataclass(frozen=True, slots=True)
class Statement:
    """The parts of the statement; columns lie in `values`, and related records in `keys`."""

    values: tuple[Value, ...]
    tables: str
    parameters: tuple[Any, ...]
    keys: tuple[tuple[str, str], ...] = ()
    """Of related records in a row: the kind, and where the key stands; NULL where there is none."""

    def select(self, cells: Sequence[tuple[str, tuple[Any, ...]]]) -> tuple[str, tuple[Any, ...]]:
        """Return the statement with these cells in each row, in the order of the manifest."""
        columns = ", ".join(sql for sql, _ in cells)
        sql = f"SELECT {columns} FROM {self.tables} ORDER BY m.{POSITION}"
        parameters = [*(more for _, some in cells for more in some), *self.parameters]
        return sql, tuple(parameters)


@dataclass(slots=True)
class _Joins:
    """What is joined to the records so far."""

    sql: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    keys: list[tuple[str, str]] = field(default_factory=list)


def of(
    model: type[Record],
    columns: Sequence[Column | None],
    requester: User,
    places: QuerySet[Any],
) -> Statement | None:
    """Return the statement for columns that the requester may see; None is an empty one.

    `places` has a `position` and a `record_id` for each row. None where no row can be found.

    What is translated in a cell, as the label of a choice, is in the installation's language.
    """
    with as_installed():
        return _of(model, columns, requester, places)


def _of(
    model: type[Record],
    columns: Sequence[Column | None],
    requester: User,
    places: QuerySet[Any],
) -> Statement | None:
    shown = [column for column in columns if column is not None]
    own = {c.relation or c.path: f"x_{n}" for n, c in enumerate(shown)}
    rows = access.permitted(model._base_manager.all(), requester, access.EXPORT)
    manifest = _part(places, {POSITION: "position", "x_record": "record_id"})
    records = _part(rows, {KEY: "pk", **{alias: path for path, alias in own.items()}})
    if manifest is None or records is None:
        return None
    joins = _Joins()
    values: dict[str, Value] = {}
    for column in shown:
        if column.related is not None:
            values[column.name] = _name(joins, column, own, requester)
        elif not column.relation:
            alias = own[column.path]
            values[column.name] = _value(model, column, f"r.{alias}", records.converters[alias])
    for relation in dict.fromkeys(column.relation for column in shown if column.relation):
        beside = [column for column in shown if column.relation == relation]
        values |= _beside(joins, beside, own[relation], requester)
    return Statement(
        tuple(EMPTY if column is None else values[column.name] for column in columns),
        f"({manifest.sql}) m JOIN ({records.sql}) r ON r.{KEY} = m.x_record{''.join(joins.sql)}",
        (*manifest.parameters, *records.parameters, *joins.parameters),
        tuple(joins.keys),
    )


def _name(joins: _Joins, column: Column, own: Mapping[str, str], requester: User) -> Value:
    """Return the name of a related record where this person may read it (Q31)."""
    assert column.related is not None
    rows = access.nameable(column.related._base_manager.all(), requester)
    part = _part(rows, {KEY: "pk", "x_name": name_of(column.related)})
    if part is None:
        return EMPTY
    alias = _join(joins, part, rows.model, own[column.path])
    return Value(f"{alias}.x_name", (), column.kind, is_text=True)


def _beside(
    joins: _Joins, columns: Sequence[Column], own: str, requester: User
) -> dict[str, Value]:
    """Return the wanted fields of one relation's records that the requester may view now (Q31)."""
    of = columns[0].of
    assert of is not None
    rows = access.permitted(of._base_manager.all(), requester, "view")
    wanted = {f"x_{n}": column.path for n, column in enumerate(columns)}
    part = _part(rows, {KEY: "pk", **wanted})
    if part is None:
        return dict.fromkeys((column.name for column in columns), EMPTY)
    alias = _join(joins, part, of, own)
    return {
        column.name: _value(of, column, f"{alias}.x_{n}", part.converters[f"x_{n}"])
        for n, column in enumerate(columns)
    }


def _join(joins: _Joins, part: Part, model: type[models.Model], own: str) -> str:
    """Join related records by the column that leads to them; return the name they have there.

    Never people made into a table before: both databases lose sight of its key, and SQLite looked
    through all of them for every row, PostgreSQL sorted all rows on disk (measured).
    """
    alias = f"j{len(joins.sql)}"
    joins.parameters += part.parameters
    joins.sql.append(f" LEFT JOIN ({part.sql}) {alias} ON {alias}.{KEY} = r.{own}")
    if issubclass(model, Record):
        joins.keys.append((model.object_key, f"{alias}.{KEY}"))
    return alias


def _part(rows: QuerySet[Any], wanted: Mapping[str, Any]) -> Part | None:
    """Compile a query for these columns; None where its conditions leave nothing."""
    named = rows.order_by().annotate(
        **{name: F(what) if isinstance(what, str) else what for name, what in wanted.items()}
    )
    query = named.values_list(*wanted).query
    compiler = query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return None
    found = compiler.get_converters([expression for expression, _, _ in compiler.select])
    converters = {
        name: [partial(_convert, convert, found[n][1]) for convert in found[n][0]]
        if n in found
        else []
        for n, name in enumerate(wanted)
    }
    return Part(sql, tuple(parameters), converters)


def _convert(convert: Callable[..., Any], expression: Any, value: Any) -> Any:
    return convert(value, expression, connection)


def _value(
    model: type[models.Model], column: Column, sql: str, converters: Sequence[Convert]
) -> Value:
    """Return a field's cell: choices by their labels, and empty text as nothing."""
    if column.kind is not Kind.TEXT:
        return Value(sql, (), column.kind, column.places, converters)
    # Labels in the language of now: values are read when another one may be active.
    labels = {value: str(label) for value, label in column.choices.items()}
    if not _holds_text(model, column.path):
        return Value(sql, (), column.kind, 0, [*converters, partial(_text, labels)])
    parameters: list[str] = []
    for value, label in labels.items():
        parameters += [value, label]
    if parameters:
        sql = f"CASE {sql}{' WHEN %s THEN %s' * len(labels)} ELSE {sql} END"
    return Value(sql, tuple(parameters), column.kind, 0, converters, is_text=not converters)


def _text(labels: Mapping[Any, str], value: Any) -> str | None:
    return None if value is None else labels.get(value, str(value))


def _holds_text(model: type[models.Model], path: str) -> bool:
    at: Any = model
    for name in path.split("__"):
        found = at._meta.get_field(name)
        at = found.related_model
    return isinstance(found, models.CharField | models.TextField)
