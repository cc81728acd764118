"""What asks somebody to decide: each kind of request, declared once for every list of them.

An upper layer declares its kind in `kinds`. The notifications, the first page and the badges know
no kind: they ask these functions, which add no rule to those that the kind brings along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db.models import CharField, Q, QuerySet, Value

from accounts import access
from accounts.models import Notice, User

LIST = "admin:inbox"
"""The page that lists them, to which a decision made from there leads back."""
MOST_LISTED = 500
"""So many requests that wait for one person stand before all else, those that wait longest."""


class Key(NamedTuple):
    """Which request: of which kind, and its row's key."""

    kind: str
    pk: int


@dataclass(frozen=True, slots=True)
class Step:
    """A button of a row: a link to the page that shows all that has to be known, and decides."""

    label: str
    url: str
    name: str
    """What the link does and of which request: it is read aloud without the row around it."""
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request as a list shows it to one person: who asks for what and why, how it stands."""

    url: str
    """The request's own page."""
    state: str
    state_label: str
    title: str = ""
    """Who asks for what; empty where what the person was told last says it better."""
    purpose: str = ""
    """What it is for, in the words of whoever asks."""
    facts: str = ""
    warning: str = ""
    """What must be seen before deciding, in a word or two."""
    since: datetime | None = None
    """Since when it waits."""
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class RequestKind:
    """One kind of request: what waits, who decides, who may read of it, and how a row reads."""

    waiting: Callable[[], QuerySet[Any]]
    """All that wait for anybody; asked of every page, so it is found by an index."""
    to_decide: Callable[[User], QuerySet[Any]]
    """Those that wait and that this person may decide on now."""
    since: Any
    """Since when one waits: a column or an expression."""
    readable: Callable[[User, QuerySet[Any]], QuerySet[Any]]
    """Keys of those that this person may read of, among these keys."""
    rows: Callable[[User, Collection[int], Collection[int]], dict[int, RequestRow]]
    """Rows by key, of those that the person may read of; the last are the ones they decide on."""


kinds: dict[str, RequestKind] = {}
"""A slot for upper layers: the kinds of request there are, by the key that notices bear."""


def waiting_for(user: User, names: Collection[str]) -> list[Key]:
    """Return what waits for this person among these kinds, at least one; one statement.

    Longest waiting first, and no more than are listed. Asked for every page where anything waits,
    so it is put into SQL once per person.
    """
    found = access.rows_about(user, ("to decide", *names), user, partial(_waiting, user, names))
    return [Key(kind, pk) for kind, pk, _ in found]


def _waiting(user: User, names: Collection[str], key: Any) -> QuerySet[Any]:
    first, *others = (
        kinds[name]
        .to_decide(user)
        .order_by()
        .annotate(request_kind=Value(name, CharField()), request_since=kinds[name].since)
        .values_list("request_kind", "id", "request_since")
        for name in names
    )
    rows: QuerySet[Any] = first.union(*others, all=True) if others else first
    return rows.order_by("request_since", "request_kind", "id")[:MOST_LISTED]


def rows_of(
    user: User, keys: Iterable[Key], deciding: Collection[Key] = ()
) -> dict[Key, RequestRow]:
    """Return the rows of these requests that the person may read of; as many statements as kinds.

    `deciding` are those that wait for them: their rows bear the steps.
    """
    wanted: dict[str, set[int]] = {}
    for key in keys:
        wanted.setdefault(key.kind, set()).add(key.pk)
    mine: dict[str, set[int]] = {}
    for key in deciding:
        mine.setdefault(key.kind, set()).add(key.pk)
    return {
        Key(name, pk): row
        for name, pks in wanted.items()
        if name in kinds
        for pk, row in kinds[name].rows(user, pks, mine.get(name, set())).items()
    }


def among(keys: Iterable[Key]) -> Q:
    """Hold for notices about one of these requests."""
    by_kind: dict[str, list[int]] = {}
    for key in keys:
        by_kind.setdefault(key.kind, []).append(key.pk)
    found = Q(pk__in=())
    for name, pks in by_kind.items():
        found |= Q(about=name, about_id__in=pks)
    return found


def readable(user: User, told: QuerySet[Notice]) -> Q:
    """Hold for notices about no request, and about those that this person may read of now.

    `told` are the notices it is asked of. Of a kind that nobody declares nothing is read.
    """
    found = Q(about="")
    for name, kind in kinds.items():
        keys = told.filter(about=name).order_by().values("about_id")
        found |= Q(about=name, about_id__in=kind.readable(user, keys))
    return found
