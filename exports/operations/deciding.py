"""Deciding on a request: by somebody else, on exactly what was frozen, once (R122–R124, Q12).

An approver may allow less than was asked, never more (B9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, audit, rights
from accounts.models import User
from accounts.words import counted
from exports import tables
from exports.deciders import may_not_decide_because
from exports.models import ExportRequest
from exports.operations.ending import tell_it_is_over
from exports.steps import (
    InvalidRequest,
    NotAllowed,
    S,
    SelfApproval,
    WrongState,
    standing,
    tell,
    transition,
    words,
)
from records import filters

NO_NUMBER_OF_RECORDS = gettext_lazy(
    "The number of records must be a whole number from 1 to %(most)s."
)
NO_DAYS = gettext_lazy("The days that the file stays must be a whole number from 1 to %(most)s.")
NO_NUMBER_OF_DOWNLOADS = gettext_lazy(
    "The number of downloads must be a whole number from 1 to %(most)s."
)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an approver allows less of than was asked; what is not set stays as asked (B9)."""

    columns_dropped: tuple[str, ...] = ()
    """Names of frozen columns that shall not be in the file."""
    most_records: int | None = None
    """Only the first so many of the frozen records, in the order asked for."""
    file_days: int | None = None
    most_downloads: int | None = None


def approve(
    export: ExportRequest,
    *,
    actor: User,
    version: int,
    let_in: int | None = None,
    note: str = "",
    conditions: Conditions | Mapping[str, Any] | None = None,
) -> None:
    """Consent to what was frozen, or to less of it; it then runs by itself (R123, B9).

    `version` and `let_in` say what the approver looked at: the request's own version, and
    `last_let_in` of its requester, 0 where there was none; None: as it is by now. Where either is
    another, nothing is decided.
    """
    with audit.step("export.approve", actor, export) as person:
        # A change of the rules, or of the decider's account, comes before this or after it.
        rights.one_at_a_time("rights")
        person.refresh_from_db()
        export.refresh_from_db()
        _check_decider(export, person)
        _check_seen(export, person, version)
        _check_hands_seen(export, let_in)
        note, less = words(note), _less(export, conditions)
        if export.status == S.PENDING and not still_valid(export):
            raise WrongState(
                gettext(
                    "The requester may not export this any more, so there is nothing to approve; "
                    "it is about to be cancelled. Reject it, or leave it."
                )
            )
        transition(
            export,
            actor=person,
            action="export.approve",
            to=S.APPROVED,
            from_=[S.PENDING],
            where=Q(version=version),
            # Names of columns at the top, beside what they are of: so the log hides those that its
            # reader may not see.
            data={"object": export.object, **less} if less else None,
            text=note,
            decided_by=person,
            decided_at=Now(),
            decision_note=note,
            conditions=less,
        )
        said = {"name": person.get_full_name(), "export": export.name}
        tell(
            [export.requester],
            lambda: _approved(export) % {**said, "limits": in_short(export)},
            export,
            subject=lambda: gettext("Your export was approved"),
        )
        tell_it_is_over(
            export,
            lambda: gettext("%(name)s approved the request “%(export)s”.") % said,
            actor=person,
        )


def _approved(export: ExportRequest) -> str:
    if not export.conditions:
        return gettext("%(name)s approved your export “%(export)s”. It runs now.")
    return gettext(
        "%(name)s approved your export “%(export)s” with less than you asked for: %(limits)s. It "
        "runs now."
    )


def reject(export: ExportRequest, *, actor: User, version: int, note: str) -> None:
    """Refuse a request for a reason, which the requester reads (R124, Q13)."""
    with audit.step("export.reject", actor, export) as person:
        # A change of the rules, or of the decider's account, comes before this or after it.
        rights.one_at_a_time("rights")
        person.refresh_from_db()
        export.refresh_from_db()
        _check_decider(export, person)
        _check_seen(export, person, version)
        note = words(note)
        if not note:
            raise InvalidRequest(
                gettext("A rejection needs a reason. Write one; the requester reads it.")
            )
        transition(
            export,
            actor=person,
            action="export.reject",
            to=S.REJECTED,
            from_=[S.PENDING],
            where=Q(version=version),
            text=note,
            decided_by=person,
            decided_at=Now(),
            decision_note=note,
            ended_at=Now(),
        )
        said = {"name": person.get_full_name(), "export": export.name}
        tell(
            [export.requester],
            lambda: (
                gettext("%(name)s rejected your export “%(export)s”. Open it to read the reason.")
                % said
            ),
            export,
            subject=lambda: gettext("Your export was rejected"),
        )
        tell_it_is_over(
            export,
            lambda: gettext("%(name)s rejected the request “%(export)s”.") % said,
            actor=person,
        )


def why_not_decide(export: ExportRequest, *, actor: User) -> str:
    """Return why this person may not decide on this request, for screens; empty where they may."""
    try:
        _check_decider(export, actor)
    except NotAllowed as refusal:
        return str(refusal)
    return "" if export.status == S.PENDING else standing(export)


