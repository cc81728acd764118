"""What a refusal, a notice or a panel would tell beside what it is about, and does not."""

from __future__ import annotations

import re
from typing import Any

import openpyxl
import pytest
from django.test import Client

from accounts import operations as accounts
from accounts.models import Notice, ObjectScope
from accounts.notices import notify
from records import operations
from records.models import Company, Contact, Deal
from records.operations import Invalid
from tests.support.company import OWNED, TinyCompany
from tests.support.exports_kit import completed, path_of, pending, table_of
from tests.support.factories import CompanyFactory, ContactFactory, DealFactory

FIELDS = ("name", "domain", "sector", "country", "employees", "revenue", "founded")


def errors_of(client: Client, company: Company, parent: int) -> Any:
    values = {name: getattr(company, name) or "" for name in FIELDS}
    posted = {
        **values,
        "owner": company.owner_id or "",
        "co_owner": "",
        "parent": parent,
        "record_version": company.version,
    }
    answer = client.post(f"/admin/records/company/{company.pk}/change/", posted)
    assert answer.status_code == 200
    assert Company.objects.get(pk=company.pk).parent is None
    return answer.context["adminform"].form.errors


# --- Companies above each other -------------------------------------------------------------------


def test_a_circle_through_a_hidden_company_reads_as_an_absent_choice(
    c: TinyCompany, client: Client
) -> None:
    scope = {"view": OWNED, "change": OWNED}
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="company").update(**scope)
    mine = CompanyFactory(name="Mine", owner=c.rita)
    hidden = CompanyFactory(name="Hidden", owner=c.rob, parent=mine)
    through = CompanyFactory(name="Through hidden", owner=c.rita, parent=hidden)
    seen = CompanyFactory(name="Seen", owner=c.rita, parent=mine)
    client.force_login(c.rita)
    absent = errors_of(client, mine, 10**9)
    assert errors_of(client, mine, hidden.pk) == absent
    assert errors_of(client, mine, through.pk) == absent
    # Of a circle that they see as a whole they read what is wrong.
    assert "would stand above itself" in str(errors_of(client, mine, seen.pk))
    # The same where the operation is asked without a form.
    for parent, said in ((hidden, "choose one"), (through, "choose one"), (seen, "above itself")):
        values = {"parent": parent}
        with pytest.raises(Invalid, match=said) as refusal:
            operations.change(mine, actor=c.rita, values=values, version=mine.version)
        assert "Hidden" not in str(refusal.value)
    # A chain that leads through a hidden company without a circle is no trouble.
    beyond = CompanyFactory(name="Beyond", owner=c.rob)
    Company.objects.filter(pk=hidden.pk).update(parent=beyond)
    changed = operations.change(
        mine, actor=c.rita, values={"parent": through}, version=mine.version
    )
    assert changed.parent == through


# --- Owners ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["axel", "nils", "fred"])
def test_a_refused_owner_is_not_said_to_lack_a_right_or_to_be_gone(
    c: TinyCompany, name: str
) -> None:
    deal, chosen = c.deals["ritas"], c.people[name]
    with pytest.raises(Invalid) as refusal:
        operations.change(deal, actor=c.rita, values={"owner": chosen}, version=deal.version)
    assert str(refusal.value) == f"{chosen} cannot own deals. Choose another owner."
    operations.change(deal, actor=c.rita, values={"co_owner": c.nora}, version=deal.version)


# --- Notices --------------------------------------------------------------------------------------


def told(client: Client) -> str:
    """Return what the dashboard and both pages of the inbox say."""
    pages = ("/admin/", "/admin/inbox/", "/admin/inbox/?unread=1")
    return "".join(client.get(address).text for address in pages)


