"""Asking for what the product refused, and deciding about it (B15).

Whoever may share a record decides about it, by sharing it for a time; where a locked stage is in
the way, whoever may change the rule on stages excepts the requester from it for a time. So nobody
gives more than they hold, and what is given ends by itself. Rights on fields and the permission
*Export* are given where they always are, and here it is only said that they were. Nothing here
opens anything in another way, and nothing gives consent to an export.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from accounts import access, audit, clock
from accounts.access import EXPORT
from accounts.audit import Actor, System, operation
from accounts.models import User
from accounts.notices import notify
from accounts.text import BREAKS, one_form, trouble
from accounts.to_decide import Key
from records import kinds
from records.models import SHARES, AccessRequest, Level, Record
from records.models.properties import field_access
from records.operations import exceptions, sharing
from records.operations.asked_for import (
    KIND,
    PAGE,
    action_of,
    asked,
    asked_to_export,
    has_it_now,
    links_of,
    may_decide,
    read_field,
    readable,
    records_of,
    restricted_link,
    seen,
    super_admins,
    to_decide,
    viewed_kind,
)
from records.operations.writing import find_stored
from records.reasons import sentences_of
from records.refusals import Invalid, NotAllowed, NotFound, Stale

__all__ = [
    "KIND",
    "PAGE",
    "action_of",
    "asked",
    "decline",
    "grant",
    "has_it_now",
    "lapse_overdue",
    "links_of",
    "may_decide",
    "mine_waiting",
    "read_field",
    "readable",
    "records_of",
    "request_access",
    "request_export",
    "request_field",
    "request_linked",
    "restricted_link",
    "seen",
    "to_decide",
    "viewed_kind",
    "withdraw",
]

LONGEST_TEXT = 500
MOST_WAITING = 20
LAPSE_DAYS = 14
"""After so many days without a decision a request lapses, as one for an export does at first."""
SYSTEM = System("access requests")
S, A = AccessRequest.Status, AccessRequest.About

ALREADY = gettext_lazy(
    "This request does not wait any more. Open it again to see what became of it."
)
GONE = gettext_lazy("There is no such request in your reach. It may have been withdrawn.")
NOTHING_THERE = gettext_lazy("There is nothing to ask for under this address.")


# --- Asking ---------------------------------------------------------------------------------------


@operation("{object}.request_access")
def request_access(record: Record, *, actor: User, reason: str) -> AccessRequest:
    """Ask to edit this record, and tell whoever is nearest and may let them (`asked`).

    Raises `NotFound` for a record out of reach, and `Invalid` where there is nothing to ask for, no
    reason, or the same request waits.
    """
    stored = find_stored(record, actor, lock=True)
    if stored.object_key not in SHARES:
        raise Invalid(gettext("Records of this kind cannot be shared. Ask a super admin."))
    if access.allows(actor, "change", stored):
        raise Invalid(gettext("You may edit this record already."))
    made = _made(actor, reason, about=A.RECORD, object=stored.object_key, record=stored.pk)
    _record("request_access", made, stored, actor, made.reason)
    _tell_deciders(asked(stored, actor), made, actor)
    return made


@operation("{object}.ask_linked")
def request_linked(record: Record, *, actor: User, name: str, reason: str) -> AccessRequest:
    """Ask to view what this field of the record leads to, which is hidden from the actor (Q31).

    They learn nothing of it by asking, not even whether another link leads to the same. Raises
    `NotFound` for a record out of reach and where nothing is restricted there, and `Invalid` as
    `request_access` does.
    """
    stored = find_stored(record, actor, lock=True)
    linked = restricted_link(actor, stored, name)
    if linked is None:
        raise NotFound(str(NOTHING_THERE))
    way = {"via_object": stored.object_key, "via": stored.pk, "field": name}
    about = {"object": linked.object_key, "record": linked.pk}
    made = _made(actor, reason, same={"about": A.LINKED, **way}, about=A.LINKED, **about, **way)
    _record("ask_linked", made, stored, actor, made.reason, field=name)
    _tell_deciders(asked(linked, actor, "view"), made, actor)
    return made


@operation("access_request.ask_field")
def request_field(*, actor: User, object: str, name: str, reason: str) -> AccessRequest:
    """Ask to edit a field that the actor only reads, of whoever says who edits which field.

    Raises `NotFound` for a field that is hidden or absent, and `Invalid` as `request_access` does.
    """
    field, kind = read_field(actor, object, name), viewed_kind(actor, object)
    if field is None or kind is None:
        raise NotFound(str(NOTHING_THERE))
    if name not in field_access(actor, kind.model).fixed:
        raise Invalid(gettext("You may edit this field already."))
    made = _made(actor, reason, about=A.FIELD, object=object, field=name)
    _record_of_kind("ask_field", made, actor, made.reason, field=name)
    _tell_deciders(super_admins(but=actor), made, actor)
    return made


@operation("access_request.ask_export")
def request_export(*, actor: User, object: str, reason: str) -> AccessRequest:
    """Ask for the permission *Export*, of whoever may give it to the actor.

    It is asked for from one kind of record, which the actor must view: `NotFound` else, and
    `Invalid` as `request_access` raises it. Consent to an export is another matter, asked for then.
    """
    kind = viewed_kind(actor, object)
    if kind is None:
        raise NotFound(str(NOTHING_THERE))
    if access.allows_any(actor, EXPORT, kind.model):
        raise Invalid(gettext("You may export these records already."))
    made = _made(actor, reason, about=A.EXPORT, object=object)
    _record_of_kind("ask_export", made, actor, made.reason)
    _tell_deciders(asked_to_export(actor), made, actor)
    return made


def mine_waiting(actor: User, about: AccessRequest.About, **what: Any) -> AccessRequest | None:
    """Return the actor's own request about exactly this, where one waits."""
    mine = AccessRequest.objects.filter(requester=actor, status=S.WAITING, about=about)
    return mine.filter(**what).first()


