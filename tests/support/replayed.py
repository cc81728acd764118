"""The state machine of exports as data (R120–R124), and the trail replayed against it.

It knows nothing of the product's own transitions: a trail that is no path of this table is wrong,
whoever wrote it.
"""

from __future__ import annotations

from accounts.models import AuditEvent, User
from exports.models import ExportRequest

RUNNING = frozenset({"pending", "approved", "processing"})

# event: (who, from, to). A decision that does not hold at the claim is seen in processing only by
# the transaction that claims, and goes back from there.
MACHINE: dict[str, tuple[frozenset[str], frozenset[str], str]] = {
    "export.approve": (frozenset({"other"}), frozenset({"pending"}), "approved"),
    "export.reject": (frozenset({"other"}), frozenset({"pending"}), "rejected"),
    "export.recall": (frozenset({"requester"}), RUNNING, "recalled"),
    "export.cancel": (frozenset({"requester", "other", "system"}), RUNNING, "cancelled"),
    "export.lapse": (frozenset({"system"}), frozenset({"pending"}), "lapsed"),
    "export.claim": (frozenset({"system"}), frozenset({"approved", "processing"}), "processing"),
    "export.back_to_pending": (frozenset({"system"}), frozenset({"processing"}), "pending"),
    "export.narrow": (frozenset({"system"}), frozenset({"processing"}), "processing"),
    "export.finish": (frozenset({"system"}), frozenset({"processing"}), "completed"),
    "export.try_again": (
        frozenset({"requester", "super admin"}),
        frozenset({"failed"}),
        "approved",
    ),
    "export.fail": (frozenset({"system"}), frozenset({"approved", "processing"}), "failed"),
    "export.expire": (frozenset({"system"}), frozenset({"completed"}), "expired"),
}


def trails() -> dict[int, list[AuditEvent]]:
    """Return the transitions of every export in the order they were written; one query.

    An event that moves an export says where to; what else happened to it (a download) does not.
    """
    found: dict[int, list[AuditEvent]] = {}
    rows = AuditEvent.objects.filter(object="exportrequest", result="done").order_by("id")
    for event in rows.select_related("actor"):
        if "to" in event.data:
            found.setdefault(int(event.object_id), []).append(event)
    return found


def steps_off(export: ExportRequest, trail: list[AuditEvent], start: str) -> list[str]:
    """Return what is wrong with a trail that began in `start`; empty for a path of the machine."""
    wrong, state = [], start
    for event in trail:
        who, from_, to = MACHINE[event.action]
        if state not in from_ or event.data["to"] != to:
            wrong.append(f"{event.action} from {state} to {event.data['to']}")
        if _who(export, event.actor) not in who:
            wrong.append(f"{event.action} by {event.actor or event.system}")
        state = event.data["to"]
    if export.status != state:
        wrong.append(f"it is {export.status}, its trail ends in {state}")
    if export.version != 1 + len(trail):
        wrong.append(f"version {export.version} after {len(trail)} transitions")
    return wrong


def _who(export: ExportRequest, actor: User | None) -> str:
    if actor is None:
        return "system"
    return "requester" if actor.pk == export.requester_id else "other"
