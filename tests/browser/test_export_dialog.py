"""The export dialog in a browser: it follows the choice, and the last answer is the one shown."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route, expect

from exports.models import ExportRequest
from records.models import Property
from tests.browser.steps import logged_in
from tests.support.company import TinyCompany
from tests.support.doors import rules
from tests.support.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "/admin/exports/exportrequest/new/contact/"


def test_preview_follows_the_choice_and_the_last_answer_wins(
    c: TinyCompany, browser: Browser, live_server: object
) -> None:
    rules(threshold=1_000)
    Property.objects.get_or_create(object="contact", name="phone", defaults={"sensitive": True})
    page = logged_in(browser, live_server, "rita@example.com")
    page.goto(f"{NEW}?q=C")
    heads = page.locator("#export-sample th")
    button = page.locator("#export-does")
    expect(button).to_have_text("Export")
    page.get_by_role("checkbox", name="Phone (sensitive)").check()
    expect(page.get_by_text("This reason goes away if you untick Phone.")).to_be_visible()
    expect(button).to_have_text("Next: request approval")
    expect(heads.filter(has_text="Phone")).to_have_count(1)
    expect(page.get_by_role("checkbox", name="Phone (sensitive)")).to_be_focused()

    # The first of two answers is held up until the second one is there.
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/new/contact/**", hold_the_first)
    with page.expect_request("**/new/contact/**"):
        page.get_by_role("radio", name="As in the list").check()
    expect(page.locator("#export-sample")).to_have_attribute("aria-busy", "true")
    page.get_by_role("radio", name="Chosen").check()
    page.get_by_role("checkbox", name="Phone (sensitive)").uncheck()
    expect(button).to_have_text("Export")
    held[0].continue_()
    page.unroute("**/new/contact/**")
    expect(page.locator("#export-sample[aria-busy]")).to_have_count(0)
    expect(heads.filter(has_text="Phone")).to_have_count(0)
    expect(heads.filter(has_text="City")).to_have_count(1)

    # Once the log-in is over the page says that its preview is of before, and shows nothing else.
    page.context.clear_cookies()
    page.get_by_role("checkbox", name="City").uncheck()
    expect(page.get_by_text("The preview could not be brought up to date.")).to_be_visible()
    expect(heads.filter(has_text="City")).to_have_count(1)
    assert not ExportRequest.objects.exists()


def test_one_of_many_approvers_is_found_by_typing_and_left_out_by_its_chip(
    c: TinyCompany, browser: Browser, live_server: object
) -> None:
    rules(threshold=0, purpose_required="approval")
    for number in range(9):
        UserFactory(
            email=f"a{number}@example.com",
            first_name=f"Ängström{number}",
            permission_set=c.sets["approver"],
        )
    page = logged_in(browser, live_server, "rita@example.com")
    page.goto(NEW)
    page.get_by_role("button", name="Next: request approval").click()
    find = page.get_by_role("searchbox", name="Find an approver")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_text("Choose at least one approver to notify.")).to_be_visible()
    expect(page.get_by_text("Say what the file is for.").first).to_be_visible()
    expect(page.locator("input[name=approvers]").first).to_be_focused()
    boxes = page.locator("input[name=approvers]:visible")
    find.fill("angstrom4")
    expect(boxes).to_have_count(1)
    find.press("Enter")
    chips = page.locator(".find-boxes .chip")
    expect(chips).to_have_count(1)
    expect(find).to_have_value("")
    page.get_by_role("button", name="Leave out Ängström4").click()
    expect(chips).to_have_count(0)
    page.get_by_label("Ängström7").check()
    page.get_by_label("Purpose").fill("For the trade fair")
    page.get_by_role("button", name="Request approval").click()
    expect(page.get_by_role("dialog").get_by_text("Pending approval")).to_be_visible()
    assert str(ExportRequest.objects.get().chosen.get()).startswith("Ängström7")
