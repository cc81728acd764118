"""Forms as a page shows them, and what a browser with scripts sends of one that nobody touched."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

Fields = dict[str, list[str]]


class _Reader(HTMLParser):
    """Collects every form of a page: its address, and what it would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, Fields]] = []
        self._is_open = False
        self._is_for_no_script = False
        self._select: tuple[str, bool] | None = None
        self._first: str | None = None
        self._chosen: list[str] = []
        self._text: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
            self._is_open = True
        self._is_for_no_script |= tag == "noscript"
        if not self._is_open or self._is_for_no_script or "disabled" in given:
            return
        if tag == "select" and name:
            self._select, self._first, self._chosen = (name, "multiple" in given), None, []
        elif tag == "option" and self._select:
            self._first = given.get("value", "") if self._first is None else self._first
            if "selected" in given:
                self._chosen.append(given.get("value", ""))
        elif tag == "textarea" and name:
            self._text = (name, [])
        elif tag == "input" and name and given.get("type") not in ("submit", "button", "image"):
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self._add(name, given.get("value", "on" if "checked" in given else ""))

    def handle_data(self, data: str) -> None:
        if self._text:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "noscript":
            self._is_for_no_script = False
        if tag == "form":
            self._is_open = False
        if tag == "select" and self._select:
            name, many = self._select
            one = [] if many or self._first is None else [self._first]
            for value in self._chosen or one:
                self._add(name, value)
            self._select = None
        elif tag == "textarea" and self._text:
            self._add(self._text[0], "".join(self._text[1]).removeprefix("\n"))
            self._text = None

    def _add(self, name: str, value: str) -> None:
        self.forms[-1][1].setdefault(name, []).append(value)


def forms_of(page: str) -> list[tuple[str, Fields]]:
    """Return the forms of a page in order: (address, name → values)."""
    reader = _Reader()
    reader.feed(page)
    return reader.forms


def form_with(page: str, name: str) -> tuple[str, dict[str, Any]]:
    """Return the one form of a page that has this field."""
    return next((action, dict(fields)) for action, fields in forms_of(page) if name in fields)
