"""Writing down what changes who reaches a record, where it is changed (E17)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from accounts.audit import Actor, System
from accounts.models import User
from records.models import Pipeline, ReachChange, Record
from records.operations.checking import raw


def keep_reach(written: Iterable[tuple[Record, Record, Collection[str]]], actor: Actor) -> None:
    """Keep what of these records decides who reaches them, where it is something else now.

    Of each, as it was stored and as it is now, with the names of the fields that were written.
    """
    changes = []
    for before, after, names in written:
        for name in (*before.owner_fields, "stage", "deleted_at"):
            if name not in names:
                continue
            had, has = _plain(raw(before, name)), _plain(raw(after, name))
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
