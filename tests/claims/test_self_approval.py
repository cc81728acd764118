"""Nobody decides on their own request: no role, by no route, nor past the database (Q6, B7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import catalogue
from accounts.access import holds_tool
from accounts.models import AuditEvent, User
from exports import operations, worker
from exports.models import Delegation, ExportRequest
from exports.operations import SelfApproval
from exports.policy import EXEMPT
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.exports_kit import approved, files, pending, refusals
from tests.support.factories import SetFactory
from tests.support.replayed import steps_off, trails

LOG = "/admin/exports/exportrequest/"
DEAL = {"deal": {"view": EVERYTHING}}
NEVER_OWN = "Nobody decides on their own export"
NO_APPROVER = "An approver has to decide on it."

# What Rita becomes after she asked, by (tools of her set, super admin): at the request some of
# these would have been exempt, and nothing would wait.
ROLES: dict[str, tuple[list[str] | None, bool]] = {
    "rep": (None, False),
    "approver": (["crm.export", "crm.export_approver"], False),
    "approver who may not export": (["crm.export_approver"], False),
    "exempt approver": (
        ["crm.export", "crm.export_approver", "crm.export_without_approval"],
        False,
    ),
    "holder of every tool": (sorted(catalogue.TOOLS), False),
    "super admin": (None, True),
    "super admin with every tool": (sorted(catalogue.TOOLS), True),
}


def become(c: TinyCompany, role: str) -> User:
    tools, super_admin = ROLES[role]
    rita = User.objects.get(pk=c.rita.pk)
    if tools is not None:
        rita.permission_set = SetFactory(scopes=DEAL, tools=tools)
    rita.is_superuser = super_admin
    rita.save()
    return rita


def told(rita: User) -> str:
    """Return why not: to who approves nothing, that an approver has to; to others, the rule."""
    return NEVER_OWN if holds_tool(rita, "crm.export_approver") else NO_APPROVER


# --- Routes ---------------------------------------------------------------------------------------

Route = Callable[[User, ExportRequest, Client], None]
ROUTES: list[Route] = []


def route(attempt: Route) -> Route:
    ROUTES.append(attempt)
    return attempt


@route
def operation(rita: User, export: ExportRequest, client: Client) -> None:
    for step in ("approve", "reject"):
        for version in (export.version, export.version - 1, 0):
            with pytest.raises(SelfApproval):
                getattr(operations, step)(export, actor=rita, version=version, note="Mine.")
    assert operations.why_not_decide(export, actor=rita).startswith(told(rita))


@route
def panel(rita: User, export: ExportRequest, client: Client) -> None:
    text = client.get(f"{LOG}?review={export.pk}").text
    assert f"/{export.pk}/recall/" in text  # it is the panel of this export
    assert f"/{export.pk}/approve/" not in text
    assert f"/{export.pk}/reject/" not in text


@route
def address(rita: User, export: ExportRequest, client: Client) -> None:
    for step in ("approve", "reject"):
        posted = {"note": "Mine.", "actor": 1, "decided_by": 1}
        for version in (export.version, export.version + 1, -1, "", "1 OR 1=1", "9" * 40, "١"):
            answer = client.post(f"{LOG}{export.pk}/{step}/", {**posted, "version": version})
            assert (answer.status_code, answer["Location"]) == (302, f"{LOG}?review={export.pk}")
        assert client.get(f"{LOG}?review={export.pk}").text.count(told(rita)) > 1  # panel, messages
        assert client.get(f"{LOG}{export.pk}/{step}/").status_code == 405


@route
def ticked(rita: User, export: ExportRequest, client: Client) -> None:
    for action in ("approve", "approve_view", "reject", "delete_selected", "export_ticked"):
        posted = {"action": action, "_selected_action": [export.pk], "index": 0, "post": "yes"}
        assert client.post(LOG, posted).status_code == 200  # the list again: it has no actions


@route
def form(rita: User, export: ExportRequest, client: Client) -> None:
    posted = {"decided_by": rita.pk, "status": "approved", "approval_needed": "", "_save": "Save"}
    assert client.post(f"{LOG}{export.pk}/change/", posted).status_code == 405
    assert client.post(f"{LOG}{export.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{LOG}add/", posted).status_code == 403


@route
def choosing_oneself(rita: User, export: ExportRequest, client: Client) -> None:
    posted = {"step": "request", "columns": ["id"], "approvers": [rita.pk]}
    before = ExportRequest.objects.count()
    client.post(f"{LOG}new/deal/", posted)
    asked = ExportRequest.objects.filter(pk__gt=export.pk, approval_needed=True)
    assert not asked.exists()
    # Who is exempt gets their file at once, which is no approval; nobody else got anything.
    exempt = holds_tool(rita, EXEMPT) and holds_tool(rita, "crm.export")
    assert ExportRequest.objects.count() - before == exempt


@route
def standing_in(rita: User, export: ExportRequest, client: Client) -> None:
    """A delegate of an approver is still the requester, and an approver in one's stead no help."""
    today = timezone.localdate()
    sue, axel = (User.objects.get(email=f"{name}@example.com") for name in ("sue", "axel"))
    for approver, delegate in ((sue, rita), (rita, axel)):
        Delegation.objects.create(
            approver=approver, delegate=delegate, first_day=today, last_day=today
        )
    assert rita not in operations.approvers_for(rita)
    with pytest.raises(SelfApproval):
        operations.approve(export, actor=rita, version=export.version)
    client.post(f"{LOG}{export.pk}/approve/", {"version": export.version})


