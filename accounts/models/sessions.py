"""Open log-ins: Django's sessions, with whose each one is, so that a person's are found."""

from __future__ import annotations

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class Session(AbstractBaseSession):
    """One browser's session; `user` is who is logged in by it, as its data say too.

    Written by `accounts.session_store` alone.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        from accounts.session_store import SessionStore

        return SessionStore
