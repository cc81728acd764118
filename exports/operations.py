"""Asking for an export, deciding on it, ending it, fetching it: one function and one event each.

Whoever comes second gets `WrongState`, which says who was first (Q12). Nobody decides on their own
request, super admins included (Q6, B7): that is asked before anything else, and a constraint stands
behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from accounts import access, audit
from accounts.audit import Actor
from accounts.models import User
from exports import tables
from exports.models import Download, ExportRequest
from exports.policy import DECIDE, approval, approvers_for, change_policy, changed_the_gate
from exports.steps import (
    RUNNING,
    SYSTEM,
    ApproversNeeded,
    ExportError,
    InvalidRequest,
    NotAllowed,
    NothingToExport,
    S,
    SelfApproval,
    WrongState,
    in_words,
    one_step,
    standing,
    tell,
    transition,
)
from exports.tables import Column
from exports.writers import manifest
from exports.writers.files import Handout
from records import filters
from records.models import Record

__all__ = [
    "ApproversNeeded",
    "ExportError",
    "InvalidRequest",
    "NotAllowed",
    "NothingToExport",
    "Preview",
    "SelfApproval",
    "WrongState",
    "approve",
    "approvers_for",
    "cancel",
    "change_policy",
    "end_with_requester",
    "open_download",
    "preview",
    "recall",
    "reject",
    "request_export",
    "why_not_decide",
]

FORMATS = ("csv",)
MOST_IDS = 10_000
LONGEST_TEXT = 2000
OUT_OF_REACH = "There is no such export, or it is out of your reach."


# --- Asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would be, before it is made; nothing is stored."""

    count: int
    columns: tuple[Column, ...]
    sensitive_fields: frozenset[str]
    approval_needed: bool
    because: str
    """A code: policy_off, exempt, within_threshold, above_threshold or sensitive."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a person wants and may have."""

    model: type[Record]
    query: str
    rows: QuerySet[Record]
    columns: tuple[Column, ...]
    sensitive_fields: frozenset[str]
    name: str


def preview(
    *,
    actor: User,
    model: type[Record],
    query: str = "",
    ids: Iterable[int | str] | None = None,
    columns: Sequence[str] | None = None,
) -> Preview:
    """Say how many records and which columns an export would have, and whether it needs consent."""
    person = User.objects.get(pk=actor.pk)
    wish = _wish(person, model, query, ids, columns)
    count = wish.rows.order_by().count()
    needed, because = approval(person, count, wish.sensitive_fields)
    return Preview(count, wish.columns, wish.sensitive_fields, needed, because)


def request_export(
    *,
    actor: User,
    model: type[Record],
    query: str = "",
    ids: Iterable[int | str] | None = None,
    columns: Sequence[str] | None = None,
    format: str = "csv",
    approvers: Iterable[User] = (),
    message: str = "",
) -> ExportRequest:
    """Freeze what is asked for and let it run, or put it before the approvers (R117, R119, Q3).

    `ids` are ticked rows; they are narrowed by the query and by permission, never widened.
    """
    with one_step("export.request", actor) as person:
        wish = _wish(person, model, query, ids, columns)
        if format not in FORMATS:
            raise InvalidRequest(f"Choose a format that is offered: {', '.join(FORMATS)}.")
        export = ExportRequest.objects.create(
            requester=person,
            object=model.object_key,
            name=wish.name,
            query=wish.query,
            columns=tables.frozen(wish.columns, wish.sensitive_fields),
            sensitive_fields=sorted(wish.sensitive_fields),
            has_sensitive=bool(wish.sensitive_fields),
            format=format,
            record_count=0,
            approval_needed=True,
            message=_words(message),
        )
        count = manifest.freeze(wish.rows, export)
        if not count:
            raise NothingToExport("There is no record to export. Change the filter or the choice.")
        needed, because = approval(person, count, wish.sensitive_fields)
        chosen = _approvers(person, approvers) if needed else []
        export.notified.set(chosen)
        # Not a transition: until the commit nobody else sees the request.
        export.record_count, export.approval_needed = count, needed
        export.status = S.PENDING if needed else S.APPROVED
        export.save(update_fields=["record_count", "approval_needed", "status"])
        _record_request(export, because, chosen)
    asks = f"{person.get_full_name()} asks for consent to export “{export.name}”"
    words = f" “{export.message}”" if export.message else ""
    tell(chosen, f"{asks}, {in_words(count)}.{words}", export)
    return export


