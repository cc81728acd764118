"""The tools of a permission set as a form draws and reads them: tabs, boxes, levels (R5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from django import forms
from django.utils.translation import gettext

from accounts import catalogue
from accounts.catalogue import Kind, Option, Risk, Tool
from accounts.models import Rank


class ToolBoxes(forms.CheckboxSelectMultiple):
    """Tools by tab and section (R5): switches, boxes, choices and levels, children by their parent.

    All send the field's one name. A value is a grant as `catalogue.parse` reads it; an empty one
    says None, and `key:option+unassigned` the box beside a level.
    """

    template_name = "accounts/tool_boxes.html"
    locked: frozenset[str] = frozenset()
    limits: Mapping[str, int] = {}
    now: Mapping[str, str] | None = None
    ticked: frozenset[str] | set[str] = frozenset()

    class Media:
        js = ("permissions.js",)

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        tabs = _tabs_of(frozenset(value or ()))
        for tab in tabs:
            for entry in tab["entries"]:
                self._mark(entry)
            apart = [entry for _, families in tab["without_effect"] for entry in _of(families)]
            tab["without_effect_count"] = len(apart)
            tab["without_effect_given"] = sum(entry["is_given"] for entry in apart)
            # Nothing is kept from view that is about to change, or is all there is.
            tab["is_open"] = not tab["sections"] or any(entry["is_changed"] for entry in apart)
        context["tabs"], context["several"] = tabs, self.now is not None
        return context

    def _mark(self, entry: dict[str, Any]) -> None:
        """Say of one tool what is locked, and of several people what they have."""
        key = entry["tool"].key
        entry["locked"] = key in self.locked
        entry["ticked"] = key in self.ticked
        entry["now"] = self.now.get(key, "") if self.now is not None else ""
        for level in entry["levels"]:
            name = level["box"].removesuffix(catalogue.BOX)
            level["key"], level["locked"] = name, name in self.locked
            level["ticked"] = name in self.ticked
            level["now"] = self.now.get(name, "") if self.now is not None else ""
            level["most"] = self.limits.get(name, Rank.EVERYTHING)
        entry["is_changed"] = entry["ticked"] or any(each["ticked"] for each in entry["levels"])

    def optgroups(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Leave Django’s own list of boxes out: the template draws the tabs."""
        return []


def _tabs_of(chosen: frozenset[str]) -> list[dict[str, Any]]:
    """Return the tabs with their sections; `chosen` as it was sent, or as it is stored."""
    tabs: dict[str, dict[str, Any]] = {
        tab: {"key": tab.lower(), "label": label, "sections": {}}
        for tab, label in catalogue.TAB_LABELS.items()
    }
    families: dict[str, dict[str, Any]] = {}
    standings = gettext("For tools outside"), gettext("Not asked yet")
    for tool in catalogue.TOOLS.values():
        if tool.overrides:
            tabs[tool.overrides]["overridden_by"] = tool.label
        if tool.kind is Kind.DERIVED:
            continue  # nothing to tick; the reference tells what it follows from
        entry = _entry(tool, chosen, standings)
        if tool.parent:
            families[tool.parent]["children"].append(entry)
            continue
        families[tool.key] = {"entry": entry, "children": []}
        tabs[tool.tab]["sections"].setdefault(tool.section, []).append(families[tool.key])
    return [_laid_out(tab) for tab in tabs.values()]


def _laid_out(tab: dict[str, Any]) -> dict[str, Any]:
    """Return a tab with what nothing asks for in this version apart from the rest."""
    parts: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for section, families in tab["sections"].items():
        for family in families:
            is_without = all(entry["standing"] for entry in _of([family]))
            parts[is_without].setdefault(section, []).append(family)
    sections, without_effect = (list(part.items()) for part in parts)
    entries = [entry for families in tab["sections"].values() for entry in _of(families)]
    return {**tab, "sections": sections, "without_effect": without_effect, "entries": entries}


