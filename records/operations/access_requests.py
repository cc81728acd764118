"""Asking to edit a record one only sees, and deciding about it (B15).

Whoever may share the record decides, by sharing it for a time: so nobody gives more than they hold,
and what is given ends by itself. Nothing here opens a record in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.urls import Resolver404, resolve, reverse
from django.utils.translation import gettext, gettext_lazy

from accounts import access, audit
from accounts.audit import operation
from accounts.models import Notice, User
from accounts.notices import notify
from accounts.text import BREAKS, one_form, trouble
from records import kinds
from records.models import SHARES, AccessRequest, Level, Record
from records.operations import sharing
from records.operations.writing import find_stored
from records.reasons import sentences_of
from records.refusals import Invalid, NotAllowed, NotFound, Stale
from records.rules import SHARED

PAGE = "admin:access_request"
LONGEST_TEXT = 500
MOST_WAITING = 20
S = AccessRequest.Status

ALREADY = gettext_lazy(
    "This request does not wait any more. Open it again to see what became of it."
)
GONE = gettext_lazy("There is no such request in your reach. It may have been withdrawn.")


@operation("{object}.request_access")
def request_access(record: Record, *, actor: User, reason: str) -> AccessRequest:
    """Ask whoever may share this record to let the actor edit it, and tell them.

    The owners who may share it are told, or else the super admins. Raises `NotFound` for a record
    out of reach, and `Invalid` where there is nothing to ask for, no reason, or the same request
    waits.
    """
    stored = find_stored(record, actor, lock=True)
    if stored.object_key not in SHARES:
        raise Invalid(gettext("Records of this kind cannot be shared. Ask a super admin."))
    if access.allows(actor, "change", stored):
        raise Invalid(gettext("You may edit this record already."))
    reason = _words(reason, gettext("Say what you need it for."))
    mine = AccessRequest.objects.filter(requester=actor, status=S.WAITING)
    if mine.filter(object=stored.object_key, record=stored.pk).exists():
        raise Invalid(
            gettext("You have asked for this already. You will be told when it is decided.")
        )
    if mine.count() >= MOST_WAITING:
        said = gettext(
            "You have %(count)s requests waiting. Withdraw one, or wait until some are decided."
        )
        raise Invalid(said % {"count": MOST_WAITING})
    made = AccessRequest.objects.create(
        requester=actor, object=stored.object_key, record=stored.pk, reason=reason
    )
    _record("request_access", made, stored, actor, reason=reason)
    _tell(
        asked(stored, actor),
        lambda: gettext("%(name)s requests to edit a %(kind)s.") % _parts(made, actor),
        made,
    )
    return made


def asked(record: Record, requester: User) -> list[User]:
    """Return whom a request is sent to: owners who may share the record, or else super admins."""
    keys = {getattr(record, f"{name}_id") for name in record.owner_fields} - {None, requester.pk}
    owners = User.objects.filter(pk__in=keys, is_active=True).order_by("pk")
    found = [owner for owner in owners if sharing.may_share(owner, record)]
    return found or list(
        User.objects.filter(is_active=True, is_superuser=True).exclude(pk=requester.pk)
    )


@operation("access_request.grant")
def grant(
    request: AccessRequest, *, actor: User, until: datetime | None, note: str = ""
) -> AccessRequest:
    """Share the record with the requester, to edit it, until this moment; None for no end.

    Raises `NotFound`, `NotAllowed` where the actor may not share it or asked themselves, `Invalid`
    where a share would not be enough, and `Stale` for a request that waits no more.
    """
    stored, record = _to_decide(request, actor)
    requester = stored.requester
    sharing.share(record, actor=actor, level=Level.EDIT, user=requester, until=until)
    answer = access.explain(requester, "change", record)
    if not answer.allowed:
        why = " ".join(sentences_of(answer, requester, "change", record, str(requester)))
        said = gettext("A share would not let %(name)s edit it. %(why)s")
        raise Invalid(said % {"name": requester, "why": why})
    done = _decided(stored, record, S.GRANTED, actor, note, until)
    _tell(
        [requester],
        lambda: gettext("%(name)s lets you edit the %(kind)s.") % _parts(stored, actor),
        done,
    )
    return done


@operation("access_request.decline")
def decline(request: AccessRequest, *, actor: User, note: str) -> AccessRequest:
    """Say no, with a reason for the requester; raises as `grant` does."""
    stored, record = _to_decide(request, actor)
    note = _words(note, gettext("Say why, or whom to ask instead."))
    done = _decided(stored, record, S.DECLINED, actor, note, None)
    _tell(
        [stored.requester],
        lambda: (
            gettext("%(name)s declined your request to edit a %(kind)s.") % _parts(stored, actor)
        ),
        done,
    )
    return done


@operation("access_request.withdraw")
def withdraw(request: AccessRequest, *, actor: User) -> None:
    """Take one's own request back; raises `NotFound`, or `Stale` where it was decided."""
    stored = AccessRequest.objects.filter(pk=request.pk, requester=actor).first()
    if stored is None:
        raise NotFound(str(GONE))
    _only_while_waiting(stored, status=S.WITHDRAWN)
    audit.record(
        "access_request.withdraw",
        actor=actor,
        object=stored.object,
        object_id=str(stored.record),
        data={"request": stored.pk},
    )


# --- Reading --------------------------------------------------------------------------------------


