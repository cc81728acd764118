"""What is said of a share beside its record: who gave it, to whom, and how long it lasts."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from records.reasons import end_of

__all__ = ["between", "end_of", "giver_of"]


def giver_of(share: Any) -> str:
    """Return who gave a share; Any, since guardian's columns are not typed."""
    if share.giver is None:
        return gettext("by the product")
    return gettext("by %(giver)s") % {"giver": share.giver}


def between(share: Any, *, given: bool) -> str:
    """Return the other side of a share that somebody gave, or received themselves or as a team."""
    names = {"receiver": getattr(share, share.receiver_field), "giver": share.giver}
    if given:
        return gettext("with %(receiver)s") % names
    if share.receiver_field == "user":
        return giver_of(share)
    if share.giver is None:
        return gettext("by the product, with %(receiver)s") % names
    return gettext("by %(giver)s, with %(receiver)s") % names
