"""Records made of chance, by what is known of the fields of their kind (bulk.py lays them down)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from django.db import models

from accounts.fields import Email
from records.kinds import Field, Kind, Type
from records.models import Stage

Values = Mapping[str, Any]
"""A row by its columns; the others have their defaults."""
Make = Callable[[int], Any]
"""What makes a record's value of its number."""

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
SPAN = 365 * 24 * 3600
RARE = "Quokka"
"""A word in one name of ten thousand, for measuring a search that finds little."""

FIRST = (
    "Ada",
    "Bo",
    "Chen",
    "Dora",
    "Emil",
    "Fay",
    "Goran",
    "Hana",
    "Ines",
    "Jon",
    "Kofi",
    "Lena",
)
LAST = (
    "Adler",
    "Bauer",
    "Costa",
    "Diaz",
    "Eriks",
    "Fenn",
    "Gupta",
    "Horn",
    "Ito",
    "Jansen",
    "Kim",
)
_THINGS = ("Pumps", "Licences", "Training", "Hosting", "Cranes", "Sensors", "Paint", "Robots")
_WHY = ("renewal", "extension", "pilot", "framework", "replacement", "roll-out")
_WORDS = ("Amber", "Basalt", "Cobalt", "Delta", "Ember", "Fjord", "Garnet", "Harbour")


class Owners:
    """Who owns a record: few people own much (Zipf), a fifth is nobody's, a tenth has two."""

    def __init__(self, people: Sequence[int], chance: Random) -> None:
        self._chance = chance
        self._people = chance.sample(people, len(people))
        self._weights = list(accumulate(1 / rank for rank in range(1, len(people) + 1)))

    def pick(self) -> int:
        """Return the key of one person."""
        return self._chance.choices(self._people, cum_weights=self._weights)[0]

    def columns(self) -> dict[str, Any]:
        """Return owners and stamps of one record."""
        owned = self._chance.random() >= 0.2
        shared = owned and self._chance.random() < 0.125
        created = EPOCH + timedelta(seconds=self._chance.randrange(SPAN))
        return {
            "owner_id": self.pick() if owned else None,
            "co_owner_id": self.pick() if shared else None,
            "created_at": created,
            "updated_at": created + timedelta(seconds=self._chance.randrange(SPAN)),
        }


class Maker:
    """Makes up records by what is known of their fields, linked with those of earlier kinds."""

    def __init__(self, chance: Random, owners: Owners) -> None:
        self._chance, self._owners = chance, owners
        self.keys: dict[type[models.Model], Sequence[int]] = {}
        self.stages: dict[Kind, Sequence[int]] = {}

    def rows(self, kind: Kind, count: int) -> Iterator[Values]:
        """Yield so many records of a kind."""
        own = (each for each in kind.fields if each.is_stored and each.editable)
        makes = {
            f"{each.name}_id" if each.related else each.name: make
            for each in own
            if not each.is_owner and (make := self._make(kind, each)) is not None
        }
        days = [each.name for each in kind.fields if each.holds is Type.DATE and each.editable]
        for number in range(count):
            owned = self._owners.columns()
            first_day = owned["created_at"].date()
            began = {name: first_day for name in days if name != kind.closing}
            yield {name: make(number) for name, make in makes.items()} | began | owned

    def _make(self, kind: Kind, field: Field) -> Make | None:
        """Return what makes a field's values; None where it is left as it is on a new record."""
        chance, name, model = self._chance, field.name, kind.model
        if field.related is not None:
            keys = self.stages[kind] if field.related is Stage else self.keys.get(field.related)
            return (lambda number: chance.choice(keys)) if keys else None
        if field.choices:
            values = list(field.choices)
            return lambda number: chance.choice(values)
        if name in model.years:
            return lambda number: chance.randrange(1900, 2025)
        if field.holds is Type.INTEGER:
            return lambda number: chance.randrange(1, 5000)
        if field.holds is Type.DECIMAL:
            return lambda number: chance.randrange(100, 1_000_000)
        return self._text(kind, name) if field.holds is Type.TEXT else None

    def _text(self, kind: Kind, name: str) -> Make:
        chance, model = self._chance, kind.model
        if isinstance(model._meta.get_field(name), Email):
            return lambda number: f"{kind.key}{number}@customer.example"
        if name in model.number_fields:
            return lambda number: f"+49 30 555 {chance.randrange(10_000):04}"
        if name == model.name_fields[-1]:
            if len(model.name_fields) > 1:
                return lambda number: f"{self._word(LAST)} {number}"
            first, second = (_THINGS, _WHY) if kind.is_staged else (LAST, _THINGS)
            return lambda number: f"{self._word(first)} {chance.choice(second)} {number}"
        if name in model.name_fields:
            return lambda number: chance.choice(FIRST)
        if name in model.search_fields:
            return lambda number: f"{kind.key}{number}.example"
        return lambda number: chance.choice(_WORDS)

    def _word(self, words: Sequence[str]) -> str:
        word = self._chance.choice(words)
        return f"{RARE} {word}" if self._chance.random() < 1 / 10_000 else word
