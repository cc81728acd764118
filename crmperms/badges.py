"""The badges of the side bar, on every page: what is new, and what waits for this person."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Exists, IntegerField, QuerySet, Subquery
from django.http import HttpRequest

from accounts import access, notices
from accounts.modeladmin import user_of
from accounts.modeladmin.requests import once
from accounts.models import KnownPermission, User
from exports.deciders import count_awaiting
from exports.models import ExportRequest

MOST_COUNTED = 99


class _Count(Subquery):
    """How many rows a sub-query has, a limited one as well."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def unread(request: HttpRequest) -> str:
    """Return how many notices are new to this person, or nothing."""
    new, _, _ = _first_look(request)
    return f"{MOST_COUNTED}+" if new > MOST_COUNTED else str(new or "")


def waiting_for_me(request: HttpRequest) -> str:
    """Return how many requests wait for this person, or nothing."""
    _, any_waits, _ = _first_look(request)
    if not any_waits:
        return ""
    waiting = once(request, waiting_for_me, lambda: count_awaiting(user_of(request)))
    return str(waiting or "")


def new_permissions(request: HttpRequest) -> str:
    """Return how many new permissions wait for a decision, for who decides on them, or nothing."""
    _, _, to_review = _first_look(request)
    return str(to_review or "")


def _first_look(request: HttpRequest) -> tuple[int, bool, int]:
    return once(request, _first_look, lambda: _look(user_of(request)))


def _look(user: User) -> tuple[int, bool, int]:
    """Return new notices, whether any request waits, and new permissions to decide on; one query.

    The first and the last are counted for this person, the second is asked for anybody: who may
    decide on a request is asked only when one waits, and as a rule none does.
    """
    found = access.rows_about(user, "first look", user, partial(_looking, user))
    new, waits, to_review = found[0]
    return new, bool(waits), to_review


def _looking(user: User, key: Any) -> QuerySet[Any]:
    new = notices.unread(user).order_by().values("pk")[: MOST_COUNTED + 1]
    waits = Exists(ExportRequest.objects.awaiting_decision().order_by())
    to_review = access.permitted(KnownPermission.objects.waiting(), user, "change")
    rows = _Count(to_review.order_by().values("subject").distinct())
    return User.objects.filter(pk=key).values_list(_Count(new), waits, rows)
