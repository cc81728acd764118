"""Writing down what changes who reaches a record, where it is changed (E17)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts.audit import Actor, System
from accounts.models import User
from records.models import Pipeline, ReachChange, Record


def keep_reach(before: Record, values: Mapping[str, Any], actor: Actor) -> None:
    """Keep which of these new values of a record decide who reaches it, if they are others.

    `before` is the record as it was stored, `values` what was written, by names of fields.
    """
    deciding = (*before.owner_fields, "stage", "deleted_at")
    changes = []
    for name in deciding:
        if name not in values:
            continue
        field: Any = before._meta.get_field(name)  # a concrete field
        had, has = getattr(before, field.attname), values[name]
        had, has = (_plain(value) for value in (had, has))
        if had != has:
            changes.append(_change(before.object_key, before.pk, name, had, has, actor))
    ReachChange.objects.bulk_create(changes)


def keep_share(
    record: Record, receiver: str, before: dict[str, Any] | None, after: Any, actor: Actor
) -> None:
    """Keep a share of a record that was given, changed or ended (None)."""
    change = _change(
        record.object_key, record.pk, ReachChange.SHARE, before, after, actor, receiver
    )
    change.save(force_insert=True)


def keep_rule(pipeline: Pipeline, before: Any, after: Any, actor: Actor) -> None:
    """Keep what the rule on a pipeline's stages said, and says now, if that differs."""
    if before != after:
        change = _change(
            ReachChange.PIPELINE, pipeline.pk, ReachChange.STAGE_RULE, before, after, actor
        )
        change.save(force_insert=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON keeps it: a key of a row, a moment as text."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return getattr(value, "pk", value)


def _change(
    kind: str, key: int, fact: str, before: Any, after: Any, actor: Actor, receiver: str = ""
) -> ReachChange:
    return ReachChange(
        actor=actor if isinstance(actor, User) else None,
        system=actor.name if isinstance(actor, System) else "",
        object=kind,
        record=key,
        fact=fact,
        receiver=receiver,
        before=before,
        after=after,
    )
