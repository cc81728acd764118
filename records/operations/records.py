"""Creating, changing and deleting a record, and reading one highly sensitive value of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from accounts import access, audit
from accounts.audit import Actor, System, operation
from accounts.models import SentForm, User
from accounts.sent_forms import made_by, remember, wish_sha256
from accounts.text import one_form
from records import kinds
from records.models import Record
from records.models.properties import field_access
from records.operations.changes import Change, becoming, owners_of, raw
from records.operations.checking import check, check_unset, editable_fields, require_open
from records.operations.writing import Source, find_stored, write
from records.refusals import Invalid, NotAllowed, NotFound

R = TypeVar("R", bound=Record)


def create(
    record: R, *, actor: Actor, confirm_hand_over: bool | str = False, token: UUID | None = None
) -> R:
    """Save a new record; in a locked stage too, once that is confirmed (Q40).

    Raises `NotAllowed`, `Invalid`, or `HandOver` where the creator would not see the record, or
    would be kept from editing it by its stage, and has not confirmed it: by the `mark` of that
    `HandOver`, or by True whatever it asks. A `token` asks for one
    record however often it is sent: whoever comes second gets the record of the first.
    """
    for field in editable_fields(type(record)):
        setattr(record, field.attname, one_form(raw(record, field.name)))
    # Before anything is checked: checking puts values of other types into the instance.
    wish = _wish(record)
    try:
        return _create(
            record, actor=actor, confirm_hand_over=confirm_hand_over, token=token, wish=wish
        )
    except IntegrityError:
        # Both came at the same moment; the database let one through.
        if not isinstance(actor, User) or (sent := made_by(token, actor)) is None:
            raise
        return _the_same(sent, record, wish)


@operation("{object}.create")
def _create(
    record: R, *, actor: Actor, confirm_hand_over: bool | str, token: UUID | None, wish: str
) -> R:
    kind = kinds.of(type(record))
    if isinstance(actor, User) and not access.allows_any(actor, "add", kind.model):
        said = gettext("You may not create %(kinds)s.")
        raise NotAllowed(said % {"kinds": kind.nouns}, "no_scope")
    if isinstance(actor, User) and (sent := made_by(token, actor)):
        return _the_same(sent, record, wish)
    check_unset(record, actor)
    new = Change(None, record, [field.name for field in editable_fields(kind.model)])
    check(new, actor)
    write([new.told()], actor=actor, source=Source.CREATE, confirmed=confirm_hand_over)
    if isinstance(actor, User):
        remember(token, actor, record, wish=wish)
    return record


def _wish(record: Record) -> str:
    """Return the digest of what a form asks to be made."""
    sent = {field.attname: raw(record, field.name) for field in editable_fields(type(record))}
    return wish_sha256({"object": record.object_key, "fields": sent})


def _the_same(sent: SentForm, record: R, wish: str) -> R:
    """Return what the form made before; raise where it was filled in anew since.

    Compared with what was sent and not with the stored record: whoever made it may be kept from it
    by now, or from a field of it, and would learn its values by guessing (B6).
    """
    rows: QuerySet[R] = type(record)._base_manager.filter(pk=sent.object_id)
    made = rows.first() if sent.wish_sha256 == wish else None
    if made is None:
        raise Invalid(
            gettext(
                "This form was saved already. Open the list to see what it made; to make another "
                "one, start with an empty form."
            )
        )
    return made


@operation("{object}.change")
def change(
    record: R,
    *,
    actor: Actor,
    values: Mapping[str, Any],
    version: int,
    confirm_hand_over: bool | str = False,
    reason: str = "",
) -> R:
    """Write these fields of the stored record, if it still has this version; return it afresh.

    Raises `NotFound`, `NotAllowed` with the reasons, `Stale`, `Invalid`, or `HandOver` where the
    actor could not edit the record any more and has not confirmed it, as in `create`. Edit that
    comes only from a share never changes an owner (L52). A system actor passes a locked stage and
    says why (`reason`, R109 a).
    """
    fields = require_open(type(record), values, actor)
    before = find_stored(record, actor)
    sent = {name: one_form(value) for name, value in values.items()}
    wanted = becoming(before, sent, version=version)
    # What stays dots for the actor is always written: that nothing was would tell them the value.
    edit = wanted.only(wanted.differing | fields.veiled.intersection(sent))
    if not edit.names and (isinstance(actor, System) or access.allows(actor, "change", before)):
        return before  # nothing to write or to log, whatever version was read: a second click
    check(edit, actor)
    write(
        [edit.told()],
        actor=actor,
        source=Source.CHANGE,
        reason=reason,
        confirmed=confirm_hand_over,
    )
    return type(record)._base_manager.get(pk=record.pk)


@operation("{object}.delete")
def delete(record: Record, *, actor: Actor, version: int | None = None, reason: str = "") -> None:
    """Put a record into the recycle bin: absent for everybody from now on.

    A system actor passes a locked stage and says why (`reason`, R109 a).
    """
    before = find_stored(record, actor)
    values = {
        "deleted_at": timezone.now(),
        "deleted_by": actor if isinstance(actor, User) else None,
    }
    gone = becoming(before, values, event=owners_of(before), version=version)
    write([gone], actor=actor, source=Source.DELETE, reason=reason)


@operation("{object}.reveal")
def reveal(record: Record, *, actor: User, name: str) -> Any:
    """Return one highly sensitive value of a record in reach, and write it down (E30).

    Raises `NotFound` for a record or a field out of their reach, absent ones included.
    """
    stored = find_stored(record, actor)
    if name not in field_access(actor, type(record)).veiled:
        raise NotFound(gettext("There is no such field in your reach."))
    audit.record(f"{record.object_key}.reveal", actor=actor, on=stored, data={"field": name})
    return getattr(stored, name)
