"""What the editor draws: the state of everybody chosen, what is locked, and what was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_lazy

from accounts import catalogue, changes
from accounts.access import Loaded
from accounts.changes import State
from accounts.delegation import Piece, lacks
from accounts.forms import ScopeGridField
from accounts.models import Rank, User
from accounts.places import LEVELS, Place, Sort, places
from accounts.tool_forms import ToolsField


class PermissionsForm(forms.Form):
    """Scopes and tools of one state, or of several of which each is changed where it is ticked.

    `states`: what everybody chosen holds. `limits`: how far the actor may go, by key; see
    `limits_of`.
    """

    scopes = ScopeGridField(label=gettext_lazy("CRM objects"), required=False)
    tools = ToolsField(label=gettext_lazy("Tools"), required=False)

    def __init__(
        self,
        data: Any = None,
        *,
        states: Sequence[State],
        limits: Mapping[str, int] | None,
        begin: State | None = None,
    ) -> None:
        self.states, self.limits = states, limits
        self.several = len(states) > 1
        self.shown = begin or states[0]
        super().__init__(
            data, initial={"scopes": self.shown.scopes, "tools": list(self.shown.tools)}
        )
        for name in self.fields:
            widget: Any = self.fields[name].widget
            widget.locked = self.locked
            widget.limits = limits or {}
            widget.stored = self.states[0].scopes
            widget.now = _now(states) if self.several else None
            widget.ticked = self._ticked()

    @cached_property
    def locked(self) -> frozenset[str]:
        """Return the keys of which the actor may not change what somebody chosen has."""
        if self.limits is None:
            return frozenset()
        held = [changes.values(state) for state in self.states]
        return frozenset(
            key
            for key, place in places().items()
            if any(_is_locked(place, key, values[key], self.limits) for values in held)
        )

    @property
    def has_limits(self) -> bool:
        """Tell whether the actor may change a level, and not to every other."""
        return self.limits is not None and any(
            self.limits[key] < Rank.EVERYTHING
            for key, place in places().items()
            if place.sort is Sort.LEVEL and key not in self.locked
        )

    def changes(self) -> dict[str, Any]:
        """Return what was changed, by key, once the form is valid.

        Of one state, what differs from it; of several, what was ticked to be changed. What was
        locked is not sent by a browser, and stays.
        """
        sent = self._sent()
        if not self.several:
            return changes.difference(self.states[0], sent)
        values = changes.values(sent)
        ticked = self._ticked()
        wanted = {}
        for key, place in places().items():
            level = key.removesuffix(catalogue.UNASSIGNED)
            has_box = values.get(level) not in ("none", "everything")
            if level in ticked and (place.sort is not Sort.BOX or has_box):
                wanted[key] = values[key]
        return wanted

    def _ticked(self) -> set[str]:
        data: Any = self.data
        return set(data.getlist("change")) if self.is_bound else set()

    def _sent(self) -> State:
        """Return the state that was sent, with the tools that are locked as they stand."""
        tools = set(self.cleaned_data["tools"])
        for key in self.locked:
            place = places()[key]
            if place.tool and not any(_is_of(each, place) for each in tools):
                tools.update(each for each in self.states[0].tools if _is_of(each, place))
        return State(self.cleaned_data["scopes"], tuple(sorted(tools)))


def _is_of(grant: str, place: Place) -> bool:
    name = catalogue.parse(grant)
    return name.key == place.tool and (not place.option or name.option == place.option)


def limits_of(actor: User) -> dict[str, int] | None:
    """Return how far this person may go, by key: a rank, or 1 and 0; None where nothing limits.

    Of a tool with several options a key stands for each of them as well (`key:option`).
    """
    if actor.is_superuser:
        return None
    asker = Loaded(actor)
    limits: dict[str, int] = {}
    for key, place in places().items():
        name = key.removesuffix(catalogue.UNASSIGNED)
        if place.sort is Sort.LEVEL:
            ranks = [rank for rank in Rank if rank and not lacks(asker, Piece(name, rank))]
            limits[key] = max(ranks, default=0)
        elif place.sort in (Sort.OPTIONS, Sort.CHOICE):
            options = catalogue.keys_to_give(catalogue.TOOLS[place.tool])
            limits |= {option: int(not lacks(asker, Piece(option))) for option in options}
            limits[key] = int(any(limits[each] for each in limits if each.startswith(f"{key}:")))
        else:
            box = place.sort is Sort.BOX
            limits[key] = int(not lacks(asker, Piece(name, box=box)))
    return limits


def _is_locked(place: Place, key: str, value: Any, limits: Mapping[str, int]) -> bool:
    """Tell whether what somebody has, or all that could be given, is beyond the actor."""
    if place.sort is Sort.LEVEL:
        return not limits[key] or LEVELS[value] > limits[key]
    if place.sort is Sort.OPTIONS:
        return not limits[key] or not all(limits[f"{key}:{option}"] for option in value)
    if place.sort is Sort.CHOICE:
        return not limits[key] or bool(value and not limits[f"{key}:{value}"])
    return not limits[key]


def _now(states: Iterable[State]) -> dict[str, str]:
    """Return by key what everybody chosen has: one value, or how many have which."""
    counted: dict[str, Counter[Any]] = {}
    for state in states:
        for key, value in changes.values(state).items():
            # In words below: once for each value, not for each person.
            kept = tuple(value) if isinstance(value, list) else value
            counted.setdefault(key, Counter())[kept] += 1
    known, mixed = places(), gettext("Mixed: %(values)s")
    said = {}
    for key, values in counted.items():
        words = {each: changes.value_in_words(known[key], each) for each in values}
        if len(values) == 1:
            said[key] = next(iter(words.values()))
        else:
            listed = ", ".join(f"{words[value]} ({n})" for value, n in values.most_common())
            said[key] = mixed % {"values": listed}
    return said
