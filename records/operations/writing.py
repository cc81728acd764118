"""Reading and writing the stored row of a record: access is asked inside the UPDATE itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import access
from accounts.audit import Actor
from accounts.models import User
from records.models import Record
from records.operations.checking import raw
from records.operations.kept import keep_reach
from records.reasons import not_allowed
from records.refusals import OWNERS_STAY, SAVED_MEANWHILE, NotAllowed, NotFound, Stale

R = TypeVar("R", bound=Record)


def owners_of(record: Record) -> dict[str, Any]:
    return {name: raw(record, name) for name in record.owner_fields}


def find_stored(record: R, actor: Actor) -> R:
    """Return the stored row, for whom it exists."""
    rows: QuerySet[R] = type(record)._base_manager.filter(pk=record.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    stored = rows.first()
    if stored is None:
        raise NotFound("There is no such record in your reach. It may have been moved or deleted.")
    return stored


def write_stored(
    before: Record,
    actor: Actor,
    action: str,
    version: int,
    values: Mapping[str, Any],
    without: Collection[str] = (),
) -> None:
    """Update the stored row if the actor may and it still has this version.

    `without`: codes of granting rules that are not enough for this, as in `access.rules_for`.
    """
    rows = type(before)._base_manager.filter(pk=before.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, action, without=without)
    if rows.filter(version=version).update(
        **values,
        version=F("version") + 1,
        updated_at=timezone.now(),
        updated_by=actor if isinstance(actor, User) else None,
    ):
        keep_reach(before, values, actor)
        return
    if isinstance(actor, User) and not access.allows(actor, action, before):
        raise not_allowed(actor, action, before)
    if isinstance(actor, User) and not access.allows(actor, action, before, without=without):
        raise NotAllowed(OWNERS_STAY, "shared")
    raise Stale(SAVED_MEANWHILE)
