"""Open log-ins, and what a person shares and exports, on their page: who sees and ends what."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations
from accounts.browsers import name_of
from accounts.models import AuditEvent, Session, User
from records.operations import sharing
from tests.support.company import EVERYTHING, OWNED, TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import DealFactory, SetFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/records/deal/"
PASSWORD = "correct horse battery"


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    """The tiny company with Dora, who adds and edits users and sees all deals."""
    lead = SetFactory(
        name="Lead",
        scopes={"deal": {"view": EVERYTHING}},
        tools=["account.access", "account.edit_users", "account.user_table"],
    )
    weak = SetFactory(name="Weak", scopes={"deal": {"view": OWNED}})
    c.people["dora"] = UserFactory(
        email="dora@example.com", permission_set=lead, team=c.teams["north"]
    )
    c.people["wanda"] = UserFactory(email="wanda@example.com", permission_set=weak)
    return c


CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"{CHROME} Safari/537.36", "Chrome on Linux"),
        (f"{CHROME} Safari/537.36 Edg/140.0.0.0", "Edge on Linux"),
        (f"{CHROME} Safari/537.36 OPR/120.0.0.0", "Opera on Linux"),
        (f"{CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36", "Chrome on Linux"),
        (f"{IPHONE} Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        (f"{IPHONE} Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1", "Chrome on iOS"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Firefox/142.0", "Firefox on Windows"),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("Firefox/142.0", "Firefox"),
        ("curl/8.14 (Linux)", "Unknown browser on Linux"),
        ("Desk/1.0", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_browser_is_called_by_the_tokens_that_are_well_known(agent: str, name: str) -> None:
    assert name_of(agent) == name


def logged_in(user: User, browser: str = "", address: str = "192.0.2.7") -> Client:
    """Log in through the page, as this browser from this address."""
    user.set_password(PASSWORD)
    User.objects.filter(pk=user.pk).update(password=user.password)
    return again(user, browser, address)


def again(user: User, browser: str = "", address: str = "192.0.2.7") -> Client:
    client = Client(headers={"User-Agent": browser}, REMOTE_ADDR=address)
    posted = {"username": user.email, "password": PASSWORD}
    assert client.post("/admin/login/", posted).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def page_of(client: Client, user: User) -> str:
    answer = client.get(f"/admin/accounts/user/{user.pk}/access/")
    return str(answer.text) if answer.status_code == 200 else str(answer.status_code)


def marks(page: str) -> list[str]:
    return re.findall(r'name="mark" value="([^"]*)"', page)


def end(client: Client, user: User, mark: str = "") -> str:
    address = f"/admin/accounts/user/{user.pk}/log-ins/end/"
    return str(client.post(address, {"mark": mark}, follow=True).text)


def test_person_sees_their_log_ins_and_ends_one(c: TinyCompany) -> None:
    desk = logged_in(c.rita, f"{CHROME} Safari/537.36")
    phone = again(c.rita, "Phone/2.0", "198.51.100.9")
    page = page_of(desk, c.rita)
    for words in (
        "Open log-ins",
        "From 192.0.2.7",
        "From 198.51.100.9",
        "Chrome on Linux · last used",
        "Unknown browser · last used",
        'title="Phone/2.0"',
    ):
        assert words in page
    assert page.count("This one") == 1
    (mark,) = marks(page)  # nobody ends the log-in that they ask by
    assert "The log-in is ended." in end(desk, c.rita, mark)
    assert (is_in(desk), is_in(phone)) == (True, False)
    event = AuditEvent.objects.get(action="session.end")
    assert (event.actor, event.object_id, event.data) == (
        c.rita,
        str(c.rita.pk),
        {"user": c.rita.pk},
    )
    assert "This log-in has ended already." in end(desk, c.rita, mark)


def test_person_ends_all_others(c: TinyCompany) -> None:
    desk = logged_in(c.rita)
    others = [again(c.rita) for _ in range(3)]
    assert "Ended: 3 log-ins." in end(desk, c.rita)
    assert [is_in(each) for each in (desk, *others)] == [True, False, False, False]
    assert AuditEvent.objects.get(action="session.end_others").data == {
        "user": c.rita.pk,
        "count": 3,
    }
    assert "Ended: 0 log-ins." in end(desk, c.rita)
    assert AuditEvent.objects.filter(action="session.end_others").count() == 1


def test_key_of_a_session_is_on_no_page(c: TinyCompany, client: Client) -> None:
    logged_in(c.rita)
    client.force_login(c.sam)
    page = page_of(client, c.rita)
    key = Session.objects.get(user=c.rita).session_key
    assert marks(page)
    assert key not in page


@pytest.mark.parametrize(
    ("reader", "target", "sees"),
    [
        ("sam", "rita", True),
        ("sam", "sue", True),
        ("dora", "wanda", True),
        ("dora", "rita", False),  # who logs in as Rita could export: Dora changes her name alone
    ],
)
def test_log_ins_are_for_who_governs_the_log_in(
    c: TinyCompany, client: Client, reader: str, target: str, sees: bool
) -> None:
    theirs = logged_in(c.people[target], "Desk/1.0")
    client.force_login(c.people[reader])
    page = page_of(client, c.people[target])
    assert ("Open log-ins" in page, "Desk/1.0" in page) == (sees, sees)
    said = end(client, c.people[target])
    if sees:
        assert "Ended: 1 log-in." in said
    else:
        assert "You may not change the log-in of this user" in said
    assert is_in(theirs) is not sees


def test_out_of_reach_and_absent_are_alike(c: TinyCompany, client: Client) -> None:
    theirs = logged_in(c.sam)
    for name in ("rita", "dora"):
        client.force_login(c.people[name])
        answers = set()
        for key in (c.sam.pk, 10**9):
            page = client.get(f"/admin/accounts/user/{key}/access/")
            posted = client.post(f"/admin/accounts/user/{key}/log-ins/end/")
            assert (page.status_code, posted.status_code) == (404, 404)
            answers.add((page.content, posted.content))
        assert len(answers) == 1
    assert is_in(theirs)
    assert client.get(f"/admin/accounts/user/{c.dora.pk}/log-ins/end/").status_code == 405


def test_log_in_of_another_person_is_not_ended_by_its_mark(c: TinyCompany, client: Client) -> None:
    theirs = logged_in(c.rita)
    client.force_login(c.sam)
    (mark,) = marks(page_of(client, c.rita))
    assert "This log-in has ended already." in end(client, c.wanda, mark)
    assert is_in(theirs)


def test_ended_log_ins_are_not_listed(c: TinyCompany, client: Client) -> None:
    logged_in(c.rita)
    client.force_login(c.sam)
    assert len(marks(page_of(client, c.rita))) == 1
    operations.set_password(c.rita, actor=c.sam, password="a different long one")
    assert marks(page_of(client, c.rita)) == []
    assert Session.objects.filter(user=c.rita).exists()
    logged_in(c.rita)
    operations.deactivate(c.rita, actor=c.sam)
    assert marks(page_of(client, c.rita)) == []


def test_own_page_shows_nothing_to_change(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    page = page_of(client, c.rita)
    for words in ("Edit permissions", "Copy to a new set", '<th scope="col">Records</th>'):
        assert words not in page
    assert f"/admin/accounts/user/{c.rita.pk}/access/" in client.get("/admin/").text


# --- What they share and export -------------------------------------------------------------------


def share_with_rita(c: TinyCompany) -> None:
    until = timezone.now() + timedelta(days=30)
    sharing.share(c.deals["robs"], actor=c.rob, level="view", user=c.rita, until=until)
    sharing.share(c.deals["ritas"], actor=c.rita, level="view", user=c.rob)


def sections(client: Client, reader: User, user: User) -> dict[str, list[Any]]:
    client.force_login(reader)
    answer = client.get(f"/admin/accounts/user/{user.pk}/access/")
    return {each.title: list(each.lines) for each in answer.context["sections"]}


def test_shares_are_told_as_far_as_the_reader_sees_the_record(
    c: TinyCompany, client: Client
) -> None:
    share_with_rita(c)
    robs, ritas = str(c.deals["robs"]), str(c.deals["ritas"])
    for name, whom in (("rita", "me"), ("sam", "them"), ("dora", "them")):
        found = sections(client, c.people[name], c.rita)
        assert [line.text for line in found[f"Shared with {whom}"]] == [robs], name
        assert [line.text for line in found[f"Shared by {whom}"]] == [ritas], name
    assert "by Rob · View · until" in found["Shared with them"][0].says
    assert "with Rob · View · no end" in found["Shared by them"][0].says
    # Dora sees no deal once she has no scope for it; a page without shares reads the same.
    operations.edit_permissions([c.dora], actor=c.sam, changes={"crm.deal.view": "owned"})
    found = sections(client, c.fresh("dora"), c.rita)
    assert (found["Shared with them"], found["Shared by them"]) == ([], [])
    assert robs not in client.get(f"/admin/accounts/user/{c.rita.pk}/access/").text


def test_exports_are_told_to_who_may_see_them(c: TinyCompany, client: Client) -> None:
    export = pending(c.rita, c.mona)
    lines = sections(client, c.sam, c.rita)["Exports"]
    assert [(line.text, line.chip) for line in lines] == [
        (export.name, export.get_status_display())
    ]
    assert f"review={export.pk}" in lines[0].url
    assert sections(client, c.rita, c.rita)["Exports"]
    assert sections(client, c.dora, c.rita)["Exports"] == []


# Twelve of Sam's count what the person reaches, for each kind of record and action.
BUDGETS = {"sam": 40, "dora": 21, "rita": 28}


@pytest.mark.parametrize("name", BUDGETS)
def test_page_costs_as_many_statements_for_3_rows_as_for_30(
    c: TinyCompany, client: Client, name: str
) -> None:
    share_with_rita(c)
    pending(c.rita, c.mona)
    logged_in(c.rita)
    client.force_login(c.people[name])
    address = f"/admin/accounts/user/{c.rita.pk}/access/"

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    statements()
    few = statements()
    for _ in range(27):
        deal = DealFactory(owner=c.rob, stage=c.stages["open"])
        sharing.share(deal, actor=c.rob, level="view", user=c.rita)
        mine = DealFactory(owner=c.rita, stage=c.stages["open"])
        sharing.share(mine, actor=c.rita, level="view", user=c.rob)
        again(c.rita)
    assert statements() == few
    assert few <= BUDGETS[name]
