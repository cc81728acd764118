"""The story of one export, told once around in a real browser, by the people it is about."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from accounts import access, operations
from accounts.audit import System
from accounts.models import AuditEvent, User
from exports.models import ExportRequest
from records.models import Deal
from tests.exports_process import environment

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parents[1]
REAL_DATA = HERE.parent.parent / "shared" / "data" / "crm-sales-opportunities"
SAMPLE = HERE / "data" / "crm-sample"
PASSWORD = "a story of consent"
THRESHOLD = 3

LogIn = Callable[[str], Page]


@pytest.fixture
def company() -> dict[str, User]:
    """Import the real data (the committed sample in a clone without it) and add two people."""
    folder = REAL_DATA if REAL_DATA.is_dir() else SAMPLE
    if os.environ.get("CI"):
        assert folder == REAL_DATA, "CI tells the story on the real data"
    call_command("import_crm", str(folder), password=PASSWORD, verbosity=0)
    seed = System("story")
    auditors = operations.create_set(actor=seed, name="Auditor", tools=["audit.view"])
    admin = operations.create_person(
        actor=seed, email="sam@crm.example", first_name="Sam", password=PASSWORD, is_superuser=True
    )
    auditor = operations.create_person(
        actor=seed,
        email="otto@crm.example",
        first_name="Otto",
        permission_set=auditors,
        password=PASSWORD,
    )
    agent = next(
        user
        for user in User.objects.filter(permission_set__name="Agent").order_by("email")
        if _deals(user, "Won") > THRESHOLD and _deals(user, "Engaging") > THRESHOLD
    )
    team = agent.memberships.get(is_main=True).team
    manager = User.objects.get(permission_set__name="Manager", memberships__team=team)
    return {"admin": admin, "auditor": auditor, "agent": agent, "manager": manager}


def _deals(user: User, stage: str) -> int:
    return Deal.objects.filter(owner=user, stage__name=stage).count()


@pytest.fixture
def log_in(browser: Browser, live_server: object, company: dict[str, User]) -> Iterator[LogIn]:
    """Return a function that opens a browser window as one of the people."""
    contexts = []

    def open_window(who: str) -> Page:
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
            viewport={"width": 1400, "height": 900},
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto("/")
        page.get_by_label("E-mail").fill(company[who].email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Welcome,")).to_be_visible()
        return page

    yield open_window
    for context in contexts:
        context.close()


def open_list(page: Page, name: str) -> None:
    # Unfold's icons are words too, so a link's own words are looked for inside it.
    page.locator(f"#nav-sidebar-inner a:has(:text-is('{name}'))").first.click()


def ask_for_export(page: Page, query: str, approver: str, message: str) -> None:
    """Ask for the deals of a filtered list, from the list's own Export button."""
    page.goto(f"/admin/records/deal/?{query}")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("This export needs approval")).to_be_visible()
    page.get_by_label(approver).check()
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def review(page: Page, export: ExportRequest) -> None:
    """Open the review panel of a request from the log."""
    page.goto("/")
    open_list(page, "Export log")
    row = page.locator("tr", has_text=f"#{export.pk}")
    row.get_by_role("link", name="Review approval request").click()
    expect(page.get_by_role("dialog").get_by_role("heading", name=str(export))).to_be_visible()


def approve(page: Page, export: ExportRequest) -> None:
    review(page, export)
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_role("button", name="Approve export").click()
    expect(page.get_by_role("dialog").get_by_text("Approved.")).to_be_visible()


def reject(page: Page, export: ExportRequest, reason: str) -> None:
    review(page, export)
    page.get_by_role("button", name="Reject", exact=True).click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Reject export").click()
    expect(page.get_by_text("Rejected.", exact=False).first).to_be_visible()


def run_worker_once() -> None:
    """Let a real worker process do everything that waits."""
    command = [sys.executable, str(HERE.parent / "manage.py"), "export_worker", "--once"]
    subprocess.run(command, env=environment(), check=True, timeout=120)


def newest() -> ExportRequest:
    return ExportRequest.objects.latest("id")


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
    expect(page.get_by_role("dialog").get_by_text("Cancelled: rejected")).to_be_visible()

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
