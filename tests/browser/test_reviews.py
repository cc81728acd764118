"""A super admin makes a set of what somebody may do, moves people, and takes it back by clicks."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from pytest_django import Settings

from accounts.models import Membership, PermissionSet, Rank, User
from tests.browser.steps import logged_in, pick
from tests.support.factories import (
    DealFactory,
    PipelineFactory,
    SetFactory,
    StageFactory,
    TeamFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_follows_is_read_confirmed_and_taken_back(
    browser: Browser, live_server: object, settings: Settings
) -> None:
    settings.CONFIRM_RECORDS_ABOVE = 2
    rep = SetFactory(name="Rep", scopes={"deal": {"view": Rank.TEAM}}, tools=["crm.export"])
    north, south = TeamFactory(name="North"), TeamFactory(name="South")
    UserFactory(email="sam@example.com", is_superuser=True)
    hanna = UserFactory(email="hanna@example.com", permission_set=rep, team=north)
    ole = UserFactory(email="ole@example.com", team=south)
    stage = StageFactory(pipeline=PipelineFactory(name="Sales"))
    DealFactory.create_batch(3, owner=hanna, stage=stage)
    page = logged_in(browser, live_server, "sam@example.com")

    # A new set begins as Hanna's, and Ole gets it in the same dialog.
    page.goto("/admin/accounts/permissionset/add/")
    page.get_by_label("Begin with").select_option(label=str(hanna))
    page.get_by_role("button", name="Use").click()
    expect(page.get_by_label("View deals", exact=True)).to_have_value(str(int(Rank.TEAM)))
    page.get_by_label("Name").fill("Southern rep")
    pick(page, "people", str(ole), str(ole))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("View on deals: Team only")).to_be_visible()
    expect(page.get_by_text("1 person gains Export.")).to_be_visible()
    assert not PermissionSet.objects.filter(name="Southern rep").exists()
    page.get_by_role("button", name="Create the set").click()
    page.wait_for_url("**/permissionset/")
    assert User.objects.get(pk=ole.pk).permission_set == PermissionSet.objects.get(
        name="Southern rep"
    )

    # Into Hanna's team: that opens three deals, and the number has to be typed.
    page.goto(f"/admin/accounts/team/{north.pk}/add_members/")
    pick(page, "people", str(ole), str(ole))
    page.get_by_role("button", name="Add members").click()
    expect(page.get_by_text("1 person will now see 3 deals.")).to_be_visible()
    expect(page.get_by_text("It takes effect at once")).to_be_visible()
    number = page.get_by_label("This opens 3 records")
    number.fill("4")
    page.get_by_role("button", name="Add to the team").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
    number.fill("3")
    page.get_by_role("button", name="Add to the team").click()
    expect(page.get_by_text("North has 1 member more.")).to_be_visible()
    assert Membership.objects.filter(user=ole, team=north).exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Taken back: the teams are as they were before.")).to_be_visible()
    assert not Membership.objects.filter(user=ole, team=north).exists()
    page.context.close()
