"""What a permission set grants, written down by the keys of the catalogue.

    crm.deal.view: team                  none, owned, team or everything
    crm.deal.view.unassigned: true       the box beside owned and team
    crm.deal.add: true
    crm.export: true                     a switch
    crm.workflows: [view, edit]          any of its options
    marketing.social: own                one of its options
    sales.forecast: {view: team+unassigned, edit: owned}

Only what is granted is written; what is left out is none, or off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accounts import catalogue
from accounts.catalogue import BOX, LEVEL_NAMES, LEVELS, TOOLS, Grant, Kind, Tool
from accounts.models import Rank
from accounts.operations import clamped, narrowed, ticked_along
from accounts.places import places
from accounts.policy_file.reading import Plain, Written
from accounts.policy_file.sections import Difference

NOTHING, ON = "none", "on"
Scopes = dict[str, dict[str, int | bool]]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a permission set grants: full rows of scopes by kind of record, and its tools."""

    scopes: Scopes
    tools: frozenset[Grant]

    @property
    def to_store(self) -> dict[str, Any]:
        """What the operations take: rows that grant something, and tools as text."""
        rows = {key: row for key, row in self.scopes.items() if any(row.values())}
        return {"scopes": rows, "tools": sorted(map(str, self.tools))}


def granted(scopes: Mapping[str, Mapping[str, Any]], tools: Iterable[Grant]) -> Granted:
    """Return what is granted of what a set stores.

    What the catalogue does not have any more grants nothing.
    """
    known = (grant for grant in tools if catalogue.is_known(grant.key, grant.option))
    rows = {kind.key: clamped(scopes.get(kind.key, {})) for kind in catalogue.objects()}
    return Granted(rows, catalogue.completed(known))


# --- Writing --------------------------------------------------------------------------------------


def written(held: Granted) -> dict[str, Plain]:
    """Return what is granted, in the order of the editor."""
    found: dict[str, Plain] = {}
    for kind in catalogue.objects():
        row = held.scopes[kind.key]
        for action in kind.actions:
            key = f"crm.{kind.key}.{action}"
            if action == "add":
                found |= {key: True} if row["add"] else {}
            elif row[action]:
                found[key] = LEVEL_NAMES[int(row[action])]
                found |= {key + catalogue.UNASSIGNED: True} if row[f"{action}_unassigned"] else {}
    for tool in TOOLS.values():
        grants = [grant for grant in held.tools if grant.key == tool.key]
        if grants:
            found[tool.key] = _tool_written(tool, {grant.option: grant for grant in grants})
    return found


def _tool_written(tool: Tool, by_option: Mapping[str, Grant]) -> Plain:
    options = [option.key for option in tool.options if option.key in by_option]
    if tool.kind is Kind.SWITCH:
        return True
    if tool.kind is Kind.CHOICE:
        return options[0]
    if tool.kind is Kind.BOXES:
        return list(options)
    return {
        option: _level(by_option[option].rank, by_option[option].unassigned) for option in options
    }


def _level(rank: int, box: bool) -> str:
    return f"{LEVEL_NAMES[rank]}{BOX if box else ''}" if rank else NOTHING


# --- Reading --------------------------------------------------------------------------------------


def read(given: Written | None) -> Granted:
    """Return what is written as granted; raise for what the catalogue does not have.

    Raises too where storing it would come to something else: where a scope reaches further than
    what caps it, or an option comes with another one. A file says exactly what holds.
    """
    asked: Scopes = {}
    tools: list[str] = []
    if given is None:
        return granted(asked, ())
    scope_keys = dict(_scope_keys())
    known = [*scope_keys, *TOOLS]
    for key, value in given.mapping(known, "permission").items():
        if key in scope_keys:
            kind, column = scope_keys[key]
            asked.setdefault(kind, {})[column] = _scope_read(value, column)
        else:
            tools += _tool_read(TOOLS[key], value)
    _check_scopes(given, asked)
    if along := ticked_along(tools):
        raise given.refused(f"what is left out would come along. Write it out: {'; '.join(along)}.")
    return granted(asked, map(catalogue.parse, tools))


