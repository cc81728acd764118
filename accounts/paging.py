"""The pages of lists: counted no further than anybody pages, and chosen before they are read.

A database that sorts whatever a person sees reads all of it for one page; one that walks a list's
order until a page is full reads all of the table where they see little. Which is better depends on
how much they see, so the *keys* of a page are asked for in the shape that suits it, in a sub-query,
and the rows are read by these keys through the same rule as ever. A shape that were wrong would
lose rows of a page; it could show no other.

Every shape is made of the list's own query. What the rule allows is an OR over the columns of
owners, and this is the one part that a shape writes in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import BigIntegerField, Expression, QuerySet
from django.db.models.expressions import Col
from django.db.models.lookups import Exact
from django.utils.functional import cached_property

from accounts import words
from accounts.allowed_by import Allowed, is_apart_from, is_foreign
from accounts.list_query import KEY, Listing, is_plain
from accounts.ordering import is_served
from accounts.paging_sql import Inside, Statement, TheOwner, by_no_index, compiled

MOST_COUNTED = 10_000
MOST_BRANCHES = 256
"""So many owners at most, one for each column, are looked at one by one."""
MOST_MERGED = 24
"""So many of them at most where SQLite merges a deep page: each row goes through all merges."""
FEW = 1_000
"""Rows that are found and sorted, or passed over in the order, in a millisecond or two."""


class Shape(Enum):
    """How a page is asked for."""

    PLAIN = "as the list says it; the database chooses"
    GATHER = "all that is seen is found, and sorted then"
    WALK = "the order is walked from its beginning, and each row asked whether it is seen"
    KEYS = "keys are chosen from the index of the order, and only the page's rows are read"
    BRANCH = "keys are chosen from every owner's rows in the list's order, merged"
    FILLED = "keys are chosen from the index of a column, those of its empty rows after the others"


# --- The paginator --------------------------------------------------------------------------------


class CappedCount(int):
    """A number of rows of which only the first ten thousand were counted."""

    def __str__(self) -> str:
        return f"{words.counted(MOST_COUNTED)}+"


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # Django does not let it be subscripted
    """Counts no further than ten thousand rows: nobody pages there, and counting all is slow."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return capped_count(rows)

    def page(self, number: Any) -> Page[Any]:
        """Return a page; its keys are chosen by the shape that suits how much was counted."""
        rows = self.object_list
        number = self.validate_number(number)
        if not isinstance(rows, QuerySet) or self.count <= self.per_page:
            return super().page(number)
        start = (number - 1) * self.per_page
        return Page(page_of(rows, start, start + self.per_page, self.count), number, self)


class InTurn(Sequence[Any]):
    """Several lists one after another, for a paginator: each is asked only where a page has it."""

    def __init__(self, lists: Sequence[QuerySet[Any]]) -> None:
        self._lists = lists

    @cached_property
    def _counts(self) -> list[int]:
        counts: list[int] = []
        for rows in self._lists:
            counts.append(0 if sum(counts) >= MOST_COUNTED else capped_count(rows))
        return counts

    def __len__(self) -> int:
        return sum(self._counts)

    def __getitem__(self, place: Any) -> Any:
        start, stop, _ = place.indices(len(self))
        found: list[Any] = []
        before = 0
        for rows, count in zip(self._lists, self._counts, strict=True):
            low, high = max(start - before, 0), min(stop - before, count)
            if low < high:
                found += page_of(rows, low, high, count)
            before += count
        return found


