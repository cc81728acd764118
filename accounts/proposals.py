"""What each change of rights, teams or status says on the page that reviews it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Model

from accounts import changes, preview
from accounts.changes import State
from accounts.modeladmin import page_address
from accounts.models import Membership, PermissionSet, Team, User
from accounts.people import role_of
from accounts.review import Proposal

MOST_COMPARED = 5
"""Of so many different sets at most it is said how they differ from the one that is given."""
FOR_GOOD = "It cannot be taken back."


def page_of_row(row: Model) -> str:
    """Return the address of the page of a person, a team or a permission set."""
    return page_address(row, "change", row.pk)


def set_given(
    people: Sequence[User], permission_set: PermissionSet, *, actor: User, back: str
) -> Proposal:
    """Return the proposal to give people a permission set instead of what they have (E12, Q26)."""
    return Proposal(
        title="Give a permission set",
        heading=_for(people),
        said=[
            f"Permission set: {permission_set}, instead of {_roles(people)}.",
            *(
                ["For super admins it counts from the day they are one no more."]
                if any(each.is_superuser for each in people)
                else []
            ),
        ],
        more=_differences(people, changes.stored(permission_set), str(permission_set)),
        preview=lambda: preview.assignment(people, permission_set, actor=actor),
        button="Give the set",
        back=back,
    )


def new_set(values: Mapping[str, Any], people: Sequence[User], *, actor: User) -> Proposal:
    """Return the proposal to make a permission set, and give it to people (E11)."""
    scopes, tools = values["scopes"], values["tools"]
    state = changes.after(scopes, tools, {})
    lines = changes.in_words(changes.difference(changes.NOTHING, state))
    given = f"{_get(people)} it instead of {_roles(people)}." if people else ""
    return Proposal(
        title="New permission set",
        heading=f"“{values['name']}”",
        said=[*(lines or ["It allows nothing."]), *([given] if given else [])],
        more=_differences(people, state, values["name"]),
        preview=lambda: preview.set_created(scopes, tools, people, actor=actor),
        button="Create the set",
        back=page_address(PermissionSet, "changelist"),
    )


def set_changed(
    stored: PermissionSet, values: Mapping[str, Any], *, actor: User
) -> Proposal | None:
    """Return the proposal to change what a set says; None where nobody has it, or nothing differs.

    Its name and description are no rights.
    """
    before = changes.stored(stored)
    after = changes.after(values["scopes"], values["tools"], {})
    wanted = changes.difference(before, after)
    holders = stored.people.count()
    if not wanted or not holders:
        return None
    scopes, tools = values["scopes"], values["tools"]
    return Proposal(
        title=f"Permissions of “{stored.name}”",
        said=changes.in_words(wanted, before=before),
        preview=lambda: preview.set_as(stored, scopes, tools, actor=actor),
        back=page_of_row(stored),
        note="for the one person who has it"
        if holders == 1
        else f"for all {holders:,} people who have it",
    )


def set_deleted(
    permission_set: PermissionSet, replacement: PermissionSet | None, *, actor: User
) -> Proposal:
    """Return the proposal to delete a set whose people get another one (Q26)."""
    people = list(permission_set.people.all())
    state = changes.stored(replacement)
    return Proposal(
        title="Delete a permission set",
        heading=f"“{permission_set}” is deleted",
        said=[f"{_get(people)} {replacement} instead."],
        more=_differences(people, state, str(replacement)),
        preview=lambda: preview.set_deleted(permission_set, replacement, actor=actor),
        button="Delete",
        back=page_of_row(permission_set),
        last=FOR_GOOD,
    )


def super_admins_made(people: Sequence[User], *, actor: User, back: str) -> Proposal:
    """Return the proposal to make people super admins (R91)."""
    return Proposal(
        title="Make super admin",
        heading=_for(people),
        said=[
            "Super admins may see and do everything, approve exports, and change everybody’s "
            "permissions.",
            "If one task needs a super admin, it is safer to let an existing one do it.",
        ],
        preview=lambda: preview.super_admin_made(people, actor=actor),
        button="Make super admin",
        back=back,
    )


def super_admin_removed(user: User, permission_set: PermissionSet, *, actor: User) -> Proposal:
    """Return the proposal to take super admin away, and give a set instead (R92, Q27)."""
    return Proposal(
        title="Remove super admin",
        heading=_for([user]),
        said=[f"From now on: exactly what the set {permission_set} says."],
        preview=lambda: preview.super_admin_removed([user], permission_set, actor=actor),
        button="Remove super admin",
        back=page_of_row(user),
    )


def partner_admins_made(people: Sequence[User], *, actor: User, back: str) -> Proposal:
    """Return the proposal to make employees of the partner partner admins (R101)."""
    return Proposal(
        title="Make partner admin",
        heading=_for(people),
        said=[
            "Partner admins see, create, edit, delete and merge every record, and have the partner "
            "tools and the sales tools without a seat. Their permission set stays and counts too.",
            "Locked stages hold for them, exports need consent as anybody’s do, and a sensitive "
            "field is hidden from them unless they are chosen for it.",
        ],
        preview=lambda: preview.partner_admin_made(people, actor=actor),
        button="Make partner admin",
        back=back,
    )


def partner_admin_removed(user: User, permission_set: PermissionSet, *, actor: User) -> Proposal:
    """Return the proposal to take partner admin away, and give a set instead (Q27)."""
    return Proposal(
        title="Remove partner admin",
        heading=_for([user]),
        said=[f"From now on: exactly what the set {permission_set} says."],
        preview=lambda: preview.partner_admin_removed([user], permission_set, actor=actor),
        button="Remove partner admin",
        back=page_of_row(user),
    )


# --- Teams ----------------------------------------------------------------------------------------


def main_team_set(people: Sequence[User], team: Team, *, actor: User, back: str) -> Proposal:
    """Return the proposal to give people this main team instead of theirs (E19, Q23)."""
    return Proposal(
        title="Set the main team",
        heading=_for(people),
        said=[f"Main team: {team}, instead of {_main_teams(people)}. Extra teams stay."],
        preview=lambda: preview.main_team_set(people, team, actor=actor),
        button="Set the main team",
        back=back,
    )


def team_joined(people: Sequence[User], team: Team, *, actor: User, back: str) -> Proposal:
    """Return the proposal to put people into one team more (E19, Q23)."""
    return Proposal(
        title="Add to a team",
        heading=_for(people),
        said=[f"Extra member of {team}. All teams of now stay."],
        preview=lambda: preview.team_joined(people, team, actor=actor),
        button="Add to the team",
        back=back,
    )


def team_left(user: User, team: Team, *, actor: User) -> Proposal:
    """Return the proposal to take a person out of a team."""
    return Proposal(
        title="Remove from a team",
        heading=_for([user]),
        said=[f"Not in {team} any more."],
        preview=lambda: preview.team_left([user], team, actor=actor),
        button="Remove",
        back=page_of_row(team),
    )


def team_moved(team: Team, parent: Team | None, *, actor: User) -> Proposal:
    """Return the proposal to hang a team elsewhere in the tree (E21)."""
    was = str(team.parent) if team.parent else "the top"
    return Proposal(
        title="Move a team",
        heading=f"{team}",
        said=[f"Team above: {was} → {parent or 'the top'}."],
        preview=lambda: preview.team_moved(team, parent=parent, actor=actor),
        button="Save",
        back=page_of_row(team),
        note="for the members of this team, of the teams above it, and of those below",
    )


def team_merged(team: Team, into: Team, *, actor: User) -> Proposal:
    """Return the proposal to delete a team whose members, and teams below, another one takes."""
    members = Membership.objects.filter(team=team).count()
    below = [str(each) for each in team.children.order_by("name")]
    return Proposal(
        title="Merge into another team",
        heading=f"{team} is deleted",
        said=[
            f"{members:,} {'member goes' if members == 1 else 'members go'} into {into}.",
            *([f"Teams that hang below {into} then: {', '.join(below)}."] if below else []),
        ],
        preview=lambda: preview.team_deleted(team, into=into, actor=actor),
        button=f"Merge and delete {team}",
        back=page_of_row(team),
        last=FOR_GOOD,
    )


def person_changed(
    stored: User, values: Mapping[str, Any], *, actor: User, as_it_stands: str
) -> Proposal | None:
    """Return the proposal to save a person's form; None where set and teams stay as they are."""
    members = list(Membership.objects.filter(user=stored).select_related("team"))
    main = next((each.team for each in members if each.is_main), None)
    extra = {each.team for each in members if not each.is_main}
    wanted_set, new_main = values["permission_set"], values["main_team"]
    wanted_extra = set(values["extra_teams"]) - {new_main}
    old, new = stored.permission_set, wanted_set
    said = [
        *([f"Permission set: {old or 'none'} → {new or 'none'}."] if old != new else []),
        *([f"Main team: {main or 'none'} → {new_main or 'none'}."] if main != new_main else []),
        *(f"Extra member of {each}." for each in _by_name(wanted_extra - extra)),
        *(f"No extra member of {each} any more." for each in _by_name(extra - wanted_extra)),
    ]
    if not said:
        return None
    also = [
        f"{label}: {getattr(stored, name)} → {values[name]}."
        for name, label in (("first_name", "First name"), ("last_name", "Last name"))
        if getattr(stored, name) != values[name]
    ]
    if stored.email != values["email"]:
        also.append(f"E-mail: {stored.email} → {values['email']}.")
    return Proposal(
        title=f"Change {stored}",
        heading=_for([stored]),
        said=[*said, *also],
        more=_differences([stored], changes.stored(new), str(new)) if old != new and new else [],
        preview=lambda: preview.person_as(
            stored,
            permission_set=wanted_set,
            main_team=new_main,
            extra_teams=values["extra_teams"],
            actor=actor,
        ),
        back=page_of_row(stored),
        renewed={"as_opened": as_it_stands},
    )


