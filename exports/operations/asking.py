"""Asking for an export: a wish, narrowed to what its person may have, and frozen (R117, Q3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format

from accounts import access, audit
from accounts.models import User
from accounts.paging import capped, page_of
from exports import tables
from exports.deciders import approvers_for
from exports.models import ExportRequest
from exports.operations.delegating import with_delegates
from exports.operations.setting import alert_about
from exports.policy import (
    MOST_A_DAY,
    approval,
    current,
    next_possible,
    one_at_a_time,
    why_nobody_decides,
)
from exports.steps import (
    ApproversNeeded,
    InvalidRequest,
    NotAllowed,
    NothingToExport,
    S,
    TooManyExports,
    in_words,
    tell,
    words,
)
from exports.tables import Column
from exports.writers import manifest
from exports.writers.csv import plain
from exports.writers.rows import rows_in
from exports.writers.writer import Cell
from records import filters, kinds
from records.models import Record
from records.models.properties import FieldKey
from records.operations import screen_limit
from records.reads import as_text

MOST_IDS = 10_000
FIRST_ROWS = 5
LONGEST_SHOWN = 60
DOTS = "••••"
NOTHING = "There is no record to export. Change the filter or the choice."


@dataclass(frozen=True, slots=True)
class Format:
    """A format people choose; its key is the suffix of the file's name."""

    label: str
    for_what: str
    content_type: str


