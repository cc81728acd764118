"""What a browser is called that names itself in a User-Agent: “Firefox on Windows”.

Only by the tokens that the well-known ones have had for years, since anybody may send any text. A
browser names those it is like as well, so the order counts.
"""

from __future__ import annotations

from django.utils.translation import gettext

BROWSERS = (
    (("Edg/", "EdgA/", "EdgiOS/"), "Edge"),
    (("OPR/", "OPT/"), "Opera"),
    (("SamsungBrowser/",), "Samsung Internet"),
    (("Vivaldi/",), "Vivaldi"),
    (("Firefox/", "FxiOS/"), "Firefox"),
    (("Chrome/", "CriOS/"), "Chrome"),
    (("Safari/",), "Safari"),
)
"""Tokens, and whose they are; the first that is there counts."""

SYSTEMS = (
    (("Windows NT",), "Windows"),
    (("iPhone", "iPad"), "iOS"),
    (("Android",), "Android"),
    (("CrOS",), "ChromeOS"),
    (("Macintosh",), "macOS"),
    (("Linux",), "Linux"),
)
"""The same of systems; Android names Linux too."""


def name_of(agent: str) -> str:
    """Return the browser and the system of a User-Agent in words, as far as they are known."""
    browser, system = _first(agent, BROWSERS), _first(agent, SYSTEMS)
    if not system:
        return browser or gettext("Unknown browser")
    return gettext("%(browser)s on %(system)s") % {
        "browser": browser or gettext("Unknown browser"),
        "system": system,
    }


def _first(agent: str, known: tuple[tuple[tuple[str, ...], str], ...]) -> str:
    return next((name for tokens, name in known if any(each in agent for each in tokens)), "")
