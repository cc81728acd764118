"""Every picker of every page opens, offers and keeps what was picked; by keyboard alone, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.test import Client
from playwright.sync_api import Browser, Locator, Page, expect

from accounts import operations
from accounts.models import User
from crmperms.demo.cast import PASSWORD
from records.models import Deal, Ticket

pytestmark = pytest.mark.django_db(transaction=True)

PICKER = "select[data-ajax--url]"
OPEN = ".select2-container--open"
OFFERED = f"{OPEN} .select2-results__option[role=option][aria-selected]"
HIGHLIGHTED = f"{OFFERED}.select2-results__option--highlighted"
NARROW = 400
MOST_OF_A_KIND = 3
"""Pages of one kind that are read for pickers: records differ by what may be done with them."""


@pytest.fixture
def demo(demo_company: None) -> None:
    """The demo company, one of whose people left."""
    boss = User.objects.get(email="admin@demo.example")
    leaver = operations.create_person(
        actor=boss,
        email="lea@demo.example",
        first_name="Lea",
        last_name="Leaver",
        password=PASSWORD,
    )
    operations.deactivate(leaver, actor=boss)
    # Something that can be linked from the other side.
    for model in (Deal, Ticket):
        free = model.objects.exclude(owner__email="rep@demo.example").earliest("pk")
        model.objects.filter(pk=free.pk).update(contact=None, company=None)


@pytest.fixture
def page(browser: Browser, live_server: object) -> Iterator[Page]:
    """A window as wide as a desk's."""
    context = browser.new_context(
        base_url=live_server.url,  # type: ignore[attr-defined]  # pytest-django's
        viewport={"width": 1400, "height": 900},
    )
    window = context.new_page()
    window.on("dialog", lambda dialog: dialog.accept())  # “Leave this page?”, with what was picked
    yield window
    context.close()


def log_in(page: Page, who: str) -> None:
    page.context.clear_cookies()
    page.goto("/")
    page.get_by_label("E-mail").fill(f"{who}@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


# --- Which pages there are ------------------------------------------------------------------------


def pages_with_pickers(who: str) -> list[str]:
    """Return addresses that together have every picker of every kind of page.

    Found from the registry's lists and add forms and every link from there, read without a browser.
    """
    client = Client()
    client.force_login(User.objects.get(email=f"{who}@demo.example"))
    waiting = ["/admin/"]
    for model in admin.site._registry:
        own = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        waiting += [own, f"{own}add/"]
    read: dict[str, set[str]] = {}
    pickers: dict[str, set[str]] = {}
    pages = []
    while waiting:
        path = waiting.pop(0)
        kind = kind_of(path)
        paths = read.setdefault(kind, set())
        if path in paths or len(paths) >= MOST_OF_A_KIND:
            continue
        paths.add(path)
        answer = client.get(path)
        if answer.status_code != 200 or "text/html" not in answer["Content-Type"]:
            continue
        selects = re.findall(r"<select[^>]* data-ajax--url=[^>]*>", answer.text)
        names = {re.sub(r".* data-field-name=\"(\w+)\".*", r"\1", each) for each in selects}
        if names - pickers.setdefault(kind, set()):
            pickers[kind] |= names
            pages.append(path)
        links = re.findall(r'href="(/admin/[^"]*)"', answer.text)
        waiting += dict.fromkeys(urlsplit(link).path for link in links)
    return pages


def kind_of(path: str) -> str:
    """Pages that differ by the record alone are one kind."""
    return re.sub(r"\d+", "N", path)


# --- What a picker does ---------------------------------------------------------------------------


def box_of(picker: Locator) -> Locator:
    return picker.locator("xpath=following-sibling::span[1]").locator(".select2-selection")


def show(page: Page, picker: Locator) -> None:
    """Open the sheet of filters where the picker stands in it."""
    box = box_of(picker)
    expect(box).to_have_count(1)
    if not box.is_visible():
        page.locator("[x-on\\:click='filterOpen = true']").first.click()
        expect(box).to_be_visible()


def name_somebody(page: Page) -> None:
    """Let a rule be one that names people and teams: else the page does not ask for them."""
    if page.locator("[name=editors]").count():
        page.locator("[name=enabled]").set_checked(True)
        page.locator("[name=editors][value=chosen]").check()
    access = page.locator("select[name=access]")
    if access.count() and access.locator("[value=chosen]").count():
        access.select_option("chosen")


def pick(page: Page, picker: Locator) -> str:
    """Pick the first that is not picked already, by keyboard, and return its name."""
    show(page, picker)
    box = box_of(picker)
    box.press("Enter")
    highlighted = page.locator(HIGHLIGHTED)
    expect(highlighted).to_be_visible()
    if highlighted.get_attribute("aria-selected") == "true":  # as the creator is owner already
        page.keyboard.press("ArrowDown")
    name: str = highlighted.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(OPEN)).to_have_count(0)
    expect(box).to_contain_text(name)
    assert picker.input_value(), f"“{name}” was offered and not picked"
    return name


