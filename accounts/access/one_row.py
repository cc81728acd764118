"""What is asked of one stored row, by its key: put into SQL once, asked of any number of rows.

Django takes several times as long to put a check together as a database to answer it, and most
requests ask the same of a person more than once. Kept with the person's rights, and gone with them:
it holds their keys. What asks the same about anybody is kept for good, see `accounts.prepared`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import Expression, Model
from django.db.models.sql import Query


class TheKey(Expression):
    """Where the key of the row goes that is asked about."""

    def __init__(self, model: type[Model]) -> None:
        super().__init__(output_field=model._meta.pk)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [TheKey]


@dataclass(frozen=True, slots=True)
class Statement:
    """A query of rows with `pk=TheKey(model)`, in the SQL of one database."""

    alias: str
    sql: str
    params: tuple[Any, ...]

    @classmethod
    def of(cls, query: Query, alias: str) -> Statement | None:
        """Return a query's statement; None where no row can be found by it."""
        try:
            sql, params = query.get_compiler(using=alias).as_sql()
        except EmptyResultSet:
            return None
        return cls(alias, sql, tuple(params))

    def asked_of(self, obj: Model) -> tuple[Any, ...] | None:
        """Return the row of this object's key, as the database says it."""
        return next(iter(self.rows_about(obj)), None)

    def rows_about(self, obj: Model) -> list[tuple[Any, ...]]:
        """Return every row that is found with this object's key."""
        connection, key = connections[self.alias], obj._meta.pk
        assert key is not None
        value = key.get_db_prep_value(obj.pk, connection)
        with connection.cursor() as cursor:
            try:
                cursor.execute(self.sql, [value if p is TheKey else p for p in self.params])
            except OverflowError:
                return []  # SQLite has no row with such a key, and no way to ask for it
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
