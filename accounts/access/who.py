"""The rules asked of everybody at once: who may do this to a record, and who holds a tool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Value
from django.db.models.query import ModelIterable

from accounts import catalogue
from accounts.access.askers import ANYONE
from accounts.access.rules import LEVELS, condition_for, rules_for
from accounts.models.people import User


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
    people = ANYONE.once(("who can", action, model), lambda: _who_can_any(action, model)).all()
    questions: dict[str, Any] = people.query.annotations  # annotations and the alias of below
    for name, asked in questions.items():
        if isinstance(asked, Exists):
            questions[name] = _about(asked, obj)
    people._iterable_class = WithReasons
    return people.filter(Q(found=True))


def _who_can_any(action: str, model: type[Model]) -> QuerySet[User]:
    """Return the query of `who_can` but for the record it is about.

    Made once per process: dozens of sub-queries in one another, which Django takes longer to put
    together than a database takes to answer them.
    """
    rows = model._base_manager.all()
    # Named before it stands in a query over people, or rows that are people themselves would bear
    # the outer query's name once the row is asked for (`_about`).
    rows.query.get_initial_alias()
    granting = [rule for rule in rules_for(ANYONE, action, model) if rule.allows]
    return (
        User.objects.filter(is_active=True)
        .annotate(
            **{
                f"by_{number}_{rule.code}": Exists(rows.filter(rule.when))
                for number, rule in enumerate(granting)
            },
            **{
                f"may_{level}": Exists(rows.filter(condition_for(ANYONE, level, model)))
                if level != action
                else Value(True)
                for level in LEVELS
            },
        )
        .alias(found=Exists(rows.filter(condition_for(ANYONE, action, model))))
    )


def _about(asked: Exists, obj: Model) -> Exists:
    """Return the same question, asked of this stored row alone."""
    asked = asked.copy()
    asked.query = asked.query.clone()
    asked.query.add_q(Q(pk=obj.pk))
    return asked


def holders(tool: str) -> QuerySet[User]:
    """Return the active people who have a tool of the catalogue, super admins included."""
    # The rule is worded for a sub-query in a query over people; here that is the person's own row.
    row = User.objects.filter(pk=OuterRef("pk"))
    return User.objects.filter(Exists(row.filter(ANYONE.holds(tool))), is_active=True)


def given_to(tool: str) -> QuerySet[User]:
    """Return the active people whose set stores a tool, though it may have no effect for them.

    Super admins are among them, as among `holders`. For screens and records of who gave what; who
    may do something is asked of `holders`.
    """
    key, _, option = catalogue.parse(tool).name.partition(":")
    stored = ANYONE.is_superuser() | ANYONE.given(key, (option,))
    row = User.objects.filter(pk=OuterRef("pk"))
    return User.objects.filter(Exists(row.filter(stored)), is_active=True)
