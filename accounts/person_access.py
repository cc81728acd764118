"""What one person may do, in plain sentences, with the origin of each value, and in counts (B3).

The sentences say what the rules come to for this person; the counts ask the rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, catalogue, changes, operations
from accounts.addresses import page_address
from accounts.catalogue import Kind, ObjectKind, Risk
from accounts.modeladmin import user_of
from accounts.models import ObjectScope, PermissionSet, Rank, Team, User
from accounts.open_log_ins import MOST_SHOWN, open_log_ins
from accounts.operations import AccountsError
from accounts.paging import CappedCount, capped_count
from accounts.people import role_of, standing_of
from accounts.words import counted, listed

about_person: list[Callable[[User], Iterable[str]]] = []
"""A slot for upper layers: more sentences on what this person may do (exports: when they wait)."""

links_about: list[Callable[[User, User], Iterable[tuple[str, str]]]] = []
"""A slot for upper layers: title and address of what they know about a person, for who looks."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that somebody has to do with: its name, where it is, and what is said of it."""

    text: str
    url: str
    says: str
    chip: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page that an upper layer fills, of what the reader may see alone."""

    title: str
    lines: Sequence[Line]
    cut: bool = False
    """Whether there are more than are shown."""


sections_about: list[Callable[[User, User], Iterable[Section]]] = []
"""A slot for upper layers: what this person shares and exports, as far as the first one sees it."""

CLAUSES = {"change": gettext_lazy("edits %(what)s"), "delete": gettext_lazy("deletes %(what)s")}
REACHED = {
    "none": gettext_lazy("no %(kinds)s"),
    "everything": gettext_lazy("all %(kinds)s"),
    "own": gettext_lazy("own %(kinds)s"),
    "own, unassigned": gettext_lazy("own %(kinds)s and unassigned ones"),
    "team": gettext_lazy("own %(kinds)s and those of %(teams)s"),
    "team, unassigned": gettext_lazy("own %(kinds)s and those of %(teams)s and unassigned ones"),
}
"""The records of a scope, where their kind has to be named."""
REACHED_OF_THESE = {
    "none": gettext_lazy("none"),
    "everything": gettext_lazy("all of these"),
    "own": gettext_lazy("own ones"),
    "own, unassigned": gettext_lazy("own ones and unassigned ones"),
    "team": gettext_lazy("own ones and those of %(teams)s"),
    "team, unassigned": gettext_lazy("own ones and those of %(teams)s and unassigned ones"),
}
"""The same behind what is said of seeing: of which kind they are is clear by then."""


def person_pages() -> list[URLPattern]:
    """Return the addresses of the page, and of what ends log-ins."""
    view = admin.site.admin_view
    return [
        path("accounts/user/<int:key>/access/", view(person_access), name="person_access"),
        path("accounts/user/<int:key>/log-ins/end/", view(end_log_ins), name="end_log_ins"),
    ]


# --- Sentences ------------------------------------------------------------------------------------


def sentences(user: User) -> list[str]:
    """Return what this person may do, a sentence for each kind of record and each thing besides."""
    if not user.is_active:
        return [gettext("Is deactivated: cannot log in and may do nothing. What they own stays.")]
    if user.is_superuser:
        return [gettext("Is a super admin: sees and does everything, except what needs a seat.")]
    if user.permission_set is None:
        return [gettext("Has no permission set, so may do nothing.")]
    if user.is_partner_admin:
        return [*_of_partner_admin(), *_of_tools(user), *_more(user)]
    teams = _teams(user)
    return [
        *(_of_kind(user, kind, teams) for kind in catalogue.objects()),
        *_of_tools(user),
        *_more(user),
    ]


def _more(user: User) -> Iterator[str]:
    return (sentence for more in about_person for sentence in more(user))


def _of_partner_admin() -> Iterator[str]:
    """Yield what comes with the status, whatever the permission set says (R101, Q37)."""
    yield gettext("Is a partner admin: sees, edits and deletes all records, and creates new ones.")
    yield gettext(
        "Reads no sensitive field but those for which they, or a team of theirs, are chosen."
    )


def _of_kind(user: User, kind: ObjectKind, teams: str) -> str:
    scope = user.grants.scopes.get(kind.key) or ObjectScope(object=kind.key)
    kinds = str(kind.model._meta.verbose_name_plural)
    if not scope.view:
        return gettext("Sees no %(kinds)s.") % {"kinds": kinds}
    parts = [gettext("Sees %(what)s") % {"what": _reach(scope, "view", kinds, teams)}]
    for action in ("change", "delete"):
        if action not in kind.actions:
            continue
        same = _pair(scope, action) == _pair(scope, "view")
        what = gettext("all of these") if same else _reach(scope, action, "", teams)
        parts.append(CLAUSES[action] % {"what": what})
    if "add" in kind.actions:
        parts.append(gettext("creates new ones") if scope.add else gettext("creates none"))
    return gettext("%(most)s, and %(last)s.") % {
        "most": ", ".join(parts[:-1]),
        "last": parts[-1],
    }


def _pair(scope: ObjectScope, action: str) -> tuple[int, bool]:
    return getattr(scope, action), getattr(scope, f"{action}_unassigned")


def _reach(scope: ObjectScope, action: str, kinds: str, teams: str) -> str:
    """Return the records of a scope in words: “own deals and those of team North”."""
    rank, box = _pair(scope, action)
    if rank in (Rank.NONE, Rank.EVERYTHING):
        how = "none" if rank == Rank.NONE else "everything"
    else:
        how = "own" if rank == Rank.OWNED or not teams else "team"
        how = f"{how}, unassigned" if box else how
    said = REACHED[how] if kinds else REACHED_OF_THESE[how]
    return said % {"kinds": kinds, "teams": teams}


def _teams(user: User) -> str:
    names = list(
        Team.objects.filter(pk__in=user.grants.teams).order_by("name").values_list("name", "pk")
    )
    below = Team.objects.filter(reached_from__above__in=user.grants.teams)
    more = below.exclude(pk__in=user.grants.teams).exists()
    if not names:
        return ""
    if more:
        said = ngettext(
            "team %(names)s and the teams below", "teams %(names)s and the teams below", len(names)
        )
    else:
        said = ngettext("team %(names)s", "teams %(names)s", len(names))
    return said % {"names": listed(name for name, _ in names)}


def _of_tools(user: User) -> Iterator[str]:
    held = [
        tool.label
        for tool in catalogue.TOOLS.values()
        if tool.risk is Risk.HIGH
        and tool.kind is not Kind.DERIVED
        and access.holds_tool(user, tool.key)
    ]
    if held:
        yield gettext("Holds these permissions of high risk: %(names)s.") % {"names": listed(held)}
    if not access.holds_tool(user, "crm.export"):
        yield gettext("Takes no records out: Export is off.")


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


def _reached(user: User, kind: ObjectKind, action: str, is_counted: bool) -> Reached:
    label = str(catalogue.ACTION_LABELS[action])
    if action not in kind.actions:
        return Reached(label, "–", "", "–")
    scope = user.grants.scopes.get(kind.key)
    rank, box = _pair(scope, action) if scope else (Rank.NONE, False)
    level = str(Rank(rank).label)
    if box:
        level = gettext("%(level)s, with unassigned ones") % {"level": level}
    origin = str(user.permission_set or gettext("no permission set"))
    if user.is_superuser or user.is_partner_admin:
        level, origin = str(Rank.EVERYTHING.label), standing_of(user)
    if not user.is_active:
        level, origin = str(Rank.NONE.label), gettext("deactivated")
    if not is_counted:
        return Reached(label, level, origin, "")
    if not access.allows_any(user, action, kind.model):
        return Reached(label, level, origin, "0")
    rows = access.permitted(kind.model._default_manager.all(), user, action).order_by()
    count = capped_count(rows)
    said = str(count) if isinstance(count, CappedCount) else counted(count)
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
            origin = gettext("stored, without effect: what it needs is off")
        elif user.is_superuser or (user.is_partner_admin and catalogue.of_partner_admins(tool)):
            origin = standing_of(user)
        else:
            comes_along = gettext("comes with another one")
            origin = str(user.permission_set) if tool.key in stored else comes_along
        rows.append(
            {
                "tool": tool,
                "tab": catalogue.TAB_LABELS[tool.tab],
                "holds": holds,
                "origin": origin,
                "high": tool.risk is Risk.HIGH,
            }
        )
    return rows


def person_access(request: HttpRequest, key: int) -> HttpResponse:
    """Show what one person may do, for whoever may change it, and for themselves (B3, E54)."""
    actor = user_of(request)
    user = _found(actor, key)
    may_change = access.allows(actor, "change", user)
    # Only who sees every record may know how many somebody else reaches.
    counted = actor.is_superuser
    has_role = user.is_superuser or user.is_partner_admin or user.permission_set is not None
    context = {
        **admin.site.each_context(request),
        "title": gettext("My access and log-ins")
        if user == actor
        else gettext("What %(person)s may do") % {"person": user},
        "original": user,
        "sentences": sentences(user),
        "counted": counted,
        "new_set": f"{reverse('admin:accounts_permissionset_add')}?begin=person-{user.pk}"
        if may_change and access.allows_any(actor, "add", PermissionSet)
        else "",
        "reached": reached(user, counted=counted),
        "tools": tools_of(user),
        "role": role_of(user) if has_role else gettext("None"),
        "memberships": user.memberships.select_related("team"),
        "back": page_address(User, "change", user.pk) if may_change else "",
        "editor": f"{reverse('admin:edit_permissions')}?person={user.pk}" if may_change else "",
        "is_me": user == actor,
        **_log_ins(request, actor, user),
        "sections": [each for more in sections_about for each in more(actor, user)],
        "links": [each for more in links_about for each in more(actor, user)],
    }
    return TemplateResponse(request, "accounts/person_access.html", context)


def _found(actor: User, key: int) -> User:
    """Return a person whom the actor may change, or the actor; anybody else is not there."""
    rows = User.objects.select_related("permission_set__based_on").filter(pk=key)
    if key != actor.pk:
        rows = access.permitted(rows, actor, "change")
    user = rows.first()
    if user is None:
        raise Http404
    return user


# --- Log-ins --------------------------------------------------------------------------------------


def _log_ins(request: HttpRequest, actor: User, user: User) -> dict[str, Any]:
    """Return the open log-ins, for the person and for whoever governs their log-in."""
    if user != actor and not access.allows(actor, "credentials", user):
        return {"shows_log_ins": False}
    found = open_log_ins(user, request.session.session_key)
    return {
        "shows_log_ins": True,
        "log_ins": found[:MOST_SHOWN],
        "more_log_ins": max(0, len(found) - MOST_SHOWN),
        "others": sum(not each.is_this for each in found),
        "end_address": reverse("admin:end_log_ins", args=[user.pk]),
    }


def end_log_ins(request: HttpRequest, key: int) -> HttpResponse:
    """End one open log-in of somebody, or all but the one that asks."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    actor = user_of(request)
    user = _found(actor, key)
    mark = request.POST.get("mark", "")
    try:
        if mark:
            operations.end_log_in(user, actor=actor, mark=mark)
            said = gettext("The log-in is ended.")
        else:
            current = request.session.session_key
            ended = operations.end_other_log_ins(user, actor=actor, but=current)
            said = ngettext("Ended: %(count)s log-in.", "Ended: %(count)s log-ins.", ended) % {
                "count": counted(ended)
            }
    except AccountsError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, said)
    return HttpResponseRedirect(reverse("admin:person_access", args=[user.pk]))