FORMATS = {
    "csv": Format("CSV", "for spreadsheets, in UTF-8", "text/csv"),
    "xlsx": Format(
        "XLSX",
        "a workbook for spreadsheets",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "jsonl": Format("JSON Lines", "for programs, one object a line", "application/x-ndjson"),
    "parquet": Format("Parquet", "for analysis, typed", "application/vnd.apache.parquet"),
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would be, before it is made; nothing is stored."""

    count: int
    columns: tuple[Column, ...]
    sensitive_fields: frozenset[FieldKey]
    approval_needed: bool
    because: str
    """A code; policy.approval gives it."""
    refusal: str
    """Why it could not be asked for now whatever else is filled in; empty where it can."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of what a file would hold, as a screen may show them."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    veiled: bool
    """Whether some values are dots, though the file has them."""
    beyond_limit: str = ""
    """Why sensitive values are dots as well, where the person saw as many as they may today."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a person wants and may have."""

    model: type[Record]
    query: str
    ids: tuple[int, ...] | None
    rows: QuerySet[Record]
    columns: tuple[Column, ...]
    sensitive_fields: frozenset[FieldKey]
    name: str

    def sha256(self, *more: object) -> str:
        """Return a mark of all that was wished for, with what was said beside it."""
        names = [column.name for column in self.columns]
        said = [self.model.object_key, self.query, self.ids, names, *more]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


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
    refusal = why_not_again(person)
    if needed and not refusal:
        refusal = why_nobody_decides(person)
    return Preview(count, wish.columns, wish.sensitive_fields, needed, because, refusal)


def why_not_again(person: User) -> str:
    """Return why this person may not ask for another export yet; empty where they may (E37)."""
    if not (again := next_possible(person)):
        return ""
    when = date_format(timezone.localtime(again), "j F, H:i")
    return (
        f"You asked for {MOST_A_DAY} exports in the last 24 hours, which is as many as one "
        f"person may. The next one is possible on {when}."
    )


def first_rows(
    *,
    actor: User,
    model: type[Record],
    query: str = "",
    ids: Iterable[int | str] | None = None,
    columns: Sequence[str] | None = None,
    headers: str = "labels",
    count: int,
) -> Sample:
    """Return the file's first rows, read as the worker reads them; nothing is stored.

    `count` is how many there were: by it the way is chosen in which they are looked for.

    Long values are cut, and highly sensitive ones are dots, filled or not (E30). Sensitive ones
    are counted as shown, and dots beyond the limit of a day.
    """
    person = User.objects.get(pk=actor.pk)
    wish = _wish(person, model, query, ids, columns)
    ordered = wish.rows.order_by(*manifest.order(wish.rows))
    first = page_of(ordered, 0, FIRST_ROWS, capped(count))
    rows = rows_in(model, wish.columns, person, [row.pk for row in first])
    veiled = [tables.is_veiled(column, person) for column in wish.columns]
    granted, why = _counted(person, model, wish.columns, rows)
    return Sample(
        tuple(tables.headings(tables.frozen(wish.columns, wish.sensitive_fields), headers)),
        tuple(
            tuple(
                DOTS if veiled[place] or not granted(number, place, cell) else _cut(cell)
                for place, cell in enumerate(row)
            )
            for number, row in enumerate(rows)
        ),
        any(veiled),
        why,
    )


def _counted(
    person: User, model: type[Record], columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> tuple[Callable[[int, int, Cell], bool], str]:
    """Count the sensitive values of a sample; return which cells are shown, and why not all are."""
    places = {place for place, column in enumerate(columns) if tables.is_counted(column, person)}
    limit = screen_limit.limit_of(person, model)
    if not places or limit is None:
        return lambda number, place, cell: True, ""
    cells = [
        (number, place)
        for number, row in enumerate(rows)
        for place, cell in enumerate(row)
        if place in places and not screen_limit.is_empty(cell)
    ]
    found = screen_limit.show(person, cells, limit)
    why = "" if found.everything else screen_limit.why_dots(limit)
    return lambda row, place, cell: place not in places or found.has((row, place), cell), why


def _cut(cell: Cell) -> str:
    text = plain(cell)
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text


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
    `TooManyExports` where the person asked for as many as a day may have (E37). All that can be
    refused is, before the records are laid down, which may take a while.
    """
    try:
        with audit.step("export.request", actor) as person:
            one_at_a_time(person)
            wish = _wish(person, model, query, ids, columns)
            if format not in FORMATS:
                raise InvalidRequest(f"Choose a format that is offered: {', '.join(FORMATS)}.")
            if headers not in ExportRequest.Headers.values:
                raise InvalidRequest("Choose labels or names for what stands above the columns.")
            told = sorted({approver.pk for approver in approvers})
            mark = wish.sha256(format, headers, told, words(message))
            if found := _asked_before(person, token):
                return _the_same(found, mark)
            expected = _check_can_start(person, wish, told)
            export = _freeze(person, wish, expected, format, headers, token, mark, told, message)
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


def _check_can_start(person: User, wish: _Wish, approvers: Collection[int]) -> _Expected:
    """Raise where no request may come of it: too many, nothing in it, nobody who could decide.

    After `one_at_a_time`.
    """
    if refusal := why_not_again(person):
        raise TooManyExports(refusal)
    count = wish.rows.order_by().count()
    if not count:
        raise NothingToExport(NOTHING)
    needed, because = approval(person, count, wish.sensitive_fields)
    if needed:
        _approvers(person, approvers_for(person), approvers)
    return _Expected(count, needed, because)


@transaction.atomic
def _freeze(
    person: User,
    wish: _Wish,
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
        requester=person,
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
        needed, because = approval(person, count, wish.sensitive_fields)
    wanted: list[User] = []
    chosen: list[User] = []
    if needed:
        deciders = approvers_for(person)  # put together once for both: it is long
        wanted = _approvers(person, deciders, approvers)
        chosen = with_delegates(wanted, deciders)
    export.chosen.set(wanted)
    export.notified.set(chosen)
    # Not a transition: until the commit nobody else sees the request.
    export.record_count, export.approval_needed, export.because = count, needed, because
    export.status = S.PENDING if needed else S.APPROVED
    export.save(update_fields=["record_count", "approval_needed", "because", "status"])
    _record_request(export, manifest.write_frozen(export).digest, chosen)
    asks = f"{person.get_full_name()} asks for consent to export “{export.name}”"
    said = f" “{export.message}”" if export.message else ""
    subject = "An export waits for your decision"
    tell(chosen, f"{asks}, {in_words(count)}.{said}", export, subject=subject)
    alert_about(export)
    return export


def _asked_before(person: User, token: UUID | None) -> ExportRequest | None:
    """Return what this person asked for with this token already."""
    if token is None:
        return None
    return ExportRequest.objects.filter(requester=person, token=token).first()


def _the_same(found: ExportRequest, mark: str) -> ExportRequest:
    """Return what was asked for before; raise where it is another wish on a page sent before."""
    if found.wish_sha256 != mark:
        raise InvalidRequest(
            "This page has asked for an export already; you find it in the export log. Start again "
            "from the list to ask for another one."
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
            f"You may not export {kinds.of(model).nouns}. Ask a super admin for the "
            "permissions Export and View."
        )
    try:
        canonical = filters.canonical(model, query, user=person)
        permitted = access.permitted(model._default_manager.all(), person, access.EXPORT)
        rows = filters.narrowed(permitted, canonical, user=person)
    except filters.BadQuery as error:
        raise InvalidRequest(str(error)) from error
    plural = kinds.of(model).nouns
    name = f"All {plural}"
    keys = None if ids is None else tuple(_keys(ids))
    if keys is not None:
        rows = rows.filter(pk__in=keys)
        name = f"{plural.capitalize()}: chosen"
    elif set(QueryDict(canonical)) - {filters.ORDER}:
        name = f"{plural.capitalize()}: filtered"
    wanted = _columns(person, model, columns)
    flagged = tables.sensitive(model, wanted, canonical, person)
    return _Wish(model, canonical, keys, rows, wanted, flagged, name)


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
    """Return the wanted columns in the wanted order; a hidden and an absent one are the same.

    Without names, all of the record's own.
    """
    offered = {column.name: column for column in tables.offered_columns(model, person)}
    if names is None:
        return tuple(column for column in offered.values() if not column.relation)
    if not names or len(set(names)) < len(names) or set(names) - set(offered):
        raise InvalidRequest("Choose at least one column, each once, of those that are offered.")
    return tuple(offered[name] for name in names)


def _approvers(requester: User, allowed: QuerySet[User], wanted: Collection[int]) -> list[User]:
    chosen = list(allowed.filter(pk__in=wanted))
    if len(chosen) < len(wanted):
        raise ApproversNeeded("Somebody you chose may not decide on it. Choose approvers again.")
    if not chosen and (refusal := why_nobody_decides(requester)):
        raise ApproversNeeded(refusal)
    if not chosen:
        raise ApproversNeeded(
            "This export needs approval. Choose at least one approver who will be told."
        )
    return chosen
