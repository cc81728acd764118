"""The risk card: what is unusual about a request, said to whoever may decide on it (B9).

Figures about the request and its requester, never a value of a record (Q7). One query beside those
for the requester's own rights, however many records were frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import (
    Exists,
    F,
    Func,
    IntegerField,
    Model,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format

from accounts import access
from accounts.models import User
from exports import tables
from exports.models import ExportRecord, ExportRequest
from exports.screens.log import log_address
from exports.steps import S
from records import filters
from records.models import Record
from records.models.properties import hidden_fields

LOOK_BACK = timedelta(days=90)
FIRST_HOUR, LAST_HOUR = 7, 19
SATURDAY = 5
TIMES_USUAL = 3
SHARE_OF_REACH = 50
SHARE_OUTSIDE = 50
DELIVERED = (S.COMPLETED, S.EXPIRED)
TURNED_DOWN = (S.REJECTED, S.RECALLED)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the card; `unusual` is said in a word and by an icon, not by colour alone."""

    code: str
    label: str
    value: str
    detail: str
    unusual: bool = False
    url: str = ""
    known: bool = True
    """False where there is nothing to compare with, which is neither usual nor unusual."""


def figures(export: ExportRequest, reader: User) -> list[Figure]:
    """Return the card of a request as this reader may have it, most telling first."""
    model = tables.model_of(export.object)
    past = _past(export, model)
    sees = access.allows_any(reader, "view", model)
    records = _list_of(model) if sees else ""
    return [
        _against_usual(export, past, model),
        _share_of_reach(export, past.reach, model, records),
        _sensitive(export, model, reader),
        _outside_book(export, past.own, records),
        _earlier(export, past),
        _time_of_day(export),
    ]


@dataclass(frozen=True, slots=True)
class _Past:
    """What the card is worked out from."""

    asked: list[tuple[str, str, int]]
    """(object, status, records) of what the requester asked for in the 90 days before."""
    reach: int
    """How many records they may export now."""
    own: int
    """How many of the frozen records they own."""


def _past(export: ExportRequest, model: type[Record]) -> _Past:
    """Read what the card needs in one statement, since it is part of every review."""
    requests = ExportRequest.objects.order_by()
    asked = requests.filter(
        requester=export.requester_id,
        requested_at__gte=_since(export),
        requested_at__lte=export.requested_at,
    ).exclude(pk=export.pk)
    requester, rows = export.requester, model._base_manager.all()
    reach = access.permitted(rows, requester, access.EXPORT)
    # From the side of what they own, and not of what was frozen: that may be a million rows.
    frozen = ExportRecord.objects.filter(export=export.pk, record_id=OuterRef("pk"))
    own = rows.filter(access.Loaded(requester).owns(model.owner_fields)).filter(Exists(frozen))
    this = requests.filter(pk=export.pk)
    found = asked.values_list(Value("asked"), "object", "status", "record_count").union(
        this.values_list(Value("reach"), Value(""), Value(""), _count(reach)),
        this.values_list(Value("own"), Value(""), Value(""), _count(own)),
        all=True,
    )
    kinds: dict[str, list[tuple[str, str, int]]] = {"asked": [], "reach": [], "own": []}
    for kind, *row in found:
        kinds[kind].append((row[0], row[1], row[2] or 0))
    return _Past(kinds["asked"], kinds["reach"][0][2], kinds["own"][0][2])


def _since(export: ExportRequest) -> datetime:
    """Return the day's beginning, 90 days before: the log's filters go by days."""
    day = timezone.localtime(export.requested_at - LOOK_BACK)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


def _count(rows: QuerySet[Any]) -> Subquery:
    counted = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().values(number=counted).values("number"))


def _list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _in_log(export: ExportRequest, **more: Any) -> str:
    """Return the log of what this person asked for in the days that the card is about."""
    until = timezone.localtime(export.requested_at).date()
    return log_address(
        requester=export.requester_id,
        requested_after=_since(export).date(),
        requested_before=until,
        **more,
    )


