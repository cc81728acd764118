"""A walk over every page that a person gets to by links, and what of these pages people read."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.http import HttpResponse
from django.test import Client

from tests.support.pseudo import CLOSES, OPENS

READ_ALOUD = ("aria-label", "title", "placeholder", "alt", "data-label")
"""Attributes that people read, or hear."""
SILENT = ("script", "style", "svg", "code", "kbd", "datalist", "textarea")
EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
)
SAME = frozenset({"material-symbols-outlined", "sample"})
"""Classes of what is the same for every reader: icons, and the first rows of a file."""
LEADS_OUT = ("/admin/logout/", "/download/", "/static/", "/autocomplete/")
ALIKE = 2
"""So many pages of one kind are looked at: the first deals tell of all."""


@dataclass(frozen=True)
class Said:
    """A text of a page, with how deep in the brackets of a pseudo language it begins."""

    text: str
    where: str
    """An attribute, or the element around the text."""
    depth: int = 0

    @property
    def outside(self) -> str:
        """What stands outside of all brackets."""
        depth, found = self.depth, []
        for letter in self.text:
            if letter == OPENS:
                depth += 1
            elif letter == CLOSES:
                depth = max(0, depth - 1)
            elif not depth:
                found.append(letter)
        return " ".join("".join(found).split())


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[Said] = []
        self.links: list[str] = []
        self.actions: list[str] = []
        self._open: list[tuple[str, bool, int]] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        is_silent = tag in SILENT or not SAME.isdisjoint(given.get("class", "").split())
        for name in READ_ALOUD:
            if given.get(name):
                self.said.append(Said(given[name], f"{name} of <{tag}>"))
        if tag == "input" and given.get("type") in ("submit", "button", "reset"):
            self.said.append(Said(given.get("value", ""), "value of a button"))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "form":
            self.actions.append(given.get("action", ""))
        if tag not in EMPTY:
            was_silent = bool(self._open) and self._open[-1][1]
            self._open.append((tag, was_silent or is_silent, self._depth))

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _, _ in self._open):
            name, _, self._depth = self._open.pop()
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][1]:
            return
        if data.strip():
            where = f"<{self._open[-1][0]}>" if self._open else "the page"
            self.said.append(Said(data, where, self._depth))
        if OPENS not in data and CLOSES not in data:
            return
        for letter in data:
            if letter == OPENS:
                self._depth += 1
            elif letter == CLOSES:
                self._depth = max(0, self._depth - 1)


def read(html: str) -> tuple[list[Said], list[str], list[str]]:
    """Return what people read of a page, in order, and where its links and its forms lead."""
    page = _Page()
    page.feed(html)
    return page.said, page.links, page.actions


@dataclass(frozen=True)
class Page:
    """A page that somebody got to."""

    who: str
    address: str
    status: int
    said: tuple[Said, ...]


def walk(client: Client, who: str, start: str = "/admin/", *more: str) -> Iterator[Page]:
    """Yield every page that this person gets to; of pages alike the first ones.

    At the end every form is sent without anything in it, for what is said of that.
    """
    waiting, met, kinds = deque([start, *more]), {start, *more}, Counter[str]()
    forms: dict[str, str] = {}
    while waiting:
        address = waiting.popleft()
        if all(kinds[each] >= ALIKE for each in _kinds(address)):
            continue
        answer = client.get(address)
        if answer.status_code in (301, 302):
            following = urljoin(address, answer.headers["Location"])
            if following not in met and _stays(following):
                met.add(following)
                waiting.appendleft(following)
            continue
        if not _is_page(answer):
            continue
        said, links, actions = read(answer.text)
        kinds.update(_kinds(address))
        yield Page(who, address, answer.status_code, tuple(said))
        for link in links:
            target = urljoin(address, unescape(link)).partition("#")[0]
            if target not in met and _stays(target):
                met.add(target)
                waiting.append(target)
        for action in actions:
            forms.setdefault(_path(urljoin(address, action)), urljoin(address, action))
    for address in forms.values():
        if _stays(address):
            answer = client.post(address, {}, follow=True)
            if _is_page(answer):
                said = tuple(read(answer.text)[0])
                yield Page(who, f"POST {address}", answer.status_code, said)


def _is_page(answer: HttpResponse) -> bool:
    is_html = answer.headers.get("Content-Type", "").startswith("text/html")
    return is_html and not answer.streaming


def _stays(address: str) -> bool:
    path = urlsplit(address)
    is_ours = not path.netloc or path.netloc == "testserver"
    return is_ours and path.path.startswith("/admin/") and not any(e in address for e in LEADS_OUT)


def _kinds(address: str) -> set[str]:
    """Return what pages alike have in common: the path without numbers, with each thing asked for.

    What two filters show together, they show one by one.
    """
    asked = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    return {f"{_path(address)}?{name}" for name, _ in asked} or {_path(address)}


def _path(address: str) -> str:
    return re.sub(r"[0-9]+", "#", urlsplit(address).path)
