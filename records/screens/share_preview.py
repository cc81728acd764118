"""What a share would do, said before it is made: for each person, and for each team in numbers.

The access engine answers it for all of them at once (accounts/receiving.py). Whoever governs people
reads what somebody can do already, and why. Who is in which team is not told to anybody else (R7),
so others read no more than the record itself tells them: who owns it, and with whom it is shared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.models import Team, User
from accounts.receiving import Standing, standings
from accounts.words import counted, listed
from records import kinds
from records.models import Level, Record
from records.operations import sharing
from records.operations.exceptions import is_locked
from records.reasons import granted_by
from records.screens.share_words import end_of, giver_of

OWNED = "owned"


class Outcome(Enum):
    """What somebody can do with the record once it is shared with them."""

    EDIT = "edit"
    VIEW = "view"
    LOCKED = "locked"
    RULED = "ruled"
    """They see it; whether its stage lets them edit it is not told, since teams decide it."""
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
    """Return what sharing with these would mean for each of them; a few queries for all.

    A reader who does not govern people reads the same whoever is in which team, up to the number
    of a team's main members.
    """
    people, teams = list(people), list(teams)
    permission = f"{level.codename}_{record._meta.model_name}"
    keys = [each.pk for each in people]
    found = standings(record, permission, keys, [team.pk for team in teams])
    held: dict[tuple[str, int], Any] = {
        (each.receiver_field, getattr(each, f"{each.receiver_field}_id")): each
        for each in sharing.shares_of(record)
    }
    named = {each.person.pk: each for each in found if each.is_named}
    is_ruled = not governs and is_locked(record)
    lines = []
    for person in people:
        if person == reader:
            said = gettext("You have this record already.")
            lines.append(Line(str(person), said, look="is-problem"))
            continue
        standing, before = named.get(person.pk), held.get(("user", person.pk))
        if standing is not None and not governs:
            standing = _as_told(standing, level, before, is_ruled=is_ruled)
        lines.append(
            _of_person(person, standing, record, level, _shared_so_far(before), is_ruled=is_ruled)
        )
    for team in teams:
        more = _shared_so_far(held.get(("group", team.pk)))
        members = [each for each in found if each.main_team == team.pk]
        lines.append(_of_team(team, members, level, more, governs=governs))
    return lines


def _as_told(standing: Standing, level: Level, before: Any, *, is_ruled: bool) -> Standing:
    """Return of a standing what no team has a part in, for readers who do not govern people.

    Owners, and receivers of a share of their own, are named on the record. All else by which
    somebody sees or edits it already may come from a team, and so is taken as if it were not there.
    In a stage with a rule nothing is told of editing: the rule may name teams.
    """
    owns = OWNED in standing.because
    edits = standing.edits and (owns or (before is not None and before.level is Level.EDIT))
    would_edit = standing.would_edit if level is Level.EDIT else standing.edits and owns
    return replace(
        standing,
        sees=standing.sees and (owns or before is not None),
        edits=edits and not is_ruled,
        because=(OWNED,) if owns else (),
        would_edit=would_edit and not is_ruled,
        held_back=frozenset(),
    )


def _outcome(standing: Standing, level: Level, *, is_ruled: bool = False) -> Outcome:
    if not standing.would_see:
        return Outcome.NOTHING
    if level is Level.VIEW and not standing.would_edit:
        return Outcome.VIEW
    if standing.would_edit:
        return Outcome.EDIT
    if is_ruled:
        return Outcome.RULED
    return Outcome.LOCKED if "stage" in standing.held_back else Outcome.LESS


def _of_person(
    person: User,
    standing: Standing | None,
    record: Record,
    level: Level,
    more: list[str],
    *,
    is_ruled: bool,
) -> Line:
    if standing is None or not standing.would_see:
        said = gettext("A share would give them nothing. Take them out.")
        return Line(str(person), said, look="is-problem")
    outcome = _outcome(standing, level, is_ruled=is_ruled)
    if standing.sees and not more:
        more = _why(standing)
    look = "is-limited" if outcome in _LIMITED else ""
    return Line(str(person), _verdict(standing, outcome, record), tuple(more), look)


_LIMITED = frozenset({Outcome.LOCKED, Outcome.RULED, Outcome.LESS})


def _verdict(standing: Standing, outcome: Outcome, record: Record) -> str:
    if outcome is Outcome.LOCKED:
        said = gettext("Can see it, and not edit it while it is in the locked stage “%(stage)s”.")
        return said % {"stage": record.stage.name}  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    if outcome is Outcome.RULED:
        said = gettext(
            "Can see it, and edit it as far as their own permissions and the locked stage "
            "“%(stage)s” let them."
        )
        return said % {"stage": record.stage.name}  # type: ignore[attr-defined]  # only records with a stage have a stage rule
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


def _why(standing: Standing) -> list[str]:
    """Return why somebody sees the record already."""
    reasons = listed(granted_by(code) for code in standing.because)
    return [gettext("They see it because: %(reasons)s.") % {"reasons": reasons}]


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


def _of_team(
    team: Team, members: list[Standing], level: Level, more: list[str], *, governs: bool
) -> Line:
    """Return what a share means for a team's main members, in numbers: who they are is not told.

    What each of them could do is counted for whoever governs people alone: beside the lines of
    persons such numbers tell who is in the team, where few can do as little.
    """
    name = gettext("%(team)s (team)") % {"team": team}
    if not members:
        said = gettext("Nobody has it as main team now, so nobody gets anything yet.")
        return Line(name, said, tuple(more), "is-limited")
    if not governs:
        said = ngettext(
            "Reaches its %(count)s main member, as far as their own permissions let them.",
            "Reaches its %(count)s main members, as far as their own permissions let them.",
            len(members),
        )
        return Line(name, said % {"count": counted(len(members))}, tuple(more))
    outcomes = Counter(_outcome(each, level) for each in members)
    said = "; ".join(
        _in_numbers(outcome, outcomes[outcome]) for outcome in Outcome if outcomes[outcome]
    )
    return Line(name, gettext("Of its main members: %(numbers)s.") % {"numbers": said}, tuple(more))
