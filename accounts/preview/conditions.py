"""Conditions on rows as values: equal ones compare as equal, so that each is counted once.

Rules give `Q`s, and two people of one team get two that say the same. Here a `Q` becomes a value in
one form, whatever the order of its parts. Nothing here knows a rule, or decides anything: a
condition holds for exactly the rows for which its `Q` does.

A comparison with NULL counts as false, as Django makes it below a NOT and `counting` does: there
are two truth values, and every rewriting here is one of their logic. Parts are merged, dropped
where another part says as much, and taken out of brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.db.models import Q, QuerySet

from accounts.access import Among, Keys
from accounts.prepared import Filled

MOST_COMPARED = 20
"""Among so many parts at most it is looked whether one says as much as another: all with all."""


@dataclass(frozen=True, slots=True)
class In:
    """A column of the row has one of these keys."""

    column: str
    keys: frozenset[int]


@dataclass(frozen=True, slots=True)
class InRows:
    """A column of the row is among what another query finds; equal where the SQL is."""

    column: str
    sql: str
    params: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """Any other part of a `Q`: a lookup, or an expression."""

    part: Any


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that cannot be compared: it equals itself alone."""

    part: Any = field(compare=False)
    identity: int


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: frozenset[Condition]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: frozenset[Condition]


Condition = In | InRows | Holds | Opaque | Not | All | AnyOf
TRUE, FALSE = All(frozenset()), AnyOf(frozenset())


# --- From Django ----------------------------------------------------------------------------------


def of(when: Any) -> Condition:
    """Return a `Q`, or a part of one, as a condition."""
    if isinstance(when, tuple):
        return _lookup(*when)
    if not isinstance(when, Q):
        return Opaque(when, id(when))
    if when.connector == Q.XOR:
        return Opaque(when, id(when))
    join = any_of if when.connector == Q.OR else all_of
    found = join(of(child) for child in when.children)
    return negated(found) if when.negated else found


def _lookup(name: str, value: Any) -> Condition:
    column, _, lookup = name.partition("__")
    if isinstance(value, int) and not isinstance(value, bool) and not lookup:
        return In(column, frozenset((value,)))
    if lookup in ("in", Among.lookup_name):
        if isinstance(value, Keys):
            return _among(column, frozenset(value.keys))
        if isinstance(value, QuerySet | Filled):
            return _in_rows(column, value)
        if isinstance(value, list | tuple) and all(isinstance(each, int) for each in value):
            return _among(column, frozenset(value))
    try:
        hash(value)
    except TypeError:
        return Opaque((name, value), id(value))
    return Holds((name, value))


def _among(column: str, keys: frozenset[int]) -> Condition:
    return In(column, keys) if keys else FALSE


def _in_rows(column: str, rows: QuerySet[Any] | Filled) -> Condition:
    try:
        if isinstance(rows, Filled):
            return InRows(column, *rows.statement())
        sql, params = rows.query.sql_with_params()
    except ValueError:  # it looks at the row outside
        return Opaque((f"{column}__in", rows), id(rows))
    return InRows(column, sql, tuple(params))


def order(condition: Condition) -> tuple[Any, ...]:
    """Return what parts are sorted by: the same every time, and what is cheap to ask first."""
    match condition:
        case In(column, keys):
            return (1, column, len(keys), min(keys))
        case InRows(column, sql, params):
            return (2, column, len(sql), repr(params))
        case Holds(part):
            return (0, repr(part), 0, "")
        case Not(part):
            return (3, *map(str, order(part)))
    if isinstance(condition, Opaque):
        return (4, "", 0, "")
    return (5, "", len(condition.parts), str(sorted(map(order, condition.parts), key=str)))


# --- Put together ---------------------------------------------------------------------------------


def negated(condition: Condition) -> Condition:
    """Return the condition that holds where this one does not."""
    if isinstance(condition, Not):
        return condition.part
    if condition == TRUE:
        return FALSE
    return TRUE if condition == FALSE else Not(condition)


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that holds where all of these do."""
    parts = set(_flat(conditions, All))
    if FALSE in parts:
        return FALSE
    return _one_or(All, _without(parts, lambda part, other: implies(other, part)))


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that holds where at least one of these does."""
    keys: dict[str, frozenset[int]] = {}
    parts: set[Condition] = set()
    for each in _flat(conditions, AnyOf):
        if isinstance(each, In):
            keys[each.column] = keys.get(each.column, frozenset()) | each.keys
        else:
            parts.add(each)
    parts |= {In(column, found) for column, found in keys.items()}
    if TRUE in parts:
        return TRUE
    parts = _without(parts, implies)
    common = frozenset[Condition].intersection(*map(_factors, parts)) if len(parts) > 1 else None
    if not common:
        return _one_or(AnyOf, parts)
    # Out of the brackets: what is left may be merged, keys of many people into one list.
    left = any_of(all_of(_factors(part) - common) for part in parts)
    return all_of((*common, left))


