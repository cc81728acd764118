"""The rules asked of everybody at once: who may do this to a record, and who holds a tool."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import Any

from django.db.models import Exists, F, Model, Q, QuerySet, Value
from django.db.models.query import ModelIterable

from accounts import catalogue
from accounts.access.askers import ANYONE, Anyone
from accounts.access.rules import LEVELS, condition_for, rules_for
from accounts.asker import Asker
from accounts.models.people import User
from accounts.prepared import Prepared, Seen
from accounts.rule import Rule


class WithReasons(ModelIterable):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Puts the findings of `who_can`, which the query brought along, on each person."""

    def __iter__(self) -> Iterator[User]:
        for person in super().__iter__():
            held = [name for name, value in vars(person).items() if value is True]
            codes = [name.split("_", 2)[2] for name in held if name.startswith("by_")]
            person.reasons = list(dict.fromkeys(codes))
            person.level = tuple(name[4:] for name in held if name.startswith("may_"))
            yield person


def who_can(action: str, obj: Model) -> QuerySet[User]:
    """Return all active people who may do this to the stored row (B3).

    The same rules, asked of anyone: one query over people, whatever their number. Each person has
    `reasons`, the codes of the rules that grant, and `level`, what of `LEVELS` they may do to it.
    """
    model = type(obj)
    questions = ANYONE.once(("who can", action, model), lambda: _questions(action, model))
    answers: dict[str, Any] = {
        name: asked(record=obj.pk, **ROW) if asked else Value(True)
        for name, asked in questions.items()
    }
    found = answers.pop("found")
    people = User.objects.filter(is_active=True).annotate(**answers).filter(found)
    people._iterable_class = WithReasons
    return people


_COLUMNS = {
    "pk": "id",
    **{
        name: name
        for name in ("is_active", "is_superuser", "is_partner_admin", "permission_set_id")
    },
}
"""The columns of a person's row by which the rules are asked of anyone."""
ROW = {name: F(column) for name, column in _COLUMNS.items()}


def _questions(action: str, model: type[Model]) -> dict[str, Prepared | None]:
    """Return what `who_can` asks about each person and one record, by name, `found` among it.

    Dozens of sub-queries in one another, which Django takes longer to put together than a database
    takes to answer them. None: it is what was asked, so it holds of all who are found.
    """
    asked: dict[str, Prepared | None] = {
        f"by_{number}_{rule.code}": of_anyone_and_record(
            model, partial(_granting, action, model, number)
        )
        for number, rule in enumerate(_granting_rules(ANYONE, action, model))
    }
    for level in LEVELS:
        may = of_anyone_and_record(model, partial(_may, level, model))
        asked[f"may_{level}"] = may if level != action else None
    return asked | {"found": of_anyone_and_record(model, partial(_may, action, model))}


def _anyone(person: Mapping[str, Seen]) -> Anyone:
    return Anyone(lambda name, depth: person[name](depth))


def of_anyone_and_record(
    model: type[Model],
    when: Callable[[Asker], Q],
    asker: Callable[[Mapping[str, Seen]], Anyone] = _anyone,
) -> Prepared:
    """Return the question whether this holds of a stored record and of the person of a row.

    It is asked of a key (`record`) and of the columns of the row (`ROW`), of which `asker` makes
    whom the rules are asked about.
    """

    def there_is(record: Seen, **person: Seen) -> Q:
        return Q(Exists(model._base_manager.filter(when(asker(person)), pk=record(1))))

    # The key of a record is what a person's key is: a number.
    return Prepared(there_is, User, {"record": "id", **_COLUMNS})


def _granting_rules(asker: Asker, action: str, model: type[Model]) -> list[Rule]:
    return [rule for rule in rules_for(asker, action, model) if rule.allows]


def _granting(action: str, model: type[Model], number: int, asker: Asker) -> Q:
    return _granting_rules(asker, action, model)[number].when


def _may(action: str, model: type[Model], asker: Asker) -> Q:
    return condition_for(asker, action, model)


def holders(tool: str) -> QuerySet[User]:
    """Return the active people who have a tool of the catalogue, super admins included."""
    ANYONE.holds(tool)  # a mistyped key raises here, and not when somebody looks at the people
    return _people(("holders", tool), lambda asker: asker.holds(tool))


def given_to(tool: str) -> QuerySet[User]:
    """Return the active people whose set stores a tool, though it may have no effect for them.

    Super admins are among them, as among `holders`. For screens and records of who gave what; who
    may do something is asked of `holders`.
    """
    key, _, option = catalogue.parse(tool).name.partition(":")
    return _people(
        ("given to", tool), lambda asker: asker.is_superuser() | asker.given(key, (option,))
    )


def _people(question: Hashable, when: Callable[[Asker], Q]) -> QuerySet[User]:
    """Return the active people of whom this holds, by what stands in their row."""
    holds = ANYONE.once(question, lambda: _of_person(when))
    return User.objects.filter(holds(**ROW), is_active=True)


def _of_person(when: Callable[[Asker], Q]) -> Prepared:
    def holds(**person: Seen) -> Q:
        return when(Anyone(lambda name, depth: person[name](depth - 1)))

    return Prepared(holds, User, _COLUMNS)
