"""The frozen records of a request: laid down once, read in chunks, ticked off (B10, B11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Exists, OuterRef, QuerySet, Value, Window
from django.db.models.functions import RowNumber

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRecord, ExportRequest
from records.models import Record

CHUNK = 2000


def freeze(rows: QuerySet[Record], export: ExportRequest) -> int:
    """Write down which records the request covers, in the order asked for; return how many.

    One INSERT … SELECT of the queryset's own SQL, so a million ids never pass through Python.
    """
    numbered = rows.order_by().annotate(
        manifest_export=Value(export.pk, models.BigIntegerField()),
        manifest_position=Window(RowNumber(), order_by=_order(rows)),
        manifest_delivered=Value(False, models.BooleanField()),
    )
    chosen = numbered.values_list(
        "manifest_export", "pk", "manifest_position", "manifest_delivered"
    )
    try:
        select, parameters = chosen.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return 0
    quote = connection.ops.quote_name
    into = ", ".join(quote(c) for c in ("export_id", "record_id", "position", "delivered"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(ExportRecord._meta.db_table)} ({into}) {select}", parameters
        )
        return int(cursor.rowcount)


def chunks(export: ExportRequest) -> Iterator[list[int]]:
    """Return the frozen ids in their order, `CHUNK` at a time; each chunk is a query of its own.

    By ranges of positions, which have no gaps: with a LIMIT instead, PostgreSQL sorted all the rest
    for every chunk as long as it had no statistics on rows laid down a moment ago.
    """
    rows = ExportRecord.objects.filter(export=export).order_by("position")
    for after in range(0, export.record_count, CHUNK):
        chunk = rows.filter(position__gt=after, position__lte=after + CHUNK)
        yield list(chunk.values_list("record_id", flat=True))


def tick_off(export: ExportRequest, dropped: Sequence[int]) -> None:
    """Mark every record as delivered, apart from those that were dropped on the way."""
    rows = ExportRecord.objects.filter(export=export)
    rows.update(delivered=True)
    for start in range(0, len(dropped), CHUNK):
        rows.filter(record_id__in=dropped[start : start + CHUNK]).update(delivered=False)


def out_of_reach(export: ExportRequest, user: User) -> QuerySet[ExportRecord]:
    """Return what is in the file and may not leave to this person any more."""
    rows = tables.model_of(export.object)._base_manager.filter(pk=OuterRef("record_id"))
    may = access.permitted(rows, user, access.EXPORT)
    return ExportRecord.objects.filter(~Exists(may), export=export, delivered=True)


def _order(rows: QuerySet[Record]) -> list[str]:
    """Return what the rows are ordered by; the white list of orders knows no relation."""
    names = rows.query.order_by or rows.model._meta.ordering or ()
    return [*(str(name) for name in names), "pk"]
