"""What a list asks: its rows, the terms of its order, and what its rule allows them by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import CharField, F, Model, QuerySet, TextField
from django.db.models.expressions import OrderBy
from django.db.models.lookups import IsNull
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from accounts.allowed_by import Allowed, holds_always, is_bound
from accounts.ordering import is_column
from accounts.paging_sql import Named, asked_of_each_row

KEY = "page_key"
MOST_BRANCHES = 256
"""So many owners at most, one for each column, are looked at one by one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list's rows, its order in terms that stand alone, and what its rule allows them by."""

    rows: QuerySet[Any]
    order: tuple[OrderBy, ...]
    allowed: Allowed | None

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Listing | None:
        """Return what a list asks; None where it is more than rows of a table in an order."""
        order = _order(rows) if is_plain(rows) else ()
        return cls(rows, order, Allowed.of(rows.query)) if order else None

    @property
    def is_narrowed(self) -> bool:
        """Tell whether there is more to it than that what is in the bin stays out."""
        return len(self.rows.query.where.children) > 1

    @property
    def is_rule_alone(self) -> bool:
        """Tell whether the rule alone narrows the list, beside columns that have to be empty."""
        whole = self.allowed and self.allowed.whole
        return all(
            isinstance(each, IsNull) and each.rhs for each in self.asked if each is not whole
        )

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
        """Return `keys` so that no index is looked for but that of the order."""
        allowed = self.allowed
        if allowed is None:
            return self.keys()
        is_sqlite = connections[self.rows.db].vendor == "sqlite"
        if not is_sqlite and allowed.branches <= MOST_BRANCHES:
            return self.keys()
        # PostgreSQL weighs every owner of a list: for a thousand, longer than the walk takes.
        return self.keys(asked_of_each_row(allowed.whole))

    @property
    def asked(self) -> list[Any]:
        """The conditions of a list; not the one that holds for every row, as for super admins."""
        return [each for each in self.rows.query.where.children if not holds_always(each)]

    @property
    def is_log(self) -> bool:
        return hasattr(self.rows.model, "log_columns")

    @property
    def comes_in_bursts(self) -> bool:
        """Tell whether a log is asked for some of its values alone: they may all lie far back."""
        columns = getattr(self.rows.model, "log_columns", ())
        others = getattr(self.rows.model, "log_conditions", 0)
        return bool(
            self.allowed
            and len(self.asked) == others + 1
            and all(column.target.name in columns for column, _ in self.allowed.owners)
        )

    @property
    def is_span(self) -> bool:
        """Tell whether a list is asked for a part of its order alone: an index has it as it is."""
        column = _column(self.rows.model, self.order[0])
        return bool(self.asked) and all(is_bound(each, column) for each in self.asked)

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

    @property
    def goes_by_text(self) -> bool:
        """Tell whether texts decide the order: SQLite has each pair compared by Python."""
        model = self.rows.model
        names = filter(None, (_column(model, term) for term in self.order))
        return any(isinstance(model._meta.get_field(n), CharField | TextField) for n in names)

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


def is_plain(rows: QuerySet[Any]) -> bool:
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
