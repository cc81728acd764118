"""What a permission set can be given: keys, options and levels, checked against the declaration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from django.utils.translation import gettext

from accounts.catalogue import kinds
from accounts.catalogue.account import ACCOUNT
from accounts.catalogue.crm import CRM
from accounts.catalogue.marketing import MARKETING
from accounts.catalogue.partner import PARTNER
from accounts.catalogue.reports import REPORTS
from accounts.catalogue.sales import SALES
from accounts.catalogue.types import EVERYTHING, LEVELS, Kind, Option, Tool

TOOLS: Mapping[str, Tool] = MappingProxyType(
    {tool.key: tool for tab in (CRM, MARKETING, SALES, REPORTS, ACCOUNT, PARTNER) for tool in tab}
)
"""Every tool by its key, in the order of the editor."""

GUARDED = tuple(key for key, tool in TOOLS.items() if tool.guarded)
NAMESPACES = frozenset(key.partition(".")[0] for key in TOOLS)
"""What keys of the catalogue begin with; no app of the product has such a name."""

BOX = "+unassigned"
UNASSIGNED = ".unassigned"
"""Behind the key of a level: the box beside it, where both are said apart."""
LONGEST_SAID = 100
"""How much of a key that does not exist is said again."""
LEVEL_NAMES = {number: name for name, number in LEVELS.items()}
_GRANT = re.compile(r"([^:=+]+)(?::([^:=+]+))?(?:=([^:=+]+?)(\+unassigned)?)?")


class UnknownPermission(ValueError):
    """A key or an option that the catalogue does not have; the message names the nearest ones."""

    def __init__(self, asked: str, hint: str = "") -> None:
        if hint:
            super().__init__(hint)
            return
        asked = asked[:LONGEST_SAID]
        near = difflib.get_close_matches(asked, list(known_keys()), n=3, cutoff=0.5)
        text = gettext("There is no permission “%(asked)s”.")
        if near:
            text = gettext("There is no permission “%(asked)s”. Did you mean %(near)s?")
        super().__init__(text % {"asked": asked, "near": gettext(" or ").join(near)})


class Contradiction(ValueError):
    """Two grants that cannot stand beside each other."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One row that a permission set holds: a tool, an option of it, or a level of an option.

    Written `crm.export`, `crm.workflows:edit`, `sales.forecast:view=team+unassigned`.
    """

    key: str
    option: str = ""
    rank: int = 0
    """The level of a scope tool's option; 0 for everything else."""
    unassigned: bool = False

    @property
    def name(self) -> str:
        """The key, and the option where there is one."""
        return f"{self.key}:{self.option}" if self.option else self.key

    def __str__(self) -> str:
        level = f"={LEVEL_NAMES[self.rank]}" if self.rank else ""
        return f"{self.name}{level}{BOX if self.unassigned else ''}"


def keys_to_give(tool: Tool) -> Iterator[str]:
    """Yield the keys under which a tool is stored, without levels."""
    if tool.kind is Kind.SWITCH:
        yield tool.key
    elif tool.kind is not Kind.DERIVED:
        yield from (f"{tool.key}:{option.key}" for option in tool.options if not option.derived)


def known_keys() -> Iterator[str]:
    """Yield every key that can be asked: of tools, of their options, and of scopes."""
    for tool in TOOLS.values():
        yield tool.key
        yield from (f"{tool.key}:{option.key}" for option in tool.options)
    for kind in kinds.objects():
        yield from (f"crm.{kind.key}.{action}" for action in kind.actions)


def names_to_give() -> Iterator[str]:
    """Yield every permission that a set can be given, without levels: what can be new (Q25)."""
    for kind in kinds.objects():
        yield from (f"crm.{kind.key}.{action}" for action in kind.actions)
    for tool in TOOLS.values():
        yield from keys_to_give(tool)


def find(asked: str) -> tuple[Tool, Option | None]:
    """Return the tool and the option that a key names; raise `UnknownPermission` if there is none.

    A key without an option names all options of a tool: whoever holds any of them.
    """
    key, colon, name = asked.partition(":")
    tool = TOOLS.get(key)
    option = tool.option(name) if tool else None
    if tool is None or bool(colon) != (option is not None):
        raise UnknownPermission(asked)
    return tool, option


def parse(text: str) -> Grant:
    """Return the grant that is written so; raise `UnknownPermission` where nothing can be given so.

    What follows from others, and a tool that has options without one of them, is no grant.
    """
    parts = _GRANT.fullmatch(text)
    if parts is None:
        raise UnknownPermission(text)
    key, option, level, box = parts.groups(default="")
    grant = Grant(key, option, LEVELS.get(level, 0), bool(box))
    tool, _ = find(grant.name)
    scoped = tool.kind is Kind.SCOPE
    if grant.name not in keys_to_give(tool):
        hint = gettext("“%(name)s” cannot be given itself; give what it follows from.")
        if given := ", ".join(keys_to_give(tool)):
            hint = gettext("“%(name)s” cannot be given itself; give %(given)s.")
        raise UnknownPermission(text, hint % {"name": grant.name, "given": given})
    if bool(level) != scoped or bool(grant.rank) != scoped or (box and grant.rank == EVERYTHING):
        levels = ", ".join(f"={each}" for each in LEVELS)
        hint = gettext("“%(name)s” takes no level.")
        if scoped:
            hint = gettext(
                "“%(name)s” takes one of %(levels)s, the narrower two with or without %(box)s."
            )
        raise UnknownPermission(text, hint % {"name": grant.name, "levels": levels, "box": BOX})
    return grant


def is_known(key: str, option: str) -> bool:
    """Tell whether a stored row is of a permission that this version has."""
    tool = TOOLS.get(key)
    return tool is not None and (f"{key}:{option}" if option else key) in keys_to_give(tool)


def completed(grants: Iterable[Grant]) -> frozenset[Grant]:
    """Return what is stored for these: with lower boxes, and levels within what caps them (Q38).

    Raise `Contradiction` where one option of a choice, or one level, is given twice.
    """
    by_name: dict[str, Grant] = {}
    chosen: dict[str, str] = {}
    for grant in sorted(set(grants)):
        tool = TOOLS[grant.key]
        twice = grant.name in by_name
        if tool.kind is Kind.CHOICE:
            twice = chosen.setdefault(grant.key, grant.option) != grant.option
        if twice:
            said = gettext("Choose one for %(permission)s, not two.")
            raise Contradiction(said % {"permission": tool.label})
        by_name[grant.name] = grant
    for grant in list(by_name.values()):
        tool = TOOLS[grant.key]
        option = tool.option(grant.option)
        if option is None:
            continue
        if tool.kind is Kind.BOXES:
            for lower in option.implies:
                by_name.setdefault(f"{tool.key}:{lower}", Grant(tool.key, lower))
        elif option.within:
            cap = by_name.get(f"{tool.key}:{option.within}")
            if (narrowed := _narrowed(grant, cap)) is None:
                del by_name[grant.name]
            else:
                by_name[grant.name] = narrowed
    return frozenset(by_name.values())


def _narrowed(grant: Grant, cap: Grant | None) -> Grant | None:
    """Return the grant within what caps it, or None where nothing is left of it (R20)."""
    if cap is None:
        return None
    rank = min(grant.rank, cap.rank)
    box = grant.unassigned and (cap.unassigned or cap.rank == EVERYTHING) and rank < EVERYTHING
    return replace(grant, rank=rank, unassigned=box)
