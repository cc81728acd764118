"""What a permission set stores once it is written, or changed by key: told a second time.

Like `oracle`, on which it stands: plain loops over plain values, nothing of the product, every
answer with the line of the requirements that it is written from.
"""

from dataclasses import replace
from typing import Any

from tests.support.catalogue_rows import BOXES, BY_KEY, LEVELLED
from tests.support.oracle import CAPPED_BY, EVERYTHING, FULL, NONE, OWNED, TEAM, within

RANKS = {"none": NONE, "owned": OWNED, "team": TEAM, "everything": EVERYTHING}
BOX = ".unassigned"
STORED = [action for action in FULL.split() if action not in ("export", "associate", "restore")]


def written(asked: Any) -> Any:
    """A set as it is stored: nothing wider than what caps it, lower boxes ticked (R20, Q38)."""
    scopes = {}
    for kind, row in asked.scopes.items():
        left = {action: within(row, action) for action in STORED}
        scopes[kind] = {**left, "add": left["add"][0] > NONE}
    tools = set(asked.tools)
    for name in asked.tools:
        key, _, option = name.partition(":")
        _, _, sort, options = BY_KEY[key]
        if sort == BOXES:  # Publish ⇒ Edit ⇒ View
            tools |= {f"{key}:{each}" for each in options[: options.index(option)]}
    levels = {}
    for name in LEVELLED:
        key = name.partition(":")[0]
        row = {each: asked.levels.get(f"{key}:{each}", (NONE, False)) for each in ("view", "edit")}
        rank, box = within({"view": row["view"], "change": row["edit"]}, _as_scope(name))
        if rank > NONE:
            levels[name] = (rank, box)
    return replace(asked, scopes=scopes, tools=tuple(sorted(tools)), levels=levels)


def _as_scope(name: str) -> str:
    """Edit of a levelled permission stays within View as the scope Edit does (R30)."""
    return "view" if name.endswith(":view") else "change"


def edited(stored: Any, changes: dict[str, Any]) -> Any:
    """The set after these changes by key; what is not named stays (E14)."""
    scopes = {kind: dict(row) for kind, row in stored.scopes.items()}
    tools, levels = set(stored.tools), dict(stored.levels)
    for key, value in sorted(changes.items(), key=lambda change: change[0].endswith(BOX)):
        place = key.removesuffix(BOX)
        if place.count(".") == 2:
            _, kind, action = place.split(".")
            row = scopes.setdefault(kind, {})
            before = row.get(action, (NONE, False))
            row[action] = value if action == "add" else _levelled(before, value)
        elif place in LEVELLED:
            levels[place] = _levelled(levels.get(place, (NONE, False)), value)
        else:
            tools = {name for name in tools if name.partition(":")[0] != key}
            tools |= {key} if value is True else set()
            options = value if isinstance(value, list) else [value] if value else []
            tools |= {f"{key}:{each}" for each in options} if value is not True else set()
    for row in scopes.values():
        for action, cap in CAPPED_BY.items():
            _follow(row, action, cap)
    for name in LEVELLED:
        _follow(levels, name, name.replace(":edit", ":view"))
    return written(replace(stored, scopes=scopes, tools=tuple(tools), levels=levels))


def _levelled(before: tuple[int, bool], value: Any) -> tuple[int, bool]:
    """A level, or the box beside it; narrowing from Everything leaves the box ticked (Q47)."""
    rank, box = before
    if isinstance(value, bool):
        return rank, value and rank in (OWNED, TEAM)
    return RANKS[value], RANKS[value] in (OWNED, TEAM) and (box or rank == EVERYTHING)


def _follow(row: dict[str, Any], name: str, cap: str) -> None:
    """What was Everything and is narrowed with its cap loses no more than that (Q47)."""
    above = row.get(cap, (NONE, False))
    if row.get(name, (NONE, False))[0] == EVERYTHING and above[0] in (OWNED, TEAM):
        row[name] = above


def given_own(world: Any, people: list[int], changes: dict[str, Any], nothing: Any) -> Any:
    """The world after these changes to these people: each has an own copy then (Q26).

    Whoever has no set begins with `nothing`.
    """
    for key in people:
        (person,) = (each for each in world.people if each.id == key)
        named = nothing if person.set is None else world.sets[person.set]
        after = edited(named, changes)
        if says(after) == says(named):
            continue  # nothing changes for them: they keep what they have
        sets, number = list(world.sets), person.set
        if named.owner == key:
            sets[number] = after
        else:
            sets.append(replace(after, owner=key, based_on=number))
            number = len(sets) - 1
        others = (replace(p, set=number) if p is person else p for p in world.people)
        world = replace(world, sets=tuple(sets), people=tuple(others))
    return world


def says(one: Any) -> tuple[Any, ...]:
    """What a set stores, to be compared: an object of which it allows nothing is none."""
    nothing = dict.fromkeys(STORED, (NONE, False)) | {"add": False}
    scopes = {kind: row for kind, row in written(one).scopes.items() if row != nothing}
    return scopes, set(written(one).tools), written(one).levels
