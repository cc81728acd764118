"""What a browser must have before it shows a list is small, and it asks for files once (14.3)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.templatetags.static import static
from django.test import Client, RequestFactory
from pytest_django import Settings

from crmperms import static_files
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory

MOST_BYTES = 150_000
"""At 50 kB a second, three seconds."""
SHEET = "/static/crmperms.css"
TAKES_GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def body_of(answer: Any) -> bytes:
    """Return the bytes of an answer as they are sent."""
    return answer.getvalue() if answer.streaming else answer.content


def blocking(page: str) -> list[str]:
    """Return the addresses of what a browser has to have before it shows anything of a page."""
    sheets = re.findall(r'<link href="([^"]+)"[^>]* rel="stylesheet"', page)
    sheets += re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    sheets += re.findall(r'<link href="([^"]+)" media="all" rel="stylesheet"', page)
    head = page[: page.index("</head>")]
    scripts = re.findall(r'<script src="([^"]+)"[^>]*>', head)
    waits = [
        address
        for address in scripts
        if not re.search(rf'<script src="{re.escape(address)}"[^>]*\b(defer|async)\b', head)
    ]
    return [unescape(each) for each in dict.fromkeys([*sheets, *waits])]


def sent(client: Client, addresses: list[str], **headers: str) -> int:
    return sum(len(body_of(client.get(each, headers=headers))) for each in addresses)


def test_list_shows_itself_after_few_bytes(c: TinyCompany, client: Client) -> None:
    """A page of fifty deals, with all that holds up its first sight."""
    for number in range(60):
        DealFactory(name=f"Deal {number}", owner=c.rita, stage=c.stages["open"], amount=number)
    client.force_login(c.rita)
    page = client.get("/admin/records/deal/", headers=TAKES_GZIP)
    assert page["Content-Encoding"] == "gzip"
    waits_for = blocking(gzip.decompress(page.content).decode())
    assert {"unfold/css/styles.css", "crmperms.css", "crmperms.js", "unfold/js/app.js"} <= {
        each.partition("?")[0].removeprefix("/static/") for each in waits_for
    }
    assert not [each for each in waits_for if "jquery" in each or "select2.full" in each]
    assert len(page.content) + sent(client, waits_for, **TAKES_GZIP) <= MOST_BYTES
    # Negative control: as it was before files were compressed, and scripts waited.
    assert sent(client, waits_for) > 2 * MOST_BYTES


def test_marked_files_are_kept_for_a_year_and_others_for_a_day(client: Client) -> None:
    marked = static("crmperms.css")
    assert marked == f"{SHEET}?v={static_files.mark_of('crmperms.css')}"
    assert client.get(marked)["Cache-Control"] == "max-age=31536000, public, immutable"
    assert client.get(SHEET)["Cache-Control"] == "max-age=86400, public"
    # A page of another version asks for its own; what it gets instead is kept by nobody.
    for address in (f"{SHEET}?v=", f"{SHEET}?v=0123456789ab", f"{marked}0"):
        assert client.get(address)["Cache-Control"] == "no-cache", address
    assert static("no/such/file.css") == "/static/no/such/file.css"
    assert client.get("/static/no/such/file.css?v=").status_code == 404
    assert static("unfold/fonts/") == "/static/unfold/fonts/"


@pytest.fixture
def replaced(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A style sheet of this test's own that the product finds."""
    sheet = tmp_path / f"{tmp_path.name}.css"  # where a file lies is looked up once for a name
    sheet.write_text("a { color: red }\n" * 50)
    settings.STATICFILES_DIRS = [tmp_path]
    finders.get_finder.cache_clear()
    yield sheet
    finders.get_finder.cache_clear()


@pytest.mark.parametrize("headers", [{}, TAKES_GZIP], ids=["plain", "gzip"])
def test_file_replaced_under_a_running_process_is_not_kept_under_its_old_mark(
    replaced: Path, headers: dict[str, str]
) -> None:
    running = static_files.StaticFilesMiddleware(lambda request: HttpResponse(status=404))
    running.add_file_to_dictionary(f"/static/{replaced.name}", str(replaced))

    def ask(address: str) -> tuple[Any, bytes]:
        answer = running(RequestFactory().get(address, headers=headers))
        sent = body_of(answer)
        if answer.streaming:
            answer.file_to_stream.close()
        return answer, sent

    before, first = static(replaced.name), replaced.read_bytes()
    kept, _ = ask(before)
    assert kept["Cache-Control"] == "max-age=31536000, public, immutable"
    replaced.write_text("a { color: blue }\n" * 90)
    after, second = static(replaced.name), replaced.read_bytes()
    assert after != before
    for address, how_long in ((before, "no-cache"), (after, kept["Cache-Control"])):
        answer, sent = ask(address)
        assert (answer["Cache-Control"], answer["Content-Length"]) == (how_long, str(len(sent)))
        assert answer["ETag"] != kept["ETag"]
        assert (gzip.decompress(sent) if headers else sent) == second != first
    replaced.unlink()
    assert ask(after)[0].status_code == 404
    assert static(replaced.name) == f"/static/{replaced.name}"


@pytest.mark.parametrize("name", ["crmperms.css", "crmperms.js", "favicon.svg"])
def test_files_are_compressed_for_whoever_takes_that(client: Client, name: str) -> None:
    address = static(name)
    plain, packed = client.get(address), client.get(address, headers=TAKES_GZIP)
    content = body_of(plain)
    assert not plain.has_header("Content-Encoding")
    assert (packed["Content-Encoding"], packed["Vary"].split(", ")[0]) == (
        "gzip",
        "Accept-Encoding",
    )
    assert gzip.decompress(body_of(packed)) == content
    assert packed["Content-Length"] == str(len(packed.content))
    assert packed["Content-Type"] == plain["Content-Type"]
    # Asked again, it is the one that the browser has; only its head; and a part of it as it lies.
    known = {**TAKES_GZIP, "If-None-Match": packed["ETag"]}
    assert client.get(address, headers=known).status_code == 304
    head = client.head(address, headers=TAKES_GZIP)
    assert (body_of(head), head["Content-Length"]) == (b"", packed["Content-Length"])
    part = client.get(address, headers={**TAKES_GZIP, "Range": "bytes=0-9"})
    assert (part.status_code, body_of(part)) == (206, content[:10])
    assert not part.has_header("Content-Encoding")
    assert client.post(address).status_code == 405


def test_fonts_are_left_as_they_are(client: Client) -> None:
    """They are compressed already."""
    answer = client.get("/static/unfold/fonts/inter/Inter-Regular.woff2", headers=TAKES_GZIP)
    assert not answer.has_header("Content-Encoding")
    assert body_of(answer)[:4] == b"wOF2"
