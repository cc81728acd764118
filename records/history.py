"""What the audit log tells of records: events as their reader may read them, and past owners.

The log keeps names of fields and not their values (B6, L64, L68). They are written whole,
since a restriction may come and go after the event, and left out when they are read: whoever may
not view a field learns only that a restricted one was among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Window
from django.utils.translation import gettext, ngettext

from accounts import catalogue
from accounts.models import AuditEvent, User
from accounts.words import counted
from records import kinds
from records.models import Record
from records.models.properties import hidden_fields


def without_hidden_fields(user: User, event: AuditEvent, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without the names of fields hidden from this reader."""
    key = data.get("object", event.object)
    kind = catalogue.object_kind(key) if isinstance(key, str) else None
    if kind is None:
        return data
    hidden = hidden_fields(user, kind.model)
    shown = {name: _shown(value, hidden) for name, value in data.items()}
    if data.get("field") in hidden:
        shown.pop("related", None)  # the value of a link, and its kind nearly the field's name
    return shown


def _shown(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, str):
        return gettext("restricted field") if value in hidden else value
    if not isinstance(value, list):
        return value
    kept = [each for each in value if not (isinstance(each, str) and each in hidden)]
    gone = len(value) - len(kept)
    if not gone:
        return value
    left_out = ngettext("and %(count)s restricted field", "and %(count)s restricted fields", gone)
    return [*kept, left_out % {"count": counted(gone)}]


MOST_OWNERS = 10


@dataclass(frozen=True, slots=True)
class OwnersChanged:
    """One event that said who owns a record: when, and by field's label from whom to whom."""

    at: datetime
    changes: tuple[tuple[str, str | None, str], ...]
    """(label of the field, before, after); before is None for the owners of a new record."""


def owners_so_far(record: Record, reader: User) -> tuple[list[OwnersChanged], int]:
    """Return the latest changes of a record's owners and how many there were before those (E54).

    For whoever views the record: owners stand on it, and people's names are public. Fields hidden
    from the reader are left out. Nothing where the owners never changed. Two queries.
    """
    fields = [n for n in record.owner_fields if n not in hidden_fields(reader, type(record))]
    if not fields:
        return [], 0
    told = AuditEvent.objects.filter(
        object=record._meta.model_name,
        object_id=str(record.pk),
        action__in=[f"{record.object_key}.create", f"{record.object_key}.change"],
        result="done",
        data__has_any_keys=fields,
    )
    events = list(told.annotate(of_all=Window(Count("id"))).order_by("-id")[:MOST_OWNERS])
    if not any(event.action.endswith(".change") for event in events):
        return [], 0
    said = [value for event in events for n in fields for value in _ends(event.data.get(n))]
    people = User.objects.filter(pk__in={key for key in said if key is not None})
    names: dict[int | None, str] = {None: gettext("nobody")}
    names.update((person.pk, str(person)) for person in people)
    labels = {name: kinds.of(type(record)).field(name).label for name in fields}
    changes = [OwnersChanged(event.at, _changes(event.data, labels, names)) for event in events]
    return changes, events[0].of_all - len(events)


def _ends(value: Any) -> tuple[int | None, ...]:
    """Return the people an event names for one field: from whom to whom, or the first one."""
    return (value["from"], value["to"]) if isinstance(value, dict) else (value,)


def _changes(
    data: dict[str, Any], labels: dict[str, str], names: dict[int | None, str]
) -> tuple[tuple[str, str | None, str], ...]:
    changes = []
    for field, label in labels.items():
        *before, after = _ends(data.get(field))
        if before or after is not None:
            changes.append((label, names[before[0]] if before else None, names[after]))
    return tuple(changes)
