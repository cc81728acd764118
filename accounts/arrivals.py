"""How a permission arrives that an upgrade brings: on or off, in which sets, what waits (Q25).

Nothing here writes; `accounts.operations.arrivals` does. A permission arrives on in a set that is
there only where the catalogue says so and where it has an effect at once: below a parent switch
that is off it would lie in wait, and come along when somebody switches the parent on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from accounts import access, catalogue
from accounts.access import Grants
from accounts.catalogue import Grant, Kind, Risk, Tool
from accounts.held import Held
from accounts.models import KnownPermission, ObjectScope, User

LEVELS_TO_CHOOSE = (Kind.SCOPE, Kind.CHOICE)
"""What has no “on”: somebody has to say how far."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One permission that is new here, and how it arrives."""

    name: str
    is_on: bool
    to_review: bool
    because: str


def unknown_names() -> list[str]:
    """Return what the catalogue has and this installation has not known, in the editor's order."""
    known = set(KnownPermission.objects.values_list("key", flat=True))
    return [name for name in catalogue.names_to_give() if name not in known]


def arrival_of(name: str, *, all_on: bool) -> Arrival:
    """Return how a new permission arrives; `all_on` is the switch of the account.

    Low risk: on where the catalogue's default is on (R103). High risk: off, to be reviewed. What
    opens a gate is off whatever the switch says, and what it needs, since a set may hold it already
    and wait for that; so is what has levels, since nothing says how far.
    """
    if is_scope(name):
        return Arrival(name, False, True, "nothing says how far a kind of record is opened")
    tool, _ = catalogue.find(name)
    high = tool.risk is Risk.HIGH
    if _opens_gate(tool):
        return Arrival(name, False, True, "it could let data leave, so it never arrives on")
    if tool.kind in LEVELS_TO_CHOOSE:
        return Arrival(name, False, high or all_on, "nothing says how far")
    if all_on:
        return Arrival(name, True, False, "all permissions arrive on here")
    if high:
        return Arrival(name, False, True, "high risk")
    if tool.default:
        return Arrival(name, True, False, "low risk, and on by default")
    return Arrival(name, False, False, "low risk, and off by default")


def _opens_gate(tool: Tool) -> bool:
    """Tell whether this opens a gate, or lets what opens one take effect."""
    return tool.opens_gate or any(
        tool.key in (each.parent, each.inert_without, *chain.from_iterable(each.requires))
        for each in catalogue.TOOLS.values()
        if each.opens_gate
    )


def is_scope(name: str) -> bool:
    """Tell whether this is an action on a kind of record, and no tool."""
    return name.count(".") == 2


def subject_of(name: str) -> str:
    """Return what is decided on as one: the tool of an option, the kind of record of an action."""
    return name.rpartition(".")[0] if is_scope(name) else name.partition(":")[0]


def received(held: Held, arriving: Iterable[str], known: Collection[str]) -> frozenset[Grant]:
    """Return which of the permissions that arrive on a set with these rights gets.

    Not what it holds already, nor what would have no effect in it. A new option of a permission
    that is known goes only to sets that hold another option of it.
    """
    scopes, grants = held
    names = {grant.name for grant in grants}
    tools = {grant.key for grant in grants}
    known_tools = {subject_of(name) for name in known}
    new = set()
    for name in arriving:
        key, _, option = name.partition(":")
        if name not in names and (not option or key not in known_tools or key in tools):
            new.add(Grant(key, option))
    while idle := {each for each in new if not _has_effect(each, scopes, grants | new)}:
        new -= idle  # what came with one of these may have no effect either
    return frozenset(new)


def _has_effect(
    grant: Grant, scopes: Mapping[str, Mapping[str, int | bool]], grants: frozenset[Grant]
) -> bool:
    """Tell whether somebody who holds just this has that permission; the rules are asked."""
    somebody = User()
    somebody.__dict__["grants"] = Grants(
        scopes={key: ObjectScope(object=key, **row) for key, row in scopes.items()},
        tools=frozenset(each.name for each in grants),
        levels={each.name: (each.rank, each.unassigned) for each in grants if each.rank},
    )
    return access.holds_tool(somebody, grant.name)
