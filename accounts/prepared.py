"""Conditions that Django puts together once per process and database, and not at every asking.

A condition of many sub-queries takes Django ten times as long to put together as a database takes
to answer it. Its SQL is kept with places in it, which every asking fills with columns or values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, lru_cache
from itertools import count
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import BigIntegerField, BooleanField, Expression, F, Model, Q, QuerySet, Value

Seen = Callable[[int], Any]
"""A key, or a moment, as a sub-query so many levels further in than the question refers to it."""

_numbers = count(1)
_ALIAS = re.compile(r'(?<![\w".])([A-Z]+\d+)(?![\w"])')
"""How Django calls the tables of sub-queries; what we named ourselves stands in quotes."""
_PARAMETER = re.compile(r"%([%s])")


class Keys(Expression):
    """Many keys of our own database, written into the SQL as the numbers they are.

    As parameters, seven hundred of them took longer to bind than the query took, and SQLite may
    allow no more than 32,766 in a query.
    """

    def __init__(self, keys: Iterable[int]) -> None:
        super().__init__(output_field=BigIntegerField())
        self.keys = tuple(map(int, keys))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return f"({listed(self.keys)})", []


@lru_cache(16)
def listed(keys: tuple[int, ...]) -> str:
    """Return keys as they stand in SQL; a page and its count say the same ones several times."""
    return ",".join(map(str, keys))


def among(keys: Collection[int] | Keys | QuerySet[Any]) -> Any:
    """Return what fills a place of many: these keys, or those that a sub-query selects."""
    if isinstance(keys, QuerySet):
        return keys.query
    if isinstance(keys, Keys):
        return keys
    return Keys(keys or (-1,))  # nothing has this key


class Prepared:
    """A condition with places: `build` makes it, once, and each asking fills the places.

    `places` name a column each, of `model`, that holds what may stand there. `build` gets each of
    them as what refers to it from any depth, and must not refer to anything else around it. A place
    in `many` stands for any number of such values (`x__in=place`).
    """

    def __init__(
        self,
        build: Callable[..., Q | QuerySet[Any]],
        model: type[Model],
        places: Mapping[str, str],
        many: tuple[str, ...] = (),
    ) -> None:
        self.build, self.model, self.many = build, model, frozenset(many)
        self.places = {name: model._meta.get_field(column) for name, column in places.items()}
        self.number = next(_numbers)

    def __call__(self, **fillings: Any) -> Q:
        """Return the condition asked of these columns, by name or reference, or of these values."""
        return Q(self.filled(BooleanField(), fillings))

    def rows(self, **fillings: Any) -> Filled:
        """Return the rows that `build` selects, for a condition (`x__in=…`)."""
        return self.filled(BigIntegerField(), fillings)

    def fetched(self, **values: Any) -> list[tuple[Any, ...]]:
        """Return the rows that `build` selects, as the database has them; one query."""
        with connection.cursor() as cursor:
            cursor.execute(*self.rows(**values).statement())
            return list(cursor.fetchall())

    def filled(self, output_field: Any, fillings: dict[str, Any]) -> Filled:
        if fillings.keys() != self.places.keys():
            raise TypeError(f"Fill in {', '.join(self.places)}, and nothing else.")
        return Filled(self, output_field, *(fillings[name] for name in self.places))


class _Place(Expression):
    """Where something stands in prepared SQL that is filled in at every asking."""

    def __init__(self, number: int, output_field: Any, many: bool) -> None:
        super().__init__(output_field=output_field)
        self.number, self.many = number, many

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "(%s)" if self.many else "%s", [self]


class _Text(NamedTuple):
    """Prepared SQL: what stands before each parameter, and after the last one."""

    pieces: tuple[tuple[str, Any], ...]
    end: str


class Filled(Expression):
    """What was prepared, with its places filled."""

    def __init__(self, prepared: Prepared, output_field: Any, *fillings: Any) -> None:
        super().__init__(output_field=output_field)
        self.prepared = prepared
        self.fillings: list[Any] = [_expression(each) for each in fillings]

    def get_source_expressions(self) -> list[Any]:
        return self.fillings

    def set_source_expressions(self, exprs: Any) -> None:
        self.fillings = list(exprs)

    def statement(self) -> tuple[str, tuple[Any, ...]]:
        """Return what selects the rows, alone; ValueError where a row around it is asked about."""
        compiler = self.prepared.model._base_manager.all().query.get_compiler(DEFAULT_DB_ALIAS)
        sql, parameters = self.as_sql(compiler, compiler.connection)
        return sql[1:-1], tuple(parameters)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        filled = [compiler.compile(each) for each in self.fillings]
        text = prepared_text(self.prepared, connection.alias)
        sql: list[str] = []
        parameters: list[Any] = []
        for before, parameter in text.pieces:
            piece, values = "%s", (parameter,)
            if isinstance(parameter, _Place):
                piece, values = filled[parameter.number]
                if parameter.many:
                    piece = piece[1:-1]  # its parentheses stand there already
            sql += (before, piece)
            parameters += values
        return "".join((*sql, text.end)), parameters


def _expression(filling: Any) -> Any:
    if hasattr(filling, "resolve_expression"):
        return filling
    return F(filling) if isinstance(filling, str) else Value(filling)


@cache
def prepared_text(prepared: Prepared, using: str) -> _Text:
    """Return the SQL of a condition; made once per process and database."""
    places = {
        name: _Place(number, field, name in prepared.many)
        for number, (name, field) in enumerate(prepared.places.items())
    }
    made = prepared.build(**{name: _from_anywhere(place) for name, place in places.items()})
    query = prepared.model._base_manager.all().query
    if isinstance(made, QuerySet):
        # As a sub-query, so that none of its tables is called by its own name.
        asked: Any = made.query.resolve_expression(query)
    else:
        query.add_q(made)
        asked = query.where
    sql, parameters = query.get_compiler(using).compile(asked)
    if not isinstance(made, QuerySet):
        sql = f"({sql})"
    # Names that nothing around it bears, or a column filled in could mean a table in here.
    return _Text(*cut(_ALIAS.sub(rf"\1_{prepared.number}", sql), parameters))


def _from_anywhere(place: _Place) -> Seen:
    return lambda depth: place


def cut(sql: str, parameters: Any) -> tuple[tuple[tuple[str, Any], ...], str]:
    """Return the SQL before each of its parameters, with that one, and what is left."""
    pieces, start, left = [], 0, iter(parameters)
    for found in _PARAMETER.finditer(sql):
        if found[1] == "s":
            pieces.append((sql[start : found.start()], next(left)))
            start = found.end()
    return tuple(pieces), sql[start:]
