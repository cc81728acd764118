"""What a permission set's form says: what was narrowed, what it does not know, what was made."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts import operations
from accounts.models import AuditEvent, ObjectScope, PermissionSet, Rank, ToolGrant
from accounts.operations import InvalidChange, change_set, create_set, narrowed
from records.models import Property
from tests.support.company import TinyCompany
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import confirmed

ADD = "/admin/accounts/permissionset/add/"


def test_message_says_what_was_narrowed_from_what_to_what(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    _, form = form_with(client.get(ADD).text, "name")
    form |= {
        "name": "Wide",
        "scopes-deal-view": Rank.TEAM,
        "scopes-deal-delete": Rank.EVERYTHING,
        "scopes-deal-change": Rank.TEAM,
        "scopes-deal-change_unassigned": "1",
        "scopes-contact-add": "1",
    }
    page = confirmed(client, ADD, form, follow=True).text
    assert "Deals: Delete from Everything to Team only, which is as wide as View" in page
    assert "Deals: Edit covers no unassigned ones, because View covers none" in page
    assert "Contacts: Create from Yes to No, because View is None" in page
    stored = ObjectScope.objects.get(permission_set__name="Wide", object="deal")
    assert (stored.delete, stored.change_unassigned) == (Rank.TEAM, False)
    assert narrowed(operations.scopes_of(c.sets["rep"])) == []
    # Everything needs no box, so that none is missed.
    assert narrowed({"deal": {"view": Rank.EVERYTHING, "view_unassigned": True}}) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"tools": ["crm.export:anything"]},
        {"tools": ["crm.gone"]},
        {"tools": ["crm.export", "crm.export_approver:"]},
        {"scopes": {"project": {"view": 1}}},
        {"scopes": {"deal": {"veiw": 1}}},
        {"scopes": {"deal": {"add_unassigned": True}}},
        {"scopes": {"deal": {"view": 4}}},
        {"scopes": {"deal": {"view": True}}},
        {"scopes": {"deal": {"view": "3"}}},
        {"scopes": {"deal": {"view": 1, "view_unassigned": 2}}},
    ],
)
def test_operations_refuse_what_the_catalogue_does_not_know(
    c: TinyCompany, wanted: dict[str, Any]
) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(InvalidChange):
        create_set(actor=c.sam, name="New", **wanted)
    rep = c.sets["rep"]
    full: dict[str, Any] = {"scopes": {}, "tools": [], **wanted}
    with pytest.raises(InvalidChange):
        change_set(rep, actor=c.sam, name="Rep", description="", **full)
    assert not PermissionSet.objects.filter(name="New").exists()
    assert AuditEvent.objects.count() == before
    assert ToolGrant.objects.filter(permission_set=rep).count() == 1


def test_form_refuses_what_no_form_of_ours_sends(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    _, form = form_with(client.get(ADD).text, "name")
    for extra in ({"scopes-project-view": "3"}, {"scopes-deal-veiw": "3"}, {"tools": "crm.gone"}):
        answer = client.post(ADD, {**form, "name": "New", **extra})
        assert answer.status_code == 200
        assert "There is no such permission" in answer.text or "crm.gone" in answer.text
    assert not PermissionSet.objects.filter(name="New").exists()


def test_message_names_what_was_added(c: TinyCompany, client: Client) -> None:
    """Where the key is what a form chooses, the new row's own name is part of no field."""
    client.force_login(c.sam)
    add = "/admin/records/property/add/"
    _, form = form_with(client.get(add).text, "field")
    page = client.post(add, {**form, "field": "deal.product"}, follow=True).text
    assert Property.objects.filter(object="deal", name="product").exists()
    assert "“<a" in page
    assert ">Deal · Product</a>" in page
    assert "“.”" not in page
    _, form = form_with(client.get("/admin/accounts/team/add/").text, "name")
    page = client.post("/admin/accounts/team/add/", {**form, "name": "  West "}, follow=True).text
    assert "“<a" in page
    assert ">West</a>" in page