def in_short(export: ExportRequest) -> str:
    """Say what an approver allowed less of, without naming a column; empty where nothing."""
    less = export.conditions
    said = []
    if dropped := less.get("columns_dropped"):
        said.append(
            gettext("without %(number)s of %(all)s columns")
            % {"number": counted(len(dropped)), "all": counted(len(export.columns))}
        )
    if most := less.get("most_records"):
        first = ngettext(
            "only the first %(count)s record", "only the first %(count)s records", most
        )
        said.append(first % {"count": counted(most)})
    if days := less.get("file_days"):
        stays = ngettext(
            "the file stays for %(count)s day", "the file stays for %(count)s days", days
        )
        said.append(stays % {"count": counted(days)})
    if downloads := less.get("most_downloads"):
        times = ngettext("at most %(count)s download", "at most %(count)s downloads", downloads)
        said.append(times % {"count": counted(downloads)})
    return "; ".join(said)


def _less(
    export: ExportRequest, conditions: Conditions | Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return conditions as the request keeps them, each only where it was set.

    Raises where they are not conditions, or would allow more than was asked.
    """
    given = asdict(conditions) if isinstance(conditions, Conditions) else dict(conditions or {})
    if set(given) - set(Conditions.__slots__):
        raise InvalidRequest(gettext("There is no such condition. Set it anew in the panel."))
    less: dict[str, Any] = {}
    if dropped := given.get("columns_dropped"):
        less["columns_dropped"] = _dropped(export, dropped)
    for name, refusal, most in (
        ("most_records", NO_NUMBER_OF_RECORDS, export.record_count),
        ("file_days", NO_DAYS, export.file_days),
        ("most_downloads", NO_NUMBER_OF_DOWNLOADS, export.most_downloads),
    ):
        if (number := given.get(name)) is not None:
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
                raise InvalidRequest(refusal % {"most": counted(most)}, name)
            less[name] = number
    if less.get("most_records") == export.record_count:
        del less["most_records"]  # what was asked
    return less


def _dropped(export: ExportRequest, names: object) -> list[str]:
    frozen = [column["name"] for column in export.columns]
    wanted = list(names) if isinstance(names, list | tuple) else [names]
    if any(name not in frozen for name in wanted):
        raise InvalidRequest(
            gettext("One of the columns to leave out is not in this export. Choose again.")
        )
    if set(frozen) <= set(wanted):
        raise InvalidRequest(gettext("Leave at least one column in, or reject the request."))
    return [name for name in frozen if name in wanted]


def _check_seen(export: ExportRequest, person: User, version: int) -> None:
    """Raise, saying what changed, unless the request is as it was on the screen (B10)."""
    if export.version == version:
        return
    more = ""
    if export.status == S.PENDING and export.waits_again_because:
        described = tables.described(export.columns, tables.model_of(export.object), person)
        flagged = [str(column["label"]) for column in described if column["sensitive"]]
        more = ngettext(
            "It has %(count)s column now, sensitive among them: %(names)s.",
            "It has %(count)s columns now, sensitive among them: %(names)s.",
            len(described),
        ) % {
            "count": counted(len(described)),
            "names": ", ".join(flagged) or gettext("none"),
        }
    raise WrongState(standing(export, more))


def last_let_in(person: Any) -> QuerySet[Any]:
    """Return the key of the last change by which somebody else could act as this person.

    `person` is a key, or an expression of an enclosing query. Empty where nobody else could.
    """
    changes = rights.let_in_by_others(person=person).order_by("-pk")
    return changes.values_list("pk", flat=True)[:1]


def _check_hands_seen(export: ExportRequest, let_in: int | None) -> None:
    """Raise where the requester's account changed hands since it was looked at: who is it for?"""
    if let_in is not None and (last_let_in(export.requester_id).first() or 0) > let_in:
        raise WrongState(
            gettext(
                "Nothing was decided: since you opened the request, somebody else set the password "
                "or the e-mail address of the requester’s account, or reactivated it. The panel "
                "says who. Look at the request again, and decide then."
            )
        )


def still_valid(export: ExportRequest) -> bool:
    """Tell whether the requester could make this request now (Q9); rows are asked later.

    Which records there were is frozen, so that a filter by a record deleted since ends nothing.
    """
    if not tables.is_known(export.object):
        return False
    requester = User.objects.get(pk=export.requester_id)
    model = tables.model_of(export.object)
    return access.allows_any(requester, access.EXPORT, model) and filters.may_still_ask(
        model, export.query, user=requester
    )


def _check_decider(export: ExportRequest, person: User) -> None:
    """Raise unless this person may decide on this request."""
    bar = may_not_decide_because(export, person)
    if bar is None:
        return
    if bar.code == SelfApproval.code:
        raise SelfApproval(str(bar.because))
    raise NotAllowed(str(bar.because), code=bar.code)