def _record_request(export: ExportRequest, because: str, chosen: Iterable[User]) -> None:
    """Log a request; of the query only its fields, since its values may be personal."""
    used = filters.fields_used(tables.model_of(export.object), export.query)
    audit.record(
        "export.request",
        actor=export.requester,
        on=export,
        text=export.message,
        data={
            "object": export.object,
            "records": export.record_count,
            "columns": [column["name"] for column in export.columns],
            "query_fields": sorted(used),
            "sensitive_fields": export.sensitive_fields,
            "format": export.format,
            "approval_needed": export.approval_needed,
            "because": because,
            "approvers": [approver.pk for approver in chosen],
        },
    )


def _wish(
    person: User,
    model: type[Record],
    query: str,
    ids: Iterable[int | str] | None,
    columns: Sequence[str] | None,
) -> _Wish:
    """Narrow what is asked for to what this person may take out; raise where it cannot be."""
    if not access.allows_any(person, access.EXPORT, model):
        raise NotAllowed(
            f"You may not export {model._meta.verbose_name_plural}. Ask a super admin for the "
            "permissions Export and View."
        )
    try:
        canonical = filters.canonical(model, query, user=person)
        permitted = access.permitted(model._default_manager.all(), person, access.EXPORT)
        rows = filters.narrowed(permitted, canonical, user=person)
    except filters.BadQuery as error:
        raise InvalidRequest(str(error)) from error
    plural = str(model._meta.verbose_name_plural)
    name = f"All {plural}"
    if ids is not None:
        rows = rows.filter(pk__in=_keys(ids))
        name = f"{plural.capitalize()}: chosen"
    elif set(QueryDict(canonical)) - {filters.ORDER}:
        name = f"{plural.capitalize()}: filtered"
    wanted = _columns(person, model, columns)
    return _Wish(model, canonical, rows, wanted, tables.sensitive(model, wanted, canonical), name)


def _keys(ids: Iterable[int | str]) -> list[int]:
    try:
        keys = sorted({int(each) for each in ids})
    except (TypeError, ValueError):
        raise InvalidRequest("One of the chosen rows does not exist. Choose them again.") from None
    if len(keys) > MOST_IDS:
        raise InvalidRequest(f"Choose at most {MOST_IDS} rows, or export by a filter instead.")
    # Beyond what the database can count there is no record; SQLite would raise instead.
    return [key for key in keys if 0 < key < 2**63]


