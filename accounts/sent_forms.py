"""Pressing Save twice makes one thing: a token of the page says which form it was.

The database lets one row through for each person and token, so it holds for two presses at the
same moment too, on whatever machine they arrive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import models
from django.db.models.functions import Now

from accounts.models import SentForm, User

KEPT_FOR = timedelta(days=1)


def new_token() -> str:
    """Draw the token of a form that is shown now."""
    return str(uuid4())


def token_of(text: str | None) -> UUID | None:
    """Return the token that a posted text holds; None for anything else."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def wish_sha256(wish: Mapping[str, Any]) -> str:
    """Return a digest of what was sent with a form, by name."""
    return hashlib.sha256(json.dumps(wish, sort_keys=True, default=str).encode()).hexdigest()


def made_by(token: UUID | None, user: User) -> SentForm | None:
    """Return what this person's form made, if it was sent already."""
    if token is None:
        return None
    return SentForm.objects.filter(user=user, token=token).first()


def remember(token: UUID | None, user: User, made: models.Model, *, wish: str = "") -> None:
    """Keep what a form made, in the transaction that makes it.

    `wish` is the digest of what was sent, where another wish with the same token is told from it.
    Raises `IntegrityError` where the same form made something a moment ago.
    """
    if token is None:
        return
    SentForm.objects.filter(user=user, at__lt=Now() - KEPT_FOR).delete()
    SentForm.objects.create(
        user=user,
        token=token,
        object=made._meta.model_name or "",
        object_id=made.pk,
        wish_sha256=wish,
    )
