"""The readers of the rules: which rows, this row, any row, and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any, TypeVar

from django.db.models import BooleanField, Case, Model, Q, QuerySet, Value, When
from django.utils.translation import gettext

from accounts.access.askers import Loaded
from accounts.access.one_row import Statement, TheKey
from accounts.access.rules import condition_for, rules_for
from accounts.models.people import User
from accounts.rule import ALWAYS, NEVER, Explanation, Finding, settled

M = TypeVar("M", bound=Model)


def permitted(
    queryset: QuerySet[M], user: User, action: str, *, without: Collection[str] = ()
) -> QuerySet[M]:
    """Return the rows of `queryset` on which this person may do this; no query of its own.

    `without`: codes of granting rules that shall not count, as in `rules_for`.
    """
    return queryset.filter(condition_for(Loaded(user), action, queryset.model, without=without))


def allows(user: User, action: str, obj: Model, *, without: Collection[str] = ()) -> bool:
    """Tell whether this person may do this to this record, by the *stored* row; one query.

    `without`: codes of granting rules that shall not count, as in `rules_for`.
    """
    if obj.pk is None:
        return False
    person, model = Loaded(user), type(obj)

    def put() -> Statement | None:
        when = condition_for(person, action, model, without=without)
        # As a column: beside the key, PostgreSQL would weigh an index for each part of it.
        return None if when is NEVER else _answers(model, [when])

    row = _asked(person.once(("allows", action, model, frozenset(without)), put), obj)
    return row == (True,)


def allows_any(user: User, action: str, model: type[Model]) -> bool:
    """Tell whether there can be any row at all; no query once the person's grants are loaded."""
    # A known person has settled all that is about them: the condition folds to NEVER, or there is
    # something left that only a row can answer. The same Q, no second rule.
    return condition_for(Loaded(user), action, model) is not NEVER


def marked(queryset: QuerySet[M], user: User, action: str) -> QuerySet[M]:
    """Keep every row and add `may_<action>`, for columns of a list; no query of its own."""
    when = condition_for(Loaded(user), action, queryset.model)
    rows: QuerySet[M] = queryset.annotate(**{f"may_{action}": _holds(when)})
    return rows


def explain(user: User, action: str, obj: Model) -> Explanation:
    """Return the verdict about the stored row with every finding; one query (B2).

    An absent record and one out of reach of every rule are both refused with a finding.
    """
    return explain_each(user, (action,), obj)[action]


def explain_each(user: User, actions: Sequence[str], obj: Model) -> dict[str, Explanation]:
    """Return what `explain` says of each of these actions; one query for all of them."""
    person, model = Loaded(user), type(obj)
    rules = {action: rules_for(person, action, model) for action in actions}

    def put() -> Statement | None:
        questions: list[Q] = []
        for action in actions:
            questions += [condition_for(person, action, model), *(r.when for r in rules[action])]
        return _answers(model, questions)

    row = _asked(person.once(("explain", tuple(actions), model), put), obj)
    if row is None:
        because = gettext("there is nothing in reach under this address")
        nothing = Finding("no_scope", False, True, because)
        return dict.fromkeys(actions, Explanation(False, (nothing,)))
    answers = iter(row)
    return {
        action: Explanation(
            next(answers),
            tuple(Finding(r.code, r.allows, next(answers), str(r.because)) for r in rules[action]),
        )
        for action in actions
    }


def explain_any(user: User, action: str, model: type[Model]) -> Explanation:
    """Return what `allows_any` says, with every finding that needs no row; no query of its own."""
    settled_rules = [(r, settled(r.when)) for r in rules_for(Loaded(user), action, model)]
    return Explanation(
        allows_any(user, action, model),
        tuple(
            Finding(rule.code, rule.allows, when is ALWAYS, str(rule.because))
            for rule, when in settled_rules
            if when is ALWAYS or when is NEVER
        ),
    )


def refused(queryset: QuerySet[M], user: User, action: str) -> list[tuple[M, Explanation]]:
    """Return the rows on which this person may not do this, each with every finding; one query.

    In the order of `queryset`. Rows out of sight are among them, with the finding `unseen`.
    """
    rules = rules_for(Loaded(user), action, queryset.model)
    answers = {f"answer_{number}": _holds(rule.when) for number, rule in enumerate(rules)}
    rows = marked(queryset, user, action).annotate(**answers)
    return [
        (
            row,
            Explanation(
                False,
                tuple(
                    Finding(rule.code, rule.allows, getattr(row, answer), str(rule.because))
                    for rule, answer in zip(rules, answers, strict=True)
                ),
            ),
        )
        for row in rows.filter(**{f"may_{action}": False})
    ]


def answered(obj: Model, questions: Iterable[Q]) -> tuple[bool, ...] | None:
    """Return what the stored row answers to each question, None for an absent one; one query."""
    return _asked(_answers(type(obj), questions), obj)


def answered_of(
    user: User, question: Hashable, obj: Model, questions: Callable[[], Iterable[Q]]
) -> tuple[bool, ...] | None:
    """Return the same of questions that follow from a person's rights alone; put into SQL once.

    `question` tells them from all others about rows of this model that follow from the same rights.
    """
    model = type(obj)
    put = Loaded(user).once(("answered", model, question), lambda: _answers(model, questions()))
    return _asked(put, obj)


def rows_about(
    user: User, question: Hashable, obj: M, rows: Callable[[TheKey], QuerySet[Any]]
) -> list[tuple[Any, ...]]:
    """Return the rows of a query about this one, as the database has them; put into SQL once.

    `rows` gets what stands for the row's key. It must follow from that, from a person's rights and
    from `question`, and from nothing else: not from another table that was read, nor from a clock.
    """
    model = type(obj)

    def put() -> Statement | None:
        queryset = rows(TheKey(model))
        return Statement.of(queryset.query, queryset.db)

    statement = Loaded(user).once(("about", model, question), put)
    return statement.rows_about(obj) if statement else []


def _the_row(model: type[M]) -> QuerySet[M]:
    return model._base_manager.filter(pk=TheKey(model))


def _answers(model: type[Model], questions: Iterable[Q]) -> Statement | None:
    rows = _the_row(model).values_list(*(_holds(question) for question in questions))
    return Statement.of(rows.query, rows.db)


def _asked(statement: Statement | None, obj: Model) -> tuple[bool, ...] | None:
    row = statement.asked_of(obj) if statement else None
    return None if row is None else tuple(map(bool, row))


def _holds(when: Q) -> Case | Value:
    answer = settled(when)
    if answer is ALWAYS or answer is NEVER:
        return Value(answer is ALWAYS, BooleanField())
    return Case(
        When(answer, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
