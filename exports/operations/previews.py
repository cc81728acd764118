"""What a request would be and the first rows of its file, before anything is stored (R117, E30)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from accounts.models import User
from accounts.paging import capped, page_of
from exports import tables
from exports.operations.wishes import wish_of
from exports.policy import (
    approval,
    why_nobody_decides,
    why_not_again,
)
from exports.tables import Column
from exports.writers import manifest
from exports.writers.rows import rows_in
from exports.writers.writer import Cell, plain
from records.models import Record
from records.models.properties import FieldKey
from records.operations import screen_limit

FIRST_ROWS = 5
LONGEST_SHOWN = 60
DOTS = "••••"


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


def preview(
    *,
    actor: User,
    model: type[Record],
    query: str = "",
    ids: Iterable[int | str] | None = None,
    columns: Sequence[str] | None = None,
) -> Preview:
    """Say how many records and which columns an export would have, and whether it needs consent."""
    user = User.objects.get(pk=actor.pk)
    wish = wish_of(user, model, query, ids, columns)
    count = wish.rows.order_by().count()
    needed, because = approval(user, count, wish.sensitive_fields)
    refusal = why_not_again(user)
    if needed and not refusal:
        refusal = why_nobody_decides(user)
    return Preview(count, wish.columns, wish.sensitive_fields, needed, because, refusal)


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
    user = User.objects.get(pk=actor.pk)
    wish = wish_of(user, model, query, ids, columns)
    ordered = wish.rows.order_by(*manifest.order(wish.rows))
    first = page_of(ordered, 0, FIRST_ROWS, capped(count))
    rows = rows_in(model, wish.columns, user, [row.pk for row in first])
    veiled = [tables.is_veiled(column, user) for column in wish.columns]
    granted, why = _counted(user, model, wish.columns, rows)
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
    user: User, model: type[Record], columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> tuple[Callable[[int, int, Cell], bool], str]:
    """Count the sensitive values of a sample; return which cells are shown, and why not all are."""
    places = {place for place, column in enumerate(columns) if tables.is_counted(column, user)}
    limit = screen_limit.limit_of(user, model)
    if not places or limit is None:
        return lambda number, place, cell: True, ""
    cells = [
        (number, place)
        for number, row in enumerate(rows)
        for place, cell in enumerate(row)
        if place in places and not screen_limit.is_empty(cell)
    ]
    found = screen_limit.show(user, cells, limit)
    why = "" if found.everything else screen_limit.why_dots(limit)
    return lambda row, place, cell: place not in places or found.has((row, place), cell), why


def _cut(cell: Cell) -> str:
    text = plain(cell)
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text