def capped_count(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, counted no further than ten thousand; one query."""
    # Apart, each column's index answers alone; of an OR every row found is kept in mind.
    allowed = Allowed.of(rows.query) if is_plain(rows) else None
    if allowed and allowed.branches <= MOST_BRANCHES:
        found = _count_apart(Listing(rows, (), allowed))
    else:
        # Keys only: marks would be worked out for every row counted.
        found = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
    return capped(found)


def capped(count: int) -> int:
    """Return a number of rows as a list that counts no further would have it."""
    return CappedCount(MOST_COUNTED) if count > MOST_COUNTED else count


def page_of(rows: QuerySet[Any], start: int, stop: int, count: int) -> QuerySet[Any]:
    """Return the rows of `rows[start:stop]`, in this order, where so many were counted in all."""
    listing = Listing.of(rows)
    if listing is None:
        return rows[start:stop]
    return in_shape(listing, shape_of(listing, start, count), start, stop)


def in_shape(listing: Listing, shape: Shape, start: int, stop: int) -> QuerySet[Any]:
    """Return the rows of one page, asked for in this shape."""
    rows = listing.rows
    if shape in (Shape.KEYS, Shape.BRANCH, Shape.FILLED):
        return rows.filter(pk__in=Chosen(listing, shape, start, stop))
    if shape is Shape.GATHER:
        rows = rows.order_by(*(by_no_index(term) for term in listing.order))
    elif shape is Shape.WALK and listing.allowed and connections[rows.db].vendor == "sqlite":
        rows = rows.all()
        # "+" before a condition: SQLite looks for no index that answers it.
        listing.allowed.put(rows.query, Inside("+(%(inside)s)", listing.allowed.whole))
    return rows[start:stop]


def shape_of(listing: Listing, start: int, count: int) -> Shape:
    """Return the shape that suits how much is seen and how deep the page lies.

    Measured with 300,000 and 1,000,000 contacts, for owners of 50 and for reaches of 700 people.
    """
    is_sqlite = connections[listing.rows.db].vendor == "sqlite"
    is_deep, allowed = start >= FEW, listing.allowed
    is_capped = isinstance(count, CappedCount)
    most = MOST_MERGED if is_sqlite and is_capped else MOST_BRANCHES
    is_scattered = listing.comes_in_bursts if listing.is_log else is_deep or not is_capped
    if is_scattered and (count > FEW or listing.is_log) and listing.has_branches(most):
        return Shape.BRANCH
    if listing.is_span:
        return Shape.KEYS if is_deep and not is_sqlite else Shape.PLAIN
    if not is_capped and (is_deep or count <= MOST_COUNTED // 2):
        # It was found whole to be counted, so finding it once more costs no more than that did.
        # PostgreSQL would walk all of a table for a page of rows that it takes to be frequent;
        # SQLite gathers what is seen by an OR, whatever it is told.
        return Shape.GATHER if listing.is_narrowed and not is_sqlite else Shape.PLAIN
    if listing.emptied and is_served(listing.rows.model, listing.emptied):
        return Shape.FILLED
    if is_sqlite:
        # It reads no row that it passes over.
        return Shape.WALK if allowed else Shape.PLAIN
    return Shape.KEYS if is_deep else Shape.PLAIN


# --- Shapes in SQL --------------------------------------------------------------------------------


class Chosen(Expression):
    """The keys of one page of a list, as a sub-query: whole, or branch by branch."""

    def __init__(self, listing: Listing, shape: Shape, start: int, stop: int) -> None:
        super().__init__(output_field=BigIntegerField())
        self.listing, self.shape, self.start, self.stop = listing, shape, start, stop

    def as_sql(self, compiler: Any, connection: Any) -> Statement:
        if self.shape is Shape.BRANCH:
            sql, params = self._branch(connection)
        elif self.shape is Shape.FILLED:
            sql, params = self._filled_first(connection)
        else:
            sql, params = compiled(self.listing.keys(), connection)
        sql = f"{sql} {self.listing.sorting(connection)}"
        # Two sub-queries: what is chosen by is no column of the key's own.
        key, size = connection.ops.quote_name(KEY), self.stop - self.start
        return f"(SELECT {key} FROM ({sql} LIMIT {size} OFFSET {self.start}) chosen)", params

    def _branch(self, connection: Any) -> Statement:
        allowed = self.listing.allowed
        assert allowed is not None
        arms = [arm for owners in allowed.owners for arm in self._of_owners(connection, *owners)]
        for condition in allowed.others:
            arms += self._arm(connection, condition)
        if not arms:
            raise EmptyResultSet
        # Not ALL: found by two owners, a row is the same in every column, and one.
        return " UNION ".join(sql for sql, _ in arms), [each for _, own in arms for each in own]

    def _filled_first(self, connection: Any) -> Statement:
        """Return the rows in which a column is filled, then the others: an index has both so.

        Of the order “empty last” itself, up and down, no database reads both from one index.
        """
        arms: list[str] = []
        params: list[Any] = []
        for part in self.listing.by_emptiness():
            sql, own = compiled(part.walked(), connection)
            # A sub-query: SQLite allows no LIMIT before UNION.
            arms.append(
                f"SELECT * FROM ({sql} {part.sorting(connection)} LIMIT {self.stop}) arm{len(arms)}"
            )
            params += own
        return " UNION ALL ".join(arms), params

    def _of_owners(
        self, connection: Any, column: Col, keys: tuple[Any, ...]
    ) -> Iterator[Statement]:
        for sql, params in self._arm(connection, Exact(column, TheOwner())):
            if connection.vendor == "postgresql":
                # One plan for all owners: planning a hundred arms took longer than running them.
                listed, given = f"%s::{column.target.db_type(connection)}[]", [list(keys)]
                if is_foreign(column):
                    listed, given = f"ARRAY[{','.join(map(str, keys))}]::bigint[]", []
                yield (
                    f"(SELECT arm.* FROM unnest({listed}) page_owner(key) "
                    f"CROSS JOIN LATERAL {sql} arm)",
                    [*given, *params],
                )
            else:
                for key in keys:
                    yield sql, [key if each is TheOwner else each for each in params]

    def _arm(self, connection: Any, condition: Any) -> list[Statement]:
        """Return the statement of one part of the OR; none where it finds nothing at all."""
        try:
            sql, params = compiled(self.listing.keys(condition), connection)
        except EmptyResultSet:
            return []
        if connection.vendor == "postgresql":
            sql = f"({sql} {self.listing.sorting(connection)} LIMIT {self.stop})"
        # SQLite merges arms row by row, and reads no more of each than it needs.
        return [(sql, params)]


def _count_apart(listing: Listing) -> int:
    """Return how many rows there are, one more than the cap at most, by each part of the OR.

    A part counts the rows that none before it has.
    """
    assert listing.allowed is not None
    connection = connections[listing.rows.db]
    parts, arms, params = listing.allowed.parts(), [], []
    for number, part in enumerate(parts):
        before = [
            Inside("(%(inside)s) IS NOT TRUE", each)
            for each in parts[:number]
            if not is_apart_from(part, each)
        ]
        try:
            sql, own = compiled(listing.keys(part, *before), connection)
        except EmptyResultSet:
            continue
        # A sub-query: SQLite allows no LIMIT before UNION.
        arms.append(f"SELECT 1 FROM ({sql} LIMIT {MOST_COUNTED + 1}) arm{number}")
        params += own
    if not arms:
        return 0
    seen = f"SELECT 1 FROM ({' UNION ALL '.join(arms)}) arms LIMIT {MOST_COUNTED + 1}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({seen}) seen", params)
        (found,) = cursor.fetchone()
    return int(found)
