"""A preview in words, for screens, mails of review and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext_lazy

from accounts import catalogue
from accounts.access import EXPORT
from accounts.preview.effects import Effect, Opened, Records
from accounts.preview.result import Preview
from accounts.words import counted

MORE = {
    "view": gettext_lazy("sees %(count)s more %(records)s"),
    "change": gettext_lazy("edits %(count)s more %(records)s"),
    "delete": gettext_lazy("deletes %(count)s more %(records)s"),
    "communicate": gettext_lazy("logs activities on %(count)s more %(records)s"),
    "merge": gettext_lazy("merges %(count)s more %(records)s"),
    EXPORT: gettext_lazy("exports %(count)s more %(records)s"),
}
"""What somebody does with more records than before, by action."""
FEWER = {
    "view": gettext_lazy("sees %(count)s fewer %(records)s"),
    "change": gettext_lazy("edits %(count)s fewer %(records)s"),
    "delete": gettext_lazy("deletes %(count)s fewer %(records)s"),
    "communicate": gettext_lazy("logs activities on %(count)s fewer %(records)s"),
    "merge": gettext_lazy("merges %(count)s fewer %(records)s"),
    EXPORT: gettext_lazy("exports %(count)s fewer %(records)s"),
}
"""What somebody does with fewer records than before, by action."""


def summary(preview: Preview) -> list[str]:
    """Return what a change does in a few sentences, the most important first."""
    if not preview.changes_anything:
        return [gettext("Nobody gains or loses a record or a high-risk permission.")]
    return [
        *opened(preview.outcome.opened),
        *abilities(preview.outcome.effects),
        *_more_to_do(preview.outcome.effects),
        *_losses(preview.outcome.effects),
    ]


def opened(totals: Iterable[Opened]) -> list[str]:
    """Return what comes into view: “8 people will now see 312 deals.” (Q23)."""
    return [
        ngettext(
            "%(count)s person will now see %(number)s %(records)s.",
            "%(count)s people will now see %(number)s %(records)s.",
            each.people,
        )
        % {
            "count": counted(each.people),
            "number": counted(each.records),
            "records": _name(each.records, each.object),
        }
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
    gains = [
        ngettext(
            "%(count)s person gains %(permissions)s.", "%(count)s people gain %(permissions)s.", n
        )
        % {"count": counted(n), "permissions": names}
        for n, names in _by_people(gained)
    ]
    losses = [
        ngettext(
            "%(count)s person loses %(permissions)s.", "%(count)s people lose %(permissions)s.", n
        )
        % {"count": counted(n), "permissions": names}
        for n, names in _by_people(lost)
    ]
    return [*gains, *losses]


def _by_people(found: Mapping[str, set[int]]) -> Iterable[tuple[int, str]]:
    """Yield how many gain, or lose, the same, and what, for each such group of people."""
    groups: dict[frozenset[int], list[str]] = {}
    for key, people in found.items():
        groups.setdefault(frozenset(people), []).append(catalogue.name_of(key))
    for members, names in groups.items():
        yield len(members), ", ".join(names)


def of_one(effect: Effect) -> list[str]:
    """Return what changes for one person: “sees 12 more deals”, “gains Export”."""
    gains, loses = gettext("gains %(permission)s"), gettext("loses %(permission)s")
    return [
        *(words for row in effect.records for words in _of_records(row)),
        *(gains % {"permission": catalogue.name_of(key)} for key in effect.abilities_gained),
        *(loses % {"permission": catalogue.name_of(key)} for key in effect.abilities_lost),
    ]


def _of_records(row: Records) -> Iterable[str]:
    for number, texts in ((row.gained, MORE), (row.lost, FEWER)):
        if number:
            parts = {"count": counted(number), "records": _name(number, row.object)}
            yield str(texts[row.action]) % parts


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
    labels = [str(label) for action, label in _LABELS.items() if action in every]
    text = ngettext(
        "%(count)s person can do more with records than before: %(actions)s.",
        "%(count)s people can do more with records than before: %(actions)s.",
        people,
    )
    return [text % {"count": counted(people), "actions": ", ".join(labels)}]


_LABELS = {**catalogue.ACTION_LABELS, EXPORT: pgettext_lazy("permission", "Export")}


def _losses(effects: Iterable[Effect]) -> list[str]:
    losing = sum(any(row.lost for row in effect.records) for effect in effects)
    if not losing:
        return []
    text = ngettext(
        "%(count)s person loses records that they could see or work on.",
        "%(count)s people lose records that they could see or work on.",
        losing,
    )
    return [text % {"count": counted(losing)}]


def _name(number: int, object_key: str) -> str:
    kind = catalogue.object_kind(object_key)
    if kind is None:
        return object_key
    return kind.noun if number == 1 else kind.nouns
