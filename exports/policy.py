"""When an export needs consent, and who may give it (R111–R116, Q4, Q6, B7, B8).

What a super admin sets is written by operations/setting.py; here it is read. Nothing here changes
anything, apart from the locks that counting needs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import access
from accounts.audit import Actor
from accounts.models import AuditEvent, User
from accounts.operations import InvalidChange
from exports.models import ExportPolicy, ExportRequest
from exports.models.requests import ExportQuerySet
from exports.steps import S

DECIDE = "crm.export_approver"
EXEMPT = "crm.export_without_approval"
TAKE_OUT = "crm.export"
# What lets an export through without consent, or with more records; changing how long requests and
# files live does not.
GATE = frozenset(
    {
        *("require_approval", "threshold"),
        *("daily_records", "weekly_records", "second_person_above"),
    }
)
DAY, WEEK = timedelta(hours=24), timedelta(days=7)
MOST_A_DAY = 30
# Exports whose records left, or are about to without anybody having ended them.
LEFT = (S.APPROVED, S.PROCESSING, S.COMPLETED, S.EXPIRED)


def current() -> ExportPolicy:
    """Return the one policy of the account, as it is now."""
    return ExportPolicy.objects.get(pk=1)


# --- Does an export need consent? -----------------------------------------------------------------


def approval(
    person: User, count: int, sensitive: Iterable[str], besides: ExportRequest | None = None
) -> tuple[bool, str]:
    """Return whether an export needs consent, and the code of the reason: the table of R-§1.11.

    `besides` is the request that is asked about, where it is counted already.

    Where the answer decides about a request, ask `one_at_a_time` first, in the transaction that
    writes it: otherwise two requests are each told that they alone are within the limits (B8).
    """
    policy = current()
    if not policy.require_approval:
        return False, "policy_off"
    if access.holds_tool(person, EXEMPT):
        most = policy.second_person_above
        return (True, "second_person") if most is not None and count > most else (False, "exempt")
    if any(sensitive):
        return True, "sensitive"
    if count > policy.threshold:
        return True, "above_threshold"
    used = _usage(person, policy, besides)
    if used.daily_limit is not None and used.daily_used + count > used.daily_limit:
        return True, "above_daily"
    if used.weekly_limit is not None and used.weekly_used + count > used.weekly_limit:
        return True, "above_weekly"
    return False, "within_threshold"


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
    too, from the moment of the consent. What was recalled, cancelled, rejected or failed left
    nothing behind and does not count. Where no limit is set nothing is counted, and the numbers
    are 0.
    """
    return _usage(person, current())


def usage_shown(person: User) -> Usage | None:
    """Return the usage where a limit holds for this person, None where none does."""
    policy = current()
    if not policy.require_approval or access.holds_tool(person, EXEMPT):
        return None
    if policy.daily_records is None and policy.weekly_records is None:
        return None
    return _usage(person, policy)


def _usage(person: User, policy: ExportPolicy, besides: ExportRequest | None = None) -> Usage:
    daily, weekly = policy.daily_records, policy.weekly_records
    if daily is None and weekly is None:
        return Usage(0, None, 0, None)
    now = timezone.now()
    records = Coalesce("delivered_count", "record_count")
    # Released by a decision, or by the request itself. A decision takes no lock: it asks for no
    # limit, and a request at the same moment is one that came before it.
    released = ExportRequest.objects.filter(requester=person, status__in=LEFT).alias(
        released_at=Coalesce("decided_at", "requested_at")
    )
    if besides is not None:
        released = released.exclude(pk=besides.pk)
    used = released.filter(released_at__gt=now - WEEK).aggregate(
        day=Sum(records, filter=Q(released_at__gt=now - DAY), default=0),
        week=Sum(records, default=0),
    )
    return Usage(used["day"], daily, used["week"], weekly)


def one_at_a_time(person: User) -> None:
    """Let a person's requests be counted one after the other, until this transaction ends (B8).

    SQLite's transactions already are; on PostgreSQL the person's row is the lock. It stands in
    nobody's way who only refers to the person: notices and events go on.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk=person.pk)
    list(rows.order_by().values("pk"))


def next_possible(person: User) -> datetime | None:
    """Return when this person may ask again, None where it is now (E37).

    Where a request is made by the answer, ask `one_at_a_time` first.

    Every request of the last 24 hours counts, whatever became of it.
    """
    asked = ExportRequest.objects.filter(requester=person, requested_at__gt=timezone.now() - DAY)
    times = asked.order_by("-requested_at")
    oldest = times.values_list("requested_at", flat=True)[MOST_A_DAY - 1 : MOST_A_DAY].first()
    return oldest and oldest + DAY


# --- Who decides? ---------------------------------------------------------------------------------


def approvers_for(requester: User) -> QuerySet[User]:
    """Return the active people who may decide on a request of this person, never they (Q11)."""
    return access.holders(DECIDE).exclude(pk=requester.pk)


def awaiting(person: User) -> ExportQuerySet:
    """Return the requests that wait for this person's decision and that they may decide on (B7)."""
    return _brought_before(person).exclude(pk__in=_waiting(person)[1])


def count_awaiting(person: User) -> int:
    """Return how many `awaiting` would; one query, as a rule."""
    number, closed = _waiting(person)
    return number - len(closed)


def _brought_before(person: User) -> ExportQuerySet:
    """Return what waits and is not this person's own, where they decide at all."""
    if not access.holds_tool(person, DECIDE):
        return ExportRequest.objects.none()
    return ExportRequest.objects.awaiting_decision().exclude(requester=person)


