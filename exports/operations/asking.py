"""Asking for an export: a wish, narrowed to what its person may have, and frozen (R117, Q3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import QueryDict

from accounts import access, audit
from accounts.models import User
from exports import tables
from exports.models import ExportRequest
from exports.operations.delegating import with_delegates
from exports.operations.setting import alert_about
from exports.policy import approval, approvers_for, one_at_a_time
from exports.steps import (
    ApproversNeeded,
    InvalidRequest,
    NotAllowed,
    NothingToExport,
    S,
    in_words,
    one_step,
    tell,
    words,
)
from exports.tables import Column
from exports.writers import manifest
from records import filters
from records.models import Record

FORMATS = ("csv",)
MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would be, before it is made; nothing is stored."""

    count: int
    columns: tuple[Column, ...]
    sensitive_fields: frozenset[str]
    approval_needed: bool
    because: str
    """A code; policy.approval gives it."""


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
            message=words(message),
        )
        count = manifest.freeze(wish.rows, export)
        if not count:
            raise NothingToExport("There is no record to export. Change the filter or the choice.")
        one_at_a_time(person)
        needed, because = approval(person, count, wish.sensitive_fields)
        chosen = with_delegates(_approvers(person, approvers), person) if needed else []
        export.notified.set(chosen)
        # Not a transition: until the commit nobody else sees the request.
        export.record_count, export.approval_needed, export.because = count, needed, because
        export.status = S.PENDING if needed else S.APPROVED
        export.save(update_fields=["record_count", "approval_needed", "because", "status"])
        _record_request(export, chosen)
        asks = f"{person.get_full_name()} asks for consent to export “{export.name}”"
        said = f" “{export.message}”" if export.message else ""
        subject = "An export waits for your decision"
        tell(chosen, f"{asks}, {in_words(count)}.{said}", export, subject=subject)
        alert_about(export)
    return export


def _record_request(export: ExportRequest, chosen: Iterable[User]) -> None:
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
            "because": export.because,
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