# --- In words -------------------------------------------------------------------------------------


def _by_name(teams: Iterable[Team]) -> list[Team]:
    return sorted(teams, key=lambda team: (team.name, team.pk))


def _for(people: Sequence[User]) -> str:
    """Return whom a change is to: one by name, or how many."""
    return str(people[0]) if len(people) == 1 else f"For {len(people):,} people"


def _get(people: Sequence[User]) -> str:
    return f"{people[0]} gets" if len(people) == 1 else f"{len(people):,} people get"


def _counted(names: Iterable[str]) -> str:
    found = Counter(names)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{name} ({number})" for name, number in sorted(found.items()))


def _roles(people: Iterable[User]) -> str:
    """Return what people have now: “Rep (3), Super admin (1)”."""
    keys = [each.pk for each in people]
    rows = User.objects.filter(pk__in=keys).select_related("permission_set__based_on")
    return _counted(role_of(each).replace("–", "none") for each in rows)


def _main_teams(people: Sequence[User]) -> str:
    rows = Membership.objects.filter(user__in=[each.pk for each in people], is_main=True)
    names = dict(rows.values_list("user", "team__name"))
    return _counted(names.get(each.pk, "none") for each in people)


def _differences(people: Iterable[User], after: State, name: str) -> list[tuple[str, list[str]]]:
    """Return how what is given differs from each of the sets that these people have now."""
    had = {each.permission_set_id: each for each in people if not each.is_superuser}
    found = []
    for key, state in list(changes.stored_each(had).items())[:MOST_COMPARED]:
        lines = changes.in_words(changes.difference(state, after), before=state)
        of_old = role_of(had[key]).replace("–", "no set")
        if lines:
            found.append((f"What differs between {of_old} and {name}: {len(lines)}", lines))
        else:
            found.append((f"Nothing differs between {of_old} and {name}.", []))
    return found
