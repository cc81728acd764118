"""The story of one export, told once around in a real browser, by the people it is about."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts import access
from accounts.models import AuditEvent, User
from exports.models import ExportRequest
from records.models import Deal
from tests.browser.conftest import THRESHOLD, LogIn
from tests.browser.steps import (
    approve,
    ask_for_export,
    newest,
    open_list,
    reject,
    review,
    run_worker_once,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_imported_data_to_an_approved_export(
    log_in: LogIn, company: dict[str, User], tmp_path: Path
) -> None:
    agent, manager = company["agent"], company["manager"]
    admin_page = log_in("admin")

    # The super admin switches approvals on and locks a stage.
    open_list(admin_page, "Approvals")
    admin_page.get_by_role("link", name="Edit", exact=True).click()
    admin_page.get_by_label("Require approvals for exports").check()
    admin_page.get_by_role("button", name="Next").click()
    admin_page.get_by_label("Record threshold").fill(str(THRESHOLD))
    admin_page.get_by_role("button", name="Next").click()
    expect(admin_page.get_by_role("heading", name="May approve")).to_be_visible()
    admin_page.get_by_role("button", name="Save", exact=True).click()
    expect(admin_page.get_by_text("It holds for new requests")).to_be_visible()
    open_list(admin_page, "Pipelines & rules")
    admin_page.get_by_role("link", name="Sales", exact=True).click()
    admin_page.get_by_role("link", name="Editing access by stage").click()
    admin_page.get_by_label("Control editing access").check()
    admin_page.get_by_label("Won").check()
    admin_page.get_by_label("Super admins only").check()
    admin_page.get_by_role("button", name="Save").click()
    expect(admin_page.get_by_text("The rule of Sales holds from now on")).to_be_visible()

    # The agent sees the team's deals only, and is refused a locked one with the reason.
    page = log_in("agent")
    open_list(page, "Deals")
    seen = access.permitted(Deal.objects.all(), agent, "view")
    assert 0 < seen.count() < Deal.objects.count()
    shown = page.get_by_text(f"{seen.count():,} deals").locator("visible=true")
    expect(shown.first).to_be_visible()
    locked = seen.filter(owner=agent, stage__name="Won").first()
    assert locked is not None
    page.goto(f"/admin/records/deal/{locked.pk}/change/")
    expect(page.get_by_text("locked stage “Won” of Sales").first).to_be_visible()
    expect(page.get_by_text("only super admins may edit it").first).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    foreign = Deal.objects.exclude(pk__in=seen.values("pk")).first()
    assert foreign is not None
    page.goto(f"/admin/records/deal/{foreign.pk}/change/")
    expect(page.get_by_text("There is nothing here")).to_be_visible()

    # Two requests; the super admin approves the first and rejects the second.
    ask_for_export(page, f"owner={agent.pk}", "Sam", "For the quarterly review.")
    first = newest()
    ask_for_export(page, "q=a", "Sam", "Just in case.")
    second = newest()
    approve(admin_page, first)
    reject(admin_page, second, "“Just in case” is no purpose.")

    # The worker runs; the agent downloads the first and reads why the second was refused.
    run_worker_once()
    review(page, first)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    path = tmp_path / "deals.csv"
    download.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    mine = access.permitted(Deal.objects.filter(owner=agent), agent, "view")
    assert header[0] == "ID"
    assert {int(row[0]) for row in rows} == set(mine.values_list("pk", flat=True))
    assert len(rows) == mine.count()
    review(page, second)
    expect(page.get_by_text("“Just in case” is no purpose.")).to_be_visible()
    expect(page.get_by_role("dialog").get_by_text("Rejected", exact=True)).to_be_visible()

    # A manager decides the third; the agent recalls the fourth.
    ask_for_export(page, f"owner={agent.pk}&o=1", manager.get_full_name(), "For the team meeting.")
    third = newest()
    manager_page = log_in("manager")
    approve(manager_page, third)
    ask_for_export(page, f"owner={agent.pk}&o=-1", manager.get_full_name(), "A mistake.")
    fourth = newest()
    review(page, fourth)
    page.get_by_role("button", name="Recall request").click()
    page.get_by_role("button", name="Recall", exact=True).click()
    expect(page.get_by_text("Recalled.").first).to_be_visible()
    run_worker_once()
    states = {e.pk: e.status for e in ExportRequest.objects.all()}
    assert [states[e.pk] for e in (first, second, third, fourth)] == [
        "completed",
        "rejected",
        "completed",
        "recalled",
    ]
    third.refresh_from_db()
    assert third.decided_by == manager

    # A person with only the audit log reads the whole trail, and nothing else.
    auditor_page = log_in("auditor")
    expect(auditor_page.get_by_text("Your permissions show you no records.")).to_be_visible()
    expect(auditor_page.locator("#nav-sidebar-inner a:has(:text-is('Deals'))")).to_have_count(0)
    auditor_page.goto("/admin/accounts/auditevent/?q=export.")
    count = AuditEvent.objects.filter(action__contains="export.").count()
    shown = auditor_page.get_by_text(f"{count} audit events").locator("visible=true")
    expect(shown.first).to_be_visible()
    for verb in ("export.request", "export.approve", "export.reject", "export.recall"):
        expect(auditor_page.get_by_text(verb).first).to_be_visible()
    auditor_page.goto(f"/admin/records/deal/{locked.pk}/change/")
    expect(auditor_page.get_by_text("There is nothing here")).to_be_visible()
