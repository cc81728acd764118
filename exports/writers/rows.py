"""The rows that really leave, and the first of those that would (B5, B10, Q3, Q31).

Both are read by the same statement; see statement.py for what may be in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F

from accounts.models import User
from exports import tables
from exports.models import ExportRequest
from exports.tables import Column
from exports.writers import manifest
from exports.writers.bulk import Bulk
from exports.writers.plain import Cell
from records.models import Record


def rows_of(export: ExportRequest, requester: User, places: range) -> Bulk:
    """Return the rows at these places of the manifest, as far as they may leave; not read yet.

    `requester` is loaded afresh by the caller: what is asked here is asked of the rights of now. A
    column that may not be seen any more stays in its place and is empty.
    """
    model = tables.model_of(export.object)
    visible = {c.name: c for c in tables.permitted_columns(model, requester)}
    columns = [visible.get(each["name"]) for each in export.leaving_columns]
    return Bulk(model, columns, requester, manifest.at(export, places))


def rows_in(
    model: type[Record], columns: Sequence[Column | None], requester: User, ids: Sequence[int]
) -> list[list[Cell]]:
    """Return what a file would say of these records, in this order; None is an empty column.

    One query: for the few that a dialog shows before anything is frozen.
    """
    these = model._base_manager.filter(pk__in=ids).annotate(position=F("pk"), record_id=F("pk"))
    bulk = Bulk(model, columns, requester, these)
    rows = [row for some in bulk.rows() for row in some]
    by_id = dict(zip(bulk.found, rows, strict=True))
    return [by_id[pk] for pk in ids if pk in by_id]
