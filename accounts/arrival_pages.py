"""Settings → New permissions: what an upgrade brought, who gets what arrived off, and the switch.

/admin/permissions/new/                     what is new, what waits, “HubSpot-compatible: all on”
/admin/permissions/new/crm.bulk_delete/     choose the sets that get it, or leave it off

The sets are changed by the editor's own pages, with its preview.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from accounts import access, arrivals, catalogue, operations
from accounts.access import NEVER
from accounts.catalogue import Kind, Risk
from accounts.editor.pages import form_page, is_arrival, review_page, task_of_sets
from accounts.held import held_in_each
from accounts.keys import whole_number
from accounts.modeladmin import user_of
from accounts.models import KnownPermission, PermissionSet, User
from accounts.operations import AccountsError
from accounts.operations.arrivals import ALREADY_DECIDED, PAGE, name_of_subject


def arrival_pages() -> list[URLPattern]:
    """Return the addresses of these pages."""
    view = admin.site.admin_view
    return [
        path("permissions/new/", view(new_permissions), name="new_permissions"),
        path("permissions/new/switch/", view(switch), name="all_on"),
        path("permissions/new/<str:subject>/", view(new_permission), name="new_permission"),
    ]


def hidden_notices(user: User) -> Q:
    """Hold for notices about new permissions, unless the person decides on them.

    Fills the slot `accounts.notices.hidden`.
    """
    return NEVER if access.allows_any(user, "view", KnownPermission) else Q(link=reverse(PAGE))


@dataclass(frozen=True, slots=True)
class Told:
    """One permission that is new here, or a kind of record, in words."""

    subject: str
    name: str
    help: str
    details: tuple[str, ...]
    is_high: bool
    opens_gate: bool
    rows: tuple[KnownPermission, ...]

    @property
    def waits(self) -> bool:
        return any(row.to_review and row.decided_at is None for row in self.rows)

    @property
    def first(self) -> KnownPermission:
        return self.rows[0]

    @property
    def options(self) -> str:
        """What of it is new, where it has options."""
        if arrivals.is_scope(self.first.key):
            actions = [row.key.rpartition(".")[2] for row in self.rows]
            return ", ".join(str(catalogue.ACTION_LABELS[action]) for action in actions)
        names = [row.key.partition(":")[2] for row in self.rows]
        tool = catalogue.TOOLS[self.subject]
        return ", ".join(str(each.label) for each in tool.options if each.key in names)


def _told(rows: Sequence[KnownPermission]) -> list[Told]:
    """Return these permissions in words, together what is decided on as one.

    What this version does not have any more is left out: nobody can be given it.
    """
    there = set(catalogue.names_to_give())
    by_subject: dict[str, list[KnownPermission]] = {}
    for row in rows:
        if row.key in there:
            by_subject.setdefault(row.subject, []).append(row)
    return [_in_words(subject, found) for subject, found in by_subject.items()]


def _in_words(subject: str, rows: Sequence[KnownPermission]) -> Told:
    tool = catalogue.TOOLS.get(subject)
    name = name_of_subject(subject)
    if tool is None:
        text = gettext(
            "A kind of record that is new. Nobody but super admins sees any until a set says so."
        )
        return Told(subject, name, text, (), False, False, tuple(rows))
    details = (tool.standing, *catalogue.sentences(tool))
    high = tool.risk is Risk.HIGH
    return Told(subject, name, str(tool.help), details, high, tool.opens_gate, tuple(rows))


def _require_may_decide(request: HttpRequest) -> User:
    user = user_of(request)
    if not access.allows_any(user, "view", KnownPermission):
        raise PermissionDenied
    return user


def new_permissions(request: HttpRequest) -> HttpResponse:
    """List what upgrades brought, what waits for a decision first (Q25)."""
    _require_may_decide(request)
    rows = KnownPermission.objects.new().select_related("decided_by")
    told = _told(list(rows))
    context = {
        **admin.site.each_context(request),
        "title": gettext("New permissions"),
        "waiting": [each for each in told if each.waits],
        "others": sorted(
            (each for each in told if not each.waits), key=lambda each: each.first.pk, reverse=True
        ),
        "policy": operations.arrival_policy(),
        "never": [tool.label for tool in catalogue.TOOLS.values() if tool.opens_gate],
    }
    return TemplateResponse(request, "accounts/new_permissions.html", context)


def switch(request: HttpRequest) -> HttpResponse:
    """Move “HubSpot-compatible: all on”."""
    user = _require_may_decide(request)
    if request.method == "POST":
        all_on = request.POST.get("all_on") == "yes"
        try:
            version = whole_number(request.POST.get("version"))
            operations.set_all_on(actor=user, all_on=all_on, version=version)
        except AccountsError as refusal:
            messages.error(request, str(refusal))
        else:
            said = gettext("Saved. Permissions of later upgrades arrive by their risk.")
            if all_on:
                said = gettext("Saved. Permissions of later upgrades arrive on by themselves.")
            messages.success(request, said)
    return HttpResponseRedirect(reverse(PAGE))


def new_permission(request: HttpRequest, subject: str) -> HttpResponse:
    """Choose the sets that get a permission that arrived off, or leave it off."""
    user = _require_may_decide(request)
    waiting = list(KnownPermission.objects.waiting())
    found = next((each for each in _told(waiting) if each.subject == subject), None)
    if found is None and not is_arrival(user, subject):
        raise Http404
    if request.method == "POST" and "leave" in request.POST:
        return _left_off(request, user, subject)
    if found is None:
        messages.error(request, gettext(ALREADY_DECIDED))
        return HttpResponseRedirect(reverse(PAGE))
    refusal = ""
    if request.method == "POST":
        keys = set(map(whole_number, request.POST.getlist("set")))
        if keys:
            return _to_editor(request, user, found, keys)
        refusal = gettext("Tick at least one set, or leave the permission off.")
    context = {
        **admin.site.each_context(request),
        "title": found.name,
        "found": found,
        "sets": _sets(found),
        "own": PermissionSet.objects.exclude(owner=None).count(),
        "refusal": refusal,
        "back": reverse(PAGE),
    }
    return TemplateResponse(request, "accounts/new_permission.html", context)


def _sets(found: Told) -> list[dict[str, Any]]:
    """Return the named sets, how many people have each, and what the permission would do there."""
    people = Count("people", filter=Q(people__is_active=True))
    sets = list(PermissionSet.objects.named().annotate(holders=people))
    held = held_in_each(each.pk for each in sets)
    names = [row.key for row in found.rows]
    known = set(KnownPermission.objects.values_list("key", flat=True)) - set(names)
    tool = catalogue.TOOLS.get(found.subject)
    rows = []
    each: Any  # with how many hold it
    for each in sets:
        says = ""
        if tool is not None and tool.kind in (Kind.SWITCH, Kind.BOXES):
            got = arrivals.received(held[each.pk], names, known)
            says = "" if got else gettext("no effect as the set stands, or held already")
        rows.append({"set": each, "holders": each.holders, "says": says})
    return rows


def _to_editor(request: HttpRequest, user: User, found: Told, keys: set[int]) -> HttpResponse:
    """Show what follows for these sets; where somebody has to say how far, the editor first."""
    task = task_of_sets(user, keys, arrival=found.subject)
    tool = catalogue.TOOLS.get(found.subject)
    names = {row.key for row in found.rows}
    if tool is not None and names == set(catalogue.keys_to_give(tool)):
        if tool.kind is Kind.SWITCH:
            return review_page(request, task, {tool.key: True})
        if tool.kind is Kind.BOXES:
            options = [name.partition(":")[2] for name in catalogue.keys_to_give(tool)]
            return review_page(request, task, {tool.key: options})
    return form_page(request, task)


def _left_off(request: HttpRequest, user: User, subject: str) -> HttpResponse:
    try:
        operations.decide_arrival(subject, actor=user)
    except AccountsError as refusal:
        messages.error(request, str(refusal))
    else:
        said = gettext("%(permission)s stays off. Permission sets can be given it at any time.")
        messages.success(request, said % {"permission": name_of_subject(subject)})
    return HttpResponseRedirect(reverse(PAGE))
