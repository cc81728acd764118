"""Every page in another language: nothing is left in English, and nothing of it is kept for others.

A walk over all that five people get to. Whatever is translated stands in brackets, and the data of
the company have no Latin letters: any such word outside of brackets is a text of ours that nobody
marked, or one kept from before, when the same process was read in English.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import operations as people
from accounts.models import AuditEvent, Notice, PermissionChange, User
from accounts.notices import notify
from exports import operations
from exports.models import ExportRequest
from records import operations as records
from tests.support import messages
from tests.support.company import TinyCompany
from tests.support.english import WORD
from tests.support.exports_kit import completed, pending
from tests.support.factories import TicketFactory
from tests.support.pseudo import pseudo_language
from tests.support.walk import Page, walk
from tests.support.without_letters import take_letters_away

PEOPLE = ("sam", "nora", "rita", "axel", "otto", "visitor")
"""A super admin, a delegate, a rep, an approver, an auditor, and whoever is not logged in."""

NO_WORDS = re.compile(
    r"""
    \S+@\S+                         # addresses
    | \b[a-z_]+(?:[.:][a-z_*]+)+    # keys
    | \b[0-9a-f]{64}\b             # digests
    | \b[A-Z]{2,3}-[0-9]+          # numbers of permissions
    | \b(?:crmperms|CSV|XLSX|JSON\ Lines|JSON|Parquet|CRM|UTC|EUR|ID|IP|SHA|Ctrl|English|Deutsch)\b
    | \b(?:Mozilla|Chrome|Safari)\S*
    """,
    re.VERBOSE,
)
"""What is the same in every language."""


@pytest.fixture
def company(c: TinyCompany) -> TinyCompany:
    """The tiny company on a busy day: something of everything that a page can show."""
    TicketFactory(owner=c.rita)
    people.edit_permissions(
        [c.nora],
        actor=c.sam,
        changes={"account.access": True, "account.edit_users": True, "account.user_table": True},
    )
    records.restrict_property(actor=c.sam, object="contact", name="phone", sensitive=True)
    completed(c.rita)
    rejected = pending(c.rita, c.axel)
    operations.reject(rejected, actor=c.axel, version=rejected.version, note="1")
    pending(c.rita, c.axel)
    today = timezone.localdate()
    operations.arrange_delegate(
        actor=c.axel, delegate=c.mona, first_day=today, last_day=today + timedelta(days=1)
    )
    records.delete(c.deals["vault"], actor=c.sam)
    notify(list(c.people.values()), "1", "/admin/")
    return c


def clients(c: TinyCompany, language: str, names: Iterable[str]) -> Iterator[tuple[str, Client]]:
    for name in names:
        client = Client(headers={"Accept-Language": language}, raise_request_exception=True)
        if name != "visitor":
            client.force_login(User.objects.get(pk=c.people[name].pk))
        yield name, client


def pages(c: TinyCompany, language: str, names: Iterable[str] = PEOPLE) -> Iterator[Page]:
    """Yield every page of these people, read in this language."""
    for name, client in clients(c, language, names):
        start = "/admin/login/" if name == "visitor" else "/admin/"
        absent = "/admin/records/deal/1/change/"
        yield from walk(client, name, start, absent, "/admin/records/deal/?unknown=1")


def listed(found: dict[str, set[str]]) -> str:
    """Return findings as somebody can act on them: where a text seems to come from, and a page."""
    lines = []
    for text, where in sorted(found.items(), key=lambda each: (_source(each[0]), each[0])):
        places = sorted(where)
        lines.append(f"{_source(text)}: {text!r}  ({len(places)} times, e.g. {places[0]})")
    return f"{len(lines)} texts are not translated:\n" + "\n".join(lines)


def _source(text: str) -> str:
    """Return the first file that has these words."""
    words = max(re.split(r"[^A-Za-z ]+", text), key=len).strip()
    asked = ["git", "grep", "-n", "-F", "-e", words, "--", *messages.APPS, "templates"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    elsewhere = ("/locale/", "/migrations/", "/demo/", "bulk.py")
    lines = [each for each in found.stdout.splitlines() if not any(e in each for e in elsewhere)]
    return ":".join(lines[0].split(":")[:2]) if lines else "?"


def stored_sentences() -> set[str]:
    """Return what was written once, in the language of its reader or writer."""
    said = {*Notice.objects.values_list("text", flat=True)}
    said |= {*AuditEvent.objects.values_list("action", flat=True)}
    for names in ExportRequest.objects.values_list("name", "ended_because", "waits_again_because"):
        said |= {*names}
    return {text for text in said if text}


def stored_values() -> set[str]:
    """Return what the permission history keeps: keys of the catalogue, and names of that time."""
    rows = PermissionChange.objects.values_list("permission", "name", "before", "after")
    values = {value for row in rows for value in row}
    # What another row is referred to by stands behind its key.
    return values | {value.partition(": ")[2] for value in values} - {""}


def test_every_text_of_every_page_is_translated(company: TinyCompany, settings: Settings) -> None:
    take_letters_away()
    found: dict[str, set[str]] = defaultdict(set)
    met: dict[str, int] = defaultdict(int)
    with pseudo_language("de"):
        for _ in pages(company, "en", ("sam", "rita")):
            pass
        for page in pages(company, "de"):
            met[page.who] += 1
            for said in page.said:
                if _has_words(said.outside):
                    found[said.outside].add(f"{page.who}: {page.address}, {said.where}")
    assert met["sam"] > 80 and met["rita"] > 30 and met["visitor"] > 1, met
    # At the end, since the forms that were sent told people of this and that.
    kept = sorted(stored_sentences(), key=len, reverse=True)
    values = stored_values()
    left = {
        text: where
        for text, where in found.items()
        if text not in values and _has_words(_without(text, kept))
    }
    assert not left, listed(left)


def _has_words(text: str) -> bool:
    return WORD.search(NO_WORDS.sub("", text)) is not None


def _without(text: str, sentences: list[str]) -> str:
    for sentence in sentences:
        text = text.replace(sentence, "")
    return text
