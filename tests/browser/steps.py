"""What people do in the stories, in their own words: open a list, ask, review, decide."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from exports.models import ExportRequest
from tests.support.exports_process import environment
from tests.support.factories import PASSWORD

ROOT = Path(__file__).parents[2]


def logged_in(browser: Browser, live_server: object, email: str) -> Page:
    """Open a window as somebody of the factories, in which a script that fails fails the test."""
    page = browser.new_page(base_url=live_server.url)  # type: ignore[attr-defined]  # pytest-django's
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    page.goto("/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    return page


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
    page.get_by_label("Purpose").fill(message)
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    close_panel(page)


def close_panel(page: Page) -> None:
    """Close the panel beside a list, and wait for the plain list to which that leads.

    The panel is gone before the list is there: an address opened in between breaks off, or is
    broken off by, the page that is on its way.
    """
    with page.expect_navigation():
        page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def review(page: Page, export: ExportRequest) -> None:
    """Open the review panel of a request from the log."""
    page.goto("/")
    open_list(page, "Export log")
    row = page.locator("tr", has_text=f"#{export.pk}")
    row.get_by_role("link", name=re.compile("^(Review approval request|Download|Details)$")).click()
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
    command = [sys.executable, str(ROOT / "manage.py"), "export_worker", "--once"]
    subprocess.run(command, env=environment(), check=True, timeout=120)


def newest() -> ExportRequest:
    return ExportRequest.objects.latest("id")


def pick(page: Page, field: str, term: str, name: str) -> None:
    """Pick one more in a field of several, by keyboard."""
    search = page.locator(f"#id_{field} + .select2 .select2-search__field")
    search.focus()
    page.keyboard.type(term)
    expect(page.locator(".select2-results__option--highlighted")).to_have_text(name)
    page.keyboard.press("Enter")
    expect(page.locator(f"#id_{field} + .select2 .select2-selection__choice")).to_contain_text(
        [name]
    )