def _made(
    actor: User, reason: str, *, same: dict[str, Any] | None = None, **about: Any
) -> AccessRequest:
    """Write a request down; raises where there is no reason, too many wait, or the same one does.

    `same` tells what is the same one, where that is not all that it is about.
    """
    reason = _words(reason, gettext("Say what you need it for."))
    # Locked, so that of two at the same moment the second finds the first.
    User.objects.select_for_update(of=("self",)).get(pk=actor.pk)
    mine = AccessRequest.objects.filter(requester=actor, status=S.WAITING)
    if mine.filter(**(same or about)).exists():
        raise Invalid(
            gettext("You have asked for this already. You will be told when it is decided.")
        )
    if mine.count() >= MOST_WAITING:
        said = gettext(
            "You have %(count)s requests waiting. Withdraw one, or wait until some are decided."
        )
        raise Invalid(said % {"count": MOST_WAITING})
    return AccessRequest.objects.create(requester=actor, reason=reason, **about)


# --- Deciding -------------------------------------------------------------------------------------


@operation("access_request.grant")
def grant(
    request: AccessRequest, *, actor: User, until: datetime | None, note: str = ""
) -> AccessRequest:
    """Give what was asked for, until this moment; None for no end, which only a share may have.

    A record is shared with the requester, to edit it, or they are excepted from the rule on its
    stage, or both; what a link leads to is shared to be viewed. For a field and for exports nothing
    is given here: it is said that they may by now, and refused where they may not. Raises
    `NotFound`, `NotAllowed` where the actor may not decide or asked themselves, `Invalid` where it
    would not be enough, and `Stale` for a request that waits no more.
    """
    stored, record = _to_decide(request, actor)
    if record is not None:
        _open(record, stored, actor, until)
    elif not has_it_now(stored):
        raise Invalid(str(_NOT_YET[A(stored.about)]) % _parts(stored, stored.requester))
    done = _decided(stored, record, S.GRANTED, actor, note, until if record else None)
    _tell([stored.requester], _GRANTED[A(stored.about)], done, actor)
    return done


