"""Requests for access among all that asks for a decision: what waits, and how a row reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from accounts.models import User
from accounts.to_decide import RequestKind, RequestRow, Step
from records.models import AccessRequest, Record
from records.operations import access_requests
from records.screens.requests import became, what_of_each

STATES = {"waiting": "pending", "granted": "approved", "declined": "rejected"}
"""How a badge looks that says it."""


_A = AccessRequest.About
_TITLES = {
    _A.RECORD: (
        gettext_lazy("%(name)s requests to edit “%(record)s”"),
        gettext_lazy("You requested to edit “%(record)s”"),
    ),
    _A.LINKED: (
        gettext_lazy("%(name)s requests to see “%(record)s”"),
        gettext_lazy("You requested to see “%(record)s”"),
    ),
    _A.FIELD: (
        gettext_lazy("%(name)s requests to edit the field “%(record)s”"),
        gettext_lazy("You requested to edit the field “%(record)s”"),
    ),
    _A.EXPORT: (
        gettext_lazy("%(name)s requests the permission “%(record)s”"),
        gettext_lazy("You requested the permission “%(record)s”"),
    ),
}


def decision_address(asked: AccessRequest, step: str) -> str:
    """Return a request's page with this step alone, which leads back to the notifications."""
    return f"{reverse(access_requests.PAGE, args=[asked.pk])}?step={step}"


def rows(user: User, keys: Collection[int], deciding: Collection[int]) -> dict[int, RequestRow]:
    """Return rows of requests that this person may read; one statement, and one per kind."""
    asked = AccessRequest.objects.filter(pk__in=keys)
    found = list(
        access_requests.seen(user, asked).order_by().select_related("requester", "decided_by")
    )
    what = what_of_each(found, user)
    return {each.pk: _row(each, what[each.pk], user, each.pk in deciding) for each in found}


def _row(asked: AccessRequest, what: Record | str, user: User, decides: bool) -> RequestRow:
    parts = {"name": asked.requester.get_full_name(), "record": what}
    theirs, own = _TITLES[AccessRequest.About(asked.about)]
    title = str(own if asked.requester_id == user.pk else theirs) % parts
    return RequestRow(
        url=reverse(access_requests.PAGE, args=[asked.pk]),
        state=STATES.get(asked.status, asked.status),
        state_label=became(asked),
        title=title,
        purpose=asked.reason,
        since=asked.created_at,
        steps=_steps(asked, parts) if decides else (),
    )


def _steps(asked: AccessRequest, parts: dict[str, Any]) -> tuple[Step, ...]:
    return (
        Step(
            gettext("Grant"),
            decision_address(asked, "grant"),
            gettext("Grant the request of %(name)s: %(record)s") % parts,
            is_first=True,
        ),
        Step(
            gettext("Decline"),
            decision_address(asked, "decline"),
            gettext("Decline the request of %(name)s: %(record)s") % parts,
        ),
    )


def _waiting() -> QuerySet[AccessRequest]:
    return AccessRequest.objects.filter(status=AccessRequest.Status.WAITING)


REQUESTS = RequestKind(
    waiting=_waiting,
    to_decide=access_requests.to_decide,
    since=F("created_at"),
    readable=access_requests.readable,
    rows=rows,
)
