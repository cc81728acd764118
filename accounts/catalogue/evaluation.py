"""What is effective: each key becomes one condition over what a permission set stores (R40, R41).

The condition is asked of a person like a rule (access.py): a loaded one answers at once, anyone in
a query over people answers in SQL. There is no second evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce
from operator import and_, or_
from typing import Protocol

from django.db.models import Q

from accounts.catalogue.grants import TOOLS, find
from accounts.catalogue.partner import PARENT as PARTNER_TOOLS
from accounts.catalogue.sales import SEAT
from accounts.catalogue.types import EVERYTHING, OWNED, Kind, Option, Tool


class Asked(Protocol):
    """Whom a condition is asked about; `accounts.asker.Asker` is one."""

    def is_superuser(self) -> Q: ...

    def is_partner_admin(self) -> Q: ...

    def at_least(self, object_key: str, action: str, rank: int) -> Q: ...

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q: ...

    def given_box(self, key: str, option: str) -> Q: ...


# --- Conditions -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SuperAdmin:
    """The person is a super admin."""

    def asked_of(self, person: Asked) -> Q:
        return person.is_superuser()


@dataclass(frozen=True, slots=True)
class PartnerAdmin:
    """The person is a partner admin."""

    def asked_of(self, person: Asked) -> Q:
        return person.is_partner_admin()


@dataclass(frozen=True, slots=True)
class Given:
    """The person's set stores one of these options, at this level or a wider one."""

    key: str
    options: tuple[str, ...] = ("",)
    rank: int = 0

    def asked_of(self, person: Asked) -> Q:
        return person.given(self.key, self.options, self.rank)


@dataclass(frozen=True, slots=True)
class GivenBox:
    """The person's set stores this option with its box Unassigned ticked."""

    key: str
    option: str

    def asked_of(self, person: Asked) -> Q:
        return person.given_box(self.key, self.option)


@dataclass(frozen=True, slots=True)
class Scope:
    """The person's scope for this action on this kind of record is more than None.

    Partner admins reach every record without one (R101).
    """

    object: str
    action: str

    def asked_of(self, person: Asked) -> Q:
        return person.at_least(self.object, self.action, OWNED) | person.is_partner_admin()


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold."""

    parts: tuple[Condition, ...]

    def asked_of(self, person: Asked) -> Q:
        return reduce(and_, (part.asked_of(person) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Some:
    """One of them holds."""

    parts: tuple[Condition, ...]

    def asked_of(self, person: Asked) -> Q:
        return reduce(or_, (part.asked_of(person) for part in self.parts))


Condition = SuperAdmin | PartnerAdmin | Given | GivenBox | Scope | Every | Some


def _every(parts: Iterable[Condition]) -> Condition:
    return _joined(Every, parts)


def _some(parts: Iterable[Condition]) -> Condition:
    return _joined(Some, parts)


def _joined(how: type[Every] | type[Some], parts: Iterable[Condition]) -> Condition:
    """Return the parts as one condition, without repetitions: each costs a query within a query."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, how) else (part,)
    different = tuple(dict.fromkeys(flat))
    return different[0] if len(different) == 1 else how(different)


# --- From the declaration to conditions -----------------------------------------------------------


@cache
def effective(asked: str, rank: int = 0) -> Condition:
    """Return the condition under which somebody has this key; super admins have every one (R90).

    `rank` asks a scope tool's option for that level or a wider one. Partner admins have the partner
    tools, and what needs a seat without having one (R101, Q33); every other tool as anybody has it.
    To be an employee of the partner is no right, and neither is to have a seat.
    """
    given = given_or_super(asked, rank)
    return _some((PartnerAdmin(), given)) if of_partner_admins(find(asked)[0]) else given


def of_partner_admins(tool: Tool) -> bool:
    """Tell whether partner admins have a tool by that status alone (R101)."""
    # Goals are given to whoever has a seat, and to nobody else.
    of_seat = tool.parent == SEAT and tool.kind is not Kind.DERIVED
    return of_seat or PARTNER_TOOLS in (tool.key, tool.parent)


