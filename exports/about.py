"""What is said of a person on their page: when their exports need consent, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from accounts import access
from accounts.models import User
from accounts.person_access import Line, Section
from accounts.words import counted
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
        yield gettext("Exports what they see at once: approvals are switched off.")
    elif access.holds_tool(user, EXEMPT):
        above = rules.second_person_above
        if above is None:
            yield gettext("Exports without approval.")
        else:
            said = gettext("Exports without approval, up to %(count)s records in 24 hours.")
            yield said % {"count": counted(above)}
    else:
        yield gettext(
            "Cannot export more than %(count)s records, or sensitive data, without approval."
        ) % {"count": counted(rules.threshold)}


def exports_about(reader: User, user: User) -> Iterator[Section]:
    """Yield the latest exports this person asked for, of those that the reader may see."""
    seen = access.permitted(ExportRequest.objects.filter(requester=user), reader, "view")
    found = list(seen.order_by("-requested_at", "-pk")[: MOST_LISTED + 1])
    asked_for = gettext("%(records)s · asked for %(moment)s")
    lines = [
        Line(
            each.name,
            log_address(review=each.pk),
            asked_for
            % {
                "records": in_words(each.record_count),
                "moment": date_format(timezone.localtime(each.requested_at), "DATETIME_FORMAT"),
            },
            each.get_status_display(),
        )
        for each in found[:MOST_LISTED]
    ]
    yield Section(gettext("Exports"), lines, len(found) > MOST_LISTED)


def links_about(actor: User, user: User) -> Iterator[tuple[str, str]]:
    """Yield the way to this person's exports, for who reads everybody's."""
    if access.holds_tool(actor, "audit.view_exports"):
        yield gettext("Exports"), log_address(requester=user.pk)
