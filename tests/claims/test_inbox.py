"""The notifications: one row for each request as it stands, and decisions made from there."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape, strip_tags

from accounts import notices, to_decide
from accounts import operations as accounts
from accounts.models import Notice, User
from exports import operations
from exports.deciders import awaiting
from exports.models import ExportRequest
from records.models import AccessRequest
from records.operations import access_requests, change
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.exports_process import racers
from tests.support.factories import DealFactory

pytestmark = pytest.mark.django_db
INBOX, LOG, ASKED = "/admin/inbox/", "/admin/exports/exportrequest/", "/admin/access-requests/"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def rows(client: Client, query: str = "") -> list[str]:
    """Return the words of each row of the page."""
    page = client.get(f"{INBOX}{query}").text
    found = re.findall(r"<li[^>]*>(.*?)</li>", page.partition('class="inbox-head"')[2], re.DOTALL)
    return [" ".join(unescape(strip_tags(row)).split()) for row in found]


def said(answer: Any) -> str:
    return " ".join(strip_tags(str(each)) for each in answer.context["messages"])


def hidden_field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found, name
    return found[1]


# --- Exports --------------------------------------------------------------------------------------


def test_story_of_an_export_decided_from_the_list(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, message="For <the> fair.")
    axel, sue, rita = (logged_in(c.people[name]) for name in ("axel", "sue", "rita"))
    for client in (axel, sue):  # one of them was told of it, the other was not
        [row] = rows(client, "?decide=1")
        assert row.startswith("Rita requests approval to export “All deals”")
        assert "For <the> fair." in row
        assert "Pending approval" in row
        assert row.endswith("Approve Reject")
    assert "Rita requests" not in client.get(INBOX).text.partition("</ul>")[2]
    assert rows(rita, "?decide=1") == []
    # From the first page: the button beside the request, and the one that confirms.
    home = axel.get("/admin/").text
    step = f"{LOG}{export.pk}/decide/?step=approve"
    assert f'href="{step}"' in home
    page = axel.get(step).text
    facts = page.partition('id="review-facts"')[2]
    assert facts.index("Rita") < facts.index(escape("For <the> fair.")) < facts.index("When")
    for shown in ("Required:", "Before you decide", "Columns", "Notified: Axel", "first decision"):
        assert shown in page, shown
    answer = axel.post(
        f"{LOG}{export.pk}/approve/",
        {"back": "list", "version": hidden_field(page, "version")},
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == INBOX
    assert said(answer).startswith("Approved.")
    # One row for each of them, which says by whom; nothing waits, and Axel has nothing new.
    for name, client in {"axel": axel, "rita": rita}.items():
        [row] = rows(client)
        assert "Approved by Axel" in row
        assert ("New" in row) == (name == "rita")
    assert rows(sue) == rows(sue, "?decide=1") == []  # nobody told her
    late = sue.get(step, follow=True)
    assert late.redirect_chain[-1][0] == f"{LOG}?review={export.pk}"
    late = sue.post(
        f"{LOG}{export.pk}/approve/", {"back": "list", "version": export.version}, follow=True
    )
    assert "Axel approved it on" in said(late)
    export.refresh_from_db()
    assert export.decided_by == c.axel


def test_rejecting_from_the_list_needs_a_reason_and_keeps_what_was_typed(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name", "amount"])
    axel = logged_in(c.axel)
    step = f"{LOG}{export.pk}/decide/?step="
    form = {"back": "list", "version": export.version}
    answer = axel.post(f"{LOG}{export.pk}/reject/", {**form, "note": " "}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{step}reject"
    assert "A rejection needs a reason" in said(answer)
    # A condition that cannot be is refused there as well, with what was typed.
    more = {"most_records": "9999", "note": "Half of it.", "drop": "2"}
    answer = axel.post(f"{LOG}{export.pk}/approve/", {**form, **more}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{step}approve"
    assert 'value="9999"' in answer.text
    assert "Half of it." in answer.text
    assert ExportRequest.objects.get().status == "pending"
    answer = axel.post(f"{LOG}{export.pk}/reject/", {**form, "note": "Too much."}, follow=True)
    assert answer.redirect_chain[-1][0] == INBOX
    for client in (axel, logged_in(c.rita)):
        assert "Rejected by Axel" in rows(client)[0]
        assert '<span class="chip is-rejected">Rejected</span>' in client.get(INBOX).text
    assert ExportRequest.objects.get().decision_note == "Too much."


def test_a_request_that_changed_since_is_shown_anew_and_not_decided(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    axel = logged_in(c.axel)
    page = axel.get(f"{LOG}{export.pk}/decide/?step=approve").text
    ExportRequest.objects.update(version=export.version + 1)
    form = {"back": "list", "version": hidden_field(page, "version")}
    answer = axel.post(f"{LOG}{export.pk}/approve/", form, follow=True)
    assert answer.redirect_chain[-1][0] == f"{LOG}{export.pk}/decide/?step=approve"
    assert "Nothing was changed" in said(answer)
    assert hidden_field(answer.text, "version") == str(export.version + 1)
    assert ExportRequest.objects.get().status == "pending"
    # Without the mark of a page nothing is decided either.
    axel.post(f"{LOG}{export.pk}/approve/", {"back": "list"})
    assert ExportRequest.objects.get().status == "pending"


def test_the_page_of_a_decision_is_for_who_decides(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    step = f"{LOG}{export.pk}/decide/"
    for name in ("nora", "rob", "lena"):
        hidden = logged_in(c.people[name]).get(f"{step}?step=approve")
        absent = logged_in(c.people[name]).get(f"{LOG}999999/decide/?step=approve")
        assert (hidden.status_code, hidden.content) == (404, absent.content)
    own = logged_in(c.rita).get(f"{step}?step=approve")
    assert own["Location"] == f"{LOG}?review={export.pk}"
    axel = logged_in(c.axel)
    for wrong in ("", "?step=", "?step=recall"):
        assert axel.get(f"{step}{wrong}").status_code == 404
    assert axel.post(f"{step}?step=approve").status_code == 405


# --- Requests for access --------------------------------------------------------------------------


def test_story_of_access_granted_and_declined_from_the_list(c: TinyCompany) -> None:
    access_requests.request_access(
        c.deals["noras"], actor=c.fresh("rita"), reason="I write the offer."
    )
    asked = AccessRequest.objects.get()
    nora = logged_in(c.nora)
    [row] = rows(nora, "?decide=1")
    assert row.startswith(f"Rita requests to edit “{c.deals['noras']}”")
    assert "I write the offer." in row
    assert row.endswith("Grant Decline")
    # Declining alone is asked for, and needs a reason.
    page = nora.get(f"{ASKED}{asked.pk}/?step=decline").text
    assert "Let them edit it" not in page
    form = {"step": "decline", "as_opened": hidden_field(page, "as_opened")}
    refused = nora.post(f"{ASKED}{asked.pk}/?step=decline", form)
    assert "Say why" in refused.text
    # What is not as the page showed it is not decided, and shown anew.
    page = nora.get(f"{ASKED}{asked.pk}/?step=grant").text
    assert ">Decline<" not in page
    mark = hidden_field(page, "as_opened")
    deal = c.deals["noras"]
    change(deal, actor=c.sam, values={"name": "Another"}, version=deal.version)
    form = {"step": "grant", "as_opened": mark, "last_day": ""}
    refused = nora.post(f"{ASKED}{asked.pk}/?step=grant", form)
    assert "Nothing was decided" in refused.text
    assert AccessRequest.objects.get().status == "waiting"
    form["as_opened"] = hidden_field(refused.text, "as_opened")
    answer = nora.post(f"{ASKED}{asked.pk}/?step=grant", form, follow=True)
    assert answer.redirect_chain[-1][0] == INBOX
    [row] = rows(nora)
    assert "Granted by Nora" in row
    assert "New" not in row
    [row] = rows(logged_in(c.rita))
    assert row.startswith("You requested to edit “Another”")
    assert "Granted by Nora" in row


def test_where_a_share_is_not_enough_the_whole_page_says_so(c: TinyCompany) -> None:
    asked = access_requests.request_access(
        c.deals["chosen"], actor=c.fresh("nora"), reason="Please."
    )
    page = logged_in(c.rita).get(f"{ASKED}{asked.pk}/?step=grant").text
    assert "A share is not enough here." in page
    assert ">Let them edit it<" not in page
    assert "Decline" in page


# --- All of it ------------------------------------------------------------------------------------


def test_what_everybody_may_decide_has_buttons_and_nothing_else_has(c: TinyCompany) -> None:
    """Parity with the readers that the review panel and the operations ask, for every person."""
    for asker in ("rita", "mona"):
        pending(c.people[asker], c.axel)
    for asker, deal in (("rita", "noras"), ("nora", "unassigned"), ("eve", "vault")):
        access_requests.request_access(c.deals[deal], actor=c.fresh(asker), reason="Please.")
    deciders = set()
    for name in c.people:
        user = c.fresh(name)
        if not user.is_active:
            continue
        mine = [f"{LOG}{export.pk}/decide/?" for export in awaiting(user)]
        mine += [f"{ASKED}{asked.pk}/?" for asked in access_requests.to_decide(user)]
        page = logged_in(user).get(INBOX)
        linked = set(re.findall(r'href="(/admin/[^"]*?/\?)step=', page.text))
        assert linked == set(mine), name
        assert page.context["waiting"] == str(len(mine) or "")
        deciders |= {name} if mine else set()
    assert {"axel", "sam", "sue", "nora"} <= deciders < set(c.people)


def test_each_request_has_one_row_those_that_wait_longest_first(c: TinyCompany) -> None:
    exports = [pending(c.rita, c.axel, query=f"q={number}") for number in ("", "r", "e")]
    operations.recall(exports[1], actor=c.rita)  # he is told once more
    notices.notify([c.axel], "Plain words.")
    Notice.objects.filter(about_id=exports[0].pk).update(created_at="2026-01-01T00:00Z")
    axel = logged_in(c.axel)
    found = rows(axel)
    assert len(found) == 4
    assert ["Approve" in row for row in found] == [True, True, False, False]
    assert "Plain words." in found[2]
    assert "Cancelled: recalled" in found[3]
    assert axel.get(INBOX).context["unread"] == "4"
    # Reading the row reads all that was told of the request.
    axel.get(f"{INBOX}export/{exports[1].pk}/open/")
    assert not Notice.objects.filter(about_id=exports[1].pk, read_at=None).exists()
    assert axel.get(INBOX).context["unread"] == "3"
    assert [row.startswith("Plain") for row in rows(axel, "?unread=1")] == [False, False, True]


def test_what_one_may_no_longer_see_is_gone_from_rows_counts_and_badges(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    asked = access_requests.request_access(
        c.deals["noras"], actor=c.fresh("rita"), reason="Please."
    )
    axel, nora = logged_in(c.axel), logged_in(c.nora)
    assert len(rows(axel)) == len(rows(nora)) == 1
    accounts.assign_set(c.axel, actor=c.sam, permission_set=c.sets["reader"])
    deal = c.deals["noras"]
    change(deal, actor=c.sam, values={"owner": c.mona}, version=deal.version)
    for client, key in ((axel, f"export/{export.pk}"), (nora, f"access_request/{asked.pk}")):
        pages = [client.get(f"{INBOX}{query}") for query in ("", "?decide=1", "?unread=1")]
        assert [rows(client, query) for query in ("", "?decide=1", "?unread=1")] == [[], [], []]
        assert {page.context["unread"] for page in pages} == {""}
        hidden = client.get(f"{INBOX}{key}/open/")
        absent = client.get(f"{INBOX}{key.partition('/')[0]}/999999/open/")
        assert (hidden.status_code, hidden.content) == (404, absent.content)
        assert client.get(f"{INBOX}{key.partition('/')[0]}/{'9' * 30}/open/").status_code == 404
    assert axel.get(f"{INBOX}deal/1/open/").status_code == 404  # no kind of request


def test_a_kind_that_nobody_declares_is_not_read(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be evaluated means no rows; and the negative control, a kind that hides less."""
    Notice.objects.create(user=c.axel, text="Something.", about="unheard_of", about_id=1)
    assert not notices.inbox(c.axel)
    pending(c.rita, c.axel)
    accounts.assign_set(c.axel, actor=c.sam, permission_set=c.sets["reader"])
    axel = c.fresh("axel")
    assert not notices.inbox(axel)
    kind = to_decide.kinds["export"]
    careless = to_decide.RequestKind(
        waiting=kind.waiting,
        to_decide=kind.to_decide,
        since=kind.since,
        readable=lambda user, keys: keys,
        rows=kind.rows,
    )
    monkeypatch.setitem(to_decide.kinds, "export", careless)
    assert notices.inbox(axel).count() == 1


