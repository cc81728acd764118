"""The figures of the first page: own open work, what waits, what left, who lacks what.

Every figure is counted among what its reader may see, and leads to the list of what it counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import (
    Case,
    Count,
    DecimalField,
    F,
    IntegerField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from accounts import access, days, people_filters
from accounts.access import Loaded
from accounts.modeladmin import page_address, user_of
from accounts.models import AuditEvent, User
from accounts.paging import capped_count
from accounts.words import counted
from crmperms import badges
from crmperms.charts import Cell, Chart, Series
from exports.deciders import awaiting
from exports.models import ExportRequest
from exports.screens.log import log_address
from records import filters, kinds
from records.kinds import Kind
from records.models import Stage
from records.models.properties import field_access
from records.screens import limited
from records.screens.columns import money

WEEKS = 8
MOST_CLOSING = 5
VIEW_ALL_EXPORTS, VIEW_LOG = "audit.view_exports", "audit.view"
EDIT_USERS = "account.edit_users"

S = ExportRequest.Status
DELIVERED, UNDECIDED = (S.COMPLETED, S.EXPIRED), (S.PENDING, S.APPROVED, S.PROCESSING)
ENDED = (S.REJECTED, S.RECALLED, S.CANCELLED, S.LAPSED, S.FAILED)


def charts(request: HttpRequest) -> list[Chart]:
    """Return the charts that say something to this person; each costs a query, or two."""
    user = user_of(request)
    found: list[Chart | None] = [
        *(_open_by_stage(request, kind) for kind in kinds.every() if kind.is_staged),
        _waiting_by_age(request),
    ]
    if access.holds_tool(user, VIEW_ALL_EXPORTS):
        found += _exports_by_week(user)
    if access.holds_tool(user, VIEW_LOG):
        found.append(_refusals_by_week(user))
    return [chart for chart in found if chart is not None and chart.total]


# --- Own work -------------------------------------------------------------------------------------


def _own(user: User, kind: Kind, *asked: str) -> QuerySet[Any] | None:
    """Return a person's own records as a list by these filters shows them; None where none can."""
    names = {"owner", *asked}
    if not access.allows_any(user, "view", kind.model):
        return None
    if not names <= set(filters.parameter_names(kind.model, user)):
        return None
    rows = access.permitted(kind.model._default_manager.all(), user, "view")
    return rows.filter(Loaded(user).owns(kind.model.owner_fields)).order_by()


def _list_of(user: User, kind: Kind, **asked: Any) -> str:
    query = urlencode({"owner": user.pk, **asked})
    return f"{page_address(kind.model, 'changelist')}?{query}"


def _open_by_stage(request: HttpRequest, kind: Kind) -> Chart | None:
    user = user_of(request)
    rows = _own(user, kind, "stage")
    if rows is None:
        return None
    path = next(field.name for field in kind.fields if field.related is Stage)
    worth = _shown_worth(request, kind)
    # By key alone: joined with stages, each stage would be gone through for each owner's rows.
    found = rows.values_list(path).annotate(
        number=Count("pk"), worth=Sum(worth) if worth else Value(None, DecimalField())
    )
    counts = {stage: (number, total) for stage, number, total in found}
    stages = list(
        Stage.objects.filter(pk__in=counts, outcome=Stage.Outcome.OPEN)
        .select_related("pipeline")
        .order_by("pipeline__name", "pipeline", "position", "pk")
    )
    is_one = len({stage.pipeline_id for stage in stages}) == 1
    notes: tuple[str, ...] = ()
    if worth:
        places = kind.field(worth).places
        totals = (counts[stage.pk][1] for stage in stages)
        notes = tuple("–" if total is None else money(total, places) for total in totals)
    return Chart(
        gettext("My open %(kinds)s by stage") % {"kinds": kind.nouns},
        gettext("Stage"),
        tuple(stage.name if is_one else str(stage) for stage in stages),
        (
            Series(
                kind.plural,
                "--chart-plain",
                tuple(counts[stage.pk][0] for stage in stages),
                tuple(_list_of(user, kind, **{path: stage.pk}) for stage in stages),
                notes,
                kind.field(worth).title if worth else "",
            ),
        ),
        address=_list_of(user, kind),
        lies=True,
    )


