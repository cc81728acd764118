"""How many sensitive values a person sees on screens in a day: counted, and dots beyond it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Notice, User
from accounts.operations import NotAllowed
from records import operations
from records.models import Contact, ScreenCount, ScreenLimit
from records.operations import Invalid, Stale, restrict_property, screen_limit
from tests.support.company import TinyCompany
from tests.support.enemy_process import processes
from tests.support.exports_kit import completed, path_of
from tests.support.factories import CompanyFactory, ContactFactory, DealFactory

DOTS = "••••"
CONTACTS = "/admin/records/contact/"
DIALOG = "/admin/exports/exportrequest/new/contact/"
SETTINGS = "/admin/records/screenlimit/"
WHY = "as many as one person may see on screens"


def limited(c: TinyCompany, values: int | None) -> None:
    now = screen_limit.current()
    screen_limit.set_screen_limit(actor=c.sam, values_a_day=values, version=now.version)


def seen(user: User) -> int:
    found = ScreenCount.objects.filter(user=user, day=timezone.localdate()).first()
    return found.shown if found else 0


def phones(text: str) -> int:
    return text.count("+49 30 7")


def told(part: str = "sensitive values on screens today") -> list[tuple[int, str]]:
    rows = Notice.objects.filter(text__contains=part)
    return [(row.user_id, row.text) for row in rows.order_by("user")]


def page(contact: Contact) -> str:
    return f"{CONTACTS}{contact.pk}/change/"


def form_of(contact: Contact, **changes: Any) -> dict[str, Any]:
    """Return what a browser would post for this contact."""
    plain = ("first_name", "last_name", "email", "phone", "job_title", "city", "lifecycle")
    values = {name: getattr(contact, name) for name in plain}
    values |= {name: getattr(contact, f"{name}_id") or "" for name in ("owner", "co_owner")}
    return {**values, "company": "", "record_version": contact.version, **changes}


@pytest.fixture
def book(c: TinyCompany) -> list[Contact]:
    """Five contacts with a phone and one without, apart from the company's own two."""
    Contact.objects.update(phone="")
    found = [
        ContactFactory(last_name=f"Zed {n}", phone=f"+49 30 7{n}", owner=c.rita) for n in range(5)
    ]
    ContactFactory(last_name="Zed none", phone="", owner=c.rita)
    return found


# --- While no limit is set ------------------------------------------------------------------------


