"""What every answer says about itself, and what an installation keeps for its own account."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

import crmperms.urls
from crmperms.secret import private_file, private_folder
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, pending

# --- Headers --------------------------------------------------------------------------------------


def breaks(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a secret value: 0151-23456789")


def odd(request: HttpRequest) -> HttpResponse:
    raise BadRequest("odd")


urlpatterns = [*crmperms.urls.urlpatterns, path("breaks/", breaks), path("odd/", odd)]

ANSWERS = {
    "/": 302,
    "/admin/": 200,
    "/admin/records/deal/": 200,
    "/static/crmperms.css": 200,
    "/static/absent.css": 404,
    "/admin/nothing/": 404,
    "/admin/records/deal/?nonsense=1": 400,
    "/odd/": 400,
    "/admin/accounts/permissionset/add/": 403,
    "/breaks/": 500,
}


def assert_guarded(answer: HttpResponse) -> None:
    policy = dict(
        part.strip().partition(" ")[::2] for part in answer["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["script-src-attr"] == "'none'"
    assert policy["form-action"] == policy["connect-src"] == "'self'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


def test_every_answer_says_what_a_browser_may_do_with_it(
    c: TinyCompany, settings: Settings
) -> None:
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    client.force_login(c.rita)
    for address, status in ANSWERS.items():
        answer = client.get(address)
        assert answer.status_code == status, address
        assert_guarded(answer)
        assert "Strict-Transport-Security" not in answer
    refused = client.put("/admin/")
    assert refused.status_code == 405
    assert_guarded(refused)
    export = completed(c.rita)
    file = client.post(f"/admin/exports/exportrequest/{export.pk}/download/")
    assert file.getvalue()
    assert_guarded(file)
    late = Client(enforce_csrf_checks=True).post("/admin/login/")
    assert late.status_code == 403
    assert_guarded(late)


def test_behind_https_plain_http_is_led_there_and_browsers_remember(
    db: None, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600
    client = Client()
    plain = client.get("/admin/login/?next=/admin/")
    assert (plain.status_code, plain["Location"]) == (
        301,
        "https://testserver/admin/login/?next=/admin/",
    )
    assert "Strict-Transport-Security" not in plain
    for address in ("/admin/login/", "/static/crmperms.js", "/admin/nothing/"):
        assert client.get(address, secure=True)["Strict-Transport-Security"] == "max-age=3600"


# --- No script in a page --------------------------------------------------------------------------


class Scripts(HTMLParser):
    """Finds in a page what its policy would refuse, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "script" and not (given.get("src") or "").startswith("/"):
            self.wrong.append(f"<script {attributes}>")
        if tag in ("base", "object", "embed", "iframe", "frame"):
            self.wrong.append(f"<{tag}>")
        for name, value in attributes:
            if name.startswith("on"):
                self.wrong.append(f"{tag} {name}")
            if (value or "").strip().lower().startswith("javascript:"):
                self.wrong.append(f"{tag} {name}={value}")
            if tag == "link" and name == "href" and not (value or "").startswith("/"):
                self.wrong.append(f"link to {value}")
        if tag == "a":
            self.links.append(given.get("href") or "")


def scripts_in(page: str) -> Scripts:
    found = Scripts()
    found.feed(page)
    return found


ROLES = ("sam", "mona", "rita", "axel", "otto", "nils")


def test_no_page_of_any_role_has_a_script_in_it(c: TinyCompany) -> None:
    pending(c.rita, c.axel)
    completed(c.rita)
    visited: dict[str, str] = {}
    for name in ROLES:
        client = Client()
        client.force_login(c.people[name])
        waiting, known = ["/admin/"], {"/admin/"}
        while waiting:
            address = waiting.pop()
            answer = client.get(address, follow=True)
            if "html" not in answer["Content-Type"]:
                continue
            page = scripts_in(answer.text)
            assert page.wrong == [], (name, address)
            visited[re.sub(r"\d+", "N", address)] = name
            for link in page.links:
                target = urlsplit(link)
                # One page of a kind is enough: they differ by the record.
                kind = re.sub(r"\d+", "N", target.path)
                if target.path.startswith("/admin/") and kind not in known:
                    known.add(kind)
                    waiting.append(link)
    assert len(visited) > 40, sorted(visited)


def test_a_script_in_a_page_would_be_found() -> None:
    """The negative control."""
    wrong = scripts_in(
        "<script>go()</script><script src='https://x.example/a.js'></script>"
        "<a href='JavaScript:go()' onclick='go()'>x</a><a x-on:click='fine' href='/admin/'>y</a>"
    ).wrong
    assert len(wrong) == 4


# --- An installation's own files ------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = private_folder(tmp_path / "a" / "var")
        file = private_file(folder / "crm.sqlite3")
    finally:
        os.umask(before)
    assert (mode(folder), mode(file)) == (0o700, 0o600)


@pytest.mark.parametrize("mend", [True, False])
def test_what_others_could_read_is_closed_where_it_is_ours(tmp_path: Path, mend: bool) -> None:
    folder, file = tmp_path / "var", tmp_path / "var" / "crm.sqlite3"
    folder.mkdir()
    file.write_text("kept")
    folder.chmod(0o755)
    file.chmod(0o644)
    private_folder(folder, mend=mend)
    private_file(file, mend=mend)
    assert (mode(folder), mode(file)) == ((0o700, 0o600) if mend else (0o755, 0o644))
    assert file.read_text() == "kept"


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing in its environment but what is given."""
    given = {"PATH": os.environ["PATH"], **environment}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, env=given, capture_output=True, text=True, check=False, umask=0o022
    )


DOCUMENTED = {
    "SECURE": "1",
    "ALLOWED_HOSTS": "crm.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://crm.example.com",
    "PROXIES": "1",
    "SITE_URL": "https://crm.example.com",
}
DEPLOYED = ("check", "--deploy", "--fail-level", "WARNING")


def test_what_readme_says_for_https_passes_djangos_list_and_less_does_not(tmp_path: Path) -> None:
    database = tmp_path / "made" / "crm.sqlite3"
    where = {"DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": "x" * 40 + "abcdefghijkl"}
    good = manage(*DEPLOYED, **where, **DOCUMENTED)
    assert (good.returncode, good.stdout.strip()) == (
        0,
        "System check identified no issues (3 silenced).",
    )
    assert (mode(database.parent), mode(database)) == (0o700, 0o600)
    bare = manage(*DEPLOYED, **where)
    assert bare.returncode == 1
    assert "security.W010" in bare.stderr  # a cookie that would travel in the open
