"""Which conditions differ, before and after, for whom; and what of them has to be counted.

For every person, kind of record and action there is the condition of the rules as it is and as it
would be. Most are never asked: it is the same before and after, or the same for many people, or one
surely lies within the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from accounts import catalogue
from accounts.access import EXPORT, condition_for
from accounts.catalogue import ObjectKind
from accounts.preview.conditions import (
    Condition,
    all_of,
    any_of,
    found_within,
    implies,
    negated,
    of,
    split,
    without,
)
from accounts.preview.counting import Question, with_keys
from accounts.preview.standings import (
    NOTHING_HELD,
    Company,
    Facts,
    Fitting,
    Held,
    Profile,
    Receivers,
    StandIn,
    states_of,
)

Asked = tuple[ObjectKind, str]
"""A kind of record, and an action."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person before and after."""

    key: int
    profiles: tuple[Profile, Profile]
    facts: tuple[Facts, Facts]


@dataclass(frozen=True, slots=True)
class Pair:
    """The conditions before and after of one person for an action on a kind of record."""

    person: int
    kind: ObjectKind
    action: str
    before: Condition
    after: Condition
    kept: Condition | None
    """What is had before and after; None where not the rights alone differ, but teams or mates."""

    def terms(self) -> tuple[list[tuple[int, Question]], list[tuple[int, Question]]]:
        """Return of which counts the numbers of rows gained and lost are the sum."""
        model = self.kind.model
        if self.kept is None:
            # Two long lists of mates differ by few: those are looked for.
            gained, lost = without(self.after, self.before), without(self.before, self.after)
            return [(1, (model, gained))], [(1, (model, lost))]
        # What is had before, after, and both times: mostly the same for whole teams.
        kept = (-1, (model, self.kept))
        return [(1, (model, self.after)), kept], [(1, (model, self.before)), kept]


def both(before: Condition, after: Condition) -> Condition:
    """Return the condition under which a row is had before and after."""
    if implies(before, after):
        return before
    return after if implies(after, before) else all_of((before, after))


def touched(before: Company, after: Company) -> Iterator[Person]:
    """Yield who has other rights, teams or mates afterwards."""
    keys = [
        key
        for key in after.people
        if before.people[key] != after.people[key] or before.mates(key) != after.mates(key)
    ]
    sets = {
        company.people[key].rights
        for company in (before, after)
        for key in keys
        if isinstance(company.people[key].rights, int)
    }
    stored = {key: Held.of(state) for key, state in states_of(sets).items()}  # type: ignore[arg-type]  # keys alone
    profiles: dict[Profile, Profile] = {}
    for key in keys:
        sides = []
        for company in (before, after):
            standing = company.people[key]
            held = standing.rights
            if not isinstance(held, Held):
                held = NOTHING_HELD if held is None else stored[held]
            profile = Profile(standing.active, standing.super_admin, standing.partner_admin, held)
            facts = Facts(key, company.mates(key), standing.teams, standing.main_team)
            sides.append((profiles.setdefault(profile, profile), facts))
        (was, had), (becomes, has) = sides
        if was != becomes or had != has:
            yield Person(key, (was, becomes), (had, has))


def pairs_of(people: Iterable[Person]) -> list[Pair]:
    """Return the conditions that differ, for whom they do."""
    conditions, had_both_times = cache(_conditions), cache(both)
    receivers = Receivers()
    pairs = []
    for person in people:
        fits = [Fitting(facts, receivers) for facts in person.facts]
        was, becomes = map(conditions, person.profiles)
        same_facts = person.facts[0] == person.facts[1]
        for asked in was:
            before, after = was[asked], becomes[asked]
            if before == after and same_facts:
                continue
            kept = fits[0](had_both_times(before, after)) if same_facts else None
            pairs.append(Pair(person.key, *asked, fits[0](before), fits[1](after), kept))
    return _with_keys([pair for pair in pairs if pair.before != pair.after])


def _asked() -> Iterator[Asked]:
    for kind in catalogue.objects():
        for action in (*kind.actions, EXPORT):
            if action != "add":
                yield kind, action


def _conditions(profile: Profile) -> dict[Asked, Condition]:
    """Return every condition of the rules for people with these rights, with places for them."""
    person = StandIn(profile)
    return {
        (kind, action): of(condition_for(person, action, kind.model)) for kind, action in _asked()
    }


def _with_keys(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs that still differ with what other queries find written into them."""
    conditions = {each for pair in pairs for each in (pair.before, pair.after, pair.kept)}
    known = with_keys(each for each in conditions if each is not None)
    found = (
        replace(
            pair,
            before=known[pair.before],
            after=known[pair.after],
            kept=None if pair.kept is None else known[pair.kept],
        )
        for pair in pairs
    )
    return [pair for pair in found if pair.before != pair.after]


def opened(pairs: Iterable[Pair]) -> Condition:
    """Return the condition under which a row comes into view of at least one of these people."""
    missed: dict[Condition, dict[Condition, None]] = defaultdict(dict)
    for pair in pairs:
        if pair.kept is None:
            had, new = split(without(pair.after, pair.before))
        else:
            had, new = pair.after, negated(pair.before)
        missed[had][new] = None
    # Of whom the same holds: a row that one of them missed. And of whom the latter is the same, all
    # together, so that their keys become one list.
    reached: dict[Condition, list[Condition]] = defaultdict(list)
    for had, each in missed.items():
        reached[any_of(each)].append(had)
    found = any_of(all_of((any_of(several), new)) for new, several in reached.items())
    # Said once more in short, where an index finds the rows.
    return found if len(reached) == 1 else found_within(found, any_of(missed))
