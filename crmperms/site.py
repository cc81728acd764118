"""The admin site: its pages, and the product's own style sheet."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import path, reverse
from django.utils.translation import gettext, gettext_lazy

from accounts.adminsite import AccessSite
from accounts.models import User
from accounts.own_settings import own_settings_urls
from accounts.permission_pages import permission_pages
from crmperms.first_hour import set_up_page
from crmperms.inbox import inbox_urls
from records.screens.past import past_pages
from records.screens.requests import request_pages
from records.screens.shares import shared_page


class CrmSite(AccessSite):
    """The whole product in one place."""

    site_title = "crmperms"
    site_header = "crmperms"
    index_title = gettext_lazy("Dashboard")
    empty_value_display = "–"

    def get_urls(self) -> list[Any]:  # patterns and resolvers
        return [
            path("shared/", self.admin_view(shared_page), name="shared"),
            path("set-up/", self.admin_view(set_up_page), name="set_up"),
            *inbox_urls(),
            *own_settings_urls(),
            *permission_pages(),
            *past_pages(),
            *request_pages(),
            *super().get_urls(),
        ]


def stylesheet(request: HttpRequest) -> str:
    """Return the address of our one small style sheet (Unfold ships only its compiled classes)."""
    return static("crmperms.css")


def script(request: HttpRequest) -> str:
    """Return the address of our one small script: dialogs that open and close."""
    return static("crmperms.js")


def icon(request: HttpRequest) -> str:
    """Return the address of the icon; given as such, Unfold looks for a module of its name."""
    return "/static/favicon.svg"


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the menu of one's own name leads to; Unfold adds the way out."""
    user = request.user
    if not isinstance(user, User):
        return []
    links = [
        (gettext("My access and log-ins"), reverse("admin:person_access", args=[user.pk])),
        (gettext("Your settings"), reverse("admin:own_settings")),
    ]
    if user.has_usable_password():
        links.append((gettext("Change password"), reverse("admin:password_change")))
    return [{"title": title, "link": link} for title, link in links]