@cache
def given_or_super(asked: str, rank: int = 0) -> Condition:
    """Return the condition without what comes with being a partner admin.

    What needs a seat is had only with the switch *Sales seat* in the person's permission set, by
    super admins too (Q33).
    """
    tool, option = find(asked)
    by_grants = _by_grants(tool, option, rank)
    if tool.key == SEAT:
        return by_grants  # to have a seat is no right
    if tool.parent == SEAT:
        return _some((_every((SuperAdmin(), Given(SEAT))), by_grants))
    return _some((SuperAdmin(), by_grants))


@cache
def effective_box(asked: str) -> Condition:
    """Return the condition under which a scope tool's box Unassigned counts for this option."""
    tool, option = find(asked)
    if tool.kind is not Kind.SCOPE or option is None:
        raise ValueError(f"“{asked}” has no box Unassigned.")
    parts: list[Condition] = [GivenBox(tool.key, option.key), *_conditions(tool)]
    if option.within:
        cap = option.within
        parts.append(_some((GivenBox(tool.key, cap), Given(tool.key, (cap,), EVERYTHING))))
    return _every(parts)


def _by_grants(tool: Tool, option: Option | None, rank: int = 0) -> Condition:
    """Return the condition without the privilege of super admins."""
    options: list[Option | None] = [option]
    if option is None and tool.kind in (Kind.SCOPE, Kind.DERIVED):
        # What stays within another option is had only with that one.
        options = [each for each in tool.options if not each.within]
    ways = (_either_way(tool, each, rank) for each in options)
    # Who may do all of a tab needs nothing that is set on it.
    overriding = (other for other in TOOLS.values() if other.overrides == tool.tab)
    return _some((*ways, *(_by_grants(other, None) for other in overriding)))


def _either_way(tool: Tool, option: Option | None, rank: int) -> Condition:
    """Return: given itself, or come with something else, and all that it needs is there."""
    needed = [*_conditions(tool), *map(_one_of, option.requires if option else ())]
    if option and option.derived:
        # An option that follows from others belongs to its tool, where that can be given.
        own = () if tool.kind is Kind.DERIVED else (_by_grants(tool, None),)
        return _every((*own, *needed))
    ways: list[Condition] = []
    if tool.kind is not Kind.DERIVED:
        ways.append(_stored(tool, option, rank))
    higher = tool.higher(option.key) if option else _options_to_give(tool)
    names = {tool.key, *(f"{tool.key}:{each}" for each in higher)}
    givers = (other for other in TOOLS.values() if names.intersection(other.implies))
    ways += [_by_grants(other, None) for other in givers]
    return _every((_some(ways), *needed))


def _conditions(tool: Tool) -> list[Condition]:
    """Return what a tool needs besides, whatever is stored for it."""
    others = [other for other in (tool.parent, tool.inert_without) if other]
    return [
        *(_by_grants(TOOLS[other], None) for other in others),
        *map(_one_of, tool.requires),
    ]


def _stored(tool: Tool, option: Option | None, rank: int) -> Condition:
    if tool.kind is Kind.SWITCH:
        return Given(tool.key)
    if option is None:
        return Given(tool.key, _options_to_give(tool))
    if tool.kind is not Kind.SCOPE:
        return Given(tool.key, tool.higher(option.key))
    at_least = max(rank, OWNED)
    own = Given(tool.key, (option.key,), at_least)
    if not option.within:
        return own
    return _every((own, Given(tool.key, (option.within,), at_least)))


def _options_to_give(tool: Tool) -> tuple[str, ...]:
    return tuple(option.key for option in tool.options if not option.derived)


def _one_of(keys: tuple[str, ...]) -> Condition:
    return _some(_required(key) for key in keys)


def _required(key: str) -> Condition:
    if key.count(".") == 2:
        _, kind, action = key.split(".")
        return Scope(kind, action)
    return _by_grants(*find(key))
