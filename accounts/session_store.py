"""Where sessions are kept: Django's table with a column for who is logged in (`SESSION_ENGINE`)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from accounts.models import Session


class SessionStore(DatabaseStore):
    """Django's store for our table."""

    @classmethod
    def get_model_class(cls) -> Any:  # Django's stubs promise their own model
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return row
