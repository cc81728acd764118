"""Requests to see what a restricted link leads to: hidden it stays until somebody shares it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import allows
from accounts.models import AuditEvent, ObjectScope, User
from accounts.notices import notify
from accounts.to_decide import Key
from records import operations
from records.models import AccessRequest, Company, Deal
from records.operations.access_requests import (
    decline,
    grant,
    request_linked,
    restricted_link,
    to_decide,
)
from tests.claims.test_access_request_pages import decided
from tests.claims.test_access_requests import WHY, told
from tests.claims.test_screens import page
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory

pytestmark = pytest.mark.django_db


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def deal(c: TinyCompany) -> Deal:
    """A deal of Rita's that leads to Rob's company, which she may not see."""
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(company=c.companies["bolt"])
    return Deal.objects.get(pk=c.deals["ritas"].pk)


def ask_page(record: Deal, name: str) -> str:
    return f"{page(record, 'request_linked')}?field={name}"


def test_story_of_a_request_to_see_what_a_link_leads_to(c: TinyCompany, deal: Deal) -> None:
    rita, rob, bolt = logged_in(c.rita), logged_in(c.rob), c.companies["bolt"]
    rep = ObjectScope.objects.filter(permission_set=c.sets["rep"], object="company")
    rep.update(change=1)  # their own
    ask = ask_page(deal, "company")
    shown = rita.get(page(deal)).text
    assert f'href="{ask}"' in shown
    assert "Bolt" not in shown
    text = rita.get(ask).text
    assert "You may not see what “company” leads to here." in text
    assert "Rob" not in text
    assert "Request sent." in rita.post(ask, {"reason": WHY}, follow=True).text
    made = AccessRequest.objects.get()
    assert told(c.rob) == [f"{c.rita.get_full_name()} requests to see a company."]
    assert told(c.sam) == []
    one = f"/admin/access-requests/{made.pk}/"
    for address in (one, "/admin/access-requests/"):
        own = rita.get(address).text
        assert "Company of" in own
        assert "Bolt" not in own
        assert str(bolt.pk) not in own
    event = AuditEvent.objects.get(action="deal.ask_linked")
    assert (event.object, event.object_id) == ("deal", str(deal.pk))
    assert "asks to see" in rob.get(one).text
    assert "Bolt" in rob.get(one).text
    assert logged_in(c.nora).get(one).status_code == 404
    until = timezone.localdate() + timedelta(days=2)
    done = decided(rob, one, "grant", last_day=until.isoformat(), note="", follow=True)
    assert "may see “Bolt” now" in done.text
    share = bolt.user_shares.get()
    assert (share.user, share.giver, share.level) == (c.rita, c.rob, "view")
    assert allows(c.fresh("rita"), "view", bolt)
    assert not allows(c.fresh("rita"), "change", bolt)
    assert f'href="{ask}"' not in rita.get(page(deal)).text


def test_asking_tells_nothing_of_what_is_hidden(c: TinyCompany, deal: Deal) -> None:
    """Links that lead nowhere or to what one sees, and what is no link, get one answer."""
    rita = logged_in(c.rita)
    other = c.deals["noras"]
    Deal.objects.filter(pk=other.pk).update(company=c.companies["bolt"])
    seen = c.deals["off"]
    Deal.objects.filter(pk=seen.pk).update(company=c.companies["acme"])
    refused = {
        (answer.status_code, answer.content)
        for address in (
            *(
                ask_page(deal, name)
                for name in ("contact", "nothing", "owner", "stage", "name", "")
            ),
            ask_page(seen, "company"),
            ask_page(c.deals["robs"], "company"),  # a deal that she does not see
            ask_page(Deal(pk=deal.pk + 9999), "company"),
        )
        for answer in (rita.get(address), rita.post(address, {"reason": WHY}))
    }
    assert len(refused) == 1
    assert {status for status, _ in refused} == {404}
    assert not AccessRequest.objects.exists()
    # Two links to the same hidden record are two things to ask for: nothing tells that they meet.
    request_linked(deal, actor=c.rita, name="company", reason=WHY)
    request_linked(other, actor=c.rita, name="company", reason=WHY)
    with pytest.raises(operations.Invalid, match="asked for this already"):
        request_linked(deal, actor=c.rita, name="company", reason=WHY)
    # A hidden field is an absent one.
    operations.restrict_property(actor=c.sam, object="deal", name="company", access="super_admins")
    hidden = rita.get(ask_page(deal, "company"))
    assert {(hidden.status_code, hidden.content)} == refused
    # And what it was about is named no more.
    text = rita.get("/admin/access-requests/").text
    assert "Company of" not in text
    assert "A company that you may not see any more" in text


def test_what_lies_in_the_bin_is_asked_for_as_anything_hidden_and_decided_by_nobody(
    c: TinyCompany, deal: Deal
) -> None:
    Company.objects.filter(pk=c.companies["bolt"].pk).update(deleted_at=timezone.now())
    fresh = Deal.objects.get(pk=deal.pk)
    assert restricted_link(c.fresh("rita"), fresh, "company") is not None
    made = request_linked(fresh, actor=c.rita, name="company", reason=WHY)
    for name in ("sam", "rob"):
        assert not to_decide(c.fresh(name)).exists()
        with pytest.raises(operations.NotFound):
            grant(made, actor=c.fresh(name), until=None)
    # One that she would see outside the bin says so on the deal, and is nothing to ask for.
    Company.objects.filter(pk=c.companies["acme"].pk).update(deleted_at=timezone.now())
    Deal.objects.filter(pk=deal.pk).update(company=c.companies["acme"])
    assert restricted_link(c.fresh("rita"), Deal.objects.get(pk=deal.pk), "company") is None


def test_what_was_asked_for_stays_what_it_was_when_the_link_leads_elsewhere(
    c: TinyCompany, deal: Deal
) -> None:
    made = request_linked(deal, actor=c.rita, name="company", reason=WHY)
    Deal.objects.filter(pk=deal.pk).update(company=c.companies["free"])
    assert (made.object, made.record) == ("company", c.companies["bolt"].pk)
    grant(made, actor=c.sam, until=None)
    assert not c.companies["free"].user_shares.exists()
    assert allows(c.fresh("rita"), "view", c.companies["bolt"])
    again = Deal.objects.get(pk=deal.pk)
    assert restricted_link(c.fresh("rita"), again, "company") == c.companies["free"]
    second = request_linked(again, actor=c.fresh("rita"), name="company", reason=WHY)
    with pytest.raises(operations.NotFound):
        decline(second, actor=c.rob, note="No.")


def test_own_requests_cost_the_same_for_two_of_them_and_for_twenty(c: TinyCompany) -> None:
    rita, bolt = logged_in(c.rita), c.companies["bolt"]

    def ask(times: int) -> None:
        for _ in range(times):
            deal = DealFactory(owner=c.rita, stage=c.stages["open"], company=bolt)
            made = AccessRequest.objects.create(
                requester=c.rita,
                about=AccessRequest.About.LINKED,
                object="company",
                record=bolt.pk,
                via_object="deal",
                via=deal.pk,
                field="company",
                reason=WHY,
            )
            notify([c.rita], "Lapsed.", about=Key("access_request", made.pk))

    def costs() -> list[int]:
        found = []
        for address, named in (("/admin/access-requests/", 1), ("/admin/inbox/", 2)):
            with CaptureQueriesContext(connection) as captured:
                text = rita.get(address).text
            assert text.count("Company of") == named * AccessRequest.objects.count()
            found.append(len(captured))
        return found

    ask(2)
    few = costs()
    ask(18)
    assert costs() == few
