"""The first page after log-in: what waits for this person, what they may reach, their notices."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from accounts import access, catalogue, notices
from accounts.modeladmin import page_address, user_of
from accounts.models import ObjectScope, Rank, User
from accounts.paging import capped_count
from crmperms import badges, figures
from crmperms.first_hour import check_list
from crmperms.inbox import besides, items_of
from exports.left_to_decide import warnings
from exports.models import ExportRequest
from exports.policy import usage_shown
from records.screens.tabs import WHOLE_LIST

MOST_NOTICES = MOST_WAITING = 8
OTHER_PAGES = (
    figures.VIEW_LOG,
    figures.VIEW_ALL_EXPORTS,
    "account.user_table",
    figures.EDIT_USERS,
    "account.edit_teams",
)
"""Permissions that show pages without records: whoever has one may well need no records."""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the dashboard: every number is counted within the person's own reach (L70)."""
    user, waiting = user_of(request), badges.waiting(request)
    told = besides(notices.inbox(user), waiting)[:MOST_NOTICES]
    items = items_of(user, [*waiting[:MOST_WAITING], *told], waiting)
    own = access.permitted(ExportRequest.objects.all(), user, "view").filter(requester=user)
    context.update(
        {
            "title": gettext("Dashboard"),
            "check_list": check_list(user),
            "new_permissions": badges.new_permissions(request),
            "reach": [_reach(user, kind) for kind in catalogue.objects() if _sees(user, kind)],
            "charts": figures.charts(request),
            "closing": list(figures.closing(request)),
            "people_lacking": figures.people(user),
            "waiting": [each for each in items if each.has_steps],
            "own_exports": list(own[:MOST_NOTICES]),
            "usage": usage_shown(user),
            "notices": [each for each in items if not each.has_steps],
            "waiting_in_all": badges.in_words(len(waiting)),
            "unread": badges.unread(request),
            "warnings": warnings(user),
            "shows_other_pages": any(access.holds_tool(user, tool) for tool in OTHER_PAGES),
            "may_decide": access.holds_tool(user, "crm.export_approver"),
        }
    )
    return context


def _sees(user: User, kind: catalogue.ObjectKind) -> bool:
    return access.allows_any(user, "view", kind.model)


def _reach(user: User, kind: catalogue.ObjectKind) -> dict[str, Any]:
    """Return one card: how many records of this kind the person sees, and by which scope."""
    rows = access.permitted(kind.model._default_manager.all(), user, "view").order_by()
    scope = user.grants.scopes.get(kind.key)
    if user.is_partner_admin:
        text = gettext("Partner admin: every record")
    elif user.is_superuser or scope is None:
        text = gettext("Super admin: every record")
    elif scope.view_unassigned:
        text = gettext("View: %(view)s, with unassigned ones · Edit: %(edit)s") % _ranks(scope)
    else:
        text = gettext("View: %(view)s · Edit: %(edit)s") % _ranks(scope)
    return {
        "label": str(kind.plural),
        "count": capped_count(rows),
        "scope": text,
        "url": f"{page_address(kind.model, 'changelist')}{WHOLE_LIST}",
    }


def _ranks(scope: ObjectScope) -> dict[str, str]:
    return {"view": str(Rank(scope.view).label), "edit": str(Rank(scope.change).label)}
