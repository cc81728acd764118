"""`python -m tests.support.chromium` prints the path of a Chromium, which it installs where there
is none.

Where none is to be had it says so in a sentence and prints no path; under CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def installed() -> str | None:
    """The browser named by CHROMIUM, or one on the PATH, or the one Playwright keeps.

    None as well where Playwright itself does not run, for want of a library of the system.
    """
    if not playwright_runs():
        return None
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    for name in NAMES:
        if found := shutil.which(name):
            return found
    return playwrights_own()


@cache
def playwright_runs() -> bool:
    command = [sys.executable, "-m", "playwright", "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install() -> None:
    """Try Debian's packages as root, else Playwright's download; whatever fails is only said."""
    ways = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        wanted = ["chromium", "fonts-liberation", "libatomic1"]
        ways.insert(0, ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted])
        ways.insert(0, ["apt-get", "update", "-qq"])
    for way in ways:
        attempt(way)
        playwright_runs.cache_clear()
        if installed():
            return


def attempt(way: list[str]) -> None:
    """Run a command to its end or for ten minutes, its output out of the way."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(
            way,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        pass


def main() -> int:
    """Return 0 with a path or outside CI, 1 where CI has no browser or CHROMIUM names none."""
    named = os.environ.get("CHROMIUM")
    if named and shutil.which(named) is None:
        print(f"CHROMIUM names {named}, which cannot be run.", file=sys.stderr)
        return 1
    if installed() is None:
        print("Installing what the browser story needs …", file=sys.stderr, flush=True)
        install()
    if path := installed():
        print(path)
        return 0
    lacking = "no Chromium is installed" if playwright_runs() else "Playwright lacks libatomic1"
    print(
        f"The browser story is left out: {lacking}, and it could not be installed. "
        "Debian's packages are chromium and libatomic1; CHROMIUM may name another browser.",
        file=sys.stderr,
    )
    return 1 if os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