def _open(record: Record, asked_for: AccessRequest, actor: User, until: datetime | None) -> None:
    """Open a record as far as the actor may; raises where that is too little for what was asked.

    By a share where nothing else is missing; and where nothing is, since that is what was asked.
    """
    requester, action, opened = asked_for.requester, action_of(asked_for), False
    locked = action == "change" and exceptions.is_locked_for(requester, record)
    if locked and exceptions.may_except(actor):
        if until is None:
            raise Invalid(
                gettext("Choose a last day: nobody is excepted from a locked stage for ever.")
            )
        exceptions.except_from_stage(record, actor=actor, user=requester, until=until)
        # Read afresh: what they hold was loaded before this.
        requester = User.objects.get(pk=requester.pk)
        opened = access.allows(requester, action, record)
    if not opened:
        level = Level.EDIT if action == "change" else Level.VIEW
        sharing.share(record, actor=actor, level=level, user=requester, until=until)
        requester = User.objects.get(pk=requester.pk)
    answer = access.explain(requester, action, record)
    if not answer.allowed:
        why = " ".join(sentences_of(answer, requester, action, record, str(requester)))
        said = gettext("A share would not let %(name)s edit it. %(why)s")
        if action == "view":
            said = gettext("A share would not let %(name)s see it. %(why)s")
        raise Invalid(said % {"name": requester, "why": why})


@operation("access_request.decline")
def decline(request: AccessRequest, *, actor: User, note: str) -> AccessRequest:
    """Say no, with a reason for the requester, or whom to ask; raises as `grant` does."""
    stored, record = _to_decide(request, actor)
    note = _words(note, gettext("Say why, or whom to ask instead."))
    done = _decided(stored, record, S.DECLINED, actor, note, None)
    _tell([stored.requester], _DECLINED[A(stored.about)], done, actor)
    return done


@operation("access_request.withdraw")
def withdraw(request: AccessRequest, *, actor: User) -> None:
    """Take one's own request back; raises `NotFound`, or `Stale` where it was decided."""
    stored = AccessRequest.objects.filter(pk=request.pk, requester=actor).first()
    if stored is None:
        raise NotFound(str(GONE))
    _only_while_waiting(stored, status=S.WITHDRAWN)
    _record_of_kind("withdraw", stored, actor)


def lapse_overdue() -> None:
    """End requests that nobody decided on in time, and tell who asked; a worker calls it."""
    limit = clock.database_now() - timedelta(days=LAPSE_DAYS)
    overdue = AccessRequest.objects.filter(status=S.WAITING, created_at__lte=limit)
    for request in overdue.select_related("requester"):
        _lapse(request)


@transaction.atomic
def _lapse(request: AccessRequest) -> None:
    """End one request, unless somebody decided meanwhile."""
    waiting = AccessRequest.objects.filter(pk=request.pk, status=S.WAITING)
    if waiting.update(status=S.LAPSED):
        _record_of_kind("lapse", request, SYSTEM)
        said = gettext_lazy("Nobody decided on your request for access in time. You may ask again.")
        _tell([request.requester], said, request, request.requester)


# --- Parts ----------------------------------------------------------------------------------------


def _to_decide(request: AccessRequest, actor: User) -> tuple[AccessRequest, Record | None]:
    """Return a waiting request as stored, for whoever may decide about it, and its record.

    Locked before its record and its requester are, by whatever step: of two who decide at the same
    moment the second waits, and neither waits for what the other one holds.
    """
    asked_for = AccessRequest.objects.filter(pk=request.pk)
    may_read = seen(actor, asked_for).exists()
    locked = asked_for.select_related("requester").select_for_update(of=("self",))
    stored = locked.first() if may_read else None
    record = records_of([stored], actor).get(stored.pk) if stored else None
    if stored is None or (record is None and stored.record is not None):
        raise NotFound(str(GONE))
    if stored.requester == actor:
        raise NotAllowed(gettext("Nobody decides about their own request."), "self")
    if not stored.is_waiting:
        raise Stale(str(ALREADY))
    return stored, record


