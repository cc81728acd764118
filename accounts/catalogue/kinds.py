"""Kinds of record and what one may do to them: the columns of the grid in a permission set (§0)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from django.db.models import Model
from django.utils.translation import gettext_lazy, pgettext_lazy

ACTIONS = ("view", "add", "change", "delete", "communicate", "merge")
SCOPED_ACTIONS = ("view", "change", "delete", "communicate", "merge")
SCOPE_COLUMNS = ("add", *(f"{each}{box}" for each in SCOPED_ACTIONS for box in ("", "_unassigned")))
"""What is stored of a kind of record's scopes: a level and its box for each action, and `add`."""
# What each scope may not exceed (R20, §0): narrowing the second narrows the first with it.
CAPPED_BY = {"change": "view", "delete": "view", "communicate": "view", "merge": "change"}

# Lazy texts: read in the reader's language, and typed as what they are read as.
ACTION_LABELS = cast(
    dict[str, str],
    {
        "view": pgettext_lazy("action", "View"),
        "add": gettext_lazy("Create"),
        "change": gettext_lazy("Edit"),
        "delete": gettext_lazy("Delete"),
        "communicate": gettext_lazy("Communicate"),
        "merge": gettext_lazy("Merge"),
    },
)

ACTION_IDS = {"communicate": "C-2"}
"""The actions that have a number of their own among the tools of the requirements."""

ACTION_HELP = {
    "view": gettext_lazy("Find and read records: in lists, search, pickers, links and exports."),
    "add": gettext_lazy("Make new records."),
    "change": gettext_lazy(
        "Change records, and give them to another owner. A rule on a stage may narrow it."
    ),
    "delete": gettext_lazy("Put records into the recycle bin, and take them out of it."),
    "communicate": gettext_lazy(
        "Log e-mails, calls and meetings, change notes and tasks, and link them with "
        "further records."
    ),
    "merge": gettext_lazy("Make one record of two."),
}

NOTHING_ASKS = {
    "communicate": gettext_lazy(
        "Stored, and narrowed with View; this version has no activities that ask it."
    ),
    "merge": gettext_lazy(
        "Stored, and narrowed with Edit; nothing merges records in this version."
    ),
}


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of record whose access is scoped: its key in scopes, its model, its actions (§0)."""

    key: str
    model: type[Model]
    # Lazy, as is what is made of them: each reader has their own language.
    label: str = field(compare=False)
    plural: str = field(compare=False)
    actions: tuple[str, ...] = ACTIONS

    @property
    def noun(self) -> str:
        """Return how one record is called inside a sentence."""
        return str(self.model._meta.verbose_name)

    @property
    def nouns(self) -> str:
        """Return how records are called inside a sentence."""
        return str(self.model._meta.verbose_name_plural)


_objects: dict[str, ObjectKind] = {}
_by_model: dict[type[Model], ObjectKind] = {}


def register(kind: ObjectKind) -> None:
    """Add a kind of record, after those before it; called where its model is declared."""
    if unknown := set(kind.actions) - set(ACTIONS):
        raise ValueError(f"{kind.key}: unknown actions {sorted(unknown)}.")
    _objects[kind.key] = kind
    _by_model[kind.model] = kind


def objects() -> Iterator[ObjectKind]:
    """Return every kind of record in the order of registration."""
    return iter(_objects.values())


def object_kind(key: str) -> ObjectKind | None:
    """Return the kind of record with this key, or None."""
    return _objects.get(key)


def kind_of(model: type[Model]) -> ObjectKind | None:
    """Return the kind of record that this model is, or None for a model without scopes."""
    return _by_model.get(model)
