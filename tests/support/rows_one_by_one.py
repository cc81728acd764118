"""Rows as Python puts them together, one by one: what the product's one statement is held against.

The product wrote files in this way before; kept here as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRequest
from exports.tables import Column, Kind
from exports.writers.plain import Cell
from records.models import Record

Values = dict[str, Any]


class Rows(NamedTuple):
    """What `rows_of` found: values in order, ids that may not leave, and whose values stand beside.

    `related` has, by kind of record, the ids of related records of which a row holds something.
    """

    rows: list[list[Cell]]
    lost: list[int]
    related: dict[str, set[int]]


def rows_of(export: ExportRequest, requester: User, ids: Sequence[int]) -> Rows:
    """Return the rows of these records in their order, and the ids that may not leave any more.

    `requester` is loaded afresh by the caller: what is asked here is asked of the rights of now. A
    column that may not be seen any more stays in its place and is empty. The number of queries does
    not depend on the number of ids.
    """
    model = tables.model_of(export.object)
    visible = {c.name: c for c in tables.permitted_columns(model, requester)}
    columns = [visible.get(each["name"]) for each in export.leaving_columns]
    return rows_in(model, columns, requester, ids)


def rows_in(
    model: type[Record], columns: Sequence[Column | None], requester: User, ids: Sequence[int]
) -> Rows:
    """Return what `rows_of` does, of columns that the requester may see; None is an empty one."""
    shown = [column for column in columns if column is not None]
    paths = list(dict.fromkeys(column.relation or column.path for column in shown))
    found: dict[int, Values] = {
        row[0]: dict(zip(paths, row[1:], strict=True))
        for row in access.permitted(
            model._base_manager.filter(pk__in=ids), requester, access.EXPORT
        ).values_list("pk", *paths)
    }
    names = {c.name: _names(c, found.values(), requester) for c in shown if c.related}
    beside = {
        relation: _beside([c for c in shown if c.relation == relation], found.values(), requester)
        for relation in {column.relation for column in shown} - {""}
    }

    def value(column: Column, row: Values) -> Any:
        if column.related is not None:
            return names[column.name].get(row[column.path])
        if column.relation:
            return beside[column.relation].get(row[column.relation], {}).get(column.path)
        return row[column.path]

    rows = [
        [_cell(column, value(column, found[pk])) if column else None for column in columns]
        for pk in ids
        if pk in found
    ]
    related: dict[str, set[int]] = defaultdict(set)
    for column in shown:
        if column.relation and column.of is not None:
            related[column.of.object_key] |= beside[column.relation].keys()
        elif column.related is not None and issubclass(column.related, Record):
            related[column.related.object_key] |= names[column.name].keys()
    return Rows(rows, [pk for pk in ids if pk not in found], dict(related))


def _names(column: Column, rows: Collection[Values], requester: User) -> dict[int, str]:
    """Return the names of the related records whose name this person may read (Q31)."""
    assert column.related is not None
    related = column.related._base_manager.filter(pk__in=_keys(column.path, rows))
    return {obj.pk: _name(obj) for obj in access.nameable(related, requester)}


def _beside(
    columns: Sequence[Column], rows: Collection[Values], requester: User
) -> dict[int, Values]:
    """Return the wanted fields of one relation's records that the requester may view now (Q31)."""
    of, paths = columns[0].of, [column.path for column in columns]
    assert of is not None
    related = of._base_manager.filter(pk__in=_keys(columns[0].relation, rows))
    return {
        row[0]: dict(zip(paths, row[1:], strict=True))
        for row in access.permitted(related, requester, "view").values_list("pk", *paths)
    }


def _keys(path: str, rows: Collection[Values]) -> set[int]:
    return {row[path] for row in rows} - {None}


def _name(obj: Model) -> str:
    return obj.get_full_name() if isinstance(obj, User) else str(obj)


def _cell(column: Column, value: Any) -> Cell:
    """Return a value as a cell: choices by their labels, and empty text as nothing."""
    if column.kind in (Kind.TEXT, Kind.RELATION, Kind.PERSON):
        return str(column.choices.get(value, value)) or None if value is not None else None
    typed: Cell = value
    return typed
