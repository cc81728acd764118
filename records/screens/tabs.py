"""Quick tabs above a list of records: each is a filter that anybody could choose in the sheet."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext

from accounts.chips import without
from accounts.modeladmin import user_of
from accounts.models import Rank, User
from records.models import Record

OWNERS = ("owner", "team", "unassigned")
"""The filters that say whose records are listed; a tab sets one of them and clears the others."""
ALL = "whole"
"""Says in an address that the list is wanted from its beginning; a bare one opens as last used."""
WHOLE_LIST = f"?{ALL}=yes"


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab: its code, its name, the list's address with it, and whether it is the one shown."""

    code: str
    title: str
    address: str
    is_on: bool


def tabs(request: HttpRequest, model: type[Record], offered: list[str]) -> list[Tab]:
    """Return the tabs that make a difference for this person; none where there is only one.

    `offered` names the filters that they have. Nothing is counted and nothing is asked of the
    database: a tab is an address, and the list decides what they see there.
    """
    wanted = [each for each in _wanted(user_of(request), model) if set(each[2]) <= {*offered}]
    if not wanted:
        return []
    now = {name: request.GET[name] for name in OWNERS if request.GET.get(name)}
    rest = without(request.GET, (*OWNERS, ALL))
    found = [Tab("", gettext("All"), WHOLE_LIST if rest == "?" else rest, not now)]
    for code, title, ask in wanted:
        [(name, value)] = ask.items()
        address = f"{rest}{'' if rest == '?' else '&'}{name}={value}"
        found.append(Tab(code, title, address, now == ask))
    return [*found[1:], found[0]]


def _wanted(user: User, model: type[Record]) -> list[tuple[str, str, dict[str, str]]]:
    """Return what there is beside All: whoever sees their own records only needs no tab."""
    scope = user.grants.scopes.get(model.object_key)
    sees = Rank.EVERYTHING if user.is_superuser else Rank(scope.view if scope else 0)
    unassigned = sees == Rank.EVERYTHING or bool(scope and scope.view_unassigned)
    if sees < Rank.TEAM and not unassigned:
        return []
    wanted = [("mine", gettext("Mine"), {"owner": str(user.pk)})]
    if sees >= Rank.TEAM and user.grants.main_teams:
        wanted.append(("team", gettext("My team"), {"team": str(user.grants.main_teams[0])}))
    if unassigned:
        wanted.append(("unassigned", gettext("Unassigned"), {"unassigned": "yes"}))
    return wanted
