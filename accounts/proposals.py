"""What each change of rights, teams or status says on the page that reviews it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext

from accounts import changes, preview
from accounts.changes import State
from accounts.modeladmin import page_address
from accounts.models import Membership, PermissionSet, Team, User
from accounts.people import role_of
from accounts.review import Proposal
from accounts.words import counted

MOST_COMPARED = 5
"""Of so many different sets at most it is said how they differ from the one that is given."""
FOR_GOOD = gettext_lazy("It cannot be taken back.")


def page_of_row(row: Model) -> str:
    """Return the address of the page of a person, a team or a permission set."""
    return page_address(row, "change", row.pk)


def set_given(
    people: Sequence[User], permission_set: PermissionSet, *, actor: User, back: str
) -> Proposal:
    """Return the proposal to give people a permission set instead of what they have (E12, Q26)."""
    return Proposal(
        title=gettext("Give a permission set"),
        heading=_for(people),
        said=[
            gettext("Permission set: %(set)s, instead of %(before)s.")
            % {"set": permission_set, "before": _roles(people)},
            *(
                [gettext("For super admins it takes effect once they no longer are one.")]
                if any(each.is_superuser for each in people)
                else []
            ),
        ],
        more=_differences(people, changes.stored(permission_set), str(permission_set)),
        preview=lambda: preview.assignment(people, permission_set, actor=actor),
        button=gettext("Give the set"),
        back=back,
    )


def new_set(values: Mapping[str, Any], people: Sequence[User], *, actor: User) -> Proposal:
    """Return the proposal to make a permission set, and give it to people (E11)."""
    scopes, tools = values["scopes"], values["tools"]
    state = changes.after(scopes, tools, {})
    lines = changes.in_words(changes.difference(changes.NOTHING, state))
    given = [_get_it(people)] if people else []
    return Proposal(
        title=gettext("New permission set"),
        heading=f"“{values['name']}”",
        said=[*(lines or [gettext("It allows nothing.")]), *given],
        more=_differences(people, state, values["name"]),
        preview=lambda: preview.set_created(scopes, tools, people, actor=actor),
        button=gettext("Create the set"),
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
        title=gettext("Permissions of “%(set)s”") % {"set": stored.name},
        said=changes.in_words(wanted, before=before),
        preview=lambda: preview.set_as(stored, scopes, tools, actor=actor),
        back=page_of_row(stored),
        effect=ngettext(
            "It takes effect at once, for the one person who has it.",
            "It takes effect at once, for all %(count)s people who have it.",
            holders,
        )
        % {"count": counted(holders)},
    )


def set_deleted(
    permission_set: PermissionSet, replacement: PermissionSet | None, *, actor: User
) -> Proposal:
    """Return the proposal to delete a set whose people get another one (Q26)."""
    people = list(permission_set.people.all())
    state = changes.stored(replacement)
    return Proposal(
        title=gettext("Delete a permission set"),
        heading=gettext("“%(set)s” is deleted") % {"set": permission_set},
        said=[_get_instead(people, replacement)],
        more=_differences(people, state, str(replacement)),
        preview=lambda: preview.set_deleted(permission_set, replacement, actor=actor),
        button=gettext("Delete"),
        is_grave=True,
        back=page_of_row(permission_set),
        last=FOR_GOOD,
    )


def super_admins_made(people: Sequence[User], *, actor: User, back: str) -> Proposal:
    """Return the proposal to make people super admins (R91)."""
    return Proposal(
        title=gettext("Make super admin"),
        heading=_for(people),
        said=[
            gettext(
                "Super admins may see and do everything, approve exports, and change everybody’s "
                "permissions."
            ),
            gettext("If only one task needs a super admin, it is safer to ask an existing one."),
        ],
        preview=lambda: preview.super_admin_made(people, actor=actor),
        button=gettext("Make super admin"),
        is_grave=True,
        raised=people,
        back=back,
    )


def super_admin_removed(user: User, permission_set: PermissionSet, *, actor: User) -> Proposal:
    """Return the proposal to take super admin away, and give a set instead (R92, Q27)."""
    return Proposal(
        title=gettext("Remove super admin"),
        heading=_for([user]),
        said=[_from_now_on(permission_set)],
        preview=lambda: preview.super_admin_removed([user], permission_set, actor=actor),
        button=gettext("Remove super admin"),
        back=page_of_row(user),
    )


def partner_admins_made(people: Sequence[User], *, actor: User, back: str) -> Proposal:
    """Return the proposal to make employees of the partner partner admins (R101)."""
    return Proposal(
        title=gettext("Make partner admin"),
        heading=_for(people),
        said=[
            gettext(
                "Partner admins see, create, edit, delete and merge every record, and have the "
                "partner tools and the sales tools without a seat. Their permission set stays and "
                "counts too."
            ),
            gettext(
                "Locked stages hold for them, exports need consent as anybody’s do, and a "
                "sensitive field is hidden from them unless they are chosen for it."
            ),
        ],
        preview=lambda: preview.partner_admin_made(people, actor=actor),
        button=gettext("Make partner admin"),
        is_grave=True,
        raised=people,
        back=back,
    )


def partner_admin_removed(user: User, permission_set: PermissionSet, *, actor: User) -> Proposal:
    """Return the proposal to take partner admin away, and give a set instead (Q27)."""
    return Proposal(
        title=gettext("Remove partner admin"),
        heading=_for([user]),
        said=[_from_now_on(permission_set)],
        preview=lambda: preview.partner_admin_removed([user], permission_set, actor=actor),
        button=gettext("Remove partner admin"),
        back=page_of_row(user),
    )


# --- Teams ----------------------------------------------------------------------------------------


def main_team_set(people: Sequence[User], team: Team, *, actor: User, back: str) -> Proposal:
    """Return the proposal to give people this main team instead of theirs (E19, Q23)."""
    return Proposal(
        title=gettext("Set the main team"),
        heading=_for(people),
        said=[
            gettext("Main team: %(team)s, instead of %(before)s. Extra teams stay.")
            % {"team": team, "before": _main_teams(people)}
        ],
        preview=lambda: preview.main_team_set(people, team, actor=actor),
        button=gettext("Set the main team"),
        back=back,
    )


def team_joined(people: Sequence[User], team: Team, *, actor: User, back: str) -> Proposal:
    """Return the proposal to put people into one team more (E19, Q23)."""
    return Proposal(
        title=gettext("Add to a team"),
        heading=_for(people),
        said=[gettext("Extra member of %(team)s. Other teams stay.") % {"team": team}],
        preview=lambda: preview.team_joined(people, team, actor=actor),
        button=gettext("Add to the team"),
        back=back,
    )


def team_left(user: User, team: Team, *, actor: User) -> Proposal:
    """Return the proposal to take a person out of a team."""
    return Proposal(
        title=gettext("Remove from a team"),
        heading=_for([user]),
        said=[gettext("Not in %(team)s any more.") % {"team": team}],
        preview=lambda: preview.team_left([user], team, actor=actor),
        button=gettext("Remove"),
        back=page_of_row(team),
    )


def team_moved(team: Team, parent: Team | None, *, actor: User) -> Proposal:
    """Return the proposal to hang a team elsewhere in the tree (E21)."""
    top = gettext("the top")
    return Proposal(
        title=gettext("Move a team"),
        heading=f"{team}",
        said=[
            gettext("Team above: %(was)s → %(becomes)s.")
            % {"was": team.parent or top, "becomes": parent or top}
        ],
        preview=lambda: preview.team_moved(team, parent=parent, actor=actor),
        button=gettext("Save"),
        back=page_of_row(team),
        effect=gettext(
            "It takes effect at once, for the members of this team, of the teams above it, and of "
            "those below."
        ),
    )


def team_merged(team: Team, into: Team, *, actor: User) -> Proposal:
    """Return the proposal to delete a team whose members, and teams below, another one takes."""
    members = Membership.objects.filter(team=team).count()
    below = ", ".join(str(each) for each in team.children.order_by("name"))
    said = [
        ngettext(
            "%(count)s member goes into %(team)s.", "%(count)s members go into %(team)s.", members
        )
        % {"count": counted(members), "team": into}
    ]
    if below:
        text = gettext("Teams that hang below %(team)s then: %(names)s.")
        said.append(text % {"team": into, "names": below})
    return Proposal(
        title=gettext("Merge into another team"),
        heading=gettext("%(team)s is deleted") % {"team": team},
        said=said,
        preview=lambda: preview.team_deleted(team, into=into, actor=actor),
        button=gettext("Merge and delete"),
        is_grave=True,
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
    said = []
    if old != new:
        parts = {"was": old or _no_set(), "becomes": new or _no_set()}
        said.append(gettext("Permission set: %(was)s → %(becomes)s.") % parts)
    if main != new_main:
        parts = {"was": main or _no_team(), "becomes": new_main or _no_team()}
        said.append(gettext("Main team: %(was)s → %(becomes)s.") % parts)
    joined, left = _by_name(wanted_extra - extra), _by_name(extra - wanted_extra)
    said += [gettext("Extra member of %(team)s.") % {"team": each} for each in joined]
    said += [gettext("No extra member of %(team)s any more.") % {"team": each} for each in left]
    if not said:
        return None
    return Proposal(
        title=gettext("Change %(name)s") % {"name": stored},
        heading=_for([stored]),
        said=[*said, *_about_the_person(stored, values)],
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


def _about_the_person(stored: User, values: Mapping[str, Any]) -> list[str]:
    """Return what is changed beside rights and teams."""
    texts = {
        "first_name": gettext("First name: %(was)s → %(becomes)s."),
        "last_name": gettext("Last name: %(was)s → %(becomes)s."),
        "email": gettext("E-mail: %(was)s → %(becomes)s."),
    }
    return [
        text % {"was": getattr(stored, name), "becomes": values[name]}
        for name, text in texts.items()
        if getattr(stored, name) != values[name]
    ]


# --- In words -------------------------------------------------------------------------------------


def _by_name(teams: Iterable[Team]) -> list[Team]:
    return sorted(teams, key=lambda team: (team.name, team.pk))


def _for(people: Sequence[User]) -> str:
    """Return whom a change is to: one by name, or how many."""
    if len(people) == 1:
        return str(people[0])
    text = ngettext("For %(count)s person", "For %(count)s people", len(people))
    return text % {"count": counted(len(people))}


def _get_it(people: Sequence[User]) -> str:
    """Return who gets a new set, and what they have now."""
    before = _roles(people)
    if len(people) == 1:
        text = gettext("%(name)s gets it instead of %(before)s.")
        return text % {"name": people[0], "before": before}
    text = ngettext(
        "%(count)s person gets it instead of %(before)s.",
        "%(count)s people get it instead of %(before)s.",
        len(people),
    )
    return text % {"count": counted(len(people)), "before": before}


def _get_instead(people: Sequence[User], replacement: PermissionSet | None) -> str:
    """Return who gets which set instead of one that is deleted."""
    if len(people) == 1:
        text = gettext("%(name)s gets %(set)s instead.")
        return text % {"name": people[0], "set": replacement}
    text = ngettext(
        "%(count)s person gets %(set)s instead.",
        "%(count)s people get %(set)s instead.",
        len(people),
    )
    return text % {"count": counted(len(people)), "set": replacement}


def _from_now_on(permission_set: PermissionSet) -> str:
    text = gettext("From now on: exactly what the set %(set)s says.")
    return text % {"set": permission_set}


def _no_set() -> str:
    return pgettext("permission set", "none")


def _no_team() -> str:
    return pgettext("team", "none")


def _with_numbers(names: Iterable[str]) -> str:
    found = Counter(names)
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{name} ({number})" for name, number in sorted(found.items()))


def _roles(people: Iterable[User]) -> str:
    """Return what people have now: “Rep (3), Super admin (1)”."""
    keys = [each.pk for each in people]
    rows = User.objects.filter(pk__in=keys).select_related("permission_set__based_on")
    return _with_numbers(role_of(each).replace("–", _no_set()) for each in rows)


def _main_teams(people: Sequence[User]) -> str:
    rows = Membership.objects.filter(user__in=[each.pk for each in people], is_main=True)
    names = dict(rows.values_list("user", "team__name"))
    return _with_numbers(names.get(each.pk, _no_team()) for each in people)


def _differences(people: Iterable[User], after: State, name: str) -> list[tuple[str, list[str]]]:
    """Return how what is given differs from each of the sets that these people have now."""
    had = {each.permission_set_id: each for each in people if not each.is_superuser}
    found = []
    for key, state in list(changes.stored_each(had).items())[:MOST_COMPARED]:
        lines = changes.in_words(changes.difference(state, after), before=state)
        of_old = role_of(had[key]).replace("–", gettext("no set"))
        text = gettext("Nothing differs between %(before)s and %(set)s.")
        if lines:
            text = gettext("What differs between %(before)s and %(set)s: %(count)s")
        found.append((text % {"before": of_old, "set": name, "count": counted(len(lines))}, lines))
    return found
