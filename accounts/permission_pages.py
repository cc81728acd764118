"""The permissions reference: every permission of the catalogue on one page (R42)."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts import access, catalogue
from accounts.editor.pages import editor_pages
from accounts.modeladmin import person
from accounts.models import PermissionSet
from accounts.person_access import person_pages


def permission_pages() -> list[URLPattern]:
    """Return the addresses of the reference, of the editor and of what one person may do."""
    page = admin.site.admin_view(reference_page)
    return [
        path("permissions/", page, name="permission_reference"),
        *editor_pages(),
        *person_pages(),
    ]


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
