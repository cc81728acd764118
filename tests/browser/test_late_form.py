"""Somebody fills in a form, is logged out in another tab, and loses nothing of it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from accounts.models import User
from records.models import Company
from tests.browser.conftest import PASSWORD, LogIn


@pytest.mark.django_db(transaction=True)
def test_what_was_typed_survives_a_log_out_in_another_tab(
    log_in: LogIn, company: dict[str, User]
) -> None:
    page = log_in("admin")
    page.goto("/admin/records/company/add/")
    page.get_by_label("Name", exact=False).first.fill("Typed <for> an hour")
    other = page.context.new_page()
    other.goto("/admin/")
    token = other.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    other.request.post("/admin/logout/", form={"csrfmiddlewaretoken": token})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is not saved yet, and not lost")).to_be_visible()
    page.get_by_label("E-mail").fill(company["admin"].email)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("E-mail or password is wrong")).to_be_visible()
    page.get_by_label("E-mail").fill(company["admin"].email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Typed <for> an hour")).to_be_visible()
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    assert Company.objects.filter(name="Typed <for> an hour").count() == 1
