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
from accounts.allowed_by import Allowed, indexed_by, is_foreign
from accounts.list_query import KEY, MOST_BRANCHES, Listing, is_plain
from accounts.ordering import is_served
from accounts.paging_sql import (
    Parted,
    Statement,
    TheOwner,
    ThePart,
    asked_of_each_row,
    by_no_index,
    compiled,
)
from accounts.prepared import listed

MOST_COUNTED = 10_000
MOST_MERGED, MOST_MERGED_BY_NAME = 64, 16
"""So many of them at most where SQLite merges a deep page; texts it has compared by Python."""
SPARSE = 8
"""Who has so few of them and sees ten thousand rows still sees few of all: owners own little."""
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
    listing = Listing(rows, (), Allowed.of(rows.query) if is_plain(rows) else None)
    if (allowed := listing.allowed) and (
        listing.is_rule_alone or allowed.branches <= MOST_BRANCHES
    ):
        found = _count_apart(listing)
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
    if shape is Shape.GATHER:
        rows = rows.order_by(*(by_no_index(term) for term in listing.order))
    elif shape is not Shape.PLAIN and listing.allowed:
        rows = rows.all()
        listing.allowed.put(rows.query, asked_of_each_row(listing.allowed.whole))
    if shape in (Shape.KEYS, Shape.BRANCH, Shape.FILLED):
        return rows.filter(pk__in=Chosen(listing, shape, start, stop))
    return rows[start:stop]


def shape_of(listing: Listing, start: int, count: int) -> Shape:
    """Return the shape that suits how much is seen and how deep the page lies.

    Measured with 300,000 and 1,000,000 contacts, for owners of 50 and for reaches of 700 people.
    """
    is_sqlite = connections[listing.rows.db].vendor == "sqlite"
    is_deep, allowed = start >= FEW, listing.allowed
    is_capped = isinstance(count, CappedCount)
    most = MOST_BRANCHES
    if is_sqlite and is_capped:
        most = MOST_MERGED_BY_NAME if listing.goes_by_text else MOST_MERGED
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
    if is_deep:
        return Shape.KEYS
    if allowed and listing.is_rule_alone:
        return Shape.KEYS if allowed.branches <= SPARSE else Shape.WALK
    return Shape.PLAIN


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
            sql, params = compiled(self.listing.walked(), connection)
        sql = f"{sql} {self.listing.sorting(connection)}"
        # Two sub-queries: what is chosen by is no column of the key's own.
        key, size = connection.ops.quote_name(KEY), self.stop - self.start
        return f"(SELECT {key} FROM ({sql} LIMIT {size} OFFSET {self.start}) chosen)", params

    def _branch(self, connection: Any) -> Statement:
        allowed = self.listing.allowed
        assert allowed is not None
        # SQLite opens a table for each list of keys in each arm: a first page takes less time where
        # rows of two arms are found to be the same once they are merged, a deep one far more.
        is_postgresql = connection.vendor == "postgresql"
        is_apart = is_postgresql or self.start >= FEW
        every = Parted(self.listing.keys(ThePart()), connection)
        # SQLite merges arms row by row, and reads no more of each than it needs.
        ending = f"{self.listing.sorting(connection)} LIMIT {self.stop}" if is_postgresql else ""
        arms: list[Statement] = []
        for number, (part, before) in enumerate(allowed.apart()):
            others = before if is_apart else []
            if number < len(allowed.owners):
                arms += of_owners(every, *allowed.owners[number], others, ending)
            elif found := every.of(part, *others):
                arms.append(every.ended(found, ending))
        if not arms:
            raise EmptyResultSet
        # The first ones last: they have the most rows, and go through one merge where arms are few.
        merged = (" UNION ALL " if is_apart else " UNION ").join(sql for sql, _ in reversed(arms))
        if len(arms) == 1 and ending:
            merged = f"SELECT * FROM {merged} arm"  # which is sorted already, and alone
        return merged, [each for _, own in reversed(arms) for each in own]

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


def of_owners(
    every: Parted, column: Col, keys: tuple[Any, ...], others: list[Any], ending: str
) -> Iterator[Statement]:
    """Yield the statements that have all rows of these owners and what `ending` says of each."""
    connection = every.compiler.connection
    if connection.vendor == "postgresql" and len(keys) == 1:
        # Alone it stays in its order, and is merged: nothing is sorted.
        if found := every.of(Exact(column, keys[0]), *others):
            yield every.ended(found, ending)
    elif found := every.of(Exact(column, TheOwner()), *others):
        sql, params = every.ended(found, ending)
        if connection.vendor == "postgresql":
            # One plan for all owners: planning a hundred arms took longer than running them.
            array, given = f"%s::{column.target.db_type(connection)}[]", [list(keys)]
            if is_foreign(column):
                array, given = f"'{{{listed(keys)}}}'::bigint[]", []
            yield (
                f"(SELECT arm.* FROM unnest({array}) page_owner(key) CROSS JOIN LATERAL {sql} arm)",
                [*given, *params],
            )
        else:
            for key in keys:
                yield sql, [key if each is TheOwner else each for each in params]


def _count_apart(listing: Listing) -> int:
    """Return how many rows there are, one more than the cap at most, by each part of the OR."""
    assert listing.allowed is not None
    connection = connections[listing.rows.db]
    try:
        every = Parted(listing.keys(ThePart()), connection)
    except EmptyResultSet:
        return 0
    arms: list[Statement] = []
    limit, owners = f"LIMIT {MOST_COUNTED + 1}", listing.allowed.owners
    for number, (part, before) in enumerate(listing.allowed.apart()):
        order = indexed_by(part) if listing.is_rule_alone else ()
        if connection.vendor == "postgresql" and order and number < len(owners):
            arms += of_owners(every, *owners[number], before, limit)
        elif found := every.of(part, *before):
            # In its order, or SQLite takes a shorter index, which does not leave out the bin.
            by = every.sorting(order) if connection.vendor == "sqlite" else ""
            arms.append(every.ended(found, f"{by} {limit}"))
    if not arms:
        return 0
    united = " UNION ALL ".join(f"SELECT 1 FROM {sql} arm{n}" for n, (sql, _) in enumerate(arms))
    params = [each for _, own in arms for each in own]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({united} {limit}) seen", params)
        (found,) = cursor.fetchone()
    return int(found)
