"""Who took a record out, and who agreed: the log narrowed to what contained it (B11)."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from exports import worker
from exports.models import ExportRelated, ExportRequest
from records import operations
from records.models import Company, Contact, Deal
from tests.support.company import TinyCompany
from tests.support.exports_kit import approved, completed, pending
from tests.support.factories import CompanyFactory

pytestmark = pytest.mark.django_db

LOG = "/admin/exports/exportrequest/"


def listed(client: Client, query: str) -> set[str]:
    """Return the exports that the log lists, as they are called there."""
    text = client.get(f"{LOG}?{query}").text
    return {str(each) for each in ExportRequest.objects.all() if f"log-name-{each.pk}" in text}


def test_auditor_finds_who_took_a_record_out_and_who_agreed(c: TinyCompany, client: Client) -> None:
    deal, contact = c.deals["ritas"], c.contacts["cora"]
    Deal.objects.filter(pk=deal.pk).update(contact=contact)
    ritas = approved(c.rita, c.axel, columns=["id", "contact"])
    worker.run_once()
    robs = completed(c.rob)  # who does not see it
    waits = pending(c.rita, c.axel)

    client.force_login(c.otto)
    assert listed(client, "") == {str(each) for each in (ritas, robs, waits)}
    assert listed(client, f"held_kind=deal&held={deal.pk}") == {str(ritas)}
    assert listed(client, f"held_kind=deal&held={c.deals['robs'].pk}") == {str(robs)}
    # A name beside others is of that record too.
    assert listed(client, f"held_kind=contact&held={contact.pk}") == {str(ritas)}
    row = client.get(f"{LOG}?held_kind=deal&held={deal.pk}").text
    assert f"Approved by {c.axel.get_full_name()}" in row
    assert deal.name not in row
    # Of none that there ever was, and of another kind: the same empty list.
    for query in ("held_kind=deal&held=999999", f"held_kind=ticket&held={deal.pk}"):
        assert listed(client, query) == set()


def test_half_a_question_says_what_is_missing(c: TinyCompany, client: Client) -> None:
    client.force_login(c.otto)
    for query, said in (
        ("held_kind=deal", "Write the number of the record too."),
        ("held=5", "Choose of which kind the record is."),
        ("held_kind=deal&held=five", "Write a record’s number, such as 123."),
        (f"held_kind=deal&held={'9' * 30}", "Write a record’s number, such as 123."),
    ):
        answer = client.get(f"{LOG}?{query}")
        assert (answer.status_code, said in answer.text) == (200, True)
        assert listed(client, query) == set()
    assert client.get(f"{LOG}?held_kind=nonsense&held=5").status_code == 400


def test_who_sees_a_part_of_the_log_asks_for_no_record(c: TinyCompany, client: Client) -> None:
    """To an approver the answer would tell which records there are."""
    for person in (c.axel, c.rita):
        client.force_login(person)
        asked = client.get(f"{LOG}?held_kind=deal&held=1")
        unknown = client.get(f"{LOG}?nonsense=deal&held_nothing=1")
        assert (asked.status_code, asked.content) == (400, unknown.content)
        assert 'name="held"' not in client.get(LOG).text


def test_a_records_page_leads_to_the_whole_answer(c: TinyCompany, client: Client) -> None:
    export = completed(c.rita)
    key = c.deals["ritas"].pk
    link = f"{LOG}?held_kind=deal&amp;held={key}"
    for person, leads in ((c.sam, True), (c.rita, False)):
        client.force_login(person)
        text = client.get(f"/admin/records/deal/{key}/change/").text
        assert (f"review={export.pk}" in text, link in text) == (True, leads)


def test_two_worlds_that_differ_in_a_hidden_link_answer_alike(
    c: TinyCompany, client: Client
) -> None:
    """Which company's name stood beside a contact is the value of a field that may be hidden."""
    contact, acme, other = c.contacts["cora"], c.companies["acme"], CompanyFactory(owner=c.rita)
    Contact.objects.filter(pk=contact.pk).update(company=acme)
    export = completed(c.sam, model=Contact, ids=[contact.pk], columns=["id", "company"])
    deal = c.deals["ritas"]
    Deal.objects.filter(pk=deal.pk).update(company=acme)
    deals = completed(c.sam, ids=[deal.pk], columns=["id", "company"])
    asked = f"held_kind=company&held={acme.pk}"

    def world(company: Company) -> str:
        Contact.objects.filter(pk=contact.pk).update(company=company)
        beside = ExportRelated.objects.filter(export=export)
        assert beside.delete()[0] == 1
        beside.create(export=export, object="company", record_id=company.pk)
        page = client.get(f"{LOG}?{asked}").text
        return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"', "", page)

    client.force_login(c.otto)
    # Negative control: the field is not hidden, and he is told.
    assert world(other) != world(acme)
    assert listed(client, asked) == {str(export), str(deals)}
    operations.restrict_property(
        actor=c.sam, object="contact", name="company", access="super_admins"
    )
    assert world(other) == world(acme)
    # By another link, which is not hidden, he is told all the same, and so is who may read it.
    assert listed(client, asked) == {str(deals)}
    assert listed(client, f"held_kind=contact&held={contact.pk}") == {str(export)}
    client.force_login(c.sam)
    assert listed(client, asked) == {str(export), str(deals)}
