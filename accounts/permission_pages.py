"""Addresses about all permissions: the reference (R42), and the history (E17)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import escape
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

from accounts import access, arrivals, catalogue
from accounts.arrival_pages import arrival_pages
from accounts.editor.pages import editor_pages
from accounts.modeladmin import user_of
from accounts.models import KnownPermission, PermissionChange, PermissionSet
from accounts.person_access import person_pages


def permission_pages() -> list[URLPattern]:
    """Return the addresses of the reference, the history, the editor and what one person may do."""
    view = admin.site.admin_view
    return [
        path("permissions/", view(reference_page), name="permission_reference"),
        path("permissions/history/", view(history_page), name="permission_history"),
        *arrival_pages(),
        *editor_pages(),
        *person_pages(),
    ]


def history_address(**narrowed: int) -> str:
    """Return the address of the history, narrowed like this: `person=5`, `set_key=7`."""
    return f"{reverse('admin:permission_history')}?{urlencode(narrowed)}"


def history_page(request: HttpRequest) -> HttpResponse:
    """List every change of a permission; see accounts/history_admin.py."""
    answer: HttpResponse = admin.site.get_model_admin(PermissionChange).changelist_view(request)
    return answer


def reference_page(request: HttpRequest) -> HttpResponse:
    """List every permission there is, for whoever may see permission sets."""
    if not access.allows_any(user_of(request), "view", PermissionSet):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": gettext("Permissions reference"),
        "reference": _with_arrivals(catalogue.reference()),
    }
    return TemplateResponse(request, "accounts/permission_reference.html", context)


def _with_arrivals(reference: dict[str, Any]) -> dict[str, Any]:
    """Say in each row since when that permission is new here; nothing where it always was.

    Of an action on records also for which kinds, where it was known for others.
    """
    since: dict[str, datetime] = {}
    new_for: dict[str, list[str]] = {}
    for each in KnownPermission.objects.new():
        key = each.subject
        if arrivals.is_scope(each.key):
            _, kind, action = each.key.split(".")
            key = f"crm.<object>.{action}"
            new_for.setdefault(key, []).append(kind)
        since[key] = each.at
    for tab in reference["tabs"]:
        tab["label"] = catalogue.TAB_LABELS[tab["tab"]]
        for row in tab["rows"]:
            row["new_since"] = since.get(row["key"])
            kinds = new_for.get(row["key"], [])
            row["new_for"] = _plurals(kind for kind in row["objects"] if kind in kinds)
            row["kinds"] = _plurals(row["objects"])
            row["code"] = _breakable(row["key"])
    return reference


def _plurals(kinds: Iterable[str]) -> list[str]:
    """Return what kinds of record are called, by their keys."""
    named = {kind.key: str(kind.plural) for kind in catalogue.objects()}
    return [named.get(kind, kind) for kind in kinds]


def _breakable(key: str) -> SafeString:
    """Return a key that a narrow column breaks between its words, and not within them."""
    return mark_safe(re.sub(r"(?<=[._])", "<wbr>", escape(key)))  # escaped here
