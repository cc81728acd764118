"""Who may decide on a request, and why not: one definition, in SQL, for every reader (B7, Q6).

The review panel, the inbox, the badge, approving and rejecting, whom one can choose, who is told
and reminded, and who stands in all ask here. A bar is a named condition on requests with a
sentence; whoever none of them holds for may decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import access
from accounts.access import ALWAYS, ANYONE, NEVER, Asker, Loaded
from accounts.models import RightsChange, User
from accounts.rights import REMEMBERED, Door, changed_since, let_in, of_account_or
from exports.models import ExportRequest, GateChange
from exports.models.requests import ExportQuerySet
from exports.steps import OUT_OF_REACH

DECIDE = "crm.export_approver"
EXEMPT = "crm.export_without_approval"
# SQLite's clock counts milliseconds, ours microseconds: what came right after is not before.
MOMENT = timedelta(milliseconds=1)

Seen = Callable[[int], Any]
"""A key, or a moment, as a sub-query so many levels further in than the question refers to it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A reason why somebody may not decide: a condition on requests, said to that person."""

    code: str
    when: Q
    because: str


def bars(person: Asker) -> Iterator[Bar]:
    """Return every reason why this person may not decide on a request, the weightiest first.

    Made one after another: the first ones settle it for most people, the others are long.
    """
    requester, asked = _of("requester"), _of("requested_at")
    # Where the person is anyone, they are the query around that of requests.
    decider = _further_in(person.id)
    yield Bar(
        "self_approval",
        Q(requester=person.id()),
        "Nobody decides on their own export. Another approver has to do it.",
    )
    yield Bar("not_allowed", ~access.condition_for(person, "view", ExportRequest), OUT_OF_REACH)
    yield Bar(
        "not_allowed",
        ~person.holds(DECIDE),
        "You may not decide on exports. Ask a super admin for Export approver.",
    )
    yield Bar(
        "changed_rules",
        _changed_rules(decider, asked),
        "You changed the rules for exports after this request was made. Another approver has "
        "to decide on it.",
    )
    yield Bar(
        "changed_requester",
        _changed_requester(requester, decider, asked),
        "You changed the rules for this requester after the request was made: whether they "
        "may export without approval. Another approver has to decide on it.",
    )
    yield Bar(
        "changed_by_requester",
        Q(Exists(_changed_by(requester(1), decider(1)))),
        "Within the last 30 days the requester made or changed your account: your password, "
        "e-mail address, permission set or right to approve. Another approver has to decide "
        "on it.",
    )
    yield Bar(
        "dependent",
        _is_less_independent(requester, decider, asked),
        "Within the last 30 days you made the requester’s account, set its password, changed "
        "its e-mail address or reactivated it, or one and the same person did so to your "
        "account and to theirs. An approver of whom that is not true has to decide on it.",
    )


def changes_exemption() -> Q:
    """Hold for changes of whether somebody may export without approval; status counts at any rate.

    Who is demoted into a set that exempts them as well is another requester than before.
    """
    status = (RightsChange.Door.MADE_SUPER_ADMIN, RightsChange.Door.REMOVED_SUPER_ADMIN)
    return Q(tool=EXEMPT) | Q(door__in=status)


def _changed_by(actor: Any, person: Any) -> QuerySet[RightsChange]:
    """Return how the one changed the other's account or right to approve, in the last 30 days.

    Either may be a key or an expression of an enclosing query.
    """
    return changed_since(REMEMBERED, actor=actor, person=person).filter(of_account_or(DECIDE))


def _of(name: str) -> Seen:
    """Return how sub-queries refer to a column of the question."""

    def seen(depth: int) -> Any:
        found: Any = name
        for _ in range(depth):
            found = OuterRef(found)
        return found

    return seen


def _further_in(seen: Seen) -> Seen:
    """Return the same key for a question that is asked in a sub-query itself."""
    return lambda depth: seen(depth + 1)


def _changed_rules(decider: Seen, asked: Seen) -> Q:
    since = {"actor": decider(1), "through": None, "at__gte": asked(1) - MOMENT}
    return Q(Exists(GateChange.objects.filter(**since)))


def _changed_requester(requester: Seen, decider: Seen, asked: Seen) -> Q:
    since = {"actor": decider(1), "through": None, "at__gte": asked(1) - MOMENT}
    changes = RightsChange.objects.filter(changes_exemption(), person=requester(1), **since)
    return Q(Exists(changes))


def _depends(requester: Seen, decider: Seen, **how: Any) -> Q:
    """Hold where requester and decider may be one person: whoever could log in as both.

    The decider let themselves into the requester's account, or a third person let themselves into
    both; `how` narrows what the third person did to the decider's.
    """
    both = Exists(let_in(person=decider(2), actor=OuterRef("actor"), **how))
    return Q(Exists(let_in(person=requester(1)).filter(Q(actor=decider(1)) | Q(both))))


# How much a decider hangs together with a requester; a stricter question first. Whose account was
# there before is not made one's own by a password or an e-mail address without losing it: else
# whoever owns a requester would change all other approvers' addresses and back, and be free again.
_DEPENDENCES: tuple[dict[str, Any], ...] = ({}, {"door": Door.CREATED})


def _is_less_independent(requester: Seen, decider: Seen, asked: Seen | None) -> Q:
    """Hold where the decider hangs together with the requester, and somebody else does not.

    Only then: in a young company one super admin made everybody, and somebody has to decide. There
    the risk card says it. Without `asked`, of a request made now.
    """
    found = NEVER
    for number, how in enumerate(_DEPENDENCES):
        mine = _depends(requester, decider, **how)
        if asked is None:
            others = _independent(requester, None, **how)
        else:
            others = _independent_of_requester(number)
        found |= mine & Q(Exists(others))
    return found


def _independent_of_requester(number: int) -> QuerySet[User]:
    """Return who is left for the request of the question, by one of the dependences.

    The same whoever asks, and most of what is put together for an answer: made once per process.
    """
    how = _DEPENDENCES[number]
    made: QuerySet[User] = ANYONE.once(
        ("independent", number), lambda: _independent(_of("requester"), _of("requested_at"), **how)
    )
    return made.all()


def _independent(requester: Seen, asked: Seen | None, **how: Any) -> QuerySet[User]:
    """Return who may decide for this requester and does not hang together with them."""
    inside, them = _further_in(requester), _of("pk")
    others = access.holders(DECIDE).exclude(pk=requester(1))
    free = ~Q(Exists(_changed_by(inside(1), them(1)))) & ~_depends(inside, them, **how)
    if asked is not None:
        then = _further_in(asked)
        free &= ~_changed_rules(them, then) & ~_changed_requester(inside, them, then)
    return others.filter(free)


def _may_decide(person: Asker) -> Q:
    allowed = ALWAYS
    for bar in bars(person):
        free = access.settled(~bar.when)
        if free is NEVER:
            return NEVER  # as for most people: the other bars are not even put together
        allowed &= free
    return access.settled(allowed)


def _anyone_may_decide() -> Q:
    """Hold where the person of the query around that of requests may decide."""
    return ANYONE.once("may decide", lambda: _may_decide(ANYONE))


def may_not_decide_because(export: ExportRequest, user: User) -> Bar | None:
    """Return the first reason why this person may not decide on this request; None where they may.

    One query, by the stored row; whether the request still waits is not asked.
    """
    reasons = tuple(bars(Loaded(user)))
    answers = access.answered(export, [bar.when for bar in reasons])
    if answers is None:
        return Bar("not_allowed", ALWAYS, OUT_OF_REACH)
    return next((bar for bar, holds in zip(reasons, answers, strict=True) if holds), None)


def awaiting(user: User) -> ExportQuerySet:
    """Return the requests that wait for a decision and that this person may decide on."""
    return ExportRequest.objects.awaiting_decision().filter(_may_decide(Loaded(user)))


def count_awaiting(user: User) -> int:
    """Return how many `awaiting` would; one query, none for who decides on nothing."""
    return awaiting(user).order_by().count()


def deciders_of(export: ExportRequest) -> QuerySet[User]:
    """Return the active people who may decide on this request as things stand now."""
    this = ExportRequest.objects.filter(_anyone_may_decide(), pk=export.pk)
    return User.objects.filter(Exists(this), is_active=True)


def approvers_for(requester: User) -> QuerySet[User]:
    """Return whom this person may choose to decide on a request made now, never they (Q11)."""
    return colleagues_who_decide(requester).filter(
        ~Exists(_changed_by(requester.pk, OuterRef("pk"))),
        ~_is_less_independent(lambda depth: requester.pk, _of("pk"), None),
    )


def without_independent_decider(requesters: QuerySet[User]) -> QuerySet[User]:
    """Return those of these people who hang together with everybody who could decide for them."""
    them = _of("pk")
    others = access.holders(DECIDE).exclude(pk=them(1))
    deciders = others.filter(~Exists(_changed_by(them(2), them(1))))
    return requesters.filter(Exists(deciders), ~Exists(_independent(them, None)))


def colleagues_who_decide(user: User) -> QuerySet[User]:
    """Return the other active people who hold Export approver, whoever they may decide for."""
    return access.holders(DECIDE).exclude(pk=user.pk)


def waiting_without_decider() -> ExportQuerySet:
    """Return the waiting requests on which nobody may decide, as things stand now (B7).

    Two queries, however many requests wait.
    """
    waiting = ExportRequest.objects.awaiting_decision()
    if not waiting.exists():
        return waiting.none()
    # Asked of those who decide at all, whose keys are few: not of everybody, for every request.
    holders = list(access.holders(DECIDE).order_by().values_list("pk", flat=True))
    this = ExportRequest.objects.filter(_anyone_may_decide(), pk=OuterRef(OuterRef("pk")))
    return waiting.filter(~Exists(User.objects.filter(Exists(this), pk__in=holders)))


def without_decider(requesters: QuerySet[User], forgiving: User | None = None) -> QuerySet[User]:
    """Return those of these people on whose requests nobody could decide, if they made one now.

    What `forgiving` changed of others is left out of account. Who hangs together with a requester
    is barred only where somebody else is not, so that leaves nobody without a decider.
    """
    holders = set(access.holders(DECIDE).order_by().values_list("pk", flat=True))
    if not holders:
        return requesters
    changes = changed_since(REMEMBERED, person__in=holders).filter(of_account_or(DECIDE))
    if forgiving is not None:
        changes = changes.exclude(actor=forgiving.pk)
    barred: dict[int, set[int]] = {key: set() for key in holders}
    for actor, person in changes.order_by().values_list("actor", "person").distinct():
        barred.setdefault(actor, set()).add(person)
    left = {key for key, people in barred.items() if not holders - people - {key}}
    return requesters.filter(pk__in=left)
