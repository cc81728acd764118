"""Log-ins and log-outs in the audit log: receivers of Django's own signals, nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction

from accounts import audit, session_limits
from accounts.models import User


def _record(action: str, user: Any) -> None:
    if isinstance(user, User):
        with transaction.atomic():
            audit.record(action, actor=user, on=user)


def logged_in(sender: Any, user: Any, **kwargs: Any) -> None:
    """Record that somebody logged in (E48)."""
    _record("session.login", user)


def logged_out(sender: Any, user: Any, **kwargs: Any) -> None:
    """Record that somebody logged out."""
    _record("session.logout", user)


def listen() -> None:
    """Connect the receivers; called once, when the app is ready."""
    user_logged_in.connect(session_limits.begin, dispatch_uid="session limits")
    user_logged_in.connect(logged_in, dispatch_uid="audit login")
    user_logged_out.connect(logged_out, dispatch_uid="audit logout")
