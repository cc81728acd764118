"""Linking a record from the other record's side, and ending that again (R109 b, Q45).

A deal's company is a field of the deal, so whoever edits the deal sets it there. From the company's
side it takes two rights: to edit the company, and to *associate* the deal, which is all that
editing it takes but for the rule on its stage (accounts/access.py). A locked deal is so still
linked, and every link is logged against it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import ForeignKey

from accounts import access, audit
from accounts.access import ASSOCIATE
from accounts.audit import Actor, System, operation
from accounts.models import User
from records.models import Record
from records.models.properties import field_access
from records.operations.checking import cannot_be_changed
from records.operations.writing import find_stored, write_stored
from records.reasons import not_allowed
from records.refusals import Invalid, Stale

R = TypeVar("R", bound=Record)


@operation("{object}.associate")
def associate(record: R, *, field: str, related: Record, actor: Actor, reason: str = "") -> R:
    """Fill `field` of a record, a link that is empty, with `related`; return the record afresh.

    Raises `NotFound` for a record out of reach, on either side; `NotAllowed` with the reasons,
    `Stale`, or `Invalid` for a field that the actor may not write and for a link that is taken:
    ending that one is the business of whoever may edit what it leads to, unless that lies in the
    recycle bin. A system actor says why.
    """
    link, before, other = _both_sides(record, field, related, actor)
    held = getattr(before, link.attname)
    if held == other.pk:
        return before  # nothing to write, and nothing to log
    if held is not None and in_bin(link, held, actor) is None:
        raise Invalid(
            f"“{before}” has another {link.verbose_name} already. Remove it there first, or change "
            "it on its own page."
        )
    return _write(before, link, other, actor, "associate", reason)


@operation("{object}.dissociate")
def dissociate(record: R, *, field: str, related: Record, actor: Actor, reason: str = "") -> R:
    """Empty `field` of a record, which leads to `related`; return the record afresh.

    Raises as `associate` does, and `Stale` where the link is no more.
    """
    link, before, other = _both_sides(record, field, related, actor)
    if getattr(before, link.attname) != other.pk:
        raise Stale(f"“{before}” is not linked with “{other}” any more. Nothing was changed.")
    return _write(before, link, other, actor, "dissociate", reason)


def in_bin(link: ForeignKey[Any, Any], key: int, actor: Actor) -> Record | None:
    """Return what a link leads to if it lies in the bin, out of sight for no other reason.

    Such a link can be ended or led elsewhere: nobody edits what lies in the bin.
    """
    related: type[Record] = link.related_model  # type: ignore[assignment]  # a kind of record
    rows = related._base_manager.filter(pk=key)
    if isinstance(actor, User):
        return access.recycled(rows, actor).first()
    return rows.exclude(deleted_at=None).first()


def _both_sides(
    record: R, field: str, related: Record, actor: Actor
) -> tuple[ForeignKey[Any, Any], R, Record]:
    """Return the link and both records as stored, if the actor may edit the other one."""
    model = type(record)
    links = {
        each.name: each
        for each in model._meta.concrete_fields
        if isinstance(each, ForeignKey) and each.related_model is type(related)
    }
    before, other = find_stored(record, actor), find_stored(related, actor)
    if field not in links or field in field_access(actor, model).closed or before == other:
        raise Invalid(cannot_be_changed([field]))
    # Locked, or it could be given away between this question and the link.
    other = type(related)._base_manager.select_for_update(of=("self",)).get(pk=other.pk)
    for action, side in (("change", other), (ASSOCIATE, before)):
        if isinstance(actor, User) and not access.allows(actor, action, side):
            raise not_allowed(actor, action, side)
    return links[field], before, other


def _write(
    before: R, link: ForeignKey[Any, Any], other: Record, actor: Actor, verb: str, reason: str
) -> R:
    value = other if verb == "associate" else None
    write_stored(before, actor, ASSOCIATE, before.version, {link.name: value})
    # Both sides: whoever reads the log of either finds the other.
    data: dict[str, Any] = {
        "field": link.name,
        "related": {"object": other.object_key, "id": other.pk},
    }
    replaced = getattr(before, link.attname)
    if verb == "associate" and replaced is not None:
        data["instead_of"] = replaced
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{before.object_key}.{verb}", actor=actor, on=before, data=data)
    return type(before)._base_manager.get(pk=before.pk)