def test_without_a_limit_nothing_is_counted_and_no_statement_is_added(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    client.force_login(c.rita)
    with CaptureQueriesContext(connection) as captured:
        assert phones(client.get(CONTACTS).text) == 5
    assert DOTS not in client.get(page(book[0])).text
    assert not ScreenCount.objects.exists()
    assert not [q for q in captured if "records_screencount" in q["sql"]]
    limited(c, 5)
    limited(c, None)
    assert phones(client.get(CONTACTS).text) == 5
    assert not ScreenCount.objects.exists()


# --- Lists ----------------------------------------------------------------------------------------


def test_a_list_shows_as_many_as_the_limit_leaves_and_then_dots(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 7)
    client.force_login(c.rita)
    first = client.get(CONTACTS).text
    assert (phones(first), first.count(DOTS), seen(c.rita)) == (5, 0, 5)
    assert WHY not in first
    second = client.get(CONTACTS).text
    # What is empty reads as dots too now: it would tell the difference.
    assert (phones(second), seen(c.rita)) == (2, 7)
    assert second.count(DOTS) == Contact.objects.count() - 2
    assert WHY in second
    third = client.get(CONTACTS).text
    assert (phones(third), seen(c.rita)) == (0, 7)
    assert third.count(DOTS) == Contact.objects.count()
    # Everybody by themselves; and a new day begins at nothing.
    other = Client()
    other.force_login(c.nora)
    assert phones(other.get(CONTACTS).text) == 5
    ScreenCount.objects.update(day=timezone.localdate() - timedelta(days=1))
    assert phones(client.get(CONTACTS).text) == 5


def test_first_page_shows_no_day_that_is_counted(c: TinyCompany, client: Client) -> None:
    """Nor what closes this month, once lists are not asked by that day any more."""
    DealFactory(name="Soon", owner=c.rita, stage=c.stages["open"], closed=timezone.localdate())
    client.force_login(c.rita)
    [soon] = client.get("/admin/").context["closing"]
    assert [row["day"] for row in soon["rows"]] == [timezone.localdate()]
    restrict_property(actor=c.sam, object="deal", name="closed", sensitive=True)
    limited(c, 2)
    for _ in range(3):
        [soon] = client.get("/admin/").context["closing"]
        assert [(row["name"], row["day"]) for row in soon["rows"]] == [("Soon", None)]
    assert seen(c.rita) == 0
    assert client.get(soon["address"]).status_code == 200
    for _ in range(3):
        client.get("/admin/records/deal/")
    assert seen(c.rita) == 2
    assert client.get("/admin/").context["closing"] == []
    assert client.get(soon["address"]).status_code == 302


def test_super_admins_are_told_and_the_log_keeps_it_once_a_day(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 5)
    client.force_login(c.rita)
    for _ in range(3):
        client.get(CONTACTS)
    assert [user for user, _ in told()] == sorted([c.sam.pk, c.sue.pk])
    assert "5 sensitive values" in told()[0][1]
    events = AuditEvent.objects.filter(action="screen_limit.reach")
    assert [(e.actor_id, e.data["limit"]) for e in events] == [(c.rita.pk, 5)]
    # Lowered below what was seen: told as well, though nothing more is shown.
    other = Client()
    other.force_login(c.nora)
    limited(c, 6)
    other.get(CONTACTS)
    assert len(told()) == 2
    limited(c, 2)
    other.get(CONTACTS)
    other.get(CONTACTS)
    assert len(told()) == 4


def test_super_admins_count_too_and_can_lift_it(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 2)
    client.force_login(c.sam)
    assert phones(client.get(CONTACTS).text) == 2
    assert phones(client.get(CONTACTS).text) == 0
    version = screen_limit.current().version
    answer = client.post(SETTINGS, {"values_a_day": "", "record_version": version})
    assert answer.status_code == 302
    assert phones(client.get(CONTACTS).text) == 5


def test_what_reads_as_dots_is_neither_filtered_sorted_nor_searched_by(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    for object_key, name in (("contact", "email"), ("deal", "amount")):
        operations.flag_property(actor=c.sam, object=object_key, name=name, sensitive=True)
    Contact.objects.filter(pk=book[0].pk).update(email="zed0@secret.example")
    client.force_login(c.rita)
    deals = "/admin/records/deal/"
    limited(c, 100)

    def found(address: str) -> int:
        rows: int = client.get(address, follow=True).context["cl"].result_count
        return rows

    assert found(f"{CONTACTS}?q=secret.example") == 1
    assert found(f"{deals}?amount_min=999999999") == 0
    sorted_by = client.get(f"{deals}?o=3").context["cl"].get_ordering_field_columns()
    assert sorted_by
    everything = found(deals)
    limited(c, 1)
    client.get(CONTACTS)
    assert found(f"{CONTACTS}?q=secret.example") == 0
    assert found(f"{CONTACTS}?q=Zed") == 6
    narrowed = client.get(f"{deals}?amount_min=999999999", follow=True)
    assert narrowed.context["cl"].result_count == everything
    assert WHY in narrowed.text
    assert 'name="amount_min"' not in narrowed.text
    assert not client.get(f"{deals}?o=3").context["cl"].get_ordering_field_columns()
    # The number of records in an export would tell it too.
    assert client.get(f"{DIALOG}?q=secret.example").status_code == 302
    deal_dialog = "/admin/exports/exportrequest/new/deal/"
    assert client.get(f"{deal_dialog}?amount_min=1").status_code == 400
    assert client.get(deal_dialog).status_code == 200
    hits = client.get("/admin/search/?s=secret.example&extended=1").text
    assert "Zed" not in hits


# --- Records --------------------------------------------------------------------------------------


def test_a_record_counts_each_time_and_its_dots_are_kept_when_it_is_saved(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 1)
    client.force_login(c.rita)
    opened = client.get(page(book[0]))
    assert 'value="+49 30 70"' in opened.text
    assert (seen(c.rita), opened.text.count(DOTS)) == (1, 0)
    dotted = client.get(page(book[0]))
    assert "+49 30 70" not in dotted.text
    assert 'name="phone"' not in dotted.text
    assert DOTS in dotted.text
    assert WHY in dotted.text
    # What the page with dots sends leaves the number as it is …
    posted = {n: v for n, v in form_of(book[0], city="Kiel").items() if n != "phone"}
    assert client.post(page(book[0]), posted).status_code == 302
    stored = Contact.objects.get(pk=book[0].pk)
    assert (stored.city, stored.phone) == ("Kiel", "+49 30 70")
    # … and one that was opened before is saved as it was typed.
    posted = form_of(stored, phone="+49 30 999")
    assert client.post(page(book[0]), posted).status_code == 302
    assert Contact.objects.get(pk=book[0].pk).phone == "+49 30 999"
    assert seen(c.rita) == 1


def test_a_refused_form_shows_what_was_typed_and_no_dotted_value(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 1)
    client.force_login(c.rita)
    client.get(page(book[1]))
    posted = {n: v for n, v in form_of(book[0], email="none").items() if n != "phone"}
    answer = client.post(page(book[0]), posted)
    assert answer.status_code == 200
    assert 'value="none"' in answer.text
    assert "+49 30 70" not in answer.text


def test_a_posted_name_does_not_show_a_value_that_is_only_read(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    restrict_property(
        actor=c.sam, object="contact", name="phone", access="everyone_view", sensitive=True
    )
    limited(c, 1)
    client.force_login(c.rita)
    client.get(page(book[1]))
    answer = client.post(page(book[0]), form_of(book[0], last_name="", phone=""))
    assert answer.status_code == 200
    assert ("+49 30 70" in answer.text, DOTS in answer.text) == (False, True)
    assert seen(c.rita) == 1


def test_whoever_only_reads_sees_dots_too(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 1)
    client.force_login(c.nora)  # she sees every contact and edits her own
    assert "+49 30 70" in client.get(page(book[0])).text
    beyond = client.get(page(book[1])).text
    assert "+49 30 71" not in beyond
    assert DOTS in beyond


def test_reveals_count_and_end_at_the_limit(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    operations.restrict_property(actor=c.sam, object="contact", name="phone", highly_sensitive=True)
    limited(c, 2)
    client.force_login(c.rita)
    reveals = [client.post(f"{CONTACTS}{each.pk}/reveal/", {"field": "phone"}) for each in book]
    assert [answer.status_code for answer in reveals] == [200, 200, 302, 302, 302]
    assert "+49 30 70" in reveals[0].text
    assert seen(c.rita) == 2
    assert AuditEvent.objects.filter(action="contact.reveal").count() == 2
    after = client.get(reveals[2]["Location"])
    assert WHY in after.text


def test_panels_of_linked_records_count_where_the_link_is_sensitive(
    c: TinyCompany, client: Client
) -> None:
    operations.flag_property(actor=c.sam, object="contact", name="company", sensitive=True)
    company = c.companies["acme"]
    ContactFactory.create_batch(3, last_name="Linked", company=company, owner=c.rita)
    limited(c, 2)
    client.force_login(c.mona)
    address = f"/admin/records/company/{company.pk}/change/"
    assert client.get(address).text.count(" Linked</a>") == 2
    assert seen(c.mona) == 2
    beyond = client.get(address).text
    assert " Linked</a>" not in beyond
    assert DOTS in beyond
    listed = client.get(CONTACTS).text
    assert "Acme" not in listed
    assert client.get(f"{CONTACTS}?company={company.pk}").status_code == 302


# --- First rows of an export ----------------------------------------------------------------------


def preview(client: Client, **values: Any) -> str:
    chosen = {"which": "chosen", "columns": ["last_name", "phone"], "step": "show", **values}
    return client.post(DIALOG, chosen).text


def test_the_first_rows_of_an_export_count(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    Contact.objects.exclude(pk__in=[each.pk for each in book]).update(owner=c.rob)
    limited(c, 3)
    client.force_login(c.rita)
    ids = ",".join(str(each.pk) for each in book)
    first = client.post(
        f"{DIALOG}?ids={ids}", {"which": "chosen", "columns": ["phone"], "step": "show"}
    ).text
    assert phones(first) == 3
    assert first.count(DOTS) == 2
    assert WHY in first
    assert seen(c.rita) == 3
    assert phones(preview(client)) == 0


def test_fields_of_a_related_record_count_as_its_own_do(c: TinyCompany, client: Client) -> None:
    contact = ContactFactory(last_name="Beside", phone="+49 30 77", owner=c.rita)
    deal = DealFactory(owner=c.rita, stage=c.stages["open"], contact=contact)
    limited(c, 1)
    client.force_login(c.rita)
    address = f"/admin/exports/exportrequest/new/deal/?ids={deal.pk}"
    posted = {"which": "chosen", "columns": ["name", "contact.phone"], "step": "show"}
    assert phones(client.post(address, posted).text) == 1
    beyond = client.post(address, posted).text
    assert phones(beyond) == 0
    assert DOTS in beyond


def test_an_export_runs_whatever_its_requester_saw_on_screens(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    """The limit is about screens: a file has consent of its own."""
    limited(c, 1)
    client.force_login(c.rita)
    client.get(CONTACTS)
    export = completed(c.rita, model=Contact, columns=["id", "phone"])
    assert phones(path_of(export).read_text()) == 5


# --- What is not counted --------------------------------------------------------------------------


def test_names_owners_and_stages_are_not_counted(c: TinyCompany, client: Client) -> None:
    for name in ("name", "owner", "stage"):
        operations.flag_property(actor=c.sam, object="deal", name=name, sensitive=True)
    limited(c, 1)
    client.force_login(c.rita)
    listed = client.get("/admin/records/deal/").text
    assert "Rita&#x27;s" in listed
    assert DOTS not in listed
    assert seen(c.rita) == 0


def test_every_other_kind_of_value_is_counted_and_drawn_as_before(
    c: TinyCompany, client: Client
) -> None:
    """Numbers, dates, choices and relations look the same within the limit as without one."""
    flagged = {
        "deal": ("amount", "company", "closed"),
        "ticket": ("priority", "opened"),
        "company": ("revenue", "parent", "country"),
        "contact": ("lifecycle", "email"),
    }
    company = CompanyFactory(name="Parented", parent=c.companies["acme"], revenue="1234.50")
    DealFactory(
        owner=c.sam, stage=c.stages["open"], company=company, amount="98765.40", closed="2026-02-03"
    )
    client.force_login(c.sam)
    lists = [f"/admin/records/{kind}/" for kind in flagged]

    def cells(address: str) -> list[str]:
        text = client.get(address).text
        # Cells of days are kept on one line by a class, which an empty one needs not.
        found = re.findall(r"<t[dh][^>]*class=\"[^\"]*field-[^>]*>.*?</t[dh]>", text, re.S)
        # How long ago something was is another number a minute later; its moment stays.
        found = [re.sub(r"(<time [^>]*>)[^<]*", r"\1", cell) for cell in found]
        return [cell.replace(" nowrap", "") for cell in found]

    before = [cells(address) for address in lists]
    for object_key, names in flagged.items():
        for name in names:
            operations.flag_property(actor=c.sam, object=object_key, name=name, sensitive=True)
    limited(c, 10_000)
    assert [cells(address) for address in lists] == before
    assert seen(c.sam) > 0


# --- Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mona", "rita", "otto", "axel", "eve", "xena"])
def test_only_super_admins_read_or_set_the_limit(c: TinyCompany, client: Client, name: str) -> None:
    client.force_login(c.people[name])
    assert client.get(SETTINGS).status_code == 403
    assert client.post(SETTINGS, {"values_a_day": "9", "record_version": "1"}).status_code == 403
    assert SETTINGS not in client.get("/admin/").text
    with pytest.raises(NotAllowed):
        screen_limit.set_screen_limit(actor=c.people[name], values_a_day=9, version=1)
    assert screen_limit.current().values_a_day is None
    client.force_login(c.sam)
    assert SETTINGS in client.get("/admin/").text
    saved = client.post(SETTINGS, {"values_a_day": "9", "record_version": "1"})
    assert saved.status_code == 302
    assert screen_limit.current().values_a_day == 9
    assert ScreenLimit.objects.count() == 1
    event = AuditEvent.objects.get(action="screen_limit.change", result="done")
    assert (event.actor, event.data) == (c.sam, {"from": None, "to": 9})
    # The other super admin hears of it, and once more when it is lifted.
    client.post(SETTINGS, {"values_a_day": "", "record_version": "2"})
    assert [(user, "9 values" in text) for user, text in told("changed how many")] == [
        (c.sue.pk, True)
    ] * 2


def test_a_form_that_is_out_of_date_and_odd_numbers_change_nothing(
    c: TinyCompany, client: Client
) -> None:
    limited(c, 9)
    client.force_login(c.sue)
    late = client.post(SETTINGS, {"values_a_day": "5", "record_version": "1"})
    assert "Somebody changed this limit" in late.text
    for odd in ("0", "-1", "x", "9" * 31, "9" * 4400):
        answer = client.post(SETTINGS, {"values_a_day": odd, "record_version": "2"})
        assert (odd, answer.status_code) == (odd, 200)
        assert answer.context["form"].errors
    with pytest.raises(Stale):
        screen_limit.set_screen_limit(actor=c.sue, values_a_day=5, version=1)
    with pytest.raises(Invalid):
        screen_limit.set_screen_limit(actor=c.sue, values_a_day=0, version=2)
    assert screen_limit.current().values_a_day == 9
    assert client.get(f"{SETTINGS}1/change/").status_code == 302
    assert client.get(f"{SETTINGS}2/change/").status_code == 404
    assert client.get(f"{SETTINGS}add/").status_code == 403
    assert client.get(f"{SETTINGS}1/delete/").status_code == 403


def test_the_page_tells_who_saw_how_much_today(
    c: TinyCompany, client: Client, book: list[Contact]
) -> None:
    limited(c, 4)
    client.force_login(c.rita)
    client.get(CONTACTS)
    client.force_login(c.sam)
    text = client.get(SETTINGS).text
    assert str(c.rita) in text
    assert "4 of 4" in text
    assert "limit reached" in text


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_pages_opened_at_once_never_show_more_than_the_limit(
    c: TinyCompany, book: list[Contact]
) -> None:
    limited(c, 17)
    with processes(4) as readers:
        for reader in readers:
            reader.tell("phones", c.rita.pk, 3)
        shown = [reader.says() for reader in readers]
    # Twelve pages of five: seventeen values were shown in all, none of them uncounted.
    assert sum(shown) == 17
    assert seen(c.rita) == 17
    assert len(told()) == 2
    assert AuditEvent.objects.filter(action="screen_limit.reach").count() == 1
