"""Cells of CSV as the database writes them: the same bytes that `csv.body` makes of the values.

Text, days and times stand in quotes, numbers do not, and what is empty is empty text. Nothing is
neutralised here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from exports.tables import Kind
from exports.writers.plain import plain
from exports.writers.statement import Value

TEXTS = frozenset({Kind.TEXT, Kind.RELATION, Kind.PERSON})
NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL})
MOST_ON_SQLITE = 127
"""Cells of a line: a function of SQLite takes no more arguments."""
_QUOTE = '"'
Sql = tuple[str, tuple[Any, ...]]


def is_plain(value: Value) -> bool:
    """Tell whether the database can write these values as Python does."""
    if value.kind in TEXTS:
        return value.is_text
    # Beyond, Python writes small numbers with an exponent.
    return value.places <= 6


def postgresql_cell(value: Value) -> Sql:
    """Return what COPY writes as a cell."""
    sql = value.sql
    if value.kind is Kind.MOMENT:  # a year as Python writes it: no zeros before it
        sql = f"to_char({sql} AT TIME ZONE 'UTC', 'FMYYYY-MM-DD HH24:MI:SS')"
    elif value.kind is Kind.DATE:
        sql = f"to_char({sql}, 'YYYY-MM-DD')"
    elif value.kind in NUMBERS:
        sql = f"{sql}::text"
    return f"COALESCE({sql}, '')", value.parameters


def sqlite_line(values: Sequence[Value]) -> Sql:
    """Return a whole line, as JSON in bytes, of which `from_json` makes a line of CSV.

    Nothing else in SQLite puts cells into quotes as quickly, and none but this keeps a NUL, of
    which the product has none, but somebody else may have written one.
    """
    cells = [_sqlite_cell(value, n) for n, value in enumerate(values)]
    together = ", ".join(sql for sql, _ in cells)
    return f"CAST(json_array({together}) AS BLOB)", tuple(p for _, more in cells for p in more)


def from_json(line: bytes) -> bytes:
    """Return a line from the comma before its first cell; numbers are bare, all else in quotes."""
    if b"\\" not in line:  # nothing in it is written otherwise than in CSV
        return b"," + line[1:-1]
    cells = json.loads(line, parse_float=Decimal)
    return "".join(
        f',"{cell.replace(_QUOTE, _QUOTE * 2)}"' if isinstance(cell, str) else f",{cell}"
        for cell in cells
    ).encode()


def _sqlite_cell(value: Value, n: int) -> Sql:
    """Return a cell as `json_array` takes it: text, or a number that is to stand bare.

    SQLite holds in a column whatever somebody wrote there: what is not in the form in which the
    product writes it, Python reads.
    """
    sql = value.sql
    if value.kind in TEXTS:
        return f"COALESCE(CAST({sql} AS TEXT), '')", value.parameters
    read = f"export_cell_{n}"
    _register(read, value)
    if value.kind is Kind.INTEGER:
        sql = f"CASE typeof({sql}) WHEN 'integer' THEN {sql} ELSE {read}({sql}) END"
    elif value.kind is Kind.DECIMAL:
        sql = f"json({read}({sql}))"
    elif value.kind is Kind.DATE:
        sql = f"CASE length({sql}) WHEN 10 THEN {sql} ELSE {read}({sql}) END"
    else:
        # Not `>= '1000'`: a column of moments would take that for a number.
        usual = (
            f"length({sql}) IN (19, 23, 26) AND substr({sql}, 11, 1) = ' ' "
            f"AND substr({sql}, 1, 1) <> '0'"
        )
        sql = f"CASE WHEN {usual} THEN substr({sql}, 1, 19) ELSE {read}({sql}) END"
    return sql, ()


def _register(name: str, value: Value) -> None:
    """Let SQLite call Python for a value."""
    write: Callable[[Any], int | str] = _FORMS.get(value.kind, plain)
    connection.ensure_connection()
    connection.connection.create_function(name, 1, lambda found: write(value.read(found)))


def _whole(found: Any) -> int | str:
    return found if isinstance(found, int) else plain(found)


def _decimal(found: Any) -> str:
    """Return a number as JSON, since SQLite would take it for text, or for one of its own."""
    return str(found) if isinstance(found, int | Decimal) else json.dumps(plain(found))


_FORMS: dict[Kind, Callable[[Any], int | str]] = {Kind.INTEGER: _whole, Kind.DECIMAL: _decimal}