def test_three_hundred_requests_cost_as_many_statements_as_three(c: TinyCompany) -> None:
    axel = logged_in(c.axel)

    def ask(times: int) -> None:
        ExportRequest.objects.bulk_create(
            ExportRequest(
                requester=c.rita, object="deal", name="Deals", record_count=1, approval_needed=True
            )
            for _ in range(times)
        )
        for export in ExportRequest.objects.order_by("-id")[: times // 2]:
            key = to_decide.Key("export", export.pk)
            notices.notify([c.axel], "x", about=key)
        deals = [DealFactory(owner=c.axel, stage=c.stages["open"]).pk for _ in range(times // 3)]
        AccessRequest.objects.bulk_create(
            AccessRequest(requester=c.rita, object="deal", record=key, reason="x") for key in deals
        )

    def costs() -> list[int]:
        found = []
        for query in ("", "?decide=1", "?unread=1", "?page=2"):
            with CaptureQueriesContext(connection) as captured:
                assert axel.get(f"{INBOX}{query}").status_code == 200
            found.append(len(captured))
        return found

    ask(30)
    few = costs()
    ask(300)
    assert costs() == few
    assert max(few) <= 18
    page = axel.get(f"{INBOX}?decide=1")
    assert len(rows(axel, "?decide=1")) == 25
    assert page.context["page"].paginator.count == ExportRequest.objects.count()


# --- Races ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("second", "by"), [("reject", "sue@example.com"), ("recall", "rita@example.com")]
)
def test_of_two_at_once_one_decides_and_the_other_reads_who(
    c: TinyCompany, second: str, by: str
) -> None:
    export = pending(c.rita, c.sue)
    with racers(
        ("decide_from_list", "approve", export.pk, "axel@example.com"),
        ("decide_from_list", second, export.pk, by),
    ) as both:
        for racer in both:
            racer.go()
        heard = [racer.says() for racer in both]
    export.refresh_from_db()
    panel = f"{LOG}?review={export.pk}"
    if export.status == "recalled" and "Nothing was changed" not in "".join(heard):
        assert heard == [INBOX, panel]  # what is approved can be recalled as well
        return
    refused = [line for line in heard if "Nothing was changed" in line]
    assert len(refused) == 1
    assert refused[0].startswith(f"{panel} ")
    assert {"approved": "Axel", "rejected": "Sue", "recalled": "Rita"}[export.status] in refused[0]
    assert (export.decided_by is None) == (export.status == "recalled")
