"""Who took a record out, and who agreed: the log narrowed to what contained it (B11)."""

from __future__ import annotations

import pytest
from django.test import Client

from exports import worker
from exports.models import ExportRequest
from records.models import Deal
from tests.support.company import TinyCompany
from tests.support.exports_kit import approved, completed, pending

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
