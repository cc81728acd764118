"""Lays a company down by a few statements, once it was made as the product or factories make it.

The tiny company takes a hundred statements and 70 ms of CPU to make, and five of six tests begin
with it; the demo company takes seconds.
"""

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from django.apps import apps
from django.db import connection, transaction

from tests.support import company
from tests.support.company import TinyCompany

T = TypeVar("T")
Row = tuple[Any, ...]
MOST_VALUES = 30_000
"""SQLite takes 32,766 in a statement."""


class Snapshot(NamedTuple):
    """What was made, pickled, and the rows it consists of, by statement."""

    made: bytes
    inserts: tuple[tuple[str, list[Any]], ...]


_kept: dict[Callable[[], object], Snapshot] = {}


def tiny_company() -> TinyCompany:
    """Return the tiny company, in the database as if the factories had made it just now."""
    return laid_down(company.found)


def laid_down(make: Callable[[], T]) -> T:
    """Return what `make` returns, with the rows it makes in the database; it is called once.

    The rows have the keys and times of the first time. Whatever a test does to them is gone with
    its transaction, or with the emptying after it. Files are not kept.
    """
    if make not in _kept:
        before = _rows()
        made = make()
        _kept[make] = Snapshot(pickle.dumps(made), tuple(_inserts(before, _rows())))
        return made
    snapshot = _kept[make]
    # In a transaction: what they refer to is asked for at its end.
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, values in snapshot.inserts:
            cursor.execute(statement, values)
    found: T = pickle.loads(snapshot.made)
    return found


def _rows() -> dict[str, tuple[list[str], set[Row]]]:
    """Return columns and rows of every table of ours and of the apps that ours write to."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            columns = [field.column for field in model._meta.local_concrete_fields]
            names = ", ".join(map(connection.ops.quote_name, columns))
            cursor.execute(f"SELECT {names} FROM {connection.ops.quote_name(table)}")
            found[table] = (columns, set(map(tuple, cursor.fetchall())))
    return found


def _inserts(
    before: dict[str, tuple[list[str], set[Row]]], after: dict[str, tuple[list[str], set[Row]]]
) -> list[tuple[str, list[Any]]]:
    """Return statements that make the rows before into the rows after."""
    statements = []
    for table, (columns, rows) in after.items():
        new = sorted(rows - before[table][1], key=lambda row: str(row[0]))
        if gone := before[table][1] - rows:
            # Changed, since nothing that migrations laid down is deleted.
            key = connection.ops.quote_name(columns[0])
            where = f"{key} IN ({', '.join(['%s'] * len(gone))})"
            statements.append(
                (
                    f"DELETE FROM {connection.ops.quote_name(table)} WHERE {where}",
                    [row[0] for row in gone],
                )
            )
        most = MOST_VALUES // len(columns)
        for start in range(0, len(new), most):
            rows_of_one = new[start : start + most]
            names = ", ".join(map(connection.ops.quote_name, columns))
            places = f"({', '.join(['%s'] * len(columns))})"
            statements.append(
                (
                    f"INSERT INTO {connection.ops.quote_name(table)} ({names}) VALUES "
                    + ", ".join([places] * len(rows_of_one)),
                    [value for row in rows_of_one for value in row],
                )
            )
    return statements
