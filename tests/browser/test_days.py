"""The days of the people who use it, in a browser, their clicks counted.

Before, as five people were watched (in clicks, of which a choice in a list is one): a list by owner
and stage 7, a contact by name 2, a deal moved on 6, an export asked for 7, fetched 3, approved 4;
the set of ten people changed 40; who took a record out could not be found at all.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Locator, Page, expect

from accounts.models import PermissionSet, User
from crmperms.demo.cast import PASSWORD
from exports.models import ExportRecord
from records.models import Deal
from tests.browser.steps import newest, run_worker_once

pytestmark = pytest.mark.django_db(transaction=True)

PHONE, DESK = (390, 844), (1400, 900)


class Day:
    """Somebody at a window, and how often they clicked since they logged in."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def press(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name, exact=True))

    def choose(self, label: str, option: str) -> None:
        self.clicks += 1
        self.page.get_by_label(label).select_option(label=option)

    def open(self, name: str) -> None:
        self.click(self.page.locator(f"#nav-sidebar-inner a:has(:text-is('{name}'))").first)

    def since(self) -> int:
        """Return the clicks since this was asked last."""
        clicks, self.clicks = self.clicks, 0
        return clicks


Begin = Callable[[str, tuple[int, int]], Day]


@pytest.fixture
def begin(browser: Browser, live_server: object, demo_company: None) -> Iterator[Begin]:
    """Return a function that logs somebody of the demo company in."""
    contexts = []

    def logged_in(who: str, size: tuple[int, int]) -> Day:
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
            viewport={"width": size[0], "height": size[1]},
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto("/")
        page.get_by_label("E-mail").fill(f"{who}@demo.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Welcome,")).to_be_visible()
        return Day(page)

    yield logged_in
    for context in contexts:
        context.close()


def test_a_rep_an_approver_and_an_auditor_about_one_file(begin: Begin) -> None:
    rep = begin("rep", DESK)
    page = rep.page
    figures = page.locator("section", has_text="My open deals by stage")
    rep.click(figures.get_by_role("row", name="Renewals: Due").get_by_role("link"))
    expect(page.locator(".filter-chips")).to_contain_text("Stage")
    assert rep.since() == 1

    rep.click(page.locator("#result_list tbody th a").first)
    page.get_by_label("Amount").fill("9000")
    rep.choose("Stage", "Renewals: Renewed")
    rep.press("Save")
    page.wait_for_url("**/records/deal/?*")
    assert rep.since() == 3

    page.keyboard.press("Control+k")
    page.get_by_placeholder("Type to search").press_sequentially("abara")
    expect(page.locator("a", has_text="Abara").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/contact/*/change/")
    assert rep.since() == 0

    rep.open("Contacts")
    rep.click(page.get_by_role("link", name="Export", exact=True))
    rep.click(page.get_by_role("checkbox", name="Phone (sensitive)"))
    rep.press("Next: request approval")
    page.get_by_label("Purpose").fill("The call campaign of next week.")
    expect(page.get_by_label("Priya Raman")).to_be_checked()  # whom she asked last
    rep.press("Request approval")
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    assert rep.since() == 5
    export = newest()

    priya = begin("approver", PHONE)
    priya.click(
        priya.page.get_by_role(
            "link", name=f"Approve the request of Hanna Lind: {export.name}"
        ).last
    )
    expect(priya.page.get_by_text("The call campaign of next week.").first).to_be_visible()
    priya.press("Approve export")
    expect(priya.page.get_by_text("gets the file as soon as it is written").first).to_be_visible()
    assert priya.since() == 2

    # The demo company was laid down before, with another folder than this test's.
    call_command("export_worker", "--use-folder", stdout=io.StringIO())
    run_worker_once()
    page.goto("/")
    rep.click(page.locator(f"main a[href*='review={export.pk}']").first)
    expect(page.get_by_role("dialog")).to_contain_text("Completed")
    with page.expect_download():
        rep.press("Download")
    assert rep.since() == 2

    auditor = begin("auditor", DESK)
    auditor.open("Export log")
    auditor.press("Filters")
    auditor.choose("Contained a", "Contact")
    held = ExportRecord.objects.delivered().filter(export=export).first()
    assert held is not None
    auditor.page.get_by_label("Record number").fill(str(held.record_id))
    auditor.press("Apply Filters")
    found = auditor.page.locator("tr", has_text=f"#{export.pk}")
    expect(found).to_contain_text("Hanna Lind")
    expect(found).to_contain_text("Approved by Priya Raman")
    assert auditor.since() == 4
    auditor.open("Audit log")
    auditor.press("Filters")
    expect(auditor.page.get_by_text("Affects the user")).to_be_visible()


def test_a_locked_deal_is_asked_for_and_opened_to_one_person_for_a_week(begin: Begin) -> None:
    rep, admin = begin("rep", DESK), begin("admin", DESK)
    deal = Deal.objects.filter(stage__name="Signed", owner__email="rep@demo.example").first()
    assert deal is not None
    address = f"/admin/records/deal/{deal.pk}/change/"
    rep.page.goto(address)
    expect(rep.page.get_by_role("button", name="Save", exact=True)).to_have_count(0)
    rep.click(rep.page.get_by_role("link", name="Request access").first)
    rep.page.get_by_label("What do you need it for?").fill("The name of the customer is misspelt.")
    rep.press("Send request")
    rep.page.wait_for_url(f"**{address}")

    admin.open("Notifications")
    name = f"Grant the request of Hanna Lind: {deal}"
    admin.click(admin.page.get_by_role("link", name=name))
    expect(admin.page.get_by_text("an exception for this person", exact=False)).to_be_visible()
    admin.press("Let them edit it")
    admin.page.wait_for_url("**/admin/inbox/")
    assert (rep.since(), admin.since()) == (2, 3)

    rep.page.goto(address)
    rep.page.get_by_label("Product").fill("Desk Pro 2")
    rep.press("Save and continue editing")
    expect(rep.page.get_by_label("Product")).to_have_value("Desk Pro 2")
    deal.refresh_from_db()
    assert deal.product == "Desk Pro 2"


def test_an_admin_gives_ten_people_another_set(begin: Begin) -> None:
    admin = begin("admin", DESK)
    page = admin.page
    admin.open("Users")
    wanted = PermissionSet.objects.get(name="Read only")
    chosen = list(
        User.objects.filter(is_superuser=False, is_active=True)
        .exclude(permission_set=wanted)
        .order_by("pk")[:10]
    )
    assert len(chosen) == 10
    for user in chosen:
        admin.click(page.locator(f"input.list-tick[value='{user.pk}']"))
    admin.clicks += 1
    page.locator("select[name=action]").select_option(label="Give a permission set")
    admin.press("Run")
    admin.choose("Permission set", "Read only")
    admin.press("Give a permission set")
    expect(page.get_by_text("It takes effect at once", exact=False).first).to_be_visible()
    admin.press("Give the set")
    expect(page.get_by_text("Read only").first).to_be_visible()
    assert (
        User.objects.filter(permission_set=wanted, pk__in=[each.pk for each in chosen]).count()
        == 10
    )
    assert admin.since() == 16
