"""The rows that really leave: frozen ids ∩ what the requester may see now (B5, B10, Q3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRequest
from exports.tables import Column, Kind

Cell = str | int | float | Decimal
"""Text that is still to be neutralised, or a number."""


def rows_of(
    export: ExportRequest, requester: User, ids: Sequence[int]
) -> tuple[list[list[Cell]], list[int]]:
    """Return the rows of these records in their order, and the ids that may not leave any more.

    `requester` is loaded afresh by the caller: what is asked here is asked of the rights of now. A
    column that may not be seen any more stays in its place and is empty. The number of queries does
    not depend on the number of ids.
    """
    model = tables.model_of(export.object)
    visible = {c.name: c for c in tables.permitted_columns(model, requester)}
    columns = [visible.get(frozen["name"]) for frozen in export.leaving_columns]
    shown = [column for column in columns if column is not None]
    found = {
        row[0]: dict(zip([c.name for c in shown], row[1:], strict=True))
        for row in access.permitted(
            model._base_manager.filter(pk__in=ids), requester, access.EXPORT
        ).values_list("pk", *(c.path for c in shown))
    }
    names = {c.name: _names(c, found.values(), requester) for c in shown if c.related}
    rows = [
        [
            _cell(column, found[pk][column.name], names.get(column.name, {})) if column else ""
            for column in columns
        ]
        for pk in ids
        if pk in found
    ]
    return rows, [pk for pk in ids if pk not in found]


def _names(column: Column, rows: Any, requester: User) -> dict[int, str]:
    """Return the names of the related records whose name this person may read (Q31)."""
    assert column.related is not None
    keys = {row[column.name] for row in rows} - {None}
    related = column.related._base_manager.filter(pk__in=keys)
    return {obj.pk: _name(obj) for obj in access.nameable(related, requester)}


def _name(obj: Model) -> str:
    return obj.get_full_name() if isinstance(obj, User) else str(obj)


def _cell(column: Column, value: Any, names: dict[int, str]) -> Cell:
    if value is None:
        return ""
    if column.kind in (Kind.RELATION, Kind.PERSON):
        return names.get(value, "")
    if column.kind is Kind.NUMBER:
        number: Cell = value
        return number
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return column.choices.get(value, str(value))
