"""Who may decide on a request, and why not: one definition, in SQL, for every reader (B7, Q6).

The review panel, the inbox, the badge, approving and rejecting, whom one can choose, who is told
and reminded, and who stands in all ask here. A bar is a named condition on requests with a
sentence; whoever none of them holds for may decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, overload

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy

from accounts import access
from accounts.access import ALWAYS, NEVER, Asker, Loaded
from accounts.models import RightsChange, User
from accounts.prepared import Prepared, Seen
from accounts.rights import REMEMBERED, Door, changed_since, let_in, of_account_or
from exports.models import ExportRequest, GateChange
from exports.models.requests import ExportQuerySet
from exports.steps import OUT_OF_REACH

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

DECIDE = "crm.export_approver"
EXEMPT = "crm.export_without_approval"
SENT_AWAY_BEFORE = timedelta(hours=24)
"""From whom somebody took the right to decide so shortly before, counts as if they had it."""
NOTHING_MORE: Mapping[str, Any] = {}
# SQLite's clock counts milliseconds, ours microseconds: what came right after is not before.
MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A reason why somebody may not decide: a condition on requests, said to that person."""

    code: str
    when: Q
    because: StrOrPromise


def bars(asker: Asker) -> Iterator[Bar]:
    """Return every reason why this person may not decide on a request, the weightiest first.

    Made one after another: the first ones settle it for most people, the others are long. Their
    sentences are lazy, since bars are also made once per process, for everybody.
    """
    # Where the person is anyone, they are the query around that of requests.
    about = {"requester": "requester", "decider": asker.id()}
    then = {"asked": "requested_at"}
    decides = asker.holds(DECIDE)
    # Whoever approves nothing is told who does, not why they are no exception.
    own = (
        gettext_lazy("An approver has to decide on it.")
        if decides is NEVER
        else gettext_lazy("Nobody decides on their own export. Another approver has to do it.")
    )
    yield Bar("self_approval", Q(requester=asker.id()), own)
    yield Bar("not_allowed", ~access.condition_for(asker, "view", ExportRequest), OUT_OF_REACH)
    yield Bar(
        "not_allowed",
        ~decides,
        gettext_lazy("You may not decide on exports. Ask a super admin for Export approver."),
    )
    yield Bar(
        "changed_rules",
        CHANGED_RULES(decider=asker.id(), **then),
        gettext_lazy(
            "You changed the rules for exports after this request was made. Another approver has "
            "to decide on it."
        ),
    )
    yield Bar(
        "changed_requester",
        CHANGED_REQUESTER(**about, **then),
        gettext_lazy(
            "You changed the rules for this requester after the request was made: whether they "
            "may export without approval. Another approver has to decide on it."
        ),
    )
    yield Bar(
        "changed_by_requester",
        CHANGED_BY_REQUESTER(**about),
        gettext_lazy(
            "Within the last 30 days the requester made or changed your account: your password, "
            "e-mail address, permission set or right to approve. Another approver has to decide "
            "on it."
        ),
    )
    yield Bar(
        "dependent",
        LESS_INDEPENDENT(**about, **then),
        gettext_lazy(
            "Within the last 30 days you made the requester’s account, set its password, changed "
            "its e-mail address or reactivated it, or one and the same person did so to your "
            "account and to theirs. An approver of whom that is not true has to decide on it."
        ),
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


@overload
def _further_in(seen: Seen) -> Seen: ...
@overload
def _further_in(seen: Seen | None) -> Seen | None: ...
def _further_in(seen: Seen | None) -> Seen | None:
    """Return the same key for a question that is asked in a sub-query itself."""
    return None if seen is None else lambda depth: seen(depth + 1)


def _changed_rules(decider: Seen, asked: Seen) -> Q:
    since = {"actor": decider(1), "through": None, "at__gte": asked(1) - MOMENT}
    return Q(Exists(GateChange.objects.filter(**since)))


def _changed_requester(requester: Seen, decider: Seen, asked: Seen) -> Q:
    since = {"actor": decider(1), "through": None, "at__gte": asked(1) - MOMENT}
    changes = RightsChange.objects.filter(changes_exemption(), person=requester(1), **since)
    return Q(Exists(changes))


def _changed_by_requester(requester: Seen, decider: Seen) -> Q:
    return Q(Exists(_changed_by(requester(1), decider(1))))


def _depends(
    requester: Seen,
    decider: Seen,
    theirs: Mapping[str, Any] = NOTHING_MORE,
    mine: Mapping[str, Any] = NOTHING_MORE,
) -> Q:
    """Hold where requester and decider may be one person: whoever could log in as both.

    The decider let themselves into the requester's account, or a third person let themselves into
    both. What was done to the requester's account is narrowed by `theirs`, and what the third
    person did to the decider's by `mine`.
    """
    both = Exists(let_in(person=decider(2), actor=OuterRef("actor"), **mine))
    of_requester = let_in(person=requester(1), **theirs)
    return Q(Exists(of_requester.filter(Q(actor=decider(1)) | Q(both))))


_DEPENDENCES: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = tuple(
    (theirs, mine)
    for theirs in (NOTHING_MORE, {"through": None})
    for mine in (NOTHING_MORE, {"door": Door.CREATED})
)
"""How a decider may hang together with a requester; each is asked by itself.

Whose account was there before is not made one's own by a password or an e-mail address without
losing it: else whoever owns a requester would change all other approvers' addresses and back, and
be free again. And whoever stands behind the one who made a requester, having made that one, hangs
together with them less than the one who did it: else whom a super admin lets in would decide for
puppets of their own.
"""


def _is_less_independent(requester: Seen, decider: Seen, asked: Seen | None = None) -> Q:
    """Hold where the decider hangs together with the requester, and somebody else does not.

    Only then: in a young company one super admin made everybody, and somebody has to decide. There
    the risk card says it. Whom they took the right to decide from counts as if they had it.
    Without `asked`, of a request made now.
    """
    found = NEVER
    for theirs, mine in _DEPENDENCES:
        others = _independent(requester, asked, theirs, mine)
        sent_away = _sent_away(requester, decider, asked, theirs, mine)
        found |= _depends(requester, decider, theirs, mine) & (
            Q(Exists(others)) | Q(Exists(sent_away))
        )
    return found


def _independent(
    requester: Seen,
    asked: Seen | None,
    theirs: Mapping[str, Any] = NOTHING_MORE,
    mine: Mapping[str, Any] = NOTHING_MORE,
) -> QuerySet[User]:
    """Return who may decide for this requester and does not hang together with them."""
    free = _is_free(_further_in(requester), _of("pk"), _further_in(asked), theirs, mine)
    if asked is not None:
        inside, them, then = _further_in(requester), _of("pk"), _further_in(asked)
        free &= ~_changed_rules(them, then) & ~_changed_requester(inside, them, then)
    return access.holders(DECIDE).exclude(pk=requester(1)).filter(free)


def _sent_away(
    requester: Seen,
    decider: Seen,
    asked: Seen | None,
    theirs: Mapping[str, Any],
    mine: Mapping[str, Any],
) -> QuerySet[RightsChange]:
    """Return how the right to decide was taken from such people, shortly before or since.

    By permissions or status, or by deactivating them: by the decider, by whoever could log in as
    them, or by the requester.
    """
    let_in_there = let_in(person=decider(2)).values("actor")
    hands = Q(actor=decider(1)) | Q(actor=requester(1)) | Q(actor__in=let_in_there)
    taken = RightsChange.objects.filter(hands, tool=DECIDE, gave=False, at__gte=_lately(asked))
    free = _is_free(_further_in(requester), _of("person"), _further_in(asked), theirs, mine)
    return taken.filter(free, person__isnull=False).exclude(person=requester(1))


def _is_free(
    requester: Seen,
    them: Seen,
    asked: Seen | None,
    theirs: Mapping[str, Any],
    mine: Mapping[str, Any],
) -> Q:
    """Hold for whoever does not hang together with the requester, nor was changed by them before.

    Whom the requester changed since cannot decide, but stays somebody else: else a requester would
    set the password of the only one, and whoever is behind them would decide.
    """
    changed = _changed_by(requester(1), them(1)).filter(at__lt=_lately(asked))
    return ~Q(Exists(changed)) & ~_depends(requester, them, theirs, mine)


def _lately(asked: Seen | None) -> Any:
    """Return since when somebody sent away counts as there."""
    return (Now() if asked is None else asked(1)) - SENT_AWAY_BEFORE


def _has_independent(requester: Seen) -> Q:
    return Q(Exists(_independent(requester, None)))


def _has_decider(requester: Seen) -> Q:
    """Hold where somebody else may decide, were it not for who hangs together with whom."""
    others = access.holders(DECIDE).exclude(pk=requester(1))
    return Q(Exists(others.filter(~Q(Exists(_changed_by(requester(2), OuterRef("pk")))))))


# What bars are made of, put together once per process: it took longer than answering them.
_REQUESTER = {"requester": "requester"}
_KEYS = {**_REQUESTER, "decider": "requester"}
_ASKED = {"asked": "requested_at"}
CHANGED_RULES = Prepared(_changed_rules, ExportRequest, {"decider": "requester", **_ASKED})
CHANGED_REQUESTER = Prepared(_changed_requester, ExportRequest, {**_KEYS, **_ASKED})
CHANGED_BY_REQUESTER = Prepared(_changed_by_requester, ExportRequest, _KEYS)
LESS_INDEPENDENT = Prepared(_is_less_independent, ExportRequest, {**_KEYS, **_ASKED})
LESS_INDEPENDENT_NOW = Prepared(_is_less_independent, ExportRequest, _KEYS)
HAS_DECIDER = Prepared(_has_decider, ExportRequest, _REQUESTER)
HAS_INDEPENDENT_DECIDER = Prepared(_has_independent, ExportRequest, _REQUESTER)


def may_decide(asker: Asker) -> Q:
    allowed = ALWAYS
    for bar in bars(asker):
        free = access.settled(~bar.when)
        if free is NEVER:
            return NEVER  # as for most people: the other bars are not even put together
        allowed &= free
    return access.settled(allowed)


ANYONE_MAY_DECIDE = access.of_anyone_and_record(ExportRequest, may_decide)


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
    return ExportRequest.objects.awaiting_decision().filter(may_decide(Loaded(user)))


def decidable(user: User, exports: Iterable[ExportRequest]) -> set[int]:
    """Return the keys of those of these exports that wait and on which this person may decide.

    One query; none where none of them waits, nor for who decides on nothing.
    """
    waiting = [each.pk for each in exports if each.status == ExportRequest.Status.PENDING]
    return set(awaiting(user).filter(pk__in=waiting).order_by().values_list("pk", flat=True))


def count_awaiting(user: User) -> int:
    """Return how many `awaiting` would; one query, none for who decides on nothing."""
    return awaiting(user).order_by().count()


def deciders_of(export: ExportRequest) -> QuerySet[User]:
    """Return the active people who may decide on this request as things stand now."""
    return User.objects.filter(ANYONE_MAY_DECIDE(record=export.pk, **access.ROW), is_active=True)


def approvers_for(requester: User) -> QuerySet[User]:
    """Return whom this person may choose to decide on a request made now, never they (Q11)."""
    about = {"requester": requester.pk, "decider": "pk"}
    return colleagues_who_decide(requester).filter(
        ~CHANGED_BY_REQUESTER(**about), ~LESS_INDEPENDENT_NOW(**about)
    )


def chosen_last(requester: User) -> set[int]:
    """Return the keys of whom this person chose for the last request that had anybody chosen.

    Whether they may decide now is not asked.
    """
    asked = ExportRequest.objects.filter(requester=requester, chosen__isnull=False)
    last = asked.order_by("-pk").values("pk")[:1]
    rows = ExportRequest.chosen.through.objects.filter(exportrequest=Subquery(last))
    return set(rows.values_list("user", flat=True))


def without_independent_decider(requesters: QuerySet[User]) -> QuerySet[User]:
    """Return those of these people who hang together with everybody who could decide for them."""
    return requesters.filter(HAS_DECIDER(requester="pk"), ~HAS_INDEPENDENT_DECIDER(requester="pk"))


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
    may_decide = ANYONE_MAY_DECIDE(record=OuterRef("pk"), **access.ROW)
    return waiting.filter(~Exists(User.objects.filter(may_decide, pk__in=holders)))


def without_decider(requesters: QuerySet[User], forgiving: User | None = None) -> QuerySet[User]:
    """Return those of these people on whose requests nobody could decide, if they made one now.

    What `forgiving` changed of others is left out of account. Who hangs together with a requester
    is barred only where somebody else is not, so that leaves nobody without a decider but where
    that one was sent away: for as long as this counts.
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
