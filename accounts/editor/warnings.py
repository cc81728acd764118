"""What an administrator is warned of before saving, beside what is gained and lost (Q18, Q19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from accounts import catalogue, changes
from accounts.changes import State
from accounts.models import Rank


def warnings_of(states: Sequence[State], wanted: Mapping[str, Any]) -> list[str]:
    """Return sentences about what these changes make of each state and somebody may not mean."""
    said: dict[str, None] = {}
    for state in states:
        later = changes.after(state.scopes, state.tools, wanted)
        for kind in catalogue.objects():
            row, before = later.scopes.get(kind.key, {}), state.scopes.get(kind.key, {})
            if before.get("view", 0) and not row.get("view", 0):
                text = gettext(
                    "View for %(kinds)s becomes None: they vanish from lists, search, links and "
                    "pickers."
                )
                said[text % {"kinds": kind.nouns}] = None
            wider = row.get("delete", 0) > row.get("change", 0)
            if wider and "delete" in kind.actions and _is_touched(kind.key, wanted):
                text = gettext(
                    "Delete for %(kinds)s (%(delete)s) reaches further than Edit (%(edit)s)."
                )
                levels = {
                    "delete": Rank(row["delete"]).label,
                    "edit": Rank(row.get("change", 0)).label,
                }
                said[text % {"kinds": kind.nouns, **levels}] = None
    return list(said)


def _is_touched(kind: str, wanted: Mapping[str, Any]) -> bool:
    return any(key.startswith(f"crm.{kind}.") for key in wanted)
