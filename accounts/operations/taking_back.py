"""Taking a change of rights or teams back, while nothing newer touched the same values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from accounts import changes as permission_changes
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, operation
from accounts.marks import mark
from accounts.models import PermissionSet, RightsChange, Team, User
from accounts.operations.editing import (
    edit_permissions,
    edit_sets,
    permissions_as_they_stand,
    sets_as_they_stand,
)
from accounts.operations.memberships import set_teams, team_data
from accounts.operations.partner_admins import make_partner_admin, remove_partner_admin
from accounts.operations.sets import assign_set
from accounts.operations.super_admins import make_super_admin, remove_super_admin
from accounts.operations.teams import change_team
from accounts.rights import lets_in, one_at_a_time

REMOVES = {"super admin": remove_super_admin, "partner admin": remove_partner_admin}
OWN = "own"
"""In what `take_back` takes: the person had permissions of their own."""
Rows = Sequence[Mapping[str, Any]]


@operation("person.edit_permissions")
def take_back(of: str, rows: Rows, *, actor: Actor, stands: str) -> None:
    """Make what a change of the actor's touched what it was before, by the same rights.

    `of` and `rows` say what it was: of people or sets (“person”, “set”) the key, what it said
    (`before`: scopes and tools), and of a person the named set they had, None, or `OWN`; of
    “teams” the key of a person, their main team and the others; of a “place” the key of a team and
    of the one above it; of a “super admin” or a “partner admin” as of a person, and whether they
    `was` one. `stands` is
    what `as_touched` said after the change: where it says otherwise, nothing is taken back.
    """
    one_at_a_time("people")
    one_at_a_time("rights")
    now = as_touched(of, [row["key"] for row in rows], actor)
    if now != stands and now.partition(".")[0] == stands.partition(".")[0]:
        raise InvalidChange(
            gettext(
                "Since then somebody set a password or changed the log-in of a user whom this "
                "concerns, and could use what they get back. Nothing was taken back; look at it, "
                "then change it by its own page."
            )
        )
    if now != stands:
        raise InvalidChange(
            gettext(
                "Somebody changed these teams since, so nothing was taken back. Open them to see "
                "what they say now."
            )
            if of in ("teams", "place")
            else gettext(
                "Somebody changed these permissions since, so nothing was taken back. Open them to "
                "see what they say now."
            )
        )
    for row in rows:
        if of == "set":
            permission_set = PermissionSet.objects.get(pk=row["key"])
            edit_sets([permission_set], actor=actor, changes=_back(permission_set, row))
        elif of == "place":
            _hang_back(row, actor)
        else:
            _of_person(of, row, actor)


def as_touched(of: str, keys: Iterable[int], by: Actor) -> str:
    """Return a mark of the values that a change of this sort touches, as they are now.

    Behind a point is which change let others into one of these accounts last: what somebody gets
    back must not be for whoever set their password meanwhile, while they could do less. What was
    done by whoever takes it back counts for nothing, nor what super admins did, who may all of it.
    """
    keys = list(keys)
    return f"{_values(of, keys)}.{mark(_let_in_last(of, keys, by))}"


def _let_in_last(of: str, keys: list[int], by: Actor) -> int:
    """Return the key of the last such change; 0 where there was none."""
    rows = RightsChange.objects.filter(lets_in(), actor__is_superuser=False)
    if isinstance(by, User):
        rows = rows.exclude(actor=by)
    if of == "set":
        rows = rows.filter(person__permission_set__in=keys)
    elif of != "place":  # where a team hangs tells what people above see, and those in it
        rows = rows.filter(person__in=keys)
    return rows.order_by("-pk").values_list("pk", flat=True).first() or 0


def _values(of: str, keys: list[int]) -> str:
    if of == "set":
        return sets_as_they_stand(PermissionSet.objects.filter(pk__in=keys))
    if of == "place":
        rows = Team.objects.filter(pk__in=keys).order_by("pk")
        return mark(list(rows.values_list("pk", "parent")))
    people = list(User.objects.filter(pk__in=keys).order_by("pk"))
    if of == "teams":
        return mark([[person.pk, team_data(person)] for person in people])
    permissions = permissions_as_they_stand(people)
    if of == "person":
        return permissions
    status = [[each.pk, each.is_superuser, each.is_partner_admin] for each in people]
    return mark([permissions, status])


def _back(stored: PermissionSet | None, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the changes that make what a set says now what it said."""
    scopes, tools = row["before"]
    before = permission_changes.State(scopes, tuple(tools))
    return permission_changes.difference(permission_changes.stored(stored), before)


def _of_person(of: str, row: Mapping[str, Any], actor: Actor) -> None:
    person = User.objects.select_related("permission_set").get(pk=row["key"])
    if of == "teams":
        main, extra = _team(row["main"]), [_team(key) for key in row["extra"]]
        others = [team for team in extra if team is not None]
        set_teams(person, actor=actor, main_team=main, extra_teams=others)
    elif of in REMOVES and not row["was"]:
        permission_set = PermissionSet.objects.named().get(pk=row["set"])
        REMOVES[of](person, actor=actor, permission_set=permission_set)
    else:
        if of == "super admin":
            make_super_admin(person, actor=actor)
        _rights_back(person, row, actor)
        if of == "partner admin":
            # Their set says again by now that they are an employee of the partner.
            make_partner_admin(person, actor=actor)


def _rights_back(person: User, row: Mapping[str, Any], actor: Actor) -> None:
    if row["set"] != OWN:
        named = PermissionSet.objects.filter(pk=row["set"]).first()
        assign_set(person, actor=actor, permission_set=named)
        return
    edit_permissions([person], actor=actor, changes=_back(person.permission_set, row))
    if "based_on" in row:
        # Detached from the set they had meanwhile, they would read as based on that one.
        based_on = PermissionSet.objects.filter(pk=row["based_on"]).first()
        PermissionSet.objects.filter(owner=person).update(based_on=based_on)


def _hang_back(row: Mapping[str, Any], actor: Actor) -> None:
    team = Team.objects.get(pk=row["key"])
    change_team(team, actor=actor, name=team.name, parent=_team(row["parent"]))


def _team(key: int | None) -> Team | None:
    if key is None:
        return None
    found = Team.objects.filter(pk=key).first()
    if found is None:
        text = gettext("One of the teams does not exist any more. Nothing was taken back.")
        raise InvalidChange(text)
    return found
