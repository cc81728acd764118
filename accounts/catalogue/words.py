"""The catalogue in words: what depends on what, as sentences for the editor and the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from accounts.catalogue import kinds
from accounts.catalogue.grants import TOOLS, find
from accounts.catalogue.sales import SEAT
from accounts.catalogue.types import TABS, Kind, Option, Tool

KIND_LABELS = {
    Kind.SWITCH: "on or off",
    Kind.BOXES: "several boxes",
    Kind.CHOICE: "one of these, or none",
    Kind.SCOPE: "a level each",
    Kind.DERIVED: "no switch of its own",
}
INBOX = "Who reads the conversations inbox is set on each inbox, not here."
"""The one line about what is no permission (R9)."""


def name_of(key: str) -> str:
    """Return how a key is read: “Blog: Edit”, or “Delete of contacts” for a scope."""
    if key.count(".") == 2:
        _, object_key, action = key.split(".")
        kind = kinds.object_kind(object_key)
        return f"{kinds.ACTION_LABELS[action]} of {kind.plural.lower() if kind else object_key}"
    tool, option = find(key)
    return f"{tool.label}: {option.label}" if option else tool.label


def listed(names: Iterable[str], last: str = "and") -> str:
    """Return names as a list in a sentence: “A, B and C”."""
    *first, final = names
    return f"{', '.join(first)} {last} {final}" if first else final


def sentences(tool: Tool) -> list[str]:
    """Return what a tool depends on and brings along (R41), a sentence each."""
    parent = [f"Has no effect until {name_of(tool.parent)} is on."] if tool.parent else []
    return [*parent, *beside_the_switch(tool), *_ladder(tool)]


def beside_the_switch(tool: Tool) -> list[str]:
    """Return what the editor says: not what it shows anyway, by its order and by ticking along."""
    return [*_needs(tool), *_brings(tool), *_derived(tool)]


def _needs(tool: Tool) -> Iterator[str]:
    if tool.parent == SEAT:
        yield "Super admins have it only with a seat, too; partner admins without one."
    if tool.inert_without:
        yield f"Has no effect without {name_of(tool.inert_without)}."
    for group in tool.requires:
        yield f"Needs {listed(map(name_of, group), 'or')} besides."
    if tool.rows_within:
        action = kinds.ACTION_LABELS[tool.rows_within].lower()
        yield f"Reaches only records that the person may {action}."
    if tool.granting_requires:
        yield f"Only who has {name_of(tool.granting_requires)} gives or takes it."


def _brings(tool: Tool) -> Iterator[str]:
    if tool.implies:
        yield f"Brings {listed(map(name_of, tool.implies))} along."
    if tool.overrides:
        yield f"Brings everything on the tab {tool.overrides}, whatever is set there."
    if tool.presets:
        names = listed(map(name_of, tool.presets))
        yield f"Switching it on here ticks {names}; each can be taken off again."


def _ladder(tool: Tool) -> Iterator[str]:
    for option in tool.options:
        if option.implies:
            lower = listed(_label(tool, key) for key in reversed(option.implies))
            yield f"{option.label} brings {lower} along."


def _derived(tool: Tool) -> Iterator[str]:
    for option in tool.options:
        if option.within:
            yield f"{option.label} stays within {_label(tool, option.within)}."
        if option.derived:
            groups = [listed(map(name_of, group), "or") for group in option.requires]
            if tool.kind is not Kind.DERIVED and len(groups) == 1:
                groups.insert(0, tool.label)
            yield f"{option.label} follows from {', together with '.join(groups)}."
    if tool.kind is Kind.DERIVED:
        keys = {f"{tool.key}:{option.key}" for option in tool.options}
        givers = [other.label for other in TOOLS.values() if keys.intersection(other.implies)]
        if givers:
            yield f"Comes with {listed(givers, 'or')}."


def _label(tool: Tool, option_key: str) -> str:
    option = tool.option(option_key)
    return option.label if option else option_key


# --- For the reference ----------------------------------------------------------------------------


def reference() -> dict[str, Any]:
    """Return the whole catalogue as plain values, in the order of the editor.

    `tabs`: each with its rows in order. The scopes of records come first, on the tab CRM: a row for
    each action, with the kinds of record that have it.
    """
    return {
        "note": INBOX,
        "tabs": [{"tab": tab, "rows": list(_rows(tab))} for tab in TABS],
    }


def _rows(tab: str) -> Iterator[dict[str, Any]]:
    if tab == "CRM":
        for action in kinds.ACTIONS:
            yield _scope_row(action)
    for tool in TOOLS.values():
        if tool.tab == tab:
            yield _tool_row(tool)


def _scope_row(action: str) -> dict[str, Any]:
    objects = [kind.key for kind in kinds.objects() if action in kind.actions]
    levels = ["None", "Owned only", "Team only", "Everything"]
    dependencies = []
    if action in kinds.CAPPED_BY:
        cap = kinds.ACTION_LABELS[kinds.CAPPED_BY[action]]
        dependencies = [f"Stays within {cap}, the box Unassigned included."]
    if action == "add":
        dependencies = ["Has no effect where View is None."]
    return {
        "id": kinds.ACTION_IDS.get(action, ""),
        "key": f"crm.<object>.{action}",
        "section": "CRM objects",
        "label": kinds.ACTION_LABELS[action],
        "help": kinds.ACTION_HELP[action],
        "kind": Kind.SWITCH if action == "add" else Kind.SCOPE,
        "held": "yes or no" if action == "add" else "a level, and a box Unassigned",
        "options": [] if action == "add" else [{"key": "", "label": level} for level in levels],
        "objects": objects,
        "default": False,
        "risk": "low",
        "dependencies": dependencies,
        "standing": kinds.NOTHING_ASKS.get(
            action, "Asked by: every list, page, action and export of these records."
        ),
    }


def _tool_row(tool: Tool) -> dict[str, Any]:
    return {
        "id": tool.id,
        "key": tool.key,
        "section": tool.section,
        "label": tool.label,
        "help": tool.help,
        "kind": tool.kind,
        "held": KIND_LABELS[tool.kind],
        "options": [_option_row(option) for option in tool.options],
        "objects": [],
        "default": tool.default,
        "risk": tool.risk,
        "dependencies": sentences(tool),
        "standing": tool.standing,
    }


def _option_row(option: Option) -> dict[str, Any]:
    return {
        "key": option.key,
        "label": option.label,
        "help": option.help,
        "derived": option.derived,
    }
