"""No page needs what its Content-Security-Policy forbids: crawled as every role, listened to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from crmperms.demo.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = ("rep", "approver", "auditor", "admin")
LISTEN = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""
MOST_PAGES = 30


@pytest.fixture
def page(browser: Browser, live_server: object) -> Iterator[Page]:
    """A window that remembers what the policy of its page forbade."""
    context = browser.new_context(base_url=live_server.url)  # type: ignore[attr-defined]  # pytest-django's
    context.add_init_script(LISTEN)
    window = context.new_page()
    window.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    yield window
    context.close()


def log_in(page: Page, who: str) -> None:
    page.context.clear_cookies()
    page.goto("/")
    page.get_by_label("E-mail").fill(f"{who}@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


def kind_of(path: str) -> str:
    """Pages that differ by the record alone are one kind."""
    return re.sub(r"\d+", "N", path)


def links_of(page: Page) -> list[str]:
    hrefs = page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)")
    here = urlsplit(page.url).netloc
    parts = [each for each in map(urlsplit, hrefs) if each.netloc == here]
    # A page that asks about one step is none without it; what else a query says is left out.
    return [f"{p.path}?{p.query}" if p.query.startswith("step=") else p.path for p in parts]


def use(page: Page) -> None:
    """Open what the page opens without sending anything: its dialogs, the search, the menu."""
    if page.locator("dialog[data-open-now]").count():
        return  # closing the panel beside a list leads to the list alone
    for opener in page.locator("[data-opens]:visible").all()[:3]:
        opener.click()
        page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")


def test_no_page_does_what_its_policy_forbids(demo_company: None, page: Page) -> None:
    wrong: list[str] = []
    page.goto("/admin/login/")
    wrong += page.evaluate("window.violations")
    seen: dict[str, str] = {}
    for who in ROLES:
        log_in(page, who)
        waiting, kinds = ["/admin/"], {"/admin/"}
        while waiting and len(kinds) <= MOST_PAGES:
            path = waiting.pop(0)
            answer = page.goto(path)
            assert answer is not None and answer.status == 200, (who, path)
            assert "script-src 'self' 'unsafe-eval'" in answer.headers["content-security-policy"]
            use(page)
            wrong += [f"{who} {path}: {each}" for each in page.evaluate("window.violations")]
            seen[kind_of(path)] = who
            for link in links_of(page):
                if kind_of(link) not in kinds and "logout" not in link:
                    kinds.add(kind_of(link))
                    waiting.append(link)
    assert wrong == []
    assert len(seen) > 25, sorted(seen)


def test_what_is_forbidden_is_heard(db: None, page: Page) -> None:
    """The negative control: a script in the page, one in an attribute, one from elsewhere."""
    page.goto("/admin/login/")
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            const far = document.createElement("script");
            far.src = "https://elsewhere.example/script.js";
            document.body.append(script, far);
            document.body.setAttribute("onclick", "window.ran = true");
            document.body.click();
        }"""
    )
    page.wait_for_function("window.violations.length >= 3")
    assert page.evaluate("window.ran") is None
