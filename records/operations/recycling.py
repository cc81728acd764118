"""Taking a record out of the recycle bin, for whoever could delete it (E10)."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import access
from accounts.access import RESTORE
from accounts.audit import Actor, operation
from accounts.models import User
from records.models import Record
from records.operations.changes import becoming
from records.operations.writing import Source, find_in_bin, write
from records.refusals import NotFound

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
    stored = find_in_bin(model, record.pk, actor)
    if stored is None:
        raise NotFound(
            gettext("There is no such record in the recycle bin. It may be restored already.")
        )
    values = {"deleted_at": None, "deleted_by": None}
    write([becoming(stored, values, event={})], actor=actor, source=Source.RESTORE, reason=reason)
    return model._base_manager.get(pk=stored.pk)
