"""A permission set's form draws the catalogue, and saves what it shows (R5, R40, Q38)."""

from __future__ import annotations

import re

from django.test import Client

from accounts import operations
from accounts.audit import System
from accounts.catalogue import INBOX
from accounts.models import AuditEvent, PermissionSet, ToolGrant
from tests.support.catalogue_rows import LEVELLED, STORABLE
from tests.support.company import TinyCompany
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import confirmed

ADD = "/admin/accounts/permissionset/add/"
TWO_OF_A_CHOICE = {"marketing.social:draft", "marketing.social:own"}
EVERYTHING_THERE_IS = [key for key in STORABLE if key not in TWO_OF_A_CHOICE]
EVERYTHING_THERE_IS += [f"{name}=team+unassigned" for name in LEVELLED]


def address(made: PermissionSet) -> str:
    return f"/admin/accounts/permissionset/{made.pk}/change/"


def stored(made: PermissionSet) -> set[str]:
    return {str(grant) for grant in operations.grants_of(made.pk)}


def made_with(*tools: str) -> PermissionSet:
    return operations.create_set(actor=System("test"), name="Made", tools=tools)


def test_set_with_every_permission_goes_through_its_form_unchanged(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    made = made_with(*EVERYTHING_THERE_IS)
    assert stored(made) == set(EVERYTHING_THERE_IS)
    events = AuditEvent.objects.count()
    page = client.get(address(made)).text
    _, form = form_with(page, "name")
    answer = client.post(address(made), form)
    assert answer.status_code == 302
    assert stored(made) == set(EVERYTHING_THERE_IS)
    assert AuditEvent.objects.count() == events
    assert ", and 64 more" in client.get("/admin/accounts/permissionset/").text
    # And from nothing, by ticking.
    _, empty = form_with(client.get(ADD).text, "name")
    assert [each for each in empty["tools"] if each] == [
        "sales.custom_line_items",
        "sales.bulk_enroll_sequences",
    ]
    ticked = [key for key in EVERYTHING_THERE_IS if "=" not in key]
    ticked += [f"{name}=team" for name in LEVELLED] + [f"{name}+unassigned" for name in LEVELLED]
    assert confirmed(client, ADD, {**empty, "name": "All", "tools": ticked}).status_code == 302
    assert stored(PermissionSet.objects.get(name="All")) == set(EVERYTHING_THERE_IS)


def test_form_completes_what_was_ticked_and_says_so(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    made = made_with()
    _, form = form_with(client.get(address(made)).text, "name")
    tools = ["crm.workflows:delete", "marketing.social:own", "", "reports.goals:edit=owned"]
    tools += ["sales.forecast:view=team", "sales.forecast:view+unassigned"]
    # The box beside Everything, and beside None, says nothing.
    tools += ["sales.forecast:edit=everything", "sales.forecast:edit+unassigned"]
    tools += ["reports.goals:view+unassigned"]
    page = client.post(address(made), {**form, "tools": tools}, follow=True).text
    assert stored(made) == {
        *("crm.workflows:view", "crm.workflows:edit", "crm.workflows:delete"),
        *("marketing.social:own", "sales.forecast:view=team+unassigned"),
        "sales.forecast:edit=team",
    }
    assert "Workflows: Edit is ticked too; Workflows: View is ticked too" in page
    assert "Forecast: Edit from Everything to Team only, as wide as View" in page
    assert "Goals: Edit from Owned only to None, as wide as View" in page
    event = AuditEvent.objects.filter(action="set.change").latest("id")
    assert "sales.forecast:view=team+unassigned" in event.data["tools_added"]


WRONG = {
    "crm.exprt": "Did you mean crm.export",
    "crm.export:some": "There is no permission",
    "crm.export+unassigned": "takes no level",
    "crm.workflows": "cannot be given itself",
    "marketing.seo:view": "cannot be given itself",
    "sales.forecast:view=none": "takes one of",
    "marketing.social:all": "Choose one for Social publishing, not two",
}


def test_form_refuses_what_it_does_not_offer_and_keeps_what_was_typed(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    made = made_with("crm.import")
    _, form = form_with(client.get(address(made)).text, "name")
    for wrong, sentence in WRONG.items():
        tools = ["crm.export", "marketing.social:own", "sales.forecast:edit+unassigned", wrong]
        answer = client.post(address(made), {**form, "name": "Typed", "tools": tools})
        assert answer.status_code == 200
        assert sentence in answer.text, wrong
        _, again = form_with(answer.text, "name")
        kept = {"crm.export", "marketing.social:own", "sales.forecast:edit+unassigned"}
        assert set(again["tools"]) >= kept
        assert again["name"] == ["Typed"]
    assert stored(made) == {"crm.import"}
    assert PermissionSet.objects.get(pk=made.pk).name == "Made"


FOLDED = re.compile(r'<details class="tool-later"( open)?>\s*<summary>(.*?)</summary>(.*)', re.S)


def test_what_has_no_effect_is_folded_away_unless_it_is_all_there_is(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    page = client.get(address(made_with("marketing.lists:view", "crm.import", "crm.export"))).text
    tabs = dict(re.findall(r'id="permissions-(\w+)" data-tab(.*?)</section>', page, re.S))
    crm, marketing = FOLDED.search(tabs["crm"]), FOLDED.search(tabs["marketing"])
    assert crm
    assert marketing
    assert crm[2] == "7 permissions without an effect in this version (given: 1)"
    assert 'value="crm.import"' in crm[3]
    assert 'value="crm.export"' not in crm[3]
    assert 'value="crm.export"' in tabs["crm"]
    assert (crm[1], marketing[1]) == (None, " open")


def test_page_tells_what_has_no_effect_and_keeps_it(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    made = made_with("marketing.blog:edit", "crm.export_without_approval", "sales.seat")
    ToolGrant.objects.create(permission_set=made, key="crm.flying", option="high")
    before = stored(made)
    page = client.get(address(made)).text
    assert "9 permissions below have no effect until Marketing access is on." in page
    assert "Has no effect now: the other permission is off." in page
    assert "crm.flying:high" in page
    assert INBOX in page
    for words in ("High risk", "For tools outside", "Not asked yet", "Search permissions"):
        assert words in page
    _, form = form_with(page, "name")
    assert "marketing.blog:view" in form["tools"]
    assert client.post(address(made), {**form, "description": "New"}).status_code == 302
    assert stored(made) == before
    assert client.get("/admin/accounts/permissionset/").status_code == 200
