"""What a request froze: its records, laid down once, read in chunks; and one digest.

The digest is the SHA-256 of a JSON text in UTF-8, without white space (B10, B11, B12). A row of
`FrozenRequest` says which form its digest has; a form that was in use stays as it is.

    1  {"columns":[{"label":…,"name":…,"sensitive":…},…],"count":…,"format":…,"headers":…,
       "object":…,"query":…,"records":[every frozen record id, in the order of the file]}
    2  {"request":{the same without the records, and "approval_needed", "because", "file_days",
       "has_sensitive", "lapse_days", "most_downloads", "name", "requester", "salt",
       "sensitive_fields"},"records":[…]}

Keys are sorted, apart from "records", which comes last. Form 2 is salted: who reads a digest cannot
try values for what they do not know of the request. Form 0 has no digest: the request was over
before there were any, and is never run.

The digest is laid down with the request and with every later change of its columns; before a byte
is written it is made again and compared. Conditions of a decision are not in it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import groupby, islice
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Exists, OuterRef, QuerySet, Value, Window
from django.db.models.functions import RowNumber

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRecord, ExportRelated, ExportRequest, FrozenRequest
from records.models import Record

CHUNK = 2_000
"""Places that are written first, before it is known how quickly they are."""
BRISK, SLOW = 0.5, 1.5
"""Seconds for a chunk, below and above which the next one is larger or smaller."""
MOST_AT_ONCE = 128_000
"""More are not written within a moment. For many, PostgreSQL joins names to all rows together, at
half the CPU of a look-up of each name for each row."""


def freeze(rows: QuerySet[Record], export: ExportRequest) -> int:
    """Write down which records the request covers, in the order asked for; return how many.

    One INSERT … SELECT of the queryset's own SQL, so a million ids never pass through Python.
    """
    numbered = rows.order_by().annotate(
        manifest_export=Value(export.pk, models.BigIntegerField()),
        manifest_position=Window(RowNumber(), order_by=order(rows)),
        manifest_left_out=Value(False, models.BooleanField()),
    )
    chosen = numbered.values_list("manifest_export", "pk", "manifest_position", "manifest_left_out")
    try:
        select, parameters = chosen.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return 0
    quote = connection.ops.quote_name
    into = ", ".join(quote(c) for c in ("export_id", "record_id", "position", "left_out"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(ExportRecord._meta.db_table)} ({into}) {select}", parameters
        )
        return int(cursor.rowcount)


def chunks(export: ExportRequest) -> Iterator[range]:
    """Return the places that may leave, in order, some at a time.

    As many as are written within a moment: rights are asked again, and the lease kept, between two
    of them, however slow the disk is. By ranges of positions, which have no gaps: with a LIMIT
    instead, PostgreSQL sorted all the rest each time as long as it had no statistics on rows laid
    down a moment ago.
    """
    size, first = CHUNK, 1
    while first <= export.most_leaving:
        began = time.monotonic()
        after = min(first + size, export.most_leaving + 1)
        yield range(first, after)
        took = time.monotonic() - began
        if took < BRISK:
            size = min(size * 2, MOST_AT_ONCE)
        elif took > SLOW:
            # Never fewer than at first: asking anew has its price, which a slow machine pays too.
            size = max(size // 2, CHUNK)
        first = after


def at(export: ExportRequest, places: range) -> QuerySet[ExportRecord]:
    """Return what stands at these places of the manifest."""
    return ExportRecord.objects.filter(
        export=export, position__gte=places.start, position__lt=places.stop
    )


def not_among(found: Sequence[int], export: ExportRequest, places: range) -> list[int]:
    """Return the records at these places whose positions were not found; a query where some are."""
    if len(found) == len(places):
        return []
    there = set(found)
    rows = at(export, places).order_by("position").values_list("position", "record_id")
    return [record for position, record in rows if position not in there]


def mark_left_out(export: ExportRequest, dropped: Sequence[int]) -> None:
    """Mark what the finished file lacks: more than may leave, and what was dropped on the way."""
    rows = ExportRecord.objects.filter(export=export)
    if export.most_leaving < export.record_count:
        rows.filter(position__gt=export.most_leaving).update(left_out=True)
    for start in range(0, len(dropped), CHUNK):
        rows.filter(record_id__in=dropped[start : start + CHUNK]).update(left_out=True)


class _Keys:
    """A set of keys, a thousand of them in the bits of one number.

    Keys lie close together; as a set of Python, 200,000 of them took as much memory as everything
    else that an export of a million rows holds.
    """

    def __init__(self) -> None:
        self._bits: dict[int, int] = defaultdict(int)

    def add(self, keys: Iterable[int]) -> list[int]:
        """Add keys, and return those that were not there yet, in order."""
        new: list[int] = []
        for place, close in groupby(sorted(keys), key=_place):
            known = held = self._bits[place]
            for key in close:
                bit = 1 << (key & 1023)
                if not known & bit:
                    held |= bit
                    new.append(key)
            self._bits[place] = held
        return new


def _place(key: int) -> int:
    return key >> 10


class Beside:
    """Writes down of which related records a file holds something, each once (B5, B11).

    Before anybody can have the file, and whatever becomes of the attempt: too much closes a file
    too early, too little would leave it open.
    """

    def __init__(self, export: ExportRequest) -> None:
        self.export = export
        self.known: dict[str, _Keys] = defaultdict(_Keys)

    def add(self, related: Mapping[str, set[int]]) -> None:
        """Add what a chunk of rows holds; at most one statement for each kind of record."""
        for key, ids in related.items():
            if new := self.known[key].add(ids):
                self._write(key, new)

    def _write(self, key: str, ids: list[int]) -> None:
        """Write all of them by one statement: there may be tens of thousands."""
        quote = connection.ops.quote_name
        into = ", ".join(quote(c) for c in ("export_id", "object", "record_id"))
        each, these = "value FROM json_each(%s)", json.dumps(ids)
        if connection.vendor == "postgresql":
            each = "value::bigint FROM json_array_elements_text(%s)"
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {quote(ExportRelated._meta.db_table)} ({into}) "
                f"SELECT %s, %s, {each} WHERE true ON CONFLICT DO NOTHING",
                [self.export.pk, key, these],
            )


def _plain(export: ExportRequest, salt: str) -> dict[str, Any]:
    return {
        "columns": export.columns,
        "count": export.record_count,
        "format": export.format,
        "headers": export.headers,
        "object": export.object,
        "query": export.query,
    }


def _salted(export: ExportRequest, salt: str) -> dict[str, Any]:
    return {
        "request": {
            **_plain(export, salt),
            "approval_needed": export.approval_needed,
            "because": export.because,
            "file_days": export.file_days,
            "has_sensitive": export.has_sensitive,
            "lapse_days": export.lapse_days,
            "most_downloads": export.most_downloads,
            "name": export.name,
            "requester": export.requester_id,
            "salt": salt,
            "sensitive_fields": export.sensitive_fields,
        }
    }


FORMS = {1: _plain, 2: _salted}
"""What comes before the records, by the form of the digest."""
FORM = max(FORMS)


def digest(export: ExportRequest, salt: str, form: int = FORM) -> str:
    """Return the digest of a request as it stands; a million ids pass by without being held."""
    head = json.dumps(
        FORMS[form](export, salt), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    found = hashlib.sha256(f'{head[:-1]},"records":['.encode())
    rows = ExportRecord.objects.filter(export=export).order_by("position")
    ids = rows.values_list("record_id", flat=True).iterator(10_000)
    comma = ""
    while some := ",".join(map(str, islice(ids, 10_000))):
        found.update(f"{comma}{some}".encode())
        comma = ","
    found.update(b"]}")
    return found.hexdigest()


def write_frozen(export: ExportRequest, **changes: Any) -> FrozenRequest:
    """Write down what a request is, or will be with these changes, and return it.

    Whoever changes what the digest covers calls this in the same transaction.
    """
    changed = copy(export)
    for name, value in changes.items():
        setattr(changed, name, value)
    salt = secrets.token_hex(16)
    return FrozenRequest.objects.create(
        export=export,
        columns=[column["name"] for column in changed.columns],
        form=FORM,
        salt=salt,
        digest=digest(changed, salt),
    )


def is_as_frozen(export: ExportRequest) -> bool:
    """Tell whether a request still is what was frozen last (B10).

    Whoever reaches into the database can change a request, and not what was written down of it.
    """
    frozen = export.frozen.order_by("-id").first()
    if frozen is None or frozen.form not in FORMS:
        return False
    return frozen.digest == digest(export, frozen.salt, frozen.form)


def columns_lost(export: ExportRequest) -> list[str]:
    """Return the names of columns that were asked for and are not frozen any more (S08).

    A condition of a decision takes no column here.
    """
    asked = export.frozen.order_by("id").values_list("columns", flat=True).first()
    left = {column["name"] for column in export.columns}
    return [name for name in asked or () if name not in left]


def has_out_of_reach(export: ExportRequest, user: User) -> bool:
    """Tell whether the file holds a record, or something of one, that this person may not have now.

    A query for the records, and one for each kind of record that stands beside them.
    """
    rows = tables.model_of(export.object)._base_manager.filter(pk=OuterRef("record_id"))
    may = access.permitted(rows, user, access.EXPORT)
    if ExportRecord.objects.delivered().filter(~Exists(may), export=export).exists():
        return True
    return any(_beside_out_of_reach(export, user, key) for key in tables.beside(export.object))


def _beside_out_of_reach(export: ExportRequest, user: User, key: str) -> bool:
    rows = tables.model_of(key)._base_manager.filter(pk=OuterRef("record_id"))
    seen = access.permitted(rows, user, "view")
    return ExportRelated.objects.filter(~Exists(seen), export=export, object=key).exists()


def order(rows: QuerySet[Record]) -> list[Any]:
    """Return what the rows are ordered by, the key last; the white list knows no relation."""
    return [*(rows.query.order_by or rows.model._meta.ordering or ()), "pk"]
