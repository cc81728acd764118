"""What people could do with a record once it is given to them: asked of all of them at once.

Nothing here decides about access, and nothing is written. The rules are asked of anyone who
receives the record, in one query over people, however many they are (compare suppose.py, which
asks about one).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db.models import Model, Q

from accounts import access
from accounts.access import ROW, Anyone, Keys, of_anyone_and_record, rules_for
from accounts.asker import Asker
from accounts.models import Membership, User
from accounts.people import BY_NAME
from accounts.prepared import Prepared, Seen
from accounts.rule import ALWAYS

NOBODY = 0
"""No row has this key."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What is given: by this permission, to somebody themselves, to their main team, or to both."""

    permission: str
    to_them: bool
    to_their_team: bool


class Receiving(Anyone):
    """Anyone in a query over people, once a record is given to them, or to their main team.

    It comes in place of what they, or the team, were given of it before.
    """

    def __init__(self, gift: Gift, person: Mapping[str, Seen]) -> None:
        super().__init__(lambda name, depth: person[name](depth))
        self._gift = gift
        self._asks_what_is_kept = False

    def id(self, depth: int = 1) -> Any:
        replaced = self._asks_what_is_kept and self._gift.to_them
        return NOBODY if replaced else super().id(depth)

    def main_teams(self, depth: int = 1) -> Any:
        replaced = self._asks_what_is_kept and self._gift.to_their_team
        return (NOBODY,) if replaced else super().main_teams(depth)

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        if self._gift.permission in permissions:
            return ALWAYS
        self._asks_what_is_kept = True
        try:
            return shared()
        finally:
            self._asks_what_is_kept = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody may do with a record now, and what they could once it is given to them."""

    person: User
    is_named: bool
    """Whether it is given to themselves, and not only to their main team."""
    main_team: int | None
    sees: bool
    edits: bool
    because: tuple[str, ...]
    """Codes of the rules by which they see it now."""
    would_see: bool
    would_edit: bool
    held_back: frozenset[str]
    """Codes of the rules that would keep them from editing it all the same."""


def standings(
    record: Model, permission: str, people: Collection[int], teams: Collection[int]
) -> list[Standing]:
    """Return how these people, and the main members of these teams, stand to the stored record.

    `permission` is the one that they would be given, as `Asker.receives` knows it. Active people
    only, by name. One query for whom it is given to themselves, one to their team, one to both.
    """
    main = Membership.objects.filter(is_main=True, team__in=list(teams))
    team_of = dict(main.values_list("user", "team")) if teams else {}
    named = set(people)
    found: list[Standing] = []
    for to_them, to_their_team, keys in (
        (True, False, named - team_of.keys()),
        (False, True, team_of.keys() - named),
        (True, True, team_of.keys() & named),
    ):
        if keys:
            gift = Gift(permission, to_them, to_their_team)
            found += [_standing(row, gift, team_of) for row in _asked(record, gift, keys)]
    place = {each: number for number, each in enumerate(_in_order(found))}
    return sorted(found, key=lambda each: place[each.person.pk])


def _in_order(found: Collection[Standing]) -> Iterable[int]:
    keys = Keys(sorted(each.person.pk for each in found) or [NOBODY])
    return User.objects.filter(pk__in=keys).order_by(*BY_NAME).values_list("pk", flat=True)


def _asked(record: Model, gift: Gift, keys: Collection[int]) -> Iterable[Any]:
    """Return these people with what the rules answer of each; one query."""
    model = type(record)
    questions = _questions_of(gift, model)
    answers = {name: asked(record=record.pk, **ROW) for name, asked in questions.items()}
    people = User.objects.filter(pk__in=Keys(sorted(keys)), is_active=True)
    return people.annotate(**answers)


def _standing(row: Any, gift: Gift, team_of: Mapping[int, int]) -> Standing:
    """Return what the columns of a row say, which the query calls as `_questions` does."""
    held = [name for name, value in vars(row).items() if value is True]
    return Standing(
        row,
        gift.to_them,
        team_of.get(row.pk),
        *("now_view" in held, "now_change" in held),
        tuple(dict.fromkeys(name.split("_", 2)[2] for name in held if name.startswith("by_"))),
        *("then_view" in held, "then_change" in held),
        frozenset(name.split("_", 2)[2] for name in held if name.startswith("not_")),
    )


def _questions_of(gift: Gift, model: type[Model]) -> dict[str, Prepared]:
    """Return what is asked of each person and the record, by name; put into SQL once."""
    return access.ANYONE.once(("receiving", gift, model), lambda: _questions(gift, model))


def _questions(gift: Gift, model: type[Model]) -> dict[str, Prepared]:
    def asker(person: Mapping[str, Seen]) -> Receiving:
        return Receiving(gift, person)

    def now(when: Callable[[Asker], Q]) -> Prepared:
        return of_anyone_and_record(model, when)

    def then(when: Callable[[Asker], Q]) -> Prepared:
        return of_anyone_and_record(model, when, asker)

    def numbered(action: str, *, allows: bool) -> list[tuple[int, str]]:
        rules = rules_for(access.ANYONE, action, model)
        return [(n, rule.code) for n, rule in enumerate(rules) if rule.allows is allows]

    asked = {f"now_{action}": now(partial(_may, action, model)) for action in ("view", "change")}
    for number, code in numbered("view", allows=True):
        asked[f"by_{number}_{code}"] = now(partial(_rule, "view", model, number))
    for action in ("view", "change"):
        asked[f"then_{action}"] = then(partial(_may, action, model))
    for number, code in numbered("change", allows=False):
        asked[f"not_{number}_{code}"] = then(partial(_rule, "change", model, number))
    return asked


def _may(action: str, model: type[Model], asker: Asker) -> Q:
    return access.condition_for(asker, action, model)


def _rule(action: str, model: type[Model], number: int, asker: Asker) -> Q:
    return rules_for(asker, action, model)[number].when
