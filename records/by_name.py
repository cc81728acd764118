"""Orders by what records are linked with: the place of their stage, the name of their owner.

No index has the rows of one table in the order of another's names. So a list offers such an order
while it has few rows for its reader, which were all found to be counted; an export sorts as many as
it has.

A record that its reader may not name has no place here either: it is the same to them as none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.db.models import Case, F, OuterRef, Subquery, TextField, Value, When
from django.db.models.functions import Cast, Collate, Concat, Trim
from django.db.models.lookups import IsNull

from accounts import access
from accounts.letters import ORDER
from accounts.models import User
from records import kinds
from records.models import Record, Stage
from records.reads import named

MOST_SORTED = 5_000
"""A list of more rows does not go by names: so many are sorted in a tenth of a second."""


def columns_of(model: type[Record]) -> tuple[str, ...]:
    """Return the columns of a kind's list that go by what stands behind them."""
    kind = kinds.of(model)
    return tuple(name for name in kind.columns if kind.field(name).related is not None)


def paths_of(model: type[Record], name: str) -> tuple[str, ...]:
    """Return what an order by a field reads, as paths from its record."""
    if name not in columns_of(model):
        return (name,)
    related = kinds.of(model).field(name).related
    assert related is not None
    return named(name, related)


def terms_of(model: type[Record], order: Iterable[Any], user: User) -> list[Any]:
    """Return an order, as for `order_by`, with names in the place of what has them."""
    columns = columns_of(model)
    return [
        part
        for term in order
        for part in (
            _terms(model, term, user)
            if isinstance(term, str) and term.removeprefix("-") in columns
            else [term]
        )
    ]


def _terms(model: type[Record], term: str, user: User) -> list[Any]:
    name, down = term.removeprefix("-"), term.startswith("-")
    related = kinds.of(model).field(name).related
    if related is Stage:
        # Of several pipelines one after another, as pickers have them.
        parts = [F(f"{name}__{each}") for each in ("pipeline__name", "pipeline_id", "position")]
        return [part.desc() if down else part.asc() for part in parts]
    if related is User:
        shown = _shown_name(name)
        # Two people of one name apart; nobody last, up and down.
        parts = [shown, F(f"{name}_id")]
        is_nobody = IsNull(F(f"{name}_id"), True).asc()
        return [is_nobody, *(part.desc() if down else part.asc() for part in parts)]
    shown = _collated(Subquery(_name_of(cast("type[Record]", related), f"{name}_id", user)))
    return [shown.desc(nulls_last=True) if down else shown.asc(nulls_last=True)]


def _name_of(model: type[Record], key: str, user: User) -> Any:
    """Return the query of a linked record's name, where this person may read it."""
    seen = access.nameable(model._default_manager.all(), user)
    first, *others = model.name_fields
    whole: Any = F(first)
    for each in others:
        whole = Concat(whole, Value(" "), F(each), output_field=TextField())
    rows = seen.filter(pk=OuterRef(key)).order_by()
    return rows.values(shown_name=Trim(whole) if others else whole)[:1]


def _shown_name(owner: str) -> Any:
    """Return what `User.get_full_name` returns, as an expression."""
    first, last = f"{owner}__first_name", f"{owner}__last_name"
    whole = Trim(Concat(first, Value(" "), last, output_field=TextField()))
    named = When(**{first: "", last: ""}, then=Cast(f"{owner}__email", TextField()))
    return _collated(Case(named, default=whole, output_field=TextField()))


def _collated(text: Any) -> Any:
    """Return a text that goes by letters as names do."""
    return Collate(text, ORDER)
