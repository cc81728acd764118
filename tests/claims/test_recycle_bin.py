"""The recycle bin: what was deleted can be restored, and what was linked with it moves on (E10)."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.audit import System
from accounts.models import AuditEvent
from records import operations
from records.models import Company, Contact, Deal, Property
from records.operations.associations import associate, dissociate
from records.operations.recycling import in_bin, restore
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, ContactFactory, DealFactory

pytestmark = pytest.mark.django_db
BIN = reverse("admin:records_company_bin")
RESTORE = reverse("admin:records_company_restore")


def _client(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def _page(contact: Contact) -> str:
    return reverse("admin:records_contact_change", args=[contact.pk])


def _values(contact: Contact, **values: object) -> dict[str, object]:
    unchanged = {
        "last_name": contact.last_name,
        "first_name": contact.first_name,
        "lifecycle": contact.lifecycle,
        "company": contact.company_id or "",
        "owner": contact.owner_id or "",
        "record_version": contact.version,
    }
    return {**unchanged, "_save": "Save", **values}


def test_what_is_deleted_is_restored_as_it_was(c: TinyCompany) -> None:
    acme = c.companies["acme"]
    operations.delete(acme, actor=c.sam)
    assert not Company.objects.permitted(c.rita, "view").filter(pk=acme.pk).exists()
    again = restore(acme, actor=c.eve)
    assert (again.name, again.deleted_at, again.deleted_by, again.version) == (
        "Acme",
        None,
        None,
        3,
    )
    assert Company.objects.permitted(c.rita, "view").filter(pk=acme.pk).exists()
    assert AuditEvent.objects.filter(action="company.restore", object_id=acme.pk).count() == 1


@pytest.mark.parametrize(
    ("who", "whose", "may"),
    [
        ("eve", "ritas", True),
        ("sam", "ritas", True),
        ("mona", "monas", True),  # deletes own ones
        ("mona", "ritas", False),  # sees them, and deletes own ones only
        ("rita", "ritas", False),  # deletes none
        ("fred", "ritas", False),  # deactivated
    ],
)
def test_whoever_could_delete_it_may_restore_it(
    c: TinyCompany, who: str, whose: str, may: bool
) -> None:
    deal = c.deals[whose]
    operations.delete(deal, actor=c.sam)
    assert in_bin(Deal, c.people[who]).filter(pk=deal.pk).exists() is may
    if may:
        assert restore(deal, actor=c.people[who]).deleted_at is None
    else:
        with pytest.raises((operations.NotAllowed, operations.NotFound)):
            restore(deal, actor=c.people[who])
        assert Deal.objects.get(pk=deal.pk).deleted_at is not None


def test_what_is_not_in_the_bin_cannot_be_restored(c: TinyCompany) -> None:
    with pytest.raises(operations.NotFound):
        restore(c.deals["ritas"], actor=c.sam)
    with pytest.raises(operations.NotFound):
        restore(c.deals["ritas"], actor=System("test"))
    operations.delete(c.deals["ritas"], actor=c.sam)
    restore(c.deals["ritas"], actor=c.sam)
    with pytest.raises(operations.NotFound, match="restored already"):
        restore(c.deals["ritas"], actor=c.sue)


def test_after_ninety_days_it_is_not_offered_any_more(c: TinyCompany) -> None:
    acme = c.companies["acme"]
    operations.delete(acme, actor=c.sam)
    Company.objects.filter(pk=acme.pk).update(deleted_at=Now() - timedelta(days=89, hours=23))
    assert in_bin(Company, c.sam).filter(pk=acme.pk).exists()
    Company.objects.filter(pk=acme.pk).update(deleted_at=Now() - timedelta(days=90, minutes=1))
    assert not in_bin(Company, c.sam).filter(pk=acme.pk).exists()
    with pytest.raises(operations.NotAllowed, match="not in the recycle bin"):
        restore(acme, actor=c.sam)


def test_the_bin_is_read_in_the_order_of_its_index(c: TinyCompany) -> None:
    for user in (c.sam, c.people["eve"]):
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_sort = off")
            plan = in_bin(Company, user)[:50].explain()
        assert "company_bin" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_a_locked_stage_binds_what_comes_back_into_it(c: TinyCompany) -> None:
    operations.delete(c.deals["vault"], actor=c.sam)
    assert not in_bin(Deal, c.eve).filter(pk=c.deals["vault"].pk).exists()
    with pytest.raises(operations.NotAllowed, match="locked stage"):
        restore(c.deals["vault"], actor=c.eve)
    assert restore(c.deals["vault"], actor=c.sam).stage_id == c.stages["vault"].pk


def test_the_page_lists_what_one_may_restore_and_restores_it(c: TinyCompany) -> None:
    for name in ("acme", "bolt"):
        operations.delete(c.companies[name], actor=c.sam)
    client = _client(c, "eve")
    assert BIN in client.get(reverse("admin:records_company_changelist")).text
    page = client.get(BIN).text
    assert "Acme" in page and "Bolt" in page and "Freely" not in page
    assert "Acme" not in client.get(BIN, {"q": "bolt"}).text
    answer = client.post(RESTORE, {"record": c.companies["acme"].pk}, follow=True)
    assert "“Acme” is restored." in answer.text
    assert "Acme" not in client.get(BIN).text
    # A second tab.
    assert client.post(RESTORE, {"record": c.companies["acme"].pk}).status_code == 404


def test_whoever_deletes_is_told_where_it_is_and_stays_in_the_list(
    c: TinyCompany, client: Client
) -> None:
    deal = DealFactory(name="Tom & <Jerry>", owner=c.eve, stage=c.stages["open"])
    client.force_login(c.eve)
    kept = "_changelist_filters=q%3DTom"
    address = f"/admin/records/deal/{deal.pk}/delete/?{kept}"
    done = client.post(address, {"post": "yes"}, follow=True)
    assert done.redirect_chain == [("/admin/records/deal/?q=Tom", 302)]
    assert "“Tom &amp; &lt;Jerry&gt;” is in the recycle bin, where it can be restored" in done.text
    assert '<a class="text-link" href="/admin/records/deal/bin/">Recycle bin</a>' in done.text


def test_the_bin_is_closed_to_who_deletes_nothing_of_the_kind(c: TinyCompany) -> None:
    operations.delete(c.companies["acme"], actor=c.sam)
    client = _client(c, "rita")
    assert BIN not in client.get(reverse("admin:records_company_changelist")).text
    assert client.get(BIN).status_code == 403
    hidden = client.post(RESTORE, {"record": c.companies["acme"].pk})
    absent = client.post(RESTORE, {"record": 9_999_999})
    assert hidden.status_code == absent.status_code == 404
    assert Company.objects.get(pk=c.companies["acme"].pk).deleted_at is not None


@pytest.mark.parametrize("key", ["", "x", "-1", "9" * 5000, "1,234", "²", "\x00"])
def test_what_is_no_key_is_absent(c: TinyCompany, key: str) -> None:
    assert _client(c, "sam").post(RESTORE, {"record": key}).status_code == 404


@pytest.mark.parametrize("query", [{"x": "1"}, {"q": "a\x00b"}])
def test_the_bin_has_no_other_filter(c: TinyCompany, query: dict[str, str]) -> None:
    assert _client(c, "sam").get(BIN, query).status_code == 400
    assert _client(c, "sam").get(BIN, {"p": "999"}).status_code == 200


def test_a_link_into_the_bin_can_lead_elsewhere_or_stay(c: TinyCompany) -> None:
    old, heir = CompanyFactory(name="Old Ltd"), c.companies["acme"]
    contact = ContactFactory(last_name="Orphan", company=old, owner=c.people["mona"])
    operations.delete(old, actor=c.sam)
    client = _client(c, "mona")
    page = client.get(_page(contact)).text
    assert "Old Ltd (in the recycle bin)" in page
    assert "restricted record" not in page
    client.post(_page(contact), _values(contact, first_name="Ada"))
    contact.refresh_from_db()
    assert (contact.first_name, contact.company_id) == ("Ada", old.pk)
    client.post(_page(contact), _values(contact, company=heir.pk))
    contact.refresh_from_db()
    assert contact.company_id == heir.pk
    # What lies in the bin is not offered to whom it is not linked with.
    client.post(_page(contact), _values(contact, company=old.pk))
    contact.refresh_from_db()
    assert contact.company_id == heir.pk


def test_a_link_into_the_bin_can_be_emptied(c: TinyCompany) -> None:
    old = CompanyFactory(name="Old Ltd")
    contact = ContactFactory(last_name="Orphan", company=old)
    operations.delete(old, actor=c.sam)
    _client(c, "sam").post(_page(contact), _values(contact, company=""))
    contact.refresh_from_db()
    assert contact.company_id is None


def test_a_deleted_record_out_of_reach_stays_restricted(c: TinyCompany) -> None:
    """Rita sees her own companies alone: that this one was deleted is not hers to learn."""
    bolt = c.companies["bolt"]
    contact = ContactFactory(last_name="Orphan", company=bolt, owner=c.people["rita"])
    page = _client(c, "rita").get(_page(contact)).text
    operations.delete(bolt, actor=c.sam)
    later = _client(c, "rita").get(_page(contact)).text
    assert "restricted record" in page and "restricted record" in later
    assert "recycle bin" not in later and "Bolt" not in later


def test_from_the_other_side_a_link_into_the_bin_is_replaced_and_told(c: TinyCompany) -> None:
    old, heir = CompanyFactory(name="Old Ltd"), c.companies["acme"]
    deal = DealFactory(name="Orphan", company=old, stage=c.stages["open"], owner=c.people["mona"])
    with pytest.raises(operations.Invalid, match="another company already"):
        associate(deal, field="company", related=heir, actor=c.fresh("mona"))
    operations.delete(old, actor=c.sam)
    client = _client(c, "mona")
    picker = {"app_label": "records", "model_name": "company", "field_name": "deals"}
    offered = client.get("/admin/autocomplete/choose/", {**picker, "term": "Orphan"}).json()
    assert [each["text"] for each in offered["results"]] == ["Orphan"]
    answer = client.post(
        reverse("admin:records_company_associate", args=[heir.pk]),
        {"relation": "deals", "record": deal.pk},
        follow=True,
    )
    assert "Until now it was linked with “Old Ltd”, which is in the recycle bin." in answer.text
    deal.refresh_from_db()
    assert deal.company_id == heir.pk
    event = AuditEvent.objects.filter(action="deal.associate", object_id=deal.pk).get()
    assert event.data["instead_of"] == old.pk
    dissociate(deal, field="company", related=heir, actor=c.fresh("mona"))


def test_from_the_other_side_a_hidden_deleted_link_is_no_different(c: TinyCompany) -> None:
    """Hidden and deleted: what Rita is told does not depend on the second."""
    Property.objects.filter(object="deal").delete()
    bolt, acme = c.companies["bolt"], c.companies["acme"]
    deal = DealFactory(name="Orphan", company=bolt, stage=c.stages["open"], owner=c.people["rita"])
    scope = c.rita.permission_set.scopes.get(object="company")  # type: ignore[union-attr]
    scope.change = scope.view
    scope.save()
    told = []
    for deleted in (False, True):
        if deleted:
            operations.delete(bolt, actor=c.sam)
        with pytest.raises(operations.Invalid) as refused:
            associate(deal, field="company", related=acme, actor=c.fresh("rita"))
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_before_deleting_the_page_lists_what_is_linked_and_in_reach(c: TinyCompany) -> None:
    acme = c.companies["acme"]
    DealFactory(name="Big one", company=acme, stage=c.stages["open"])
    address = reverse("admin:records_company_delete", args=[acme.pk])
    assert "Big one" in _client(c, "eve").get(address).text
    scope = c.eve.permission_set.scopes.get(object="deal")  # type: ignore[union-attr]
    for name in ("view", "change", "delete", "communicate", "merge"):
        setattr(scope, name, 1)
    scope.save()
    page = _client(c, "eve").get(address).text
    assert "Delete “Acme”?" in page and "Big one" not in page


def test_lists_and_bin_ask_as_many_questions_for_three_as_for_six(c: TinyCompany) -> None:
    client = _client(c, "eve")
    counts = []
    for _ in range(2):
        for number in range(3):
            company = CompanyFactory(name=f"Gone {number}")
            ContactFactory(company=company)
            operations.delete(company, actor=c.sam)
        pair = []
        for address in (BIN, reverse("admin:records_contact_changelist")):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200
            pair.append(len(queries))
        counts.append(pair)
    assert counts[0] == counts[1]