def _against_usual(export: ExportRequest, past: _Past, model: type[Record]) -> Figure:
    counts = [n for key, status, n in past.asked if key == export.object and status in DELIVERED]
    label, plural = "Against their usual", model._meta.verbose_name_plural
    if not counts:
        detail = f"No finished export of {plural} in the 90 days before."
        return Figure("usual", label, "No history", detail, known=False)
    usual = median(counts)
    times = export.record_count / usual
    exports = "the one before" if len(counts) == 1 else f"the median of {len(counts)} before"
    return Figure(
        "usual",
        label,
        f"{_number(times)} times",
        f"{_number(export.record_count)} records; {exports} is {_number(usual)}.",
        times > TIMES_USUAL,
        _in_log(export, source=export.object, status=list(DELIVERED)),
    )


def _share_of_reach(export: ExportRequest, reach: int, model: type[Record], url: str) -> Figure:
    label, plural = "Share of their reach", model._meta.verbose_name_plural
    of = f"of the {_number(reach)} {plural} they may export now."
    if export.record_count > reach:
        return Figure("reach", label, "More than all", f"More {of}", True, url)
    share = 100 * export.record_count / reach
    value = "under 1 %" if share < 1 else f"{_number(round(share))} %"
    detail = f"{_number(export.record_count)} {of}"
    return Figure("reach", label, value, detail, share > SHARE_OF_REACH, url)


def _sensitive(export: ExportRequest, model: type[Record], reader: User) -> Figure:
    label = "Sensitive data"
    if not export.sensitive_fields:
        return Figure("sensitive", label, "None", "No sensitive column, filter or order.")
    # What only the query looks at has no column: it is named by its field.
    hidden = hidden_fields(reader, model)
    labels = {c.field: c.label for c in tables.table(model) if c.field not in hidden}
    labels |= {c["name"]: c["label"] for c in tables.described(export.columns, model, reader)}
    shown = [labels.get(name, filters.RESTRICTED_FIELD) for name in export.sensitive_fields]
    inside = sum(column["sensitive"] for column in export.columns)
    detail = f"{_number(inside)} of {_number(len(export.columns))} columns"
    detail += "; filters and order count too." if inside < len(shown) else "."
    return Figure("sensitive", label, ", ".join(shown), detail, True, "#review-columns")


def _outside_book(export: ExportRequest, own: int, url: str) -> Figure:
    outside = export.record_count - own
    return Figure(
        "book",
        "Outside their own book",
        f"{_number(outside)} of {_number(export.record_count)}",
        f"Records that {export.requester.get_full_name()} neither owns nor co-owns.",
        100 * outside > SHARE_OUTSIDE * export.record_count,
        f"{url}?owner={export.requester_id}" if url else "",
    )


def _earlier(export: ExportRequest, past: _Past) -> Figure:
    states = [status for _, status, _ in past.asked]
    label = "Earlier requests"
    if not states:
        return Figure("earlier", label, "None", "Nothing asked for in the 90 days before.")
    rejected, recalled = states.count(S.REJECTED), states.count(S.RECALLED)
    detail = f"In the 90 days before: {rejected} rejected, {recalled} recalled."
    return Figure("earlier", label, _number(len(states)), detail, bool(rejected), _in_log(export))


def _time_of_day(export: ExportRequest) -> Figure:
    at = timezone.localtime(export.requested_at)
    value = date_format(at, "l H:i")
    if at.weekday() >= SATURDAY:
        detail, unusual = "At a weekend.", True
    elif not FIRST_HOUR <= at.hour < LAST_HOUR:
        detail, unusual = "Outside 07–19.", True
    else:
        detail, unusual = "On a working day, between 07 and 19.", False
    return Figure("time", "Time of day", value, detail, unusual, "#review-facts")


def _number(value: float) -> str:
    """Return `1,234`, or `2.5` for what is not whole."""
    digits = 0 if value == int(value) else 1
    return number_format(value, decimal_pos=digits, use_l10n=True, force_grouping=True)
