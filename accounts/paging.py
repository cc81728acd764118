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
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Page, Paginator
from django.db import connections
from django.db.models import BigIntegerField, Expression, F, Model, QuerySet
from django.db.models.expressions import Col, OrderBy
from django.db.models.lookups import Exact, LessThan
from django.db.models.query import ModelIterable
from django.db.models.sql import Query
from django.utils.functional import cached_property

from accounts.allowed_by import Allowed, is_bound, is_foreign
from accounts.ordering import is_column, is_served
from accounts.paging_sql import Inside, Named, Statement, TheOwner, by_no_index, compiled

MOST_COUNTED = 10_000
MOST_BRANCHES = 256
"""So many owners at most, one for each column, are looked at one by one."""
MOST_MERGED = 24
"""So many of them at most where SQLite merges a deep page: each row goes through all merges."""
FEW = 1_000
"""Rows that are found and sorted, or passed over in the order, in a millisecond or two."""
KEY = "page_key"


class Shape(Enum):
    """How a page is asked for."""

    PLAIN = "as the list says it; the database chooses"
    GATHER = "all that is seen is found, and sorted then"
    WALK = "the order is walked from its beginning, and each row asked whether it is seen"
    KEYS = "keys are chosen from the index of the order, and only the page's rows are read"
    BRANCH = "keys are chosen from every owner's rows in the list's order, merged"
    SPAN = "keys are gathered from the index of a column that grows with them"
    FILLED = "keys are chosen from the index of a column, those of its empty rows after the others"


# --- The paginator --------------------------------------------------------------------------------


class CappedCount(int):
    """A number of rows of which only the first ten thousand were counted."""

    def __str__(self) -> str:
        return f"{MOST_COUNTED:,}+"


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
    # Apart, each column's index answers alone. SQLite reads the rows for the bin either way.
    is_apart = connections[rows.db].vendor == "postgresql" and _is_plain(rows)
    allowed = Allowed.of(rows.query) if is_apart else None
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
    if shape is Shape.SPAN:
        order = tuple(by_no_index(term) for term in listing.order)
        listing, shape = replace(listing, order=order), Shape.KEYS
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
    if is_scattered and count > FEW and listing.has_branches(most):
        return Shape.BRANCH
    if listing.is_span(is_open=is_capped):
        return Shape.SPAN
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