def _flat(conditions: Iterable[Condition], join: type[All] | type[AnyOf]) -> Iterable[Condition]:
    for each in conditions:
        if isinstance(each, join):
            yield from each.parts
        else:
            yield each


def _factors(condition: Condition) -> frozenset[Condition]:
    return condition.parts if isinstance(condition, All) else frozenset((condition,))


def _one_or(join: type[All] | type[AnyOf], parts: set[Condition]) -> Condition:
    return next(iter(parts)) if len(parts) == 1 else join(frozenset(parts))


def _without(
    parts: set[Condition], superfluous: Callable[[Condition, Condition], bool]
) -> set[Condition]:
    """Return the parts but for those that another one makes superfluous."""
    if len(parts) > MOST_COMPARED:
        return parts
    kept = sorted(parts, key=order)
    for part in list(kept):
        if any(superfluous(part, other) for other in kept if other is not part):
            kept.remove(part)
    return set(kept)


def implies(first: Condition, second: Condition) -> bool:
    """Tell whether the second surely holds wherever the first does; False where it is not known."""
    if first == second:
        return True
    match first, second:
        case AnyOf(parts), _:
            return all(implies(part, second) for part in parts)
        case _, All(parts):
            return all(implies(first, part) for part in parts)
        case In(column, keys), In(other, wider) if column == other:
            return keys <= wider
        case Not(part), Not(other_part):
            return implies(other_part, part)
    if isinstance(first, All) and any(implies(part, second) for part in first.parts):
        return True
    return isinstance(second, AnyOf) and any(implies(first, part) for part in second.parts)


@lru_cache(maxsize=1_000)
def without(first: Condition, second: Condition) -> Condition:
    """Return the condition that holds where the first does and the second does not.

    What lies in both is taken out of the first: of two long lists of keys the few are left that
    only the first has, for which an index finds the rows.
    """
    missing = [part for part in _factors(second) if not implies(first, part)]
    return any_of(
        all_of((*(_reduced(part, by) for part in _factors(first)), negated(by))) for by in missing
    )


def _reduced(condition: Condition, by: Condition) -> Condition:
    """Return what is to be asked of a row for which `by` does not hold."""
    if isinstance(condition, AnyOf):
        return any_of(_reduced(part, by) for part in condition.parts)
    if implies(condition, by):
        return FALSE
    if isinstance(condition, In):
        keys = condition.keys
        for other in by.parts if isinstance(by, AnyOf) else (by,):
            if isinstance(other, In) and other.column == condition.column:
                keys -= other.keys
        return _among(condition.column, keys)
    return condition


def found_within(condition: Condition, wider: Condition) -> Condition:
    """Return the condition with a wider one beside it, which says nothing new."""
    if FALSE in (condition, wider):
        return FALSE
    return _one_or(All, {*_factors(condition), *_factors(wider)})


def split(condition: Condition) -> tuple[Condition, Condition]:
    """Return the parts that say what holds, and those that say what does not; both must hold."""
    parts = _factors(condition)
    denying = {part for part in parts if isinstance(part, Not)}
    return all_of(parts - denying), all_of(denying)


def each_part(condition: Condition) -> Iterable[Condition]:
    """Yield the condition and everything it is made of."""
    yield condition
    if isinstance(condition, Not):
        yield from each_part(condition.part)
    elif isinstance(condition, All | AnyOf):
        for part in condition.parts:
            yield from each_part(part)


def replaced(condition: Condition, by: Callable[[Condition], Condition | None]) -> Condition:
    """Return the condition with every part for which `by` knows another one put in its place.

    Nothing is compared anew: what is replaced alike stays alike.
    """
    other = by(condition)
    if other is not None:
        return other
    if isinstance(condition, Not):
        return negated(replaced(condition.part, by))
    if not isinstance(condition, All | AnyOf):
        return condition
    join, nothing = (All, FALSE) if isinstance(condition, All) else (AnyOf, TRUE)
    parts = set(_flat((replaced(part, by) for part in condition.parts), join))
    return nothing if nothing in parts else _one_or(join, parts)
