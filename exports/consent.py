"""Whether a claimed export may still run: its consent, its columns and its requester, as of now.

What is not valid any more goes back to the approvers, loses columns, or ends (Q3, Q9, B5, B10).
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext

from accounts import access
from accounts.models import User
from exports import deciders, policy, reasons, tables
from exports.models import ExportRequest
from exports.operations import (
    cancel_by_system,
    still_valid,
    with_delegates,
)
from exports.steps import SYSTEM, S, mine, tell, transition
from exports.writers import manifest
from records import filters
from records.models import Record
from records.models.properties import FieldKey
from records.reads import as_text, from_text

logger = logging.getLogger(__name__)


def may_proceed(export: ExportRequest) -> bool:
    """Tell whether the consent still holds; otherwise move the export on (Q3, Q9)."""
    if not still_valid(export):
        cancel_revoked(export)
        return False
    if not manifest.is_as_frozen(export):
        _fail_tampered(export)
        return False
    requester = export.requester
    decider = export.decided_by
    if export.approval_needed and not (decider and access.holds_tool(decider, deciders.DECIDE)):
        why = reasons.kept(reasons.NO_APPROVER)
        if decider:
            why = reasons.kept(reasons.APPROVER_LOST_RIGHT, name=decider.get_full_name())
        _back_to_pending(export, requester, "approver_lost_right", why, export.because)
        return False
    if needs := consent_needed_since(export, requester):
        _back_to_pending(export, requester, *needs)
        return False
    hidden = _hidden(export, requester)
    if hidden and export.approval_needed:
        why = reasons.kept(reasons.RESTRICTED)
        _back_to_pending(export, requester, "became_restricted", why, "decided_again")
        return False
    if hidden:
        return _narrow(export, hidden)
    return True


def consent_needed_since(export: ExportRequest, requester: User) -> tuple[str, str, str] | None:
    """Return why an export that may run needs a decision by now, as things stand; None: it runs on.

    A code, a sentence, and the code of why approval is needed (Q3). A policy that was changed is no
    reason: it holds for new requests (Q10). An exemption that was taken away is one.
    """
    sensitive = _sensitive_now(export, requester)
    if export.because == "exempt" and not access.holds_tool(requester, deciders.EXEMPT):
        needed, because = policy.approval(requester, export.record_count, sensitive, besides=export)
        if needed:
            return "exemption_lost", reasons.kept(reasons.EXEMPTION_LOST), because
    newly_sensitive = sensitive - from_text(_model(export), export.sensitive_fields)
    if newly_sensitive and (
        export.approval_needed or policy.approval(requester, 0, newly_sensitive)[0]
    ):
        since = reasons.SENSITIVE_SINCE_ASKED
        if export.decided_by_id:
            since = reasons.SENSITIVE_SINCE_APPROVED
        return "became_sensitive", reasons.kept(since), "sensitive"
    return None


def _narrow(export: ExportRequest, hidden: set[str]) -> bool:
    """Take restricted columns out of an export that nobody had to approve, names included (S08)."""
    left = [column for column in export.columns if column["name"] not in hidden]
    if not left:
        cancel_revoked(export)
        return False
    frozen = manifest.write_frozen(export, columns=left)
    transition(
        export,
        actor=SYSTEM,
        action="export.narrow",
        to=S.PROCESSING,
        from_=[S.PROCESSING],
        where=mine(export),
        data={"columns_left_out": len(hidden), "manifest_digest": frozen.digest},
        columns=left,
    )
    return True


def still_whole(export: ExportRequest, requester: User) -> bool:
    """Tell whether a file that is being written may still be what it was when it was begun."""
    return not _hidden(export, requester) and consent_needed_since(export, requester) is None


def _hidden(export: ExportRequest, requester: User) -> set[str]:
    """Return which of the columns that leave the requester may not see any more."""
    visible = {column.name for column in tables.permitted_columns(_model(export), requester)}
    return {column["name"] for column in export.leaving_columns} - visible


def _model(export: ExportRequest) -> type[Record]:
    return tables.model_of(export.object)


def _sensitive_now(export: ExportRequest, requester: User) -> frozenset[FieldKey]:
    # A dropped column does not leave; a filter or an order by its field counts all the same.
    names = {column["name"] for column in export.leaving_columns}
    columns = [c for c in tables.all_columns(_model(export)) if c.name in names]
    return tables.sensitive(_model(export), columns, export.query, requester)


def sensitive_leaves(export: ExportRequest) -> bool:
    """Tell whether something of an export that leaves is sensitive, as it was frozen.

    A dropped column does not leave; a filter or an order by its field counts all the same.
    """
    by_query = filters.reads(_model(export), export.query)
    return any(column["sensitive"] for column in export.leaving_columns) or bool(
        by_query & from_text(_model(export), export.sensitive_fields)
    )


def cancel_revoked(export: ExportRequest) -> None:
    """Cancel an export whose requester may not have it any more (Q9, B5)."""
    active = User.objects.filter(pk=export.requester_id, is_active=True).exists()
    cancel_by_system(
        export,
        reason="requester_lost_right" if active else "requester_inactive",
        because=reasons.kept(
            reasons.REQUESTER_LOST_RIGHT if active else reasons.REQUESTER_INACTIVE
        ),
        where=None if export.status == S.PENDING else mine(export),
    )


@transaction.atomic
def _back_to_pending(
    export: ExportRequest, requester: User, reason: str, why: str, because: str
) -> None:
    """Put an export before the approvers again, described as it is now (Q3).

    `reason` is the code of what happened, `why` a sentence of reasons.py that says it, and
    `because` the code of why approval is needed now. Conditions go with the decision they were part
    of: whoever decides anew sets their own.
    """
    visible = {
        column.name: column for column in tables.permitted_columns(_model(export), requester)
    }
    # In the order of the file, which was asked for.
    columns = [visible[each["name"]] for each in export.columns if each["name"] in visible]
    flagged = tables.sensitive(_model(export), columns, export.query, requester)
    described: dict[str, Any] = {
        "approval_needed": True,
        "because": because,
        "columns": tables.frozen(columns, flagged),
        "sensitive_fields": as_text(_model(export), flagged),
        "has_sensitive": bool(flagged),
    }
    frozen = manifest.write_frozen(export, **described)
    transition(
        export,
        actor=SYSTEM,
        action="export.back_to_pending",
        to=S.PENDING,
        from_=[S.PROCESSING],
        where=mine(export),
        data={
            "reason": reason,
            "decided_by": export.decided_by_id,
            "manifest_digest": frozen.digest,
        },
        **described,
        decided_by=None,
        decided_at=None,
        # Whoever decides releases it afresh, and later.
        released_again_at=None,
        decision_note="",
        conditions={},
        waits_again_because=why,
        waits_again_since=Now(),
        reminders=0,
        tries=0,
        setbacks=0,
        worker="",
        lease_until=None,
        file_name="",
    )
    chosen = to_be_asked(export)

    def said() -> dict[str, str]:
        return {"export": export.name, "why": export.why_it_waits_again}

    tell(
        chosen,
        lambda: gettext("The export “%(export)s” has to be decided on again. %(why)s") % said(),
        export,
        subject=lambda: gettext("An export waits for your decision again"),
    )
    tell(
        [requester],
        lambda: gettext("Your export “%(export)s” needs approval again. %(why)s") % said(),
        export,
        subject=lambda: gettext("Your export needs approval again"),
    )


def to_be_asked(export: ExportRequest) -> list[User]:
    """Return whom a waiting request is brought before again, and keep that they are told.

    Of those who may decide on it now the ones its requester chose, or all of them.
    """
    able = deciders.deciders_of(export)
    approvers = list(able)
    named = set(export.chosen.values_list("pk", flat=True))
    chosen = [person for person in approvers if person.pk in named] or approvers
    chosen = with_delegates(chosen, able)
    export.notified.add(*chosen)
    return chosen


@transaction.atomic
def _fail_tampered(export: ExportRequest) -> None:
    """End an export that is not what was asked for and decided on any more (B10)."""
    logger.error("Export %s is not what was frozen any more; it is not run.", export.pk)
    transition(
        export,
        actor=SYSTEM,
        action="export.fail",
        to=S.FAILED,
        from_=[S.PROCESSING],
        where=mine(export),
        data={"reason": "manifest_changed"},
        ended_at=Now(),
        ended_because=reasons.kept(reasons.CHANGED_OUTSIDE),
        worker="",
        lease_until=None,
        file_name="",
    )
    tell(
        [export.requester],
        lambda: (
            gettext(
                "Your export “%(export)s” failed: the request was changed outside the product. "
                "Tell a super admin, and ask for it again."
            )
            % {"export": export.name}
        ),
        export,
        subject=lambda: gettext("Your export failed"),
    )
