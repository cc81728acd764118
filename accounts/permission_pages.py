"""Addresses about all permissions: the reference (R42), and the history (E17)."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from accounts import access, catalogue
from accounts.editor.pages import editor_pages
from accounts.modeladmin import person
from accounts.models import PermissionChange, PermissionSet
from accounts.person_access import person_pages


def permission_pages() -> list[URLPattern]:
    """Return the addresses of the reference, the history, the editor and what one person may do."""
    view = admin.site.admin_view
    return [
        path("permissions/", view(reference_page), name="permission_reference"),
        path("permissions/history/", view(history_page), name="permission_history"),
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
    if not access.allows_any(person(request), "view", PermissionSet):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Permissions reference",
        "reference": catalogue.reference(),
    }
    return TemplateResponse(request, "accounts/permission_reference.html", context)
