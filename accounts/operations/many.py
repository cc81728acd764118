"""One change made to many people: in one transaction, by the operation that changes one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import AccountsError, InvalidChange
from accounts.audit import Actor, operation
from accounts.marks import mark
from accounts.models import User
from accounts.rights import one_at_a_time


@dataclass(slots=True)
class Outcome:
    """What became of each of the people that a change was asked for."""

    changed: list[User] = field(default_factory=list)
    unchanged: list[User] = field(default_factory=list)
    """Who was as they should become already."""
    skipped: list[tuple[User, str]] = field(default_factory=list)
    """Who was left as they are, each with the sentence of the refusal."""
    refusals: list[AccountsError] = field(default_factory=list)
    """What was raised for each of them."""


@operation("person.change")
def change_many(
    people: QuerySet[User],
    *,
    actor: Actor,
    step: Callable[[User, Actor], object],
    as_opened: str | None = None,
) -> Outcome:
    """Make one change to each of these people; whoever it is refused for is left out and named.

    `step` calls the operation for one person, which asks whether the actor may. All of it is one
    transaction. `as_opened` is what `many_as_they_stand` said when the people were shown: where
    one of them was changed since, nothing is.
    """
    # Before the people are read: whoever changes one of them meanwhile waits, or was waited for.
    one_at_a_time("people")
    rows = list(people)
    if as_opened is not None:
        require_many_as_opened(rows, as_opened)
    outcome = Outcome()
    for person in rows:
        before = audit.written.get()
        try:
            with audit.step("person.change", actor, person):
                step(person, actor)
        except AccountsError as refusal:
            outcome.skipped.append((person, str(refusal)))
            outcome.refusals.append(refusal)
        else:
            is_changed = audit.written.get() > before
            (outcome.changed if is_changed else outcome.unchanged).append(person)
    return outcome


def require_many_as_opened(people: Iterable[User], as_opened: str) -> None:
    """Raise where one of these people was changed since they were shown."""
    if as_opened != many_as_they_stand(people):
        raise InvalidChange(
            gettext(
                "Somebody changed one of these people while you looked at them. Nothing was saved; "
                "look at the list below once more."
            )
        )


def many_as_they_stand(people: Iterable[User]) -> str:
    """Return a mark of what a page shows of these people before it asks what to do with them.

    Reads their memberships as they were fetched with them.
    """
    return mark(
        [
            [
                person.pk,
                person.email,
                person.is_active,
                person.is_superuser,
                person.is_partner_admin,
                person.permission_set_id,
                person.invited_at,
                sorted((m.team_id, m.is_main) for m in person.memberships.all()),
            ]
            for person in people
        ]
    )
