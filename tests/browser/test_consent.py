"""Consent as those live it who ask, decide, come second, need none and look on: on real data."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from accounts import operations
from accounts.audit import System
from accounts.models import User
from exports import operations as exports
from exports.models import Download, ExportPolicy
from records.models import Deal
from tests.browser.conftest import PASSWORD, THRESHOLD, LogIn
from tests.browser.steps import ask_for_export, newest, open_list, review, run_worker_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(company: dict[str, User]) -> dict[str, User]:
    """Add who decides and nothing else, who needs no consent, and who sees the whole export log."""
    seed = System("story")

    def add(name: str, tools: list[str], view: int = 0) -> User:
        scopes = {"deal": {"view": view}} if view else None
        own_set = operations.create_set(actor=seed, name=name, tools=tools, scopes=scopes)
        return operations.create_person(
            actor=seed,
            email=f"{name.lower()}@crm.example",
            first_name=name,
            permission_set=own_set,
            password=PASSWORD,
        )

    company["approver"] = add("Priya", ["crm.export_approver"])
    company["exempt"] = add("Jan", ["crm.export", "crm.export_without_approval"], view=3)
    company["onlooker"] = add("Yuki", ["audit.view", "audit.view_exports"])
    version = ExportPolicy.objects.get(pk=1).version
    exports.change_policy(
        actor=company["admin"], version=version, require_approval=True, threshold=THRESHOLD
    )
    return company


def save_download(page: Page, to: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.startswith("deal-")
    download.value.save_as(to)
    return to


def test_less_than_asked_by_the_first_of_two_and_nothing_for_who_looks_on(
    people: dict[str, User], log_in: LogIn, tmp_path: Path
) -> None:
    agent, manager = people["agent"], people["manager"]

    # The agent asks for a workbook with a column of the company beside each deal.
    page = log_in("agent")
    page.goto(f"/admin/records/deal/?owner={agent.pk}&o=1")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_text("Columns of the related record: Company").click()
    page.get_by_label("Sector").check()
    page.get_by_label("XLSX").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Priya").check()
    page.get_by_label(manager.get_full_name()).check()
    page.get_by_label("Purpose").fill("For the fair in March.")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    export = newest()
    own = Deal.objects.filter(owner=agent).count()
    assert (export.record_count, export.format) == (own, "xlsx")

    # Priya, who may see no deal, finds it in her inbox and reads what it is, but no data.
    first = log_in("approver")
    open_list(first, "Notifications")
    first.get_by_role("link", name="requests approval").first.click()
    panel = first.get_by_role("dialog")
    expect(panel.get_by_text("For the fair in March.")).to_be_visible()
    expect(panel.get_by_text("Share of accessible records")).to_be_visible()
    expect(panel.get_by_text("Company: Sector")).to_be_visible()
    deal = Deal.objects.filter(owner=agent, company__isnull=False).earliest("name")
    expect(first.get_by_text(str(deal.company))).to_have_count(0)

    # The manager has it open as well. Priya allows less; the manager's rejection comes too late.
    second = log_in("manager")
    review(second, export)
    first.get_by_role("button", name="Approve", exact=True).click()
    first.get_by_text("Approve with conditions").click()
    first.get_by_role("checkbox", name="Amount").check()
    first.get_by_label("At most so many records").fill("5")
    first.get_by_label("Downloads", exact=True).fill("1")
    first.get_by_role("button", name="Approve export").click()
    expect(panel.get_by_text("Approved.")).to_be_visible()
    second.get_by_role("button", name="Reject", exact=True).click()
    second.get_by_label("Reason").fill("Too many.")
    second.get_by_role("button", name="Reject export").click()
    expect(second.get_by_role("dialog").get_by_text("Nothing was changed").first).to_be_visible()
    expect(second.get_by_role("dialog").get_by_text("Priya approved it").first).to_be_visible()

    # The worker runs; the agent fetches it once, and not twice.
    run_worker_once()
    review(page, export)
    workbook = openpyxl.load_workbook(save_download(page, tmp_path / "deals.xlsx"))
    header, *rows = workbook.active.iter_rows(values_only=True)  # type: ignore[union-attr]  # it has a sheet
    assert "Company: Sector" in header and "Amount" not in header
    assert len(rows) == 5
    sectors = {
        deal.pk: deal.company and deal.company.sector
        for deal in Deal.objects.select_related("company")
    }
    at = header.index("Company: Sector")
    assert {row[0]: row[at] for row in rows} == {row[0]: sectors[row[0]] for row in rows}
    review(page, export)
    expect(page.get_by_text("downloaded once already")).to_be_visible()
    expect(page.get_by_role("button", name="Download")).to_have_count(0)

    # On a phone two clicks from the first page decide, past all that the panel says.
    ask_for_export(page, f"owner={agent.pk}", "Priya", "For the road.")
    first.set_viewport_size({"width": 390, "height": 844})
    first.goto("/")
    first.get_by_role("link", name="Approve the request of").click()
    expect(first.get_by_text("For the road.")).to_be_visible()
    expect(first.get_by_text("Share of accessible records")).to_be_visible()
    assert first.evaluate("document.documentElement.scrollWidth") <= 390
    first.get_by_role("button", name="Approve export").click()
    expect(first.get_by_text("Approved.", exact=False).first).to_be_visible()
    assert newest().decided_by == people["approver"]

    # Who needs no consent has all of it at once.
    exempt = log_in("exempt")
    exempt.goto("/admin/exports/exportrequest/new/deal/")
    exempt.get_by_role("button", name="Export", exact=True).click()
    expect(exempt.get_by_role("dialog").get_by_text("Not required")).to_be_visible()
    run_worker_once()
    review(exempt, newest())
    with save_download(exempt, tmp_path / "all.csv").open(encoding="utf-8-sig") as file:
        assert sum(1 for _ in csv.reader(file)) == Deal.objects.count() + 1

    # Who looks on sees both in the log, who consented and who fetched them, and may do nothing.
    onlooker = log_in("onlooker")
    review(onlooker, export)
    panel = onlooker.get_by_role("dialog")
    expect(panel.get_by_text("Approved by Priya")).to_be_visible()
    expect(panel.get_by_text("At most 1 download")).to_be_visible()
    for name in ("Approve", "Reject", "Recall request", "Cancel export", "Download"):
        expect(panel.get_by_role("button", name=name)).to_have_count(0)
    assert Download.objects.count() == 2


def test_page_follows_its_export_to_the_file_and_counts_the_download(
    people: dict[str, User], log_in: LogIn, tmp_path: Path
) -> None:
    page = log_in("exempt")
    page.goto(f"/admin/records/deal/?owner={people['agent'].pk}")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_role("button", name="Export", exact=True).click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_text("Approved", exact=True)).to_be_visible()
    expect(panel.get_by_text("You find the file here")).to_be_visible()
    page.evaluate("window.sameAsBefore = true")
    run_worker_once()
    # Without a click: the state, the file and the row behind the panel.
    expect(panel.get_by_text("Completed", exact=True)).to_be_visible(timeout=20_000)
    expect(panel.get_by_text("0 of 10 used")).to_be_visible()
    expect(panel.get_by_text("You find the file here")).to_be_visible()  # words stay
    expect(page.locator(".log-name .is-completed")).to_have_count(1)
    expect(page.locator("[data-follow]")).to_have_count(0)
    save_download(page, tmp_path / "deals.csv")
    expect(panel.get_by_text("1 of 10 used")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.sameAsBefore"), "the page was not loaded anew"
