"""What becomes of a record, as a value: checking.py holds it to its rules, writing.py stores it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from records import kinds
from records.models import Record

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """What becomes of one record."""

    before: R | None
    """The record as it is stored; None for a new one."""
    after: R
    names: Collection[str]
    """The fields that are written."""
    event: Mapping[str, Any] | None = None
    """What the log tells of this record; None where the event of the whole tells enough."""
    version: int | None = None
    """The version that was read, where that is not the one of `before`."""

    @property
    def kind(self) -> kinds.Kind:
        """Return what kind of record it is."""
        return kinds.of(type(self.after))

    @property
    def owners(self) -> list[str]:
        """Return the owners' fields among those that are written."""
        return [name for name in self.names if name in self.after.owner_fields]

    def ends(self, name: str) -> tuple[Any, Any]:
        """Return what a field of a stored record is, and what it becomes; links by their key."""
        assert self.before is not None
        return raw(self.before, name), raw(self.after, name)

    @property
    def differing(self) -> set[str]:
        """Return the fields of a stored record that become something else."""
        ends = {name: self.ends(name) for name in self.names}
        return {name for name, (old, new) in ends.items() if old != new}

    def only(self, names: Iterable[str]) -> Change[R]:
        """Return the change of these fields alone."""
        return replace(self, names=sorted(names))

    def told(self) -> Change[R]:
        """Return it with what the log tells: the fields, owners and stage from which to which.

        Of what was checked, since checking puts values of other types into the record.
        """
        if self.before is None:
            return replace(self, event=owners_of(self.after))
        deciding = [name for name in (*self.after.owner_fields, "stage") if name in self.names]
        ends = {name: self.ends(name) for name in deciding}
        told = {name: {"from": old, "to": new} for name, (old, new) in ends.items()}
        return replace(self, event={"fields": self.names, **told})


def becoming(
    before: R,
    values: Mapping[str, Any],
    *,
    event: Mapping[str, Any] | None = None,
    version: int | None = None,
) -> Change[R]:
    """Return what these values, by field or by column, make of a stored record."""
    after = copy(before)
    for name, value in values.items():
        setattr(after, name, value)
    return Change(before, after, names_of(before, values), event, version)


def names_of(record: Record, columns: Iterable[str]) -> list[str]:
    """Return the fields that these are, or are the columns of."""
    return sorted({record._meta.get_field(name).name for name in columns})


def raw(record: Record, name: str) -> Any:
    """Return the value of a field, of a link its key."""
    return getattr(record, record._meta.get_field(name).attname)  # type: ignore[union-attr]  # concrete fields only


def owners_of(record: Record) -> dict[str, Any]:
    """Return who owns a record, by key, as the log tells it."""
    return {name: raw(record, name) for name in record.owner_fields}
