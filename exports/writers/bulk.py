"""How the rows of a statement come out of the database: as typed rows, or as lines of CSV.

Lines are made by the database itself, by COPY on PostgreSQL, which is many times as fast as values
that Python makes and writes. Either way memory does not grow with the number of rows, and every
row says which place it has and whose names stand in it, so that what left is known exactly.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from exports.tables import Column
from exports.writers import cells, statement
from exports.writers.statement import POSITION, Statement
from records.models import Record

FETCHED = 2_000
"""Rows that are held at once."""
_WIDE = 5_000_000_000_000_000_000
"""Added to keys in lines, so that each is 19 digits long and is cut off without a look at it."""
_WIDTH = 20
"""Of such a key and its comma."""


class Bulk:
    """The rows of some places, read once, in order; afterwards it knows which ones there were.

    Whoever stops in the middle closes what `rows` or `lines` returned: until then the connection
    waits for the rest.
    """

    def __init__(
        self,
        model: type[Record],
        columns: Sequence[Column | None],
        requester: User,
        places: QuerySet[Any],
    ) -> None:
        self.statement = statement.of(model, columns, requester, places)
        self.found = array("q")
        """The positions of the rows that were read."""
        self.related: dict[str, set[int]] = defaultdict(set)
        """By kind of record, the keys of related records of which a row holds something."""

    @property
    def has_lines(self) -> bool:
        """Tell whether the database can write every cell as it stands in a file."""
        if self.statement is None:
            return True
        values = self.statement.values
        if connection.vendor == "sqlite" and len(values) > cells.MOST_ON_SQLITE:
            return False
        return all(cells.is_plain(value) for value in values)

    def rows(self) -> Generator[list[list[Any]]]:
        """Return typed rows, some at a time; None where a cell is empty, hidden or out of reach."""
        if self.statement is None:
            return
        values = self.statement.values
        wanted = [*_keys(self.statement), *((value.sql, value.parameters) for value in values)]
        first = 1 + len(self.statement.keys)
        readers = [(first + n, value.read) for n, value in enumerate(values) if value.converters]
        texts = [first + n for n, value in enumerate(values) if value.kind in cells.TEXTS]
        for fetched in _fetched(*self.statement.select(wanted)):
            rows = [list(row) for row in fetched]
            for place, read in readers:
                for row in rows:
                    row[place] = read(row[place])
            for place in texts:
                for row in rows:
                    row[place] = row[place] or None
            self._note(rows)
            yield [row[first:] for row in rows]

    def lines(self) -> Generator[list[bytes]]:
        """Return lines of CSV, some at a time, each from the comma before its first cell.

        Text is in quotes and nothing else is; an empty cell is empty text. No line has its end, and
        nothing is neutralised yet.
        """
        if self.statement is None:
            return
        if connection.vendor == "postgresql":
            yield from self._copied(self.statement)
            return
        line = cells.sqlite_line(self.statement.values)
        for rows in _fetched(*self.statement.select([*_keys(self.statement), line])):
            self._note(rows)
            yield [cells.from_json(row[-1]) for row in rows]

    def _copied(self, found: Statement) -> Generator[list[bytes]]:
        keys = [(f"{_WIDE} + COALESCE({sql}, 0)", more) for sql, more in _keys(found)]
        written = [cells.postgresql_cell(value) for value in found.values]
        named = [(f"{sql} AS c{n}", more) for n, (sql, more) in enumerate([*keys, *written])]
        quoted = ", ".join(
            f"c{len(keys) + n}"
            for n, value in enumerate(found.values)
            if value.kind not in cells.NUMBERS
        )
        # With its values inside: COPY takes none beside it, and Django's cursor for tests neither.
        ops: Any = connection.ops  # PostgreSQL's own
        select = ops.compose_sql(*found.select(named))
        force = f", FORCE_QUOTE ({quoted})" if quoted else ""
        sql = f"COPY ({select}) TO STDOUT (FORMAT csv, ENCODING 'UTF8'{force})"
        start = _WIDTH * len(keys) - 1
        held: list[bytes] = []
        with (
            connection.wrap_database_errors,
            connection.cursor() as cursor,
            cursor.copy(sql) as rows,
        ):
            # The protocol has one row in each message.
            for row in rows:
                held.append(bytes(row))
                if len(held) == FETCHED:
                    yield self._without_keys(held, start)
                    held = []
        if held:
            yield self._without_keys(held, start)

    def _without_keys(self, rows: list[bytes], start: int) -> list[bytes]:
        first, last = _number(rows[0], 0), _number(rows[-1], 0)
        if last - first + 1 == len(rows):  # in order, each once: then there is no gap
            self.found.extend(range(first, last + 1))
        else:
            self.found.extend(_number(row, 0) for row in rows)
        assert self.statement is not None
        for n, (kind, _) in enumerate(self.statement.keys, 1):
            at = n * _WIDTH
            self.related[kind] |= {int(key) - _WIDE for key in {r[at : at + 19] for r in rows}}
            self.related[kind].discard(0)
        return [row[start:-1] for row in rows]

    def _note(self, rows: Sequence[Sequence[Any]]) -> None:
        self.found.extend([row[0] for row in rows])
        assert self.statement is not None
        for n, (kind, _) in enumerate(self.statement.keys, 1):
            self.related[kind] |= {row[n] or 0 for row in rows}
            self.related[kind].discard(0)


def _number(row: bytes, n: int) -> int:
    return int(row[n * _WIDTH : (n + 1) * _WIDTH - 1]) - _WIDE


def _keys(found: Statement) -> list[tuple[str, tuple[Any, ...]]]:
    return [(f"m.{POSITION}", ()), *((sql, ()) for _, sql in found.keys)]


def _fetched(sql: str, parameters: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Run a statement and return its rows, some at a time, as the driver makes them."""
    plain = connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with closing(connection.cursor() if plain else connection.chunked_cursor()) as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(FETCHED):
            yield rows
