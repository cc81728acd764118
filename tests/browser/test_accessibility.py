"""Every page and dialog can be heard, read and fits a narrow window: axe-core in both schemes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from crmperms.demo.cast import PASSWORD
from exports.models import ExportRequest
from records.models import Company, Deal

pytestmark = pytest.mark.django_db(transaction=True)

STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
WINDOWS = [("light", 1400), ("dark", 420)]


@pytest.fixture
def demo(demo_company: None) -> dict[str, object]:
    """The demo company, and what its pages are about."""
    waiting = ExportRequest.objects.awaiting_decision().first()
    done = ExportRequest.objects.filter(status="completed").first()
    deal = Deal.objects.filter(stage__name="Signed", owner__email="rep@demo.example").first()
    company = Company.objects.filter(owner__email="rep@demo.example").first()
    assert waiting and done and deal and deal.contact and company
    keys = {"deal": deal.pk, "contact": deal.contact.pk, "company": company.pk}
    return {"waiting": waiting.pk, "done": done.pk, **keys}


PAGES = {
    "nobody": ["/admin/login/", "/admin/nothing/"],
    "rep": [
        "/admin/",
        "/admin/shared/",
        "/admin/records/contact/",
        "/admin/records/deal/{deal}/change/",
        "/admin/records/contact/{contact}/change/",
        "/admin/records/company/{company}/change/",
        "/admin/records/deal/add/",
        "/admin/exports/exportrequest/",
        "/admin/exports/exportrequest/?review={waiting}",
        "/admin/exports/exportrequest/new/contact/",
        "/admin/inbox/",
    ],
    "approver": [
        "/admin/",
        "/admin/inbox/",
        "/admin/exports/exportrequest/?review={waiting}",
        "/admin/exports/exportrequest/away/",
    ],
    "auditor": ["/admin/accounts/auditevent/"],
    "admin": [
        "/admin/records/deal/{deal}/access/?user=1&action=change",
        "/admin/records/deal/{deal}/who/",
        "/admin/records/deal/{deal}/share/",
        "/admin/exports/exportrequest/?review={done}",
        "/admin/exports/exportpolicy/",
        "/admin/records/screenlimit/",
        "/admin/set-up/",
        "/admin/accounts/user/",
        "/admin/accounts/user/add/",
        "/admin/accounts/user/import/",
        "/admin/accounts/team/",
        "/admin/accounts/permissionset/1/change/",
        "/admin/permissions/",
        "/admin/permissions/new/",
        "/admin/accounts/user/1/access/",
        "/admin/records/pipeline/1/change/",
        "/admin/records/property/1/change/",
    ],
}


@pytest.fixture
def windows(browser: Browser, live_server: object) -> Iterator[list[tuple[str, Page]]]:
    """One window of each kind."""
    opened = []
    for scheme, width in WINDOWS:
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
        )
        opened.append((f"{scheme}, {width} px", context.new_page()))
    yield opened
    for _, page in opened:
        page.context.close()


def log_in(page: Page, who: str) -> None:
    page.context.clear_cookies()
    page.goto("/")
    if who != "nobody":
        page.get_by_label("E-mail").fill(f"{who}@demo.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")


def complaints(page: Page) -> list[str]:
    """Return what is wrong with the page that is open."""
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    found = Axe().run(page, options={"runOnly": STANDARD}).response["violations"]
    wrong = [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("wider than the window")
    return wrong


def test_every_page_can_be_heard_and_fits(
    demo: dict[str, object], windows: list[tuple[str, Page]]
) -> None:
    wrong = []
    for name, page in windows:
        for who, paths in PAGES.items():
            log_in(page, who)
            for path in paths:
                page.goto(path.format(**demo))
                wrong += [f"{name}, {who}, {path}: {each}" for each in complaints(page)]
    assert wrong == []


DIALOGS = [
    ("admin", "/admin/exports/exportpolicy/", "link", "Edit"),
    ("admin", "/admin/exports/exportrequest/?review={waiting}", "button", "Cancel export"),
    ("approver", "/admin/exports/exportrequest/?review={waiting}", "button", "Approve"),
    ("approver", "/admin/exports/exportrequest/?review={waiting}", "button", "Reject"),
    ("rep", "/admin/exports/exportrequest/?review={waiting}", "button", "Recall request"),
]
INSIDE = "!!document.activeElement.closest('dialog[open]')"


def test_every_dialog_is_opened_heard_and_left_by_keyboard(
    demo: dict[str, object], windows: list[tuple[str, Page]]
) -> None:
    for name, page in windows:
        for who, path, role, opener in DIALOGS:
            case = f"{name}, {who}, {opener}"
            log_in(page, who)
            page.goto(path.format(**demo))
            before = page.locator("dialog[open]").count()
            button = page.get_by_role(role, name=opener, exact=True)  # type: ignore[arg-type]  # a role
            button.focus()
            page.keyboard.press("Enter")
            assert page.locator("dialog[open]").count() == before + 1, case
            assert page.evaluate(INSIDE), case
            assert complaints(page) == [], case
            for _ in range(12):
                page.keyboard.press("Tab")
                # The window's own bar may be in between; nothing behind the dialog ever is.
                assert page.evaluate(f"{INSIDE} || document.activeElement === document.body"), case
            page.keyboard.press("Escape")
            assert page.locator("dialog[open]").count() == before, case
            assert button.evaluate("b => b === document.activeElement"), case


def test_request_is_rejected_by_keyboard_alone(
    demo: dict[str, object], windows: list[tuple[str, Page]]
) -> None:
    _, page = windows[0]
    log_in(page, "approver")
    page.goto(f"/admin/exports/exportrequest/?review={demo['waiting']}")
    page.get_by_role("button", name="Reject", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Not for a list this long.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Not for a list this long.")).to_be_visible()
    assert ExportRequest.objects.get(pk=demo["waiting"]).status == "rejected"


def test_what_is_wrong_is_found(demo: dict[str, object], windows: list[tuple[str, Page]]) -> None:
    """The negative control: a field without a name, and a page too wide."""
    _, page = windows[0]
    page.goto("/admin/login/")
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', "
        "'<input><div style=\"width: 9999px\">wide</div>')"
    )
    assert [each.partition(":")[0] for each in complaints(page)] == [
        "label",
        "wider than the window",
    ]
