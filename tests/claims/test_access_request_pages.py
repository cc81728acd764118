"""The screens of requests for access: asking on a record, the list, and deciding (B15)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from accounts import days
from accounts.access import allows
from records import operations
from records.models import AccessRequest, Deal
from records.operations.sharing import shares_of
from tests.claims.test_access_requests import WHY, requested
from tests.claims.test_screens import page
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory
from tests.support.forms_as_shown import form_with

pytestmark = pytest.mark.django_db
LIST = "/admin/access-requests/"


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def decided(client: Client, address: str, step: str, *, follow: bool = False, **typed: str) -> Any:
    """Press a button of one request's page as it is shown now; return the answer."""
    fields = form_with(client.get(address).text, "as_opened")[1]
    return client.post(address, {**fields, "step": step, **typed}, follow=follow)


def test_story_of_a_request_over_http(c: TinyCompany) -> None:
    rita, nora, rob = (logged_in(c, name) for name in ("rita", "nora", "rob"))
    deal = c.deals["noras"]
    ask = page(deal, "request_access")
    assert f'href="{ask}"' in rita.get(page(deal)).text
    assert f'href="{ask}"' not in nora.get(page(deal)).text
    assert rob.get(ask).status_code == 404
    assert (
        rob.post(ask, {"reason": WHY}).content
        == rob.post(page(Deal(pk=1), "request_access"), {"reason": WHY}).content
    )
    assert "goes to Nora" in rita.get(ask).text
    assert "This field is required" in rita.post(ask, {"reason": " "}).text
    sent = rita.post(ask, {"reason": WHY}, follow=True)
    assert sent.redirect_chain == [(page(deal), 302)]
    assert "Request sent." in sent.text
    made = AccessRequest.objects.get()
    one = f"{LIST}{made.pk}/"
    for shown, is_waiting in ((sent, True), (rita.get(page(c.deals["chosen_n"])), False)):
        assert ("Your request waits for a decision" in shown.text) == is_waiting
        assert ("> Request access<" in shown.text) != is_waiting
    assert f'href="{one}"' in sent.text
    # Nobody writes for nothing: who asks again is shown what waits, to take it back.
    again = rita.get(ask, follow=True)
    assert again.redirect_chain == [(one, 302)]
    assert "your request waits for a decision" in again.text
    assert rita.get(page(c.deals["chosen_n"], "request_access")).status_code == 200

    assert rob.get(one).status_code == 404
    assert rob.post(one, {"step": "grant"}).status_code == 404
    assert "No requests wait for you" in rob.get(LIST).text
    assert one in nora.get(LIST).text
    assert WHY in nora.get(one).text
    shown = rita.get(one).text
    assert 'value="withdraw"' in shown
    assert 'value="grant"' not in shown
    assert decided(rita, one, "grant").status_code == 200
    assert not allows(c.fresh("rita"), "change", deal)
    assert decided(nora, one, "anything").status_code == 404
    assert "Say why" in decided(nora, one, "decline", note="").text
    past = decided(nora, one, "grant", last_day="2020-01-01").text
    assert "lies in the past" in past

    day = timezone.localdate() + timedelta(days=3)
    done = decided(nora, one, "grant", last_day=day.isoformat(), note="", follow=True)
    assert f"Rita may edit “{escape(deal)}” now" in done.text
    assert deal.user_shares.get().until == days.moment_after(day)
    assert "Granted by Nora" in rita.get(LIST).text
    assert "You can see and change this" in " ".join(rita.get(page(deal)).text.split())
    assert nora.post(one, {"step": "decline", "note": "Late."}).status_code == 200
    made.refresh_from_db()
    assert made.status == "granted"