@route
def statement(rita: User, export: ExportRequest, client: Client) -> None:
    """The constraint stands behind it, whatever else the statement changes."""
    for change in (
        "decided_by_id = %s",
        "decided_by_id = %s, status = 'approved'",
        "decided_by_id = %s, status = 'rejected', decision_note = 'Mine.'",
        "decided_by_id = %s, status = 'completed', file_name = 'f', sha256 = 'f'",
        "decided_by_id = %s, approval_needed = false, status = 'approved'",
        "decided_by_id = requester_id, status = 'processing'",
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            raw(export, change, rita.pk)


def raw(export: ExportRequest, change: str, person: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE exports_exportrequest SET {change} WHERE id = %s",
            [*([person] if "%s" in change else []), export.pk],
        )


@pytest.mark.parametrize("role", ROLES)
def test_no_role_decides_on_its_own_request_by_any_route(c: TinyCompany, role: str) -> None:
    export = pending(c.rita, c.sue)
    rita = become(c, role)
    client = Client()
    client.force_login(rita)
    before = ExportRequest.objects.filter(pk=export.pk).values().get()
    for attempt in ROUTES:
        attempt(c.fresh("rita"), export, client)
        assert ExportRequest.objects.filter(pk=export.pk).values().get() == before, attempt.__name__
    assert {code for _, code in refusals("export.approve")} == {"self_approval"}
    assert {code for _, code in refusals("export.reject")} == {"self_approval"}
    assert not AuditEvent.objects.filter(
        action__in=["export.approve", "export.reject"], result="done"
    ).exists()
    # By the same address somebody else decides.
    sue = Client()
    sue.force_login(c.sue)
    sue.post(f"{LOG}{export.pk}/reject/", {"version": export.version, "note": "Hers."})
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("rejected", c.sue)


# --- What the database refuses, and what it cannot ------------------------------------------------

REFUSED = {
    "let through without a decider": "status = 'approved'",
    "put to work without a decider": "status = 'processing'",
    "declared finished without a decider": "status = 'completed', file_name = 'f', sha256 = 'f'",
    "declared expired without a decider": "status = 'expired'",
    "rejected by nobody": "status = 'rejected', decision_note = 'No.'",
    "rejected without a reason": "status = 'rejected', decided_by_id = %s",
    "finished without a file": "status = 'completed', decided_by_id = %s",
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_database_refuses_what_no_decision_led_to(c: TinyCompany, change: str) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(IntegrityError), transaction.atomic():
        raw(export, change, c.sue.pk)


def test_consent_cannot_be_moved_to_the_requester_afterwards(c: TinyCompany) -> None:
    """Nor can the request be made somebody's who decided on it."""
    export = approved(c.rita, c.sue)
    for change, person in (("decided_by_id = %s", c.rita), ("requester_id = %s", c.sue)):
        with pytest.raises(IntegrityError), transaction.atomic():
            raw(export, change, person.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        raw(export, "decided_by_id = NULL", 0)


def test_request_whose_need_was_switched_off_still_waits(c: TinyCompany) -> None:
    export = pending(c.mona, c.sue)
    raw(export, "approval_needed = false", 0)
    assert worker.run_once() == 0
    with pytest.raises(SelfApproval):
        operations.approve(export, actor=c.mona, version=export.version)
    export.refresh_from_db()
    assert (export.status, files()) == ("pending", [])


# Whoever writes to the tables past the product can write a state that some lawful way leads to as
# well: no constraint sees the past. The trail, which they cannot rewrite, does not lead there.
NOT_REFUSED = {
    "said never to have needed consent": ("status = 'approved', approval_needed = false", ""),
    "said to have somebody's consent": ("status = 'approved', decided_by_id = %s", "axel"),
}


@pytest.mark.parametrize(("change", "who"), NOT_REFUSED.values(), ids=NOT_REFUSED)
def test_what_no_constraint_can_refuse_is_not_in_the_trail(
    c: TinyCompany, change: str, who: str
) -> None:
    forged, honest = pending(c.mona, c.sue), pending(c.mona, c.sue)
    raw(forged, change, c.people[who].pk if who else 0)
    operations.approve(honest, actor=c.axel, version=honest.version)
    worker.run_once()
    wrong = {}
    for export in (forged, honest):
        export.refresh_from_db()
        wrong[export.pk] = steps_off(export, trails()[export.pk], start="pending")
    assert wrong[honest.pk] == []
    assert "export.claim from pending to processing" in wrong[forged.pk]


def test_request_made_somebody_elses_gives_its_first_requester_nothing(c: TinyCompany) -> None:
    """No constraint refuses that either; the file then goes to the other one, and the log tells."""
    export = pending(c.mona, c.sue)
    raw(export, "requester_id = %s", c.rita.pk)
    operations.approve(export, actor=c.mona, version=export.version)
    worker.run_once()
    export.refresh_from_db()
    with pytest.raises(operations.NotAllowed):
        operations.open_download(export, actor=c.mona)
    asked: Any = AuditEvent.objects.get(action="export.request", object_id=str(export.pk))
    assert (asked.actor, export.requester) == (c.mona, c.rita)
