"""What stands in an audit event's data, in words: names for keys, labels for codes (E48).

Names are those of now, read when somebody looks; what is gone keeps its number. The stored data
stay as they are: they are what the hash covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.utils import translation
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts import catalogue
from accounts.audit_words import CODED, CODES, KEYS
from accounts.catalogue.kinds import ACTION_LABELS
from accounts.forms import tool_labels
from accounts.keys import is_key, whole_number
from accounts.models import AuditEvent, PermissionSet, Rank, Team, User

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

named: dict[str, type[Model]] = {"user": User, "set": PermissionSet, "team": Team}
"""Things whose keys stand in data, and whose names every reader of the log may know."""

kinds_of_keys: dict[str, str] = {
    **dict.fromkeys(("approvers", "co_owner", "decided_by", "delegate", "owner"), "user"),
    **dict.fromkeys(("user", "users", "after", "approver"), "user"),
    **dict.fromkeys(("permission_set", "sets", "based_on"), "set"),
    **dict.fromkeys(("team", "teams", "parent", "into", "main", "extra"), "team"),
}
"""Which thing the numbers below a key of the data mean; upper layers add theirs."""

field_labels: list[Callable[[str, str], str | None]] = []
"""A slot for upper layers: what a field of a kind of record is called; None for no field."""

FROM_ACTION = {"person.assign_set": "set", "person.edit_permissions": "set"}
"""What `from` and `to` of an action mean, where no key around them says it."""
FIELD_KEYS = frozenset({"columns", "field", "fields", "query_fields", "sensitive_fields"})


@dataclass(frozen=True, slots=True)
class _Reader:
    """What one event's data mean: its kind of record, and the names of what it points to."""

    event: AuditEvent
    names: dict[str, dict[int, str]]

    def says(self, value: Any, key: str, thing: str) -> str:
        """Return one value as people read it."""
        if isinstance(value, dict) and set(value) == {"from", "to"}:
            return f"{self.says(value['from'], key, thing)} → {self.says(value['to'], key, thing)}"
        if isinstance(value, dict):
            pairs = (
                f"{label_of_key(k)}: {self.says(inner, k, kinds_of_keys.get(k, thing))}"
                for k, inner in value.items()
            )
            return "; ".join(pairs) or "–"
        if isinstance(value, list):
            return ", ".join(self.says(inner, key, thing) for inner in value) or "–"
        if value is None or value == "":
            return "–"
        if isinstance(value, bool):
            return gettext("yes") if value else gettext("no")
        if isinstance(value, int):
            return self.names[thing].get(value, f"#{value}") if thing else str(value)
        return self._word(str(value), key)

    def _word(self, value: str, key: str) -> str:
        if key in FIELD_KEYS:
            kind = self.event.data.get("object") or self.event.object
            labels = (label(str(kind), value) for label in field_labels)
            return next((label for label in labels if label), value)
        if key.startswith("tools_"):
            return ", ".join(tool_labels([value]))
        if key == "object" and (kind := catalogue.object_kind(value)):
            return str(kind.plural)
        return str((key in CODED and CODES.get(value)) or value.replace("_", " "))


def details_of(event: AuditEvent) -> list[tuple[str, str]]:
    """Return what an event's data say, line by line: what it is, and its value.

    One query for each sort of thing that is named.
    """
    keys: dict[str, set[int]] = {thing: set() for thing in named}
    outermost = FROM_ACTION.get(event.action, "")
    for thing, key in _keys_in(event.data, outermost):
        keys[thing].add(key)
    reader = _Reader(event, {thing: _names(named[thing], found) for thing, found in keys.items()})
    lines = []
    for key, value in event.data.items():
        if key == "scopes" and isinstance(value, dict):
            lines += list(_scopes(value))
        elif key in ("tools_added", "tools_removed") and not value:
            continue
        else:
            thing = kinds_of_keys.get(key, outermost)
            lines.append((label_of_key(key), reader.says(value, key, thing)))
    return lines


def name_objects(events: Sequence[AuditEvent]) -> None:
    """Give each event the name of what it is about as it is called now, as `object_name`.

    One query for each sort of thing that is `named`. What is gone, and a record, have no name here:
    the log says their numbers.
    """
    things = {str(model._meta.model_name): model for model in named.values()}
    keys: dict[str, set[int]] = {}
    for event in events:
        if event.object in things and is_key(event.object_id):
            keys.setdefault(event.object, set()).add(int(event.object_id))
    found = {thing: _names(things[thing], wanted) for thing, wanted in keys.items()}
    for event in events:
        names = found.get(event.object, {})
        event.object_name = names.get(whole_number(event.object_id), "")


def label_of_key(key: str) -> str:
    """Return what a key of the data is called."""
    said = KEYS.get(key) or _of_kinds().get(key)
    return str(said or capfirst(key.replace("_", " ")))


def _of_kinds() -> dict[str, StrOrPromise]:
    """Return what kinds of record are called, by key and by the plural that events count by."""
    with translation.override(None):  # as the code says it
        counted = {str(kind.nouns): kind for kind in catalogue.objects()}
    called = {key: kind.plural for key, kind in counted.items()}
    return {**called, **{kind.key: kind.label for kind in catalogue.objects()}}


def _keys_in(value: Any, thing: str) -> Iterator[tuple[str, int]]:
    """Return every number that is the key of something, with what it is."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _keys_in(inner, kinds_of_keys.get(key, thing))
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_in(inner, thing)
    # True is no key, though it is an int.
    elif thing and isinstance(value, int) and not isinstance(value, bool):
        yield thing, value


def _names(model: type[Model], keys: Iterable[int]) -> dict[int, str]:
    found = model._default_manager.in_bulk(set(keys))
    return {key: str(row) for key, row in found.items()}


def _scopes(scopes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each changed cell of a permission set, as “Deals · Delete: None → Owned only”."""
    for key, change in scopes.items():
        kind = catalogue.object_kind(key)
        before, after = change.get("from") or {}, change.get("to") or {}
        for column, new in after.items():
            old = before.get(column, 0)
            if old != new:
                label = f"{kind.plural if kind else key} · {_column(column)}"
                yield label, f"{_level(old, new)} → {_level(new, old)}"


def _column(column: str) -> str:
    action = column.removesuffix("_unassigned")
    label = ACTION_LABELS.get(action, action)
    if action == column:
        return str(label)
    return gettext("%(action)s, unassigned") % {"action": label}


def _level(value: Any, other: Any) -> str:
    """Return a cell in words: a level, or a box that is ticked, as the other side of it was."""
    if isinstance(value, bool) or isinstance(other, bool):
        return gettext("Yes") if value else gettext("No")
    return str(Rank(value).label if value in Rank.values else value)
