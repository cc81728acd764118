"""What importing a table of people would do, row by row, before any of it is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from django.db.models import Model
from django.utils import translation
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.entered import EMAIL_TAKEN
from accounts.held import states_of
from accounts.letters import folded
from accounts.marks import mark
from accounts.models import PermissionSet, Team, User
from accounts.people import sets_to_give
from accounts.people_file import EMAIL, EXTRA, FIRST, LAST, SET, TEAM, Fault, Wanted

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

M = TypeVar("M", Team, PermissionSet)

NEW, CHANGED, SAME = "new", "changed", "same"
NO_TEAM = gettext_lazy("there is no team “%(name)s”. Create it first, or write it right.")
NO_SET = gettext_lazy("there is no permission set “%(name)s”. Create it first, or write it right.")
NOT_YOURS = gettext_lazy("the permission set “%(name)s” is not yours to give.")
YOURSELF = gettext_lazy("this is your own account, which somebody else changes.")
IS_SUPER_ADMIN = gettext_lazy("%(person)s is a super admin. Change their rights on their own page.")
IS_PARTNER_ADMIN = gettext_lazy(
    "%(person)s is a partner admin. Change their rights on their own page."
)


@dataclass(frozen=True, slots=True)
class Planned:
    """What becomes of one row: a person to add or to change, and what they are afterwards."""

    line: int
    what: str
    person: User | None
    email: str
    first_name: str
    last_name: str
    main_team: Team | None
    extra_teams: tuple[Team, ...]
    permission_set: PermissionSet | None
    differences: dict[str, StrOrPromise]
    """What differs from now: column → from what to what, in lazy words."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.email


@dataclass(slots=True)
class Plan:
    """What a whole table would do; nothing of it is done while there is a fault."""

    people: list[Planned] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def of(self, what: str) -> list[Planned]:
        """Return the rows of which this becomes: NEW, CHANGED or SAME."""
        return [each for each in self.people if each.what == what]

    @property
    def mark(self) -> str:
        """Return a mark of all that it would do; another one as soon as anything differs.

        What the sets say that are given is part of it. The same in every language: who looked at
        it in one may confirm it in another.
        """
        given = {each.permission_set.pk for each in self.people if each.permission_set}
        with translation.override(None):
            return mark(
                [
                    states_of(given),
                    *(
                        [each.line, each.what, each.email, each.differences, _key(each.person)]
                        for each in self.people
                    ),
                ]
            )


class _Names(Generic[M]):
    """Rows by name: as it is written, else without regard to case where that is no other's."""

    def __init__(self, rows: Iterable[M]) -> None:
        self._exact: dict[str, M] = {str(row): row for row in rows}
        self._folded: dict[str, M | None] = {}
        for name, row in self._exact.items():
            key = folded(name)
            self._folded[key] = None if key in self._folded else row

    def find(self, name: str) -> M | None:
        return self._exact.get(name) or self._folded.get(folded(name))


class _Refused(Exception):
    def __init__(self, column: str, words: str) -> None:
        super().__init__(words)
        self.column = column


def planned(wanted: Sequence[Wanted], faults: Sequence[Fault], actor: User) -> Plan:
    """Return what these rows would do now, carried out by this person; five queries."""
    emails = [each.email for each in wanted]
    rows = User.objects.filter(email__in=emails).select_related("permission_set")
    found = {person.email: person for person in rows.prefetch_related("memberships__team")}
    within = access.permitted(User.objects.filter(email__in=emails), actor, "change")
    may_change = set(within.values_list("email", flat=True))
    teams = _Names(Team.objects.all())
    sets = _Names(sets_to_give(actor))
    seen_sets = _Names(access.permitted(PermissionSet.objects.named(), actor, "view"))
    plan, seen = Plan(faults=list(faults)), dict[str, int]()
    for each in wanted:
        try:
            if each.email in seen:
                words = gettext("this e-mail address stands in line %(line)s as well.")
                raise _Refused(EMAIL, words % {"line": seen[each.email]})
            seen[each.email] = each.line
            person = found.get(each.email)
            if person is not None and each.email not in may_change:
                raise _Refused(EMAIL, str(YOURSELF if person == actor else EMAIL_TAKEN))
            named = each.permission_set
            if named and sets.find(named) is None and seen_sets.find(named) is not None:
                raise _Refused(SET, NOT_YOURS % {"name": named})
            plan.people.append(_planned(each, person, teams, sets))
        except _Refused as refusal:
            plan.faults.append(Fault(each.line, refusal.column, str(refusal)))
    plan.faults.sort(key=lambda fault: fault.line)
    return plan


def _planned(
    wanted: Wanted, person: User | None, teams: _Names[Team], sets: _Names[PermissionSet]
) -> Planned:
    team = wanted.team and _needed(teams, wanted.team, TEAM, NO_TEAM)
    extra = tuple(_needed(teams, name, EXTRA, NO_TEAM) for name in wanted.extra_teams)
    given = wanted.permission_set and _needed(sets, wanted.permission_set, SET, NO_SET)
    now = person or User(email=wanted.email)
    memberships = list(person.memberships.all()) if person else []
    main_now = next((m.team for m in memberships if m.is_main), None)
    extra_now = {m.team for m in memberships if not m.is_main}
    main = team or main_now
    others = (set(extra) or extra_now) - {main}
    standing = _standing(person) if person else None
    if standing and given and given != now.permission_set:
        raise _Refused(SET, standing % {"person": person})
    first = now.first_name if wanted.first_name is None else wanted.first_name
    last = now.last_name if wanted.last_name is None else wanted.last_name
    permission_set = given or now.permission_set
    differences = {
        column: format_lazy("{} → {}", _said(before), _said(after)) if person else _said(after)
        for column, before, after in (
            (FIRST, now.first_name, first),
            (LAST, now.last_name, last),
            (TEAM, main_now, main),
            (EXTRA, extra_now, others),
            (SET, now.permission_set, permission_set),
        )
        if before != after
    }
    return Planned(
        line=wanted.line,
        what=NEW if person is None else CHANGED if differences else SAME,
        person=person,
        email=wanted.email,
        first_name=first,
        last_name=last,
        main_team=main,
        extra_teams=tuple(sorted(others, key=str)),
        permission_set=permission_set,
        differences=differences,
    )


def _standing(person: User) -> StrOrPromise | None:
    """Return why no row gives this person a permission set; None where one may."""
    if person.is_superuser:
        return IS_SUPER_ADMIN
    return IS_PARTNER_ADMIN if person.is_partner_admin else None


def _needed(names: _Names[M], name: str, column: str, absent: StrOrPromise) -> M:
    if (found := names.find(name)) is None:
        raise _Refused(column, absent % {"name": name})
    return found


def _key(person: User | None) -> int | None:
    return person.pk if person else None


def _in_words(value: str | Model | set[Team] | None) -> str:
    if isinstance(value, set):
        return ", ".join(sorted(map(str, value))) or gettext("none")
    return str(value or gettext("none"))


_said = lazy(_in_words, str)
