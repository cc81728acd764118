"""Every page and dialog can be heard, read and fits a narrow window: axe-core in both schemes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from accounts.models import AuditEvent, PermissionSet, Team, User
from crmperms.demo.cast import PASSWORD
from exports.models import ExportRequest
from records import kinds
from records.models import Company, Deal, Pipeline, Stage

pytestmark = pytest.mark.django_db(transaction=True)

STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
WINDOWS = [("light", 1400), ("dark", 420)]
GERMAN, WIDE = "de-DE", 2560


@pytest.fixture
def demo(demo_company: None) -> dict[str, object]:
    """The demo company, and what its pages are about."""
    waiting = ExportRequest.objects.awaiting_decision().first()
    done = ExportRequest.objects.filter(status="completed").first()
    deal = Deal.objects.filter(stage__name="Signed", owner__email="rep@demo.example").first()
    company = Company.objects.filter(owner__email="rep@demo.example").first()
    assert waiting and done and deal and deal.contact and company
    event = AuditEvent.objects.filter(action="pipeline.set_rule").latest("pk")
    keys = {"event": event.pk, "deal": deal.pk, "contact": deal.contact.pk, "company": company.pk}
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
        "/admin/records/deal/{deal}/request_access/",
        "/admin/access-requests/",
        "/admin/exports/exportrequest/",
        "/admin/exports/exportrequest/?review={waiting}",
        "/admin/exports/exportrequest/new/contact/",
        "/admin/inbox/",
        "/admin/records/deal/",
        "/admin/records/deal/?o=9",
        "/admin/records/ticket/",
        "/admin/password_change/",
    ],
    "approver": [
        "/admin/",
        "/admin/inbox/",
        "/admin/exports/exportrequest/?review={waiting}",
        "/admin/exports/exportrequest/{waiting}/decide/?step=approve",
        "/admin/exports/exportrequest/{waiting}/decide/?step=reject",
        "/admin/exports/exportrequest/away/",
    ],
    "auditor": [
        "/admin/accounts/auditevent/",
        "/admin/accounts/auditevent/{event}/change/",
        "/admin/exports/exportrequest/",
    ],
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
        "/admin/records/property/",
        "/admin/permissions/history/",
        "/admin/records/deal/bin/",
        "/admin/records/deal/{deal}/delete/",
        "/admin/accounts/user/permissions/?person=5",
        "/admin/accounts/permissionset/add/",
    ],
}


@pytest.fixture
def windows(browser: Browser, live_server: object) -> Iterator[list[tuple[str, Page]]]:
    """One window of each kind."""
    opened = [(name_of(*each), open_window(browser, live_server, *each)) for each in WINDOWS]
    yield opened
    for _, page in opened:
        page.context.close()


@pytest.fixture
def german_windows(browser: Browser, live_server: object) -> Iterator[list[tuple[str, Page]]]:
    """One as wide as any desk, and a narrow dark one whose reader reads German."""
    shapes = [("light", WIDE, "en-GB"), ("dark", 390, GERMAN)]
    opened = [(name_of(*each), open_window(browser, live_server, *each)) for each in shapes]
    yield opened
    for _, page in opened:
        page.context.close()


def name_of(scheme: str, width: int, locale: str = "en-GB") -> str:
    return f"{scheme}, {width} px, {locale}"


def open_window(
    browser: Browser, live_server: object, scheme: str, width: int, locale: str = "en-GB"
) -> Page:
    context = browser.new_context(
        base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]  # "light" or "dark"
        locale=locale,
    )
    return context.new_page()


def log_in(page: Page, who: str) -> None:
    """Log somebody in, whatever language they read."""
    page.context.clear_cookies()
    page.goto("/")
    if who != "nobody":
        page.locator("[name=username]").fill(f"{who}@demo.example")
        page.locator("[name=password]").fill(PASSWORD)
        page.locator("form [type=submit]").first.click()
        page.wait_for_url("**/admin/")


def complaints(page: Page) -> list[str]:
    """Return what is wrong with the page that is open."""
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    found = Axe().run(page, options={"runOnly": STANDARD}).response["violations"]
    wrong = [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("wider than the window")
    return wrong


def call_all_by_long_names() -> None:
    """Give people, sets, teams, stages and records names as long as may be, without a space."""
    for model, names in (
        *((kind.model, kind.model.name_fields) for kind in kinds.every()),
        (User, ("first_name", "last_name")),
        *((each, ("name",)) for each in (PermissionSet, Team, Pipeline, Stage)),
    ):
        for row in model._base_manager.all():
            for name in names:
                room = model._meta.get_field(name).max_length
                long = f"{getattr(row, name)} {row.pk}{'donaudampfschifffahrt' * 10}"[:room]
                model._base_manager.filter(pk=row.pk).update(**{name: long})


def test_every_page_can_be_heard_and_fits(
    demo: dict[str, object], german_windows: list[tuple[str, Page]]
) -> None:
    call_all_by_long_names()
    wrong = []
    for name, page in german_windows:
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


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus, as somebody without a mouse does."""
    for _ in range(90):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "[document.activeElement].map(e => e.ariaLabel || e.innerText || e.value || '')[0]"
        )
        if said.strip().startswith(name):
            return
    raise AssertionError(f"no key leads to “{name}”")


