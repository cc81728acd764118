"""Requests to edit a field and to export: who decides, and that nothing is given by deciding."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.access import holds_tool
from accounts.models import AuditEvent, Notice, User
from accounts.notices import inbox
from exports.models import ExportPolicy, ExportRequest
from records import operations
from records.models import AccessRequest, Property, PropertyGrant
from records.operations.access_requests import (
    decline,
    grant,
    request_export,
    request_field,
    seen,
    to_decide,
)
from tests.claims.test_access_request_pages import decided
from tests.claims.test_access_requests import WHY, told
from tests.claims.test_screens import page
from tests.support.company import TinyCompany
from tests.support.factories import SetFactory, UserFactory

pytestmark = pytest.mark.django_db
ASK_EXPORT = "/admin/access-requests/export/deal/"
GOVERNS = ("account.access", "account.edit_users", "account.user_table")


def ask_field(name: str, kind: str = "deal") -> str:
    return f"/admin/access-requests/field/{kind}/{name}/"


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def restricted(c: TinyCompany, name: str, access: str) -> Property:
    operations.restrict_property(actor=c.sam, object="deal", name=name, access=access)
    return Property.objects.get(object="deal", name=name)


# --- Fields ---------------------------------------------------------------------------------------


def test_a_locked_field_has_its_padlock_beside_its_name(c: TinyCompany) -> None:
    """In the form, with words for who sees no picture; a field that is open has none."""
    rita, address, said = logged_in(c.rita), page(c.deals["ritas"]), "Locked. Request access to "
    assert said not in rita.get(address).text
    restricted(c, "amount", "everyone_view")
    text = rita.get(address).text
    assert text.count(said) == 1
    assert f'aria-label="{said}Amount"' in text
    assert "Fields that you only read" not in text  # which are those that the form does not show
    assert text.count(f'href="{ask_field("amount")}"') == 1


def test_story_of_a_request_for_a_field(c: TinyCompany) -> None:
    rule = restricted(c, "amount", "everyone_view")
    rita, sam = logged_in(c.rita), logged_in(c.sam)
    ask = ask_field("amount")
    assert f'href="{ask}"' in rita.get(page(c.deals["ritas"])).text
    assert f'href="{ask}"' not in rita.get(page(c.deals["noras"])).text  # nothing of it to edit
    assert f'href="{ask}"' not in sam.get(page(c.deals["ritas"])).text
    assert "goes to" in rita.get(ask).text
    assert "Request sent." in rita.post(ask, {"reason": WHY}, follow=True).text
    made = AccessRequest.objects.get()
    assert (made.about, made.object, made.record, made.field) == ("field", "deal", None, "amount")
    assert told(c.sam) == [f"{c.rita.get_full_name()} requests to edit a field of deals."]
    assert told(c.nora) == told(c.mona) == []
    one = f"/admin/access-requests/{made.pk}/"
    assert logged_in(c.mona).get(one).status_code == 404
    text = sam.get(one).text
    assert f"/admin/records/property/{rule.pk}/change/" in text
    assert 'value="grant"' not in text
    # Said before it is so, it is refused; nothing is given by saying it.
    assert "may not edit this field yet" in decided(sam, one, "grant", note="").text
    operations.restrict_property(
        actor=c.sam, object="deal", name="amount", access="chosen", editors=[c.rita]
    )
    before = PropertyGrant.objects.count()
    assert 'value="grant"' in sam.get(one).text
    assert "is told so" in decided(sam, one, "grant", note="", follow=True).text
    assert PropertyGrant.objects.count() == before
    assert told(c.rita) == [
        f"{c.sam.get_full_name()} says that you may edit the field of deals now."
    ]


def test_field_that_is_hidden_is_absent_and_an_open_one_is_not_asked_for(c: TinyCompany) -> None:
    restricted(c, "amount", "super_admins")
    rita = logged_in(c.rita)
    answers = {
        (answer.status_code, answer.content)
        for name, kind in (("amount", "deal"), ("nothing", "deal"), ("amount", "nothing"))
        for answer in (
            rita.get(ask_field(name, kind)),
            rita.post(ask_field(name, kind), {"reason": WHY}),
        )
    }
    assert len(answers) == 1
    assert {status for status, _ in answers} == {404}
    texts = set()
    for name, kind in (("amount", "deal"), ("nothing", "deal"), ("priority", "ticket")):
        with pytest.raises(operations.NotFound) as refused:
            request_field(actor=c.rita, object=kind, name=name, reason=WHY)
        texts.add(str(refused.value))
    assert len(texts) == 1
    with pytest.raises(operations.Invalid, match="already"):
        request_field(actor=c.rita, object="deal", name="product", reason=WHY)
    assert not AccessRequest.objects.exists()


def test_field_that_is_hidden_since_is_named_to_its_requester_no_more(c: TinyCompany) -> None:
    restricted(c, "amount", "everyone_view")
    made = request_field(actor=c.rita, object="deal", name="amount", reason=WHY)
    one = f"/admin/access-requests/{made.pk}/"
    assert "Deals · Amount" in logged_in(c.rita).get(one).text
    restricted(c, "amount", "super_admins")
    for address in (one, "/admin/access-requests/"):
        text = logged_in(c.rita).get(address).text
        assert "A field that you may not see any more" in text
        assert "Amount" not in text
    decline(made, actor=c.sam, note="It is private now.")


# --- Exports --------------------------------------------------------------------------------------


def test_story_of_a_request_to_export_which_consents_to_nothing(c: TinyCompany) -> None:
    ExportPolicy.objects.update(require_approval=True, threshold=0)
    eve, sam = logged_in(c.eve), logged_in(c.sam)  # she has everything but Export
    assert f'href="{ASK_EXPORT}"' in eve.get("/admin/records/deal/").text
    assert f'href="{ASK_EXPORT}"' not in logged_in(c.rita).get("/admin/records/deal/").text
    refused = eve.get("/admin/exports/exportrequest/new/deal/")
    assert (refused.status_code, f'href="{ASK_EXPORT}"' in refused.text) == (403, True)
    assert "Request sent." in eve.post(ASK_EXPORT, {"reason": WHY}, follow=True).text
    assert "asked for this already" in eve.post(ASK_EXPORT, {"reason": WHY}).text
    made = AccessRequest.objects.get()
    one = f"/admin/access-requests/{made.pk}/"
    text = sam.get(one).text
    assert f"/admin/accounts/user/permissions/?person={c.eve.pk}" in text
    assert "may not export deals yet" in decided(sam, one, "grant", note="").text
    assert not holds_tool(c.fresh("eve"), "crm.export")
    exporting = SetFactory(name="Exporting", scopes={"deal": {"view": 3}}, tools=["crm.export"])
    User.objects.filter(pk=c.eve.pk).update(permission_set=exporting)
    assert "is told so" in decided(sam, one, "grant", note="", follow=True).text
    assert told(c.eve) == [f"{c.sam.get_full_name()} says that you may export deals now."]
    # The right alone: each export still asks.
    eve.post(
        "/admin/exports/exportrequest/new/deal/",
        {"step": "send", "columns": ["id"], "format": "csv", "message": "x"},
    )
    assert set(ExportRequest.objects.values_list("status", flat=True)) <= {"pending"}


def test_exactly_those_who_may_give_export_decide_on_it(c: TinyCompany) -> None:
    """The list, the page and the operation agree, and so does whom it is sent to."""
    deals = {"deal": {"view": 3}}
    people = {
        "governs and holds": (*GOVERNS, "crm.export"),
        "governs alone": GOVERNS,
        "holds alone": ("crm.export",),
    }
    made = {
        name: UserFactory(
            permission_set=SetFactory(name=name, scopes=deals, tools=list(tools)),
            email=f"{name.replace(' ', '.')}@example.com",
        )
        for name, tools in people.items()
    }
    request = request_export(actor=c.eve, object="deal", reason=WHY)
    delegate = made["governs and holds"]
    heard = Notice.objects.values_list("user", flat=True)
    assert list(heard) == [delegate.pk]
    own = request_export(actor=made["governs alone"], object="deal", reason=WHY)
    for user in (*made.values(), c.sam, c.mona, c.eve):
        may = user in (delegate, c.sam)
        offered = set(to_decide(User.objects.get(pk=user.pk)).values_list("pk", flat=True))
        assert offered == ({request.pk, own.pk} if may else set()), user
        for each in (request, own):
            mine = each.requester_id == user.pk
            assert seen(user, AccessRequest.objects.filter(pk=each.pk)).exists() == (may or mine)
            if not may:
                error = operations.NotAllowed if mine else operations.NotFound
                with pytest.raises(error):
                    grant(each, actor=user, until=None)
                with pytest.raises(error):
                    decline(each, actor=user, note="No.")
    # A right taken since decides no more, and its notice is gone.
    User.objects.filter(pk=delegate.pk).update(permission_set=c.sets["reader"])
    with pytest.raises(operations.NotFound):
        decline(request, actor=User.objects.get(pk=delegate.pk), note="No.")
    now = User.objects.get(pk=delegate.pk)
    assert Notice.objects.filter(user=now).exists()
    assert not inbox(now).exists()
    decline(request, actor=c.sam, note="Ask Mona for the figures.")
    assert AuditEvent.objects.filter(action="access_request.decline", result="done").count() == 1


def test_kind_that_one_never_sees_is_absent_to_who_asks_to_export(c: TinyCompany) -> None:
    axel = logged_in(c.axel)  # he may view no record
    for key in ("deal", "nothing"):
        address = f"/admin/access-requests/export/{key}/"
        assert axel.get(address).status_code == 404
        assert axel.post(address, {"reason": WHY}).status_code == 404
    with pytest.raises(operations.NotFound):
        request_export(actor=c.axel, object="deal", reason=WHY)
    with pytest.raises(operations.Invalid, match="already"):
        request_export(actor=c.rita, object="deal", reason=WHY)
    with pytest.raises(operations.NotFound):  # deactivated
        request_export(actor=c.fred, object="deal", reason=WHY)
