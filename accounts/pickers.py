"""Pickers: fields in which a row is found by typing, and what each of them offers.

Every picker declares its purpose. *Choosing* writes the row into a record, so it offers what can be
chosen now: no deactivated people (E52), nothing in the recycle bin. *Asking* narrows a list or a
log, and what is gone still stands there: it offers that too, marked as what it is.

Both offer only what the person may name. Where each is answered stands in adminsite.py; who may use
it, in `AccessModelAdmin.chosen_fields` and `asked_fields`.

Where a form chooses several people or teams, what it takes is an `Offer`: its address finds among
the rows that the form takes from this person, and among no others (accounts/picked.py).
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from django.contrib.admin import AdminSite
from django.db.models import Model, Q, QuerySet

from accounts import access
from accounts.keys import KeySelect
from accounts.models import User

M = TypeVar("M", bound=Model)
Offer = Callable[[User, int], QuerySet[Any] | None]
"""What a form offers this person to choose several of; None where they have no such form.

The number is the key of what the form is about, 0 where it is about nothing yet."""

offers: dict[str, Offer] = {}
"""A slot for whatever has a form: its offers, by the name under which their rows are found."""


class Purpose(Enum):
    """What a picker is for; the value is the name of the address that answers it."""

    CHOOSE = "choose"
    ASK = "autocomplete"


def offered(queryset: QuerySet[M], user: User, purpose: Purpose) -> QuerySet[M]:
    """Return which of these rows a picker of this purpose offers this person.

    A model says by `can_be_chosen`, a `Q`, which of its rows can be chosen; by default all.
    """
    rows, *in_bin = offered_in_turn(queryset, user, purpose)
    for each in in_bin:
        rows |= each
    return rows


def offered_in_turn(queryset: QuerySet[M], user: User, purpose: Purpose) -> list[QuerySet[M]]:
    """Return the same in two parts where some of it lies in the recycle bin, that part last.

    Each part has its indexes; to sort both as one took six times as long (measured at 100,000).
    """
    rows = access.nameable(queryset, user)
    if purpose is Purpose.CHOOSE:
        return [rows.filter(getattr(queryset.model, "can_be_chosen", Q()))]
    in_bin = access.recycled(queryset, user)
    return [rows] if in_bin.query.is_empty() else [rows, in_bin]


def rows_of(offer: str, user: User, key: int) -> QuerySet[Any] | None:
    """Return the rows that this person can choose by this offer now; None: it is none of theirs."""
    if offer not in offers or (rows := offers[offer](user, key)) is None:
        return None
    return offered(rows, user, Purpose.CHOOSE)


class PickerSelect(KeySelect):
    """Django's picker of what a field points at, answered by the address of its purpose.

    Its `media` is what it needs in the browser: a page that shows one includes that.
    """

    def __init__(
        self, field: Any, site: AdminSite, purpose: Purpose, attrs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(field, site, attrs)
        self.url_name = f"%s:{purpose.value}"
