"""A preview in words, for screens, mails of review and the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from accounts import catalogue
from accounts.access import EXPORT
from accounts.preview.effects import Effect, Opened, Records
from accounts.preview.result import Preview

DOES = {
    "view": "sees",
    "change": "edits",
    "delete": "deletes",
    "communicate": "logs activities on",
    "merge": "merges",
    EXPORT: "exports",
}
"""What somebody does with records, by action."""


def summary(preview: Preview) -> list[str]:
    """Return what a change does in a few sentences, the most important first."""
    if not preview.changes_anything:
        return ["Nobody gains or loses a record or a high-risk permission."]
    return [
        *opened(preview.outcome.opened),
        *abilities(preview.outcome.effects),
        *_losses(preview.outcome.effects),
    ]


def opened(totals: Iterable[Opened]) -> list[str]:
    """Return what comes into view: “8 people will now see 312 deals.” (Q23)."""
    return [
        f"{_people(each.people)} will now see {_count(each.records, each.object)}."
        for each in totals
    ]


def abilities(effects: Iterable[Effect]) -> list[str]:
    """Return who gains and loses high-risk permissions: “2 people gain Export.”"""
    gained: dict[str, int] = {}
    lost: dict[str, int] = {}
    for effect in effects:
        for counts, keys in ((gained, effect.abilities_gained), (lost, effect.abilities_lost)):
            for key in keys:
                counts[key] = counts.get(key, 0) + 1
    return [
        f"{_people(number)} {verb if number > 1 else verb + 's'} {catalogue.name_of(key)}."
        for verb, counts in (("gain", gained), ("lose", lost))
        for key, number in counts.items()
    ]


def of_one(effect: Effect) -> list[str]:
    """Return what changes for one person: “sees 12 more deals”, “gains Export”."""
    return [
        *(words for row in effect.records for words in _of_records(row)),
        *(f"gains {catalogue.name_of(key)}" for key in effect.abilities_gained),
        *(f"loses {catalogue.name_of(key)}" for key in effect.abilities_lost),
    ]


def _of_records(row: Records) -> Iterable[str]:
    for number, more in ((row.gained, "more"), (row.lost, "fewer")):
        if number:
            yield f"{DOES[row.action]} {number:,} {more} {_name(number, row.object)}"


def _losses(effects: Iterable[Effect]) -> list[str]:
    losing = sum(any(row.lost for row in effect.records) for effect in effects)
    if not losing:
        return []
    verb = "loses" if losing == 1 else "lose"
    return [f"{_people(losing)} {verb} records that they could see or work on."]


def _people(number: int) -> str:
    return f"{number:,} {'person' if number == 1 else 'people'}"


def _count(number: int, object_key: str) -> str:
    return f"{number:,} {_name(number, object_key)}"


def _name(number: int, object_key: str) -> str:
    kind = catalogue.object_kind(object_key)
    if kind is None:
        return object_key
    return (kind.label if number == 1 else kind.plural).lower()
