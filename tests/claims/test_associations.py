"""Linking records from the other record's side, in a locked stage too (R109 b, Q45)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from accounts.access import allows
from accounts.audit import System
from accounts.models import AuditEvent
from records import operations
from records.history import without_hidden_fields
from records.models import Company, Contact, Deal, Property, Record
from records.operations import Invalid, NotAllowed, NotFound, Stale
from records.operations.associations import associate, dissociate
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory, TicketFactory


def link(c: TinyCompany, deal: str, contact: str) -> None:
    Deal._base_manager.filter(pk=c.deals[deal].pk).update(contact=c.contacts[contact])


def test_locked_deal_is_linked_and_unlinked_from_the_contacts_side(c: TinyCompany) -> None:
    vault, cora = c.deals["vault"], c.contacts["cora"]
    with pytest.raises(NotAllowed, match="locked stage “Vault”"):
        operations.change(vault, actor=c.rita, values={"contact": cora}, version=1)
    saved = associate(vault, field="contact", related=cora, actor=c.rita)
    assert (saved.contact, saved.version, saved.updated_by) == (cora, 2, c.rita)
    with pytest.raises(NotAllowed):  # and nothing else of it
        operations.change(vault, actor=c.rita, values={"contact": None}, version=2)
    saved = dissociate(vault, field="contact", related=cora, actor=c.rita)
    assert (saved.contact, saved.version) == (None, 3)
    events = AuditEvent.objects.filter(object="deal", object_id=str(vault.pk)).order_by("id")
    related = {"object": "contact", "id": cora.pk}
    assert [(e.action, e.actor, e.data) for e in events] == [
        ("deal.change", c.rita, {"code": "stage"}),  # refused
        ("deal.associate", c.rita, {"field": "contact", "related": related}),
        ("deal.change", c.rita, {"code": "stage"}),
        ("deal.dissociate", c.rita, {"field": "contact", "related": related}),
    ]
    # Found from the other side, and by nobody else's key.
    assert AuditEvent.objects.filter(data__related=related).count() == 2
    assert not AuditEvent.objects.filter(data__related={**related, "object": "company"}).exists()


@pytest.mark.parametrize(
    ("who", "deal", "contact", "expected"),
    [
        ("rita", "vault", "cora", None),
        ("rita", "ritas", "cora", None),
        ("mona", "vault", "cora", None),  # both are her team's
        ("eve", "vault", "carl", None),
        ("sam", "vault", "carl", None),
        ("rita", "vault", "carl", NotAllowed),  # she may not edit the contact
        ("rita", "noras", "cora", NotAllowed),  # nor this deal, whatever its stage
        ("nora", "chosen_n", "cora", NotAllowed),
        ("rita", "robs", "cora", NotFound),
        ("rita", "deleted", "cora", NotFound),
        ("ruth", "vault", "cora", NotFound),  # she sees no contact
        ("axel", "vault", "cora", NotFound),
        ("fred", "vault", "cora", NotFound),  # deactivated
    ],
)
def test_both_sides_are_asked(
    c: TinyCompany, who: str, deal: str, contact: str, expected: type[Exception] | None
) -> None:
    pair: dict[str, Any] = {"field": "contact", "related": c.contacts[contact]}
    record, actor = c.deals[deal], c.people[who]
    if expected is None:
        associate(record, **pair, actor=actor)
        dissociate(record, **pair, actor=actor)
        return
    for operation in (associate, dissociate):
        # To be added where there is no link, and ended where there is one.
        linked = None if operation is associate else c.contacts[contact]
        Deal._base_manager.filter(pk=record.pk).update(contact=linked)
        before = Deal._base_manager.get(pk=record.pk).version
        with pytest.raises(expected):
            operation(record, **pair, actor=actor)
        assert Deal._base_manager.get(pk=record.pk).version == before


def test_hidden_deleted_and_absent_are_refused_in_the_same_words(c: TinyCompany) -> None:
    said = set()
    for deal in (c.deals["robs"], c.deals["deleted"], Deal(pk=10**9)):
        with pytest.raises(NotFound) as refused:
            associate(deal, field="contact", related=c.contacts["cora"], actor=c.rita)
        said.add(str(refused.value))
    for company in (c.companies["bolt"], Company(pk=10**9)):
        with pytest.raises(NotFound) as refused:
            associate(c.deals["vault"], field="company", related=company, actor=c.rita)
        said.add(str(refused.value))
    assert len(said) == 1


@pytest.mark.parametrize("access", ["everyone_view", "super_admins"])
def test_field_that_is_hidden_or_only_read_is_refused_like_one_that_does_not_exist(
    c: TinyCompany, access: str
) -> None:
    vault, cora = c.deals["vault"], c.contacts["cora"]
    operations.restrict_property(actor=c.sam, object="deal", name="contact", access=access)
    said = set()
    for operation in (associate, dissociate):
        for field in ("contact", "nonsense", "owner", "company", "stage"):
            with pytest.raises(Invalid) as refused:
                operation(vault, field=field, related=cora, actor=c.rita)
            said.add(str(refused.value).replace(field, "…"))
    assert len(said) == 1
    associate(vault, field="contact", related=cora, actor=c.sam)


def test_log_keeps_from_its_reader_what_a_hidden_link_leads_to(c: TinyCompany) -> None:
    associate(c.deals["vault"], field="contact", related=c.contacts["cora"], actor=c.rita)
    event = AuditEvent.objects.get(action="deal.associate")
    assert without_hidden_fields(c.fresh("otto"), event, event.data) == event.data
    operations.restrict_property(
        actor=c.sam, object="deal", name="contact", access=Property.Access.SUPER_ADMINS
    )
    shown = without_hidden_fields(c.fresh("otto"), event, event.data)
    assert shown == {"field": "restricted field"}
    assert without_hidden_fields(c.fresh("sam"), event, event.data) == event.data


def test_a_link_that_is_taken_stays_and_one_that_is_no_more_is_not_ended_twice(
    c: TinyCompany,
) -> None:
    vault, cora, carl = c.deals["vault"], c.contacts["cora"], c.contacts["carl"]
    associate(vault, field="contact", related=cora, actor=c.eve)
    before = AuditEvent.objects.count()
    assert associate(vault, field="contact", related=cora, actor=c.eve).version == 2  # as it is
    with pytest.raises(Invalid, match="has another contact already"):
        associate(vault, field="contact", related=carl, actor=c.eve)
    with pytest.raises(Stale, match="is not linked with"):
        dissociate(vault, field="contact", related=carl, actor=c.eve)
    assert (AuditEvent.objects.count(), Deal.objects.get(pk=vault.pk).contact) == (before, cora)
    dissociate(vault, field="contact", related=cora, actor=c.eve)
    with pytest.raises(Stale):
        dissociate(vault, field="contact", related=cora, actor=c.eve)


def test_system_actor_links_and_says_why(c: TinyCompany) -> None:
    job = System("nightly")
    pair: dict[str, Any] = {"field": "contact", "related": c.contacts["carl"]}
    associate(c.deals["vault"], **pair, actor=job, reason="as in the source")
    dissociate(c.deals["vault"], **pair, actor=job)
    reasons = AuditEvent.objects.filter(system="nightly").order_by("id")
    assert [event.data["reason"] for event in reasons] == ["as in the source", "nightly"]


@pytest.mark.parametrize("kind", [Contact, Company])
def test_tickets_and_contacts_are_linked_by_the_same_operation(
    c: TinyCompany, kind: type[Record]
) -> None:
    ticket = TicketFactory(owner=c.eve)
    pairs: list[tuple[Record, str, Record]] = [
        (ticket, "contact", c.contacts["cora"]),
        (ticket, "company", c.companies["acme"]),
        (c.contacts["cora"], "company", c.companies["acme"]),
        (c.companies["bolt"], "parent", c.companies["acme"]),
    ]
    for record, field, related in pairs:
        if isinstance(related, kind):
            assert getattr(associate(record, field=field, related=related, actor=c.eve), field)
    with pytest.raises(Invalid):  # nothing is its own parent
        acme = c.companies["acme"]
        associate(acme, field="parent", related=acme, actor=c.eve)


# --- Screens --------------------------------------------------------------------------------------


def page(record: Record, step: str = "change") -> str:
    return f"/admin/records/{record._meta.model_name}/{record.pk}/{step}/"


def posted(record: Record, relation: str = "deals") -> dict[str, object]:
    return {"relation": relation, "record": record.pk}


def panel(text: str, relation: str = "deals") -> str:
    found = re.search(rf'<section class="panel"[^>]* id="{relation}">.*?</section>', text, re.S)
    return found.group() if found else ""


def test_page_lists_what_is_in_reach_and_offers_what_may_be_done(
    c: TinyCompany, client: Client
) -> None:
    cora = c.contacts["cora"]
    for deal in ("vault", "noras", "robs", "deleted"):
        link(c, deal, "cora")
    client.force_login(c.rita)
    shown = panel(client.get(page(cora)).text)
    assert "Vault" in shown and "Nora&#x27;s" in shown
    assert "Rob" not in shown and "Deleted" not in shown
    removes = re.findall(r'name="record" value="(\d+)"', shown)
    assert removes == [str(c.deals["vault"].pk)]
    assert "Add a deal" in shown
    assert not panel(client.get(page(cora)).text, "tickets")  # she sees none of them at all
    client.force_login(c.eve)
    assert "No tickets you can see." in panel(client.get(page(cora)).text, "tickets")
    # Who may not edit the contact reads the list, and has no button.
    client.force_login(c.nora)
    shown = panel(client.get(page(cora)).text)
    assert "Vault" in shown and "<form" not in shown


def test_adding_and_removing_a_locked_deal_over_http(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    cora, vault = c.contacts["cora"], c.deals["vault"]
    assert client.post(page(vault), {"contact": cora.pk}).status_code == 403  # its own page
    answer = client.post(page(cora, "associate"), posted(vault), follow=True)
    assert answer.redirect_chain == [(page(cora), 302)]
    assert "“Vault” is linked with “Cora Cable” now." in answer.text
    assert Deal.objects.get(pk=vault.pk).contact == cora
    answer = client.post(page(cora, "dissociate"), posted(vault), follow=True)
    assert "“Vault” is not linked with “Cora Cable” any more." in answer.text
    assert Deal.objects.get(pk=vault.pk).contact is None
    again = client.post(page(cora, "dissociate"), posted(vault), follow=True)
    assert "Nothing was changed." in again.text


def test_what_may_not_be_linked_is_refused_with_reasons_and_logged(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    answer = client.post(page(c.contacts["cora"], "associate"), posted(c.deals["noras"]))
    assert answer.status_code == 403
    assert "Your permission set lets you change only deals that you own." in answer.text
    event = AuditEvent.objects.get(result="refused")
    assert (event.action, event.object_id) == ("deal.associate", str(c.deals["noras"].pk))
    answer = client.post(page(c.contacts["carl"], "associate"), posted(c.deals["vault"]))
    assert answer.status_code == 403
    assert AuditEvent.objects.filter(result="refused", action="contact.change").count() == 1
    assert Deal.objects.get(pk=c.deals["vault"].pk).contact is None


def test_hidden_and_absent_are_answered_alike(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    cora = c.contacts["cora"]
    texts = set()
    for deal in (c.deals["robs"], Deal(pk=10**9), Deal(pk=10**30)):
        answer = client.post(page(cora, "associate"), posted(deal), follow=True)
        texts.add(re.search(r"There is no such record in your reach[^<]*", answer.text).group())  # type: ignore[union-attr]  # or it fails
    assert len(texts) == 1
    for record in (c.companies["bolt"], Company(pk=10**9)):
        answer = client.post(page(record, "associate"), posted(c.deals["vault"]))
        assert answer.status_code == 404


@pytest.mark.parametrize("record", ["", "x", "-1"])
def test_a_request_that_no_page_makes_changes_nothing(
    c: TinyCompany, client: Client, record: str
) -> None:
    client.force_login(c.rita)
    address = page(c.contacts["cora"], "associate")
    assert client.get(address).status_code == 405
    for relation in ("", "contacts", "owner", "nonsense"):
        assert client.post(address, posted(c.deals["vault"], relation)).status_code == 404
    answer = client.post(address, {"relation": "deals", "record": record}, follow=True)
    assert answer.status_code == 200
    assert "Choose a record first" in answer.text or "no such record" in answer.text
    assert not Deal.objects.exclude(contact=None).exists()


@pytest.mark.parametrize("access", ["everyone_view", "super_admins"])
def test_restricted_link_has_no_button_and_a_hidden_one_no_panel(
    c: TinyCompany, client: Client, access: str
) -> None:
    link(c, "vault", "cora")
    operations.restrict_property(actor=c.sam, object="deal", name="contact", access=access)
    client.force_login(c.rita)
    cora = c.contacts["cora"]
    shown = panel(client.get(page(cora)).text)
    assert ("Vault" in shown, "<form" in shown) == (access == "everyone_view", False)
    answer = client.post(page(cora, "dissociate"), posted(c.deals["vault"]), follow=True)
    assert answer.status_code == (200 if access == "everyone_view" else 404)
    assert Deal.objects.get(pk=c.deals["vault"].pk).contact == cora
    assert client.get(PICKER).status_code == 403
    client.force_login(c.sam)
    assert "Vault" in panel(client.get(page(cora)).text)


PICKER = "/admin/autocomplete/choose/?app_label=records&model_name=contact&field_name=deals&term="


def test_picker_offers_what_is_not_linked_and_may_be(c: TinyCompany, client: Client) -> None:
    link(c, "ritas", "carl")
    client.force_login(c.rita)
    found = {int(row["id"]) for row in client.get(PICKER).json()["results"]}
    expected = {
        deal.pk
        for deal in Deal._base_manager.filter(contact=None)
        if allows(c.rita, "associate", deal)
    }
    assert found == expected
    assert c.deals["vault"].pk in found
    assert client.get(f"{PICKER}Vau").json()["results"] == [
        {"id": str(c.deals["vault"].pk), "text": "Vault"}
    ]
    client.force_login(c.ruth)  # may edit no contact
    assert client.get(PICKER).status_code == 403


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("company", "subsidiaries"),  # not offered there
        ("contact", "contactusershare"),
        ("deal", "dealusershare"),
        ("contact", "nonsense"),
    ],
)
def test_no_other_relation_is_searched_from_its_other_side(
    c: TinyCompany, client: Client, model: str, field: str
) -> None:
    client.force_login(c.sam)
    address = (
        f"/admin/autocomplete/choose/?app_label=records&model_name={model}&field_name={field}&term="
    )
    assert client.get(address).status_code == 403


def test_people_are_no_way_to_search_what_they_own(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    owned = "app_label=accounts&model_name=user&field_name=owned_deals&term="
    assert client.get(f"/admin/autocomplete/choose/?{owned}").status_code == 403


def test_more_than_ten_are_ten_and_a_way_to_all(c: TinyCompany, client: Client) -> None:
    cora = c.contacts["cora"]
    for _ in range(12):
        DealFactory(owner=c.rita, stage=c.stages["open"], contact=cora)
    client.force_login(c.rita)
    shown = panel(client.get(page(cora)).text)
    assert len(re.findall(r'href="/admin/records/deal/\d+/change/"', shown)) == 10
    address = re.search(r'href="(/admin/records/deal/\?contact=\d+)"', shown)
    assert address is not None
    listed = client.get(address.group(1))
    assert len(listed.context["cl"].result_list) == 12
    # A contact that nobody shows them cannot be asked for.
    client.force_login(c.ruth)
    assert client.get(address.group(1)).status_code == 400
