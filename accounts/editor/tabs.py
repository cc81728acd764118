"""What stands above the permissions wherever they are edited: tabs, a search, and the R9 line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext

from accounts.catalogue import INBOX, TAB_LABELS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def permission_tabs(note: StrOrPromise) -> str:
    """Return tabs and search box as HTML; `note` says whom a change concerns, and when."""
    tabs = [
        {"key": tab.lower(), "label": label, "anchor": f"permissions-{tab.lower()}"}
        for tab, label in TAB_LABELS.items()
    ]
    context = {
        "tabs": tabs,
        "note": note,
        "inbox": gettext(INBOX),
        "reference": reverse("admin:permission_reference"),
    }
    return render_to_string("accounts/permission_tabs.html", context)
