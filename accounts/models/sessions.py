"""Open log-ins: Django's sessions, with whose each one is, so that a person's are found.

The table and its store (`SESSION_ENGINE`) ask each other which they belong to, so they are one
module, as Django's own description of sessions with a table of one's own has them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class Session(AbstractBaseSession):
    """One browser's session; `user` is who is logged in by it, as its data say too.

    Written by `SessionStore` alone.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        return SessionStore


class SessionStore(DatabaseStore):
    """Django's store for our table."""

    @classmethod
    def get_model_class(cls) -> Any:  # Django's stubs promise their own model
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        return row
