"""Changing one field of many records at once: what may not be changed stays, and is named (Q41)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils.translation import gettext, ngettext, pgettext

from accounts import access, audit
from accounts.audit import Actor
from accounts.marks import mark
from accounts.models import User
from accounts.text import one_form
from accounts.words import counted
from records import kinds
from records.guards import Refused, refused
from records.kinds import Field, Kind
from records.models import Record
from records.models.properties import field_access
from records.models.rules import SHARED
from records.operations.afterwards import IN_REACH
from records.operations.changes import becoming, raw
from records.operations.checking import cannot_be_changed, check, editable_fields
from records.operations.writing import Source, write
from records.refusals import OWNERS_STAY, HandOver, Invalid, NotAllowed, Stale

R = TypeVar("R", bound=Record)

MOST_AT_ONCE = 200
"""So many records are changed at once at most; the page names each of them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the records that were asked about, as far as the actor sees them."""

    changed: tuple[str, ...]
    """The names of those that have the value now and did not have it before."""
    unchanged: int
    """How many had it already."""
    refused: tuple[Refused, ...]
    """Those that the actor may not change, with the reasons."""


def offered_fields(actor: Actor, model: type[Record]) -> list[Field]:
    """Return the fields that the actor may give one value to in many records, as the form has them.

    Not what tells records apart: their names, and what must be unique.
    """
    kind, access_to = kinds.of(model), field_access(actor, model)
    closed = access_to.closed | access_to.veiled | set(model.name_fields)
    stored = {field.name for field in editable_fields(model)} - closed
    names = [*(name for row in kind.form for name in row), *model.owner_fields]
    return [kind.field(n) for n in names if n in stored and not kind.field(n).unique]


def change_many(
    kind: Kind,
    keys: Collection[int],
    *,
    actor: Actor,
    name: str,
    value: Any,
    as_opened: str,
    confirm_hand_over: str = "",
) -> Outcome:
    """Write this value into one field of each of these records that the actor may change.

    All of them, or none. Whatever is not in the actor's sight is as absent. Raises `Invalid` for
    a field or a value that cannot be given, `Stale` where one of the records is otherwise than the
    page showed it (`many_as_they_stand`), `NotAllowed` where not one of them may be changed, and
    `HandOver` where the actor would lose some and has not confirmed it by its mark.
    """
    with audit.step(f"{kind.key}.change_many", actor) as now:
        return _change_many(kind, keys, now, name, value, as_opened, confirm_hand_over)


def _change_many(
    kind: Kind,
    keys: Collection[int],
    actor: Actor,
    name: str,
    value: Any,
    as_opened: str,
    confirmed: str,
) -> Outcome:
    if len(keys) > MOST_AT_ONCE:
        raise Invalid(too_many())
    if name not in {field.name for field in offered_fields(actor, kind.model)}:
        raise Invalid(cannot_be_changed([name]))
    rows = seen(kind, keys, actor).select_for_update(of=("self",))
    found: list[Record] = list(rows.order_by("pk"))
    if as_opened != many_as_they_stand(found):
        raise Stale(
            gettext(
                "Somebody changed one of these records while you looked at them. Nothing was "
                "saved; look at the list below once more."
            )
        )
    left = not_changeable(kind, [each.pk for each in found], actor, name)
    stay = {each.pk for each in left}
    values = {name: one_form(value)}
    free = [becoming(each, values) for each in found if each.pk not in stay]
    changes = [each for each in free if each.differing]
    if changes:
        # The same value everywhere: what it is held to is asked of one of them.
        check(changes[0], actor)
        write([each.told() for each in changes], actor=actor, source=Source.CHANGE, confirmed=True)
        _ask_again(kind, [each.after for each in changes], actor, name, value, confirmed)
    elif left and not free:
        raise NotAllowed(gettext("You may not change any of these."), "many")
    names = tuple(str(each.after) for each in changes)
    return Outcome(names, len(free) - len(changes), tuple(left))


def seen(kind: Kind, keys: Collection[int], actor: Actor) -> QuerySet[Any]:
    """Return those of these records that the actor sees."""
    rows: QuerySet[Any] = kind.model._base_manager.filter(pk__in=list(keys), deleted_at=None)
    return access.permitted(rows, actor, "view") if isinstance(actor, User) else rows


def many_as_they_stand(records: Iterable[Record]) -> str:
    """Return a mark of these records as a page shows them before it asks what to do."""
    return mark(sorted((record.pk, record.version) for record in records))


def not_changeable(kind: Kind, keys: Collection[int], actor: Actor, name: str) -> list[Refused]:
    """Return those of these records, which the actor sees, in which this field stays as it is.

    A share that lets somebody edit does not let them change owners (L52).
    """
    rows = kind.model._base_manager.filter(pk__in=list(keys))
    found = refused(rows, actor=actor, action="change")
    if name in kind.model.owner_fields and isinstance(actor, User):
        stay = {each.pk for each in found}
        own = access.permitted(rows, actor, "change", without=(SHARED,))
        for record in rows.exclude(pk__in=stay).exclude(pk__in=own.values("pk")):
            found.append(Refused(record.pk, str(record), ("shared",), (str(OWNERS_STAY),)))
    return found


def too_many() -> str:
    """Return why so many records are not changed at once."""
    said = gettext("At most %(count)s records are changed at once. Narrow the list first.")
    return said % {"count": counted(MOST_AT_ONCE)}


def _ask_again(
    kind: Kind, after: Sequence[Record], actor: Actor, name: str, value: Any, confirmed: str
) -> None:
    """Ask of all that was written whether the actor can still edit it, in one query."""
    if not isinstance(actor, User):
        return
    rows = kind.model._base_manager.filter(pk__in=[each.pk for each in after])
    kept = set(access.permitted(rows, actor, "change").values_list("pk", flat=True))
    lost = sorted({each.pk for each in after} - kept)
    asked = mark([name, raw(after[0], name), lost])
    if not lost or confirmed == asked:
        return
    said = ngettext(
        "Change them? You will not be able to edit %(count)s of them any more.",
        "Change them? You will not be able to edit %(count)s of them any more.",
        len(lost),
    )
    follows, button = str(IN_REACH), pgettext("to do so", "Change and hand over")
    if name not in kind.model.owner_fields:
        follows = gettext("“%(stage)s” is a locked stage.") % {"stage": value}
        button = pgettext("to do so", "Move and lock")
    raise HandOver(said % {"count": counted(len(lost))}, follows, button, asked)
