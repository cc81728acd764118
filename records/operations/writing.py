"""The one writer: whatever becomes of a record's row passes `write`, by whichever operation.

Access is asked inside the UPDATE itself, of the stored row, and asked again of the result. Beside
it, and told so there, only `seed_bulk` inserts rows, and the time machine changes copies of some.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar

from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from accounts import access, audit
from accounts.access import ASSOCIATE, RESTORE
from accounts.audit import Actor, System
from accounts.models import User
from records.kinds import Kind
from records.models import Record
from records.models.rules import SHARED
from records.operations.afterwards import ask_again
from records.operations.changes import Change
from records.operations.kept import keep_reach
from records.reasons import not_allowed
from records.refusals import OWNERS_STAY, SAVED_MEANWHILE, NotAllowed, NotFound, RecordError, Stale

R = TypeVar("R", bound=Record)

AT_ONCE = 500
"""How many rows go into one statement."""


class Source(StrEnum):
    """What writes to a record."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    RESTORE = RESTORE
    ASSOCIATE = ASSOCIATE
    DISSOCIATE = "dissociate"
    IMPORT = "import"

    @property
    def action(self) -> str:
        """Return what somebody must be allowed to do with a stored record."""
        return _ACTIONS.get(self, self.value)

    @property
    def verb(self) -> str:
        """Return what the log calls it."""
        return "change" if self is Source.IMPORT else self.value


_ACTIONS = {Source.DISSOCIATE: ASSOCIATE, Source.IMPORT: "change"}


def write(
    changes: Sequence[Change[R]],
    *,
    actor: Actor,
    source: Source,
    reason: str = "",
    confirmed: bool | str = False,
) -> None:
    """Store what becomes of some records of one kind, in the caller's transaction: all, or none.

    A stored row is written if the actor may and it still has its version; of several rows, which
    the caller has locked, the version is not asked. What people write is asked again afterwards,
    unless they `confirmed` that the record leaves them (see `ask_again`). Values are not checked
    here. A system actor passes, and the log says why (`reason`).

    Raises `NotAllowed` with the reasons, `Stale`, `Invalid` for a circle of parents, or `HandOver`.
    """
    if not changes:
        return
    kind = changes[0].kind
    _stamp(changes, actor)
    new = [change.after for change in changes if change.before is None]
    kind.model._base_manager.bulk_create(new, AT_ONCE)
    stored = [change for change in changes if change.before is not None]
    if stored and _update(kind, stored, actor, source) != len(stored):
        raise _refusal(stored, actor, source)
    if source in (Source.CREATE, Source.CHANGE):
        for change in changes:
            ask_again(change, actor, confirmed)
    _keep_history(changes, actor, source)
    _tell(changes, actor, source, reason)


def _stamp(changes: Sequence[Change[R]], actor: Actor) -> None:
    now, person = timezone.now(), actor if isinstance(actor, User) else None
    for change in changes:
        after = change.after
        after.updated_at, after.updated_by = now, person
        if change.before is None:
            after.created_at, after.created_by = now, person


def _update(kind: Kind, changes: Sequence[Change[R]], actor: Actor, source: Source) -> int:
    """Write stored rows as far as the actor may, and return how many that were."""
    rows = _writable(kind, changes, actor, source)
    if len(changes) > 1:
        return _update_locked(rows, changes)
    (change,) = changes
    after, before = change.after, change.before
    assert before is not None
    version = before.version if change.version is None else change.version
    return rows.filter(pk=before.pk, version=version).update(
        **{name: getattr(after, name) for name in change.names},
        version=F("version") + 1,
        updated_at=after.updated_at,
        updated_by=after.updated_by,
    )


def _update_locked(rows: QuerySet[Any], changes: Sequence[Change[R]]) -> int:
    names = {name for change in changes for name in change.names}
    for change in changes:
        change.after.version += 1
    return rows.bulk_update(
        [change.after for change in changes],
        [*sorted(names), "version", "updated_at", "updated_by"],
        batch_size=AT_ONCE,
    )


def _writable(
    kind: Kind, changes: Sequence[Change[R]], actor: Actor, source: Source
) -> QuerySet[Any]:
    """Return the rows that the actor may write to like this; in the bin only what is restored."""
    rows: QuerySet[Any] = kind.model._base_manager.all()
    if source is not Source.RESTORE:
        rows = rows.filter(deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, source.action, without=_not_enough(changes))
    return rows


def _not_enough(changes: Sequence[Change[R]]) -> tuple[str, ...]:
    """Return what does not suffice to write this: edit only from a share changes no owner (L52)."""
    return (SHARED,) if any(change.owners for change in changes) else ()


def _refusal(changes: Sequence[Change[R]], actor: Actor, source: Source) -> RecordError:
    """Return why not all of these rows were written."""
    action, without = source.action, _not_enough(changes)
    for change in changes:
        before = change.before
        if not isinstance(actor, User) or before is None:
            continue
        if not access.allows(actor, action, before):
            return not_allowed(actor, action, before)
        if without and not access.allows(actor, action, before, without=without):
            return NotAllowed(str(OWNERS_STAY), "shared")
    return Stale(str(SAVED_MEANWHILE))


def _keep_history(changes: Sequence[Change[R]], actor: Actor, source: Source) -> None:
    """Write down what this made of the records, for whoever asks how they were.

    So far that is what decides who reaches them (E17). A history of properties is written here and
    nowhere else: by field from `before` to `after`, with the actor and the source.
    """
    keep_reach([change for change in changes if change.before is not None], actor)


def _tell(changes: Sequence[Change[R]], actor: Actor, source: Source, reason: str) -> None:
    """Append the events of these records to the log; a system actor's say why (R109 a)."""
    for change in changes:
        if change.event is None:
            continue
        data = dict(change.event)
        if isinstance(actor, System) and change.before is not None:
            data["reason"] = reason or actor.name
        action = f"{change.after.object_key}.{source.verb}"
        audit.record(action, actor=actor, on=change.after, data=data)


# --- Reading what is written to -------------------------------------------------------------------


def find_stored(record: R, actor: Actor, *, lock: bool = False) -> R:
    """Return the stored row, for whom it exists; locked, two who ask at once wait for each other.

    Raises `NotFound` where it is absent or hidden.
    """
    rows: QuerySet[R] = type(record)._base_manager.filter(pk=record.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    stored = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if stored is None:
        raise NotFound(
            gettext("There is no such record in your reach. It may have been moved or deleted.")
        )
    return stored


def find_in_bin(model: type[R], key: int, actor: Actor) -> R | None:
    """Return a row that lies in the recycle bin, and is out of sight for no other reason."""
    rows: QuerySet[R] = model._base_manager.filter(pk=key)
    if isinstance(actor, User):
        return access.recycled(rows, actor).first()
    return rows.exclude(deleted_at=None).first()
