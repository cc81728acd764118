"""When an export needs consent, who may give it, and how a super admin changes that (R111–R116)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, QuerySet

from accounts import access, audit
from accounts.models import AuditEvent, ToolGrant, User
from exports.models import ExportPolicy, ExportRequest
from exports.steps import InvalidRequest, NotAllowed, WrongState, one_step

DECIDE = "crm.export_approver"
EXEMPT = "crm.export_without_approval"
# What lets an export through without consent, or with more records; changing how long requests and
# files live does not.
GATE = frozenset({"require_approval", "threshold"})
LONGEST_DAYS = 3650


def current() -> ExportPolicy:
    """Return the one policy of the account, as it is now."""
    return ExportPolicy.objects.get(pk=1)


def approval(person: User, count: int, sensitive: Iterable[str]) -> tuple[bool, str]:
    """Return whether an export needs consent, and the code of the reason: the table of R-§1.11."""
    policy = current()
    if not policy.require_approval:
        return False, "policy_off"
    if access.holds_tool(person, EXEMPT):
        return False, "exempt"
    if any(sensitive):
        return True, "sensitive"
    if count > policy.threshold:
        return True, "above_threshold"
    return False, "within_threshold"


def approvers_for(requester: User) -> QuerySet[User]:
    """Return the active people who may decide on a request of this person, never they (Q11)."""
    return access.holders(DECIDE).exclude(pk=requester.pk)


def changed_the_gate(person: User, export: ExportRequest) -> bool:
    """Tell whether this person moved what the request has to pass, after it was made (B7).

    That is the switch or the threshold, or whether the requester is exempt.
    """
    since = AuditEvent.objects.filter(actor=person, at__gt=export.requested_at, result="done")
    requester = export.requester
    for event in since.filter(action__in=_GATE_EVENTS).order_by():
        data = event.data
        if event.action == "export_policy.change":
            if GATE & set(data.get("changed", ())):
                return True
        elif event.action == "set.change":
            touched = {*data.get("tools_added", ()), *data.get("tools_removed", ())}
            if EXEMPT in touched and event.object_id == str(requester.permission_set_id):
                return True
        elif event.object_id == str(requester.pk) and (
            event.action != "person.assign_set"
            or _differ_in_exemption(data.get("from"), data.get("to"))
        ):
            return True
    return False


_GATE_EVENTS = (
    "export_policy.change",
    "set.change",
    "person.assign_set",
    "person.make_super_admin",
    "person.remove_super_admin",
)


def _differ_in_exemption(*sets: int | None) -> bool:
    known = [permission_set for permission_set in sets if permission_set is not None]
    return ToolGrant.objects.filter(key=EXEMPT, permission_set__in=known).count() == 1


def change_policy(
    *,
    actor: User,
    require_approval: bool,
    threshold: int,
    lapse_days: int,
    file_days: int,
    version: int,
) -> ExportPolicy:
    """Write the policy as a super admin wants it; waiting requests are not released by it (Q10).

    Refused where a waiting request would be left with nobody who may decide on it (B7).
    """
    wanted = {
        "require_approval": bool(require_approval),
        "threshold": _whole(threshold, "The threshold", 0, 2**31 - 1),
        "lapse_days": _whole(lapse_days, "The days until a request lapses", 1, LONGEST_DAYS),
        "file_days": _whole(file_days, "The days a file stays", 1, 30),
    }
    policy = current()
    with one_step("export_policy.change", actor) as person:
        if not access.allows(person, "change", policy):
            raise NotAllowed("Only a super admin changes when exports need approval.")
        stored = {name: getattr(policy, name) for name in wanted}
        changed = {
            name: {"from": stored[name], "to": wanted[name]}
            for name in wanted
            if stored[name] != wanted[name]
        }
        rows = ExportPolicy.objects.filter(pk=policy.pk, version=version)
        if not rows.update(version=F("version") + 1, **wanted):
            raise WrongState("Somebody changed this policy meanwhile. Reload the page.")
        if GATE & set(changed):
            _leave_somebody_to_decide(person)
        audit.record("export_policy.change", actor=person, on=policy, data={"changed": changed})
        policy.refresh_from_db()
    return policy


def _whole(number: object, what: str, least: int, most: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise InvalidRequest(f"{what} must be a whole number from {least} to {most}.")
    return number


def _leave_somebody_to_decide(changer: User) -> None:
    """Raise where a waiting request would lose its last possible decider (B7)."""
    waiting = list(ExportRequest.objects.awaiting_decision().select_related("requester"))
    for export in waiting:
        others = approvers_for(export.requester).exclude(pk=changer.pk)
        if not any(not changed_the_gate(other, export) for other in others):
            raise InvalidRequest(
                f"“{export}” is waiting, and after this change nobody could decide on it: who "
                "changes the rules meanwhile does not decide. Decide on it first, or name another "
                "approver."
            )
