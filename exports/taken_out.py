"""How many records people took out lately: each alone, and all that are in one pair of hands (Q4).

A limit per person is about a person, not about an account: whoever could log in as several people
carries out what all of them do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, ExpressionWrapper, F, Q, QuerySet, Subquery, Sum
from django.db.models.fields import BooleanField
from django.db.models.functions import Coalesce, Now

from accounts.models import RightsChange, User
from accounts.rights import let_in_by_others
from exports.models import ExportRequest
from exports.steps import S

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
# Exports whose records left, or are about to without anybody having ended them.
LEFT = (S.APPROVED, S.PROCESSING, S.COMPLETED, S.EXPIRED)
EXEMPT_BY_RIGHT = "exempt"
"""Code of exports that needed no consent because of who asked for them."""
_RECORDS = Coalesce("delivered_count", "record_count")


class Left(NamedTuple):
    """How many records left in the last 24 hours, and in the last 7 days."""

    day: int
    week: int
    shares_hands: bool
    """Whether anybody else could log in as this person, or they as anybody else."""


def left_by(person: User, besides: ExportRequest | None) -> Left:
    """Return what left with this person's exports, `besides` not counted; one statement."""
    own = _released(besides).filter(requester=person.pk).order_by().values("requester")
    totals = own.annotate(total=Sum(_RECORDS)).values("total")
    day = Coalesce(Subquery(totals.filter(is_of_day=True)), 0)
    week = Coalesce(Subquery(totals), 0)
    shares = Exists(_links().filter(Q(actor=person.pk) | Q(person=person.pk)))
    row = User.objects.filter(pk=person.pk).order_by().values_list(day, week, shares)
    return Left(*row.get())


def left_in_same_hands(person: User, besides: ExportRequest | None, *, exempt: bool) -> Left:
    """Return the most that left through anybody who has this person's account in hand; they too.

    Of everybody who could log in as this person, and of themselves: what they took out, and what
    left through each account that they could log in to, since they could. Whose hands they are
    counts for a week, as far back as a limit looks. What left without consent because of who asked
    for it is within no limit of others, so it counts among the exempt alone. Two statements.
    """
    mine = Q(actor=person.pk) | Q(actor__in=hands_of(person))
    # Not grouped: that would be by an index over everybody.
    links = _links().filter(mine).order_by().values_list("actor", "person", "at")
    accounts: dict[int, dict[int, datetime | None]] = defaultdict(dict, {person.pk: {}})
    for actor, account, since in sorted(links, reverse=True):
        accounts[actor][account] = since  # the first time, which comes last
    for actor, held in accounts.items():
        held[actor] = None
    exports = _released(besides).filter(requester__in={key for a in accounts.values() for key in a})
    if not exempt:
        exports = exports.exclude(because=EXEMPT_BY_RIGHT)
    told = exports.annotate(released_at=F("released_at"), is_of_day=F("is_of_day")).order_by()
    rows = list(told.values_list("requester", "released_at", "is_of_day", _RECORDS))
    sums = [_sum(rows, held) for held in accounts.values()]
    return Left(max(day for day, _ in sums), max(week for _, week in sums), True)


def hands_of(person: User) -> QuerySet[Any]:
    """Return the keys of those who could log in as this person, for a week."""
    return _links().filter(person=person.pk).order_by().values_list("actor", flat=True)


def _links() -> QuerySet[RightsChange]:
    """Return by which changes of the last 7 days somebody else could log in as somebody."""
    return let_in_by_others(WEEK)


def _released(besides: ExportRequest | None) -> QuerySet[Any]:
    """Return the exports of the last 7 days whose records left, with when they were released.

    By trying again what had failed, by a decision, or by the request itself. A decision takes no
    lock: it asks for no limit, and a request at the same moment is one that came before it.
    """
    released = ExportRequest.objects.filter(status__in=LEFT).alias(
        released_at=Coalesce("released_again_at", "decided_at", "requested_at")
    )
    if besides is not None:
        released = released.exclude(pk=besides.pk)
    of_day = ExpressionWrapper(Q(released_at__gt=Now() - DAY), output_field=BooleanField())
    return released.filter(released_at__gt=Now() - WEEK).alias(is_of_day=of_day)


def _sum(
    rows: Iterable[tuple[int, datetime, bool, int]], held: dict[int, datetime | None]
) -> tuple[int, int]:
    day = week = 0
    for requester, at, is_of_day, records in rows:
        if requester in held and ((since := held[requester]) is None or at >= since):
            week += records
            day += records * is_of_day
    return day, week
