"""Asking for an export: a wish, narrowed to what its person may have, and frozen (R117, Q3)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from accounts import audit
from accounts.models import User
from exports import purpose, tables
from exports.deciders import approvers_for
from exports.left_to_decide import why_nobody_decides
from exports.models import ExportRequest
from exports.operations.delegating import with_delegates
from exports.operations.setting import alert_about
from exports.operations.wishes import FORMATS, Wish, wish_of
from exports.policy import (
    Gate,
    current,
    one_at_a_time,
    why_not_again,
)
from exports.steps import (
    ApproversNeeded,
    InvalidRequest,
    NothingToExport,
    PurposeNeeded,
    S,
    TooManyExports,
    in_words,
    tell,
    words,
)
from exports.writers import manifest
from records import filters
from records.models import Record
from records.reads import as_text

NOTHING = gettext_lazy("There is no record to export. Change the filter or the choice.")


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
    headers: str = "labels",
    token: UUID | None = None,
) -> ExportRequest:
    """Freeze what is asked for and let it run, or put it before the approvers (R117, R119, Q3).

    `ids` are ticked rows; they are narrowed by the query and by permission, never widened.
    `columns` may name associated ones (`company.domain`). A `token` asks for one export however
    often it is sent: whoever comes second, on whatever machine, gets the export of the first.
    `TooManyExports` where the person asked for as many as a day may have (E37), `PurposeNeeded`
    where `message` has to say what the file is for and does not. All that can be refused is,
    before the records are laid down, which may take a while.
    """
    try:
        with audit.step("export.request", actor) as user:
            one_at_a_time(user)
            wish = wish_of(user, model, query, ids, columns)
            if format not in FORMATS:
                formats = {"formats": ", ".join(FORMATS)}
                raise InvalidRequest(
                    gettext("Choose a format that is offered: %(formats)s.") % formats
                )
            if headers not in ExportRequest.Headers.values:
                raise InvalidRequest(
                    gettext("Choose labels or names for what stands above the columns.")
                )
            told = sorted({approver.pk for approver in approvers})
            mark = wish.sha256(format, headers, told, words(message))
            if found := _asked_before(user, token):
                return _the_same(found, mark)
            expected = _check_can_start(user, wish, told, message)
            export = _freeze(user, wish, expected, format, headers, token, mark, told, message)
    except IntegrityError:
        # Both came at the same moment; the database let one through.
        if found := _asked_before(actor, token):
            return _the_same(found, mark)
        raise
    return export


class _Expected(NamedTuple):
    """How many records a request is going to have, and whether it needs consent for a reason."""

    records: int
    approval_needed: bool
    because: str


def _check_can_start(user: User, wish: Wish, approvers: Collection[int], message: str) -> _Expected:
    """Raise where no request may come of it: too many, nothing in it, nobody who could decide.

    After `one_at_a_time`.
    """
    if refusal := why_not_again(user):
        raise TooManyExports(refusal)
    count = wish.rows.order_by().count()
    if not count:
        raise NothingToExport(NOTHING)
    expected = _judged(user, wish, count, message)
    if expected.approval_needed:
        _approvers(user, approvers_for(user), approvers)
    return expected


def _judged(user: User, wish: Wish, count: int, message: str) -> _Expected:
    """Return whether so many records need consent; raise where no purpose is given and one is due.

    `PurposeNeeded` is raised here and by no form, so that every way to an export is asked.
    """
    gate = Gate(user)
    need = next(gate.needs(count, wish.sensitive_fields), None)
    if gate.wants_purpose(approval_needed=need is not None) and (
        refusal := purpose.trouble(words(message))
    ):
        raise PurposeNeeded(refusal)
    return _Expected(count, need is not None, gate.why_none if need is None else need.code)


@transaction.atomic
def _freeze(
    user: User,
    wish: Wish,
    expected: _Expected,
    format: str,
    headers: str,
    token: UUID | None,
    mark: str,
    approvers: Collection[int],
    message: str,
) -> ExportRequest:
    """Write a request down with its records, its digest and its event, and tell the approvers."""
    rules = current()
    export = ExportRequest.objects.create(
        requester=user,
        object=wish.model.object_key,
        name=wish.name,
        query=wish.query,
        columns=tables.frozen(wish.columns, wish.sensitive_fields),
        sensitive_fields=as_text(wish.model, wish.sensitive_fields),
        has_sensitive=bool(wish.sensitive_fields),
        format=format,
        headers=headers,
        token=token,
        wish_sha256=mark,
        record_count=0,
        approval_needed=True,
        lapse_days=rules.lapse_days,
        file_days=rules.file_days,
        most_downloads=rules.most_downloads,
        message=words(message),
    )
    count = manifest.freeze(wish.rows, export)
    if not count:
        raise NothingToExport(NOTHING)
    _, needed, because = expected
    if count != expected.records:  # records came or went meanwhile
        _, needed, because = _judged(user, wish, count, message)
    wanted: list[User] = []
    chosen: list[User] = []
    if needed:
        deciders = approvers_for(user)  # put together once for both: it is long
        wanted = _approvers(user, deciders, approvers)
        chosen = with_delegates(wanted, deciders)
    export.chosen.set(wanted)
    export.notified.set(chosen)
    # Not a transition: until the commit nobody else sees the request.
    export.record_count, export.approval_needed, export.because = count, needed, because
    export.status = S.PENDING if needed else S.APPROVED
    export.save(update_fields=["record_count", "approval_needed", "because", "status"])
    _record_request(export, manifest.write_frozen(export).digest, chosen)
    tell(
        chosen,
        lambda: _asks(export),
        export,
        subject=lambda: gettext("An export waits for your decision"),
    )
    alert_about(export)
    return export


def _asks(export: ExportRequest) -> str:
    """Say to an approver what is asked for, with what its requester wrote."""
    said = gettext("%(name)s requests approval to export “%(export)s”, %(records)s.") % {
        "name": export.requester.get_full_name(),
        "export": export.name,
        "records": in_words(export.record_count),
    }
    if not export.message:
        return said
    quoted = gettext("“%(text)s”") % {"text": export.message}
    return f"{said} {quoted}"


def _asked_before(user: User, token: UUID | None) -> ExportRequest | None:
    """Return what this person asked for with this token already."""
    if token is None:
        return None
    return ExportRequest.objects.filter(requester=user, token=token).first()


def _the_same(found: ExportRequest, mark: str) -> ExportRequest:
    """Return what was asked for before; raise where it is another wish on a page sent before."""
    if found.wish_sha256 != mark:
        raise InvalidRequest(
            gettext(
                "This page has asked for an export already; you find it in the export log. Start "
                "again from the list to ask for another one."
            )
        )
    return found


def _record_request(export: ExportRequest, digest: str, chosen: Iterable[User]) -> None:
    """Log a request; of the query only its fields, since its values may be personal."""
    model = tables.model_of(export.object)
    audit.record(
        "export.request",
        actor=export.requester,
        on=export,
        text=export.message,
        data={
            "object": export.object,
            "records": export.record_count,
            "columns": [column["name"] for column in export.columns],
            "query_fields": as_text(model, filters.reads_asked_for(model, export.query)),
            "sensitive_fields": export.sensitive_fields,
            "format": export.format,
            "headers": export.headers,
            "manifest_digest": digest,
            "approval_needed": export.approval_needed,
            "because": export.because,
            "lapse_days": export.lapse_days,
            "file_days": export.file_days,
            "most_downloads": export.most_downloads,
            "approvers": [approver.pk for approver in chosen],
        },
    )


def _approvers(requester: User, allowed: QuerySet[User], wanted: Collection[int]) -> list[User]:
    chosen = list(allowed.filter(pk__in=wanted))
    if len(chosen) < len(wanted):
        raise ApproversNeeded(
            gettext("Somebody you chose may not decide on it. Choose approvers again.")
        )
    if not chosen and (refusal := why_nobody_decides(requester)):
        raise ApproversNeeded(refusal)
    if not chosen:
        raise ApproversNeeded(
            gettext("This export needs approval. Choose at least one approver who will be told.")
        )
    return chosen
