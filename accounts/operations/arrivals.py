"""Permissions that an upgrade brings: received by sets, decided on by a super admin (R103, Q25)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from accounts import arrivals, audit, catalogue
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, System, operation
from accounts.held import changes_of, held_in_each, write_permissions
from accounts.models import ArrivalPolicy, KnownPermission, PermissionSet, User
from accounts.notices import one_line, tell_super_admins
from accounts.operations.editing import edit_sets
from accounts.operations.frame import permissions_changing, require
from accounts.rights import Door, one_at_a_time

UPGRADE = System("upgrade")
"""Who gives sets what arrives on."""
PAGE = "admin:new_permissions"
ALREADY_DECIDED = gettext_noop(
    "This permission was decided on already. Nothing was saved; change the permission sets "
    "themselves."
)

on_all_on: list[Callable[[User], AbstractContextManager[None]]] = []
"""A slot for upper layers: entered around switching “all on” on, in its transaction.

From then on a permission can come into sets by itself, so it counts as a change of the rules."""


@operation("permission.arrive")
def receive_permissions(*, actor: System) -> list[KnownPermission]:
    """Make known what an upgrade brought, and give it to the sets that were there (R103, Q25).

    Own permissions of people get it like named sets. The first time of all, on a new installation,
    everything is known and nobody gets anything. Once more, or by another process at the same
    time, it does nothing. Return what arrived.
    """
    one_at_a_time("rights")
    known = set(KnownPermission.objects.values_list("key", flat=True))
    new = arrivals.unknown_names()
    if not known:
        KnownPermission.objects.bulk_create(
            KnownPermission(key=name, subject=arrivals.subject_of(name)) for name in new
        )
        return []
    if not new:
        return []
    all_on = ArrivalPolicy.objects.filter(pk=1, all_on=True).exists()
    found = [arrivals.arrival_of(name, all_on=all_on) for name in new]
    given = _give([each for each in found if each.is_on], known, actor)
    rows = KnownPermission.objects.bulk_create(
        KnownPermission(
            key=each.name,
            subject=arrivals.subject_of(each.name),
            arrived="on" if each.is_on else "off",
            sets=given.get(each.name, 0),
            to_review=each.to_review,
        )
        for each in found
    )
    audit.record(
        "permission.arrive",
        actor=actor,
        data={
            "on": [each.name for each in found if each.is_on],
            "off": [each.name for each in found if not each.is_on],
            "to_review": [each.name for each in found if each.to_review],
            "all_on": all_on,
        },
    )
    if any(each.to_review for each in found):
        _ask_super_admins(sorted({arrivals.subject_of(e.name) for e in found if e.to_review}))
    return rows


def _give(arriving: Sequence[arrivals.Arrival], known: set[str], actor: System) -> dict[str, int]:
    """Give each set what it gets of these; return how many sets got each."""
    counts: dict[str, int] = {}
    sets = list(PermissionSet.objects.order_by("pk"))
    held = held_in_each(each.pk for each in sets)
    names = [each.name for each in arriving]
    for each in sets:
        scopes, grants = held[each.pk]
        got = arrivals.received((scopes, grants), names, known)
        if not got:
            continue
        changes = changes_of(each, scopes, grants | got)
        people = User.objects.filter(permission_set=each)
        names_got = {grant.name for grant in got}
        why = sorted({found.because for found in arriving if found.name in names_got})
        reason = f"New with an upgrade: {'; '.join(why)}."
        with permissions_changing(actor, Door.SET_EDITED, people, each, reason=reason):
            write_permissions(each, changes)
            audit.record("set.receive", actor=actor, on=each, data=changes.data)
        for grant in got:
            counts[grant.name] = counts.get(grant.name, 0) + 1
    return counts


def _ask_super_admins(subjects: Sequence[str]) -> None:
    """Tell all super admins that there is something to decide on."""
    tell_super_admins(
        lambda: (
            gettext("New with an upgrade, and off until you decide who gets it: %(permissions)s.")
            % {"permissions": ", ".join(map(name_of_subject, subjects))}
        ),
        reverse(PAGE),
        subject=lambda: gettext("New permissions wait for your decision"),
        mail=lambda: gettext(
            "An upgrade brought permissions that arrived off. Decide who gets them."
        ),
        place=lambda: gettext("Settings, New permissions"),
    )


def name_of_subject(subject: str) -> str:
    """Return how a permission, or a kind of record, is called that is decided on as one."""
    if subject in catalogue.TOOLS:
        return str(catalogue.TOOLS[subject].label)
    kind = catalogue.object_kind(subject.partition(".")[2])
    return gettext("Records: %(kinds)s") % {"kinds": kind.plural} if kind else subject


# --- The review -----------------------------------------------------------------------------------


@operation("permission.decide")
def decide_arrival(
    subject: str,
    *,
    actor: Actor,
    sets: Iterable[PermissionSet] = (),
    changes: Mapping[str, Any] | None = None,
    reason: str = "",
    as_opened: str | None = None,
) -> list[str]:
    """Decide once on a permission that arrived off: give it to sets, or to none (Q25).

    `changes` are what `edit_sets` takes, and are made by it. Return in words what was narrowed.
    """
    require(actor, "change", KnownPermission)
    one_at_a_time("rights")
    waiting = KnownPermission.objects.waiting().filter(subject=subject)
    names = list(waiting.values_list("key", flat=True))
    if not isinstance(actor, User) or not waiting.update(decided_by=actor, decided_at=Now()):
        raise InvalidChange(gettext(ALREADY_DECIDED))
    chosen = list(sets)
    said = []
    if chosen and changes:
        said = edit_sets(chosen, actor=actor, changes=changes, reason=reason, as_opened=as_opened)
    audit.record(
        "permission.decide",
        actor=actor,
        data={"permissions": names, "sets": sorted(each.pk for each in chosen)},
        text="" if chosen else reason,
    )
    return said


# --- The switch -----------------------------------------------------------------------------------


def arrival_policy() -> ArrivalPolicy:
    """Return the switch as it stands now."""
    return ArrivalPolicy.objects.filter(pk=1).first() or ArrivalPolicy(pk=1)


@operation("permission.set_all_on")
def set_all_on(*, actor: Actor, all_on: bool, version: int) -> ArrivalPolicy:
    """Switch “HubSpot-compatible: all on”: how permissions of later upgrades arrive (Q25).

    What has arrived stays as it is. `version` is the one that was read: a form that is out of date
    changes nothing.
    """
    require(actor, "change", ArrivalPolicy)
    with ExitStack() as around:
        if all_on and isinstance(actor, User):
            one_at_a_time("rights")
            if not ArrivalPolicy.objects.filter(pk=1, all_on=True).exists():
                for enter in on_all_on:
                    around.enter_context(enter(actor))
        stored, _ = ArrivalPolicy.objects.get_or_create(pk=1)
        changed = stored.all_on != all_on
        rows = ArrivalPolicy.objects.filter(pk=1, version=version)
        if not rows.update(all_on=all_on, version=F("version") + int(changed)):
            text = gettext(
                "Somebody moved this switch while you had the page open. Nothing was saved; open "
                "it again to see how it stands."
            )
            raise InvalidChange(text)
        if changed:
            data = {"from": stored.all_on, "to": all_on}
            audit.record("permission.set_all_on", actor=actor, on=stored, data=data)
            _tell_of_switch(actor, all_on)
    return arrival_policy()


def _tell_of_switch(actor: Actor, all_on: bool) -> None:
    """Tell the other super admins who moved the switch."""
    if not isinstance(actor, User):
        return
    name = actor.get_full_name()

    def told() -> str:
        text = gettext(
            "%(name)s changed how new permissions arrive with an upgrade: by their risk from now "
            "on."
        )
        if all_on:
            text = gettext(
                "%(name)s changed how new permissions arrive with an upgrade: on by themselves "
                "from now on."
            )
        return text % {"name": name}

    tell_super_admins(
        told,
        reverse(PAGE),
        but=[actor.pk],
        subject=lambda: gettext("How new permissions arrive was changed"),
        mail=lambda: (
            gettext("%(name)s changed how new permissions arrive. Look whether it is meant.")
            % {"name": one_line(name)}
        ),
        place=lambda: gettext("Settings, New permissions"),
    )
