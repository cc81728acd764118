"""When an export needs consent (R111–R116, Q4, Q6, B8).

What a super admin sets is written by operations/setting.py; here it is read. Who may decide on a
request is deciders.py's, and that somebody is left to do so left_to_decide.py's. Nothing here
changes anything, apart from the locks that counting needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext

from accounts import access, rights
from accounts.models import User
from accounts.rights import changed_since
from exports.deciders import EXEMPT, changes_exemption
from exports.models import ExportPolicy, ExportRequest, GateChange
from exports.models.policy import GateRules
from exports.taken_out import DAY, EXEMPT_BY_RIGHT, Left, hands_of, left_by, left_in_same_hands

TAKE_OUT = "crm.export"
GATE = frozenset(field.name for field in GateRules._meta.get_fields())
MOST_A_DAY = 30
SAME_HANDS = "same_hands"
"""Code of the reason that is said without a number: it would tell of other people's exports."""


def current() -> ExportPolicy:
    """Return the one policy of the account, as it is now."""
    return ExportPolicy.objects.get(pk=1)


def is_large(count: int, rules: GateRules) -> bool:
    """Tell whether so many records alone need approval by these rules (R111)."""
    return rules.require_approval and count > rules.threshold


@dataclass(frozen=True, slots=True)
class Need:
    """One reason why an export needs consent, and what it would have to be to do without."""

    code: str
    sensitive: frozenset[str] = frozenset()
    """Sensitive fields that are the reason; without all of them it is none."""
    most: int | None = None
    """Of how many records it is none; None where it does not go by their number."""


class Gate:
    """What one person's exports have to pass as of now; each thing is read once, where asked for.

    Whoever changed the rules, or their own exemption, is asked for 24 hours like anybody else and
    as who they are, by the rules of now and by those they changed: nobody opens the gate for
    themselves. Nor for an account that they let themselves into: it counts as theirs.
    """

    def __init__(self, person: User, besides: ExportRequest | None = None) -> None:
        """`besides` is the request that is asked about, where it is counted already."""
        self.person, self.rules = person, current()
        self._besides = besides

    @cached_property
    def exempt(self) -> bool:
        """Whether the person holds Export without approval."""
        return access.holds_tool(self.person, EXEMPT)

    @cached_property
    def changed(self) -> Changed:
        """What was changed of the gate by those who pass it."""
        return changed_lately(self.person)

    @cached_property
    def _left(self) -> Left:
        return left_by(self.person, self._besides)

    @cached_property
    def _left_in_same_hands(self) -> Left:
        if not self._left.shares_hands:
            return self._left
        return left_in_same_hands(self.person, self._besides, exempt=self.exempt)

    def needs(self, count: int, sensitive: Iterable[str]) -> Iterator[Need]:
        """Yield every reason why an export needs consent, none where it needs none (R111–R113).

        The first is the one that a request keeps. The others may cost further queries.
        """
        sensitive = frozenset(sensitive)
        yield from self._asked_by(self.rules, self.exempt, count, sensitive)
        found: list[Need] = []
        if self.changed:
            found = [
                need
                for rules in (self.rules, *self.changed.rules)
                # As anybody and as who they are: only who is exempt may need a second person.
                for exempt in {False, self.exempt}
                if (rules, exempt) != (self.rules, self.exempt)
                for need in self._asked_by(rules, exempt, count, sensitive)
            ]
        if found:
            limits = [need.most for need in found if need.most is not None]
            fields = frozenset[str]().union(*(need.sensitive for need in found))
            yield Need("rules_changed", fields, min(limits, default=None))

    @property
    def why_none(self) -> str:
        """The code of why an export without any need has none."""
        if not self.rules.require_approval:
            return "policy_off"
        return EXEMPT_BY_RIGHT if self.exempt and not self.changed else "within_threshold"

    def _asked_by(
        self, rules: GateRules, exempt: bool, count: int, sensitive: frozenset[str]
    ) -> Iterator[Need]:
        """Yield what these rules say about an export of somebody who is exempt, or is not."""
        if not rules.require_approval:
            return
        if exempt:
            most = rules.second_person_above
            # Of nothing there is nothing to ask: that is the question what sensitive data alone
            # needs.
            if most is None or not count:
                return
            if self._left.day + count > most:
                yield Need("second_person", most=max(0, most - self._left.day))
            elif self._left_in_same_hands.day + count > most:
                yield Need(SAME_HANDS)
            return
        if sensitive:
            yield Need("sensitive", sensitive)
        if is_large(count, rules):
            yield Need("above_threshold", most=rules.threshold)
        used = self._usage(rules)
        is_beyond = False
        for code, taken, limit in (
            ("above_daily", used.daily_used, used.daily_limit),
            ("above_weekly", used.weekly_used, used.weekly_limit),
        ):
            if limit is not None and taken + count > limit:
                is_beyond = True
                yield Need(code, most=max(0, limit - taken))
        if not is_beyond and self._is_beyond_in_same_hands(rules, count):
            yield Need(SAME_HANDS)

    def _is_beyond_in_same_hands(self, rules: GateRules, count: int) -> bool:
        """Tell whether so many are beyond a limit together with other accounts (Q4)."""
        return any(
            limit is not None and self._left_in_same_hands[place] + count > limit
            for place, limit in enumerate((rules.daily_records, rules.weekly_records))
        )

    def _usage(self, rules: GateRules) -> Usage:
        daily, weekly = rules.daily_records, rules.weekly_records
        if daily is None and weekly is None:
            return Usage(0, None, 0, None)
        return Usage(self._left.day, daily, self._left.week, weekly)

    @property
    def usage(self) -> Usage:
        """What the person took out lately, by the rules of now."""
        return self._usage(self.rules)

    @property
    def usage_shown(self) -> Usage | None:
        """The usage where a limit holds for this person, None where none does."""
        rules = self.rules
        if not rules.require_approval or (
            rules.daily_records is None and rules.weekly_records is None
        ):
            return None
        return None if self.exempt and not self.changed else self.usage

    def wants_purpose(self, *, approval_needed: bool) -> bool:
        """Tell whether it has to be said what a file is for, by the rules of now or of before."""
        wanted = {GateRules.Purpose.ALWAYS.value}
        if approval_needed:
            wanted.add(GateRules.Purpose.APPROVAL.value)
        # Who lifted it asks for 24 hours as before.
        held = (self.rules, *self.changed.rules)
        return any(rules.purpose_required in wanted for rules in held)


