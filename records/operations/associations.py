"""Linking a record from the other record's side, and ending that again (R109 b, Q45).

A deal's company is a field of the deal, so whoever edits the deal sets it there. From the company's
side it takes two rights: to edit the company, and to *associate* the deal, which is all that
editing it takes but for the rule on its stage (accounts/access.py). A locked deal is so still
linked, and every link is logged against it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import ForeignKey
from django.utils.translation import gettext

from accounts import access
from accounts.access import ASSOCIATE
from accounts.audit import Actor, operation
from accounts.models import User
from records import kinds
from records.models import Record
from records.models.properties import field_access
from records.operations.changes import becoming
from records.operations.checking import cannot_be_changed
from records.operations.writing import Source, find_in_bin, find_stored, write
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
        said = gettext(
            "“%(record)s” has another %(field)s already. Remove it there first, or change it on "
            "its own page."
        )
        label = kinds.of(type(before)).field(link.name).label
        raise Invalid(said % {"record": before, "field": label})
    return _write(before, link, other, actor, Source.ASSOCIATE, reason)


@operation("{object}.dissociate")
def dissociate(record: R, *, field: str, related: Record, actor: Actor, reason: str = "") -> R:
    """Empty `field` of a record, which leads to `related`; return the record afresh.

    Raises as `associate` does, and `Stale` where the link is no more.
    """
    link, before, other = _both_sides(record, field, related, actor)
    if getattr(before, link.attname) != other.pk:
        said = gettext("“%(record)s” is not linked with “%(other)s” any more. Nothing was changed.")
        raise Stale(said % {"record": before, "other": other})
    return _write(before, link, other, actor, Source.DISSOCIATE, reason)


def in_bin(link: ForeignKey[Any, Any], key: int, actor: Actor) -> Record | None:
    """Return what a link leads to if it lies in the bin, out of sight for no other reason.

    Such a link can be ended or led elsewhere: nobody edits what lies in the bin.
    """
    related: type[Record] = link.related_model  # type: ignore[assignment]  # a kind of record
    return find_in_bin(related, key, actor)


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
    before: R, link: ForeignKey[Any, Any], other: Record, actor: Actor, source: Source, reason: str
) -> R:
    # Both sides: whoever reads the log of either finds the other.
    told: dict[str, Any] = {
        "field": link.name,
        "related": {"object": other.object_key, "id": other.pk},
    }
    replaced = getattr(before, link.attname)
    if source is Source.ASSOCIATE and replaced is not None:
        told["instead_of"] = replaced
    linked = {link.name: other if source is Source.ASSOCIATE else None}
    write([becoming(before, linked, event=told)], actor=actor, source=source, reason=reason)
    return type(before)._base_manager.get(pk=before.pk)
