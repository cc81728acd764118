"""What the risk card says of changed rules, exemptions and accounts: whose two eyes are whose (B7).

Each line is there only where there is something to tell of the last 30 days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.models import RightsChange, User
from accounts.rights import LETS_IN, REMEMBERED, changed_since, lets_in, of_account_or
from accounts.words import counted
from exports.deciders import DECIDE, changes_exemption
from exports.models import ExportRequest, GateChange

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Door = RightsChange.Door
# The texts of `RightsChange.Door`, as whole sentences: of the reader, and of anybody else.
_YOU: dict[str, StrOrPromise] = {
    Door.CREATED: gettext_lazy(
        "You changed it in the last 30 days: you created the account, on %(moment)s."
    ),
    Door.INVITED: gettext_lazy(
        "You changed it in the last 30 days: you were shown an invitation link, on %(moment)s."
    ),
    Door.EMAIL: gettext_lazy(
        "You changed it in the last 30 days: you changed the e-mail address, on %(moment)s."
    ),
    Door.PASSWORD: gettext_lazy(
        "You changed it in the last 30 days: you set the password, on %(moment)s."
    ),
    Door.SET_ASSIGNED: gettext_lazy(
        "You changed it in the last 30 days: you assigned a permission set, on %(moment)s."
    ),
    Door.SET_EDITED: gettext_lazy(
        "You changed it in the last 30 days: you edited the permission set, on %(moment)s."
    ),
    Door.EDITED: gettext_lazy(
        "You changed it in the last 30 days: you edited the permissions, on %(moment)s."
    ),
    Door.MADE_SUPER_ADMIN: gettext_lazy(
        "You changed it in the last 30 days: you made the person a super admin, on %(moment)s."
    ),
    Door.REMOVED_SUPER_ADMIN: gettext_lazy(
        "You changed it in the last 30 days: you took super admin status away, on %(moment)s."
    ),
    Door.MADE_PARTNER_ADMIN: gettext_lazy(
        "You changed it in the last 30 days: you made the person a partner admin, on %(moment)s."
    ),
    Door.ENDED_PARTNER_ADMIN: gettext_lazy(
        "You changed it in the last 30 days: you took partner admin status away, on %(moment)s."
    ),
    Door.DEACTIVATED: gettext_lazy(
        "You changed it in the last 30 days: you deactivated the account, on %(moment)s."
    ),
    Door.REACTIVATED: gettext_lazy(
        "You changed it in the last 30 days: you reactivated the account, on %(moment)s."
    ),
}
_THEY: dict[str, StrOrPromise] = {
    Door.CREATED: gettext_lazy("%(name)s created the account, on %(moment)s."),
    Door.INVITED: gettext_lazy("%(name)s was shown an invitation link, on %(moment)s."),
    Door.EMAIL: gettext_lazy("%(name)s changed the e-mail address, on %(moment)s."),
    Door.PASSWORD: gettext_lazy("%(name)s set the password, on %(moment)s."),
    Door.SET_ASSIGNED: gettext_lazy("%(name)s assigned a permission set, on %(moment)s."),
    Door.SET_EDITED: gettext_lazy("%(name)s edited the permission set, on %(moment)s."),
    Door.EDITED: gettext_lazy("%(name)s edited the permissions, on %(moment)s."),
    Door.MADE_SUPER_ADMIN: gettext_lazy("%(name)s made the person a super admin, on %(moment)s."),
    Door.REMOVED_SUPER_ADMIN: gettext_lazy("%(name)s took super admin status away, on %(moment)s."),
    Door.MADE_PARTNER_ADMIN: gettext_lazy(
        "%(name)s made the person a partner admin, on %(moment)s."
    ),
    Door.ENDED_PARTNER_ADMIN: gettext_lazy(
        "%(name)s took partner admin status away, on %(moment)s."
    ),
    Door.DEACTIVATED: gettext_lazy("%(name)s deactivated the account, on %(moment)s."),
    Door.REACTIVATED: gettext_lazy("%(name)s reactivated the account, on %(moment)s."),
}


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
            gettext("Rules for exports"),
            gettext("Changed lately"),
            gettext("%(name)s changed them last, on %(moment)s.")
            % {"name": rules.actor.get_full_name(), "moment": _moment(rules)},
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
        given = last.gave and not _is_demotion(last)
        yield Figure(
            "exemption",
            gettext("Export without approval"),
            gettext("Given lately") if given else gettext("Taken lately"),
            _THEY[last.door] % {"name": who, "moment": _moment(last)},
            True,
        )
    yield from _let_in(changes, requester, reader)
    if mine := [change for change in of_requester if change.actor_id == reader.pk]:
        yield Figure(
            "relation",
            gettext("You and the requester"),
            gettext("Their account"),
            _YOU[mine[0].door] % {"moment": _moment(mine[0])},
            True,
        )
    if barred := {
        change.person.get_full_name()
        for change in changes
        if change.person is not None and change.actor_id == requester.pk
    }:
        yield Figure(
            "approvers",
            gettext("Approvers they changed"),
            counted(len(barred)),
            gettext(
                "May not decide on this, since the requester made or changed their account or "
                "right in the last 30 days: %(names)s."
            )
            % {"names": ", ".join(sorted(barred))},
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
    by = name
    if last.through:
        through = gettext("%(name)s, through %(other)s’s account,")
        by = through % {"name": name, "other": last.through.get_full_name()}
    detail = _THEY[last.door] % {"name": by, "moment": _moment(last)}
    if same:
        as_well = gettext(
            "%(name)s could log in as you as well: your account was made or opened by them."
        )
        detail = f"{detail} {as_well % {'name': name}}"
    yield Figure(
        "account",
        gettext("The requester’s account"),
        gettext("Same hands as yours") if same else gettext("Made or opened lately"),
        detail,
        True,
    )


def _is_status(change: RightsChange) -> bool:
    return change.door == RightsChange.Door.MADE_SUPER_ADMIN or _is_demotion(change)


def _is_demotion(change: RightsChange) -> bool:
    return change.door == RightsChange.Door.REMOVED_SUPER_ADMIN


def _moment(change: RightsChange | GateChange) -> str:
    return date_format(timezone.localtime(change.at), "LONG_TIME_FORMAT")
