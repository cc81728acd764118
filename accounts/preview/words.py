"""A preview in words, for screens, mails of review and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
        *_more_to_do(preview.outcome.effects),
        *_losses(preview.outcome.effects),
    ]


def opened(totals: Iterable[Opened]) -> list[str]:
    """Return what comes into view: “8 people will now see 312 deals.” (Q23)."""
    return [
        f"{_people(each.people)} will now see {_count(each.records, each.object)}."
        for each in totals
    ]


def abilities(effects: Iterable[Effect]) -> list[str]:
    """Return who gains and loses high-risk permissions: “2 people gain Export, Import.”"""
    gained: dict[str, set[int]] = {}
    lost: dict[str, set[int]] = {}
    for effect in effects:
        for found, keys in ((gained, effect.abilities_gained), (lost, effect.abilities_lost)):
            for key in keys:
                found.setdefault(key, set()).add(effect.person.pk)
    return [*_by_people("gain", gained), *_by_people("lose", lost)]


def _by_people(verb: str, found: Mapping[str, set[int]]) -> Iterable[str]:
    """Yield a sentence for each group of people who gain, or lose, the same."""
    groups: dict[frozenset[int], list[str]] = {}
    for key, people in found.items():
        groups.setdefault(frozenset(people), []).append(catalogue.name_of(key))
    for members, names in groups.items():
        does = verb if len(members) > 1 else f"{verb}s"
        yield f"{_people(len(members))} {does} {', '.join(names)}."


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


def _more_to_do(effects: Iterable[Effect]) -> list[str]:
    """Return who may do more with records than see them: “2 people can do more …: Edit, Delete.”"""
    gains = [
        {row.action for row in effect.records if row.gained and row.action != "view"}
        for effect in effects
    ]
    people = sum(map(bool, gains))
    if not people:
        return []
    every = set[str]().union(*gains)
    labels = [label for action, label in _LABELS.items() if action in every]
    return [f"{_people(people)} can do more with records than before: {', '.join(labels)}."]


_LABELS = {**catalogue.ACTION_LABELS, EXPORT: "Export"}


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