def _shown_worth(request: HttpRequest, kind: Kind) -> str:
    """Return the field of what records are worth, where this person may sum it up; else nothing.

    A sum of few values tells each of them. So there is none of a field that they do not read, or
    only one value at a time, or only so many values of in a day.
    """
    fields = field_access(user_of(request), kind.model)
    closed = fields.unasked | limited.counted(request, kind.model)
    return "" if kind.worth in closed else kind.worth


def closing(request: HttpRequest) -> Iterator[dict[str, Any]]:
    """Yield, for each kind with a closing day, what of the person's own closes this month.

    Days of which a person sees so many at most stand in lists alone: the first page would use up
    the limit with each look at it.
    """
    user, today = user_of(request), timezone.localdate()
    first = today.replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    for kind in kinds.every():
        # What is won or lost is done with, whatever day it bears.
        is_open = {"outcome": Stage.Outcome.OPEN.value} if kind.is_staged else {}
        names = (f"{kind.closing}_after", *is_open)
        if not kind.closing or (rows := _own(user, kind, *names)) is None:
            continue
        if kind.closing in limited.unasked(request, kind.model):
            continue
        says_day = kind.closing not in limited.counted(request, kind.model)
        bounds = {f"{kind.closing}__gte": first, f"{kind.closing}__lte": last}
        rows = rows.filter(**bounds)
        if is_open:
            stage = next(field.name for field in kind.fields if field.related is Stage)
            rows = rows.filter(**{f"{stage}__in": Stage.objects.filter(**is_open)})
        soon = rows.order_by(kind.closing, "pk")
        if found := list(soon[: MOST_CLOSING + 1]):
            asked = {f"{kind.closing}_after": first, f"{kind.closing}_before": last, **is_open}
            yield {
                "title": gettext("My %(kinds)s closing this month") % {"kinds": kind.nouns},
                "rows": [_closes(kind, row, says_day) for row in found[:MOST_CLOSING]],
                "count": capped_count(rows) if len(found) > MOST_CLOSING else len(found),
                "address": _list_of(user, kind, **asked),
            }


def _closes(kind: Kind, row: Any, says_day: bool) -> dict[str, Any]:
    return {
        "name": str(row),
        "address": page_address(row, "change", row.pk),
        "day": getattr(row, kind.closing) if says_day else None,
    }


# --- What waits, and what left --------------------------------------------------------------------


def _waiting_by_age(request: HttpRequest) -> Chart | None:
    if not badges.exports_waiting(request):
        return None
    today, user = timezone.localdate(), user_of(request)
    # The youngest and the oldest day of each, in days before today.
    ages = (
        (gettext("Today"), 0, 0),
        (gettext("Yesterday"), 1, 1),
        (gettext("2 to 6 days ago"), 2, 6),
        (gettext("A week ago or longer"), 7, None),
    )
    counts = {False: [0] * len(ages), True: [0] * len(ages)}
    asked = awaiting(user).order_by().values_list("requested_at", "has_sensitive")
    for moment, has_sensitive in asked:
        age = (today - timezone.localdate(moment)).days
        at = sum(age > (oldest or 0) for _, _, oldest in ages[:-1])
        counts[has_sensitive][at] += 1
    return Chart(
        gettext("Waiting export requests by age"),
        gettext("Requested"),
        tuple(label for label, _, _ in ages),
        tuple(
            Series(
                label,
                colour,
                tuple(counts[has_sensitive]),
                tuple(
                    log_address(
                        waiting="yes",
                        sensitive="yes" if has_sensitive else "no",
                        requested_before=today - timedelta(days=youngest),
                        **({} if oldest is None else _from(today - timedelta(days=oldest))),
                    )
                    for _, youngest, oldest in ages
                ),
            )
            for label, colour, has_sensitive in (
                (gettext("With sensitive data"), "--chart-bad", True),
                (gettext("Without"), "--chart-plain", False),
            )
        ),
        address=log_address(waiting="yes"),
        lies=True,
    )


def _from(day: date) -> dict[str, Any]:
    return {"requested_after": day}


def _mondays() -> list[date]:
    """Return the first days of the last weeks, this one last."""
    today = timezone.localdate()
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=number) for number in reversed(range(WEEKS))]


