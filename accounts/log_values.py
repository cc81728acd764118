"""Which values stand in a column of a log: some hundreds in millions of rows, found by its index.

A log that is narrowed to values found here goes by the same index, whatever part of them was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.db.models.sql import Query

from accounts import finding
from accounts.letters import folded

M = TypeVar("M", bound=Model)

MOST_VALUES = 1_000
"""So many values of a column at most stand in one statement."""


def with_words(
    rows: QuerySet[M], term: str, fields: Sequence[str], among: Q | None = None
) -> QuerySet[M]:
    """Keep rows of a log in which every word of a term occurs in some of these fields."""
    words = [folded(word) for word in finding.words_of(term)]
    narrowed = rows
    # One condition for all words of one field: a page by a single one comes from its index.
    for wanted in [words] if words and len(fields) == 1 else [[word] for word in words]:
        found = {field: _with_all(rows.model, field, wanted, among) for field in fields}
        if any(len(values) > MOST_VALUES for values in found.values()):
            return finding.with_words(rows, term, fields)
        any_of = Q(*((f"{field}__in", each) for field, each in found.items() if each))
        any_of.connector = Q.OR
        narrowed = narrowed.filter(any_of or Q(pk__in=[]))
    return narrowed


def _with_all(
    model: type[Model], column: str, words: Iterable[str], among: Q | None
) -> tuple[str, ...]:
    return values_in(model, column, lambda it: all(word in folded(it) for word in words), among)


def values_in(
    model: type[Model], column: str, wanted: Callable[[str], bool], among: Q | None = None
) -> tuple[str, ...]:
    """Return the values of a column that are wanted; one look into its index for each there is.

    `among` is the condition of the index, where it has one; of columns and nothing else.
    """
    quote = connection.ops.quote_name
    table, name = quote(model._meta.db_table), quote(column)
    above, only = [f"{name} > found.value"], ""
    if among is not None:
        rows = Query(model, alias_cols=False)
        condition, _ = rows.build_where(among).as_sql(
            rows.get_compiler(connection=connection), connection
        )
        above, only = [*above, condition], f" WHERE {condition}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(value) AS (SELECT min({name}) FROM {table}{only} UNION ALL "
            f"SELECT (SELECT min({name}) FROM {table} WHERE {' AND '.join(above)}) FROM found "
            "WHERE found.value IS NOT NULL) SELECT value FROM found WHERE value IS NOT NULL"
        )
        return tuple(value for (value,) in cursor.fetchall() if wanted(value))
