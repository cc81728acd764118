"""The permission set's form as a person clicks it: tabs, a search, boxes that go together."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, expect

from accounts import operations
from accounts.audit import System
from tests.browser.steps import logged_in
from tests.support.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_tabs_search_and_boxes_that_go_together(browser: Browser, live_server: object) -> None:
    UserFactory(email="sam@example.com", is_superuser=True)
    tools = ["marketing.blog:view", "crm.export"]
    made = operations.create_set(actor=System("test"), name="Writers", tools=tools)
    page = logged_in(browser, live_server, "sam@example.com")
    page.goto(f"/admin/accounts/permissionset/{made.pk}/change/")

    def box(name: str) -> Locator:
        return page.get_by_role("checkbox", name=name, exact=True)

    # One tab at a time, with the keyboard too.
    grid, forecast = page.locator(".scope-grid"), page.get_by_label("Forecast: View", exact=True)
    expect(grid).to_be_visible()
    expect(box("Sales seat")).to_be_hidden()
    page.get_by_role("tab", name="CRM").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Marketing")).to_be_focused()
    expect(grid).to_be_hidden()

    # A parent switch reveals what is under it; what is stored there stays.
    publish = page.get_by_role("group", name="Blog").get_by_label("Publish")
    expect(publish).to_be_hidden()
    expect(page.get_by_text("have no effect until Marketing access is on")).to_be_visible()
    box("Marketing access").check()
    expect(page.get_by_text("have no effect until Marketing access is on")).to_be_hidden()
    publish.check()
    boxes = page.get_by_role("group", name="Blog")
    expect(boxes.get_by_label("Edit")).to_be_checked()
    boxes.get_by_label("View").uncheck()
    expect(publish).not_to_be_checked()
    publish.check()

    # Account access ticks three along, each of which can be taken off again.
    page.get_by_role("tab", name="Account").click()
    box("Account access").check()
    expect(box("Add and edit teams")).to_be_checked()
    box("Add and edit teams").uncheck()

    # The search looks through all tabs, and Enter in it saves nothing.
    search = page.get_by_label("Search permissions")
    search.fill("forecast")
    search.press("Enter")
    expect(forecast).to_be_visible()
    expect(page.get_by_text("have no effect until Sales seat is on")).to_be_visible()
    expect(box("Account access")).to_be_hidden()
    search.fill("no such thing")
    expect(page.get_by_text("No permission is called that.")).to_be_visible()
    search.fill("")
    expect(box("Account access")).to_be_visible()

    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/permissionset/")
    assert {str(grant) for grant in operations.grants_of(made.pk)} == {
        *("crm.export", "marketing.access", "account.access", "account.edit_users"),
        *(f"marketing.blog:{option}" for option in ("view", "edit", "publish")),
        "account.limit_access_by_team",
    }
    page.context.close()
