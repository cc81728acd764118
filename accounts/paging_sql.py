"""Expressions that the shapes of a page are made of; which they are stands in paging.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db.models import BigIntegerField, BooleanField, Expression
from django.db.models.expressions import OrderBy
from django.db.models.sql import Query
from django.db.models.sql.where import WhereNode

from accounts.prepared import cut

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


class ThePart(Expression):
    """Where one part of a rule goes, in a query that is put into SQL once for all parts."""

    conditional = True

    def __init__(self) -> None:
        super().__init__(output_field=BooleanField())

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        return "%s", [ThePart]


class Parted:
    """A query with `ThePart` among its conditions, whose SQL is made once for all parts.

    Django takes longer to make the SQL of a first page than the database takes to answer it.
    """

    def __init__(self, query: Query, connection: Any) -> None:
        self.compiler = query.get_compiler(connection=connection)
        pieces, end = cut(*self.compiler.as_sql())
        (place,) = (n for n, (_, param) in enumerate(pieces) if param is ThePart)
        before, (text, _), after = pieces[:place], pieces[place], pieces[place + 1 :]
        self.head = "".join((*(f"{each}%s" for each, _ in before), text))
        self.tail = "".join((*(f"{each}%s" for each, _ in after), end))
        self.params = [param for _, param in before], [param for _, param in after]

    def of(self, *conditions: Any) -> Statement | None:
        """Return the statement of the rows that meet all of these; None where none can."""
        try:
            sql, own = self.compiler.compile(WhereNode([*conditions]))
        except EmptyResultSet:
            return None
        except FullResultSet:
            sql, own = "1 = 1", []
        first, last = self.params
        return f"{self.head}({sql}){self.tail}", [*first, *own, *last]

    def sorting(self, terms: Sequence[Any]) -> str:
        """Return an order by columns of the query's own table; nothing for none."""
        by = ", ".join(self.compiler.compile(each)[0] for each in terms)
        return f"ORDER BY {by}" if by else ""

    def ended(self, statement: Statement, ending: str) -> Statement:
        """Return a statement with an end of its own, if any, as a sub-query among others."""
        sql, params = statement
        return (f"({sql} {ending})" if ending else sql), params


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


def asked_of_each_row(condition: Any) -> Inside:
    """Return the same condition, for which no index is looked for.

    CASE: SQLite asks no further parts of an OR once one holds; of "+(…)" it asks all of them.
    """
    return Inside("CASE WHEN %(inside)s THEN TRUE ELSE FALSE END", condition)


class NoneOf(Inside):
    """What holds where a condition does not, be it that its answer is unknown."""

    def __init__(self, condition: Any) -> None:
        super().__init__("CASE WHEN %(inside)s THEN FALSE ELSE TRUE END", condition)

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        try:
            return super().as_sql(compiler, connection)
        except EmptyResultSet:
            raise FullResultSet from None
        except FullResultSet:
            raise EmptyResultSet from None


def by_no_index(term: OrderBy) -> OrderBy:
    """Return the same order, which PostgreSQL finds in no index."""
    term = term.copy()
    term.expression = Inside("(SELECT %(inside)s)", term.expression)
    return term


def compiled(query: Query, connection: Any) -> Statement:
    sql, params = query.get_compiler(connection=connection).as_sql()
    return sql, list(params)
