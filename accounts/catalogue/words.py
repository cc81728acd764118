"""The catalogue in words: what depends on what, as sentences for the editor and the reference."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from django.utils.translation import gettext, gettext_lazy, gettext_noop

from accounts.catalogue import kinds
from accounts.catalogue.grants import TOOLS, find
from accounts.catalogue.sales import SEAT
from accounts.catalogue.types import LEVEL_LABELS, TAB_LABELS, TABS, Kind, Option, Tool
from accounts.words import either, listed

KIND_LABELS = {
    Kind.SWITCH: gettext_lazy("on or off"),
    Kind.BOXES: gettext_lazy("several boxes"),
    Kind.CHOICE: gettext_lazy("one of these, or none"),
    Kind.SCOPE: gettext_lazy("a level each"),
    Kind.DERIVED: gettext_lazy("no switch of its own"),
}
INBOX = gettext_noop("Who reads the conversations inbox is set on each inbox, not here.")
"""The one line about what is no permission (R9)."""
_WITHIN = {
    "view": gettext_lazy("Reaches only records that the person may view."),
    "change": gettext_lazy("Reaches only records that the person may edit."),
    "delete": gettext_lazy("Reaches only records that the person may delete."),
}


def name_of(key: str) -> str:
    """Return how a key is read: “Blog: Edit”, or “Delete of contacts” for a scope."""
    if key.count(".") == 2:
        _, object_key, action = key.split(".")
        kind = kinds.object_kind(object_key)
        return gettext("%(action)s of %(kinds)s") % {
            "action": kinds.ACTION_LABELS[action],
            "kinds": kind.nouns if kind else object_key,
        }
    tool, option = find(key)
    return f"{tool.label}: {option.label}" if option else str(tool.label)


def sentences(tool: Tool) -> list[str]:
    """Return what a tool depends on and brings along (R41), a sentence each."""
    return [*_below(tool), *beside_the_switch(tool), *_ladder(tool)]


def beside_the_switch(tool: Tool) -> list[str]:
    """Return what the editor says: not what it shows anyway, by its order and by ticking along."""
    return [*_needs(tool), *_brings(tool), *_derived(tool)]


def _below(tool: Tool) -> Iterator[str]:
    if tool.parent:
        name = name_of(tool.parent)
        yield gettext("Has no effect until %(permission)s is on.") % {"permission": name}


def _needs(tool: Tool) -> Iterator[str]:
    if tool.parent == SEAT:
        yield gettext("Super admins have it only with a seat, too; partner admins without one.")
    if tool.inert_without:
        name = name_of(tool.inert_without)
        yield gettext("Has no effect without %(permission)s.") % {"permission": name}
    for group in tool.requires:
        names = either(map(name_of, group))
        yield gettext("Needs %(permissions)s besides.") % {"permissions": names}
    if tool.rows_within:
        yield str(_WITHIN[tool.rows_within])
    if tool.granting_requires:
        name = name_of(tool.granting_requires)
        yield gettext("Only who has %(permission)s gives or takes it.") % {"permission": name}


def _brings(tool: Tool) -> Iterator[str]:
    if tool.implies:
        names = listed(map(name_of, tool.implies))
        yield gettext("Brings %(permissions)s along.") % {"permissions": names}
    if tool.overrides:
        yield gettext("Brings everything on the tab %(tab)s, whatever is set there.") % {
            "tab": TAB_LABELS[tool.overrides]
        }
    if tool.presets:
        names = listed(map(name_of, tool.presets))
        yield gettext(
            "Switching it on here ticks %(permissions)s; each can be taken off again."
        ) % {"permissions": names}


def _ladder(tool: Tool) -> Iterator[str]:
    for option in tool.options:
        if option.implies:
            lower = listed(_label(tool, key) for key in reversed(option.implies))
            yield gettext("%(option)s brings %(lower)s along.") % {
                "option": option.label,
                "lower": lower,
            }


def _derived(tool: Tool) -> Iterator[str]:
    for option in tool.options:
        if option.within:
            yield gettext("%(option)s stays within %(other)s.") % {
                "option": option.label,
                "other": _label(tool, option.within),
            }
        if option.derived:
            groups = [either(map(name_of, group)) for group in option.requires]
            if tool.kind is not Kind.DERIVED and len(groups) == 1:
                groups.insert(0, str(tool.label))
            yield gettext("%(option)s follows from %(permissions)s.") % {
                "option": option.label,
                "permissions": reduce(_together, groups),
            }
    if tool.kind is Kind.DERIVED:
        keys = {f"{tool.key}:{option.key}" for option in tool.options}
        givers = [other.label for other in TOOLS.values() if keys.intersection(other.implies)]
        if givers:
            yield gettext("Comes with %(permissions)s.") % {"permissions": either(givers)}


def _together(first: str, other: str) -> str:
    return gettext("%(first)s, together with %(other)s") % {"first": first, "other": other}


def _label(tool: Tool, option_key: str) -> str:
    option = tool.option(option_key)
    return str(option.label) if option else option_key


# --- For the reference ----------------------------------------------------------------------------


def reference() -> dict[str, Any]:
    """Return the whole catalogue as plain values, in the order of the editor.

    `tabs`: each with its rows in order. The scopes of records come first, on the tab CRM: a row for
    each action, with the kinds of record that have it.
    """
    return {
        "note": gettext(INBOX),
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
    levels = map(str, LEVEL_LABELS.values())
    dependencies = []
    if action in kinds.CAPPED_BY:
        cap = kinds.ACTION_LABELS[kinds.CAPPED_BY[action]]
        said = gettext("Stays within %(cap)s, the box Unassigned included.")
        dependencies = [said % {"cap": cap}]
    if action == "add":
        dependencies = [gettext("Has no effect where View is None.")]
    asked = gettext("Asked by: every list, page, action and export of these records.")
    held = gettext("yes or no") if action == "add" else gettext("a level, and a box Unassigned")
    return {
        "id": kinds.ACTION_IDS.get(action, ""),
        "key": f"crm.<object>.{action}",
        "section": gettext("CRM objects"),
        "label": str(kinds.ACTION_LABELS[action]),
        "help": str(kinds.ACTION_HELP[action]),
        "kind": Kind.SWITCH if action == "add" else Kind.SCOPE,
        "held": held,
        "options": [] if action == "add" else [{"key": "", "label": level} for level in levels],
        "objects": objects,
        "default": False,
        "risk": "low",
        "dependencies": dependencies,
        "standing": str(kinds.NOTHING_ASKS.get(action, asked)),
    }


def _tool_row(tool: Tool) -> dict[str, Any]:
    return {
        "id": tool.id,
        "key": tool.key,
        "section": str(tool.section),
        "label": str(tool.label),
        "help": str(tool.help),
        "kind": tool.kind,
        "held": str(KIND_LABELS[tool.kind]),
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
        "label": str(option.label),
        "help": str(option.help),
        "derived": option.derived,
    }
