"""What the review panel says of an export, and of a record's exports, to whoever reads it."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, catalogue, clock
from accounts.modeladmin import user_of
from accounts.models import User
from accounts.words import counted
from exports import deciders, folder, hashes, operations, policy, tables
from exports.models import ExportRequest
from exports.operations.delegating import holding
from exports.screens import risk
from exports.screens.log import log_address, may_look_for_records
from exports.steps import S
from exports.writers import manifest
from records import kinds, query_words
from records.models import Record
from records.models.properties import FieldKey, sensitive_keys

MOST_LISTED = 8
BECAUSE = {
    "sensitive": gettext_lazy("Required: it has sensitive data"),
    "above_threshold": gettext_lazy("Required: more records than may be exported without it"),
    "above_daily": gettext_lazy(
        "Required: more records in 24 hours than one person may export without it"
    ),
    "above_weekly": gettext_lazy(
        "Required: more records in 7 days than one person may export without it"
    ),
    "same_hands": gettext_lazy(
        "Required: more records than one person may export without it, together with accounts in "
        "the same hands"
    ),
    "second_person": gettext_lazy("Required: so many records in 24 hours need a second person"),
    "rules_changed": gettext_lazy(
        "Required: the requester changed the rules, or their own exemption, in the 24 hours before"
    ),
    "decided_again": gettext_lazy("Required: what was decided on is not the same any more"),
    "within_threshold": gettext_lazy("Not required: few records, none of them sensitive"),
    "exempt": gettext_lazy("Not required: exports without approval"),
    "policy_off": gettext_lazy("Not required: approvals were off"),
}


def panel_address(export: ExportRequest) -> str:
    """Return the address of the log with this export's panel open."""
    return log_address(review=export.pk)


def panel(export: ExportRequest, user: User) -> dict[str, Any]:
    """Return what the review panel shows, and which steps this person may take."""
    kind = kinds.named(export.object)
    mine = export.requester_id == user.pk
    pending = export.status == ExportRequest.Status.PENDING
    completed = export.status == ExportRequest.Status.COMPLETED
    why_no_file = operations.why_not_download(export, actor=user) if mine and completed else ""
    decides = access.holds_tool(user, deciders.DECIDE)
    # Nobody reads why they may not do what nobody expects them to do.
    why_not = operations.why_not_decide(export, actor=user) if pending and (mine or decides) else ""
    may_decide = pending and decides and not why_not
    downloads = list(export.downloads.select_related("user")) if export.sha256 else []
    return {
        "export": export,
        "kind": kind,
        "is_under_way": export.status in (S.APPROVED, S.PROCESSING),
        "what": what_it_has(export),
        "time_left": time_left(export),
        "waits_because": waits_because(export),
        "filters": described_query(export, user),
        "columns": described_columns(export, user),
        "consent": reasons_in_words(
            export, also=needs_without_sensitive(export) if may_decide else ()
        ),
        "less": conditions_in_words(export, user),
        "left_out": left_out_in_words(export, user) if export.delivered_count is not None else (),
        "downloads": downloads,
        "file_hash": hashes.shown(export, user) if export.sha256 else None,
        "file_size": hashes.size_shown(export, user),
        "told": told(export) if export.approval_needed else (),
        "may_decide": may_decide,
        "why_not": why_not,
        "risk": risk.figures(export, user) if may_decide else (),
        "may_recall": mine and not export.is_final,
        "may_cancel": user.is_superuser and not mine and not export.is_final,
        "may_try_again": (mine or user.is_superuser) and export.status == S.FAILED,
        "may_download": mine and completed and not why_no_file,
        "download_started": gettext("The download has started: %(used)s of %(most)s used.")
        % {"used": counted(len(downloads) + 1), "most": counted(export.most_downloads)},
        "why_no_file": why_no_file,
        "most_downloads": export.most_downloads if completed else None,
    }


