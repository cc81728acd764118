"""Makes a world smaller that product and oracle differ about, so that it shows what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.support.worlds import Record, World

PARTS = ("changes", "shares", "exceptions", "fields", "rules")


def smaller(world: World, differs: Callable[[World], bool], most: int = 300) -> World:
    """Return the world without what it differs without; given up after so many questions."""
    asked = 0
    tried_all = False
    while not tried_all:
        tried_all = True
        for less in _with_less(world):
            asked += 1
            if asked > most:
                return world
            if differs(less):
                world, tried_all = less, False
                break
    return world


def _with_less(world: World) -> Iterator[World]:
    """Worlds that lack something, first those that lack much."""
    for part in PARTS:
        for left in _without_some(getattr(world, part)):
            yield replace(world, **{part: left})
    for kind, records in world.records.items():
        for left in _without_some(records):
            yield _with_records(world, kind, left)
    for number, one in enumerate(world.sets):
        for name, nothing in (("tools", ()), ("levels", {})):
            if getattr(one, name):
                sets = (*world.sets[:number], replace(one, **{name: nothing}))
                yield replace(world, sets=(*sets, *world.sets[number + 1 :]))


def _without_some(items: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """All but one half, one quarter, … one of them."""
    size = (len(items) + 1) // 2
    while items and size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size = size // 2


def _with_records(world: World, kind: str, left: tuple[Record, ...]) -> World:
    """The world with these records of a kind alone, and nothing that leads to the others."""
    records = {**world.records, kind: left}
    keys = {of: {record.id for record in rows} for of, rows in records.items()}

    def leads(name: str, of: str, key: int) -> bool:
        to = of if name == "parent" else name
        return key in keys.get(to, set())

    linked = {
        of: tuple(
            replace(r, links={name: to for name, to in r.links.items() if leads(name, of, to)})
            for r in rows
        )
        for of, rows in records.items()
    }
    shares = tuple(s for s in world.shares if s.record in keys.get(s.object, set()))
    left_over = (e for e in world.exceptions if e.record in keys.get(e.object, set()))
    return replace(world, records=linked, shares=shares, exceptions=tuple(left_over))
