"""Importing a table of people: all of it in one transaction, each person by their operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import AccountsError, InvalidChange
from accounts.audit import operation
from accounts.models import User
from accounts.operations.frame import require
from accounts.operations.invitations import invite
from accounts.operations.memberships import set_teams
from accounts.operations.people import change_person, create_person
from accounts.operations.sets import assign_set
from accounts.people_file import EXTRA, FIRST, LAST, SET, TEAM, Wanted
from accounts.people_plan import CHANGED, NEW, SAME, Plan, Planned, planned
from accounts.rights import one_at_a_time
from accounts.sent_forms import made_by, remember


class ImportedAlready(AccountsError):
    """The same form was sent before, and its table was imported then."""


@operation("person.import")
def import_people(
    wanted: Sequence[Wanted],
    *,
    actor: User,
    as_planned: str,
    token: UUID | None = None,
    invites: Sequence[str] = (),
) -> Plan:
    """Add and change the people of a table, all of them or none; return what was done.

    `as_planned` is the mark of the plan that was shown: where it would be another one by now,
    nothing is done. `token` is that of the form, which imports once. Of the people added, those
    whose address is among `invites` get an invitation. Nobody becomes a super admin.
    """
    require(actor, "add", User)
    # Before the people are read: of two presses the second finds what the first one did.
    one_at_a_time("people")
    if made_by(token, actor):
        raise ImportedAlready(gettext("This table was imported already."))
    plan = planned(wanted, (), actor)
    if plan.faults or plan.mark != as_planned:
        raise InvalidChange(
            gettext(
                "Somebody changed people, teams or permission sets since this was shown. Nothing "
                "was imported; look at it once more."
            )
        )
    for each in plan.of(NEW):
        with _in_line(each.line):
            person = create_person(
                actor=actor,
                email=each.email,
                first_name=each.first_name,
                last_name=each.last_name,
                permission_set=each.permission_set,
                main_team=each.main_team,
                extra_teams=each.extra_teams,
            )
            if each.email in invites:
                invite(person, actor=actor)
    for each in plan.of(CHANGED):
        with _in_line(each.line):
            _change(each, actor)
    numbers = {what: len(plan.of(what)) for what in (NEW, CHANGED, SAME)}
    audit.record("person.import", actor=actor, object="person", data=numbers)
    remember(token, actor, actor)
    return plan


@contextmanager
def _in_line(number: int) -> Iterator[None]:
    """Say of which line an operation refused something."""
    try:
        yield
    except AccountsError as refusal:
        said = gettext("Line %(line)s: %(why)s") % {"line": number, "why": refusal}
        refusal.args = (said, *refusal.args[1:])
        raise


def _change(each: Planned, actor: User) -> None:
    """Change what differs and nothing else: each needs a right of its own."""
    person, differ = each.person, each.differences.keys()
    assert person is not None
    if differ & {FIRST, LAST}:
        change_person(
            person,
            actor=actor,
            email=each.email,
            first_name=each.first_name,
            last_name=each.last_name,
        )
    if SET in differ:
        assign_set(person, actor=actor, permission_set=each.permission_set)
    if differ & {TEAM, EXTRA}:
        set_teams(person, actor=actor, main_team=each.main_team, extra_teams=each.extra_teams)