def needs_without_sensitive(export: ExportRequest) -> list[str]:
    """Return why a request would need approval as the rules stand now, were nothing sensitive.

    Whoever decides could leave out what is; a request keeps the first reason alone.
    """
    if export.because != "sensitive":
        return []
    return ["above_threshold"] if policy.is_large(export.record_count, policy.current()) else []


def reasons_in_words(export: ExportRequest, also: Iterable[str] = ()) -> list[str]:
    """Return why an export needed approval, or did not: what its row tells of, and these codes."""
    codes = list(dict.fromkeys([export.because, *also]))
    # Whoever is exempt may take sensitive data out: then it is their number alone. Of anybody else
    # sensitive data would be the first reason.
    exempt = export.because in ("second_person", policy.SAME_HANDS)
    if export.approval_needed and export.has_sensitive and not exempt and "sensitive" not in codes:
        codes.append("sensitive")
    return [str(BECAUSE[code]) for code in codes if code in BECAUSE]


def how_many(export: ExportRequest) -> str:
    """Return how many records an export has: 20 of 140, where its file holds fewer than asked."""
    asked, left = export.record_count, export.delivered_count
    if left is None or left == asked:
        return counted(asked)
    said = gettext("%(count)s of %(all)s")
    return said % {"count": counted(left), "all": counted(asked)}


def what_it_has(export: ExportRequest) -> str:
    """Return how many records of which kind an export has, and in which form."""
    kind = kinds.named(export.object)
    noun = "" if kind is None else kind.noun if export.record_count == 1 else kind.nouns
    said = gettext("%(count)s %(kinds)s, as %(format)s")
    if export.headers == ExportRequest.Headers.NAMES:
        said = gettext("%(count)s %(kinds)s, as %(format)s, with internal names")
    return said % {
        "count": how_many(export),
        "kinds": noun,
        "format": export.format.upper(),
    }


def time_left(export: ExportRequest) -> str:
    """Return about how long an export is still written; empty where nothing tells it yet."""
    if export.status != S.PROCESSING or export.claimed_at is None or not export.rows_written:
        return ""
    took = (clock.database_now() - export.claimed_at).total_seconds()
    minutes = ceil(took * (export.most_leaving - export.rows_written) / export.rows_written / 60)
    if minutes <= 1:
        return gettext("less than a minute left")
    said = ngettext("about %(count)s minute left", "about %(count)s minutes left", minutes)
    return said % {"count": counted(minutes)}


def waits_because(export: ExportRequest) -> str:
    """Return why an export that is under way is not being written now; empty where it is."""
    if export.status not in (S.APPROVED, S.PROCESSING):
        return ""
    if folder.waits():
        return gettext(
            "Waits because the folder for files cannot be written; nothing is lost. Super admins "
            "were told, and it goes on by itself."
        )
    if export.status == S.PROCESSING and not export.worker and export.lease_until:
        again = date_format(timezone.localtime(export.lease_until), "MOMENT_OF_YEAR_FORMAT")
        return gettext(
            "The last attempt to write the file did not finish. The next one is on %(moment)s."
        ) % {"moment": again}
    return ""


def described_query(export: ExportRequest, user: User) -> list[tuple[str, str]]:
    """Return the filters of an export as this person may read them (Q7)."""
    kind = kinds.named(export.object)
    if kind is None or not export.query:
        return []
    flagged = sensitive_keys(export.requester)
    hide = frozenset(key for key in flagged if not _may_view(user, key, kind.model))
    return query_words.described(kind.model, export.query, user=user, hide=hide)


def _may_view(user: User, key: FieldKey, model: type[Record]) -> bool:
    """Tell whether a person views some record that has this field; names of people are on all."""
    kind = kinds.named(key.partition(".")[0])
    return access.allows_any(user, "view", kind.model if kind else model)


def described_columns(export: ExportRequest, user: User) -> list[Any]:
    """Return the columns of an export as this person may read them (B6)."""
    if not tables.is_known(export.object):
        # Nobody can tell any more which of them were hidden from whom.
        return [{**column, "label": str(query_words.RESTRICTED_FIELD)} for column in export.columns]
    return tables.described(export.columns, tables.model_of(export.object), user)