@pytest.mark.parametrize(
    ("name", "step"), [("nora", "grant"), ("nora", "decline"), ("rita", "withdraw")]
)
def test_step_without_the_mark_of_the_page_decides_nothing(
    c: TinyCompany, name: str, step: str
) -> None:
    """Whoever does not say what they saw is refused as somebody is who saw something else."""
    made, client = requested(c, "rita", "noras"), logged_in(c, name)
    address, typed = f"{LIST}{made.pk}/", {"step": step, "note": "I saw nothing.", "last_day": ""}
    for mark in ({}, {"as_opened": ""}, {"as_opened": "another"}):
        refused = client.post(address, {**typed, **mark})
        assert refused.status_code == 200
        assert "Nothing was decided" in refused.text
        made.refresh_from_db()
        assert made.status == "waiting"
    assert not c.deals["noras"].user_shares.exists()
    shown = form_with(refused.text, "as_opened")[1]
    assert client.post(address, {**shown, **typed}).status_code == 302
    made.refresh_from_db()
    assert made.status != "waiting"


@pytest.mark.parametrize("key", ["0", "1", "99999999999999999999"])
def test_request_that_never_was_is_absent_whatever_its_number(c: TinyCompany, key: str) -> None:
    made, rob = requested(c, "rita", "noras"), logged_in(c, "rob")
    hidden = rob.get(f"{LIST}{made.pk}/")
    assert hidden.status_code == 404
    for answer in (rob.get(f"{LIST}{key}/"), rob.post(f"{LIST}{key}/", {"step": "grant"})):
        assert (answer.status_code, answer.content) == (404, hidden.content)


def test_requester_who_lost_sight_of_the_record_reads_no_name(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    operations.change(
        c.deals["noras"], actor=c.sam, values={"owner": c.rob, "name": "Secret"}, version=1
    )
    rita = logged_in(c, "rita")
    for address in (LIST, f"{LIST}{made.pk}/"):
        text = rita.get(address).text
        assert "A deal that you may not see any more" in text
        assert "Secret" not in text


def test_locked_stage_is_told_to_deciders_and_super_admins_may_except(
    c: TinyCompany,
) -> None:
    made = requested(c, "nora", "chosen")
    rita, sam = (logged_in(c, name).get(f"{LIST}{made.pk}/").text for name in ("rita", "sam"))
    for text in (rita, sam):
        assert "locked stage “Chosen” of Sales" in text
        assert 'value="decline"' in text
    assert "A share is not enough here. Super admins find this request too" in rita
    assert 'value="grant"' not in rita
    assert "What you give here is an exception" in sam
    assert 'value="grant"' in sam
    refused = decided(logged_in(c, "sam"), f"{LIST}{made.pk}/", "grant", last_day="2020-01-01").text
    for text in (sam, refused):
        assert "Needed: an exception ends with this day" in text
        assert "No expiry if left empty" not in text
    # It is another's record: she gets a share of it as well, and the page said so.
    assert "and a share of the record to edit it, both until the last day" in sam
    tomorrow = str(timezone.localdate() + timedelta(days=1))
    decided(logged_in(c, "sam"), f"{LIST}{made.pk}/", "grant", last_day=tomorrow)
    assert [share.level for share in shares_of(c.deals["chosen"])] == ["edit"]


def test_exception_alone_is_called_so(c: TinyCompany) -> None:
    Deal.objects.filter(pk=c.deals["chosen"].pk).update(owner=c.nora)
    made = requested(c, "nora", "chosen")
    sam = logged_in(c, "sam").get(f"{LIST}{made.pk}/").text
    assert "What you give here is an exception" in sam
    assert "and a share of the record" not in sam


def test_list_costs_the_same_for_three_requests_and_for_thirty(c: TinyCompany) -> None:
    nora = logged_in(c, "nora")
    counts = []
    for number in (3, 20):
        for _ in range(number):
            deal = DealFactory(owner=c.nora, stage=c.stages["open"])
            AccessRequest.objects.create(
                requester=c.rita, object="deal", record=deal.pk, reason=WHY
            )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert nora.get(LIST).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_nobody_learns_from_whom_a_request_goes_to_who_is_in_which_team(c: TinyCompany) -> None:
    """Fred's deal goes to Mona, Rita's locked one to the super admins: the page says the same."""
    nora = logged_in(c, "nora")
    said = "goes to the people who can grant it, otherwise to the super admins."
    for name in ("freds", "vault"):
        text = " ".join(nora.get(page(c.deals[name], "request_access")).text.split())
        assert said in text
        assert "Mona" not in text
