"""Writing down who changed whose account or rights: one function around every such operation.

What changed is read from the database before and after, not told by the operation: whatever a
later operation does to people or permission sets, it only has to say around whom it does it.
A test walks through the operations and finds the one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext, ngettext

from accounts import access, audit, catalogue
from accounts.addresses import page_address
from accounts.audit import Actor, System
from accounts.models import Deed, PermissionSet, RightsChange, User
from accounts.notices import one_line, tell_super_admins
from accounts.permission_history import kept
from accounts.words import listed

Door = RightsChange.Door
REMEMBERED = timedelta(days=30)
"""For how long whoever made or changed somebody's account counts as acting through it."""

LETS_IN = (Door.CREATED, Door.INVITED, Door.EMAIL, Door.PASSWORD, Door.REACTIVATED)
"""The doors by which whoever uses them could log in as that person afterwards."""

Held = dict[int, frozenset[tuple[str, str]]]
"""The key of each person, or permission set → the guarded tools that they were given and that have
an effect. Both are kept: whoever lets a tool take effect changes it as much as who gives it."""
GIVEN, EFFECTIVE = "given", "effective"
READERS = {GIVEN: access.given_to, EFFECTIVE: access.holders}


def one_at_a_time(what: str) -> None:
    """Let changes of one sort wait for each other, until this transaction ends.

    Asked before anything is read. SQLite's transactions already do; on PostgreSQL it is no row
    that is locked, so that it holds for what is not there yet, and nobody else waits. Whoever
    decides by people's rights waits for changes of “rights”, so that one of both comes first.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"accounts.{what}"])


WAIT = frozenset({"person", "set", "team", "session", "permission", "policy"})
ALONE = frozenset({"person.choose_settings", "person.keep_list_place"})
"""What people do to their own account alone, and often."""


def wait_for_others(action: str) -> None:
    """Let steps that change people, sets and teams follow each other, in one order of locks.

    Whoever waits reads their own rights, and those of whom it is about, as they are afterwards.
    """
    if action.partition(".")[0] in WAIT and action not in ALONE:
        one_at_a_time("people")
        one_at_a_time("rights")


audit.waiting.append(wait_for_others)


@contextmanager
def changing(
    actor: Actor,
    door: Door,
    people: QuerySet[User],
    edited: PermissionSet | None = None,
    *,
    reason: str = "",
) -> Iterator[None]:
    """Write down what is done meanwhile to these people's accounts and rights, and tell of it.

    In the transaction of the change. `people` is asked before and after: whoever is created
    meanwhile is found. `edited` is the permission set that is written, where one is; its people
    were changed only as far as they hold other guarded tools than before. What else they and the
    set hold is kept by the permission history, with the `reason`.
    """
    one_at_a_time("rights")
    before, set_before = _held_by(people), _held_in(edited)
    own = PermissionSet.objects.filter(owner__in=people.order_by().values("pk"))
    with kept(actor, people=people, sets=own, edited=edited, reason=reason):
        yield
    after, set_after = _held_by(people), _held_in(edited)
    changed = list(_differences(before, after))
    rows = [_row(actor, door, tool, gave, person_id=key) for key, tool, gave in changed]
    if edited is None:
        rows += [_row(actor, door, "", True, person_id=key) for key in after]
        rows += _edits_before(people, changed)
    else:
        of_set = _differences(set_before, set_after)
        rows += [_row(actor, door, tool, gave, set_key=key) for key, tool, gave in of_set]
    RightsChange.objects.bulk_create(_with_those_behind(rows, actor))
    given = [(key, tool) for key, tool, gave in changed if gave]
    if given and isinstance(actor, User):
        _tell_super_admins(actor, door, given, edited)


def changed_since(since: timedelta, **whom: object) -> QuerySet[RightsChange]:
    """Return changes of the last days or hours, by the database's clock."""
    return RightsChange.objects.filter(at__gt=Now() - since, **whom)


def let_in(**whom: object) -> QuerySet[RightsChange]:
    """Return the changes of the last 30 days by which their actor could act as somebody.

    Whoever did so through another account is among them, in a row of their own (`through`).
    """
    return changed_since(REMEMBERED, **whom).filter(lets_in())


def let_in_by_others(since: timedelta = REMEMBERED, **whom: object) -> QuerySet[RightsChange]:
    """Return the changes of the last 30 days, or since then, by which one could act as another."""
    return changed_since(since, **whom).filter(lets_in()).exclude(actor=F("person"))


def lets_in() -> Q:
    """Hold for changes by which their actor, if it is a person, could act as somebody."""
    return Q(tool="", door__in=LETS_IN, actor__isnull=False)


def themselves_or_let_in(person: User) -> Q:
    """Hold for what this person did, or who could log in as them: both may be one and the same."""
    return Q(actor=person.pk) | Q(actor__in=let_in(person=person.pk).values("actor"))


def of_account_or(tool: str) -> Q:
    """Hold for changes of somebody's account itself, and of whether they hold this tool."""
    return Q(tool__in=("", tool))


def keep(table: type[Deed], actor: User, **what: Any) -> None:
    """Write down what somebody did, and once more for each one who may have acted through them."""
    table._default_manager.create(actor=actor, **what)
    table._default_manager.bulk_create(
        table(actor_id=other, through=actor, **what) for other in behind(actor)
    )


