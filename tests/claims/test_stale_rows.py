"""Rows that point to code that is gone: every page answers, says what is stale, lets it be removed.

A field was renamed, a kind of record removed, an option of a permission dropped; their rows stay.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts import operations as accounts
from accounts.access import holds_tool
from accounts.models import AuditEvent, Notice, ObjectScope, PermissionSet, ToolGrant, User
from exports.models import ExportProfile, ExportRequest
from records import operations
from records.models import Contact, Deal, Pipeline, Property
from records.models.properties import hidden_fields
from records.operations import Invalid, forget_property
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, pending
from tests.support.forms_as_shown import form_with


@pytest.fixture
def stale(c: TinyCompany) -> TinyCompany:
    """One row of every sort whose code is gone."""
    for object_key, name in (("deal", "gone"), ("contact", "gone"), ("project", "budget")):
        row = Property.objects.create(
            object=object_key, name=name, access="chosen", sensitive=True, highly_sensitive=True
        )
        row.grants.create(team=c.teams["south"], level="view")
    Property.objects.create(object="deal", name="dropped", access="super_admins")
    everything = c.sets["everything"]
    ToolGrant.objects.create(permission_set=everything, key="crm.gone")
    ToolGrant.objects.create(permission_set=everything, key="crm.export", option="anything")
    ObjectScope.objects.create(permission_set=everything, object="project", view=3)
    Pipeline.objects.create(object="project", name="Of nothing")
    with transaction.atomic():
        audit.record("project.build", actor=c.sam, object="project", object_id="7")
    ExportProfile.objects.create(
        owner=c.sam, object="deal", name="Old", columns=["gone", "name"], format="csv"
    )
    for link in ("/admin/records/project/7/change/", "/gone/"):
        Notice.objects.create(user=c.sam, text="About something that is gone.", link=link)
    waiting = [pending(c.fresh("rita"), c.sam) for _ in range(2)]
    done = completed(c.fresh("rita"))
    olds: list[dict[str, Any]] = [{"query": "gone=1&o=-gone"}, {"object": "project"}]
    for export, old in zip([*waiting, done], [*olds, olds[1]], strict=True):
        ExportRequest.objects.filter(pk=export.pk).update(**old)
    return c


def addresses(c: TinyCompany) -> list[str]:
    deal = c.deals["ritas"].pk
    found = ["/admin/", "/admin/inbox/", "/admin/exports/exportrequest/new/deal/"]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{name}_changelist"))
        rows = model._default_manager.order_by("-pk")[:6]
        found += [reverse(f"{name}_change", args=[row.pk]) for row in rows]
    found += [f"/admin/records/deal/{deal}/{page}/" for page in ("access", "who", "share")]
    exports = ExportRequest.objects.values_list("pk", flat=True)
    found += [f"/admin/exports/exportrequest/?review={pk}" for pk in exports]
    found += [f"/admin/records/pipeline/{p.pk}/rule/" for p in Pipeline.objects.all()]
    return found


def test_every_page_answers(stale: TinyCompany) -> None:
    for who in ("sam", "rita"):
        client = Client(raise_request_exception=False)
        client.force_login(stale.people[who])
        broken = [url for url in addresses(stale) if client.get(url).status_code >= 500]
        assert broken == []


def test_records_are_saved_as_before(stale: TinyCompany) -> None:
    """A rule about a field that is gone keeps nobody from anything."""
    rita = stale.fresh("rita")
    assert not hidden_fields(rita, Deal) & {"gone", "dropped"}
    made = operations.create(Contact(last_name="New", owner=rita), actor=rita)
    operations.change(made, actor=rita, values={"city": "Ghent"}, version=made.version)
    with pytest.raises(operations.NotFound):
        operations.reveal(made, actor=rita, name="gone")
    with pytest.raises(accounts.InvalidChange, match=r"gone, which is gone|deal\.gone"):
        team = stale.teams["south"]
        team.memberships.all().delete()
        accounts.delete_team(team, actor=stale.sam)


def test_field_that_is_gone_says_so_and_can_be_removed(stale: TinyCompany, client: Client) -> None:
    client.force_login(stale.sam)
    listed = client.get("/admin/records/property/").text
    assert "gone (gone: there is no such field any more; delete this)" in listed
    for row in Property.objects.filter(name__in=["gone", "dropped", "budget"]):
        page = f"/admin/records/property/{row.pk}/"
        assert "delete/" in client.get(f"{page}change/").text
        assert client.post(f"{page}delete/", {"post": "yes"}).status_code == 302
    assert not Property.objects.filter(name__in=["gone", "dropped", "budget"]).exists()
    assert AuditEvent.objects.filter(action="property.forget").count() == 4
    # One that is there is opened again, and not removed.
    row = operations.restrict_property(actor=stale.sam, object="deal", name="product")
    assert client.post(
        f"/admin/records/property/{row.pk}/delete/", {"post": "yes"}
    ).status_code in (
        403,
        404,
    )
    with pytest.raises(Invalid):
        forget_property(row, actor=stale.sam)
    with pytest.raises(accounts.NotAllowed):
        forget_property(row, actor=stale.rita)


def test_set_that_names_what_is_gone_grants_nothing_and_keeps_it_until_told(
    stale: TinyCompany, client: Client
) -> None:
    stored = stale.sets["everything"]
    ToolGrant.objects.filter(permission_set=stored, key="crm.export", option="").delete()
    address = f"/admin/accounts/permissionset/{stored.pk}/change/"
    client.force_login(stale.sam)
    page = client.get(address).text
    assert "This set also names crm.export:anything, crm.gone, project." in page
    _, form = form_with(page, "as_opened")
    assert "crm.export" not in form.get("tools", [])
    holder = User.objects.filter(permission_set=stored).first()
    assert "Nothing was changed" in client.post(address, form, follow=True).text
    assert holder is None or not holds_tool(holder, "crm.export")
    assert accounts.unknown_in(stored) == ["crm.export:anything", "crm.gone", "project"]
    assert client.post(address, {**form, "remove_unknown": "on"}).status_code == 302
    assert accounts.unknown_in(PermissionSet.objects.get(pk=stored.pk)) == []
    assert "also names" not in client.get(address).text
