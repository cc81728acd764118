"""What the audit log says about fields, as its reader may read it (B6, leaks.md L64, L68).

The log keeps names of fields, never their values. They are written whole, since a restriction may
come and go after the event, and left out when they are read: whoever may not view a field learns
only that a restricted one was among them.
"""

from __future__ import annotations

from typing import Any

from accounts import catalogue
from accounts.models import AuditEvent, User
from records.models.properties import hidden_fields


def without_hidden_fields(user: User, event: AuditEvent, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without the names of fields hidden from this reader."""
    key = data.get("object", event.object)
    kind = catalogue.object_kind(key) if isinstance(key, str) else None
    if kind is None:
        return data
    hidden = hidden_fields(user, kind.model)
    return {name: _shown(value, hidden) for name, value in data.items()}


def _shown(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, str):
        return "restricted field" if value in hidden else value
    if not isinstance(value, list):
        return value
    kept = [each for each in value if not (isinstance(each, str) and each in hidden)]
    gone = len(value) - len(kept)
    if not gone:
        return value
    return [*kept, f"and {gone} restricted field{'s' if gone > 1 else ''}"]
