"""What a request would be and the first rows of its file, before anything is stored (R117, E30)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

from accounts.models import User
from accounts.paging import capped, page_of
from exports import tables
from exports.left_to_decide import why_nobody_decides
from exports.operations.wishes import Wish, wish_of
from exports.policy import Gate, Need, Usage, why_not_again
from exports.tables import Column
from exports.writers import manifest
from exports.writers.plain import Cell, plain
from exports.writers.rows import rows_in
from records.models import Record
from records.models.properties import FieldKey
from records.operations import screen_limit

FIRST_ROWS = 5
LONGEST_SHOWN = 60
DOTS = "••••"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would be, before it is made; nothing is stored."""

    wish: Wish
    count: int
    needs: tuple[Need, ...]
    """Every reason why it needs consent; the first is the one that a request keeps."""
    because: str
    """A code; policy.approval gives it."""
    purpose_required: bool
    """Whether the requester has to say what the file is for."""
    purpose_always: bool
    """Whether they would have to, though nobody had to consent."""
    usage: Usage | None
    """How much of the person's limits is used; None where none holds for them (Q4)."""
    refusal: str
    """Why it could not be asked for now whatever else is filled in; empty where it can."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the file."""
        return self.wish.columns

    @property
    def sensitive_fields(self) -> frozenset[FieldKey]:
        """The fields, sensitive for the requester, that columns and query read."""
        return self.wish.sensitive_fields

    @property
    def approval_needed(self) -> bool:
        """Whether somebody has to consent."""
        return bool(self.needs)


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of what a file would hold, as a screen may show them."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    veiled: bool
    """Whether some values are dots, though the file has them."""
    beyond_limit: str = ""
    """Why sensitive values are dots as well, where the person saw as many as they may today."""
    withheld: bool = False
    """Whether sensitive values are dots since they would have been counted as shown."""


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
    gate = Gate(user)
    needs = tuple(gate.needs(count, wish.sensitive_fields))
    refusal = why_not_again(user)
    if needs and not refusal:
        refusal = why_nobody_decides(user)
    return Preview(
        wish,
        count,
        needs,
        needs[0].code if needs else gate.why_none,
        gate.wants_purpose(approval_needed=bool(needs)),
        gate.wants_purpose(approval_needed=False),
        gate.usage_shown,
        refusal,
    )


def first_rows(found: Preview, *, headers: str = "labels", counting: bool = True) -> Sample:
    """Return the file's first rows, read as the worker reads them; nothing is stored.

    By how many records there are the way is chosen in which the first are looked for.

    Long values are cut, and highly sensitive ones are dots, filled or not (E30). Sensitive ones
    are counted as shown, and dots beyond the limit of a day. Where a limit is set and nothing is
    to be counted, since nobody asked for the values, they are dots.
    """
    wish, user = found.wish, found.wish.user
    ordered = wish.rows.order_by(*manifest.order(wish.rows))
    first = page_of(ordered, 0, FIRST_ROWS, capped(found.count))
    rows = rows_in(wish.model, wish.columns, user, [row.pk for row in first])
    veiled = [tables.is_veiled(column, user) for column in wish.columns]
    places = {at for at, column in enumerate(wish.columns) if tables.is_counted(column, user)}
    granted, why = _counted(user, wish.model, places, rows if counting else ())
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
        withheld=bool(places and rows) and not counting,
    )


def _counted(
    user: User, model: type[Record], places: Set[int], rows: Sequence[Sequence[Cell]]
) -> tuple[Callable[[int, int, Cell], bool], str]:
    """Count the sensitive values of a sample; return which cells are shown, and why not all are.

    `places` are those of the columns whose values count. Of rows that are not among these nothing
    that counts is shown, filled or not.
    """
    limit = screen_limit.limit_of(user, model)
    if not places or limit is None:
        return lambda number, place, cell: True, ""
    if not rows:
        return lambda number, place, cell: place not in places, ""
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
