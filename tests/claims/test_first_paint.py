"""What a browser must have before it shows a list is small, and it asks for files once (14.3)."""

from __future__ import annotations

import gzip
import re
from html import unescape
from typing import Any

import pytest
from django.templatetags.static import static
from django.test import Client

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
    for address in (SHEET, f"{SHEET}?v=", f"{SHEET}?v=0123456789ab", f"{marked}0"):
        assert client.get(address)["Cache-Control"] == "max-age=86400, public", address
    assert static("no/such/file.css") == "/static/no/such/file.css"
    assert client.get("/static/no/such/file.css?v=").status_code == 404
    assert static("unfold/fonts/") == "/static/unfold/fonts/"


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
