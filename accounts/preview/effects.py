"""What changes for whom when a company stands otherwise: records by the rules, and abilities.

Counted in the database, before and after, by one statement for hundreds of conditions; no row is
read. How little has to be counted is the matter of `comparing`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from django.db.models import Model

from accounts import access, catalogue
from accounts.access import ALWAYS, Keys, Loaded, condition_for
from accounts.catalogue import Kind, ObjectKind, Risk
from accounts.models import User
from accounts.preview.comparing import Pair, Person, opened, pairs_of, touched
from accounts.preview.conditions import TRUE, Condition, all_of, of
from accounts.preview.counting import Question, counted
from accounts.preview.standings import Company, Profile, StandIn


@dataclass(frozen=True, slots=True)
class Records:
    """How many records of a kind somebody gains and loses for an action."""

    object: str
    action: str
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What changes for one person; high-risk abilities by their keys."""

    person: User
    is_changed: bool
    """Whether the change is to this person; others see more or less because of it (Q23)."""
    records: tuple[Records, ...]
    abilities_gained: tuple[str, ...]
    abilities_lost: tuple[str, ...]

    @property
    def is_guarded(self) -> bool:
        """Whether the person gets a tool whose changes of hands are kept in mind (guarded)."""
        return any(key.partition(":")[0] in catalogue.GUARDED for key in self.abilities_gained)

    @property
    def gains_records(self) -> bool:
        """Whether the person may do with any record what they may not do with it now."""
        return any(each.gained for each in self.records)


@dataclass(frozen=True, slots=True)
class Opened:
    """How many different records of a kind come into view, and for how many people."""

    object: str
    records: int
    people: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that changes, and what of it comes into view; `to_others` without the changed people."""

    effects: tuple[Effect, ...]
    opened: tuple[Opened, ...]
    opened_to_others: tuple[Opened, ...]


def outcome(
    before: Company, after: Company, changed: Collection[int], *, seen_by: User | None = None
) -> Outcome:
    """Return what the second company changes; `changed` are the people whom the change is to.

    `seen_by` reads it: only records that this person views now are counted, and only people whom
    they see are named or counted. None, for whoever sees everything, counts all.
    """
    people = _seen(touched(before, after), seen_by)
    pairs = pairs_of(people)
    views: dict[ObjectKind, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.action == "view":
            views[pair.kind].append(pair)
    others = {
        kind: [pair for pair in found if pair.person not in changed]
        for kind, found in views.items()
    }
    sight = cache(lambda model: _sight(model, seen_by))
    in_all = {kind: _within(opened(found), sight(kind.model)) for kind, found in views.items()}
    to_others = {kind: _within(opened(found), sight(kind.model)) for kind, found in others.items()}
    terms = [_terms(pair, sight(pair.kind.model)) for pair in pairs]
    questions = [question for each in terms for part in each for _, question in part]
    for conditions in (in_all, to_others):
        questions += [(kind.model, condition) for kind, condition in conditions.items()]
    counts = counted(questions)
    records: dict[int, list[Records]] = defaultdict(list)
    gainers: dict[ObjectKind, set[int]] = defaultdict(set)
    for pair, each in zip(pairs, terms, strict=True):
        gained, lost = (sum(sign * counts[question] for sign, question in part) for part in each)
        if gained or lost:
            records[pair.person].append(Records(pair.kind.key, pair.action, gained, lost))
        if gained and pair.action == "view":
            gainers[pair.kind].add(pair.person)
    return Outcome(
        _effects(people, records, changed),
        _totals(in_all, counts, gainers),
        _totals(
            to_others,
            counts,
            {kind: keys.difference(changed) for kind, keys in gainers.items()},
        ),
    )


def _seen(people: Iterable[Person], seen_by: User | None) -> list[Person]:
    """Return those of these people whom the reader sees."""
    found = list(people)
    if seen_by is None or not found:
        return found
    rows = User.objects.filter(pk__in=Keys(person.key for person in found))
    seen = set(access.permitted(rows, seen_by, "view").values_list("pk", flat=True))
    return [person for person in found if person.key in seen]


def _sight(model: type[Model], seen_by: User | None) -> Condition:
    """Return the condition under which the reader views a row of a model, as things stand."""
    return TRUE if seen_by is None else of(condition_for(Loaded(seen_by), "view", model))


def _within(condition: Condition, sight: Condition) -> Condition:
    return condition if sight == TRUE else all_of((condition, sight))


def _terms(pair: Pair, sight: Condition) -> list[list[tuple[int, Question]]]:
    """Return of which counts the rows gained and lost are the sum, within what the reader views."""
    return [
        [(sign, (model, _within(condition, sight))) for sign, (model, condition) in part]
        for part in pair.terms()
    ]


def _totals(
    conditions: Mapping[ObjectKind, Condition],
    counts: Mapping[Question, int],
    gainers: Mapping[ObjectKind, set[int]],
) -> tuple[Opened, ...]:
    return tuple(
        Opened(kind.key, counts[kind.model, condition], len(gainers[kind]))
        for kind, condition in conditions.items()
        if counts[kind.model, condition]
    )


# --- Abilities ------------------------------------------------------------------------------------


@cache
def high_risk_keys() -> tuple[str, ...]:
    """Return what can be held of the high-risk tools, each option by itself."""
    keys = []
    for tool in catalogue.TOOLS.values():
        if tool.risk is Risk.HIGH:
            one = tool.kind in (Kind.SWITCH, Kind.DERIVED) or not tool.options
            keys += [tool.key] if one else [f"{tool.key}:{each.key}" for each in tool.options]
    return tuple(keys)


def _abilities(profile: Profile) -> frozenset[str]:
    """Return the high-risk abilities that have an effect for people with these rights."""
    if not profile.active:
        return frozenset()
    person = StandIn(profile)
    return frozenset(key for key in high_risk_keys() if person.holds(key) is ALWAYS)


def _effects(
    people: Iterable[Person], records: Mapping[int, list[Records]], changed: Collection[int]
) -> tuple[Effect, ...]:
    """Return what changes for each one for whom anything does: the changed ones, then others."""
    abilities = cache(_abilities)
    found = []
    for person in people:
        was, becomes = map(abilities, person.profiles)
        if person.key in records or was != becomes:
            found.append((person.key, was, becomes))
    keys = Keys(key for key, _, _ in found)
    # `order_by` of the model: as people are listed everywhere.
    named = {user.pk: user for user in User.objects.filter(pk__in=keys)} if found else {}
    places = {key: place for place, key in enumerate(named)}
    effects = (
        Effect(
            named[key],
            key in changed,
            tuple(records.get(key, ())),
            _sorted(becomes - was),
            _sorted(was - becomes),
        )
        for key, was, becomes in found
        if key in named
    )
    return tuple(sorted(effects, key=lambda each: (not each.is_changed, places[each.person.pk])))


def _sorted(keys: frozenset[str]) -> tuple[str, ...]:
    return tuple(key for key in high_risk_keys() if key in keys)
