"""What stands above the permissions wherever they are edited: tabs, a search, and the R9 line."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.urls import reverse

from accounts import catalogue


def permission_tabs(note: str) -> str:
    """Return tabs and search box as HTML; `note` says whom a change concerns, and when."""
    tabs = [
        {"key": tab.lower(), "label": tab, "anchor": f"permissions-{tab.lower()}"}
        for tab in catalogue.TABS
    ]
    context = {
        "tabs": tabs,
        "note": note,
        "inbox": catalogue.INBOX,
        "reference": reverse("admin:permission_reference"),
    }
    return render_to_string("accounts/permission_tabs.html", context)
