"""Writing down what changes who reaches a record, where it is changed (E17)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.audit import Actor, System
from accounts.models import User
from records.models import Pipeline, ReachChange, Record
from records.operations.changes import Change


def keep_reach(written: Iterable[Change[Any]], actor: Actor) -> None:
    """Keep what decides who reaches these stored records, where it is something else now."""
    changes = []
    for each in written:
        record = each.after
        for name in (*record.owner_fields, "stage", "deleted_at"):
            if name not in each.names:
                continue
            had, has = map(_plain, each.ends(name))
            if had != has:
                changes.append(_change(record.object_key, record.pk, name, had, has, actor))
    ReachChange.objects.bulk_create(changes)


def keep_share(
    record: Record, receiver: str, before: dict[str, Any] | None, after: Any, actor: Actor
) -> None:
    """Keep a share of a record that was given, changed or ended (None)."""
    change = _change(
        record.object_key, record.pk, ReachChange.SHARE, before, after, actor, receiver
    )
    change.save(force_insert=True)


def keep_exception(
    record: Record, receiver: int, before: dict[str, Any] | None, after: Any, actor: Actor
) -> None:
    """Keep an exception from a rule on stages that was made, changed or ended (None)."""
    fact = ReachChange.STAGE_EXCEPTION
    who = f"user:{receiver}"
    change = _change(record.object_key, record.pk, fact, before, after, actor, who)
    change.save(force_insert=True)


def keep_rule(pipeline: Pipeline, before: Any, after: Any, actor: Actor) -> None:
    """Keep what the rule on a pipeline's stages said, and says now, if that differs."""
    if before != after:
        change = _change(
            ReachChange.PIPELINE, pipeline.pk, ReachChange.STAGE_RULE, before, after, actor
        )
        change.save(force_insert=True)


def _plain(value: Any) -> Any:
    """Return a value as JSON keeps it: a moment as text."""
    return value.isoformat() if hasattr(value, "isoformat") else value


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
