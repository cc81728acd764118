"""Teams and their tree (R6, E21)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import InvalidChange, NotAllowed
from accounts.audit import Actor, operation
from accounts.entered import free_name
from accounts.models import Membership, Team, TeamReach
from accounts.operations.frame import Place, require, where_named
from accounts.operations.granting import is_free
from accounts.operations.memberships import Teams, change_teams
from accounts.operations.opened import require_as_opened
from accounts.permission_history import kept
from accounts.rights import one_at_a_time

Tree = Mapping[int, int | None]
"""Team → the team above it, by key."""


@operation("team.create")
def create_team(*, actor: Actor, name: str, parent: Team | None = None) -> Team:
    """Add a team, below another one or at the top."""
    require(actor, "add", Team)
    _locked_tree(parent)
    team = Team(name=_free_team_name(name), parent=parent)
    with kept(actor, teams=True):
        team.save(force_insert=True)
        rewrite_reach()
    audit.record("team.create", actor=actor, on=team, data={"parent": parent and parent.pk})
    return team


@operation("team.change")
def change_team(
    team: Team, *, actor: Actor, name: str, parent: Team | None, as_opened: str | None = None
) -> None:
    """Rename a team or hang it elsewhere in the tree.

    `as_opened` is what `as_it_stands` said when it was read: a form that is out of date changes
    nothing.
    """
    require(actor, "change", team)
    tree = _locked_tree(team, parent)
    stored = Team.objects.get(pk=team.pk)
    require_as_opened(stored, as_opened)
    if parent is not None and team.pk in _upwards(parent.pk, tree):
        raise InvalidChange(in_own_branch(parent, team))
    new_name = _free_team_name(name, besides=stored)
    after = {"name": new_name, "parent": parent and parent.pk}
    before = {"name": stored.name, "parent": stored.parent_id}
    if before == after:
        return
    if before["parent"] != after["parent"] and not is_free(actor):
        raise NotAllowed(
            gettext(
                "Where a team hangs decides what whole teams see. Ask a super admin to move it."
            ),
            "super_admins_only",
        )
    stored.name, stored.parent = new_name, parent
    with kept(actor, teams=True):
        stored.save()
        rewrite_reach()
    audit.record("team.change", actor=actor, on=team, data={"from": before, "to": after})


@operation("team.delete")
def delete_team(team: Team, *, actor: Actor) -> None:
    """Remove an empty team that nothing names any more: no rule, no field, no share."""
    require(actor, "delete", team)
    _locked_tree(team)
    if Membership.objects.filter(team=team).exists() or Team.objects.filter(parent=team).exists():
        text = gettext("This team still has members or teams below it. Move them first.")
        raise InvalidChange(text)
    _refuse_while_named(team)
    audit.record("team.delete", actor=actor, on=team, data={"name": team.name})
    with kept(actor, teams=True):
        team.delete()
        rewrite_reach()


@operation("team.merge")
def merge_teams(team: Team, *, into: Team, actor: Actor) -> None:
    """Move a team's members and the teams below it to another team, and remove it.

    Whoever has it for their main team has the other one from now on; extra members become extra
    members there, unless it is their main team already. Refused while a rule, a field or a share
    names the team: none of them means the other one.
    """
    require(actor, "delete", team)
    require(actor, "change", into)
    one_at_a_time("people")
    tree = _locked_tree(team, into)
    if team.pk in _upwards(into.pk, tree):
        raise InvalidChange(in_own_branch(into, team))
    _refuse_while_named(team)
    rows = Membership.objects.filter(team=team).select_related("user").order_by("user")
    members = [row.user for row in rows]
    for person in members:
        change_teams(person, actor, lambda before: _moved(before, team.pk, into.pk))
    below = list(Team.objects.filter(parent=team).order_by("pk"))
    for child in below:
        change_team(child, actor=actor, name=child.name, parent=into)
    data = {"name": team.name, "into": into.pk, "members": len(members), "teams_below": len(below)}
    audit.record("team.merge", actor=actor, on=team, data=data)
    with kept(actor, teams=True):
        Team.objects.get(pk=team.pk).delete()
        rewrite_reach()


def _moved(teams: Teams, team: int, into: int) -> Teams:
    """Return somebody's teams with one team instead of another."""
    main = into if teams["main"] == team else teams["main"]
    extra = {into if key == team else key for key in teams["extra"]} - {main}
    return {"main": main, "extra": sorted(extra)}


def places_of(team: Team) -> list[Place]:
    """Return where this team is named, which has to end before it goes."""
    return [place for named in where_named for place in named(team)]


def _refuse_while_named(team: Team) -> None:
    if places := places_of(team):
        text = gettext("This team is still named in %(places)s. Take it out there first.")
        between = gettext("; in ")
        raise InvalidChange(text % {"places": between.join(map(str, places))})


def in_own_branch(other: Team, team: Team) -> str:
    """Return why a team can neither hang below this other one nor be merged into it."""
    text = gettext(
        "%(other)s is %(team)s itself or below it. Choose a team outside its own branch."
    )
    return text % {"other": other, "team": team}


def _free_team_name(name: str, besides: Team | None = None) -> str:
    key, before = (besides.pk, besides.name) if besides else (0, "")
    if free := free_name(name, Team.objects.exclude(pk=key), before):
        return free
    raise InvalidChange(
        gettext("A team needs a name that no other team has. Upper and lower case are one name.")
    )


def _locked_tree(*named: Team | None) -> Tree:
    """Return the tree, which nobody else changes until this transaction ends.

    Read after the lock: whoever waited for it would otherwise decide by the tree of before.
    Raises where a team that the change names is gone.
    """
    one_at_a_time("teams")
    tree = dict(Team.objects.order_by().values_list("pk", "parent"))
    if any(team is not None and team.pk not in tree for team in named):
        text = gettext("This team does not exist any more. Open the list of teams again.")
        raise InvalidChange(text)
    return tree


def _upwards(team: int, tree: Tree) -> list[int]:
    """Return a team and those above it, nearest first; raise where that leads round in a circle."""
    passed = [team]
    while (above := tree[passed[-1]]) is not None:
        if above in passed:
            circle = passed[passed.index(above) :]
            names = Team.objects.filter(pk__in=circle).values_list("name", flat=True)
            text = gettext(
                "These teams hang below each other in a circle: %(names)s. Hang one of them "
                "elsewhere, or at the top, first."
            )
            raise InvalidChange(text % {"names": ", ".join(names)})
        passed.append(above)
    return passed


def closure(tree: Tree) -> set[tuple[int, int]]:
    """Return (team above, team below) for every two teams of a tree; each is above itself."""
    return {(above, team) for team in tree for above in _upwards(team, tree)}


def rewrite_reach() -> None:
    """Work the closure out anew from the tree; a few hundred teams take milliseconds."""
    wanted = closure(_locked_tree())
    present = set(TeamReach.objects.values_list("above", "below"))
    gone = present - wanted
    for above_id, below_id in gone:
        TeamReach.objects.filter(above=above_id, below=below_id).delete()
    TeamReach.objects.bulk_create(
        TeamReach(above_id=above_id, below_id=below_id) for above_id, below_id in wanted - present
    )