def test_a_notice_is_gone_once_its_subject_is_out_of_reach(c: TinyCompany, client: Client) -> None:
    pending(c.rita, c.axel, columns=["id", "name"], message="Only for Axel")
    notice = Notice.objects.get(user=c.axel)
    client.force_login(c.axel)
    assert told(client).count("Only for Axel") >= 3
    accounts.assign_set(c.axel, actor=c.sam, permission_set=c.sets["reader"])
    text = told(client)
    assert "Only for Axel" not in text
    assert "Rita" not in text
    assert notice.link not in text
    # As one that never was, by every way to it; nothing of it is counted.
    for address, absent in (
        (f"{notice.pk}/open/", "999999/open/"),
        (f"export/{notice.about_id}/open/", "export/999999/open/"),
    ):
        hidden = client.get(f"/admin/inbox/{address}")
        assert hidden.status_code == 404
        assert hidden.content == client.get(f"/admin/inbox/{absent}").content
    assert client.get("/admin/inbox/").context["unread"] == ""
    # It comes back with the right.
    accounts.assign_set(c.axel, actor=c.sam, permission_set=c.sets["approver"])
    assert "Only for Axel" in told(client)


def test_notices_of_standing_in_and_of_screens_end_with_the_right_too(
    c: TinyCompany, client: Client
) -> None:
    notify([c.mona], "You stand in for Axel.", "/admin/exports/exportrequest/?waiting=yes")
    notify([c.sue, c.mona], "Rita has seen 9 values.", "/admin/records/screenlimit/")
    notify([c.mona], "Plain words.")
    client.force_login(c.mona)
    text = told(client)
    assert "You stand in for Axel." in text
    assert "Plain words." in text
    assert "Rita has seen" not in text
    other = Client()
    other.force_login(c.sue)
    assert "Rita has seen" in told(other)
    accounts.assign_set(c.mona, actor=c.sam, permission_set=c.sets["reader"])
    accounts.remove_super_admin(c.sue, actor=c.sam, permission_set=c.sets["reader"])
    assert "You stand in" not in told(client)
    assert "Plain words." in told(client)
    assert "Rita has seen" not in told(other)


def test_reading_many_notices_costs_no_more_statements(
    c: TinyCompany, client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(c.axel)
    for _ in range(6):
        pending(c.rita, c.axel, columns=["id", "name"])
    with django_assert_max_num_queries(12):
        assert client.get("/admin/inbox/").text.count("requests approval") >= 6


# --- Spreadsheets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_full_width_signs_arrive_as_text_in_both_formats_of_spreadsheets(
    c: TinyCompany, format: str
) -> None:
    texts = ["＝1+1", "＋49", "－5", "＠SUM(A1)", "\u3000=1", "\ufeff@x"]
    found = [ContactFactory(last_name=text, first_name="", owner=c.rita).pk for text in texts]
    export = completed(
        c.rita, model=Contact, ids=found, columns=["id", "last_name", "company"], format=format
    )
    if format == "csv":
        rows = table_of(export)[1:]
    else:
        sheet = openpyxl.load_workbook(path_of(export)).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
        rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]
    assert sorted(row[1] for row in rows) == sorted(f"'{text}" for text in texts)


# --- Exports that contained a record --------------------------------------------------------------


def panel_names(client: Client, record: Company | Contact | Deal) -> list[int]:
    kind = record._meta.model_name
    text = client.get(f"/admin/records/{kind}/{record.pk}/change/").text
    return sorted(int(key) for key in re.findall(r"review=(\d+)", text))


def test_no_export_tells_of_a_link_from_a_record_out_of_reach(
    c: TinyCompany, client: Client
) -> None:
    company = c.companies["acme"]
    deal = DealFactory(name="Hidden", owner=c.rob, stage=c.stages["open"], company=company)
    export = completed(c.sam, ids=[deal.pk], columns=["id", "company"])
    own = completed(c.sam, model=Company, ids=[company.pk], columns=["id", "name"])
    c.sets["manager"].tools.create(key="audit.view_exports", option="")
    client.force_login(c.mona)  # sees every company and her team's deals, and the whole log
    assert panel_names(client, company) == [own.pk]
    # Whoever sees the deal that is linked reads of its export, and so do super admins.
    Deal.objects.filter(pk=deal.pk).update(owner=c.mona)
    assert panel_names(client, company) == [export.pk, own.pk]
    # Not where the field that links them is hidden from them.
    operations.restrict_property(actor=c.sam, object="deal", name="company", access="super_admins")
    assert panel_names(client, company) == [own.pk]
    client.force_login(c.sam)
    assert panel_names(client, company) == [export.pk, own.pk]
