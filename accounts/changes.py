"""A change of permissions by the catalogue's keys: checked, applied to what is held, and in words.

    {"crm.deal.change": "team", "crm.deal.change.unassigned": True, "crm.deal.add": True,
     "crm.export": True, "crm.workflows": ["view", "edit"], "sales.forecast:view": "owned"}

What a change does not name stays as it is. Nothing here writes: operations store the result, and
`accounts.preview` tells what it would open. Operations import this module whole (`from accounts
import changes`), since it reads some of theirs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from django.utils.translation import gettext, pgettext

from accounts import catalogue
from accounts.account_errors import InvalidChange
from accounts.catalogue import (
    LEVEL_NAMES,
    UNASSIGNED,
    Grant,
    UnknownPermission,
)
from accounts.catalogue.grants import LONGEST_SAID
from accounts.held import (
    Scopes,
    clamped,
    held_in_each,
    narrowed,
    ticked_along,
    to_be_stored,
)
from accounts.models import PermissionSet, Rank
from accounts.places import LEVELS, Place, Sort, places

Changes = Mapping[str, Any]
"""Key → level, yes or no, list of options, or option; `Any` because people send it: see
`validated`."""

_NAMES = {rank: name for name, rank in LEVELS.items()}
_WITHOUT_A_BOX = (Rank.NONE, Rank.EVERYTHING)


class UnknownChange(InvalidChange, UnknownPermission):
    """A change names a permission that cannot be given by that key; the nearest ones are said."""


class State(NamedTuple):
    """What somebody holds: scopes as `scopes_of` gives them, tools as grants are written."""

    scopes: Scopes
    tools: tuple[str, ...]


NOTHING = State({}, ())


def stored(permission_set: PermissionSet | None) -> State:
    """Return what a permission set stores; nothing where there is none."""
    key = permission_set.pk if permission_set else None
    return stored_each([key])[key]


def stored_each(keys: Iterable[int | None]) -> dict[int | None, State]:
    """Return what each of these permission sets stores, nothing for None; two queries for all."""
    return {
        key: State(scopes, tuple(map(str, sorted(grants))))
        for key, (scopes, grants) in held_in_each(keys).items()
    }


# --- Checked --------------------------------------------------------------------------------------


def validated(changes: Changes) -> dict[str, Any]:
    """Return the changes in one form and in the order of the editor; change nothing.

    Raise `UnknownChange` for a key that names nothing to be given, and `InvalidChange` for a value
    that it does not take. What another permission caps is not refused here: see `narrowed_by`.
    """
    if not isinstance(changes, Mapping):
        raise InvalidChange(gettext("Changes are given by key, such as crm.deal.view: team."))
    known = places()
    for key in changes:
        if key not in known:
            raise _unknown(key, known)
    return {
        key: _READ[place.sort](key, place, changes[key])
        for key, place in known.items()
        if key in changes
    }


def _unknown(key: object, known: Mapping[str, Place]) -> UnknownChange:
    asked = str(key)[:LONGEST_SAID]
    # Whoever names an option, or leaves it out, meant a tool that there is.
    own = [each for each in known if each.partition(":")[0] == asked.partition(":")[0]]
    near = own or difflib.get_close_matches(asked, list(known), n=3, cutoff=0.5)
    text = gettext("No permission can be given as “%(asked)s”.")
    if near:
        text = gettext("No permission can be given as “%(asked)s”. Did you mean %(near)s?")
    return UnknownChange(asked, text % {"asked": asked, "near": gettext(" or ").join(near)})


def _level(key: str, place: Place, value: Any) -> str:
    if not isinstance(value, str) or value not in LEVELS:
        raise _takes(
            gettext("%(key)s takes one of %(offered)s, not %(given)s."), key, LEVELS, value
        )
    return value


def _yes_or_no(key: str, place: Place, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _takes(gettext("%(key)s takes true or false, not %(given)s."), key, (), value)
    return value


def _options(key: str, place: Place, value: Any) -> list[str]:
    offered = _offered(place)
    if not isinstance(value, list | tuple | set | frozenset) or not all(
        isinstance(each, str) and each in offered for each in value
    ):
        text = gettext("%(key)s takes a list of any of %(offered)s, not %(given)s.")
        raise _takes(text, key, offered, value)
    # In one form: with the lower ones, which come along (Q38).
    kept = catalogue.completed(Grant(place.tool, each) for each in value)
    held = {grant.option for grant in kept}
    return [each for each in offered if each in held]


def _choice(key: str, place: Place, value: Any) -> str:
    offered = _offered(place)
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or value not in offered:
        text = gettext("%(key)s takes one of %(offered)s, or nothing, not %(given)s.")
        raise _takes(text, key, offered, value)
    return value


def _offered(place: Place) -> list[str]:
    names = catalogue.keys_to_give(catalogue.TOOLS[place.tool])
    return [name.partition(":")[2] for name in names]


def _takes(text: str, key: str, offered: Iterable[str], value: object) -> InvalidChange:
    given = repr(value)[:LONGEST_SAID]
    return InvalidChange(text % {"key": key, "offered": ", ".join(offered), "given": given})


_READ: Mapping[Sort, Callable[[str, Place, Any], Any]] = {
    Sort.LEVEL: _level,
    Sort.BOX: _yes_or_no,
    Sort.SWITCH: _yes_or_no,
    Sort.OPTIONS: _options,
    Sort.CHOICE: _choice,
}


# --- Applied --------------------------------------------------------------------------------------


def after(scopes: Scopes, tools: Iterable[str], changes: Changes) -> State:
    """Return what is held after these changes, ready for `create_set` and `change_set` (R20, Q38).

    What is capped is narrowed, and lower boxes are ticked along; `narrowed_by` says so in words.
    What is held and the catalogue does not know any more is left out: it grants nothing, and
    `change_set` keeps it by itself.
    """
    rows, grants = _asked(scopes, tools, validated(changes))
    return State(
        {key: clamped(_with_boxes(row)) for key, row in rows.items()},
        tuple(map(str, sorted(to_be_stored(_tools_with_boxes(grants))))),
    )


def _with_boxes(row: Mapping[str, int | bool]) -> dict[str, int | bool]:
    """Return a row in which what is narrowed from Everything keeps unassigned ones (Q47)."""
    kept = dict(row)
    for action, cap in catalogue.CAPPED_BY.items():
        if kept.get(action, 0) == Rank.EVERYTHING and kept.get(cap, 0) not in _WITHOUT_A_BOX:
            kept[action] = kept[cap]
            kept[f"{action}_unassigned"] = kept.get(f"{cap}_unassigned", False)
    return kept


def _tools_with_boxes(grants: Iterable[str]) -> list[str]:
    """Return tools in which what is narrowed from Everything keeps unassigned ones (Q47)."""
    given = {grant.name: grant for grant in map(catalogue.parse, grants)}
    for name, grant in given.items():
        tool, option = catalogue.find(name)
        cap = given.get(f"{tool.key}:{option.within}") if option and option.within else None
        if cap and grant.rank == Rank.EVERYTHING and cap.rank != Rank.EVERYTHING:
            given[name] = replace(grant, rank=cap.rank, unassigned=cap.unassigned)
    return list(map(str, given.values()))


def narrowed_by(scopes: Scopes, tools: Iterable[str], changes: Changes) -> list[str]:
    """Return in words what these changes ask for and do not get, or get without asking."""
    wanted = validated(changes)
    rows, grants = _asked(scopes, tools, wanted)
    names = {catalogue.parse(grant).name for grant in grants}
    known = places()
    text = gettext("%(permission)s: nothing, because the level is %(level)s")
    boxes_of_nothing = [
        text % {"permission": known[key].words, "level": Rank.NONE.label}
        for key, value in wanted.items()
        if known[key].sort is Sort.BOX
        and known[key].tool
        and value
        and known[key].grant.name not in names
    ]
    return [*narrowed(rows), *ticked_along(grants), *boxes_of_nothing]


def _asked(
    scopes: Scopes, tools: Iterable[str], wanted: Mapping[str, Any]
) -> tuple[dict[str, dict[str, int | bool]], list[str]]:
    """Return scopes and tools with these changes made literally, before anything is narrowed."""
    rows = _known_rows(scopes)
    grants = {grant.name: grant for grant in _known_grants(tools)}
    known = places()
    # The levels first: with None and Everything goes the box beside them, unless it is named too.
    for key in sorted(wanted, key=lambda key: known[key].sort is Sort.BOX):
        if known[key].object:
            _write_column(rows.setdefault(known[key].object, {}), known[key], wanted[key])
        else:
            _write_tool(grants, known[key], wanted[key])
    return rows, [str(grant) for grant in grants.values()]


def _known_rows(scopes: Scopes) -> dict[str, dict[str, int | bool]]:
    rows = {}
    for kind in catalogue.objects():
        if kind.key in scopes:
            columns = scopes[kind.key].items()
            rows[kind.key] = {
                name: value
                for name, value in columns
                if name.removesuffix("_unassigned") in kind.actions
            }
    return rows


def _known_grants(tools: Iterable[str]) -> Iterator[Grant]:
    for tool in tools:
        try:
            yield catalogue.parse(tool)
        except UnknownPermission:
            continue


def _write_column(row: dict[str, int | bool], place: Place, value: Any) -> None:
    if place.sort is not Sort.LEVEL:
        row[place.column] = value
        return
    box = f"{place.column}_unassigned"
    row[box] = _box_beside(LEVELS[value], row.get(place.column, 0), bool(row.get(box, False)))
    row[place.column] = int(LEVELS[value])


def _box_beside(rank: Rank, before: int, had_box: bool) -> bool:
    """Return the box beside a level that is given without one: narrowing loses no more (Q47)."""
    return rank not in _WITHOUT_A_BOX and (had_box or before == Rank.EVERYTHING)


def _write_tool(grants: dict[str, Grant], place: Place, value: Any) -> None:
    name = place.grant.name
    if place.sort is Sort.BOX:
        held = grants.get(name)
        if held is not None and held.rank != Rank.EVERYTHING:
            grants[name] = replace(held, unassigned=value)
        return
    if place.sort is Sort.LEVEL:
        held = grants.pop(name, place.grant)
        rank = LEVELS[value]
        if rank:
            box = _box_beside(rank, held.rank, held.unassigned)
            grants[name] = replace(held, rank=int(rank), unassigned=box)
        return
    for other in [each for each in grants if grants[each].key == place.tool]:
        del grants[other]
    for option in _options_of(place, value):
        given = replace(place.grant, option=option)
        grants[given.name] = given


def _options_of(place: Place, value: Any) -> list[str]:
    """Return the options that a value of a tool gives; a switch has the nameless one."""
    if place.sort is Sort.OPTIONS:
        return list(value)
    if place.sort is Sort.CHOICE:
        return [value] if value else []
    return [""] if value else []


# --- Compared, and in words -----------------------------------------------------------------------


def difference(before: State, later: State) -> dict[str, Any]:
    """Return the changes that make the first into the second; none where they grant the same.

    A box that goes with a level that has none is not named. Where a level is narrowed from
    Everything, the box beside it is, ticked or not: without a word it would be ticked (Q47).
    """
    was, is_now = values(before), values(later)

    def differs(key: str, place: Place) -> bool:
        if place.sort is not Sort.BOX:
            return bool(was[key] != is_now[key])
        from_everything = was[_level_key(key)] == LEVEL_NAMES[Rank.EVERYTHING]
        return not _has_no_box(key, is_now) and (from_everything or was[key] != is_now[key])

    return {key: is_now[key] for key, place in places().items() if differs(key, place)}


def in_words(changes: Changes, *, before: State | None = None) -> list[str]:
    """Return the changes as short sentences: “Edit on deals: Owned only → Team only”.

    With what was held `before`, what stays the same is left out; without, only what is to be is
    said. What is capped is not looked at: say the changes of `difference` to tell what comes of it.
    """
    known = places()
    was = values(before) if before is not None else None
    said = []
    for key, value in validated(changes).items():
        place = known[key]
        to = value_in_words(place, value)
        if was is None:
            said.append(f"{place.words}: {to}")
            continue
        if place.sort is Sort.LEVEL and _keeps_unassigned(key, value, was, changes):
            to = gettext("%(level)s, with unassigned ones") % {"level": to}
        covered = place.sort is Sort.BOX and was[_level_key(key)] == _NAMES[Rank.EVERYTHING]
        of_old = value_in_words(place, True if covered else was[key])
        if of_old != to:
            said.append(f"{place.words}: {of_old} → {to}")
    return said


def _keeps_unassigned(key: str, value: str, was: Mapping[str, Any], changes: Changes) -> bool:
    """Tell whether a level narrowed from Everything keeps unassigned ones (Q47).

    Their box is ticked then and covered before, so it differs in nothing that a line could say.
    """
    is_narrowed = was[key] == _NAMES[Rank.EVERYTHING] and LEVELS[value] not in _WITHOUT_A_BOX
    return is_narrowed and bool(changes.get(f"{key}{UNASSIGNED}", True))


def values(state: State) -> dict[str, Any]:
    """Return what is held by every key, as a change would say it."""
    rows = _known_rows(state.scopes)
    grants = {grant.name: grant for grant in _known_grants(state.tools)}
    return {
        key: _column_value(rows.get(place.object, {}), place)
        if place.object
        else _tool_value(grants, place)
        for key, place in places().items()
    }


def _column_value(row: Mapping[str, int | bool], place: Place) -> Any:
    value = row.get(place.column, 0)
    return _NAMES[Rank(value)] if place.sort is Sort.LEVEL else bool(value)


def _tool_value(grants: Mapping[str, Grant], place: Place) -> Any:
    if place.sort is Sort.LEVEL:
        return _NAMES[Rank(grants.get(place.grant.name, place.grant).rank)]
    if place.sort is Sort.BOX:
        return grants.get(place.grant.name, place.grant).unassigned
    if place.sort is Sort.SWITCH:
        return place.grant.name in grants
    held = [each for each in _offered(place) if f"{place.tool}:{each}" in grants]
    if place.sort is Sort.OPTIONS:
        return held
    return held[0] if held else ""


def _level_key(key: str) -> str:
    return key.removesuffix(UNASSIGNED)


def _has_no_box(key: str, values: Mapping[str, Any]) -> bool:
    return LEVELS[values[_level_key(key)]] in _WITHOUT_A_BOX


def value_in_words(place: Place, value: Any) -> str:
    if place.sort is Sort.LEVEL:
        return str(LEVELS[value].label)
    if place.sort in (Sort.BOX, Sort.SWITCH):
        return gettext("Yes") if value else gettext("No")
    tool = catalogue.TOOLS[place.tool]
    options = [tool.option(each) for each in _options_of(place, value)]
    held = ", ".join(str(option.label) for option in options if option)
    return held or pgettext("options", "None")