def _of(families: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (entry for family in families for entry in (family["entry"], *family["children"]))


def _entry(tool: Tool, chosen: frozenset[str], standings: tuple[str, str]) -> dict[str, Any]:
    """Return what is drawn of one tool."""
    given = [option for option in tool.options if not option.derived]
    boxes, choices, levels = (
        [draw(tool, option, chosen) for option in given] if tool.kind is kind else []
        for kind, draw in ((Kind.BOXES, _box), (Kind.CHOICE, _box), (Kind.SCOPE, _level))
    )
    is_on = tool.key in chosen
    return {
        "tool": tool,
        **_in_words(tool, standings),
        "is_switch": tool.kind is Kind.SWITCH,
        "checked": is_on,
        "is_given": any(value.partition(":")[0] == tool.key for value in chosen),
        "inert": is_on and bool(tool.inert_without) and tool.inert_without not in chosen,
        "presets": " ".join(tool.presets),
        "boxes": boxes,
        "choices": choices,
        "levels": levels,
    }


@cache
def _in_words(tool: Tool, standings: tuple[str, str]) -> dict[str, Any]:
    """Return what is said of a tool; the parent is said once, above its children.

    `standings` are in the active language, and no two languages say them alike: what is made of a
    tool is kept for each. Made anew for every page it took 8 ms.
    """
    standing, not_yet = standings
    if tool.asked_by or tool.asked_later:
        standing = "" if tool.asked_by else not_yet
    words = (tool.label, tool.key, tool.help, tool.section, *(o.label for o in tool.options))
    return {
        "standing": standing,
        "is_high": tool.risk is Risk.HIGH,
        "sentences": catalogue.beside_the_switch(tool),
        "find": " ".join(map(str, words)).lower(),
    }


def _box(tool: Tool, option: Option, chosen: frozenset[str]) -> dict[str, Any]:
    value = f"{tool.key}:{option.key}"
    return {
        "value": value,
        "label": option.label,
        "help": option.help,
        "checked": value in chosen,
        "lower": " ".join(f"{tool.key}:{lower}" for lower in option.implies),
    }


def _level(tool: Tool, option: Option, chosen: frozenset[str]) -> dict[str, Any]:
    name = f"{tool.key}:{option.key}"
    ranks = {level: Rank(rank).label for level, rank in catalogue.LEVELS.items()}
    with_box = {f"{name}={level}{catalogue.BOX}" for level in ranks} & chosen
    values = {f"{name}={level}": label for level, label in ranks.items()}
    return {
        "label": option.label,
        "box": f"{name}{catalogue.BOX}",
        "unassigned": bool(with_box) or f"{name}{catalogue.BOX}" in chosen,
        "choices": [
            {"value": "", "label": Rank.NONE.label, "rank": Rank.NONE, "checked": False},
            *(
                {
                    "value": value,
                    "label": label,
                    "rank": catalogue.LEVELS[level],
                    "checked": not chosen.isdisjoint({value, f"{value}{catalogue.BOX}"}),
                }
                for level, (value, label) in zip(ranks, values.items(), strict=True)
            ),
        ],
    }


class ToolsField(forms.Field):
    """Tools as `accounts.operations` takes them, from what the boxes and selects send."""

    widget = ToolBoxes

    def clean(self, value: Any) -> list[str]:
        sent = {each for each in value or () if each}
        boxes = {each for each in sent if "=" not in each and each.endswith(catalogue.BOX)}
        beside = {each.removesuffix(catalogue.BOX) for each in boxes}
        try:
            for name in beside:
                catalogue.parse(f"{name}=team")  # raises where there is no such box
            # The box beside None or Everything says nothing.
            grants = [
                replace(grant, unassigned=True)
                if grant.name in beside and grant.rank < catalogue.EVERYTHING
                else grant
                for grant in map(catalogue.parse, sent - boxes)
            ]
            catalogue.completed(grants)
        except (catalogue.UnknownPermission, catalogue.Contradiction) as wrong:
            said = gettext("%(wrong)s Open this page again to see which there are.")
            raise forms.ValidationError(said % {"wrong": wrong}) from wrong
        return [str(grant) for grant in grants]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return True
