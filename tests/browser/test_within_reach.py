"""What a page offers lies in its window, and the focus where its reader goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import Membership, User
from crmperms.demo.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

Opens = Callable[..., Page]
USERS = "/admin/accounts/user/"


@pytest.fixture
def opens(browser: Browser, live_server: Any, demo_company: None) -> Iterator[Opens]:
    """Return what opens a window as the demo's super admin."""
    contexts = []

    def window(width: int = 1280, locale: str = "en-GB", **options: Any) -> Page:
        size: Any = {"width": width, "height": 800}
        context = browser.new_context(
            base_url=live_server.url, viewport=size, locale=locale, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto("/")
        page.locator("[name=username]").fill("admin@demo.example")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("#login-form [type=submit]").click()
        expect(page.locator("#nav-sidebar")).to_be_attached()
        return page

    yield window
    for context in contexts:
        context.close()


def test_palette_says_that_nothing_was_found_and_gives_the_focus_back(opens: Opens) -> None:
    page = opens()
    button = page.get_by_role("button", name="Search", exact=False).first
    button.click()
    field = page.locator("#search-input-command")
    expect(field).to_be_focused()
    field.press_sequentially("quokka")
    expect(page.get_by_text("Nothing you can see matches.")).to_be_visible()
    field.press("Escape")  # empties it
    expect(field).to_have_value("")
    field.press("Escape")
    expect(field).to_be_hidden()
    expect(button).to_be_focused()


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", [1280, 390])
def test_what_can_be_done_with_a_user_lies_in_the_window(
    opens: Opens, width: int, locale: str
) -> None:
    page = opens(width, locale)
    page.goto(USERS)
    menu = page.locator(".row-steps button").first
    box = menu.bounding_box()
    assert box
    assert 0 <= box["x"] < box["x"] + box["width"] <= width
    page.locator(".list-row").first.hover()
    link = page.locator(".row-edit").first
    # It would not be hit where the cell cuts it off.
    link.click(position={"x": 3, "y": 5})
    page.wait_for_url("**/permissions/**")


def test_bar_to_scroll_by_hides_nothing_of_a_list_of_one_row(opens: Opens) -> None:
    wide = User.objects.get(email="twoteams@demo.example")
    User.objects.filter(pk=wide.pk).update(first_name="W" * 30, last_name="M" * 40)
    assert Membership.objects.filter(user=wide).count() == 2
    page = opens(1030)
    page.goto(f"{USERS}?q=twoteams")
    bar = page.locator(".list > .simplebar-horizontal")
    expect(bar).to_have_css("visibility", "visible")
    ends = page.evaluate(
        "[document.querySelector('.list-row').getBoundingClientRect().bottom,"
        " document.querySelector('.list > .simplebar-horizontal').getBoundingClientRect().top]"
    )
    assert ends[0] <= ends[1] + 1


def test_tabs_of_notifications_are_as_high_as_each_other(opens: Opens) -> None:
    page = opens()
    page.goto("/admin/inbox/")
    expect(page.locator(".inbox-head nav .chip").first).to_be_visible()
    tabs = page.locator(".inbox-head nav .list-tool").all()
    assert len({round(box["height"]) for tab in tabs if (box := tab.bounding_box())}) == 1


def test_placeholder_can_be_read(opens: Opens) -> None:
    page = opens(color_scheme="light")
    page.goto("/admin/your-settings/")
    shown = "getComputedStyle(document.querySelector('[name=time_zone]'), '::placeholder').color"
    quiet = "getComputedStyle(document.querySelector('.quiet-probe')).color"
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend',"
        ' \'<p class="quiet-probe" style="color: var(--quiet)">\')'
    )
    assert page.evaluate(shown) == page.evaluate(quiet)


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_link_of_an_invitation_is_copied_by_keyboard(opens: Opens, has_clipboard: bool) -> None:
    page = opens(permissions=["clipboard-read", "clipboard-write"])
    if not has_clipboard:  # as on a page that came without TLS
        gone = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
        page.add_init_script(gone)
    new = User.objects.exclude(email="admin@demo.example").filter(last_login=None).first()
    assert new
    User.objects.filter(pk=new.pk).update(password="!")
    page.goto(f"{USERS}{new.pk}/invite/")
    page.locator("main form [type=submit]").last.click()
    button = page.get_by_role("button", name="Copy the link for")
    button.press("Enter")
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    expect(button).to_be_focused()
    field = page.locator(".copy-link")
    link = field.input_value()
    field.evaluate("each => { each.readOnly = false; each.value = ''; }")
    field.press("Control+V")
    expect(field).to_have_value(link)
