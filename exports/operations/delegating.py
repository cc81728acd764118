"""Standing in for an approver who is away: arranged by them, with dates, told as well (issue 4).

A delegate gets no right from it: whether they may decide is asked of their own permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext, ngettext

from accounts import access, audit, clock
from accounts.models import User
from accounts.notices import notify, one_line
from accounts.words import counted
from exports.deciders import DECIDE, awaiting, colleagues_who_decide
from exports.models import Delegation, ExportRequest
from exports.steps import SYSTEM, InvalidRequest, NotAllowed, WrongState


def with_delegates(approvers: Iterable[User], deciders: QuerySet[User]) -> list[User]:
    """Return these approvers, and who stands in today for those of them who are away.

    Nobody but `deciders`: who may decide on the request at this moment. One step: who stands in for
    somebody and is away too is not followed further. One query.
    """
    chosen = list(approvers)
    away = holding(clock.Today(), clock.Today()).filter(approver__in=chosen)
    standing_in = deciders.filter(pk__in=away.values("delegate"))
    return [*chosen, *standing_in.exclude(pk__in=[person.pk for person in chosen])]


def arrange_delegate(*, actor: User, delegate: User, first_day: date, last_day: date) -> Delegation:
    """Name who is told as well of requests that name the actor, for these days, both included.

    Of what waits already they are told too: now, or on the first day (`begin_delegations`).
    """
    with audit.step("delegation.arrange", actor) as person:
        if not access.holds_tool(person, DECIDE):
            raise NotAllowed(gettext("Only who decides on exports names somebody to stand in."))
        # Two forms sent at once would pass the look for overlaps together. Both people, so that who
        # is being deactivated is not named; in one order, so that two do not wait for each other.
        both = User.objects.select_for_update(no_key=True).filter(pk__in=[person.pk, delegate.pk])
        list(both.order_by("pk").values("pk"))
        if not colleagues_who_decide(person).filter(pk=delegate.pk).exists():
            raise InvalidRequest(
                gettext(
                    "Choose somebody else who is active and holds Export approver to stand in for "
                    "you."
                )
            )
        if last_day < first_day:
            raise InvalidRequest(gettext("The last day is before the first. Correct one of them."))
        if last_day < clock.database_today():
            raise InvalidRequest(gettext("The last day is over. Choose today or a later day."))
        if holding(first_day, last_day).filter(approver=person).exists():
            raise InvalidRequest(
                gettext("Somebody stands in for you on one of these days. End that first.")
            )
        delegation = Delegation.objects.create(
            approver=person, delegate=delegate, first_day=first_day, last_day=last_day
        )
        exports = _begin(delegation) if first_day <= clock.database_today() else []
        data = {
            "delegate": delegate.pk,
            "first_day": first_day,
            "last_day": last_day,
            "told_of": [export.pk for export in exports],
        }
        audit.record("delegation.arrange", actor=person, on=delegation, data=data)
        name = person.get_full_name()

        def away() -> str:
            said = gettext(
                "%(name)s is away from %(first)s to %(last)s: you are told of requests meanwhile, "
                "as well."
            ) % {"name": name, "first": _day(first_day), "last": _day(last_day)}
            return f"{said} {_waiting(exports)}".strip()

        _tell(delegate, away)
    return delegation


def begin_delegations() -> None:
    """Tell whose days of standing in have come of what waits already, once (for the worker)."""
    today = clock.database_today()
    for delegation in holding(today, today).filter(begun_at=None).select_related("approver"):
        with transaction.atomic():
            if exports := _begin(delegation):
                data = {"told_of": [export.pk for export in exports]}
                audit.record("delegation.begin", actor=SYSTEM, on=delegation, data=data)
                _tell(delegation.delegate, partial(_begins, delegation, exports))


def _begins(delegation: Delegation, exports: list[ExportRequest]) -> str:
    said = gettext("You stand in for %(name)s from today.")
    return f"{said % {'name': delegation.approver.get_full_name()}} {_waiting(exports)}"


def _begin(delegation: Delegation) -> list[ExportRequest]:
    """Let an arrangement begin, once; return what its delegate is to be told of.

    Only what they may decide on and were not told of before.
    """
    rows = Delegation.objects.filter(pk=delegation.pk, begun_at=None, ended_at=None)
    if not rows.update(begun_at=Now()):
        return []
    waiting = awaiting(User.objects.get(pk=delegation.delegate_id))
    named = waiting.filter(chosen=delegation.approver_id)
    exports = list(named.exclude(notified=delegation.delegate_id))
    for export in exports:
        export.notified.add(delegation.delegate_id)
    return exports


def _waiting(exports: list[ExportRequest]) -> str:
    if not exports:
        return ""
    number = len(exports)
    return ngettext(
        "%(count)s request of before waits for a decision.",
        "%(count)s requests of before wait for a decision.",
        number,
    ) % {"count": counted(number)}


def end_delegate(delegation: Delegation, *, actor: User) -> None:
    """End one's own arrangement, before it began or while it lasts."""
    with audit.step("delegation.end", actor) as person:
        if delegation.approver_id != person.pk or not access.allows(person, "change", delegation):
            raise NotAllowed(gettext("There is no such arrangement, or it is not yours."))
        rows = Delegation.objects.filter(pk=delegation.pk, ended_at=None)
        if not rows.update(ended_at=Now()):
            raise WrongState(gettext("This was ended already. Reload the page."))
        audit.record("delegation.end", actor=person, on=delegation)
        name = person.get_full_name()
        _tell(
            delegation.delegate,
            lambda: gettext("You no longer stand in for %(name)s.") % {"name": name},
        )


def holding(first: date | clock.Today, last: date | clock.Today) -> QuerySet[Delegation]:
    """Return what is arranged for any of these days, and was not ended."""
    return Delegation.objects.filter(first_day__lte=last, last_day__gte=first, ended_at=None)


def _day(day: date) -> str:
    return date_format(day, "LONG_DATE_FORMAT")


def _tell(person: User, text: Callable[[], str]) -> None:
    link = f"{reverse('admin:exports_exportrequest_changelist')}?waiting=yes"
    notify(
        [person],
        text,
        link,
        subject=lambda: gettext("Standing in for an approver"),
        mail=lambda: one_line(text()),
        place=lambda: gettext("Export log"),
    )
