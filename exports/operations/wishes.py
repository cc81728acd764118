"""What a person wants to take out, narrowed to what they may have (R117, Q3, B6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.models import User
from exports import tables
from exports.language import as_installed
from exports.steps import (
    InvalidRequest,
    NotAllowed,
)
from exports.tables import Column
from records import filters, kinds
from records.models import Record
from records.models.properties import FieldKey

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Format:
    """A format people choose; its key is the suffix of the file's name."""

    label: str
    for_what: StrOrPromise
    content_type: str


FORMATS = {
    "csv": Format("CSV", gettext_lazy("for spreadsheets, in UTF-8"), "text/csv"),
    "xlsx": Format(
        "XLSX",
        gettext_lazy("a workbook for spreadsheets"),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    "jsonl": Format(
        "JSON Lines", gettext_lazy("for programs, one object a line"), "application/x-ndjson"
    ),
    "parquet": Format(
        "Parquet", gettext_lazy("for analysis, typed"), "application/vnd.apache.parquet"
    ),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants and may have."""

    user: User
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


def wish_of(
    user: User,
    model: type[Record],
    query: str,
    ids: Iterable[int | str] | None,
    columns: Sequence[str] | None,
) -> Wish:
    """Narrow what is asked for to what this person may take out; raise where it cannot be."""
    if not access.allows_any(user, access.EXPORT, model):
        raise NotAllowed(
            gettext(
                "You may not export %(kinds)s. Ask a super admin for the permissions Export and "
                "View."
            )
            % {"kinds": kinds.of(model).nouns}
        )
    try:
        canonical = filters.canonical(model, query, user=user)
        permitted = access.permitted(model._default_manager.all(), user, access.EXPORT)
        rows = filters.narrowed(permitted, canonical, user=user)
    except filters.BadQuery as error:
        raise InvalidRequest(str(error)) from error
    keys = None if ids is None else tuple(_keys(ids))
    if keys is not None:
        rows = rows.filter(pk__in=keys)
    is_filtered = bool(set(QueryDict(canonical)) - {filters.ORDER})
    name = _called(model, is_chosen=keys is not None, is_filtered=is_filtered)
    wanted = _columns(user, model, columns)
    flagged = tables.sensitive(model, wanted, canonical, user)
    return Wish(user, model, canonical, keys, rows, wanted, flagged, name)


def _called(model: type[Record], *, is_chosen: bool, is_filtered: bool) -> str:
    """Return what a request is called, in the installation's language: it is kept and frozen."""
    with as_installed():
        nouns, plural = str(kinds.of(model).nouns), str(kinds.of(model).plural)
        if is_chosen:
            return gettext("%(kinds)s: chosen") % {"kinds": plural}
        if is_filtered:
            return gettext("%(kinds)s: filtered") % {"kinds": plural}
        return gettext("All %(kinds)s") % {"kinds": nouns}


def _keys(ids: Iterable[int | str]) -> list[int]:
    try:
        keys = sorted({int(each) for each in ids})
    except (TypeError, ValueError):
        raise InvalidRequest(
            gettext("One of the chosen rows does not exist. Choose them again.")
        ) from None
    if len(keys) > MOST_IDS:
        most = gettext("Choose at most %(most)s rows, or export by a filter instead.")
        raise InvalidRequest(most % {"most": MOST_IDS})
    # Beyond what the database can count there is no record; SQLite would raise instead.
    return [key for key in keys if 0 < key < 2**63]


def _columns(user: User, model: type[Record], names: Sequence[str] | None) -> tuple[Column, ...]:
    """Return the wanted columns in the wanted order; a hidden and an absent one are the same.

    Without names, all of the record's own.
    """
    offered = {column.name: column for column in tables.offered_columns(model, user)}
    if names is None:
        return tuple(column for column in offered.values() if not column.relation)
    if not names or len(set(names)) < len(names) or set(names) - set(offered):
        raise InvalidRequest(
            gettext("Choose at least one column, each once, of those that are offered.")
        )
    return tuple(offered[name] for name in names)
