"""What waits for a person's decision, as the first page and the notifications show it."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.modeladmin import user_of
from crmperms import badges
from exports.deciders import awaiting
from exports.models import ExportRequest

MOST_SHOWN = 8


def waiting_for(request: HttpRequest) -> list[ExportRequest]:
    """Return the first requests that wait for this person, if the badge beside them counts any."""
    if not badges.waiting_for_me(request):
        return []
    return list(awaiting(user_of(request)).select_related("requester")[:MOST_SHOWN])