def behind(actor: Actor) -> list[int]:
    """Return who made or changed this person's account lately: they may be the one who acts."""
    if isinstance(actor, System):
        return []
    lately = changed_since(REMEMBERED, person=actor.pk, tool="", actor__isnull=False)
    return sorted(set(lately.exclude(actor=actor.pk).values_list("actor", flat=True)))


def _held_by(people: QuerySet[User]) -> Held:
    """Return each of these people with what they hold; one query."""
    held = access.ANYONE.once("guarded tools", _guarded_tools_held)
    names = {f"holds_{number}": holds for number, holds in enumerate(held.values())}
    rows = people.order_by().annotate(**names).values_list("pk", *names)
    return {
        key: frozenset(each for each, holds in zip(held, answers, strict=True) if holds)
        for key, *answers in rows
    }


def _guarded_tools_held() -> dict[tuple[str, str], Exists]:
    """Return whether the person of a row holds each guarded tool, in both ways."""
    return {
        (tool, how): Exists(READERS[how](tool).filter(pk=OuterRef("pk")))
        for tool in catalogue.GUARDED
        for how in READERS
    }


def _held_in(permission_set: PermissionSet | None) -> Held:
    """Return what somebody would hold who has this set and nothing else; one query."""
    if permission_set is None:
        return {}
    somebody = User(permission_set=permission_set)
    stored = somebody.grants.tools
    held = {(tool, GIVEN) for tool in catalogue.GUARDED if tool in stored}
    held |= {(t, EFFECTIVE) for t in catalogue.GUARDED if access.holds_tool(somebody, t)}
    return {permission_set.pk: frozenset(held)}


def _differences(before: Held, after: Held) -> Iterator[tuple[int, str, bool]]:
    """Yield whose, which tool, and whether it was given or taken."""
    for key, held in after.items():
        had = before.get(key, frozenset())
        gave = {tool for tool, _ in held - had}
        took = {tool for tool, _ in had - held}
        for tool in sorted(gave | took):
            yield key, tool, tool in gave


def _row(
    actor: Actor,
    door: Door,
    tool: str,
    gave: bool,
    *,
    person_id: int | None = None,
    set_key: int | None = None,
) -> RightsChange:
    return RightsChange(
        actor=actor if isinstance(actor, User) else None,
        system=actor.name if isinstance(actor, System) else "",
        door=door,
        person_id=person_id,
        set_key=set_key,
        tool=tool,
        gave=gave,
    )


def _edits_before(
    people: QuerySet[User], changed: list[tuple[int, str, bool]]
) -> Iterator[RightsChange]:
    """Return who had put that into the set which these people have now, as of when they did.

    Two share the work where one edits a set and another assigns it: each of them changed the right.
    """
    for key, tool, gave in changed:
        edits = RightsChange.objects.filter(
            set_key__in=people.filter(pk=key).values("permission_set"),
            person=None,
            tool=tool,
            gave=gave,
            actor__isnull=False,
        )
        latest = edits.order_by().values_list("actor", "set_key").annotate(Max("at"))
        for editor, set_key, at in latest:
            yield RightsChange(
                at=at,
                actor_id=editor,
                door=Door.SET_EDITED,
                person_id=key,
                set_key=set_key,
                tool=tool,
                gave=gave,
            )


def _with_those_behind(rows: Iterable[RightsChange], actor: Actor) -> Iterator[RightsChange]:
    """Return the rows, and the actor's own once more for each one who may act through them."""
    others = behind(actor)
    for row in rows:
        yield row
        if isinstance(actor, User) and row.actor_id == actor.pk:
            for other in others:
                yield RightsChange(
                    actor_id=other,
                    through=actor,
                    door=row.door,
                    tool=row.tool,
                    person_id=row.person_id,
                    set_key=row.set_key,
                    gave=row.gave,
                )


def _tell_super_admins(
    actor: User, door: Door, given: list[tuple[int, str]], edited: PermissionSet | None
) -> None:
    """Tell the other super admins who holds a guarded tool now, in one notice for all of them."""
    keys, tools = ({each[place] for each in given} for place in (0, 1))
    person = User.objects.get(pk__in=keys) if len(keys) == 1 else None
    link = page_address(PermissionSet, "change", edited.pk) if edited else ""
    if person:
        link = link or page_address(User, "change", person.pk)

    def told() -> str:
        text = gettext("%(actor)s gave %(name)s the permission %(permissions)s: %(how)s.")
        if person == actor:
            text = gettext("%(actor)s gave themselves the permission %(permissions)s: %(how)s.")
        elif person is None:
            text = ngettext(
                "%(actor)s gave %(count)s person the permission %(permissions)s: %(how)s.",
                "%(actor)s gave %(count)s people the permission %(permissions)s: %(how)s.",
                len(keys),
            )
        labels = (tool.label for key, tool in catalogue.TOOLS.items() if key in tools)
        return text % {
            "actor": actor.get_full_name(),
            "name": person.get_full_name() if person else "",
            "count": len(keys),
            "permissions": listed(labels),
            "how": gettext("%(how)s “%(set)s”") % {"how": door.label, "set": edited.name}
            if edited
            else door.label,
        }

    tell_super_admins(
        told,
        link,
        but=[actor.pk, *(key for key, _ in given)],
        subject=lambda: gettext("Somebody may approve, or export without approval, now"),
        mail=lambda: (
            gettext(
                "%(name)s gave somebody a permission that decides who takes data out. Look whether "
                "it "
                "is meant."
            )
            % {"name": one_line(actor.get_full_name())}
        ),
        place=lambda: gettext("People"),
    )
