"""Requests to export among all that asks for a decision: what waits, and how a row reads."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import F
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.models import User
from accounts.to_decide import RequestKind, RequestRow, Step
from exports import deciders
from exports.models import ExportRequest
from exports.screens.panel import panel_address, what_it_has
from exports.steps import S, readable


def decision_address(export: ExportRequest, step: str) -> str:
    """Return the page that asks whether to approve, or why to reject, and leads back."""
    return f"{reverse('admin:exports_exportrequest_decide', args=[export.pk])}?step={step}"


def rows(user: User, keys: Collection[int], deciding: Collection[int]) -> dict[int, RequestRow]:
    """Return rows of exports that this person sees; one statement."""
    found = access.permitted(ExportRequest.objects.filter(pk__in=keys), user, "view")
    return {
        export.pk: _row(export, user, export.pk in deciding)
        for export in found.order_by().select_related("requester", "decided_by")
    }


def _row(export: ExportRequest, user: User, decides: bool) -> RequestRow:
    facts = what_it_has(export)
    if export.status == S.PENDING and export.waits_again_because:
        again = gettext("Waits again: %(why)s") % {"why": export.why_it_waits_again}
        facts = f"{facts} · {again}"
    elif export.decided_by is not None:
        facts = f"{facts} · {by_whom(export)}"
    return RequestRow(
        url=panel_address(export),
        state=export.status,
        state_label=export.get_status_display(),
        title=_title(export, user),
        # What somebody wrote for whoever decides; it stands beneath their name.
        purpose=export.message if export.approval_needed else "",
        facts=facts,
        warning=gettext("Sensitive data") if export.holds_sensitive else "",
        since=export.waiting_since,
        steps=_steps(export) if decides else (),
    )


def _title(export: ExportRequest, user: User) -> str:
    """Say who asks for what; nothing to who asked, whom the latest news tells more."""
    if export.requester_id == user.pk or not export.approval_needed:
        return ""
    return gettext("%(name)s requests approval to export “%(export)s”") % _names(export)


_SAY_BY_WHOM = {
    S.APPROVED: gettext_lazy("Approved by %(name)s"),
    S.REJECTED: gettext_lazy("Rejected by %(name)s"),
}


def by_whom(export: ExportRequest) -> str:
    """Say who approved or rejected it; empty where nobody did."""
    if export.decided_by is None:
        return ""
    said = _SAY_BY_WHOM.get(S(export.status), _SAY_BY_WHOM[S.APPROVED])
    return str(said) % {"name": export.decided_by.get_full_name()}


def _steps(export: ExportRequest) -> tuple[Step, ...]:
    names = _names(export)
    return (
        Step(
            gettext("Approve"),
            decision_address(export, "approve"),
            gettext("Approve the request of %(name)s: %(export)s") % names,
            is_first=True,
        ),
        Step(
            gettext("Reject"),
            decision_address(export, "reject"),
            gettext("Reject the request of %(name)s: %(export)s") % names,
        ),
    )


def _names(export: ExportRequest) -> dict[str, str]:
    return {"name": export.requester.get_full_name(), "export": export.name}


EXPORTS = RequestKind(
    waiting=ExportRequest.objects.awaiting_decision,
    to_decide=deciders.awaiting,
    since=Coalesce(F("waits_again_since"), F("requested_at")),
    readable=readable,
    rows=rows,
)
