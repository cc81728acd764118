"""The menu, by what a person may see; breadcrumbs, titles and headings take their words from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import reverse, reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounts import access
from accounts.modeladmin import page_address, user_of
from accounts.models import User
from crmperms import badges
from records import kinds
from records.screens.shares import sees_records


def _may_view(label: str) -> Callable[[HttpRequest], bool]:
    def permission(request: HttpRequest) -> bool:
        question = access.asked(label)
        assert question is not None
        return isinstance(request.user, User) and access.allows_any(user_of(request), *question)

    return permission


def _item(
    title: str | Promise, icon: str, model: str, address: str = "changelist"
) -> dict[str, Any]:
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
            {
                "title": gettext_lazy("Dashboard"),
                "icon": "home",
                "link": reverse_lazy("admin:index"),
            },
            {
                "title": gettext_lazy("Notifications"),
                "icon": "notifications",
                "link": reverse_lazy("admin:inbox"),
                "badge": "crmperms.badges.unread",
                "badge_variant": "primary",
                "badge_only_if": badges.unread,
            },
        ]
    },
    {
        "title": gettext_lazy("CRM"),
        "items": [
            *(_item(k.plural, k.icon, k.model._meta.label_lower) for k in kinds.every()),
            {
                "title": gettext_lazy("Shared records"),
                "icon": "share",
                "link": reverse_lazy("admin:shared"),
                "permission": sees_records,
            },
            {
                "title": gettext_lazy("Requests for access"),
                "icon": "key",
                "link": reverse_lazy("admin:access_requests"),
                "permission": sees_records,
                "badge": "crmperms.badges.access_waiting",
                "badge_only_if": badges.access_waiting,
            },
        ],
    },
    {
        "title": gettext_lazy("Exports & audit"),
        "items": [
            {
                "title": gettext_lazy("Export log"),
                "icon": "file_export",
                "link": reverse_lazy("admin:exports_exportrequest_changelist"),
                "permission": _may_view("exports.view_exportrequest"),
                "badge": "crmperms.badges.exports_waiting",
                "badge_only_if": badges.exports_waiting,
            },
            _item(gettext_lazy("Audit log"), "policy", "accounts.auditevent"),
        ],
    },
    {
        "title": gettext_lazy("Settings"),
        "items": [
            _item(gettext_lazy("Users"), "group", "accounts.user"),
            _item(gettext_lazy("Teams"), "account_tree", "accounts.team"),
            _item(gettext_lazy("Permission sets"), "key", "accounts.permissionset"),
            {
                **_item(
                    gettext_lazy("Permissions reference"), "menu_book", "accounts.permissionset"
                ),
                "link": reverse_lazy("admin:permission_reference"),
            },
            {
                **_item(gettext_lazy("Permission history"), "history", "accounts.permissionchange"),
                "link": reverse_lazy("admin:permission_history"),
                "also": reverse_lazy("admin:accounts_permissionchange_changelist"),
            },
            {
                **_item(
                    gettext_lazy("New permissions"), "new_releases", "accounts.knownpermission"
                ),
                "link": reverse_lazy("admin:new_permissions"),
                "badge": "crmperms.badges.new_permissions",
                "badge_only_if": badges.new_permissions,
            },
            _item(gettext_lazy("Pipelines & rules"), "conversion_path", "records.pipeline"),
            {
                **_item(gettext_lazy("Fields"), "visibility_lock", "records.property"),
                # Viewing a field is about its values; its settings are for whoever lays them down.
                "permission": _may_view("records.add_property"),
            },
            _item(gettext_lazy("Approvals"), "approval", "exports.exportpolicy"),
            _item(
                gettext_lazy("Sensitive data on screens"), "visibility_off", "records.screenlimit"
            ),
        ],
    },
]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side bar's groups, without items the person may see nothing of."""
    here = _here(request)
    groups = []
    for group in GROUPS:
        items = [
            _drawn(item, request, here)
            for item in group["items"]
            if item.get("permission", _always)(request)
        ]
        if items:
            groups.append({**group, "items": items, "separator": False, "collapsible": False})
    return groups


def _here(request: HttpRequest) -> str:
    """Return the address of the item that a page belongs to; an export belongs to its list."""
    path = request.path
    before, _, key = path.removesuffix("/").rpartition("/")
    if before.endswith("/exportrequest/new") and (kind := kinds.named(key)):
        return page_address(kind.model, "changelist")
    return next((link for way, link in _ways() if path.startswith(way)), path)


@cache
def _ways() -> tuple[tuple[str, str], ...]:
    """Return what the addresses of an item's pages begin with, and the item's: the longest first.

    All begin with the dashboard's, which has no pages below it and is left out. Once per process:
    to look addresses up took longer than the rest of the menu.
    """
    home = reverse("admin:index")
    items = [item for group in GROUPS for item in group["items"]]
    ways = [
        (str(way), str(item["link"]))
        for item in items
        for way in (item["link"], item.get("also"))
        if way and str(way) != home
    ]
    return tuple(sorted(ways, key=lambda each: -len(each[0])))


def _drawn(item: dict[str, Any], request: HttpRequest, here: str) -> dict[str, Any]:
    """Return an item as Unfold gets it: without a badge that is empty, and without `permission`.

    Unfold draws an empty badge as a blot, and would ask the permission a second time. The address
    is looked up here, once: the menu and the breadcrumb compare and draw it several times.
    """
    badge = item.get("badge_only_if")
    left_out = {"badge_only_if", "permission", "also"}
    if badge is not None and not badge(request):
        left_out |= {"badge", "badge_variant"}
    link = str(item["link"])
    kept = {key: value for key, value in item.items() if key not in left_out}
    return {**kept, "link": link, "active": link == here}


def _always(request: HttpRequest) -> bool:
    return True
