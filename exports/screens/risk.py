"""The risk card: what is unusual about a request, said to whoever may decide on it (B9).

Figures about the request and its requester, never a value of a record (Q7). Three queries beside
those for the requester's own rights, however many records were frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Any, NamedTuple

from django.db.models import (
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, pgettext

from accounts import access, clock, days
from accounts.models import User
from exports import tables
from exports.models import ExportRecord, ExportRequest
from exports.screens import changes
from exports.screens.changes import Figure
from exports.screens.log import log_address
from exports.steps import S, in_words
from records import kinds
from records.models import Record
from records.reads import from_text

LOOK_BACK = timedelta(days=90)
FIRST_HOUR, LAST_HOUR = 7, 19
SATURDAY = 5
TIMES_USUAL = 3
SHARE_OF_REACH = 50
SHARE_OUTSIDE = 50
DELIVERED = (S.COMPLETED, S.EXPIRED)


def figures(export: ExportRequest, reader: User) -> list[Figure]:
    """Return the card of a request as this reader may have it, most telling first."""
    if not tables.is_known(export.object):
        return list(changes.figures(export, reader))
    model = tables.model_of(export.object)
    past = _past(export, model, reader)
    return [
        _against_usual(export, past, model),
        _share_of_reach(export, past.reach, model),
        _sensitive(export, model, reader),
        _outside_book(export, past.own),
        _earlier(export, past),
        _time_of_day(export),
        *changes.figures(export, reader),
    ]


class _Asked(NamedTuple):
    """An earlier request."""

    object: str
    status: str
    delivered: int
    is_seen: bool
    """Whether it is in the log as the card's reader has it."""


@dataclass(frozen=True, slots=True)
class _Past:
    """What the card is worked out from."""

    asked: list[_Asked]
    """What the requester asked for in the 90 days before."""
    reach: int
    """How many records they may export now."""
    own: int
    """How many of the frozen records they own."""


def _past(export: ExportRequest, model: type[Record], reader: User) -> _Past:
    """Read what the card needs in one statement, since it is part of every review."""
    requests = ExportRequest.objects.order_by()
    asked = requests.filter(
        requester=export.requester_id,
        requested_at__gte=days.first_moment(_since(export)),
        requested_at__lte=export.requested_at,
    ).exclude(pk=export.pk)
    requester, rows = export.requester, model._base_manager.all()
    reach = access.permitted(rows, requester, access.EXPORT)
    # From the side of what they own, and not of what was frozen: that may be a million rows.
    frozen = ExportRecord.objects.filter(export=export.pk, record_id=OuterRef("pk"))
    own = rows.filter(access.Loaded(requester).owns(model.owner_fields)).filter(Exists(frozen))
    this = requests.filter(pk=export.pk)
    seen = access.marked(asked, reader, "view")
    found = seen.values_list(
        Value("asked"), "object", "status", "delivered_count", "may_view"
    ).union(
        this.values_list(Value("reach"), Value(""), Value(""), _count(reach), Value(True)),
        this.values_list(Value("own"), Value(""), Value(""), _count(own), Value(True)),
        all=True,
    )
    kinds: dict[str, list[_Asked]] = {"asked": [], "reach": [], "own": []}
    for kind, key, status, number, is_seen in found:
        kinds[kind].append(_Asked(key, status, number or 0, bool(is_seen)))
    return _Past(kinds["asked"], kinds["reach"][0].delivered, kinds["own"][0].delivered)


def _since(export: ExportRequest) -> date:
    """Return the day 90 days before: the log's filters go by days."""
    return timezone.localdate(export.requested_at - LOOK_BACK)


def _count(rows: QuerySet[Any]) -> Subquery:
    counted = Func(F("pk"), function="COUNT", output_field=IntegerField())
    return Subquery(rows.order_by().values(number=counted).values("number"))


def _in_log(export: ExportRequest, **more: Any) -> str:
    """Return the log of what this person asked for in the time that the card is about."""
    return log_address(
        requester=export.requester_id,
        requested_after=_since(export),
        earlier_than=export.pk,
        **more,
    )


def _not_seen(counted: list[_Asked]) -> str:
    """Say how many of what was counted the list behind the number does not show its reader."""
    hidden = sum(not each.is_seen for each in counted)
    if not hidden:
        return ""
    said = ngettext(
        "%(count)s of them needed no approval, so your log does not show it.",
        "%(count)s of them needed no approval, so your log does not show them.",
        hidden,
    )
    return said % {"count": _number(hidden)}


