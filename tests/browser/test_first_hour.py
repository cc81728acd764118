"""The first hour in a browser: from `createsuperuser` to an approved export, clicks counted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Locator, Page, expect

from exports.models import ExportRequest
from records.models import Deal
from tests.browser.steps import newest, run_worker_once

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a quiet morning of ours"
CLICKS = {"boss": 17, "hanna": 12, "priya": 5}


class Person:
    """Somebody at a browser window, who knows one address and clicks through the rest."""

    def __init__(self, page: Page, email: str) -> None:
        self.page, self.clicks = page, 0
        page.goto("/")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        self.press("Log in")

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def press(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name, exact=True))

    def send(self, name: str) -> None:
        """Press a button and wait for the page to which the answer leads.

        The menu is on the page before as well: clicked there, it breaks off what is on its way.
        """
        with self.page.expect_navigation():
            self.press(name)

    def follow(self, name: str) -> None:
        self.click(self.page.get_by_role("main").get_by_role("link", name=name, exact=True).first)

    def open(self, name: str) -> None:
        """Use the menu, in which icons are words too."""
        menu = self.page.locator("#nav-sidebar-inner")
        self.click(menu.locator(f"a:has(:text-is('{name}'))").first)

    def add(self) -> None:
        self.click(self.page.locator("a.addlink"))


@pytest.fixture
def window(browser: Browser, live_server: object) -> Iterator[list[Page]]:
    """Three windows of an installation in which `createsuperuser` was run, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        command = ["createsuperuser", "--noinput", "--email", "boss@example.com"]
        call_command(*command, stdout=io.StringIO())
    contexts = [
        browser.new_context(base_url=live_server.url, accept_downloads=True)  # type: ignore[attr-defined]  # pytest-django's
        for _ in range(3)
    ]
    pages = [context.new_page() for context in contexts]
    for page in pages:
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    yield pages
    for context in contexts:
        context.close()


def set_up(boss: Person) -> None:
    """Follow the check list until it disappears."""
    page = boss.page
    boss.follow("Set up")
    boss.send("Create selected")
    boss.follow("Teams")
    page.get_by_label("Name").fill("Sales")
    boss.send("Save")
    boss.open("Dashboard")
    boss.follow("Users")
    for name, permission_set in (("Hanna", "Sales rep"), ("Priya", "Export approver")):
        page.get_by_label("First name").fill(name)
        page.get_by_label("E-mail").fill(f"{name.lower()}@example.com")
        page.get_by_label("First password").fill(PASSWORD)
        page.get_by_label("Permission set").select_option(label=permission_set)
        page.get_by_label("Main team").select_option(label="Sales")
        boss.send("Save")
        if name == "Hanna":
            boss.add()
    boss.open("Dashboard")
    boss.follow("Approvals for exports")
    boss.follow("Edit")
    page.get_by_label("Require approvals for exports").check()
    boss.clicks += 1
    boss.press("Next")
    page.get_by_label("Record threshold").fill("0")
    boss.press("Next")
    boss.send("Save")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto("/")
    expect(page.get_by_text("Welcome,")).to_be_visible()
    expect(page.get_by_text("The first hour")).to_have_count(0)


def ask(hanna: Person) -> ExportRequest:
    """Make a deal, and ask for a file with it."""
    page = hanna.page
    hanna.open("Deals")
    hanna.add()
    page.get_by_label("Name").fill("Our first deal")
    page.get_by_label("Stage").select_option(label="Sales: Qualified")
    hanna.send("Save")
    hanna.follow("Export")
    hanna.press("Next: request approval")
    hanna.click(page.get_by_label("Priya"))
    page.get_by_label("Purpose").fill("For the fair.")
    hanna.press("Request approval")
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    hanna.send("Close")
    return newest()


def test_first_hour_in_the_browser(window: list[Page], tmp_path: Path) -> None:
    boss = Person(window[0], "boss@example.com")
    set_up(boss)
    hanna = Person(window[1], "hanna@example.com")
    export = ask(hanna)

    priya = Person(window[2], "priya@example.com")
    priya.open("Export log")
    row = priya.page.locator("tr", has_text=f"#{export.pk}")
    priya.click(row.get_by_role("link", name="Review approval request"))
    priya.press("Approve")
    priya.press("Approve export")
    expect(priya.page.get_by_role("dialog").get_by_text("Approved.")).to_be_visible()

    run_worker_once()
    hanna.open("Export log")
    hanna.click(hanna.page.get_by_role("link", name="Download"))
    with hanna.page.expect_download() as download:
        hanna.click(hanna.page.get_by_role("button", name="Download"))
    file = tmp_path / "file.csv"
    download.value.save_as(file)
    assert Deal.objects.get().name in file.read_text(encoding="utf-8")
    assert {"boss": boss.clicks, "hanna": hanna.clicks, "priya": priya.clicks} == CLICKS
