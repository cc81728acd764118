"""What an approver typed into the panel: read as conditions, and kept where it was refused."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict

from accounts.keys import whole_number
from accounts.numbers import ungrouped
from exports.models import ExportRequest
from exports.operations import ExportError, InvalidRequest

NUMBERS = ("most_records", "file_days", "most_downloads")
_KEPT = "export_decision_typed"


def posted_conditions(posted: QueryDict, export: ExportRequest) -> dict[str, Any] | None:
    """Return the conditions of a posted form, None where there are none.

    Columns come by their place: the name of one that is restricted for the approver is not on the
    page. The version that comes with them says that the places are still the same.
    """
    given: dict[str, Any] = {}
    if places := posted.getlist("drop"):
        names = {str(place): column["name"] for place, column in enumerate(export.columns)}
        given["columns_dropped"] = [names.get(place) for place in places]
    for name in NUMBERS:
        if text := posted.get(name, "").strip():
            # What is no number is refused by the operation, which says what would be one.
            given[name] = _number(text)
    return given or None


def _number(text: str) -> int | str:
    try:
        return whole_number(ungrouped(text)) or text
    except ValidationError:
        return text


def keep_typed(request: HttpRequest, export: ExportRequest, refusal: ExportError) -> None:
    """Keep what was typed for the page that follows, and which field of it is wrong.

    The same dialog opens there where what was typed can be mended.
    """
    step = request.path.rstrip("/").rpartition("/")[2]
    if step not in ("approve", "reject"):
        return
    values = {name: request.POST.get(name, "")[:2000] for name in ("note", *NUMBERS)}
    drop = request.POST.getlist("drop")[:1000]
    request.session[_KEPT] = {
        "export": export.pk,
        "opens": step if isinstance(refusal, InvalidRequest) else "",
        "wrong": getattr(refusal, "field", ""),
        "why": str(refusal),
        "step": step,
        "drop": [int(place) for place in drop if place.isdecimal() and len(place) < 9],
        **values,
    }


def typed_before(request: HttpRequest, export: ExportRequest) -> dict[str, Any]:
    """Return, once, what was typed into this export's panel a moment ago."""
    if _KEPT not in request.session:
        return {}
    kept: dict[str, Any] = request.session.pop(_KEPT)
    return kept if kept["export"] == export.pk else {}