def _decided(
    request: AccessRequest,
    record: Record | None,
    status: str,
    actor: User,
    note: str,
    until: datetime | None,
) -> AccessRequest:
    note = _words(note)
    values = {"decided_by": actor, "decided_at": Now(), "note": note, "until": until}
    _only_while_waiting(request, status=status, **values)
    step = "grant" if status == S.GRANTED else "decline"
    if record is not None:
        _record(f"{step}_access", request, record, actor, note, user=request.requester_id)
    else:
        _record_of_kind(step, request, actor, note, user=request.requester_id)
    return request


def _only_while_waiting(request: AccessRequest, **values: Any) -> None:
    """Change a request's row if it still waits; Stale where somebody was faster."""
    if not AccessRequest.objects.filter(pk=request.pk, status=S.WAITING).update(**values):
        raise Stale(str(ALREADY))


def _record(
    step: str, made: AccessRequest, record: Record, actor: User, text: str, **data: Any
) -> None:
    about = {"request": made.pk, **data}
    audit.record(f"{record.object_key}.{step}", actor=actor, on=record, data=about, text=text)


def _record_of_kind(
    step: str, made: AccessRequest, actor: Actor, text: str = "", **data: Any
) -> None:
    """Record what happened to a request where its record is not at hand, or where it has none."""
    audit.record(
        f"access_request.{step}",
        actor=actor,
        object=made.object,
        object_id="" if made.record is None else str(made.record),
        data={"request": made.pk, **data},
        text=text,
    )


_ASKED = {
    A.RECORD: gettext_lazy("%(name)s requests to edit a %(kind)s."),
    A.LINKED: gettext_lazy("%(name)s requests to see a %(kind)s."),
    A.FIELD: gettext_lazy("%(name)s requests to edit a field of %(kinds)s."),
    A.EXPORT: gettext_lazy("%(name)s requests to export %(kinds)s."),
}
_GRANTED = {
    A.RECORD: gettext_lazy("%(name)s lets you edit the %(kind)s."),
    A.LINKED: gettext_lazy("%(name)s lets you see the %(kind)s."),
    A.FIELD: gettext_lazy("%(name)s says that you may edit the field of %(kinds)s now."),
    A.EXPORT: gettext_lazy("%(name)s says that you may export %(kinds)s now."),
}
_DECLINED = {
    A.RECORD: gettext_lazy("%(name)s declined your request to edit a %(kind)s."),
    A.LINKED: gettext_lazy("%(name)s declined your request to see a %(kind)s."),
    A.FIELD: gettext_lazy("%(name)s declined your request to edit a field of %(kinds)s."),
    A.EXPORT: gettext_lazy("%(name)s declined your request to export %(kinds)s."),
}
_NOT_YET = {
    A.FIELD: gettext_lazy(
        "%(name)s may not edit this field yet. Change who may edit it first, then say so here."
    ),
    A.EXPORT: gettext_lazy(
        "%(name)s may not export %(kinds)s yet. Give them the permission Export first, then say so "
        "here."
    ),
}


def _tell_deciders(people: Iterable[User], made: AccessRequest, actor: User) -> None:
    _tell(people, _ASKED[A(made.about)], made, actor)


def _tell(people: Iterable[User], text: Any, request: AccessRequest, actor: User) -> None:
    """Tell people a sentence without a word of the record, the field or the reason (L88).

    `text` is put into the language of whoever reads it, and may name the actor and the kind.
    """
    notify(
        people,
        lambda: str(text) % _parts(request, actor),
        reverse(PAGE, args=[request.pk]),
        subject=lambda: gettext("A request for access"),
        mail=lambda: gettext("There is news of a request for access."),
        place=lambda: gettext("Requests for access"),
        about=Key(KIND, request.pk),
    )


def _parts(request: AccessRequest, actor: User) -> dict[str, str]:
    """Return who did something and what kind of record it was about, in the language of now."""
    kind = kinds.named(request.object)
    return {
        "name": actor.get_full_name(),
        "kind": kind.noun if kind else gettext("record"),
        "kinds": kind.nouns if kind else gettext("records"),
    }


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
