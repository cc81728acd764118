"""The browser: an installed Chromium, with nothing of it that talks to the outside."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Locator, Page, expect

from accounts import operations
from accounts.audit import System
from accounts.models import User
from records.models import Deal
from tests.support import chromium
from tests.support.laid_down import laid_down

HERE = Path(__file__).parent
TESTS = HERE.parent
REAL_DATA = TESTS.parent.parent / "shared" / "data" / "crm-sales-opportunities"
SAMPLE = TESTS / "data" / "crm-sample"
PASSWORD = "a story of consent"
THRESHOLD = 3


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test in this folder, so that none runs where no browser is expected."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", autouse=True)
def django_beside_playwright() -> Iterator[None]:
    """Let a test use the ORM although Playwright keeps an event loop running in its thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def clicks_wait_for_their_page() -> Iterator[None]:
    """Click on something once the page has loaded to which an earlier click led.

    Until then scripts put parts of it elsewhere: a press that begins on a link and ends beside it
    is no click, and nobody is as quick as a test.
    """
    click = Locator.click

    def settled(what: Locator, **options: Any) -> None:
        what.wait_for()
        what.page.wait_for_load_state()
        click(what, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Locator, "click", settled)
        yield


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch the installed browser; its sandbox is off for root alone, whom it refuses."""
    path = chromium.installed()
    if path is None:
        pytest.fail(
            "There is no Chromium for the browser story; see `python -m tests.support.chromium`."
        )
    return {
        **browser_type_launch_args,
        "executable_path": path,
        "args": chromium.FLAGS,
        "chromium_sandbox": os.geteuid() != 0,
    }


@pytest.fixture
def demo_company(db: None) -> None:
    """The demo company, seeded once per process and laid down again for every other test."""
    laid_down(_seed_demo)


def _seed_demo() -> None:
    call_command("seed_demo", verbosity=0)


LogIn = Callable[[str], Page]


@pytest.fixture
def company() -> dict[str, User]:
    """The real data and two people more, imported once per process."""
    return laid_down(_import_company)


def _import_company() -> dict[str, User]:
    """Import the real data (the committed sample in a clone without it) and add two people."""
    folder = REAL_DATA if REAL_DATA.is_dir() else SAMPLE
    if os.environ.get("CI"):
        assert folder == REAL_DATA, "CI tells the story on the real data"
    call_command("import_crm", str(folder), password=PASSWORD, verbosity=0)
    seed = System("story")
    auditors = operations.create_set(actor=seed, name="Auditor", tools=["audit.view"])
    admin = operations.create_person(
        actor=seed, email="sam@crm.example", first_name="Sam", password=PASSWORD, is_superuser=True
    )
    auditor = operations.create_person(
        actor=seed,
        email="otto@crm.example",
        first_name="Otto",
        permission_set=auditors,
        password=PASSWORD,
    )
    agent = next(
        user
        for user in User.objects.filter(permission_set__name="Agent").order_by("email")
        if _deals(user, "Won") > THRESHOLD and _deals(user, "Engaging") > THRESHOLD
    )
    team = agent.memberships.get(is_main=True).team
    manager = User.objects.get(permission_set__name="Manager", memberships__team=team)
    return {"admin": admin, "auditor": auditor, "agent": agent, "manager": manager}


def _deals(user: User, stage: str) -> int:
    return Deal.objects.filter(owner=user, stage__name=stage).count()


@pytest.fixture
def log_in(browser: Browser, live_server: object, company: dict[str, User]) -> Iterator[LogIn]:
    """Return a function that opens a browser window as one of the people."""
    contexts = []

    def open_window(who: str) -> Page:
        context = browser.new_context(
            base_url=live_server.url,  # type: ignore[attr-defined]  # a fixture of pytest-django
            viewport={"width": 1400, "height": 900},
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.goto("/")
        page.get_by_label("E-mail").fill(company[who].email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("Welcome,")).to_be_visible()
        return page

    yield open_window
    for context in contexts:
        context.close()