def _columns(person: User, model: type[Record], names: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the wanted columns in the wanted order; a hidden and an absent one are the same."""
    visible = {column.name: column for column in tables.permitted_columns(model, person)}
    if names is None:
        return tuple(visible.values())
    if not names or len(set(names)) < len(names) or set(names) - set(visible):
        raise InvalidRequest("Choose at least one column, each once, of those that are offered.")
    return tuple(visible[name] for name in names)


def _approvers(requester: User, approvers: Iterable[User]) -> list[User]:
    wanted = {approver.pk for approver in approvers}
    chosen = list(approvers_for(requester).filter(pk__in=wanted))
    if len(chosen) < len(wanted):
        raise ApproversNeeded("Somebody you chose may not decide on it. Choose approvers again.")
    if not chosen:
        raise ApproversNeeded(
            "This export needs approval. Choose at least one approver who will be told."
        )
    return chosen


def _words(text: str) -> str:
    text = text.strip()
    if len(text) > LONGEST_TEXT:
        raise InvalidRequest(f"Write at most {LONGEST_TEXT} characters.")
    return text


# --- Deciding -------------------------------------------------------------------------------------


def approve(
    export: ExportRequest,
    *,
    actor: User,
    version: int,
    note: str = "",
    conditions: None = None,
) -> None:
    """Consent to exactly what was frozen, as of this version; it then runs by itself (R123)."""
    with one_step("export.approve", actor, export) as person:
        export.refresh_from_db()
        _check_decider(export, person)
        if conditions is not None:
            raise InvalidRequest("There are no conditions yet. Approve as asked, or reject.")
        note = _words(note)
        if export.status == S.PENDING and not still_valid(export):
            raise WrongState(
                "The requester may not export this any more, so there is nothing to approve; it is "
                "about to be cancelled. Reject it, or leave it."
            )
        transition(
            export,
            actor=person,
            action="export.approve",
            to=S.APPROVED,
            from_=[S.PENDING],
            where=Q(version=version),
            text=note,
            decided_by=person,
            decided_at=timezone.now(),
            decision_note=note,
        )
    name = person.get_full_name()
    tell([export.requester], f"{name} approved your export “{export.name}”. It runs now.", export)


def reject(export: ExportRequest, *, actor: User, version: int, note: str) -> None:
    """Refuse a request for a reason, which the requester reads (R124, Q13)."""
    with one_step("export.reject", actor, export) as person:
        export.refresh_from_db()
        _check_decider(export, person)
        note = _words(note)
        if not note:
            raise InvalidRequest("A rejection needs a reason. Write one; the requester reads it.")
        transition(
            export,
            actor=person,
            action="export.reject",
            to=S.REJECTED,
            from_=[S.PENDING],
            where=Q(version=version),
            text=note,
            decided_by=person,
            decided_at=timezone.now(),
            decision_note=note,
            ended_at=timezone.now(),
        )
    name = person.get_full_name()
    text = f"{name} rejected your export “{export.name}”. Open it to read the reason."
    tell([export.requester], text, export)


def why_not_decide(export: ExportRequest, *, actor: User) -> str:
    """Return why this person may not decide on this request, for screens; empty where they may."""
    try:
        _check_decider(export, actor)
    except NotAllowed as refusal:
        return str(refusal)
    return "" if export.status == S.PENDING else standing(export)


def still_valid(export: ExportRequest) -> bool:
    """Tell whether the requester could make this request now (Q9); rows are asked later."""
    requester = User.objects.get(pk=export.requester_id)
    model = tables.model_of(export.object)
    if not access.allows_any(requester, access.EXPORT, model):
        return False
    try:
        filters.canonical(model, export.query, user=requester)
    except filters.BadQuery:
        return False
    return True


def _check_decider(export: ExportRequest, person: User) -> None:
    """Raise unless this person may decide on this request; the order of the questions matters."""
    if person.pk == export.requester_id:
        raise SelfApproval("Nobody decides on their own export. Another approver has to do it.")
    if not access.allows(person, "view", export):
        raise NotAllowed(OUT_OF_REACH)
    if not access.holds_tool(person, DECIDE):
        raise NotAllowed("You may not decide on exports. Ask a super admin for Export approver.")
    if changed_the_gate(person, export):
        raise NotAllowed(
            "You changed the rules for exports after this request was made. Another approver has "
            "to decide on it."
        )


# --- Ending ---------------------------------------------------------------------------------------


def recall(export: ExportRequest, *, actor: User) -> None:
    """Take one's own request back, waiting or running (R121)."""
    with one_step("export.recall", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(OUT_OF_REACH)
        if person.pk != export.requester_id:
            raise NotAllowed("Only who asked for an export can recall it.")
        transition(
            export,
            actor=person,
            action="export.recall",
            to=S.RECALLED,
            from_=RUNNING,
            data={"from": export.status},
            ended_at=timezone.now(),
        )


def cancel(export: ExportRequest, *, actor: User) -> None:
    """End somebody's export as a super admin, waiting or running (E43)."""
    with one_step("export.cancel", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(OUT_OF_REACH)
        if not person.is_superuser:
            raise NotAllowed("Only a super admin cancels somebody's export.")
        transition(
            export,
            actor=person,
            action="export.cancel",
            to=S.CANCELLED,
            from_=RUNNING,
            data={"from": export.status, "reason": "super_admin"},
            ended_at=timezone.now(),
            ended_because=f"{person.get_full_name()} cancelled it.",
        )
    if person.pk != export.requester_id:
        text = f"{person.get_full_name()} cancelled your export “{export.name}”."
        tell([export.requester], text, export)


def cancel_by_system(
    export: ExportRequest,
    *,
    reason: str,
    because: str,
    where: Q | None = None,
    by: Actor | None = None,
) -> None:
    """End an export whose requester may not have it any more (Q9); `reason` is a code."""
    transition(
        export,
        actor=SYSTEM,
        action="export.cancel",
        to=S.CANCELLED,
        from_=RUNNING,
        where=where,
        data={
            "from": export.status,
            "reason": reason,
            "after": by.pk if isinstance(by, User) else None,
        },
        ended_at=timezone.now(),
        ended_because=because,
    )
    tell([export.requester], f"Your export “{export.name}” was cancelled: {because}", export)


def end_with_requester(person: User, actor: Actor) -> None:
    """Cancel what a person who is being deactivated has waiting or running (Q9, E51).

    Fills the slot `accounts.operations.on_leaving`; runs in the transaction of the deactivation.
    """
    for export in ExportRequest.objects.filter(requester=person, status__in=RUNNING):
        try:
            cancel_by_system(
                export,
                reason="requester_inactive",
                because="The requester was deactivated.",
                by=actor,
            )
        except WrongState:
            # It reached its end a moment ago; the file is out of reach for an inactive person.
            continue


# --- Fetching -------------------------------------------------------------------------------------


def open_download(export: ExportRequest, *, actor: User) -> Handout:
    """Open the finished file for the one who asked for it, and record that they fetched it (Q16).

    The file asks every few megabytes whether it still may, and raises `NotAllowed` in the middle
    where it may not (Q24).
    """
    with one_step("export.download", actor, export) as person:
        export.refresh_from_db()
        _check_download(export, person)
        try:
            file = Handout(export.file_name, partial(_ask_again, export.pk, person.pk))
        except FileNotFoundError:
            raise ExportError(
                "The file is gone from the server. Ask for the export again, and tell a super "
                "admin that it was missing."
            ) from None
        Download.objects.create(export=export, user=person, ip=audit.origin.get())
        audit.record("export.download", actor=person, on=export, data={"sha256": export.sha256})
    return file


def _check_download(export: ExportRequest, person: User) -> None:
    if not access.allows(person, "view", export):
        raise NotAllowed(OUT_OF_REACH)
    if person.pk != export.requester_id:
        raise NotAllowed("Only who asked for an export may download it.")
    model = tables.model_of(export.object)
    if not access.allows_any(person, access.EXPORT, model):
        raise NotAllowed(
            f"You may not export {model._meta.verbose_name_plural} any more, so this file is "
            "closed to you. Ask a super admin for the permissions Export and View."
        )
    visible = {column.name for column in tables.permitted_columns(model, person)}
    if {column["name"] for column in export.columns} - visible:
        raise NotAllowed(
            "This file holds a field that you may not see any more, so it is closed to you. Ask "
            "for the export again; it will be without it."
        )
    if export.status == S.EXPIRED or (
        export.expires_at is not None and export.expires_at <= timezone.now()
    ):
        raise WrongState("This file has expired. Ask for the export again.")
    if export.status != S.COMPLETED:
        raise WrongState(
            f"There is no file: the export's state is “{export.get_status_display()}”."
        )


def _ask_again(export_id: int, person_id: int) -> None:
    _check_download(ExportRequest.objects.get(pk=export_id), User.objects.get(pk=person_id))
