"""Sharing with several, and moving into a locked stage: by keyboard, and without a script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from crmperms.demo.cast import PASSWORD
from records.models import SHARES, Deal, Stage
from records.models.rules import with_locks
from tests.browser.steps import pick

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rep(demo_company: None) -> User:
    return User.objects.get(email="rep@demo.example")


@pytest.fixture
def pages(browser: Browser, live_server: object) -> Iterator[object]:
    """Return what opens a page of the rep's, with or without a script."""
    contexts = []

    def opened(*, scripts: bool = True) -> Page:
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # pytest-django's
            viewport={"width": 1300, "height": 900},
            java_script_enabled=scripts,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/")
        page.get_by_label("E-mail").fill("rep@demo.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#nav-sidebar")).to_be_attached()
        return page

    yield opened
    for context in contexts:
        context.close()


def a_deal_of(rep: User) -> Deal:
    open_stages = with_locks(Stage.objects.all(), rep).filter(is_locked=False)
    deal = Deal.objects.filter(owner=rep, deleted_at=None, stage__in=open_stages).first()
    assert deal is not None
    return deal


def test_share_with_people_and_a_team_is_foretold_and_made(rep: User, pages: object) -> None:
    deal = a_deal_of(rep)
    page: Page = pages()  # type: ignore[operator]  # a fixture
    page.goto(f"/admin/records/deal/{deal.pk}/share/")
    pick(page, "people", "aisha", "Aisha Bello")
    preview = page.locator("#share-preview")
    expect(preview).to_contain_text("Will see it.")  # by itself, and nothing is shared yet
    pick(page, "teams", "south", "Sales South")
    expect(preview).to_contain_text("Sales South (team)")
    page.get_by_label("View and edit").check()
    expect(preview).to_contain_text("Will see and edit it.")
    to_users, to_teams = SHARES["deal"]
    assert not to_users._default_manager.filter(content_object=deal).exists()
    expect(page.get_by_role("button", name="Preview")).to_have_count(0)
    page.get_by_role("button", name="Share").press("Enter")
    expect(page.get_by_text("is shared with Aisha Bello and Sales South")).to_be_visible()
    assert to_users._default_manager.get(content_object=deal).user.first_name == "Aisha"
    assert to_teams._default_manager.filter(content_object=deal).count() == 1


def test_share_without_a_script(rep: User, pages: object) -> None:
    deal = a_deal_of(rep)
    page: Page = pages(scripts=False)  # type: ignore[operator]  # a fixture
    page.goto(f"/admin/records/deal/{deal.pk}/share/")
    page.locator("[name=people-term]").fill("aisha")
    page.locator("[name=_find][value=people]").click()
    page.get_by_label("Aisha Bello").check()
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#share-preview")).to_contain_text("Will see it.")
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_text("is shared with Aisha Bello")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_move_into_a_locked_stage_is_one_question(rep: User, pages: object, scripts: bool) -> None:
    deal = a_deal_of(rep)
    page: Page = pages(scripts=scripts)  # type: ignore[operator]  # a fixture
    page.goto(f"/admin/records/deal/{deal.pk}/change/")
    locked = page.locator("#id_stage option", has_text="🔒").first.get_attribute("value")
    page.get_by_label("Name").fill("Typed before")
    page.locator("#id_stage").select_option(locked)
    page.get_by_role("button", name="Save", exact=True).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("You will not be able to edit it any more.")
    expect(page.locator(".errornote")).to_have_count(0)
    question.get_by_role("button", name="Cancel").press("Enter")
    expect(question).to_be_hidden()
    expect(page.get_by_label("Name")).to_have_value("Typed before")
    assert str(Deal.objects.get(pk=deal.pk).stage_id) != locked
    page.get_by_role("button", name="Save", exact=True).click()
    step = question.get_by_role("button", name="Move and lock")
    expect(step).to_be_visible()
    if scripts:
        expect(step).to_be_focused()
    step.press("Enter")
    expect(page.get_by_text("Saved. You cannot edit it any more.")).to_be_visible()
    moved = Deal.objects.get(pk=deal.pk)
    assert (moved.name, str(moved.stage_id)) == ("Typed before", locked)