def approval(
    person: User, count: int, sensitive: Iterable[str], besides: ExportRequest | None = None
) -> tuple[bool, str]:
    """Return whether an export needs consent, and the code of the reason (R111–R113).

    `besides` is the request that is asked about, where it is counted already.

    Where the answer decides about a request, ask `one_at_a_time` first, in the transaction that
    writes it: otherwise two requests are each told that they alone are within the limits (B8).
    """
    gate = Gate(person, besides)
    first = next(gate.needs(count, sensitive), None)
    return (False, gate.why_none) if first is None else (True, first.code)


@dataclass(frozen=True, slots=True)
class Changed:
    """What was changed of a gate by those who pass it; true where anything was."""

    rules: tuple[GateRules, ...]
    """The rules as they stood before each change."""
    own_exemption: bool

    def __bool__(self) -> bool:
        return bool(self.rules) or self.own_exemption


def changed_lately(person: User) -> Changed:
    """Return what this person changed in the last 24 hours, by the database's clock.

    Whoever made or changed the account of the one who did it counts as well, and so does whoever
    could log in as this person: a puppet has the rules lifted, or is exempted, by its owner.
    """
    owners = rights.themselves_or_let_in(person)
    exempted = changed_since(DAY, person=person.pk).filter(owners, changes_exemption())
    return Changed(
        tuple(GateChange.objects.filter(owners, at__gt=Now() - DAY)),
        access.holds_tool(person, EXEMPT) and exempted.exists(),
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """How many records a person took out lately, and how many may go without consent (Q4)."""

    daily_used: int
    daily_limit: int | None
    weekly_used: int
    weekly_limit: int | None


def usage(person: User) -> Usage:
    """Return what a person took out in the last 24 hours and 7 days, over all objects (Q4, B8).

    Every export counts whose records left or are about to, with consent or without: the limit is
    about how much one person carries out, and an export that somebody consented to is carried out
    too, from the moment of the consent; what had failed, from when it is tried again. What was
    recalled, cancelled, rejected or failed left nothing behind and does not count. Where no limit
    is set nothing is counted, and the numbers are 0.
    """
    return Gate(person).usage


def usage_shown(person: User) -> Usage | None:
    """Return the usage where a limit holds for this person, None where none does."""
    return Gate(person).usage_shown


def one_at_a_time(person: User) -> None:
    """Let a person's requests be counted one after the other, until this transaction ends (B8).

    Nor are those of accounts in the same hands counted at once. SQLite's transactions already are;
    on PostgreSQL the rows of the person, and of who could log in as them, are the lock. It stands
    in nobody's way who only refers to the person: notices and events go on.
    """
    who = {person.pk, *hands_of(person)}
    rows = User.objects.select_for_update(no_key=True).filter(pk__in=who)
    list(rows.order_by("pk").values("pk"))


def next_possible(person: User) -> datetime | None:
    """Return when this person may ask again, None where it is now (E37).

    Where a request is made by the answer, ask `one_at_a_time` first.

    Every request of the last 24 hours counts, whatever became of it.
    """
    asked = ExportRequest.objects.filter(requester=person, requested_at__gt=Now() - DAY)
    times = asked.order_by("-requested_at")
    oldest = times.values_list("requested_at", flat=True)[MOST_A_DAY - 1 : MOST_A_DAY].first()
    return oldest and oldest + DAY


def why_not_again(person: User) -> str:
    """Return why this person may not ask for another export yet; empty where they may (E37)."""
    if not (again := next_possible(person)):
        return ""
    return gettext(
        "You asked for %(most)s exports in the last 24 hours, which is as many as one person may. "
        "The next one is possible on %(moment)s."
    ) % {
        "most": MOST_A_DAY,
        "moment": date_format(timezone.localtime(again), "MOMENT_OF_YEAR_FORMAT"),
    }
