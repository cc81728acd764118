"""Expressions that the shapes of a page are made of; which they are stands in paging.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, BooleanField, Expression
from django.db.models.expressions import OrderBy
from django.db.models.sql import Query

Statement = tuple[str, list[Any]]


class Named(Expression):
    """A column of a sub-query by its name."""

    def __init__(self, name: str) -> None:
        super().__init__(output_field=BigIntegerField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        return connection.ops.quote_name(self.name), []


class TheOwner(Expression):
    """Whose rows a branch has: a column on PostgreSQL; elsewhere each key is put in at the end."""

    def __init__(self) -> None:
        super().__init__(output_field=BigIntegerField())

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        return "%s", [TheOwner]

    def as_postgresql(self, compiler: Any, connection: Any) -> Statement:
        return '"page_owner"."key"', []


class Inside(Expression):
    """An expression or a condition inside what a template says around it."""

    conditional = True

    def __init__(self, template: str, inside: Any) -> None:
        super().__init__(output_field=BooleanField())
        self.template, self.inside = template, inside

    def get_source_expressions(self) -> list[Any]:
        return [self.inside]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        (self.inside,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        sql, params = compiler.compile(self.inside)
        return self.template % {"inside": sql}, list(params)


def by_no_index(term: OrderBy) -> OrderBy:
    """Return the same order, which PostgreSQL finds in no index."""
    term = term.copy()
    term.expression = Inside("(SELECT %(inside)s)", term.expression)
    return term


def compiled(query: Query, connection: Any) -> Statement:
    sql, params = query.get_compiler(connection=connection).as_sql()
    return sql, list(params)
