"""Writing the audit log: one function, called inside the transaction of the change it records."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from django.db import connection, models, transaction
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy

from accounts import clock
from accounts.errors import NotAllowed
from accounts.models import AuditEvent, AuditText, User

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

P = ParamSpec("P")
T = TypeVar("T")

HASH_VERSION = 1
REFUSALS_PER_MINUTE = 30

origin: ContextVar[str | None] = ContextVar("origin", default=None)
"""The address the current request came from; None outside a request."""

agent: ContextVar[str] = ContextVar("agent", default="")
"""The browser the current request came from, as it names itself; empty outside a request."""

written: ContextVar[int] = ContextVar("written", default=0)
"""How many events the current request wrote, so that a page can say that nothing was changed."""


things: dict[str, StrOrPromise] = {
    "permission": gettext_lazy("Permission"),
    "person": gettext_lazy("User"),
    "policy": gettext_lazy("Policy file"),
    "session": gettext_lazy("Log-in"),
    "set": gettext_lazy("Permission set"),
    "team": gettext_lazy("Team"),
}
"""What actions are about, by the first part of their codes; upper floors add theirs."""

shown_data: list[Callable[[User, AuditEvent, dict[str, Any]], dict[str, Any]]] = []
"""A slot for upper floors: what of an event's data this reader may read (B6)."""


@dataclass(frozen=True, slots=True)
class System:
    """Code that acts for no person; it has a name, and the log keeps it (Q46, B14)."""

    name: str


Actor = User | System
A = TypeVar("A", bound=User | System)


waiting: list[Callable[[str], None]] = []
"""A slot for who lets steps wait for each other, by what each is called, before it begins."""


@contextmanager
def step(action: str, actor: A, on: models.Model | None = None) -> Iterator[A]:
    """Open an operation's transaction, give its actor as of now, and write down a refusal (B5, B7).

    The actor is read again: a right taken a moment ago, while the page was made, is gone here too
    (Q24), and so is one that is just being taken, where the step waits for that (`waiting`). A
    `NotAllowed` that takes the change back is recorded after the rollback, as `action` of `on`;
    where one operation calls another, as what was refused first.
    """
    try:
        with transaction.atomic():
            for wait in waiting:
                wait(action)
            yield cast("A", User.objects.get(pk=actor.pk)) if isinstance(actor, User) else actor
    except NotAllowed as refusal:
        if isinstance(actor, User):
            refusal.refused = refusal.refused or (action, actor, on)
            write_down(refusal)
        raise


@contextmanager
def together() -> Iterator[None]:
    """Open one transaction around operations, and write down what one of them refuses after it."""
    try:
        with transaction.atomic():
            yield
    except NotAllowed as refusal:
        write_down(refusal)
        raise


def write_down(refusal: Exception) -> None:
    """Record what an operation refused, unless the log has it still; nothing for other errors.

    Asked once more by whoever opened a transaction around operations: what they wrote down inside
    was taken back with it.
    """
    if not isinstance(refusal, NotAllowed) or refusal.refused is None:
        return
    depth = connection.in_atomic_block + len(connection.savepoint_ids)
    if refusal.depth is None or refusal.depth > depth:
        action, actor, on = refusal.refused
        record_refusal(action, actor=actor, code=refusal.code, on=on)
        refusal.depth = depth


def operation(action: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a function a named operation: one `step`, by the rights its actor has in it.

    `action` is what the log calls it: `person.change`, or `{object}.change` where the first
    argument is a record of some object.
    """

    def named(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            what = args[0] if args else None
            if isinstance(what, list | tuple) and len(what) == 1:
                what = what[0]  # of many at once, of which there is one
            on = what if isinstance(what, models.Model) else None
            name = action.format(object=on._meta.model_name) if on is not None else action
            actor = cast("Actor", kwargs["actor"])
            with step(name, actor, on) as kwargs["actor"]:
                return function(*args, **kwargs)

        return run

    return named


def digest(salt: str, text: str) -> str:
    """Return the salted SHA-256 of words a person wrote, in hex."""
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


def canonical(fields: dict[str, Any]) -> bytes:
    """Return the written-down form of an event that is hashed.

    JSON with sorted keys, no white space, UTF-8; times as ISO 8601 in UTC with microseconds;
    people by key. Neither the id nor the transaction is in it: the database gives both, and the
    seal over a batch covers them.
    """
    return json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def row_hash(event: AuditEvent) -> str:
    """Return the SHA-256 over an event's canonical form, in hex."""
    at: datetime = event.at
    return hashlib.sha256(
        canonical(
            {
                "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
                "actor": event.actor_id,
                "system": event.system,
                "real_actor": event.real_actor_id,
                "action": event.action,
                "object": event.object,
                "object_id": event.object_id,
                "ip": event.ip,
                "result": event.result,
                "data": event.data,
                "text_digest": event.text_digest,
                "hash_version": event.hash_version,
            }
        )
    ).hexdigest()


def record(
    action: str,
    *,
    actor: Actor,
    on: models.Model | None = None,
    object: str = "",
    object_id: str = "",
    result: str = "done",
    data: dict[str, Any] | None = None,
    text: str = "",
) -> AuditEvent:
    """Append one event; fails if the change it belongs to is not inside a transaction.

    `data` holds keys, counts and codes, never personal free text; words that a person wrote go
    into `text`, which alone can be erased. If this fails, the change fails with it.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "An event is part of its change's transaction."
        )
    person = actor if isinstance(actor, User) else None
    salt = secrets.token_hex(16) if text else ""
    event = AuditEvent(
        at=clock.database_now(),
        actor=person,
        system="" if isinstance(actor, User) else actor.name,
        action=action,
        object=on._meta.model_name or "" if on is not None else object,
        object_id=str(on.pk) if on is not None else object_id,
        ip=origin.get(),
        result=result,
        # Through JSON and back: what is hashed is what will be read.
        data=json.loads(json.dumps(data or {}, default=str)),
        text_digest=digest(salt, text) if text else "",
        hash_version=HASH_VERSION,
    )
    event.row_hash = row_hash(event)
    if connection.vendor == "postgresql":
        event.txid = RawSQL("pg_current_xact_id()::text::bigint", [])  # an expression on insert
    event.save(force_insert=True)
    written.set(written.get() + 1)
    if text:
        AuditText.objects.create(event=event, salt=salt, text=text)
    return event


def record_refusal(
    action: str, *, actor: User, code: str, on: models.Model | None = None
) -> AuditEvent | None:
    """Append a refusal in a transaction of its own, after the refused change was rolled back.

    At most `REFUSALS_PER_MINUTE` a person, so that a robot cannot flood the log; None beyond that.
    """
    with transaction.atomic():
        since = clock.database_now() - timedelta(minutes=1)
        recent = AuditEvent.objects.filter(actor=actor, result="refused", at__gte=since)
        if recent.count() >= REFUSALS_PER_MINUTE:
            return None
        model = on._meta.model_name or "" if on is not None else ""
        stored = on if on is not None and on.pk is not None else None
        data = {"code": code}
        return record(action, actor=actor, on=stored, object=model, result="refused", data=data)
