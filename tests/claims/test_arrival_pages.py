"""Settings → New permissions: what waits, who sees it, the decision and the switch (Q25)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts import catalogue, operations
from accounts.access import holds_tool
from accounts.models import AuditEvent, KnownPermission, Notice, PermissionSet, User
from accounts.operations.arrivals import ALREADY_DECIDED
from accounts.review import CHANGED
from tests.claims.test_arrivals import LOW, brings, tools_of
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import confirmed

pytestmark = pytest.mark.django_db

NEW = "/admin/permissions/new/"


def text_of(client: Client, actor: User, address: str, **sent: Any) -> tuple[int, str]:
    client.force_login(actor)
    answer = client.post(address, sent, follow=True) if sent else client.get(address)
    return answer.status_code, answer.text


def test_super_admins_are_asked_and_see_it_everywhere(c: TinyCompany, client: Client) -> None:
    brings("crm.bulk_delete", LOW)
    assert set(Notice.objects.values_list("user__email", "text")) == {
        (
            f"{name}@example.com",
            "New with an upgrade, and off until you decide who gets it: Bulk delete.",
        )
        for name in ("sam", "sue")
    }
    _, page = text_of(client, c.sam, "/admin/")
    assert "An upgrade brought 1 permission that arrived off and waits" in page
    _, page = text_of(client, c.sam, NEW)
    assert 'href="/admin/permissions/new/crm.bulk_delete/"' in page
    assert "On, in" in page
    _, page = text_of(client, c.sam, "/admin/permissions/")
    assert page.count("New since") == 2
    # Nobody else sees any of it.
    for name in ("mona", "rita", "axel"):
        _, page = text_of(client, c.people[name], "/admin/")
        assert "An upgrade brought" not in page
        for address in (NEW, f"{NEW}crm.bulk_delete/", f"{NEW}crm.import/", f"{NEW}nothing/"):
            assert text_of(client, c.people[name], address)[0] == 403
        assert text_of(client, c.people[name], f"{NEW}switch/", all_on="yes", version="1")[0] == 403
    assert not operations.arrival_policy().all_on


def review(client: Client, c: TinyCompany, *names: str, subject: str = "crm.bulk_delete") -> Any:
    client.force_login(c.sam)
    keys = [c.sets[name].pk for name in names]
    return client.post(f"{NEW}{subject}/", {"set": keys, "review": "1"})


def test_super_admin_gives_it_to_sets_after_the_preview(c: TinyCompany, client: Client) -> None:
    brings("crm.bulk_delete")
    page = review(client, c, "rep", "everything")
    assert "Bulk delete" in page.text
    assert "people gain Bulk delete." in page.text
    address, shown = form_with(page.text, "reviewed")
    sent = {**shown, "reason": "They clean up.", "save": "1"}
    done = client.post(address, sent, follow=True)
    assert "Saved, and in effect." in done.text
    assert holds_tool(c.fresh("rita"), "crm.bulk_delete")
    assert not holds_tool(c.fresh("mona"), "crm.bulk_delete")
    row = KnownPermission.objects.get(key="crm.bulk_delete")
    assert row.decided_by == c.sam
    event = AuditEvent.objects.get(action="permission.decide")
    assert event.data == {
        "permissions": ["crm.bulk_delete"],
        "sets": sorted([c.sets["rep"].pk, c.sets["everything"].pk]),
    }
    # Once: who comes second reads it, and changes nothing.
    assert ALREADY_DECIDED in client.post(address, sent).text
    assert ALREADY_DECIDED in confirmed(client, address, sent, follow=True).text
    assert "Nothing waits for a decision." in text_of(client, c.sue, NEW)[1]
    assert ALREADY_DECIDED in client.get(f"{NEW}crm.bulk_delete/", follow=True).text


def test_super_admin_leaves_it_off(c: TinyCompany, client: Client) -> None:
    brings("crm.bulk_delete")
    _, page = text_of(client, c.sam, f"{NEW}crm.bulk_delete/", review="1")
    assert "Tick at least one set, or leave the permission off." in page
    assert KnownPermission.objects.waiting().exists()
    _, page = text_of(client, c.sam, f"{NEW}crm.bulk_delete/", leave="1")
    assert "Bulk delete stays off." in page
    assert not KnownPermission.objects.waiting().exists()
    assert not any("crm.bulk_delete" in tools_of(each) for each in PermissionSet.objects.all())
    _, page = text_of(client, c.sam, f"{NEW}crm.bulk_delete/", leave="1")
    assert ALREADY_DECIDED in page


def test_refused_change_leaves_the_decision_open(c: TinyCompany, client: Client) -> None:
    brings("crm.bulk_delete")
    page = review(client, c, "rep")
    operations.edit_sets([c.sets["rep"]], actor=c.sue, changes={"crm.import": True})
    address, shown = form_with(page.text, "reviewed")
    assert CHANGED in client.post(address, {**shown, "save": "1"}).text
    assert KnownPermission.objects.waiting().exists()
    assert "crm.bulk_delete" not in tools_of(c.sets["rep"])


def test_what_has_levels_is_set_in_the_editor(c: TinyCompany, client: Client) -> None:
    brings(*(f"crm.ticket.{action}" for action in catalogue.ACTIONS))
    assert "Records: Tickets" in text_of(client, c.sam, NEW)[1]
    page = review(client, c, "rep", subject="crm.ticket")
    assert 'class="editor' in page.text
    sent = {
        "changes": '{"crm.ticket.view": "everything"}',
        "as_opened": page.context["as_opened"],
        "save": "1",
    }
    confirmed(client, page.context["address"], sent)
    assert c.fresh("rita").grants.scopes["ticket"].view == EVERYTHING
    assert not KnownPermission.objects.waiting().exists()


def test_a_set_that_is_not_there_and_what_is_not_new_are_alike(
    c: TinyCompany, client: Client
) -> None:
    brings("crm.bulk_delete")
    client.force_login(c.sam)
    key = c.sets["rep"].pk
    sets = "/admin/accounts/permissionset/permissions/"
    assert client.post(f"{NEW}crm.bulk_delete/", {"set": ["999999"]}).status_code == 404
    assert client.get(f"{NEW}crm.import/").status_code == 404
    assert client.get(f"{NEW}nothing/").status_code == 404
    assert client.get(f"{sets}?set={key}&new=crm.import").status_code == 404
    assert client.get(f"{sets}?set={key}&new=crm.bulk_delete").status_code == 200


# --- The switch -----------------------------------------------------------------------------------


def test_switch_is_logged_told_and_needs_its_version(c: TinyCompany, client: Client) -> None:
    assert "Before you switch it on" in text_of(client, c.sam, NEW)[1]
    _, page = text_of(client, c.sam, f"{NEW}switch/", all_on="yes", version="1")
    assert "arrive on by themselves" in page
    event = AuditEvent.objects.get(action="permission.set_all_on")
    assert (event.actor, event.data) == (c.sam, {"from": False, "to": True})
    assert list(Notice.objects.values_list("user__email", flat=True)) == ["sue@example.com"]
    _, page = text_of(client, c.sam, f"{NEW}switch/", all_on="no", version="1")
    assert "Somebody moved this switch" in page
    assert operations.arrival_policy().all_on
    text_of(client, c.sam, f"{NEW}switch/", all_on="no", version="2")
    assert not operations.arrival_policy().all_on
