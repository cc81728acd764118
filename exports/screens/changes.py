"""What the risk card says of changed rules, exemptions and accounts: whose two eyes are whose (B7).

Each line is there only where there is something to tell of the last 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format

from accounts import access
from accounts.models import RightsChange, User
from accounts.rights import LETS_IN, REMEMBERED, changed_since, lets_in, of_account_or
from exports.deciders import DECIDE, changes_exemption
from exports.models import ExportRequest, GateChange


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the card; `unusual` is said in a word and by an icon, not by colour alone."""

    code: str
    label: str
    value: str
    detail: str
    unusual: bool = False
    url: str = ""
    known: bool = True
    """False where there is nothing to compare with, which is neither usual nor unusual."""


def figures(export: ExportRequest, reader: User) -> Iterator[Figure]:
    """Yield what was changed in the last 30 days: the rules, the exemption, whose account is whose.

    Whoever could log in as the requester is named to every decider.
    """
    gate = GateChange.objects.filter(at__gt=Now() - REMEMBERED, through=None)
    if rules := gate.select_related("actor").first():
        yield Figure(
            "rules",
            "Rules for exports",
            "Changed lately",
            f"{rules.actor.get_full_name()} changed them last, on {_day(rules)}.",
            True,
        )
    requester = export.requester
    theirs = Q(person=requester.pk) & (changes_exemption() | Q(tool="", actor=reader.pk))
    approvers = access.holders(DECIDE).values("pk")
    by_them = of_account_or(DECIDE) & Q(actor=requester.pk, person__in=approvers)
    both = [requester.pk, reader.pk]
    hands = lets_in() & Q(person__in=both) & ~Q(actor__in=both)
    found = changed_since(REMEMBERED).filter((Q(through=None) & (theirs | by_them)) | hands)
    changes = list(
        found.exclude(actor=requester.pk, person=requester.pk)
        .select_related("actor", "person", "through")
        .order_by("-at", "-id")
    )
    of_requester = [
        change
        for change in changes
        if change.person_id == requester.pk and change.through_id is None
    ]
    exemption = [change for change in of_requester if change.tool or _is_status(change)]
    if exemption:
        last = exemption[0]
        who = last.actor.get_full_name() if last.actor else last.system
        yield Figure(
            "exemption",
            "Export without approval",
            "Given lately" if last.gave and not _is_demotion(last) else "Taken lately",
            f"{who} {_how(last)}, on {_day(last)}.",
            True,
        )
    yield from _let_in(changes, requester, reader)
    if mine := [change for change in of_requester if change.actor_id == reader.pk]:
        yield Figure(
            "relation",
            "You and the requester",
            "Their account",
            f"You changed it in the last 30 days: you {_how(mine[0])}, on {_day(mine[0])}.",
            True,
        )
    if barred := {
        change.person.get_full_name()
        for change in changes
        if change.person is not None and change.actor_id == requester.pk
    }:
        yield Figure(
            "approvers",
            "Approvers they changed",
            str(len(barred)),
            f"May not decide on this, since the requester made or changed their account or right "
            f"in the last 30 days: {', '.join(sorted(barred))}.",
            True,
        )


def _let_in(changes: list[RightsChange], requester: User, reader: User) -> Iterator[Figure]:
    """Yield who could log in as the requester, and whether the same person could as the reader.

    What both did themselves is told by other lines.
    """
    found = [
        change
        for change in changes
        if change.door in LETS_IN
        and not change.tool
        and change.actor_id not in (None, requester.pk, reader.pk)
    ]
    theirs = [change for change in found if change.person_id == requester.pk]
    if not theirs:
        return
    into_mine = {change.actor_id for change in found if change.person_id == reader.pk}
    same = next((change for change in theirs if change.actor_id in into_mine), None)
    last = same or next((change for change in theirs if change.through is None), theirs[0])
    assert last.actor is not None  # asked for above
    name = last.actor.get_full_name()
    by = f"{name}, through {last.through.get_full_name()}’s account," if last.through else name
    detail = f"{by} {_how(last)}, on {_day(last)}."
    if same:
        detail += f" {name} could log in as you as well: your account was made or opened by them."
    yield Figure(
        "account",
        "The requester’s account",
        "Same hands as yours" if same else "Made or opened lately",
        detail,
        True,
    )


def _how(change: RightsChange) -> str:
    return str(RightsChange.Door(change.door).label)


def _is_status(change: RightsChange) -> bool:
    return change.door == RightsChange.Door.MADE_SUPER_ADMIN or _is_demotion(change)


def _is_demotion(change: RightsChange) -> bool:
    return change.door == RightsChange.Door.REMOVED_SUPER_ADMIN


def _day(change: RightsChange | GateChange) -> str:
    return date_format(timezone.localtime(change.at), "j F Y, H:i")
