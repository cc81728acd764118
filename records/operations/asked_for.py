"""Requests for access as they are read: who may read and decide them, and whom they are sent to.

Who decides is asked of the readers of access.py alone: about a record whoever may share it, about a
field whoever lays down who edits fields, about exports whoever may give the requester *Export*.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from accounts import access
from accounts.access import EXPORT, Loaded
from accounts.delegation import Piece, lacks
from accounts.models import Membership, TeamReach, User
from records import kinds
from records.models import SHARES, AccessRequest, Property, Record
from records.models.properties import field_access
from records.models.rules import SHARED
from records.operations import sharing

PAGE = "admin:access_request"
KIND = "access_request"
"""What notices say of which kind of request they are about (`accounts.to_decide`)."""
MOST_ASKED = 10
"""To so many people at most a request is sent; more may find and decide it."""
TO_EXPORT = Piece("crm.export")
A = AccessRequest.About


# --- Whom a request is sent to --------------------------------------------------------------------


def asked(record: Record, requester: User, action: str = "change") -> list[User]:
    """Return whom a request to edit or view a record is sent to: the nearest who can help.

    Owners who may share it; else people of its owners' teams who may; else of the teams above; else
    the super admins, as where a share would not be enough.
    """
    if not _a_share_may_do(record, requester, action):
        return super_admins(but=requester)
    owners = {getattr(record, f"{name}_id") for name in record.owner_fields} - {None}
    theirs = Membership.objects.filter(user__in=owners).values("team")
    above = TeamReach.objects.filter(below__in=theirs).values("above")
    for near in (
        Q(pk__in=owners),
        Q(pk__in=Membership.objects.filter(team__in=theirs).values("user")),
        Q(pk__in=Membership.objects.filter(team__in=above).values("user")),
    ):
        people = access.who_can("change", record).filter(near).exclude(pk=requester.pk)
        # Of these, not who may only because it is shared with them.
        found = [each for each in people.order_by("pk") if set(each.reasons) - {SHARED}]
        if found := [each for each in found[:MOST_ASKED] if sharing.may_share(each, record)]:
            return found
    return super_admins(but=requester)


def _a_share_may_do(record: Record, requester: User, action: str) -> bool:
    """Tell whether nothing stands in the way but what a share brings."""
    found = access.explain(requester, action, record).findings
    return not {each.code for each in found if each.holds and not each.allows} - {"unseen"}


def asked_to_export(requester: User) -> list[User]:
    """Return whom a request to export is sent to: who may give it to them, else super admins."""
    people = access.who_can("change", requester).filter(is_superuser=False)
    near = people.filter(pk__in=access.holders(TO_EXPORT.key)).exclude(pk=requester.pk)
    found = [each for each in near.order_by("pk")[:MOST_ASKED] if _gives_export(each)]
    return found or super_admins(but=requester)


def super_admins(*, but: User) -> list[User]:
    """Return the active super admins, but for this person."""
    return list(User.objects.filter(is_active=True, is_superuser=True).exclude(pk=but.pk))


# --- Who reads and decides ------------------------------------------------------------------------


def seen(user: User, requests: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
    """Return those of these requests that this person may read: own ones, and those to decide."""
    return requests.filter(Q(requester=user) | _may_decide(user, requests))


def to_decide(user: User) -> QuerySet[AccessRequest]:
    """Return the waiting requests of active people that this person may decide, oldest first."""
    waiting = AccessRequest.objects.filter(
        status=AccessRequest.Status.WAITING, requester__is_active=True
    )
    return waiting.filter(_may_decide(user, waiting)).exclude(requester=user).order_by("id")


def may_decide(user: User, request: AccessRequest) -> bool:
    """Tell whether this person may decide about one request, which is not their own."""
    this = AccessRequest.objects.filter(pk=request.pk)
    return this.filter(_may_decide(user, this)).exclude(requester=user).exists()


def _may_decide(user: User, requests: QuerySet[AccessRequest]) -> Q:
    """Hold for those of these requests about which this person may decide.

    Only their records are asked: PostgreSQL would make a table of all that the person may share.
    """
    found = Q(pk__in=())
    shared = (kind for kind in kinds.every() if kind.key in SHARES)
    for kind in shared:
        wanted = requests.filter(object=kind.key, record__isnull=False).values("record")
        rows = kind.model._base_manager.filter(pk__in=wanted)
        keys = access.permitted(rows, user, "change", without=(SHARED,)).values("pk")
        found |= Q(object=kind.key, record__in=keys)
    if lays_down_fields(user):
        found |= Q(about=A.FIELD)
    if _gives_export(user):
        governed = access.permitted(User.objects.all(), user, "change")
        found |= Q(about=A.EXPORT, requester__in=governed.order_by().values("pk"))
    return found


def lays_down_fields(user: User) -> bool:
    """Tell whether this person says who edits which field."""
    return access.allows_any(user, "add", Property)


def _gives_export(user: User) -> bool:
    """Tell whether this person holds *Export* and may give it to others (R96)."""
    return user.is_active and not lacks(Loaded(user), TO_EXPORT)


# --- What requests are about ----------------------------------------------------------------------


def records_of(requests: Iterable[AccessRequest], user: User) -> dict[int, Record]:
    """Return, by key of a request, its record where this person may view it; a query per kind."""
    return _seen_of({each.pk: (each.object, each.record) for each in requests}, user)


def links_of(requests: Iterable[AccessRequest], user: User) -> dict[int, Record]:
    """Return, by key of a request to see what a link leads to, the record that has the link.

    Where this person may view it; a query per kind.
    """
    return _seen_of(
        {each.pk: (each.via_object, each.via) for each in requests if each.about == A.LINKED}, user
    )


def _seen_of(wanted: dict[int, tuple[str, int | None]], user: User) -> dict[int, Record]:
    """Return the records with these kinds and keys that this person may view; a query per kind."""
    found: dict[tuple[str, int | None], Record] = {}
    pairs = {pair for pair in wanted.values() if pair[1] is not None}
    for key in {key for key, _ in pairs}:
        kind = kinds.named(key)
        if kind is not None:
            keys = [record for of, record in pairs if of == key]
            rows = access.permitted(kind.model._base_manager.filter(pk__in=keys), user, "view")
            found |= {(key, row.pk): row for row in rows}
    return {key: found[pair] for key, pair in wanted.items() if pair in found}


def viewed_kind(user: User, key: str) -> kinds.Kind | None:
    """Return the kind of record with this key, where this person may view any of it."""
    kind = kinds.named(key)
    return kind if kind is not None and access.allows_any(user, "view", kind.model) else None


def read_field(user: User, key: str, name: str) -> kinds.Field | None:
    """Return the field with this name, None where it is absent or hidden from this person."""
    kind = viewed_kind(user, key)
    if kind is None or name in field_access(user, kind.model).hidden:
        return None
    return next((each for each in kind.fields if each.name == name and each.is_stored), None)


def action_of(request: AccessRequest) -> str:
    """Return what the requester wants to do to the record."""
    return "view" if request.about == A.LINKED else "change"


def restricted_link(user: User, record: Record, name: str) -> Record | None:
    """Return what a link of a record leads to where that is hidden from this person (Q31).

    None where the field is hidden or absent, leads nowhere, or to what they see, in the recycle bin
    or out of it: then nothing is restricted there.
    """
    field = read_field(user, record.object_key, name)
    related: Any = field.related if field else None
    if getattr(related, "object_key", None) not in SHARES:
        return None
    linked: Record | None = getattr(record, name)
    if linked is None or access.allows(user, "view", linked):
        return None
    in_bin = access.recycled(related._base_manager.filter(pk=linked.pk), user)
    return None if in_bin.exists() else linked


def has_it_now(request: AccessRequest) -> bool:
    """Tell whether the requester may do by now what they asked for; read afresh."""
    requester = User.objects.get(pk=request.requester_id)
    kind = kinds.named(request.object)
    if kind is None:
        return False
    if request.about == A.EXPORT:
        return access.allows_any(requester, EXPORT, kind.model)
    if request.about == A.FIELD:
        field = read_field(requester, request.object, request.field)
        return field is not None and field.name not in field_access(requester, kind.model).closed
    model: Any = kind.model
    return access.allows(requester, action_of(request), model(pk=request.record))


def readable(user: User, keys: QuerySet[Any]) -> QuerySet[Any]:
    """Return the keys of requests that this person may read, among these keys."""
    return seen(user, AccessRequest.objects.filter(pk__in=keys)).order_by().values("pk")
