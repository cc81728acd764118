"""The badges of the side bar, on every page: what is new, and what waits for this person."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from django.db.models import Exists, IntegerField, QuerySet, Subquery
from django.http import HttpRequest

from accounts import access, notices, to_decide
from accounts.modeladmin import user_of
from accounts.modeladmin.requests import once
from accounts.models import KnownPermission, Notice, User
from accounts.to_decide import Key

MOST_COUNTED = 99


class _Count(Subquery):
    """How many rows a sub-query has, a limited one as well."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def unread(request: HttpRequest) -> str:
    """Return how many rows of the notifications are new to this person, or nothing."""
    if not _first_look(request).is_any_new:
        return ""
    new = once(request, unread, lambda: _count_unread(user_of(request)))
    return f"{MOST_COUNTED}+" if new > MOST_COUNTED else str(new or "")


def waiting(request: HttpRequest) -> list[Key]:
    """Return which requests wait for this person, of every kind, longest first."""
    names = _first_look(request).kinds_waiting
    if not names:
        return []
    return once(request, waiting, lambda: to_decide.waiting_for(user_of(request), names))


def in_words(count: int) -> str:
    """Return a number of requests that wait as a badge says it, or nothing."""
    return f"{count}+" if count == to_decide.MOST_LISTED else str(count or "")


def exports_waiting(request: HttpRequest) -> str:
    """Return how many requests to export wait for this person, or nothing."""
    return _of_kind(request, "export")


def access_waiting(request: HttpRequest) -> str:
    """Return how many requests for access wait for this person, or nothing."""
    return _of_kind(request, "access_request")


def _of_kind(request: HttpRequest, kind: str) -> str:
    return in_words(sum(key.kind == kind for key in waiting(request)))


def new_permissions(request: HttpRequest) -> str:
    """Return how many new permissions wait for a decision, for who decides on them, or nothing."""
    return str(_first_look(request).to_review or "")


class _Look(NamedTuple):
    """What every page asks first; as a rule there is none of it."""

    is_any_new: bool
    kinds_waiting: tuple[str, ...]
    to_review: int


def _first_look(request: HttpRequest) -> _Look:
    return once(request, _first_look, lambda: _look(user_of(request)))


def _look(user: User) -> _Look:
    """Tell whether anything is new, which kinds of request wait, and count new permissions.

    One query. The last is counted for this person, the second is asked for anybody: who may read
    or decide is asked only where there is something, and as a rule there is nothing.
    """
    found = access.rows_about(user, "first look", user, partial(_looking, user))
    new, *waits, to_review = found[0]
    names = tuple(name for name, any_waits in zip(to_decide.kinds, waits, strict=True) if any_waits)
    return _Look(bool(new), names, to_review)


def _looking(user: User, key: Any) -> QuerySet[Any]:
    new = Exists(Notice.objects.filter(user=key, read_at=None).order_by())
    waits = [Exists(kind.waiting().order_by()) for kind in to_decide.kinds.values()]
    to_review = access.permitted(KnownPermission.objects.waiting(), user, "change")
    rows = _Count(to_review.order_by().values("subject").distinct())
    return User.objects.filter(pk=key).values_list(new, *waits, rows)


def _count_unread(user: User) -> int:
    def rows(key: Any) -> QuerySet[Any]:
        new = notices.unread(user).order_by().values("pk")[: MOST_COUNTED + 1]
        return User.objects.filter(pk=key).values_list(_Count(new))

    [(count,)] = access.rows_about(user, "unread", user, rows)
    return int(count)