def _against_usual(export: ExportRequest, past: _Past, model: type[Record]) -> Figure:
    counted = [a for a in past.asked if a.object == export.object and a.status in DELIVERED]
    label = gettext("Compared with usual")
    if not counted:
        none = gettext("No finished export of %(kinds)s in the 90 days before.")
        detail = none % {"kinds": kinds.of(model).nouns}
        return Figure("usual", label, gettext("No history"), detail, known=False)
    usual = median(each.delivered for each in counted)
    detail = ngettext(
        "%(records)s; the one before is %(usual)s.",
        "%(records)s; the median of %(count)s before is %(usual)s.",
        len(counted),
    ) % {
        "records": in_words(export.record_count),
        "count": _number(len(counted)),
        "usual": _number(usual),
    }
    value = gettext("Above nothing")  # of what was delivered nothing may have been left
    if usual:
        value = gettext("%(number)s times") % {"number": _number(export.record_count / usual)}
    return Figure(
        "usual",
        label,
        value,
        _together(detail, _not_seen(counted)),
        export.record_count > TIMES_USUAL * usual,
        _in_log(export, source=export.object, status=list(DELIVERED)),
    )


def _share_of_reach(export: ExportRequest, reach: int, model: type[Record]) -> Figure:
    """Without a link: no list of the reader's shows what somebody else may export."""
    label = gettext("Share of accessible records")
    said = {
        "count": _number(export.record_count),
        "all": _number(reach),
        "kinds": kinds.of(model).nouns,
    }
    if export.record_count > reach:
        more = gettext("They asked for %(count)s, and may export %(all)s %(kinds)s now.")
        return Figure("reach", label, gettext("More than all"), more % said, True)
    share = 100 * export.record_count / reach
    value = gettext("under 1 %")
    if share >= 1:
        value = gettext("%(number)s %%") % {"number": _number(round(share))}
    detail = gettext("%(count)s of the %(all)s %(kinds)s they may export now.") % said
    return Figure("reach", label, value, detail, share > SHARE_OF_REACH)


def _sensitive(export: ExportRequest, model: type[Record], reader: User) -> Figure:
    label = gettext("Sensitive data")
    if not export.sensitive_fields:
        none = gettext("No sensitive column, filter or order.")
        return Figure("sensitive", label, pgettext("nothing is there", "None"), none)
    flagged = from_text(model, export.sensitive_fields)
    shown = tables.called(model, sorted(flagged), reader)
    inside = sum(column["sensitive"] for column in export.columns)
    detail = gettext("%(count)s of %(all)s columns.")
    if flagged - tables.reads_of(model, [column["name"] for column in export.columns]):
        detail = gettext("%(count)s of %(all)s columns; filters, search and order count too.")
    detail %= {"count": _number(inside), "all": _number(len(export.columns))}
    return Figure("sensitive", label, ", ".join(shown), detail, True, "#review-columns")


def _outside_book(export: ExportRequest, own: int) -> Figure:
    """Without a link: no filter says “frozen in this request, and not theirs”."""
    outside = export.record_count - own
    return Figure(
        "book",
        gettext("Records owned by others"),
        gettext("%(count)s of %(all)s")
        % {"count": _number(outside), "all": _number(export.record_count)},
        gettext("Records that %(name)s neither owns nor co-owns.")
        % {"name": export.requester.get_full_name()},
        100 * outside > SHARE_OUTSIDE * export.record_count,
    )


def _earlier(export: ExportRequest, past: _Past) -> Figure:
    states = [each.status for each in past.asked]
    label = gettext("Earlier requests")
    if not states:
        none = gettext("Nothing asked for in the 90 days before.")
        return Figure("earlier", label, pgettext("nothing is there", "None"), none)
    rejected = states.count(S.REJECTED)
    said = gettext(
        "In the 90 days before: %(waiting)s still waiting, %(rejected)s rejected, "
        "%(recalled)s recalled."
    )
    detail = said % {
        "waiting": _number(states.count(S.PENDING)),
        "rejected": _number(rejected),
        "recalled": _number(states.count(S.RECALLED)),
    }
    detail = _together(detail, _not_seen(past.asked))
    return Figure("earlier", label, _number(len(states)), detail, bool(rejected), _in_log(export))


def _time_of_day(export: ExportRequest) -> Figure:
    at = clock.here(export.requested_at)
    value = date_format(at, "MOMENT_OF_WEEK_FORMAT")
    detail, unusual = gettext("On a working day, between 07 and 19 (%(zone)s)."), False
    if at.weekday() >= SATURDAY:
        detail, unusual = gettext("At a weekend (%(zone)s)."), True
    elif not FIRST_HOUR <= at.hour < LAST_HOUR:
        detail, unusual = gettext("Outside 07–19 (%(zone)s)."), True
    detail %= {"zone": timezone.get_default_timezone_name()}
    return Figure("time", gettext("Time of day"), value, detail, unusual, "#review-facts")


def _together(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _number(value: float) -> str:
    """Return `1,234`, or `2.5` for what is not whole."""
    digits = 0 if value == int(value) else 1
    return number_format(value, decimal_pos=digits, use_l10n=True, force_grouping=True)
