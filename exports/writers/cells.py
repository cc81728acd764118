"""Cells of CSV as the database writes them: the same bytes that `csv.body` makes of the values.

Text, days and times stand in quotes, numbers do not, and what is empty is empty text. Nothing is
neutralised here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from django.db import connection

from exports.tables import Kind
from exports.writers.plain import plain
from exports.writers.statement import Value

TEXTS = frozenset({Kind.TEXT, Kind.RELATION, Kind.PERSON})
NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL})
MOST_ON_SQLITE = 126
"""Cells of a line: a function of SQLite takes 127 arguments, the first of which is the form."""
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
    """Return a whole line, as bytes, from the comma before its first cell.

    `printf` is twice as fast as putting the cells together, but takes a text to end at a NUL. The
    product keeps none, so the slow way is for what somebody else wrote.
    """
    cells = [_sqlite_cell(value, n) for n, value in enumerate(values)]
    form = "".join(',"%w"' if value.kind not in NUMBERS else ",%s" for value in values)
    parameters = [p for _, more in cells for p in more]
    quick = f"printf(%s, {', '.join(sql for sql, _ in cells)})"
    together = " || ".join(
        f"',' || {sql}"
        if value.kind in NUMBERS
        else f"""',"' || replace({sql}, '"', '""') || '"'"""
        for value, (sql, _) in zip(values, cells, strict=True)
    )
    texts = [cell for value, cell in zip(values, cells, strict=True) if value.kind in TEXTS]
    if not texts:
        return f"CAST({quick} AS BLOB)", (form, *parameters)
    has_nul = " OR ".join(f"instr({sql}, char(0))" for sql, _ in texts)
    return (
        f"CAST(CASE WHEN {has_nul} THEN {together} ELSE {quick} END AS BLOB)",
        (*(p for _, more in texts for p in more), *parameters, form, *parameters),
    )


def _sqlite_cell(value: Value, n: int) -> Sql:
    """Return a cell before it is put in quotes.

    SQLite holds in a column whatever somebody wrote there: what is not in the form in which the
    product writes it, Python reads.
    """
    sql = value.sql
    if value.kind in TEXTS:
        return f"COALESCE({sql}, '')", value.parameters
    read = f"export_cell_{n}"
    _register(read, value)
    if value.kind is Kind.INTEGER:
        sql = f"CASE typeof({sql}) WHEN 'integer' THEN {sql} ELSE {read}({sql}) END"
    elif value.kind is Kind.DECIMAL:
        sql = f"{read}({sql})"
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
    write: Callable[[Any], str] = _number if value.kind in NUMBERS else plain
    connection.ensure_connection()
    connection.connection.create_function(name, 1, lambda found: write(value.read(found)))


def _number(found: Any) -> str:
    if isinstance(found, int | Decimal):
        return str(found)
    return '"' + plain(found).replace('"', '""') + '"'