def _waiting(person: User) -> tuple[int, list[int]]:
    """Return how many requests are brought before a person, and of which they moved the gate."""
    brought = _brought_before(person)
    moves = AuditEvent.objects.filter(actor=person, action__in=_MOVES, result="done")
    last_move = Subquery(moves.order_by("-id").values("at")[:1])
    found = brought.aggregate(
        number=Count("pk"), touched=Count("pk", filter=Q(requested_at__lt=last_move))
    )
    if not found["touched"]:
        return found["number"], []  # as a rule: no reason to look at every request
    movers = _movers(list(brought.select_related("requester")), by=[person.pk])
    return found["number"], [key for key, people in movers.items() if person.pk in people]


def changed_the_gate(person: User, export: ExportRequest) -> bool:
    """Tell whether this person moved what the request has to pass, after it was made (B7).

    That is the switch, the threshold or a limit, or whether the requester is exempt.
    """
    return person.pk in _movers([export], by=[person.pk])[export.pk]


_ON_REQUESTER = ("person.assign_set", "person.make_super_admin", "person.remove_super_admin")
_ON_RULES = ("export_policy.change", "set.change")
_MOVES = (*_ON_REQUESTER, *_ON_RULES)


def _movers(exports: Collection[ExportRequest], by: Collection[int]) -> dict[int, set[int]]:
    """Return, for each export, who of these people moved its gate since it was made; one query."""
    requesters = {str(export.requester_id) for export in exports}
    since = min(export.requested_at for export in exports)
    events = list(
        AuditEvent.objects.filter(
            Q(actor__in=by, action__in=_ON_RULES)
            # Whoever did it: it says which sets the requester has had meanwhile.
            | Q(action__in=_ON_REQUESTER, object="user", object_id__in=requesters),
            at__gt=since,
            result="done",
        )
        .order_by()
        .only("actor", "action", "object_id", "at", "data")
    )
    movers: dict[int, set[int]] = defaultdict(set)
    for export in exports:
        later = [event for event in events if event.at > export.requested_at]
        mine = [
            event
            for event in later
            if event.action in _ON_REQUESTER and event.object_id == str(export.requester_id)
        ]
        had = {str(export.requester.permission_set_id)}
        for event in mine:
            had |= {str(event.data.get(name)) for name in ("from", "to", "permission_set")}
        moved = [event for event in mine if event.action != "person.assign_set" or _exempts(event)]
        moved += [
            event
            for event in later
            if (event.action == "export_policy.change" and GATE & set(event.data["changed"]))
            or (event.action == "set.change" and event.object_id in had and _exempts(event))
        ]
        movers[export.pk] = {event.actor_id for event in moved if event.actor_id is not None}
    return movers


def _exempts(event: AuditEvent) -> bool:
    """Tell whether this event gave or took the permission to export without approval."""
    return EXEMPT in {*event.data.get("tools_added", ()), *event.data.get("tools_removed", ())}


def stranded() -> list[ExportRequest]:
    """Return the waiting requests on which nobody may decide, as things stand now (B7).

    A handful of queries, however many requests wait.
    """
    waiting = list(ExportRequest.objects.awaiting_decision().select_related("requester"))
    if not waiting:
        return []
    deciders = set(access.holders(DECIDE).values_list("pk", flat=True))
    movers = _movers(waiting, by=deciders)
    return [
        export for export in waiting if not deciders - {export.requester_id} - movers[export.pk]
    ]


def without_approver() -> User | None:
    """Return somebody who may export and needs consent that nobody could give; None as a rule.

    Nobody approves their own exports, so whoever is the only approver needs a second one, unless
    they export without approval at any size.
    """
    rules = current()
    if not rules.require_approval:
        return None
    deciders = list(access.holders(DECIDE).order_by()[:2])
    if len(deciders) > 1:
        return None
    exporters = access.holders(TAKE_OUT)
    if rules.second_person_above is None:
        exporters = exporters.exclude(pk__in=access.holders(EXEMPT).values("pk"))
    if deciders:
        exporters = exporters.filter(pk=deciders[0].pk)
    return exporters.order_by("pk").first()


@contextmanager
def leaving_somebody_to_decide(error: type[Exception]) -> Iterator[None]:
    """Raise where what is done meanwhile leaves a request, or a person, nobody to decide (B7, Q11).

    Waiting requests, and what people may ask for from now on. In the transaction of the change. Two
    changes at once are asked one after the other, so that neither counts on the approver whom the
    other takes away. What had nobody before is no reason to refuse anything: a person whose account
    is in wrong hands has to go at once.
    """
    list(ExportPolicy.objects.select_for_update(no_key=True).filter(pk=1).values("pk"))
    before = {export.pk for export in stranded()}
    had_none = without_approver()
    yield
    for export in stranded():
        if export.pk not in before:
            raise error(
                f"“{export}” of {export.requester} waits for a decision, and after this change "
                "nobody could decide on it: who changes the rules meanwhile does not decide. "
                "Decide on it first, or end it (a super admin can cancel it), or make somebody "
                "else an approver."
            )
    if had_none is None and (person := without_approver()) is not None:
        raise error(
            f"After this change nobody could approve exports of {person}: nobody approves their "
            "own, and there is no other approver. Give somebody else the permission Export "
            "approver first, or let those who export without approval need no second person "
            "(Settings → Approvals)."
        )


def on_permissions_changing(actor: Actor) -> AbstractContextManager[None]:
    """Fill the slot `accounts.operations.on_permissions_changing` (B7)."""
    return leaving_somebody_to_decide(InvalidChange)
