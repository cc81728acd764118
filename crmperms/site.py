"""The admin site: navigation by what a person may see, and the product's own style sheet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import path, reverse, reverse_lazy

from accounts import access
from accounts.adminsite import AccessSite
from accounts.modeladmin import person
from accounts.models import User
from accounts.permission_pages import permission_pages
from crmperms import badges
from crmperms.first_hour import set_up_page
from crmperms.inbox import inbox_urls
from records import kinds
from records.screens.past import past_pages
from records.screens.shares import sees_records, shared_page


class CrmSite(AccessSite):
    """The whole product in one place."""

    site_title = "crmperms"
    site_header = "crmperms"
    index_title = "Dashboard"
    empty_value_display = "–"

    def get_urls(self) -> list[Any]:  # patterns and resolvers
        return [
            path("shared/", self.admin_view(shared_page), name="shared"),
            path("set-up/", self.admin_view(set_up_page), name="set_up"),
            *inbox_urls(),
            *permission_pages(),
            *past_pages(),
            *super().get_urls(),
        ]


def stylesheet(request: HttpRequest) -> str:
    """Return the address of our one small style sheet (Unfold ships only its compiled classes)."""
    return static("crmperms.css")


def script(request: HttpRequest) -> str:
    """Return the address of our one small script: dialogs that open and close."""
    return static("crmperms.js")


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the menu of one's own name leads to; Unfold adds the way out."""
    user = request.user
    if not isinstance(user, User):
        return []
    links = [("My access and log-ins", reverse("admin:person_access", args=[user.pk]))]
    if user.has_usable_password():
        links.append(("Change password", reverse("admin:password_change")))
    return [{"title": title, "link": link} for title, link in links]


def _may_view(label: str) -> Callable[[HttpRequest], bool]:
    def permission(request: HttpRequest) -> bool:
        question = access.asked(label)
        assert question is not None
        return isinstance(request.user, User) and access.allows_any(person(request), *question)

    return permission


def _item(title: str, icon: str, model: str, address: str = "changelist") -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{name}_{address}"),
        "permission": _may_view(f"{app}.view_{name}"),
    }


GROUPS: list[dict[str, Any]] = [
    {
        "items": [
            {"title": "Dashboard", "icon": "home", "link": reverse_lazy("admin:index")},
            {
                "title": "Inbox",
                "icon": "inbox",
                "link": reverse_lazy("admin:inbox"),
                "badge": "crmperms.badges.unread",
                "badge_variant": "primary",
                "badge_only_if": badges.unread,
            },
        ]
    },
    {
        "title": "CRM",
        "items": [
            *(_item(k.plural, k.icon, k.model._meta.label_lower) for k in kinds.every()),
            {
                "title": "Shared records",
                "icon": "share",
                "link": reverse_lazy("admin:shared"),
                "permission": sees_records,
            },
        ],
    },
    {
        "title": "Taking data out",
        "items": [
            {
                "title": "Export log",
                "icon": "file_export",
                "link": reverse_lazy("admin:exports_exportrequest_changelist"),
                "permission": _may_view("exports.view_exportrequest"),
                "badge": "crmperms.badges.waiting_for_me",
                "badge_only_if": badges.waiting_for_me,
            },
            _item("Audit log", "policy", "accounts.auditevent"),
        ],
    },
    {
        "title": "Settings",
        "items": [
            _item("People", "group", "accounts.user"),
            _item("Teams", "account_tree", "accounts.team"),
            _item("Permission sets", "key", "accounts.permissionset"),
            {
                **_item("Permissions reference", "menu_book", "accounts.permissionset"),
                "link": reverse_lazy("admin:permission_reference"),
                # The history's address begins with this one.
                "active": lambda request: request.path == reverse("admin:permission_reference"),
            },
            {
                **_item("Permission history", "history", "accounts.permissionchange"),
                "link": reverse_lazy("admin:permission_history"),
            },
            {
                **_item("New permissions", "new_releases", "accounts.knownpermission"),
                "link": reverse_lazy("admin:new_permissions"),
                "badge": "crmperms.badges.new_permissions",
                "badge_only_if": badges.new_permissions,
            },
            _item("Pipelines & rules", "conversion_path", "records.pipeline"),
            {
                **_item("Fields", "visibility_lock", "records.property"),
                # Viewing a field is about its values; its settings are for whoever lays them down.
                "permission": _may_view("records.add_property"),
            },
            _item("Approvals", "approval", "exports.exportpolicy"),
            _item("Sensitive data on screens", "visibility_off", "records.screenlimit"),
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar's groups, without items the person may see nothing of."""
    groups = []
    for group in GROUPS:
        items = [
            _without_empty_badge(item, request)
            for item in group["items"]
            if item.get("permission", _always)(request)
        ]
        if items:
            groups.append({**group, "items": items, "separator": False, "collapsible": False})
    return groups


def _without_empty_badge(item: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """Return an item as Unfold gets it: without a badge that is empty, and without `permission`.

    Unfold draws an empty badge as a blot, and would ask the permission a second time.
    """
    badge = item.get("badge_only_if")
    left_out = {"badge_only_if", "permission"}
    if badge is not None and not badge(request):
        left_out |= {"badge", "badge_variant"}
    return {key: value for key, value in item.items() if key not in left_out}


def _always(request: HttpRequest) -> bool:
    return True
