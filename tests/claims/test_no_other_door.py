"""Nothing but an export's download gives a file: every address, every action, every line (R125)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, path
from pytest_django import Settings

import crmperms.urls
from accounts.models import AuditEvent, Notice, PermissionChange
from accounts.operations import assign_set
from exports.models import ExportRequest
from records.models import Deal, Property, Ticket
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, path_of, pending
from tests.support.factories import TicketFactory

# --- Every address, reviewed ----------------------------------------------------------------------

# An address that is not here fails the test below: look at what it answers, then write it down.
OF_EVERY_MODEL = (
    *("", "add/", "<path:object_id>/", "<path:object_id>/change/"),
    *("<path:object_id>/delete/", "<path:object_id>/history/"),
)
OF_A_RECORD = (
    *("bin/", "bin/restore/", "change-many/<slug:name>/"),
    *(
        f"<path:object_id>/{step}/"
        for step in (
            *("access", "empty", "request_access", "request_linked", "reveal", "share"),
            *("unshare", "who"),
        )
    ),
)
OF_A_STAGED_RECORD = (
    *OF_A_RECORD,
    *("<path:object_id>/end_exception/", "<path:object_id>/make_exception/"),
)
OF_A_LINKED_RECORD = (
    *OF_A_RECORD,
    *("<path:object_id>/associate/", "<path:object_id>/dissociate/"),
)
OF_A_MODEL: dict[str, tuple[str, ...]] = {
    "accounts/auditevent": (),
    "accounts/permissionchange": (),
    "accounts/permissionset": ("permissions/", "<path:object_id>/give/"),
    "accounts/team": tuple(
        f"<path:object_id>/{step}/" for step in ("add_members", "merge", "remove_member")
    ),
    "accounts/user": (
        *(
            f"<path:object_id>/{step}/"
            for step in (
                *("deactivate", "demote", "lift_pause", "make_partner_admin", "password"),
                *("promote", "reactivate", "remove_partner_admin"),
            )
        ),
        "<path:object_id>/invite/",
        *("<int:key>/access/", "<int:key>/log-ins/end/", "permissions/", "permissions/undo/"),
        "import/",
        *(
            f"many/{step}/"
            for step in (
                "add_to_team",
                "assign_set",
                "deactivate",
                "invite",
                "make_partner_admin",
                "promote",
                "reactivate",
                "set_main_team",
            )
        ),
    ),
    "exports/exportpolicy": ("alert/",),
    "exports/exportrequest": (
        *("<int:pk>/approve/", "<int:pk>/cancel/", "<int:pk>/download/", "<int:pk>/recall/"),
        *(
            "<int:pk>/again/",
            "<int:pk>/decide/",
            "<int:pk>/reject/",
            "new/<slug:key>/",
            "away/",
            "away/<int:pk>/end/",
        ),
    ),
    "records/company": OF_A_LINKED_RECORD,
    "records/contact": OF_A_LINKED_RECORD,
    "records/deal": OF_A_STAGED_RECORD,
    "records/ticket": OF_A_STAGED_RECORD,
    "records/pipeline": ("<path:object_id>/rule/",),
    "records/property": (),
    "records/screenlimit": (),
}
OF_THE_SITE = {
    *("", "admin/", "admin/login/", "admin/logout/", "admin/password_change/"),
    "admin/your-settings/",
    *("admin/password_change/done/", "admin/search/", "admin/shared/", "admin/jsi18n/"),
    *("admin/permissions/", "admin/set-up/", "admin/password_reset/", "admin/password_reset/sent/"),
    *("admin/password_reset/<uidb64>/<token>/", "admin/password_reset/done/"),
    *("admin/invitation/done/", "admin/invitation/<uidb64>/<token>/"),
    *("admin/autocomplete/", "admin/autocomplete/choose/", "admin/pick/<slug:offer>/"),
    *("admin/permissions/history/", "admin/permissions/history/on/"),
    *("admin/permissions/new/", "admin/permissions/new/switch/"),
    "admin/permissions/new/<str:subject>/",
    *("admin/access-requests/", "admin/access-requests/<int:pk>/"),
    "admin/access-requests/export/<str:key>/",
    "admin/access-requests/field/<str:key>/<str:name>/",
    *("admin/inbox/", "admin/inbox/read/", "admin/inbox/<int:pk>/read/"),
    "admin/inbox/<slug:kind>/<int:pk>/open/",
    *("admin/inbox/<int:pk>/open/", "admin/<app_label>/", "admin/<url>"),
}
REVIEWED = OF_THE_SITE | {
    f"admin/{model}/{step}" for model, own in OF_A_MODEL.items() for step in (*OF_EVERY_MODEL, *own)
}


def every_pattern() -> list[str]:
    """Return every address the resolver knows, its arguments in angle brackets."""

    def walk(entries: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for entry in entries:
            # Of a regular expression only the name of its argument is kept.
            route = prefix + re.sub(r"\(\?P(<\w+>)[^)]*\)|[\^$]", r"\1", str(entry.pattern))
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, route)
            else:
                yield route

    return list(walk(get_resolver().url_patterns, ""))


def test_every_address_was_reviewed() -> None:
    known = set(every_pattern())
    assert known - REVIEWED == set(), "new: look at what it answers, then write it down"
    assert REVIEWED - known == set(), "gone: strike it out"


PICKER = "app_label=records&model_name=deal&field_name=company&term=a"

# --- What may be answered -------------------------------------------------------------------------

HTML = frozenset({"text/html"})
OTHERWISE = {
    "/admin/autocomplete/": frozenset({"text/html", "application/json"}),
    "/admin/autocomplete/choose/": frozenset({"text/html", "application/json"}),
    "/admin/jsi18n/": frozenset({"text/html", "text/javascript"}),
}


def is_a_file(address: str, answer: Any) -> bool:
    """Tell whether an answer would be kept as a file, or is nothing that a page is made of."""
    kind = answer.get("Content-Type", "text/html").split(";")[0]
    return bool(
        answer.streaming
        or "Content-Disposition" in answer
        or kind not in OTHERWISE.get(address, HTML)
    )


def filled(pattern: str, c: TinyCompany) -> list[str]:
    """Return addresses of a pattern that lead to something seeded, for each that may matter."""
    model = "/".join(pattern.split("/")[1:3])
    keys: list[Any] = {
        "accounts/user": [c.nils.pk],
        "accounts/team": [c.teams["south"].pk],
        "accounts/permissionset": [c.sets["reader"].pk],
        "accounts/auditevent": [AuditEvent.objects.latest("id").pk],
        "accounts/permissionchange": [PermissionChange.objects.latest("id").pk],
        "exports/exportpolicy": [1],
        "exports/exportrequest": [export.pk for export in c.__dict__["exports"]],
        "records/contact": [c.contacts["cora"].pk],
        "records/company": [c.companies["acme"].pk],
        "records/deal": [c.deals["ritas"].pk],
        "records/ticket": [Ticket.objects.get().pk],
        "records/pipeline": [c.pipeline.pk],
        "records/property": [Property.objects.earliest("id").pk],
        "inbox/<int:pk>": [notice.pk for notice in Notice.objects.all()],
    }.get(model, [1])
    if "<slug:key>" in pattern:
        keys = ["deal", "contact"]
    if "<app_label>" in pattern:
        keys = ["records"]
    return sorted({"/" + re.sub(r"<[^>]+>", str(key), pattern) for key in keys})


class Look(NamedTuple):
    """One thing that was asked for, and what came."""

    method: str
    address: str
    status: int
    is_file: bool
    text: str
    """The words of a page that was looked at; empty otherwise."""


def everything(client: Client, c: TinyCompany, who: str) -> list[Look]:
    """Ask for every address, by GET and by POST, and for every action of every list.

    What is only looked at comes first, since a POST may end what it leads to.
    """
    addresses = [address for each in every_pattern() for address in filled(each, c)]
    looked = []

    def look(method: str, address: str, posted: dict[str, Any] | None = None) -> None:
        if who != "nobody" and "sessionid" not in client.cookies:
            client.force_login(c.people[who])
        answer = client.generic(method, address) if posted is None else client.post(address, posted)
        is_file = is_a_file(address.partition("?")[0], answer)
        page = method == "GET" and answer.status_code == 200 and not answer.streaming
        text = answer.text if page else ""
        looked.append(Look(method, address, answer.status_code, is_file, text))
        if "logout" in address:
            client.cookies.clear()

    for address in addresses:
        look("GET", address)
    look("GET", f"/admin/exports/exportrequest/?review={c.__dict__['exports'][1].pk}")
    for model in OF_A_MODEL:
        look("GET", f"/admin/{model}/?format=csv&_export=xlsx")
    look("GET", f"/admin/autocomplete/?{PICKER}")
    look("GET", "/admin/search/?s=a&extended=1")
    for model, model_admin in admin.site._registry.items():
        options = model._meta
        for name in actions(c, who, model_admin):
            ticked = {"action": name, "_selected_action": [1], "select_across": "1", "index": "0"}
            look("POST", f"/admin/{options.app_label}/{options.model_name}/", ticked)
    for address in addresses:
        look("POST", address, {})
    return looked


def actions(c: TinyCompany, who: str, model_admin: Any) -> list[str]:
    if who == "nobody":
        return []
    request = RequestFactory().get("/")
    request.user = c.fresh(who)
    return list(model_admin.get_actions(request))


@pytest.fixture
def seeded(c: TinyCompany) -> TinyCompany:
    """The company with a request that waits, a file that is ready, and somebody told of each."""
    TicketFactory(owner=c.rita)
    assign_set(c.lena, actor=c.sam, permission_set=c.sets["reader"])
    c.__dict__["exports"] = [completed(c.rita, query="q=rita"), pending(c.rita, c.axel)]
    return c


# How many addresses lead to a page at least: else the walk would prove little.
PAGES = {"sam": 60, "rita": 20, "axel": 7, "nobody": 1}


# What a program reads back: an address, a form's value, a bound. Text may group digits as it likes.
GROUPED = re.compile(
    r'(?:href|action|src|value|min|max|data-[\w-]+)="[^"]*\b\d{1,3}(?:,\d{3})+\b[^"]*"'
)


@pytest.mark.parametrize("who", PAGES)
def test_nothing_but_the_download_gives_a_file_and_no_address_has_its_digits_grouped(
    seeded: TinyCompany, who: str
) -> None:
    """One walk for two claims: what comes is no file, and no page has an address with commas."""
    download = f"/admin/exports/exportrequest/{seeded.__dict__['exports'][0].pk}/download/"
    waits = seeded.__dict__["exports"][1].pk
    ExportRequest.objects.update(version=12_345, record_count=23_456)
    Deal.objects.update(version=34_567)
    looked = everything(Client(), seeded, who)
    assert [(look.method, look.address) for look in looked if look.is_file] == (
        [("POST", download)] if who == "rita" else []
    )
    pages = [look for look in looked if (look.method, look.status) == ("GET", 200)]
    assert len(pages) >= PAGES[who]
    assert [(look.address, GROUPED.findall(look.text)) for look in pages] == [
        (look.address, []) for look in pages
    ]
    assert who == "nobody" or str(waits) in "".join(look.text for look in pages)
    assert GROUPED.search('<a href="?review=1,727">') and GROUPED.search('<input max="12,345">')
    assert not GROUPED.search('<a href="?ids=370001,370002">1,727</a>')


# --- No line of code that could -------------------------------------------------------------------

SENDS_A_FILE = {"FileResponse", "StreamingHttpResponse", "JsonResponse"}
WRITES_A_FILE = {"csv.writer", "csv.DictWriter", "openpyxl", "pyarrow", "xlsxwriter", "zipfile"}
HEADERS = ("content-disposition", "x-accel-redirect", "x-sendfile", "x-accel")
PLAIN = ("text/html", "text/plain")


def doors(source: str) -> set[str]:
    """Return what in this source could make a file, or send one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute | ast.Name):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.lower() in HEADERS:
                found.add(node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Response"):
            kinds = [k.value for k in node.keywords if k.arg == "content_type"]
            plain = all(ast.unparse(kind).strip("'\"").startswith(PLAIN) for kind in kinds)
            found |= set() if plain else {"content_type"}
        for name in names:
            found |= SENDS_A_FILE & set(name.split("."))
            found |= {w for w in WRITES_A_FILE if name == w or name.startswith(f"{w}.")}
    return found


def test_only_exports_makes_files_and_only_its_download_sends_one() -> None:
    sources = [p for floor in ("accounts", "records", "exports", "crmperms") for p in files(floor)]
    assert len(sources) > 50
    found = {str(source): doors(source.read_text()) for source in sources}
    sends = {name for name, what in found.items() if what - WRITES_A_FILE}
    makes = {name for name, what in found.items() if what & WRITES_A_FILE}
    assert sends == {"exports/admin.py"}
    assert not [name for name in makes if not name.startswith("exports/writers/")]


def test_no_page_makes_a_file_in_the_browser() -> None:
    sources = [p for p in Path("templates").rglob("*") if p.suffix in {".html", ".js"}]
    assert len(sources) > 20
    makes = re.compile(r"createObjectURL|\bBlob\(|data:(text|application)|<a\b[^>]*\sdownload\b")
    assert [str(p) for p in sources if makes.search(p.read_text())] == []
    assert makes.search('<a class="x" download href="/">')


def files(floor: str) -> list[Path]:
    return sorted(Path(floor).rglob("*.py"))


# --- The same functions find what is wrong --------------------------------------------------------


def leak(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream every name, as somebody in a hurry would write it."""
    names = Deal._base_manager.values_list("name", flat=True)
    if "inline" in request.GET:
        return HttpResponse("\n".join(names), content_type="text/csv")
    return StreamingHttpResponse((f"{name}\n" for name in names), content_type="text/html")


def test_a_door_of_somebody_in_a_hurry_is_found(seeded: TinyCompany, settings: Settings) -> None:
    hurried = ModuleType("tests.hurried_urls")
    hurried.urlpatterns = [path("leak/", leak), *crmperms.urls.urlpatterns]  # type: ignore[attr-defined]  # a made-up module
    settings.ROOT_URLCONF = hurried
    assert set(every_pattern()) - REVIEWED == {"leak/"}
    client = Client()
    client.force_login(seeded.axel)
    for address in ("/leak/", "/leak/?inline=1"):
        assert is_a_file("/leak/", client.get(address)), address
    assert not is_a_file("/admin/", client.get("/admin/"))


@pytest.mark.parametrize(
    "line",
    [
        "import csv\ncsv.writer(open('x'))",
        "from csv import DictWriter",
        "import openpyxl",
        "from pyarrow import parquet",
        "from django.http import FileResponse",
        "http.StreamingHttpResponse(rows)",
        "answer['Content-Disposition'] = 'inline'",
        "HttpResponse(text, content_type='application/pdf')",
        "HttpResponse(text, content_type=KIND)",
    ],
)
def test_a_line_of_somebody_in_a_hurry_is_found(line: str) -> None:
    assert doors(line)


def test_reading_a_file_and_writing_a_page_are_no_doors() -> None:
    page = "import csv\ncsv.reader(f)\nHttpResponse(x, content_type='text/plain; charset=utf-8')"
    assert doors(page) == set()


def test_file_that_rita_gets_is_the_one_she_asked_for(seeded: TinyCompany) -> None:
    export = seeded.__dict__["exports"][0]
    client = Client()
    client.force_login(seeded.rita)
    answer = client.post(f"/admin/exports/exportrequest/{export.pk}/download/")
    assert is_a_file("/admin/", answer)
    assert answer.getvalue() == path_of(export).read_bytes()
