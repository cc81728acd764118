"""Taking a record out of the recycle bin, for whoever could delete it (E10)."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import access, audit
from accounts.access import RESTORE
from accounts.audit import Actor, System, operation
from accounts.models import User
from records.models import Record
from records.operations.kept import keep_reach
from records.reasons import not_allowed
from records.refusals import SAVED_MEANWHILE, NotFound, Stale

R = TypeVar("R", bound=Record)


def in_bin(model: type[R], user: User) -> QuerySet[R]:
    """Return what this person may restore, the latest first."""
    rows: QuerySet[R] = access.permitted(model._base_manager.all(), user, RESTORE)
    return rows.order_by("-deleted_at", "-pk")


@operation("{object}.restore")
def restore(record: R, *, actor: Actor, reason: str = "") -> R:
    """Take a record out of the bin, as it was when it was deleted; return it afresh.

    What was linked with it is so again. Raises `NotFound` for what does not lie in the bin or is
    out of reach, and `NotAllowed` with the reasons: the right to delete is asked for, and the stage
    it comes back into binds. A system actor passes and says why.
    """
    model = type(record)
    rows: QuerySet[R] = model._base_manager.filter(pk=record.pk)
    if isinstance(actor, User):
        stored = access.recycled(rows, actor).first()
        rows = access.permitted(rows, actor, RESTORE)
    else:
        stored = rows.exclude(deleted_at=None).first()
    if stored is None:
        raise NotFound("There is no such record in the recycle bin. It may be restored already.")
    if not rows.filter(version=stored.version).update(
        deleted_at=None,
        deleted_by=None,
        version=F("version") + 1,
        updated_at=timezone.now(),
        updated_by=actor if isinstance(actor, User) else None,
    ):
        if isinstance(actor, User) and not access.allows(actor, RESTORE, stored):
            raise not_allowed(actor, RESTORE, stored)
        raise Stale(SAVED_MEANWHILE)
    keep_reach(stored, {"deleted_at": None}, actor)
    data = {"reason": reason or actor.name} if isinstance(actor, System) else {}
    audit.record(f"{record.object_key}.restore", actor=actor, on=stored, data=data)
    return model._base_manager.get(pk=stored.pk)
