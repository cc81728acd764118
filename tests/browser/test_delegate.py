"""A delegated administrator changes what somebody may do, within her own, and takes it back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import Rank, User
from tests.browser.steps import logged_in
from tests.support.factories import SetFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_delegate_edits_within_her_own_and_takes_it_back(
    browser: Browser, live_server: object
) -> None:
    north = TeamFactory(name="North")
    deals = {"view": Rank.TEAM, "view_unassigned": True, "change": Rank.TEAM}
    lead = SetFactory(
        name="Lead",
        scopes={"deal": deals, "contact": {"view": Rank.EVERYTHING}},
        tools=["account.access", "account.edit_users", "account.user_table", "crm.export"],
    )
    rep = SetFactory(
        name="Rep",
        scopes={"deal": {**deals, "change": Rank.OWNED}, "contact": {"view": Rank.EVERYTHING}},
        tools=["crm.export"],
    )
    UserFactory(email="rosa@example.com", permission_set=lead, team=north)
    hanna = UserFactory(email="hanna@example.com", permission_set=rep, team=north)
    page = logged_in(browser, live_server, "rosa@example.com")

    # From the list to the editor; the set itself is not hers to change.
    page.goto("/admin/accounts/user/")
    row = page.locator("#result_list tr", has_text="hanna@example.com")
    row.hover()
    row.get_by_role("link", name="Edit permissions").click()
    expect(page.get_by_text("What should change?")).to_be_visible()
    expect(page.get_by_role("link", name="Change the set")).to_have_count(0)
    page.get_by_role("link", name="Detach Hanna and edit").click()

    # What she lacks is locked; what is narrowed is said as she clicks.
    expect(page.get_by_role("checkbox", name="Export approver", exact=True)).to_be_disabled()
    expect(page.get_by_role("checkbox", name="Import", exact=True)).to_be_hidden()
    page.get_by_text("7 permissions without an effect in this version", exact=True).click()
    expect(page.get_by_role("checkbox", name="Import", exact=True)).to_be_disabled()
    expect(page.get_by_label("View tickets", exact=True)).to_be_disabled()
    page.get_by_label("View contacts", exact=True).select_option("2")
    expect(page.get_by_label("View contacts: unassigned")).to_be_checked()
    page.get_by_label("View deals", exact=True).select_option("1")
    page.get_by_label("Edit deals", exact=True).select_option("2")
    expect(page.get_by_text("Becomes Owned only")).to_be_visible()

    # She reviews, saves with a reason, and takes it back.
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_text("View on deals: Team only → Owned only")).to_be_visible()
    page.get_by_label("Reason").fill("Works on her own deals from now on.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved, and in effect.")).to_be_visible()
    stored = User.objects.get(pk=hanna.pk)
    assert stored.grants.scopes["deal"].view == Rank.OWNED
    assert str(stored.permission_set) == "based on Rep"
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back")).to_be_visible()
    assert User.objects.get(pk=hanna.pk).permission_set == rep
