"""What one person may do, in plain sentences, with the origin of each value, and in counts (B3).

The sentences say what the rules come to for this person; the counts ask the rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts import access, catalogue, changes
from accounts.catalogue import Kind, ObjectKind, Risk
from accounts.catalogue.words import listed
from accounts.modeladmin import person
from accounts.models import ObjectScope, PermissionSet, Rank, Team, User
from accounts.paging import CappedCount, capped_count

about_person: list[Callable[[User], Iterable[str]]] = []
"""A slot for upper layers: more sentences on what this person may do (exports: when they wait)."""

links_about: list[Callable[[User, User], Iterable[tuple[str, str]]]] = []
"""A slot for upper layers: title and address of what they know about a person, for who looks."""

VERBS = {"view": "sees", "change": "edits", "delete": "deletes"}


def person_pages() -> list[URLPattern]:
    """Return the address of the page."""
    page = admin.site.admin_view(person_access)
    return [path("accounts/user/<int:key>/access/", page, name="person_access")]


# --- Sentences ------------------------------------------------------------------------------------


def sentences(user: User) -> list[str]:
    """Return what this person may do, a sentence for each kind of record and each thing besides."""
    if not user.is_active:
        return ["Is deactivated: cannot log in and may do nothing. What they own stays."]
    if user.is_superuser:
        return ["Is a super admin: sees and does everything, except what needs a seat."]
    if user.permission_set is None:
        return ["Has no permission set, so may do nothing."]
    teams = _teams(user)
    return [
        *(_of_kind(user, kind, teams) for kind in catalogue.objects()),
        *_of_tools(user),
        *(sentence for more in about_person for sentence in more(user)),
    ]


def _of_kind(user: User, kind: ObjectKind, teams: str) -> str:
    scope = user.grants.scopes.get(kind.key) or ObjectScope(object=kind.key)
    plural = kind.plural.lower()
    if not scope.view:
        return f"Sees no {plural}."
    parts = [f"Sees {_reach(scope, 'view', plural, teams)}"]
    for action in ("change", "delete"):
        if action not in kind.actions:
            continue
        same = _pair(scope, action) == _pair(scope, "view")
        what = "all of these" if same else _reach(scope, action, "", teams)
        parts.append(f"{VERBS[action]} {what}")
    if "add" in kind.actions:
        parts.append("creates new ones" if scope.add else "creates none")
    return f"{', '.join(parts[:-1])}, and {parts[-1]}."


def _pair(scope: ObjectScope, action: str) -> tuple[int, bool]:
    return getattr(scope, action), getattr(scope, f"{action}_unassigned")


def _reach(scope: ObjectScope, action: str, plural: str, teams: str) -> str:
    """Return the records of a scope in words: “own deals and those of team North”."""
    rank, box = _pair(scope, action)
    own = f"own {plural}" if plural else "own ones"
    if rank == Rank.NONE:
        return f"no {plural}" if plural else "none"
    if rank == Rank.EVERYTHING:
        return f"all {plural}" if plural else "all of these"
    whose = own if rank == Rank.OWNED or not teams else f"{own} and those of {teams}"
    return f"{whose} and unassigned ones" if box else whose


def _teams(user: User) -> str:
    names = list(
        Team.objects.filter(pk__in=user.grants.teams).order_by("name").values_list("name", "pk")
    )
    below = Team.objects.filter(reached_from__above__in=user.grants.teams)
    more = below.exclude(pk__in=user.grants.teams).exists()
    if not names:
        return ""
    said = f"team{'s' if len(names) > 1 else ''} {listed(name for name, _ in names)}"
    return f"{said} and the teams below" if more else said


def _of_tools(user: User) -> Iterator[str]:
    held = [
        tool.label
        for tool in catalogue.TOOLS.values()
        if tool.risk is Risk.HIGH
        and tool.kind is not Kind.DERIVED
        and access.holds_tool(user, tool.key)
    ]
    if held:
        yield f"Holds these permissions of high risk: {listed(held)}."
    if not access.holds_tool(user, "crm.export"):
        yield "Takes no records out: Export is off."


# --- The tables -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reached:
    """One action on one kind of record: how far, from where, and how many records that are now."""

    label: str
    level: str
    origin: str
    count: str


def reached(user: User, *, counted: bool) -> list[tuple[str, list[Reached]]]:
    """Return by kind of record how far each action reaches, and how many records those are now.

    `counted`: for who may know how many there are; one query for each action that reaches any.
    """
    actions = ("view", "change", "delete")
    return [
        (kind.plural, [_reached(user, kind, action, counted) for action in actions])
        for kind in catalogue.objects()
    ]


def _reached(user: User, kind: ObjectKind, action: str, counted: bool) -> Reached:
    label = catalogue.ACTION_LABELS[action]
    if action not in kind.actions:
        return Reached(label, "–", "", "–")
    scope = user.grants.scopes.get(kind.key)
    rank, box = _pair(scope, action) if scope else (Rank.NONE, False)
    level = f"{Rank(rank).label}{', with unassigned ones' if box else ''}"
    origin = str(user.permission_set or "no permission set")
    if user.is_superuser:
        level, origin = Rank.EVERYTHING.label, "super admin"
    if not user.is_active:
        level, origin = Rank.NONE.label, "deactivated"
    if not counted:
        return Reached(label, level, origin, "")
    if not access.allows_any(user, action, kind.model):
        return Reached(label, level, origin, "0")
    rows = access.permitted(kind.model._default_manager.all(), user, action).order_by()
    count = capped_count(rows)
    said = str(count) if isinstance(count, CappedCount) else f"{count:,}"
    return Reached(label, level, origin, said)


def tools_of(user: User) -> list[dict[str, Any]]:
    """Return the tools that somebody holds or is stored for them, and where each comes from."""
    stored = {catalogue.parse(each).key for each in changes.stored(user.permission_set).tools}
    rows = []
    for tool in catalogue.TOOLS.values():
        holds = access.holds_tool(user, tool.key)
        if not holds and tool.key not in stored:
            continue
        if not holds:
            origin = "stored, without effect: what it needs is off"
        elif user.is_superuser:
            origin = "super admin"
        else:
            origin = str(user.permission_set) if tool.key in stored else "comes with another one"
        rows.append(
            {"tool": tool, "holds": holds, "origin": origin, "high": tool.risk is Risk.HIGH}
        )
    return rows


def person_access(request: HttpRequest, key: int) -> HttpResponse:
    """Show what one person may do, for whoever may change it (B3, E54)."""
    actor = person(request)
    rows = access.permitted(User.objects.filter(pk=key), actor, "change")
    user = rows.select_related("permission_set__based_on").first()
    if user is None:
        raise Http404
    # Only who sees every record may know how many somebody else reaches.
    counted = actor.is_superuser
    context = {
        **admin.site.each_context(request),
        "title": f"What {user} may do",
        "original": user,
        "sentences": sentences(user),
        "counted": counted,
        "new_set": f"{reverse('admin:accounts_permissionset_add')}?begin=person-{user.pk}"
        if access.allows_any(actor, "add", PermissionSet)
        else "",
        "reached": reached(user, counted=counted),
        "tools": tools_of(user),
        "memberships": user.memberships.select_related("team"),
        "back": reverse("admin:accounts_user_change", args=[user.pk]),
        "editor": f"{reverse('admin:edit_permissions')}?person={user.pk}",
        "links": [each for more in links_about for each in more(actor, user)],
    }
    return TemplateResponse(request, "accounts/person_access.html", context)
