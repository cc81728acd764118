"""Menu, breadcrumb, title and heading say one thing, on every page (issue 14.1)."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.operations import create_set
from exports import operations
from records.operations import set_stage_rule
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending, take_tool

SITE = "crmperms"


def text(piece: str) -> str:
    """Return the words of a piece of HTML that a screen reader reads."""
    heard = re.sub(r"<span[^>]*aria-hidden[^>]*>.*?</span>", "", piece, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", heard)).split())


def heading(page: str) -> str:
    """Return the page's only H1."""
    [found] = re.findall(r"<h1\b.*?</h1>", page, re.DOTALL)
    return text(found)


def title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert found
    return text(found[1])


def crumbs(page: str) -> list[str]:
    found = re.search(r'<ol class="crumbs">(.*?)</ol>', page, re.DOTALL)
    return [text(each) for each in re.findall(r"<li>(.*?)</li>", found[1])] if found else []


def menu(page: str) -> list[tuple[str, str, str]]:
    """Return the items of the side bar: group, title and address of each."""
    side = page[page.index('id="nav-sidebar-apps"') : page.index("openUserLinks")]
    found, group = [], ""
    for head, link, item in re.findall(
        r'<h2[^>]*>(.*?)</h2>|<a href="([^"]+)"[^>]*>(.*?)</a>', side, re.DOTALL
    ):
        if head:
            group = text(head)
        elif link.startswith("/admin/"):
            found.append((group, re.sub(r" \d+$", "", text(item)), link))
    return found


@pytest.mark.parametrize("name", ["sam", "rita"])
def test_every_page_of_the_menu_is_called_as_the_menu_calls_it(
    c: TinyCompany, client: Client, name: str
) -> None:
    client.force_login(c.people[name])
    items = menu(client.get("/admin/").text)
    assert len(items) == {"sam": 20, "rita": 8}[name]
    for group, item, link in items:
        page = client.get(link).text
        said = (crumbs(page), heading(page), title(page))
        assert said == ([group] if group else [], item, f"{item} | {SITE}"), link
        assert 'aria-current="page"' in page, link


def test_pages_below_say_the_way_to_them(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    deal = c.deals["ritas"]
    export = pending(c.rita, c.axel)
    event = AuditEvent.objects.latest("pk")
    made = create_set(actor=c.sam, name="Night shift")
    at = f"/admin/records/deal/{deal.pk}"
    cases = {
        f"{at}/change/": (["CRM", "Deals"], deal.name),
        f"{at}/who/": (["CRM", "Deals", deal.name], "Who can see this"),
        f"{at}/access/": (["CRM", "Deals", deal.name], "Access"),
        f"{at}/delete/": (["CRM", "Deals", deal.name], "Delete"),
        "/admin/records/deal/add/": (["CRM", "Deals"], "New deal"),
        # It began at the list of deals, whatever its address begins with.
        "/admin/exports/exportrequest/new/deal/": (["CRM", "Deals"], "Export deals"),
        f"/admin/exports/exportrequest/?review={export.pk}": (["Exports & audit"], "Export log"),
        f"/admin/accounts/auditevent/{event.pk}/change/": (
            ["Exports & audit", "Audit log"],
            f"Event #{event.pk}",
        ),
        f"/admin/accounts/user/permissions/?person={c.rita.pk}": (
            ["Settings", "Users"],
            f"Permissions of {c.rita}",
        ),
        f"/admin/accounts/permissionset/{made.pk}/change/": (
            ["Settings", "Permission sets"],
            "Night shift",
        ),
        reverse("admin:access_on"): (["Settings", "Permission history"], "Access on a day"),
        reverse("admin:password_change"): ([], "Change password"),
    }
    for address, (way, name) in cases.items():
        page = client.get(address).text
        assert (crumbs(page), heading(page)) == (way, name), address
        assert title(page) == " | ".join([name, *way[2:], SITE]), address


def test_hidden_record_is_in_no_breadcrumb(c: TinyCompany, client: Client) -> None:
    """The negative control: no way leads to what one may not see, and no menu to its group."""
    client.force_login(c.rita)
    assert client.get("/admin/accounts/user/").status_code == 403
    assert "Settings" not in client.get("/admin/").text
    hidden = c.deals["robs"]
    assert hidden.name not in client.get(f"/admin/records/deal/{hidden.pk}/who/").text


def test_finished_export_asks_for_no_review(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    export = pending(c.rita, c.axel)
    log = "/admin/exports/exportrequest/"
    assert "Review approval request" in client.get(log).text
    details = f'review={export.pk}">Details</a>'
    client.force_login(c.rita)  # who asked does not decide
    page = client.get(log).text
    assert details in page
    assert "Review approval request" not in page
    client.force_login(c.sam)
    operations.recall(export, actor=c.rita)
    page = client.get(log).text
    assert "Review approval request" not in page
    assert details in page


def test_notifications_say_how_a_request_stands_and_begin_with_what_waits(
    c: TinyCompany, client: Client
) -> None:
    export = pending(c.rita, c.axel)
    client.force_login(c.axel)
    page = client.get("/admin/inbox/").text
    assert 'id="to-decide"' in page and f"/{export.pk}/decide/?step=approve" in page
    assert page.count('<span class="chip is-pending">Pending approval</span>') == 1
    operations.recall(export, actor=c.rita)
    page = client.get("/admin/inbox/").text
    assert 'id="to-decide"' not in page
    assert "/decide/" not in page
    assert "chip is-pending" not in page
    # One row, of the request and of its end.
    assert page.count('<span class="chip is-recalled">Cancelled: recalled</span>') == 1
    take_tool(c.sets["approver"], "crm.export_approver")  # out of reach: no state is told either
    client.force_login(c.fresh("axel"))
    assert "Cancelled: recalled" not in client.get("/admin/inbox/").text


def details(client: Client, event: AuditEvent) -> list[tuple[str, str]]:
    page = client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    shown = page[page.index('<dl class="facts">') :]
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", shown[: shown.index("</dl>")], re.DOTALL)
    return [(text(label), text(value)) for label, value in found]


def test_details_of_an_event_are_words_and_only_what_changed(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    made = create_set(
        actor=c.sam,
        name="Night shift",
        scopes={"deal": {"view": 3, "change": 1}},
        tools=["crm.export"],
    )
    event = AuditEvent.objects.get(action="set.create", object_id=str(made.pk))
    assert details(client, event) == [
        ("Deals · View", "None → Everything"),
        ("Deals · Edit", "None → Owned only"),
        ("Permissions added", "Export"),
    ]
    vault = c.stages["vault"]
    set_stage_rule(
        vault.pipeline, actor=c.sam, enabled=True, stages=[vault], editors="chosen", users=[c.rita]
    )
    event = AuditEvent.objects.filter(action="pipeline.set_rule").latest("pk")
    assert details(client, event)[-1] == (
        "After",
        f"Enabled: yes; Editors: chosen; Stages: {vault}; Users: {c.rita}; Teams: –",
    )
