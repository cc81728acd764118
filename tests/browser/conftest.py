"""The browser: an installed Chromium, with nothing of it that talks to the outside."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import chromium

HERE = Path(__file__).parent


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


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch the installed browser; its sandbox is off for root alone, whom it refuses."""
    path = chromium.installed()
    if path is None:
        pytest.fail("There is no Chromium for the browser story; see `python -m tests.chromium`.")
    return {
        **browser_type_launch_args,
        "executable_path": path,
        "args": chromium.FLAGS,
        "chromium_sandbox": os.geteuid() != 0,
    }
