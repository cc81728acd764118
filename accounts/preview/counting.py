"""How many rows conditions hold for: many conditions in few statements, no row read.

Each different condition is counted once, in an arm of its own that the database answers by the
indexes that fit it; one aggregate with hundreds of filters would ask each of them of every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection
from django.db.models import Field, Model, Q, QuerySet

from accounts.preview.conditions import (
    FALSE,
    All,
    AnyOf,
    Condition,
    In,
    InRows,
    Not,
    each_part,
    order,
    replaced,
)

Question = tuple[type[Model], Condition]
SQL = tuple[str, tuple[Any, ...]]

MOST_ARMS = 400
"""So many queries stand in one statement; SQLite takes 500."""
MOST_TEXT = 400_000
"""A statement is no longer than about this: SQLite takes 1,000,000 characters."""
MOST_BESIDE = 100
"""So many parts stand beside each other: SQLite takes expressions 1,000 deep, and each AND of a row
of them counts as lying within the next."""


def counted(questions: Iterable[Question]) -> dict[Question, int]:
    """Return for how many rows of its model each condition holds."""
    found = dict.fromkeys(questions, 0)
    asked = [question for question in found if question[1] != FALSE]
    writers: Callable[[type[Model]], _Writer] = cache(_Writer)
    arms = (writers(model).count(condition) for model, condition in asked)
    for number, count in _union(arms):
        found[asked[number]] = count
    return found


def with_keys(conditions: Iterable[Condition]) -> dict[Condition, Condition]:
    """Return each condition with what other queries find written into it as keys.

    Two people whom no rule on a stage names are asked for the same stages by different queries; as
    keys they are the same. Where the query finds keys of the rows themselves it stays a query.
    """
    wanted = dict.fromkeys(conditions)
    found: dict[InRows, set[int]] = {
        part: set()
        for condition in wanted
        for part in each_part(condition)
        if isinstance(part, InRows) and part.column != "pk"
    }
    queries = list(found)
    arms = ((f"* FROM ({part.sql}) found", part.params) for part in queries)
    for number, key in _union(arms):
        found[queries[number]].add(key)
    known: Mapping[Condition, Condition] = {
        part: In(part.column, frozenset(keys)) if keys else FALSE for part, keys in found.items()
    }
    return {condition: replaced(condition, known.get) for condition in wanted}


def _union(arms: Iterable[SQL]) -> Iterator[tuple[int, Any]]:
    """Yield the number of an arm and what it finds, for all of them."""
    with connection.cursor() as cursor:
        for batch in _batches(arms):
            texts = [f"SELECT {number}, {sql}" for number, (sql, _) in batch]
            values = [value for _, (_, params) in batch for value in params]
            cursor.execute(" UNION ALL ".join(texts), values)
            yield from cursor.fetchall()


def _batches(arms: Iterable[SQL]) -> Iterator[list[tuple[int, SQL]]]:
    batch: list[tuple[int, SQL]] = []
    length = 0
    for number, arm in enumerate(arms):
        if batch and (len(batch) == MOST_ARMS or length + len(arm[0]) > MOST_TEXT):
            yield batch
            batch, length = [], 0
        batch.append((number, arm))
        length += len(arm[0])
    if batch:
        yield batch


class _Writer:
    """Writes conditions on one model's rows as SQL.

    Django looks up each different lookup once; putting every condition together by it took ten
    times as long as counting.
    """

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        self._table = connection.ops.quote_name(model._meta.db_table)
        self._known: dict[Condition, SQL] = {}
        # Several kinds of record may lie in one table.
        self._of_this_kind = self._where(model._default_manager.all())

    def count(self, condition: Condition) -> SQL:
        where, params = _beside([self._of_this_kind, self._sql(condition)], " AND ")
        return f"count(*) FROM {self._table} WHERE {where}", params

    def _sql(self, condition: Condition) -> SQL:
        match condition:
            case In(column, keys):
                one_of = ",".join(map(str, sorted(keys)))
                return f"{self._column(column)} IN ({one_of})", ()
            case InRows(column, sql, params):
                return f"{self._column(column)} IN ({sql})", params
            case Not(part):
                sql, params = self._sql(part)
                return f"NOT (({sql}) IS TRUE)", params
        if isinstance(condition, All | AnyOf):
            parts = [self._sql(part) for part in sorted(condition.parts, key=order)]
            return _beside(parts, " AND " if isinstance(condition, All) else " OR ")
        if condition not in self._known:
            rows = self._model._base_manager.filter(Q(condition.part))
            self._known[condition] = self._where(rows)
        return self._known[condition]

    def _column(self, name: str) -> str:
        field = self._model._meta.pk if name == "pk" else self._model._meta.get_field(name)
        assert isinstance(field, Field), name  # what rules look at is a column
        return f"{self._table}.{connection.ops.quote_name(str(field.column))}"

    def _where(self, rows: QuerySet[Any]) -> SQL:
        """Return what Django asks of the rows of a query."""
        query = rows.order_by().values("pk").query
        try:
            if len(query.alias_map) > 1:  # it looks at other tables
                sql, params = query.sql_with_params()
                return f"{self._column('pk')} IN ({sql})", tuple(params)
            compiler = query.get_compiler(connection=connection)
            where, values = query.where.as_sql(compiler, connection)
        except EmptyResultSet:
            return "1 = 0", ()
        except FullResultSet:
            return "1 = 1", ()
        return where, tuple(values)


def _beside(parts: list[SQL], between: str) -> SQL:
    if not parts:
        return ("1 = 1" if between == " AND " else "1 = 0"), ()
    while len(parts) > MOST_BESIDE:
        starts = range(0, len(parts), MOST_BESIDE)
        parts = [_beside(parts[at : at + MOST_BESIDE], between) for at in starts]
    values = tuple(value for _, params in parts for value in params)
    return f"({between.join(sql for sql, _ in parts)})", values