def conditions_in_words(export: ExportRequest, user: User) -> list[str]:
    """Return what the approver allowed less of, in sentences, as this person may read them."""
    less = export.conditions
    said = []
    if dropped := less.get("columns_dropped"):
        labels = [c["label"] for c in described_columns(export, user) if c["name"] in dropped]
        said.append(gettext("Without %(columns)s.") % {"columns": ", ".join(labels)})
    if most := less.get("most_records"):
        said.append(
            gettext("Only the first %(count)s of %(all)s records.")
            % {"count": counted(most), "all": counted(export.record_count)}
        )
    if days := less.get("file_days"):
        stays = ngettext(
            "The file stays for at most %(count)s day.",
            "The file stays for at most %(count)s days.",
            days,
        )
        said.append(stays % {"count": counted(days)})
    if downloads := less.get("most_downloads"):
        times = ngettext("At most %(count)s download.", "At most %(count)s downloads.", downloads)
        said.append(times % {"count": counted(downloads)})
    return said


def left_out_in_words(export: ExportRequest, user: User) -> list[str]:
    """Return what the file has less of than was consented to, as this person may read it."""
    said = []
    if records := export.most_leaving - (export.delivered_count or 0):
        left = ngettext(
            "%(count)s record was out of the requester’s reach by then.",
            "%(count)s records were out of the requester’s reach by then.",
            records,
        )
        said.append(left % {"count": counted(records)})
    lost = set(manifest.columns_lost(export))
    if lost and tables.is_known(export.object):
        model = tables.model_of(export.object)
        names = [str(c.label) for c in tables.permitted_columns(model, user) if c.name in lost]
        if hidden := len(lost) - len(names):
            restricted = ngettext(
                "%(count)s restricted column", "%(count)s restricted columns", hidden
            )
            names.append(restricted % {"count": counted(hidden)})
        without = gettext("Without %(columns)s, which the requester could not see any more.")
        said.append(without % {"columns": ", ".join(names)})
    return said


def told(export: ExportRequest) -> list[str]:
    """Return who was told of a request, with who stands in for those of them who are away."""
    until = export.decided_at or export.ended_at
    first = clock.here(export.requested_at).date()
    last = clock.here(until).date() if until else clock.Today()
    arranged = holding(first, last).filter(approver=OuterRef("pk"))
    people = list(export.notified.annotate(stand_in=Subquery(arranged.values("delegate")[:1])))
    names = {each.pk: each.get_full_name() for each in people}
    return [_with_stand_in(each.pk, each.stand_in, names) for each in people]


def _with_stand_in(person: int, stand_in: int | None, names: dict[int, str]) -> str:
    if stand_in is None:
        return names[person]
    # Who could not decide, or asked for it themselves, was not told in their place.
    said = gettext("%(name)s (away)")
    if stand_in in names:
        said = gettext("%(name)s (away; %(stand_in)s stands in)")
    return said % {"name": names[person], "stand_in": names.get(stand_in)}


def exports_panel(request: HttpRequest, record: Any) -> str:
    """Return which exports contained this record, of those the person may see (B11).

    Of those that held it beside other records only what tells of no link that is hidden from them.
    """
    kind, user = catalogue.kind_of(type(record)), user_of(request)
    if kind is None:
        return ""
    ways = None if user.is_superuser else tables.leads(type(record), user)

    def held(key: Any) -> QuerySet[Any]:
        linked = None if ways is None else tables.linked(ways, key, user)
        exports = ExportRequest.objects.containing(kind.key, key, linked)
        return access.permitted(exports, user, "view").values_list("pk")[:MOST_LISTED]

    keys = [key for (key,) in access.rows_about(user, ("exports", ways), record, held)]
    if not keys:
        return ""
    rows = ExportRequest.objects.filter(pk__in=keys).select_related("requester")
    log = log_address(held_kind=kind.key, held=record.pk) if may_look_for_records(user) else ""
    return render_to_string("exports/record_panel.html", {"exports": rows, "log": log})
