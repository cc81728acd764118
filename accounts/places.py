"""What each key of a change of permissions names: a level, the box beside it, or a tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy

from accounts import catalogue
from accounts.catalogue import (
    UNASSIGNED,
    Grant,
    Kind,
    ObjectKind,
    Tool,
)
from accounts.models import Rank
from accounts.words import filled

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LEVELS = {"none": Rank.NONE, **{name: Rank(rank) for name, rank in catalogue.LEVELS.items()}}
"""The levels of a change by their names; as in grants, and None besides."""


class Sort(Enum):
    """What is said beside a key."""

    LEVEL = auto()
    BOX = auto()
    SWITCH = auto()
    OPTIONS = auto()
    CHOICE = auto()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of one key is held: a column of a kind of record's scopes, or a tool."""

    sort: Sort
    words: StrOrPromise
    """A lazy text: places are kept for as long as the process runs."""
    object: str = ""
    column: str = ""
    tool: str = ""
    option: str = ""

    @property
    def grant(self) -> Grant:
        """The grant that is given here, without a level."""
        return Grant(self.tool, self.option)


def places() -> Mapping[str, Place]:
    """Return what each key names, in the order of the editor."""
    return _places(tuple(catalogue.objects()))


@lru_cache(maxsize=1)
def _places(kinds: tuple[ObjectKind, ...]) -> Mapping[str, Place]:
    """Return the places of these kinds of record and of every tool: hundreds, asked often."""
    found = {}
    for kind in kinds:
        for action in kind.actions:
            key = f"crm.{kind.key}.{action}"
            words = filled(
                gettext_lazy("%(action)s on %(kinds)s"),
                action=catalogue.ACTION_LABELS[action],
                kinds=kind.model._meta.verbose_name_plural,
            )
            if action == "add":
                found[key] = Place(Sort.SWITCH, words, kind.key, action)
                continue
            box = _box_of(words)
            found[key] = Place(Sort.LEVEL, words, kind.key, action)
            found[key + UNASSIGNED] = Place(Sort.BOX, box, kind.key, f"{action}_unassigned")
    for tool in catalogue.TOOLS.values():
        found |= _places_of(tool)
    return MappingProxyType(found)


_name_of = lazy(catalogue.name_of, str)


def _box_of(words: StrOrPromise) -> str:
    return filled(gettext_lazy("%(permission)s, unassigned ones"), permission=words)


def _places_of(tool: Tool) -> dict[str, Place]:
    one = {Kind.SWITCH: Sort.SWITCH, Kind.BOXES: Sort.OPTIONS, Kind.CHOICE: Sort.CHOICE}
    if tool.kind in one:
        return {tool.key: Place(one[tool.kind], tool.label, tool=tool.key)}
    found = {}
    for name in catalogue.keys_to_give(tool):
        option = name.partition(":")[2]
        words = _name_of(name)
        found[name] = Place(Sort.LEVEL, words, tool=tool.key, option=option)
        box = _box_of(words)
        found[name + UNASSIGNED] = Place(Sort.BOX, box, tool=tool.key, option=option)
    return found