def complaints(page: Page, path: str) -> list[str]:
    """Return what is wrong with the pickers of a page; the filters of a list outlive a reload."""
    page.goto(path)
    name_somebody(page)
    pickers = page.locator(PICKER)
    wrong, picked = [], {}
    for number in range(pickers.count()):
        picker = pickers.nth(number)
        name = picker.get_attribute("name") or ""
        try:
            picked[name] = pick(page, picker)
        except AssertionError as error:
            wrong.append(f"{path}: {name}: {str(error).splitlines()[0]}")
            page.keyboard.press("Escape")
    if (preview := page.locator("#share-preview")).count():
        # Drawn by requests of its own, which a page that is left would break off.
        for text in picked.values():
            expect(preview).to_contain_text(text)
    if not wrong and page.locator(f"#filter-form {PICKER}").count():
        page.locator("#filter-form [type=submit]").first.click()
        page.wait_for_url("**?*")
        for name, text in picked.items():
            picker = page.locator(f"#filter-form {PICKER}[name={name}]")
            expect(box_of(picker)).to_contain_text(text)
    return wrong


@pytest.mark.parametrize("who", ["admin", "rep"])
def test_every_picker_of_every_page_offers_and_keeps(demo: None, page: Page, who: str) -> None:
    wrong: list[str] = []
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(f"a script failed: {error}"))
    paths = pages_with_pickers(who)
    for own in ("", "add/", "N/change/", "N/share/"):
        assert f"/admin/records/deal/{own}" in map(kind_of, paths)
    for own in ("pipeline/N/rule/", "property/N/change/") if who == "admin" else ():
        assert f"/admin/records/{own}" in map(kind_of, paths)
    log_in(page, who)
    for path in paths:
        wrong += complaints(page, path)
    assert wrong == []
    # The negative control: a page without the script of pickers is found.
    page.route("**/select2.full*", lambda route: route.abort())
    assert complaints(page, "/admin/records/deal/add/") != []


def test_picker_is_used_by_keyboard_in_a_narrow_dark_window(
    demo: None, browser: Browser, live_server: object
) -> None:
    """Whoever left is asked about, stays shown after a reload, and is not chosen on a form."""
    context = browser.new_context(
        base_url=live_server.url,  # type: ignore[attr-defined]  # pytest-django's
        viewport={"width": NARROW, "height": 800},
        color_scheme="dark",
    )
    page = context.new_page()
    log_in(page, "admin")
    page.goto("/admin/accounts/auditevent/")
    actor = page.locator(f"{PICKER}[name=actor]")
    show(page, actor)
    box, offered = box_of(actor), page.locator(OFFERED)
    for key in ("Enter", "Space", "l"):
        box.press(key)
        expect(offered.first).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(OPEN)).to_have_count(0)
        expect(box).to_be_focused()  # and so the sheet around it is there still
    box.press("L")
    page.keyboard.type("ea Leaver")
    expect(offered).to_have_text(["Lea Leaver (deactivated)"])
    drawn = page.locator(".select2-dropdown").bounding_box()
    assert drawn is not None
    assert drawn["x"] >= 0 and drawn["x"] + drawn["width"] <= NARROW
    page.keyboard.press("Enter")
    page.locator("#filter-form [type=submit]").first.click()
    page.wait_for_url("**?actor=*")
    page.reload()
    show(page, actor)
    expect(box).to_contain_text("Lea Leaver (deactivated)")

    page.goto("/admin/records/deal/add/")
    owner = box_of(page.locator(f"{PICKER}[data-field-name=owner]"))
    owner.press("L")
    page.keyboard.type("ea Leaver")
    expect(page.locator(f"{OPEN} .select2-results__message")).to_have_text("No results found")
    page.keyboard.press("Escape")
    owner.press("Enter")
    expect(page.locator(HIGHLIGHTED)).to_be_visible()
    before = page.locator(HIGHLIGHTED).inner_text()
    page.keyboard.press("ArrowDown")
    expect(page.locator(HIGHLIGHTED)).not_to_have_text(before)
    chosen = page.locator(HIGHLIGHTED).inner_text()
    assert chosen != owner.inner_text()  # who creates it, until then
    page.keyboard.press("Enter")
    expect(owner).to_contain_text(chosen)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()
