"""What a list's rule allows by: an OR over the columns of owners, or the codes of a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from django.db.models import ForeignKey
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, GreaterThanOrEqual, In, IsNull, LessThan
from django.db.models.sql import Query
from django.db.models.sql.where import AND, OR, WhereNode

from accounts.access import Among, Keys
from accounts.paging_sql import NoneOf


@dataclass(frozen=True, slots=True)
class Allowed:
    """An OR among a query's conditions, taken apart: owners by their column, and all the rest."""

    place: int
    whole: Any
    owners: tuple[tuple[Col, tuple[Any, ...]], ...]
    others: tuple[Any, ...]

    @classmethod
    def of(cls, query: Query) -> Allowed | None:
        """Return the OR over the columns of owners; None where nothing is narrowed by them."""
        columns = getattr(query.model, "owner_fields", ())
        columns = getattr(query.model, "log_columns", columns)
        alone = In | Exact if hasattr(query.model, "log_columns") else In
        for place, node in enumerate(query.where.children):
            owners: dict[Col, set[Any]] = {}
            others = []
            if not _is_or(node) and not isinstance(node, alone):
                continue
            for part in _parts(node) if _is_or(node) else (node,):
                column, keys = _owners_in(part)
                if column is not None and column.target.name in columns:
                    owners.setdefault(column, set()).update(keys)
                else:
                    others.append(part)
            if owners:
                found = tuple((column, tuple(sorted(keys))) for column, keys in owners.items())
                return cls(place, node, found, tuple(others))
        return None

    @property
    def branches(self) -> int:
        return sum(len(keys) for _, keys in self.owners) + len(self.others)

    def put(self, query: Query, *instead: Any) -> None:
        """Put conditions in the place of the OR, in a copy of the query it was found in."""
        query.where.children[self.place : self.place + 1] = instead

    def parts(self) -> list[Any]:
        """Return what the OR is made of, one condition for each column."""
        return [*(_among(column, keys) for column, keys in self.owners), *self.others]

    def apart(self) -> Iterator[tuple[Any, list[Any]]]:
        """Yield each part, and conditions that leave out of it what an earlier part has."""
        parts = self.parts()
        for number, part in enumerate(parts):
            yield part, [NoneOf(one) for one in parts[:number] if not is_apart_from(part, one)]


def is_apart_from(part: Any, other: Any) -> bool:
    """Tell whether no row is of both: the one has no owner in the column that the other goes by."""
    if not isinstance(other, In | Exact):
        return False  # it may itself go by there being none
    every = part.children if _is_all_of(part) else [part]
    return any(isinstance(each, IsNull) and each.rhs and each.lhs == other.lhs for each in every)


def indexed_by(part: Any) -> tuple[Col, ...]:
    """Return the first two columns of an index that begins with a part's column; else nothing."""
    every = part.children if _is_all_of(part) else [part]
    for column in (getattr(each, "lhs", None) for each in every):
        if not isinstance(column, Col):
            continue
        for index in column.target.model._meta.indexes:
            first, *others = (name for name, _ in index.fields_orders[:2])
            if first == column.target.name and others:
                second: Any = column.target.model._meta.get_field(others[0])  # an index has columns
                return column, second.get_col(column.alias)
    return ()


def is_bound(part: Any, column: str) -> bool:
    is_one = isinstance(part, LessThan | GreaterThanOrEqual) and isinstance(part.lhs, Col)
    return is_one and part.lhs.target.name == column


def holds_always(node: Any) -> bool:
    """Tell whether a condition is `rule.ALWAYS`, as Django has it in a query."""
    return (
        isinstance(node, WhereNode)
        and node.negated
        and [getattr(part, "rhs", None) for part in node.children] == [[]]
    )


def _is_all_of(part: Any) -> TypeGuard[WhereNode]:
    # What is negated says the opposite of its parts.
    return isinstance(part, WhereNode) and part.connector == AND and not part.negated


def _is_or(node: Any) -> TypeGuard[WhereNode]:
    return isinstance(node, WhereNode) and node.connector == OR and not node.negated


def _parts(node: WhereNode) -> Iterator[Any]:
    for child in node.children:
        if _is_or(child):
            yield from _parts(child)
        else:
            yield child


def _among(column: Col, keys: tuple[Any, ...]) -> In[Any]:
    return Among(column, Keys(keys)) if is_foreign(column) else In(column, list(keys))


def is_foreign(column: Col) -> bool:
    return isinstance(column.target, ForeignKey)


def _owners_in(part: Any) -> tuple[Col | None, tuple[Any, ...]]:
    """Return column and keys of `column = key` and of `column IN (keys)`, or (codes)."""
    if isinstance(column := getattr(part, "lhs", None), Col):
        if isinstance(part, In) and isinstance(part.rhs, Keys):
            return column, part.rhs.keys
        if isinstance(part, In) and isinstance(part.rhs, list) and not is_foreign(column):
            return column, tuple(part.rhs)
        if isinstance(part, Exact) and isinstance(part.rhs, int | str):
            return column, (part.rhs,)
    return None, ()
