"""The export dialog follows the choice: every reason for consent, and what would do without."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent
from exports import operations, policy, tables
from exports.models import ExportPolicy, ExportRequest
from records.models import Contact, Deal, Property, ScreenCount, ScreenLimit
from tests.support.company import TinyCompany
from tests.support.doors import change, rules
from tests.support.exports_kit import pending

NEW = "/admin/exports/exportrequest/new/"
WHY = "For the trade fair"
PARTS = ("export-count", "export-next", "export-does")


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def update(client: Client, kind: str = "contact", query: str = "", **choice: Any) -> str:
    answer = client.post(f"{NEW}{kind}/{query}", {"step": "update", "which": "chosen", **choice})
    assert answer.status_code == 200
    assert answer["X-Update"] == "1"
    return answer.text


def test_update_draws_what_follows_and_nothing_else(c: TinyCompany) -> None:
    rules(threshold=1)
    Property.objects.get_or_create(object="contact", name="phone", defaults={"sensitive": True})
    rita = logged_in(c, "rita")
    before = AuditEvent.objects.count()
    page = rita.get(f"{NEW}contact/").text
    for part in (*PARTS, "export-sample", "export-choice"):
        assert f'id="{part}"' in page, part
    text = update(rita, columns=["id", "phone", "company.name"])
    assert text.lstrip().startswith('<section class="panel" id="export-sample">')
    for part in (*PARTS, "related-1"):
        assert re.search(rf'id="{part}"[^>]* hx-swap-oob=', text), part
    assert "+49 30 1" in text
    assert "It contains sensitive data" in text
    assert "This reason goes away if you untick Phone." in text
    assert "It has more records than may be exported without approval." in text
    assert "This reason goes away if you narrow the list to 1 record." in text
    assert "Next: request approval" in text
    assert "(1 ticked)" in text
    for gone in ("<html", "csrfmiddlewaretoken", "<form"):
        assert gone not in text
    # As in the list: the box is not what brings the column.
    listed = update(rita, columns=["id"], which="list")
    assert "choose the columns yourself, without Phone." in listed
    free = update(rita, columns=["id"], query=f"?ids={c.contacts['cora'].pk}")
    assert "needs no approval" in free
    assert "<li>" not in free
    assert "Tick at least one column" in update(rita)
    assert not ExportRequest.objects.exists()
    assert AuditEvent.objects.count() == before


def test_update_asks_keeps_and_decides_nothing_whatever_is_sent_with_it(c: TinyCompany) -> None:
    rules(threshold=1_000)
    rita = logged_in(c, "rita")
    sent = {"columns": ["id"], "profile_name": "Fair", "approvers": [c.axel.pk], "message": "Why"}
    profile = operations.save_profile(actor=c.rita, model=Contact, name="Mine", columns=["id"])
    before = AuditEvent.objects.count()
    update(rita, **sent, profile=profile.pk, token="7f1f4c66-6a7f-4f57-9a0a-0b6a4f2b8d11")
    assert not ExportRequest.objects.exists()
    assert AuditEvent.objects.count() == before
    assert list(operations.profiles_of(c.rita, Contact)) == [profile]
    # Who may not export, or asks for what is not theirs to ask, gets what the page itself gives.
    for who, address, status in (
        ("ruth", f"{NEW}deal/", 403),
        ("rita", f"{NEW}nothing/", 404),
        ("rita", f"{NEW}deal/?password=x", 400),
        ("rita", f"{NEW}deal/?ids=x", 400),
    ):
        client = logged_in(c, who)
        assert client.post(address, {"step": "update", "columns": ["id"]}).status_code == status
        assert client.get(address).status_code == status
    wrong = rita.post(f"{NEW}deal/?amount_min=ten", {"step": "update", "columns": ["id"]})
    assert (wrong.status_code, wrong["HX-Refresh"], wrong.content) == (200, "true", b"")
    assert Client().post(f"{NEW}deal/", {"step": "update"}).get("X-Update") is None


def test_hidden_and_absent_columns_get_the_same_bytes(c: TinyCompany) -> None:
    rules(threshold=0)
    Property.objects.create(object="deal", name="amount", access="super_admins", sensitive=True)
    rita = logged_in(c, "rita")
    names = ("amount", "nothing", "company.nothing", "password")
    said = {update(rita, "deal", columns=["id", name]) for name in names}
    assert len(said) == 1
    assert "mount" not in said.pop()
    assert "Amount" in update(logged_in(c, "sam"), "deal", columns=["id", "amount"])
    hidden, absent = (
        rita.post(f"{NEW}deal/?{name}=1", {"step": "update", "columns": ["id"]})
        for name in ("amount_min", "nothing_min")
    )
    strip = re.compile(rb"(amount|nothing)_min|nonce-\S+|csrf\S+|value=\"[^\"]*\"")
    assert hidden.status_code == absent.status_code == 400
    assert strip.sub(b"", hidden.content) == strip.sub(b"", absent.content)
    out_of_reach = update(rita, "deal", f"?ids={c.deals['robs'].pk}", columns=["id", "name"])
    assert out_of_reach == update(rita, "deal", "?ids=999999999", columns=["id", "name"])


def test_every_reason_is_found_by_what_decides_and_its_way_out_is_the_smallest(
    c: TinyCompany,
) -> None:
    rules(threshold=9, daily_records=7, weekly_records=8, require_approval=True)
    gate = policy.Gate(c.fresh("rita"))
    needs = list(gate.needs(10, ["contact.phone"]))
    assert [need.code for need in needs] == [
        *("sensitive", "above_threshold", "above_daily", "above_weekly"),
    ]
    assert policy.approval(c.rita, 10, ["contact.phone"]) == (True, "sensitive")
    assert [need.most for need in needs] == [None, 9, 7, 8]

    def codes(count: int, fields: list[str]) -> set[str]:
        return {need.code for need in policy.Gate(c.fresh("rita")).needs(count, fields)}

    assert "sensitive" not in codes(10, [])
    for need in needs[1:]:
        assert need.most is not None
        assert need.code not in codes(need.most, [])
        assert need.code in codes(need.most + 1, [])
    assert codes(7, []) == set()


def test_who_changed_the_rules_reads_all_reasons_too(c: TinyCompany) -> None:
    rules(threshold=4)
    change(c.sam, threshold=1_000)
    change(c.sam, threshold=8)
    found = {need.code: need.most for need in policy.Gate(c.fresh("sam")).needs(9, [])}
    assert found == {"rules_changed": 4}
    assert policy.approval(c.fresh("sam"), 4, [])[0] is False
    rules(threshold=8, second_person_above=6)
    found = {need.code: need.most for need in policy.Gate(c.fresh("sam")).needs(9, [])}
    assert found == {"second_person": 6, "rules_changed": 4}
    text = update(logged_in(c, "sam"), "deal", columns=["id"])
    assert text.count("<li>") == 2
    assert "narrow the list to at most 4 records." in text


def test_filters_search_and_order_that_read_sensitive_fields_are_named(c: TinyCompany) -> None:
    rules(threshold=1_000)
    for name in ("amount", "name"):
        Property.objects.create(object="deal", name=name, sensitive=True)
    mona = logged_in(c, "mona")
    text = update(mona, "deal", "?amount_min=0&q=a&o=-1", columns=["id"])
    assert "take the filter Amount away, do without the search and sort the list by" in text
    Property.objects.filter(name="name").update(sensitive=False)
    text = update(mona, "deal", "?amount_min=0&q=a&o=-1", columns=["id", "amount"])
    assert "goes away if you untick Amount and take the filter Amount away." in text
    # Nothing would be left to export: there is no way out to name.
    alone = update(mona, "deal", columns=["amount"])
    assert "It contains sensitive data" in alone
    assert "goes away" not in alone


def test_search_for_a_number_is_named_where_it_reads_a_sensitive_one(c: TinyCompany) -> None:
    """Leaving the column away would not do: the search tells the number too."""
    rules(threshold=1_000)
    rita = logged_in(c, "rita")
    number = update(rita, query="?q=4930", columns=["id", "phone"])
    assert "goes away if you untick Phone and do without the search." in number
    alone = update(rita, query="?q=4930", columns=["id"])
    assert "Its filters, search or order read sensitive fields: Phone." in alone
    assert "goes away if you do without the search." in alone
    # A search without digits reads no number, and so it may stay.
    name = update(rita, query="?q=cable", columns=["id", "phone"])
    assert "goes away if you untick Phone." in name
    assert "<li>" not in update(rita, query="?q=cable", columns=["id"])
    assert "<li>" not in update(rita, columns=["id"])


def test_update_counts_no_value_as_seen_and_shows_none_that_counts(c: TinyCompany) -> None:
    rules(threshold=1_000)
    Property.objects.get_or_create(object="contact", name="phone", defaults={"sensitive": True})
    ScreenLimit.objects.update_or_create(pk=1, defaults={"values_a_day": 100})
    rita = logged_in(c, "rita")
    choice = {"columns": ["id", "phone"]}
    text = update(rita, **choice)
    assert "+49" not in text
    assert "••••" in text
    assert "dots until you press “Update preview”" in text
    assert not ScreenCount.objects.filter(user=c.rita).exists()
    asked = rita.post(f"{NEW}contact/", {"step": "show", **choice}).text
    assert "+49 30 1" in asked
    assert ScreenCount.objects.get(user=c.rita).shown == 2


def test_update_costs_no_more_than_the_page_and_the_same_for_more_rows(c: TinyCompany) -> None:
    rules(threshold=0, daily_records=1, weekly_records=1, purpose_required="always")
    rita = logged_in(c, "rita")
    columns = [column.name for column in tables.all_columns(Deal)]

    def cost(step: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            text = rita.post(f"{NEW}deal/", {"step": step, "columns": columns}).text
        assert text.count("This reason goes away") + text.count("exported without approval") >= 1
        return [query["sql"] for query in queries]

    cost("update")
    asked = cost("update")
    assert len(asked) <= 21
    assert len(cost("show")) <= 24
    assert sum('COUNT(*) AS "__count" FROM "records_deal"' in sql for sql in asked) == 1
    assert len(cost("columns")) <= 26


def test_approver_is_ticked_where_it_is_clear_who_is_meant(c: TinyCompany) -> None:
    rules(threshold=0)
    rita = logged_in(c, "rita")

    def ticked() -> set[int]:
        text = rita.post(f"{NEW}deal/", {"step": "columns", "columns": ["id"]}).text
        boxes = re.findall(r'name="approvers" value="(\d+)"[^>]*checked', text)
        assert str(c.rita.pk) not in re.findall(r'name="approvers" value="(\d+)"', text)
        return {int(key) for key in boxes}

    assert ticked() == set()
    pending(c.rita, c.axel)
    assert ticked() == {c.axel.pk}
    pending(c.nora, c.sue)
    assert ticked() == {c.axel.pk}  # of the person alone
    posted = {"step": "columns", "columns": ["id"], "approvers": [c.sue.pk]}
    assert f'value="{c.sue.pk}" class' in rita.post(f"{NEW}deal/", posted).text
    c.axel.is_active = False
    c.axel.save()
    assert ticked() == set()  # who could not decide is not offered
    for name in ("sue", "mona"):
        type(c.sam).objects.filter(pk=c.people[name].pk).update(is_active=False)
    assert ticked() == {c.sam.pk}


def test_dialog_leads_back_to_the_list_as_it_was_narrowed(c: TinyCompany) -> None:
    rules(threshold=0)
    rita = logged_in(c, "rita")
    text = rita.get(f"{NEW}deal/?q=Rita&ids={c.deals['ritas'].pk}").text
    assert text.count('href="/admin/records/deal/?q=Rita"') == 2  # the breadcrumb, and Cancel
    assert 'href="/admin/records/deal/"' in text  # the menu's
    assert "?q=" not in rita.get(f"{NEW}deal/").text.partition("<main")[2]


@pytest.mark.parametrize(("threshold", "says"), [(0, "Next: request approval"), (99, "Export")])
def test_button_says_what_it_does(c: TinyCompany, threshold: int, says: str) -> None:
    rules(threshold=threshold)
    assert ExportPolicy.objects.get().require_approval
    text = logged_in(c, "rita").get(f"{NEW}deal/").text
    assert re.search(rf'<span id="export-does">{says}</span>', text)


def test_purpose_is_asked_with_the_columns_and_nothing_typed_is_lost(c: TinyCompany) -> None:
    rules(threshold=1_000, purpose_required="always")
    rita = logged_in(c, "rita")
    first = rita.get(f"{NEW}deal/").text
    assert "Purpose" in first
    assert "It needs at least 8 letters or digits." in first
    choice: dict[str, Any] = {"columns": ["id", "name"], "format": "xlsx", "headers": "names"}
    token = re.search(r'name="token" value="([^"]+)"', first)
    assert token is not None
    sent = {**choice, "step": "columns", "token": token[1], "message": "<b>."}
    refused = rita.post(f"{NEW}deal/", sent).text
    assert not ExportRequest.objects.exists()
    assert "Say more of what the file is for." in refused
    assert re.search(r"<textarea[^>]*aria-invalid=\"true\"[^>]*>\s*&lt;b&gt;\.</textarea>", refused)
    assert re.search(r'value="xlsx"[^>]*checked', refused)
    answer = rita.post(f"{NEW}deal/", {**sent, "message": WHY}, follow=True)
    assert ExportRequest.objects.get().message == WHY
    assert f"Purpose: “{WHY}”" in answer.text
    # Said once, by the panel alone; the page behind it shows the purpose, as the panel does.
    assert answer.text.count(WHY) == 3
    assert answer.text.count("You find the file here as soon as it is written.") == 1
    kept = {**choice, "step": "keep", "profile_name": "Fair", "message": WHY}
    assert f"{WHY}</textarea>" in rita.post(f"{NEW}deal/", kept).text


def test_purpose_of_a_request_is_refused_with_all_else_that_is_wrong(c: TinyCompany) -> None:
    rules(threshold=0, purpose_required="approval")
    rita = logged_in(c, "rita")
    # It is asked for with the approvers, not here.
    assert 'name="message" value=""' in rita.get(f"{NEW}deal/").text
    posted = {"step": "request", "columns": ["id"], "message": "..."}
    page = rita.post(f"{NEW}deal/", posted).text
    assert "Choose at least one approver to notify." in page
    assert "Say what the file is for. It needs at least 8 letters or digits." in page
    assert "...</textarea>" in page
    assert not ExportRequest.objects.exists()
    rita.post(f"{NEW}deal/", {**posted, "approvers": [c.axel.pk], "message": WHY})
    assert ExportRequest.objects.get().message == WHY
