"""What a share would do, said before it is made: for each person, and for each team in numbers.

The access engine answers it for all of them at once (accounts/receiving.py). Whoever governs people
reads why somebody sees the record already; others read that where the record itself tells it, since
what colleagues hold is not told to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.models import Team, User
from accounts.receiving import Standing, standings
from accounts.words import counted, listed
from records import kinds
from records.models import Level, Record
from records.operations import sharing
from records.reasons import granted_by
from records.screens.share_words import end_of, giver_of

TOLD_TO_ALL = frozenset({"owned"})
"""Reasons that the record's own page gives to everybody who sees it.

Not that it is shared: with their main team it might be, and who is in a team is not public (R7)."""


class Outcome(Enum):
    """What somebody can do with the record once it is shared with them."""

    EDIT = "edit"
    VIEW = "view"
    LOCKED = "locked"
    LESS = "less"
    NOTHING = "nothing"


def _in_numbers(outcome: Outcome, number: int) -> str:
    texts = {
        Outcome.EDIT: ngettext(
            "%(count)s can see and edit it", "%(count)s can see and edit it", number
        ),
        Outcome.VIEW: ngettext("%(count)s can see it", "%(count)s can see it", number),
        Outcome.LOCKED: ngettext(
            "%(count)s can see it, and not edit it while it is in its locked stage",
            "%(count)s can see it, and not edit it while it is in its locked stage",
            number,
        ),
        Outcome.LESS: ngettext(
            "%(count)s can only see it, by their own permissions",
            "%(count)s can only see it, by their own permissions",
            number,
        ),
        Outcome.NOTHING: ngettext(
            "%(count)s gets nothing by it", "%(count)s get nothing by it", number
        ),
    }
    return texts[outcome] % {"count": counted(number)}


@dataclass(frozen=True, slots=True)
class Line:
    """What a share would mean for one person or team."""

    name: str
    verdict: str
    more: tuple[str, ...] = ()
    look: str = ""
    """How it is marked: a problem that keeps from sharing, or a limit."""


def preview(
    record: Record,
    level: Level,
    people: Iterable[User],
    teams: Iterable[Team],
    *,
    reader: User,
    governs: bool,
) -> list[Line]:
    """Return what sharing with these would mean for each of them; a few queries for all."""
    people, teams = list(people), list(teams)
    permission = f"{level.codename}_{record._meta.model_name}"
    keys = [each.pk for each in people]
    found = standings(record, permission, keys, [team.pk for team in teams])
    held: dict[tuple[str, int], Any] = {
        (each.receiver_field, getattr(each, f"{each.receiver_field}_id")): each
        for each in sharing.shares_of(record)
    }
    named = {each.person.pk: each for each in found if each.is_named}
    lines = []
    for person in people:
        if person == reader:
            said = gettext("You have this record already.")
            lines.append(Line(str(person), said, look="is-problem"))
        else:
            more = _shared_so_far(held.get(("user", person.pk)))
            lines.append(_of_person(person, named.get(person.pk), record, level, more, governs))
    for team in teams:
        more = _shared_so_far(held.get(("group", team.pk)))
        lines.append(_of_team(team, found, level, more))
    return lines


def _outcome(standing: Standing, level: Level) -> Outcome:
    if not standing.would_see:
        return Outcome.NOTHING
    if level is Level.VIEW and not standing.would_edit:
        return Outcome.VIEW
    if standing.would_edit:
        return Outcome.EDIT
    return Outcome.LOCKED if "stage" in standing.held_back else Outcome.LESS


def _of_person(
    person: User,
    standing: Standing | None,
    record: Record,
    level: Level,
    more: list[str],
    governs: bool,
) -> Line:
    if standing is None or not standing.would_see:
        said = gettext("A share would give them nothing. Take them out.")
        return Line(str(person), said, look="is-problem")
    outcome = _outcome(standing, level)
    if standing.sees and not more:
        more = _why(standing, outcome, governs)
    look = "is-limited" if outcome in (Outcome.LOCKED, Outcome.LESS) else ""
    return Line(str(person), _verdict(standing, outcome, record), tuple(more), look)


def _verdict(standing: Standing, outcome: Outcome, record: Record) -> str:
    if outcome is Outcome.LOCKED:
        said = gettext("Can see it, and not edit it while it is in the locked stage “%(stage)s”.")
        return said % {"stage": record.stage.name}  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    if outcome is Outcome.LESS:
        said = gettext("Can only see it: their own permissions let them edit no %(kinds)s.")
        return said % {"kinds": kinds.of(type(record)).nouns}
    if standing.edits and outcome is Outcome.VIEW:
        return gettext("Will only see it; can edit it until now.")
    return str(_VERDICTS[outcome, standing.sees, standing.edits])


_VERDICTS = {
    (Outcome.EDIT, False, False): gettext_lazy("Will see and edit it."),
    (Outcome.EDIT, True, False): gettext_lazy("Will be able to edit it."),
    (Outcome.EDIT, True, True): gettext_lazy("Can see and edit it already."),
    (Outcome.VIEW, False, False): gettext_lazy("Will see it."),
    (Outcome.VIEW, True, False): gettext_lazy("Can see it already."),
}


def _why(standing: Standing, outcome: Outcome, governs: bool) -> list[str]:
    """Return why somebody sees the record already, as far as the reader may know it."""
    told = [code for code in standing.because if governs or code in TOLD_TO_ALL]
    if told:
        reasons = listed(granted_by(code) for code in told)
        return [gettext("They see it because: %(reasons)s.") % {"reasons": reasons}]
    is_said = outcome is Outcome.VIEW or standing.edits
    return [] if is_said else [gettext("They see it already.")]


def _shared_so_far(before: Any) -> list[str]:  # guardian's bases are not typed
    """Return what a share of before said, which this one takes the place of."""
    if before is None:
        return []
    parts = {
        "level": before.level.label,
        "end": end_of(before.until),
        "giver": giver_of(before),
    }
    said = gettext("Shared already: %(level)s, %(end)s, %(giver)s. This replaces it.")
    return [said % parts]


def _of_team(team: Team, found: Iterable[Standing], level: Level, more: list[str]) -> Line:
    """Return what a share means for a team's main members, in numbers: who they are is not told."""
    outcomes = Counter(_outcome(each, level) for each in found if each.main_team == team.pk)
    name = gettext("%(team)s (team)") % {"team": team}
    if not outcomes:
        said = gettext("Nobody has it as main team now, so nobody gets anything yet.")
        return Line(name, said, tuple(more), "is-limited")
    said = "; ".join(
        _in_numbers(outcome, outcomes[outcome]) for outcome in Outcome if outcomes[outcome]
    )
    return Line(name, gettext("Of its main members: %(numbers)s.") % {"numbers": said}, tuple(more))
