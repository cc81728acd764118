"""Creating, changing and deleting a record, and reading one highly sensitive value of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from accounts import access, audit
from accounts.audit import Actor, System, operation
from accounts.models import SentForm, User
from accounts.sent_forms import made_by, remember
from accounts.text import one_form
from records import kinds
from records.models import Record
from records.models.properties import field_access
from records.operations.afterwards import above_themselves, check_reach, check_sight, refuse_circle
from records.operations.checking import (
    cannot_be_changed,
    check_fields,
    check_owners,
    check_relations,
    check_unset,
    editable_fields,
    raw,
)
from records.operations.writing import find_stored, owners_of, write_stored
from records.refusals import Invalid, NotAllowed, NotFound
from records.rules import SHARED

R = TypeVar("R", bound=Record)


def create(
    record: R, *, actor: Actor, confirm_hand_over: bool = False, token: UUID | None = None
) -> R:
    """Save a new record; in a locked stage too, once that is confirmed (Q40).

    Raises `NotAllowed`, `Invalid`, or `HandOver` where the creator would not see the record, or
    would be kept from editing it by its stage, and has not confirmed it. A `token` asks for one
    record however often it is sent: whoever comes second gets the record of the first.
    """
    try:
        return _create(record, actor=actor, confirm_hand_over=confirm_hand_over, token=token)
    except IntegrityError:
        # Both came at the same moment; the database let one through.
        if not isinstance(actor, User) or (sent := made_by(token, actor)) is None:
            raise
        return _the_same(sent, record)


@operation("{object}.create")
def _create(record: R, *, actor: Actor, confirm_hand_over: bool, token: UUID | None) -> R:
    model = type(record)
    for field in editable_fields(model):
        setattr(record, field.attname, one_form(raw(record, field.name)))
    if isinstance(actor, User) and not access.allows_any(actor, "add", model):
        raise NotAllowed(f"You may not create {kinds.of(model).nouns}.", "no_scope")
    if isinstance(actor, User) and (sent := made_by(token, actor)):
        return _the_same(sent, record)
    now = timezone.now()
    person = actor if isinstance(actor, User) else None
    record.created_at = record.updated_at = now
    record.created_by = record.updated_by = person
    check_unset(record, actor)
    check_relations(record, [field.name for field in editable_fields(model)], actor)
    check_fields(record, [field.name for field in editable_fields(model)])
    check_owners(record, record.owner_fields)
    record.save(force_insert=True)
    if person is not None and not confirm_hand_over:
        check_sight(record, person)
    if person is not None:
        remember(token, person, record)
    audit.record(f"{record.object_key}.create", actor=actor, on=record, data=owners_of(record))
    return record


def _the_same(sent: SentForm, record: R) -> R:
    """Return what the form made before; raise where it was filled in anew since."""
    model = type(record)
    rows: QuerySet[R] = model._base_manager.filter(pk=sent.object_id)
    made = rows.first() if sent.object == model._meta.model_name else None
    if made is None or any(
        raw(made, field.name) != raw(record, field.name) for field in editable_fields(model)
    ):
        raise Invalid(
            "This form was saved already. Open the list to see what it made; to make another one, "
            "start with an empty form."
        )
    return made


@operation("{object}.change")
def change(
    record: R,
    *,
    actor: Actor,
    values: Mapping[str, Any],
    version: int,
    confirm_hand_over: bool = False,
    reason: str = "",
) -> R:
    """Write these fields of the stored record, if it still has this version; return it afresh.

    Raises `NotFound`, `NotAllowed` with the reasons, `Stale`, `Invalid`, or `HandOver` where the
    actor could not edit the record any more and has not confirmed it. Edit that comes only from a
    share never changes an owner (L52). A system actor passes a locked stage and says why (`reason`,
    R109 a).
    """
    model = type(record)
    fields = field_access(actor, model)
    editable = {field.name for field in editable_fields(model)} - fields.closed
    if unknown := set(values) - editable:
        raise Invalid(cannot_be_changed(unknown))
    before = find_stored(record, actor)
    after = model._base_manager.get(pk=before.pk)
    for name, value in values.items():
        setattr(after, name, one_form(value))
    # What stays dots for the actor is always written: that nothing was would tell them the value.
    changed = sorted(n for n in values if n in fields.veiled or raw(after, n) != raw(before, n))
    if not changed and (isinstance(actor, System) or access.allows(actor, "change", before)):
        return before  # nothing to write or to log, whatever version was read: a second click
    check_relations(after, changed, actor)
    check_fields(after, changed)
    owners = [name for name in changed if name in model.owner_fields]
    check_owners(after, owners)
    written = {name: getattr(after, name) for name in changed}
    write_stored(before, actor, "change", version, written, without=(SHARED,) if owners else ())
    if "parent" in changed and above_themselves(model, [before.pk]):
        refuse_circle(before, after, actor)
    check_reach(after, actor, confirm_hand_over)
    data: dict[str, Any] = {"fields": changed}
    for name in (*model.owner_fields, "stage"):
        if name in changed:
            data[name] = {"from": raw(before, name), "to": raw(after, name)}
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{record.object_key}.change", actor=actor, on=record, data=data)
    return model._base_manager.get(pk=record.pk)


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
    write_stored(before, actor, "delete", before.version if version is None else version, values)
    data = owners_of(before)
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{record.object_key}.delete", actor=actor, on=record, data=data)


@operation("{object}.reveal")
def reveal(record: Record, *, actor: User, name: str) -> Any:
    """Return one highly sensitive value of a record in reach, and write it down (E30).

    Raises `NotFound` for a record or a field out of their reach, absent ones included.
    """
    stored = find_stored(record, actor)
    if name not in field_access(actor, type(record)).veiled:
        raise NotFound("There is no such field in your reach.")
    audit.record(f"{record.object_key}.reveal", actor=actor, on=stored, data={"field": name})
    return getattr(stored, name)
