"""Importing people from a table: shown first, then all of it or nothing (R6, E19, E23)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import operations
from accounts.models import AuditEvent, Membership, Outbox, PermissionSet, User
from accounts.operations import InvalidChange, NotAllowed
from accounts.operations.importing import ImportedAlready
from accounts.people_file import COLUMNS, read_people
from accounts.people_plan import planned
from accounts.sent_forms import new_token, token_of
from accounts.table_text import ImportRefused
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.factories import SetFactory, UserFactory
from tests.support.laid_down import tiny_company

IMPORT = "/admin/accounts/user/import/"
TABLE = """E-mail,First name,Last name,Team,Extra teams,Permission set
new@example.com,Newt,Marsh,South,North; North A,Rep
RITA@example.com,Rita,Reed,South,,
nora@example.com,,,,,Rep
"""


def send(client: Client, table: str | bytes) -> HttpResponse:
    data = table.encode() if isinstance(table, str) else table
    return client.post(IMPORT, {"table": SimpleUploadedFile("people.csv", data)})


def hidden(page: HttpResponse) -> dict[str, str]:
    """Return what the preview sends back unseen."""
    names = ("name", "content", "as_planned", "form_token")
    return {name: re.search(f'name="{name}" value="([^"]*)"', page.text)[1] for name in names}  # type: ignore[index]  # the page has it


def everybody() -> list[Any]:
    return [
        *User.objects.order_by("pk").values(),
        *Membership.objects.order_by("pk").values("user", "team", "is_main"),
    ]


def teams(email: str) -> set[tuple[str, bool]]:
    rows = Membership.objects.filter(user__email=email)
    return set(rows.values_list("team__name", "is_main"))


@pytest.fixture
def client(c: TinyCompany) -> Client:
    client = Client()
    client.force_login(c.sam)
    return client


# --- One that works -------------------------------------------------------------------------------


def test_table_is_shown_first_and_then_imported_as_it_was_shown(
    c: TinyCompany, client: Client
) -> None:
    assert IMPORT in client.get("/admin/accounts/user/").text
    assert client.get(IMPORT).status_code == 200
    before = everybody()
    page = send(client, TABLE)
    for words in (
        *("Would be added: 1", "Newt Marsh", "team: South", "extra teams: North, North A"),
        *(
            "Would be changed: 1",
            "last name: none → Reed",
            "team: North A → South",
            "As they are: 1",
        ),
    ):
        assert words in page.text, words
    assert everybody() == before
    done = client.post(IMPORT, hidden(page), follow=True)
    assert "Imported: 1 added, 1 changed, 1 as they were." in done.text
    newt, rita = (User.objects.get(email=f"{name}@example.com") for name in ("new", "rita"))
    assert (newt.get_full_name(), newt.permission_set, newt.is_superuser) == (
        *("Newt Marsh", c.sets["rep"]),
        False,
    )
    assert teams("new@example.com") == {("South", True), ("North", False), ("North A", False)}
    assert (rita.get_full_name(), rita.permission_set) == ("Rita Reed", c.sets["rep"])
    assert teams("rita@example.com") == {("South", True)}
    event = AuditEvent.objects.get(action="person.import")
    assert event.data == {"new": 1, "changed": 1, "same": 1}
    assert AuditEvent.objects.filter(action="person.create").count() == 1


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("heading", ["E-Mail-Address|GIVEN NAME|main_team", "email|forename|Team"])
def test_headings_and_separators_are_read_as_people_write_them(
    c: TinyCompany, heading: str, separator: str
) -> None:
    text = f"{heading}\nnew@example.com|Zoë|South\n".replace("|", separator)
    for data in (
        text.encode(),
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode(),
    ):
        (row,), faults = read_people("people.csv", data)
        assert (row.email, row.first_name, row.team) == ("new@example.com", "Zoë", "South")
        assert faults == []


def test_names_of_teams_and_sets_are_found_whatever_their_case(c: TinyCompany) -> None:
    wanted, _ = read_people("t.csv", b"email,team,role\nnew@example.com,SOUTH,rep\n")
    (person,) = planned(wanted, (), c.sam).people
    assert (person.main_team, person.permission_set) == (c.teams["south"], c.sets["rep"])
    PermissionSet.objects.create(name="REP")
    PermissionSet.objects.create(name="rEp")
    assert [fault.column for fault in planned(wanted, (), c.sam).faults] == ["permission set"]


def test_page_shows_the_names_of_columns_as_they_are_typed(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    text = client.get(IMPORT).text
    assert re.findall("<code>([^<]+)</code>", text) == [*COLUMNS]
    assert "Import users from a table" in text


def test_invitations_go_to_those_who_are_added_only(
    c: TinyCompany, client: Client, settings: Settings
) -> None:
    assert 'name="invite"' not in send(client, TABLE).text
    settings.MAIL_ENABLED, settings.SITE_URL = True, "https://crm.example"
    page = send(client, TABLE)
    client.post(IMPORT, {**hidden(page), "invite": "on"})
    assert [mail.notice.user.email for mail in Outbox.objects.all()] == ["new@example.com"]


# --- What is wrong --------------------------------------------------------------------------------

FAULTY = [
    ("x", "e-mail", "This is not an e-mail address"),
    (",Nobody", "e-mail", "the cell is empty"),
    ("a@example.com,,,Nowhere", "team", "there is no team “Nowhere”"),
    ("a@example.com,,,,South; Nowhere", "extra teams", "there is no team “Nowhere”"),
    ("a@example.com,,,,,Boss", "permission set", "there is no permission set “Boss”"),
    ("sue@example.com,,,,,Rep", "permission set", "is a super admin"),
    (f"a@example.com,{'x' * 101}", "first name", "it may have 100"),
    ("a@example.com,Ev\u200bil", "first name", "nobody sees"),
    ("rob@example.com\nROB@example.com", "e-mail", "stands in line 2 as well"),
]


@pytest.mark.parametrize(("row", "column", "words"), FAULTY, ids=[each[2] for each in FAULTY])
def test_faulty_row_is_named_by_line_and_cause_and_nothing_is_imported(
    c: TinyCompany, client: Client, row: str, column: str, words: str
) -> None:
    heading, *good = TABLE.splitlines()
    rows = [line + "," * (5 - line.count(",")) for line in row.split("\n")]
    page = send(client, "\n".join([heading, *rows, *good, ""]))
    line = 1 + len(rows)
    if "\u200b" in row:
        assert f"line {line}" in page.text
        assert words in page.text
        return
    assert f"Line {line}, {column}: " in page.text
    assert words in page.text
    assert re.search(r"<h3>Would be added: \d", page.text)
    assert "<h3>Added:" not in page.text
    assert ">Import<" not in page.text
    before = everybody()
    again = client.post(IMPORT, hidden(page))
    assert f"Line {line}, {column}: " in again.text
    assert everybody() == before


def test_every_fault_is_told_at_once_in_the_order_of_lines(c: TinyCompany, client: Client) -> None:
    page = send(
        client, "email,team\nx,South\na@example.com,Nowhere\nb@example.com\nc@example.com,South\n"
    )
    assert re.findall(r"<li>Line (\d+), ([\w -]+):", page.text) == [
        ("2", "e-mail"),
        ("3", "team"),
        ("4", "team"),
    ]
    assert "3 rows cannot be imported" in page.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"first name\nNewt\n", "the column e-mail is missing"),
        (b"email,permision set\na@example.com,Rep\n", "there is no column “permision set”"),
        (b"email,e-mail\na@example.com,b@example.com\n", "twice"),
        (b"email\n", "no row below the heading"),
        (b"email\na@example.com", "the last line has no end"),
        ("email\nzoë@example.com\n".encode("latin-1"), "not UTF-8"),
        ("email\na@example.com\n".encode("utf-16"), "UTF-16"),
        (b'email\n"a@example.com\n', "never closed"),
        (b"email\n" + b"".join(b"p%d@example.com\n" % n for n in range(501)), "more than 500 rows"),
        (b"email\n" + b"x" * 1_048_576, "larger than 1 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_file_that_is_no_table_of_people_says_why(
    c: TinyCompany, client: Client, data: bytes, words: str
) -> None:
    page = send(client, data)
    assert (page.status_code, words in page.text) == (200, True)
    assert "nothing is imported yet" not in page.text


@pytest.mark.parametrize("content", ["", "x", "%%%", "bm8gdGFibGU="])
def test_content_that_no_preview_sent_is_refused(
    c: TinyCompany, client: Client, content: str
) -> None:
    assert client.post(IMPORT, {"content": content, "name": "x"}).status_code == 400


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mona", "rita"])
def test_below_super_admin_nobody_imports(c: TinyCompany, name: str) -> None:
    client = Client()
    client.force_login(c.people[name])
    assert client.get(IMPORT).status_code == 403
    assert send(client, TABLE).status_code == 403
    wanted, _ = read_people("t.csv", TABLE.encode())
    with pytest.raises(NotAllowed):
        operations.import_people(wanted, actor=c.people[name], as_planned="")


def test_nobody_becomes_a_super_admin_by_a_table(c: TinyCompany, client: Client) -> None:
    page = send(client, "email,super admin\na@example.com,yes\n")
    assert "there is no column “super admin”" in page.text


# --- Meanwhile, and twice -------------------------------------------------------------------------


def test_what_changed_since_it_was_shown_is_shown_once_more(c: TinyCompany, client: Client) -> None:
    page = send(client, TABLE)
    operations.set_main_team(c.rita, actor=c.sue, team=None)
    again = client.post(IMPORT, hidden(page))
    assert "Somebody changed people, teams or permission sets" in again.text
    assert not User.objects.filter(email="new@example.com").exists()
    client.post(IMPORT, hidden(again))
    assert User.objects.filter(email="new@example.com").exists()


def test_set_that_says_more_since_it_was_shown_is_shown_once_more(
    c: TinyCompany, client: Client
) -> None:
    page = send(client, TABLE)
    operations.edit_sets([c.sets["rep"]], actor=c.sue, changes={"crm.deal.view": "everything"})
    before = everybody()
    anew = client.post(IMPORT, hidden(page))
    assert "Somebody changed people, teams or permission sets since this was shown." in anew.text
    assert everybody() == before
    assert client.post(IMPORT, hidden(anew)).status_code == 302
    assert everybody() != before


def test_preview_names_who_could_log_in_as_whoever_is_changed(
    c: TinyCompany, client: Client
) -> None:
    told = "made or reactivated the account of Nora in the last 30 days"
    assert told not in send(client, TABLE).text
    tools = ["account.access", "account.edit_users", "account.user_table"]
    scopes = {"deal": {"view": EVERYTHING, "change": EVERYTHING}}
    dora = UserFactory(first_name="Dora", permission_set=SetFactory(scopes=scopes, tools=tools))
    User.objects.filter(pk=c.nora.pk).update(permission_set=None)
    operations.set_password(c.fresh("nora"), actor=dora, password="another long password")
    assert f"Dora {told}" in send(client, TABLE).text


def test_what_was_shown_in_one_language_is_imported_in_another(
    c: TinyCompany, client: Client
) -> None:
    """Rita had no last name: “none” reads otherwise, and is the same."""
    page = hidden(send(client, TABLE))
    User.objects.filter(pk=c.sam.pk).update(language="de")
    client.post(IMPORT, page)
    assert User.objects.filter(email="new@example.com", last_name="Marsh").exists()
    assert User.objects.get(email="rita@example.com").last_name == "Reed"


def test_all_of_it_or_nothing(c: TinyCompany) -> None:
    wanted, _ = read_people("t.csv", TABLE.encode())
    mark = planned(wanted, (), c.sam).mark
    before = everybody()
    c.teams["south"].name = "Elsewhere"
    operations.change_team(c.teams["south"], actor=c.sam, name="Elsewhere", parent=None)
    with pytest.raises(InvalidChange):
        operations.import_people(wanted, actor=c.sam, as_planned=mark)
    assert everybody() == before


def test_pressed_twice_imports_once(c: TinyCompany, client: Client) -> None:
    page = hidden(send(client, TABLE))
    client.post(IMPORT, page)
    second = client.post(IMPORT, page, follow=True)
    assert "This table was imported already." in second.text
    assert AuditEvent.objects.filter(action="person.import").count() == 1


@pytest.mark.django_db(transaction=True)
def test_pressed_twice_at_once_imports_once(quick_passwords: None) -> None:
    c = tiny_company()
    wanted, _ = read_people("t.csv", TABLE.encode())
    mark, token = planned(wanted, (), c.sam).mark, token_of(new_token())

    def press(number: int) -> bool:
        try:
            operations.import_people(wanted, actor=c.sam, as_planned=mark, token=token)
        except ImportedAlready:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, range(2))) == [False, True]
    assert User.objects.filter(email="new@example.com").count() == 1
    assert AuditEvent.objects.filter(action="person.import").count() == 1


def test_preview_costs_the_same_for_few_rows_and_for_many(c: TinyCompany) -> None:
    def queries(rows: int) -> int:
        text = "email,team\n" + "".join(f"p{n}@example.com,South\n" for n in range(rows))
        wanted, _ = read_people("t.csv", text.encode())
        sam = c.fresh("sam")
        with CaptureQueriesContext(connection) as caught:
            assert len(planned(wanted, (), sam).people) == rows
        return len(caught)

    assert queries(3) == queries(300) <= 6


def test_file_errors_are_of_one_kind() -> None:
    with pytest.raises(ImportRefused, match="Nothing was imported"):
        read_people("people.csv", b"email\n")