def _week_of(moment: str, mondays: Sequence[date]) -> Case:
    """Return the number of the week a moment lies in; weeks begin as days do in every list."""
    return Case(
        *(
            When(**{f"{moment}__gte": days.first_moment(mondays[number])}, then=number)
            for number in reversed(range(len(mondays)))
        ),
        output_field=IntegerField(),
    )


def _bounds(monday: date, first: str, last: str) -> dict[str, date]:
    return {first: monday, last: monday + timedelta(days=6)}


def _exports_by_week(user: User) -> list[Chart]:
    mondays = _mondays()
    rows = access.permitted(ExportRequest.objects.all(), user, "view").order_by()
    found = list(
        rows.filter(requested_at__gte=days.first_moment(mondays[0]))
        .values_list(
            "status",
            Case(When(ExportRequest.HOLDS_SENSITIVE, then=True), default=False),
            _week_of("requested_at", mondays),
        )
        .annotate(number=Count("pk"), left=Sum("delivered_count", default=0))
    )
    labels = tuple(date_format(day, "DATE_FORMAT") for day in mondays)

    def figures(column: int, **wanted: Any) -> tuple[int, ...]:
        counts = [0] * WEEKS
        for row in found:
            if row[0] in wanted["status"] and row[1] in wanted.get("sensitive", (True, False)):
                counts[row[2]] += row[column]
        return tuple(counts)

    def addresses(**more: Any) -> tuple[str, ...]:
        return tuple(
            log_address(**more, **_bounds(day, "requested_after", "requested_before"))
            for day in mondays
        )

    outcomes = (
        (gettext("Delivered"), "--chart-good", DELIVERED),
        (gettext("Under way"), "--chart-plain", UNDECIDED),
        (gettext("Rejected, cancelled or failed"), "--chart-bad", ENDED),
    )
    series = tuple(
        Series(label, colour, figures(3, status=states), addresses(status=list(states)))
        for label, colour, states in outcomes
    )
    records = Series(
        gettext("Records with sensitive data delivered"),
        "--chart-bad",
        figures(4, status=DELIVERED, sensitive=(True,)),
        addresses(status=list(DELIVERED), sensitive="yes"),
    )
    week = gettext("Week from")
    return [
        Chart(gettext("Exports by week"), week, labels, series, log_address(), is_long=True),
        Chart(
            gettext("Sensitive data out, by week"),
            week,
            labels,
            (records,),
            log_address(status=list(DELIVERED), sensitive="yes"),
            is_long=True,
        ),
    ]


def _refusals_by_week(user: User) -> Chart:
    mondays = _mondays()
    rows = access.permitted(AuditEvent.objects.all(), user, "view").order_by()
    refused = rows.filter(result="refused", at__gte=days.first_moment(mondays[0]))
    found = dict(refused.values_list(_week_of("at", mondays)).annotate(number=Count("pk")))
    address = page_address(AuditEvent, "changelist")
    lists = (
        urlencode({"result": "refused", **_bounds(day, "at_after", "at_before")}) for day in mondays
    )
    return Chart(
        gettext("Refusals by week"),
        gettext("Week from"),
        tuple(date_format(day, "DATE_FORMAT") for day in mondays),
        (
            Series(
                gettext("Refused"),
                "--chart-bad",
                tuple(found.get(number, 0) for number in range(WEEKS)),
                tuple(f"{address}?{query}" for query in lists),
            ),
        ),
        address=f"{address}?result=refused",
        is_long=True,
    )


# --- People ---------------------------------------------------------------------------------------


def people(user: User) -> list[tuple[str, Cell]]:
    """Return who lacks a permission set or a log-in, for whoever can do something about it."""
    if not access.holds_tool(user, EDIT_USERS) or not access.allows_any(user, "view", User):
        return []
    lacking = (
        (gettext("Without a permission set"), "without_set", {"status": "without_set"}),
        (gettext("Never logged in"), "never", {"last_log_in": "never"}),
    )
    rows = access.permitted(User.objects.all(), user, "view").order_by()
    conditions: dict[str, Q] = {**people_filters.STATUSES, **people_filters.LAST_LOG_INS}
    found = rows.aggregate(**{key: Count(F("pk"), filter=conditions[key]) for _, key, _ in lacking})
    address = page_address(User, "changelist")
    return [
        (label, Cell(counted(found[key]), f"{address}?{urlencode(asked)}"))
        for label, key, asked in lacking
        if found[key]
    ]