def test_approval_from_log_in_to_log_out_by_keyboard_alone(
    demo: dict[str, object], windows: list[tuple[str, Page]]
) -> None:
    _, page = windows[0]
    page.goto("/admin/login/")
    page.get_by_label("E-mail").focus()  # as its autofocus does where a window has the focus
    page.keyboard.type("approver@demo.example")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    tab_to(page, "Hanna Lind requests approval")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_be_visible()
    tab_to(page, "Approve")
    page.keyboard.press("Enter")
    tab_to(page, "Approve export")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Approved.", exact=False).first).to_be_visible()
    assert ExportRequest.objects.get(pk=demo["waiting"]).status == "approved"
    page.keyboard.press("Escape")
    page.wait_for_url("**/exports/exportrequest/")
    tab_to(page, "Filters")
    page.keyboard.press("Enter")
    page.wait_for_function("!!document.activeElement.closest('#changelist-filter')")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "open-filters"
    tab_to(page, "P\nPriya Raman")
    page.keyboard.press("Enter")
    tab_to(page, "Log out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/logout/")


def test_pages_are_read_without_a_script(browser: Browser, live_server: object, demo: Any) -> None:
    for width in (1400, 390):
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
            viewport={"width": width, "height": 900},
            java_script_enabled=False,
        )
        page = context.new_page()
        log_in(page, "rep")
        expect(page.get_by_role("link", name="Deals").first).to_be_visible()
        for path, words in (
            ("/admin/records/deal/", "Pampa Agro"),
            ("/admin/records/deal/{deal}/change/", "You can see this record"),
            ("/admin/exports/exportrequest/new/contact/", "Format"),
            ("/admin/exports/exportrequest/?review={waiting}", "Requested by"),
        ):
            page.goto(path.format(**demo))
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.get_by_text(words).first).to_be_visible()
        context.close()


def test_first_wrong_field_has_the_focus_below_a_summary(
    demo: dict[str, object], windows: list[tuple[str, Page]]
) -> None:
    _, page = windows[0]
    log_in(page, "rep")
    page.goto("/admin/records/deal/add/")
    page.get_by_label("Amount").fill("a lot")
    page.get_by_role("button", name="Save", exact=True).click()
    summary = page.locator(".error-summary")
    expect(summary.get_by_role("link")).to_have_text(["Name", "Amount", "Stage"])
    assert page.evaluate("document.activeElement.name") == "name"
    summary.get_by_role("link", name="Amount").click()
    assert page.evaluate("document.activeElement.name") == "amount"


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