def _scope_keys() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each key of a scope with its kind of record and its column."""
    for key, place in places().items():
        if place.object:
            yield key, (place.object, place.column)


def _scope_read(value: Written, column: str) -> int | bool:
    if column == "add" or column.endswith("_unassigned"):
        return value.flag()
    level = value.one_of([NOTHING, *LEVELS], "level")
    return LEVELS.get(level, Rank.NONE.value)


def _tool_read(tool: Tool, value: Written) -> Iterator[str]:
    """Yield what is given of a tool, each as `catalogue.parse` reads it."""
    options = [option.key for option in tool.options if not option.derived]
    noun = f"option of {tool.label}"
    if tool.kind is Kind.SWITCH:
        yield from [tool.key] if value.flag() else []
    elif tool.kind is Kind.CHOICE:
        yield f"{tool.key}:{value.one_of(options, noun)}"
    elif tool.kind is Kind.BOXES:
        yield from (f"{tool.key}:{each.one_of(options, noun)}" for each in value.texts())
    elif tool.kind is Kind.SCOPE:
        levels = [_level(rank, box) for rank in LEVEL_NAMES for box in (False, True)]
        levels.remove(f"everything{BOX}")
        for option, level in value.mapping(options, noun).items():
            text = level.one_of([NOTHING, *levels], "level")
            yield from [] if text == NOTHING else [f"{tool.key}:{option}={text}"]
    else:
        raise value.refused("this cannot be given itself, it follows from others. Leave it out.")


def _check_scopes(given: Written, asked: Scopes) -> None:
    nothing = clamped({})
    for key, row in asked.items():
        if clamped(row) == {**nothing, **row}:
            continue
        why = narrowed({key: row}) or [f"{key}: Everything covers unassigned ones without the box"]
        raise given.refused(
            f"nothing reaches further than what caps it. This would be stored: {'; '.join(why)}. "
            "Write what is meant."
        )


# --- Comparing ------------------------------------------------------------------------------------


def differences(before: Granted, after: Granted) -> list[Difference]:
    """Return what is granted otherwise, line by line, in the order of the editor."""
    was, becomes = _lines(before), _lines(after)
    order = [*(key for key, _ in _scope_keys()), *_tool_names()]
    return [
        Difference(
            key,
            catalogue.name_of(key),
            _in_words(key, was.get(key, "")),
            _in_words(key, becomes.get(key, "")),
        )
        for key in order
        if was.get(key) != becomes.get(key)
    ]


def gives_guarded(before: Granted, after: Granted) -> bool:
    """Tell whether a change gives a tool that decides about consent."""
    return any(grant.key in catalogue.GUARDED for grant in after.tools - before.tools)


def _lines(held: Granted) -> dict[str, str]:
    """Return a line for each scope, its box included, and for each option of a tool."""
    lines = {}
    for kind, row in held.scopes.items():
        for action in catalogue.ACTIONS:
            if value := row[action]:
                box = bool(row.get(f"{action}_unassigned", False))
                level = ON if action == "add" else _level(int(value), box)
                lines[f"crm.{kind}.{action}"] = level
    return lines | {g.name: _level(g.rank, g.unassigned) if g.rank else ON for g in held.tools}


def _tool_names() -> Iterator[str]:
    for tool in TOOLS.values():
        yield from catalogue.keys_to_give(tool)


def _in_words(key: str, line: str) -> str:
    """Return a line of what is granted as people read it; an empty one is nothing."""
    if not _has_levels(key):
        return "on" if line else "off"
    level, box, _ = line.partition(BOX)
    label = Rank(LEVELS.get(level, Rank.NONE)).label
    return f"{label}, with unassigned ones" if box else label


def _has_levels(key: str) -> bool:
    name, option, _ = key.partition(":")
    if option:
        return TOOLS[name].kind is Kind.SCOPE
    return name not in TOOLS and not name.endswith(".add")