# --- What a list asks -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listing:
    """A list's rows, its order in terms that stand alone, and what its rule allows them by."""

    rows: QuerySet[Any]
    order: tuple[OrderBy, ...]
    allowed: Allowed | None

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Listing | None:
        """Return what a list asks; None where it is more than rows of a table in an order."""
        order = _order(rows) if _is_plain(rows) else ()
        return cls(rows, order, Allowed.of(rows.query)) if order else None

    @property
    def is_narrowed(self) -> bool:
        """Tell whether there is more to it than that what is in the bin stays out."""
        return len(self.rows.query.where.children) > 1

    def keys(self, *instead: Any) -> Query:
        """Return the query of keys and what they are sorted by, in no order.

        `instead`: conditions in the place of what the rule allows by.
        """
        rows = self.rows.select_related(None).order_by()
        query: Query = rows.values(**dict(self._columns())).query
        if instead:
            assert self.allowed is not None
            self.allowed.put(query, *instead)
        return query

    def walked(self) -> Query:
        """Return `keys` so that SQLite looks for no index but that of the order."""
        if self.allowed is None or connections[self.rows.db].vendor != "sqlite":
            return self.keys()
        return self.keys(Inside("+(%(inside)s)", self.allowed.whole))

    @property
    def is_log(self) -> bool:
        return hasattr(self.rows.model, "log_time")

    @property
    def comes_in_bursts(self) -> bool:
        """Tell whether a log is asked for some of its values alone: they may all lie far back."""
        columns = getattr(self.rows.model, "log_columns", ())
        return bool(
            self.allowed
            and len(self.rows.query.where.children) == 1
            and all(column.target.name in columns for column, _ in self.allowed.owners)
        )

    def is_span(self, *, is_open: bool) -> bool:
        """Tell whether a log is asked for some time alone; `is_open`: with an end to it."""
        column, asked = getattr(self.rows.model, "log_time", ""), self.rows.query.where.children
        if not asked or not all(is_bound(each, column) for each in asked):
            return False
        return not is_open or any(isinstance(each, LessThan) for each in asked)

    @property
    def emptied(self) -> str:
        """The column that the list goes by first, where its empty rows come last; else nothing."""
        first = self.order[0]
        return _column(self.rows.model, first) if first.nulls_last else ""

    def by_emptiness(self) -> Iterator[Listing]:
        """Yield the rows in which the first column of the order is filled, and the others."""
        name, (first, *rest) = self.emptied, self.order
        if not name:
            yield self
            return
        filled, empty = first.copy(), first.copy()
        filled.nulls_last = empty.nulls_last = None  # type: ignore[assignment]  # Django's own word for it
        # All empty ones are alike; the index is read from the end at which the others begin.
        empty.descending = rest[0].descending
        for is_empty, term in ((False, filled), (True, empty)):
            rows = self.rows.filter(**{f"{name}__isnull": is_empty})
            yield replace(self, rows=rows, order=(term, *rest))

    def _columns(self) -> Iterator[tuple[str, Any]]:
        for number, term in enumerate(self.order):
            if not self._is_key(term):
                yield f"page_{number}", term.expression
        yield KEY, F("pk")

    def sorting(self, connection: Any) -> str:
        """Return the order by the names that `keys` gives to what is sorted by."""
        compiler = self.rows.query.get_compiler(connection=connection)
        terms = []
        for number, term in enumerate(self.order):
            named = term.copy()
            named.expression = Named(KEY if self._is_key(term) else f"page_{number}")
            terms.append(compiler.compile(named)[0])
        return f"ORDER BY {', '.join(terms)}"

    def _is_key(self, term: OrderBy) -> bool:
        key = self.rows.model._meta.pk
        return key is not None and _column(self.rows.model, term) == key.name

    def has_branches(self, most: int) -> bool:
        """Tell whether indexes have each owner's rows in this order, and how many that are."""
        if self.allowed is None or self.allowed.branches > most:
            return False
        return all(self._is_indexed(column.target.name) for column, _ in self.allowed.owners)

    def _is_indexed(self, owner: str) -> bool:
        names = [owner, *(_column(self.rows.model, term) for term in self.order)]
        if any(term.nulls_first or term.nulls_last for term in self.order):
            return False
        downwards = [term.descending for term in self.order]
        for index in self.rows.model._meta.indexes:
            fields = index.fields_orders[: len(names)]
            if [name for name, _ in fields] == names:
                turned = {
                    down is (way == "DESC")
                    for down, (_, way) in zip(downwards, fields[1:], strict=True)
                }
                if len(turned) == 1:  # read from either end
                    return True
        return False


def _is_plain(rows: QuerySet[Any]) -> bool:
    query = rows.query
    made = query.is_sliced or query.combinator or query.distinct or query.group_by
    return rows._iterable_class is ModelIterable and not made


def _order(rows: QuerySet[Any]) -> tuple[OrderBy, ...]:
    """Return the terms of an order, the key last; nothing where one of them is no column."""
    query, model = rows.query, rows.model
    terms = query.order_by or (query.default_ordering and model._meta.ordering) or ()
    if not terms or query.extra_order_by or not query.standard_ordering:
        return ()
    order: list[OrderBy] = []
    for term in terms:
        if isinstance(term, str):
            name = term.removeprefix("-")
            if name not in query.annotations and not is_column(model, name):
                return ()
            order.append(F(name).desc() if term != name else F(name).asc())
        else:
            expression: Any = term  # whatever else Django orders by
            order.append(term if isinstance(term, OrderBy) else expression.asc())
    assert model._meta.pk is not None
    if not any(_column(model, term) == model._meta.pk.name for term in order):
        order.append(F("pk").asc())
    return tuple(order)


def _column(model: type[Model], term: OrderBy) -> str:
    """Return the name of the model's own field that a term orders by; empty for anything else."""
    name = term.expression.name if isinstance(term.expression, F) else ""
    return _columns(model).get(name, "")


@cache
def _columns(model: type[Model]) -> dict[str, str]:
    """Return the names by which a model's own columns are ordered by, and those of the fields."""
    assert model._meta.pk is not None
    own = {field.name: field.name for field in model._meta.concrete_fields if not field.is_relation}
    return own | {"pk": model._meta.pk.name}


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
                listed, given = "%s::text[]", [list(keys)]
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
        before = [Inside("(%(inside)s) IS NOT TRUE", each) for each in parts[:number]]
        try:
            sql, own = compiled(listing.keys(part, *before), connection)
        except EmptyResultSet:
            continue
        arms.append(f"({sql} LIMIT {MOST_COUNTED + 1})")
        params += own
    if not arms:
        return 0
    seen = f"SELECT 1 FROM ({' UNION ALL '.join(arms)}) arms LIMIT {MOST_COUNTED + 1}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM ({seen}) seen", params)
        (found,) = cursor.fetchone()
    return int(found)
