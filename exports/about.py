"""What is said of a person on their page: when their exports need consent, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from django.utils.formats import date_format

from accounts import access
from accounts.models import User
from accounts.person_access import Line, Section
from exports import policy
from exports.deciders import EXEMPT
from exports.models import ExportRequest
from exports.screens.log import log_address
from exports.steps import in_words

MOST_LISTED = 10


def sentences_about(user: User) -> Iterator[str]:
    """Yield how this person takes records out; nothing for who does not (R119, R125)."""
    if not access.holds_tool(user, policy.TAKE_OUT):
        return
    rules = policy.current()
    if not rules.require_approval:
        yield "Exports what they see at once: approvals are switched off."
    elif access.holds_tool(user, EXEMPT):
        above = rules.second_person_above
        more = f", up to {above:,} records in 24 hours" if above is not None else ""
        yield f"Exports without approval{more}."
    else:
        yield (
            f"Cannot export more than {rules.threshold:,} records, or sensitive data, without "
            "approval."
        )


def exports_about(reader: User, user: User) -> Iterator[Section]:
    """Yield the latest exports this person asked for, of those that the reader may see."""
    seen = access.permitted(ExportRequest.objects.filter(requester=user), reader, "view")
    found = list(seen.order_by("-requested_at", "-pk")[: MOST_LISTED + 1])
    lines = [
        Line(
            each.name,
            log_address(review=each.pk),
            f"{in_words(each.record_count)} · asked for "
            f"{date_format(timezone.localtime(each.requested_at), 'DATETIME_FORMAT')}",
            each.get_status_display(),
        )
        for each in found[:MOST_LISTED]
    ]
    yield Section("Exports", lines, len(found) > MOST_LISTED)


def links_about(actor: User, user: User) -> Iterator[tuple[str, str]]:
    """Yield the way to this person's exports, for who reads everybody's."""
    if access.holds_tool(actor, "audit.view_exports"):
        yield "Exports", log_address(requester=user.pk)