def seen(user: User, asked: QuerySet[AccessRequest]) -> QuerySet[AccessRequest]:
    """Return those of these requests that this person may read: own ones, and for their records."""
    return asked.filter(Q(requester=user) | _may_share(user, asked))


def to_decide(user: User) -> QuerySet[AccessRequest]:
    """Return the waiting requests of active people that this person may decide, oldest first."""
    waiting = AccessRequest.objects.filter(status=S.WAITING, requester__is_active=True)
    return waiting.filter(_may_share(user, waiting)).exclude(requester=user).order_by("id")


def records_of(requests: Iterable[AccessRequest], user: User) -> dict[int, Record]:
    """Return, by key of a request, its record where this person may view it; a query per kind."""
    wanted = list(requests)
    found: dict[tuple[str, int], Record] = {}
    for key in {each.object for each in wanted}:
        kind = kinds.named(key)
        if kind is not None:
            keys = [each.record for each in wanted if each.object == key]
            rows = access.permitted(kind.model._base_manager.filter(pk__in=keys), user, "view")
            found |= {(key, row.pk): row for row in rows}
    return {
        each.pk: found[each.object, each.record]
        for each in wanted
        if (each.object, each.record) in found
    }


def unreadable(user: User, notices: Sequence[Notice]) -> set[int]:
    """Return the notices about requests that this person may not read any more, by key.

    Fills the slot `accounts.notices.unreadable`. At most one query, however many there are.
    """
    about: dict[int, int] = {}
    for notice in notices:
        try:
            target = resolve(notice.link)
        except Resolver404:
            continue
        if target.view_name == PAGE:
            about[notice.pk] = target.kwargs["pk"]
    if not about:
        return set()
    told_of = AccessRequest.objects.filter(pk__in=set(about.values()))
    readable = set(seen(user, told_of).values_list("pk", flat=True))
    return {notice for notice, request in about.items() if request not in readable}


# --- Parts ----------------------------------------------------------------------------------------


def _may_share(user: User, requests: QuerySet[AccessRequest]) -> Q:
    """Hold for those of these requests whose records this person may share (`sharing.may_share`).

    Only their records are asked: PostgreSQL would make a table of all that the person may share.
    """
    found = Q(pk__in=())
    shared = (kind for kind in kinds.every() if kind.key in SHARES)
    for kind in shared:
        wanted = requests.filter(object=kind.key).values("record")
        rows = kind.model._base_manager.filter(pk__in=wanted)
        keys = access.permitted(rows, user, "change", without=(SHARED,)).values("pk")
        found |= Q(object=kind.key, record__in=keys)
    return found


def _to_decide(request: AccessRequest, actor: User) -> tuple[AccessRequest, Record]:
    """Return a waiting request as stored, and its record, for whoever may decide about it."""
    asked_for = AccessRequest.objects.filter(pk=request.pk)
    stored = seen(actor, asked_for).select_related("requester").first()
    record = records_of([stored], actor).get(stored.pk) if stored else None
    if stored is None or record is None:
        raise NotFound(str(GONE))
    if stored.requester == actor:
        raise NotAllowed(gettext("Nobody decides about their own request."), "self")
    if not stored.is_waiting:
        raise Stale(str(ALREADY))
    return stored, record


def _decided(
    request: AccessRequest,
    record: Record,
    status: str,
    actor: User,
    note: str,
    until: datetime | None,
) -> AccessRequest:
    note = _words(note)
    values = {"decided_by": actor, "decided_at": Now(), "note": note, "until": until}
    _only_while_waiting(request, status=status, **values)
    step = "grant" if status == S.GRANTED else "decline"
    _record(f"{step}_access", request, record, actor, user=request.requester_id, note=note)
    return request


def _only_while_waiting(request: AccessRequest, **values: Any) -> None:
    """Change a request's row if it still waits; Stale where somebody was faster."""
    if not AccessRequest.objects.filter(pk=request.pk, status=S.WAITING).update(**values):
        raise Stale(str(ALREADY))


def _record(step: str, made: AccessRequest, record: Record, actor: User, **data: Any) -> None:
    about = {"request": made.pk, **data}
    audit.record(f"{record.object_key}.{step}", actor=actor, on=record, data=about)


def _tell(people: Iterable[User], text: Callable[[], str], request: AccessRequest) -> None:
    """Tell people a sentence without a word of the record or of the reason (L88)."""
    notify(
        people,
        text,
        reverse(PAGE, args=[request.pk]),
        subject=lambda: gettext("A request for access"),
        mail=lambda: gettext("There is news of a request for access."),
        place=lambda: gettext("Requests for access"),
    )


def _parts(request: AccessRequest, actor: User) -> dict[str, str]:
    """Return who did something and what kind of record it was about, in the language of now."""
    kind = kinds.named(request.object)
    return {"name": actor.get_full_name(), "kind": kind.noun if kind else gettext("record")}


def _words(text: str, missing: str = "") -> str:
    """Return what a person wrote, in one form; raises where it cannot be kept or is missing."""
    text = one_form(text.strip())
    if found := trouble(text, allowed=BREAKS):
        raise Invalid(found)
    if missing and not text:
        raise Invalid(missing)
    if len(text) > LONGEST_TEXT:
        raise Invalid(gettext("Write at most %(count)s characters.") % {"count": LONGEST_TEXT})
    return text
