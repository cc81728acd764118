"""Asking for an export: the dialog, its profiles, one request per page, and what is frozen."""

import hashlib
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.db import IntegrityError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, AuditText, Notice, ToolGrant, User
from exports import operations, tables, worker
from exports.models import ExportProfile, ExportRecord, ExportRequest
from exports.operations import InvalidRequest, NotAllowed
from exports.screens.why_needed import REASONS
from exports.writers import manifest
from records.models import Company, Contact, Deal, Property, Record, Ticket
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    completed,
    events,
    files,
    frozen_ids,
    set_policy,
    table_of,
)
from tests.support.exports_process import racers
from tests.support.factories import ContactFactory, DealFactory

LOG = "/admin/exports/exportrequest/"
NEW = f"{LOG}new/"


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def token_in(text: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f-]{36})"', text)
    assert found is not None
    return found[1]


def ticked(text: str) -> list[str]:
    """Return the names of the columns that are ticked on the first page."""
    boxes = re.findall(r'<input type="checkbox" name="columns" value="([^"]+)"[^>]*checked', text)
    return list(boxes)


def sample_of(text: str) -> list[list[str]]:
    """Return the preview's rows as the page shows them, the headings first."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, flags=re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in rows]


def names_of(export: ExportRequest) -> list[str]:
    return [column["name"] for column in export.columns]


# --- Associated columns (E36, Q5, Q31) ------------------------------------------------------------


@pytest.mark.parametrize("model", [Contact, Company, Deal, Ticket])
def test_associated_columns_are_fields_of_related_records_and_no_relations(
    model: type[Record],
) -> None:
    beside = tables.associated(model)
    names = [column.name for column in tables.all_columns(model)]
    assert len(set(names)) == len(names)
    labels = [column.label for column in tables.all_columns(model)]
    assert len(set(labels)) == len(labels)
    for column in beside:
        assert column.of is not None
        relation: Any = model._meta.get_field(column.relation)
        assert relation.related_model is column.of
        assert not column.of._meta.get_field(column.path).is_relation
        assert column.name == f"{column.relation}.{column.path}"
        assert column.field == column.relation
    assert {(column.relation, column.of) for column in beside} == {
        Deal: {("company", Company), ("contact", Contact)},
        Ticket: {("company", Company), ("contact", Contact)},
        Contact: {("company", Company)},
        Company: {("parent", Company)},
    }[model]


def test_all_columns_are_the_records_own_and_associated_ones_are_asked_for(c: TinyCompany) -> None:
    set_policy(on=False)
    assert names_of(ask(c.rita)) == [column.name for column in tables.table(Deal)]
    wanted = ["company.domain", "id", "contact.email"]
    assert names_of(ask(c.rita, columns=wanted)) == wanted


def test_associated_sensitive_column_needs_consent_whatever_the_count(c: TinyCompany) -> None:
    set_policy(threshold=1000)
    plain = ask(c.rita, columns=["id", "contact.email"])
    assert (plain.status, plain.sensitive_fields) == ("approved", [])
    phone = ask(c.rita, columns=["id", "contact.phone"], approvers=[c.sue])
    assert (phone.status, phone.because) == ("pending", "sensitive")
    assert phone.sensitive_fields == ["contact.phone"]
    assert [column["sensitive"] for column in phone.columns] == [False, True]
    # The way there counts as well: it names whose record it is.
    Property.objects.create(object="deal", name="contact", sensitive=True)
    way = ask(c.rita, columns=["id", "contact.email"], approvers=[c.sue])
    assert (way.status, way.sensitive_fields) == ("pending", ["contact"])


def test_associated_column_that_became_sensitive_needs_a_new_decision(c: TinyCompany) -> None:
    set_policy(threshold=1000)
    free = ask(c.rita, columns=["id", "company.revenue"])
    other = ask(c.rita, columns=["id", "company.name"])
    consented = approved(c.rita, c.axel, columns=["id", "company.revenue"])
    Property.objects.create(object="company", name="revenue", sensitive=True)
    set_policy(threshold=1000)
    worker.run_once()
    for export, state in ((free, "pending"), (consented, "pending"), (other, "completed")):
        export.refresh_from_db()
        assert export.status == state
    assert free.sensitive_fields == consented.sensitive_fields == ["company.revenue"]
    operations.approve(consented, actor=c.sue, version=consented.version)
    worker.run_once()
    consented.refresh_from_db()
    assert consented.status == "completed"


def hide_revenue() -> None:
    Property.objects.create(object="company", name="revenue", access="super_admins")


def hide_company() -> None:
    Property.objects.create(object="deal", name="company", access="super_admins")


@pytest.mark.parametrize("hide", [hide_revenue, hide_company])
def test_hidden_associated_column_answers_like_an_absent_one(
    c: TinyCompany, hide: Callable[[], None]
) -> None:
    set_policy(on=False)
    columns = ["id", "company.revenue"]
    rita = logged_in(c, "rita")
    assert "Company: Revenue" in rita.get(f"{NEW}deal/").text
    before = ask(c.rita, columns=columns)
    hide()
    assert "Company: Revenue" not in rita.get(f"{NEW}deal/").text
    said = []
    for name in ("company.revenue", "company.nonsense"):
        with pytest.raises(InvalidRequest) as refused:
            ask(c.rita, columns=["id", name])
        said.append(str(refused.value))
    assert said[0] == said[1]
    worker.run_once()
    before.refresh_from_db()
    assert (before.status, names_of(before)) == ("completed", ["id"])
    assert table_of(before)[0] == ["ID"]
    assert names_of(ask(c.sam, columns=columns)) == columns  # whoever may see it has it


def test_relation_to_a_kind_of_record_out_of_sight_is_not_offered(c: TinyCompany) -> None:
    text = logged_in(c, "xena").get(f"{NEW}deal/").text  # exempt: sees deals and nothing else
    assert "Company: Domain" not in text
    with pytest.raises(InvalidRequest):
        ask(c.xena, columns=["company.domain"])
    assert "Company: Domain" in logged_in(c, "rita").get(f"{NEW}deal/").text


def test_approver_and_auditor_read_no_name_of_a_hidden_associated_column(c: TinyCompany) -> None:
    phone = Property.objects.get(object="contact", name="phone")
    phone.access = "super_admins"
    phone.save()
    set_policy(on=False)
    asked = ask(c.sam, columns=["id", "contact.phone", "contact.email"])
    model = tables.model_of("deal")
    assert [each["label"] for each in tables.described(asked.columns, model, c.fresh("axel"))] == [
        *("ID", "Restricted field", "Contact: E-mail")
    ]
    event = AuditEvent.objects.get(action="export.request", object_id=str(asked.pk))
    address = f"/admin/accounts/auditevent/{event.pk}/change/"
    assert "contact.phone" in logged_in(c, "sam").get(address).text
    shown = logged_in(c, "otto").get(address).text
    assert "contact.phone" not in shown
    assert "contact.email" in shown
    assert "and 1 restricted field" in shown


@pytest.mark.parametrize("hide", [hide_revenue, hide_company])
def test_file_is_closed_where_an_associated_column_was_hidden(
    c: TinyCompany, hide: Callable[[], None]
) -> None:
    export = completed(c.rita, columns=["id", "company.revenue"])
    operations.open_download(export, actor=c.rita).close()
    hide()
    with pytest.raises(NotAllowed, match="a field that you may not see any more"):
        operations.open_download(export, actor=c.rita)


# --- What is frozen, and its hash (B10) -----------------------------------------------------------


def canonical(export: ExportRequest) -> str:
    """Return the digest as the documentation says, made without the product's function."""
    last = export.frozen.order_by("id").last()
    assert last is not None
    assert last.form == 2
    ids = ExportRecord.objects.filter(export=export).order_by("position")
    request = {
        "object": export.object,
        "query": export.query,
        "columns": export.columns,
        "count": export.record_count,
        "format": export.format,
        "headers": export.headers,
        "name": export.name,
        "requester": export.requester_id,
        "approval_needed": export.approval_needed,
        "because": export.because,
        "sensitive_fields": export.sensitive_fields,
        "has_sensitive": export.has_sensitive,
        "lapse_days": export.lapse_days,
        "file_days": export.file_days,
        "most_downloads": export.most_downloads,
        "salt": last.salt,
    }
    records = list(ids.values_list("record_id", flat=True))
    head, tail = (
        json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        for part in (request, records)
    )
    return hashlib.sha256(f'{{"request":{head},"records":{tail}}}'.encode()).hexdigest()


def frozen_digest(export: ExportRequest) -> str:
    return str(export.frozen.order_by("id").values_list("digest", flat=True).last())


@pytest.mark.parametrize(
    "wish", [{}, {"query": "q=R%C3%ADta&o=-name", "ids": []}, {"headers": "names"}], ids=str
)
def test_hash_is_over_all_that_was_frozen_and_in_the_log(
    c: TinyCompany, wish: dict[str, Any]
) -> None:
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(name="Ríta's")
    if "ids" in wish:
        wish = {**wish, "ids": [c.deals["ritas"].pk]}
    export = ask(c.rita, **wish)
    assert frozen_digest(export) == canonical(export)
    event = AuditEvent.objects.get(action="export.request")
    assert event.data["manifest_digest"] == canonical(export)
    # Another salt each time: what is the same has not the same digest.
    assert frozen_digest(ask(c.rita, **wish)) != canonical(export)


REQUEST, RECORD = ExportRequest._meta.db_table, ExportRecord._meta.db_table
CHANGES = {
    "another requester": f"UPDATE {REQUEST} SET requester_id = "
    "(SELECT id FROM accounts_user WHERE email = 'nora@example.com') WHERE 0 <> %s AND id = %s",
    "another name": f"UPDATE {REQUEST} SET name = 'Mine' WHERE 0 <> %s AND id = %s",
    "another kind": f"UPDATE {REQUEST} SET object = 'contact' WHERE 0 <> %s AND id = %s",
    "no columns": f"UPDATE {REQUEST} SET columns = '[]' WHERE 0 <> %s AND id = %s",
    "no need of consent": f"UPDATE {REQUEST} SET approval_needed = false WHERE 0 <> %s AND id = %s",
    "another reason": f"UPDATE {REQUEST} SET because = 'exempt' WHERE 0 <> %s AND id = %s",
    "something sensitive": f"UPDATE {REQUEST} SET has_sensitive = true WHERE 0 <> %s AND id = %s",
    "known as sensitive": f"UPDATE {REQUEST} SET sensitive_fields = '[\"amount\"]' "
    "WHERE 0 <> %s AND id = %s",
    "more days": f"UPDATE {REQUEST} SET file_days = 30 WHERE 0 <> %s AND id = %s",
    "a later lapse": f"UPDATE {REQUEST} SET lapse_days = 90 WHERE 0 <> %s AND id = %s",
    "more downloads": f"UPDATE {REQUEST} SET most_downloads = 99 WHERE 0 <> %s AND id = %s",
    "another record": f"UPDATE {RECORD} SET record_id = %s WHERE export_id = %s AND position = 1",
    "a record less": f"DELETE FROM {RECORD} WHERE record_id <> %s AND export_id = %s",
    "another order": f"UPDATE {RECORD} SET position = position + 500 + 0 * %s "
    "WHERE export_id = %s AND position = 1",
    "another query": f"UPDATE {REQUEST} SET query = 'o=name' WHERE 0 <> %s AND id = %s",
    "another format": f"UPDATE {REQUEST} SET format = 'xlsx' WHERE 0 <> %s AND id = %s",
    "names above": f"UPDATE {REQUEST} SET headers = 'names' WHERE 0 <> %s AND id = %s",
    "another count": f"UPDATE {REQUEST} SET record_count = 1 WHERE 0 <> %s AND id = %s",
}


@pytest.mark.parametrize("change", CHANGES)
def test_request_changed_outside_the_product_is_never_run(c: TinyCompany, change: str) -> None:
    export, control = approved(c.rita, c.sue), approved(c.rita, c.sue)
    with connection.cursor() as cursor:
        cursor.execute(CHANGES[change], [c.deals["off"].pk + 1000, export.pk])
        assert cursor.rowcount >= 1
    worker.run_once()
    export.refresh_from_db()
    control.refresh_from_db()
    assert (export.status, control.status) == ("failed", "completed")
    assert "changed outside the product" in export.ended_because
    assert (export.file_name, export.lease_until, files()) == ("", None, [control.file_name])
    assert events(export)[-2:] == ["export.claim", "export.fail"]
    told = Notice.objects.filter(
        user=export.requester, text__contains="changed outside the product"
    )
    assert told.count() == 1


@pytest.mark.parametrize("what", ["label", "name", "sensitive"])
def test_column_changed_outside_the_product_is_never_written(c: TinyCompany, what: str) -> None:
    export = approved(c.rita, c.sue, columns=["id", "product"])
    export.columns[1][what] = {"label": "Amount", "name": "amount", "sensitive": True}[what]
    ExportRequest.objects.filter(pk=export.pk).update(columns=export.columns)
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, files()) == ("failed", [])


# What the digest of a request does not hold, and why.
NOT_FROZEN = {
    "id": "its frozen rows name it",
    "token": "of the page it was asked from",
    "wish_sha256": "of the page it was asked from",
    "status": "what moves it on; nothing leaves without a decider, by constraint",
    "requested_at": "counts towards limits of later requests; the log has it too",
    "message": "words of a person, which may be erased",
    "decided_by_id": "a decision; the log has it too",
    "decided_at": "a decision; the log has it too",
    "decision_note": "words of a person, which may be erased",
    "released_again_at": "counts towards limits of later requests; the log has it too",
    "conditions": "a decision; the log has it too",
    "waits_again_because": "for people to read",
    "waits_again_since": "when it lapses, before anybody decided",
    "reminders": "before anybody decided",
    "version": "what moves it on",
    **dict.fromkeys(
        ("worker", "attempt", "lease_until", "tries", "claimed_at", "rows_written"), "of the job"
    ),
    **dict.fromkeys(("setbacks", "folder_failures"), "of the job"),
    "closed_because": "of its end, which comes later",
    **dict.fromkeys(
        ("ended_at", "ended_because", "delivered_count", "file_name", "file_size", "sha256"),
        "of its end, which comes later",
    ),
    **dict.fromkeys(("expires_at", "sensitive_left_out"), "of its end, which comes later"),
}


def test_every_column_of_a_request_is_frozen_or_said_why_not() -> None:
    columns = {field.attname for field in ExportRequest._meta.concrete_fields}
    held = {re.search(r"SET (\w+)", change)[1] for change in CHANGES.values() if REQUEST in change}
    assert held | set(NOT_FROZEN) == columns
    assert not held & set(NOT_FROZEN)


def test_request_that_was_never_frozen_runs_nothing(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue, columns=["id", "product"])
    # As somebody with a database of rows would write it.
    export.pk, export.token = None, None
    export.save(force_insert=True)
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, export.file_name) == ("failed", "")
    assert "changed outside the product" in export.ended_because


def test_hash_follows_what_the_product_itself_changes(c: TinyCompany) -> None:
    set_policy(on=False)
    narrowed = ask(c.rita, columns=["id", "amount"])
    again = approved(c.rita, c.sue, columns=["id", "amount"])
    before = {each.pk: frozen_digest(each) for each in (narrowed, again)}
    Property.objects.create(object="deal", name="amount", access="super_admins")
    worker.run_once()
    for export in (narrowed, again):
        export.refresh_from_db()
        assert frozen_digest(export) == canonical(export) != before[export.pk]
        assert [each.columns for each in export.frozen.order_by("id")] == [["id", "amount"], ["id"]]
    assert (narrowed.status, again.status) == ("completed", "pending")
    operations.approve(again, actor=c.sue, version=again.version)
    worker.run_once()
    again.refresh_from_db()
    assert (again.status, table_of(again)[0]) == ("completed", ["ID"])


def test_hashing_takes_one_query_whatever_the_number_of_records(c: TinyCompany) -> None:
    DealFactory.create_batch(30, owner=c.rita, stage=c.stages["open"])
    export = ask(c.rita)
    with CaptureQueriesContext(connection) as queries:
        assert manifest.is_as_frozen(export)
    assert len(queries) == 2  # what was frozen, and the ids


# --- Asking once, however often it is sent (R117) -------------------------------------------------


def test_token_asks_for_one_export(c: TinyCompany) -> None:
    set_policy()
    token = uuid4()
    first = ask(c.rita, token=token, approvers=[c.sue])
    second = ask(c.rita, token=token, approvers=[c.sue])
    assert first.pk == second.pk
    assert AuditEvent.objects.filter(action="export.request").count() == 1
    # Somebody else's page, another page, and no page at all ask anew.
    others = [
        ask(c.nora, token=token, approvers=[c.sue]),
        ask(c.rita, token=uuid4(), approvers=[c.sue]),
        *(ask(c.rita, approvers=[c.sue]) for _ in range(2)),
    ]
    assert len({first.pk, *(export.pk for export in others)}) == 5


@pytest.mark.parametrize(
    "other",
    [
        *({"columns": ["id"]}, {"format": "xlsx"}, {"headers": "names"}, {"query": "q=rita"}),
        *({"ids": [1, 2]}, {"message": "Another reason."}, {"approvers": []}),
    ],
    ids=str,
)
def test_page_that_was_sent_cannot_ask_for_something_else(
    c: TinyCompany, other: dict[str, Any]
) -> None:
    set_policy(on=False)
    token = uuid4()
    first = ask(c.rita, token=token, approvers=[c.sue])
    other = {"approvers": [c.sue], **other}
    if "ids" in other:
        other["ids"] = frozen_ids(first)[:2]
    with pytest.raises(InvalidRequest, match="asked for an export already"):
        ask(c.rita, token=token, **other)
    assert ExportRequest.objects.count() == 1


def test_page_sent_again_after_the_end_does_not_say_that_it_asked(c: TinyCompany) -> None:
    set_policy(on=True, threshold=0)
    rita = logged_in(c, "rita")
    page = rita.post(f"{NEW}deal/", {"step": "columns", "columns": ["id"]}).text
    posted = {"step": "request", "columns": ["id"], "approvers": [c.sue.pk]}
    posted |= {"format": "csv", "headers": "labels", "token": token_in(page)}
    assert "Request sent." in rita.post(f"{NEW}deal/", posted, follow=True).text
    export = ExportRequest.objects.get()
    operations.reject(export, actor=c.sue, note="Say why.", version=export.version)
    again = rita.post(f"{NEW}deal/", posted, follow=True).text
    assert "Request sent." not in again
    assert "here is what became of it" in again
    anew = rita.post(f"{NEW}deal/", {**posted, "message": "For the fair."}, follow=True).text
    assert "asked for an export already" in anew
    assert ExportRequest.objects.count() == 1


def test_database_refuses_a_second_export_of_a_token(c: TinyCompany) -> None:
    token = uuid4()
    ask(c.rita, token=token)
    other = ask(c.rita)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExportRequest.objects.filter(pk=other.pk).update(token=token)


def test_who_comes_second_in_the_database_gets_the_first(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either had written: the constraint decides."""
    from exports.operations import asking

    token = uuid4()
    first = ask(c.rita, token=token)
    looks: list[UUID | None] = []
    look = asking._asked_before

    def blind_at_first(person: User, token: UUID | None) -> ExportRequest | None:
        looks.append(token)
        return look(person, token) if len(looks) > 1 else None

    monkeypatch.setattr(asking, "_asked_before", blind_at_first)
    assert ask(c.rita, token=token).pk == first.pk
    assert (len(looks), ExportRequest.objects.count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("token", ["7a1c1b5e-3f0d-4a66-9d0c-0d4f3d1f7a11", "none"])
def test_two_processes_with_one_token_ask_for_one_export(c: TinyCompany, token: str) -> None:
    set_policy(on=False)
    with racers(*[("ask", "rita@example.com", token)] * 2) as both:
        for racer in both:
            racer.go()
        said = [racer.says() for racer in both]
    made = sorted(str(pk) for pk in ExportRequest.objects.values_list("pk", flat=True))
    assert sorted(set(said)) == made
    assert len(made) == (2 if token == "none" else 1)  # the control has no token
    assert AuditEvent.objects.filter(action="export.request").count() == len(made)


# --- The dialog -----------------------------------------------------------------------------------

LISTED = {
    Contact: ["first_name", "last_name", "email", "phone", "company", "lifecycle", "owner"],
    Company: ["name", "sector", "country", "employees", "revenue", "parent", "owner"],
    Deal: ["name", "amount", "stage", "company", "owner", "closed", "updated_at"],
    Ticket: ["subject", "priority", "stage", "company", "owner", "opened", "updated_at"],
}


@pytest.mark.parametrize("model", LISTED)
def test_every_column_of_a_list_has_its_columns_in_a_file(
    c: TinyCompany, model: type[Record]
) -> None:
    request = RequestFactory().get("/")
    request.user = c.fresh("sam")
    shown = admin.site.get_model_admin(model).get_list_display(request)
    names = [getattr(each, "__name__", each) for each in shown]
    columns = tables.all_columns(model)
    found = [column.name for column in tables.listed(columns, names)]
    assert [name for name in found if name != "updated_at"] == [
        name for name in LISTED[model] if name != "updated_at"
    ]
    assert [name for name in names if not tables.listed(columns, [name])] == ["padlock"]


@pytest.fixture
def free(c: TinyCompany) -> TinyCompany:
    set_policy(on=False)
    Company.objects.filter(pk=c.companies["acme"].pk).update(domain="acme.example")
    Contact.objects.filter(pk=c.contacts["cora"].pk).update(company=c.companies["acme"])
    return c


def test_first_page_ticks_what_is_not_sensitive_and_shows_first_rows(free: TinyCompany) -> None:
    c = free
    text = logged_in(c, "rita").get(f"{NEW}contact/").text
    own = [column.name for column in tables.table(Contact)]
    assert ticked(text) == [name for name in own if name != "phone"]
    assert "Phone (sensitive)" in text
    assert "15 columns; sensitive: Phone" in text
    head, *rows = sample_of(text)
    assert head[:3] == ["ID", "First name", "Last name"]
    assert "Phone" not in head
    assert [row[2] for row in rows] == ["Cable", "Cork"]
    assert "needs no approval" in text


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("list", ["first_name", "last_name", "email", "phone", "company", "lifecycle", "owner"]),
        # By their labels, the ID first (E39).
        (
            "all",
            [
                *("id", "city", "co_owner", "company", "created_at", "created_by", "email"),
                *("first_name", "job_title", "last_name", "lifecycle", "owner", "phone"),
                *("updated_at", "updated_by"),
            ],
        ),
        ("chosen", ["city"]),
    ],
)
def test_columns_are_those_of_the_list_all_or_chosen(
    free: TinyCompany, which: str, expected: list[str]
) -> None:
    c = free
    posted = {"step": "columns", "which": which, "columns": ["city", "company.domain"]}
    answer = logged_in(c, "rita").post(
        f"{NEW}contact/", {**posted, "format": "xlsx", "headers": "names"}
    )
    assert answer.status_code == 302
    export = ExportRequest.objects.get()
    names = names_of(export)
    # Ticked columns of related records come with each.
    assert [name for name in names if name != "updated_at" or which != "list"] == [
        *expected,
        "company.domain",
    ]
    assert (export.format, export.headers) == ("xlsx", "names")


def test_preview_is_what_the_requester_may_have_and_says_what_the_file_says(
    free: TinyCompany,
) -> None:
    c = free
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(
        company=c.companies["acme"], name="Long " * 30
    )
    Deal.objects.filter(pk=c.deals["noras"].pk).update(company=c.companies["bolt"])
    ids = f"?ids={c.deals['ritas'].pk},{c.deals['noras'].pk},{c.deals['robs'].pk}"
    posted = {"step": "show", "columns": ["name", "company", "company.domain"], "headers": "names"}
    text = logged_in(c, "rita").post(f"{NEW}deal/{ids}", posted).text
    head, *rows = sample_of(text)
    assert head == ["name", "company", "company.domain"]
    long = ("Long " * 30)[:60] + "…"
    assert sorted(rows) == [[long, "Acme", "acme.example"], ["Nora&#x27;s", "", ""]]
    assert "2 deals" in text


def test_preview_has_five_rows_in_the_order_of_the_file(free: TinyCompany) -> None:
    c = free
    address = f"{NEW}deal/?o=-2"  # by name, descending: the admin counts its columns
    text = logged_in(c, "sam").post(address, {"step": "show", "columns": ["id"]}).text
    shown = [int(row[0]) for row in sample_of(text)[1:]]
    export = ask(c.sam, query=ExportRequest(query="").query or "", columns=["id"])
    assert export.record_count == 13
    assert len(shown) == 5
    logged_in(c, "sam").post(address, {"step": "columns", "columns": ["id"]})
    frozen = ExportRecord.objects.filter(export=ExportRequest.objects.latest("id"))
    assert shown == list(frozen.order_by("position").values_list("record_id", flat=True)[:5])


def test_preview_shows_highly_sensitive_values_as_dots(free: TinyCompany) -> None:
    c = free
    Property.objects.create(object="deal", name="amount", sensitive=True, highly_sensitive=True)
    Property.objects.create(object="company", name="revenue", sensitive=True, highly_sensitive=True)
    Company.objects.update(revenue=Decimal("48151.62"))
    Deal.objects.update(amount=Decimal("48151.62"), company=c.companies["acme"])
    Deal.objects.filter(pk=c.deals["noras"].pk).update(amount=None, company=None)
    ids = f"?ids={c.deals['ritas'].pk},{c.deals['noras'].pk}"
    posted = {"step": "show", "columns": ["id", "amount", "company.revenue"]}
    for who in ("rita", "sam"):
        text = logged_in(c, who).post(f"{NEW}deal/{ids}", posted).text
        assert "48151" not in text
        assert {tuple(row[1:]) for row in sample_of(text)[1:]} == {("••••", "••••")}
        assert "dots here and whole in the file" in text


def test_nothing_ticked_is_said_and_everything_else_is_kept(free: TinyCompany) -> None:
    c = free
    posted = {"step": "columns", "which": "chosen", "format": "parquet", "profile_name": "Kept"}
    text = logged_in(c, "rita").post(f"{NEW}deal/", posted).text
    assert "Tick at least one column." in text
    assert re.search(r'value="parquet"[^>]*checked', text)
    assert 'value="Kept"' in text
    assert not ExportRequest.objects.exists()
    unknown = logged_in(c, "rita").post(f"{NEW}deal/", {**posted, "format": "exe", "which": "x"})
    assert unknown.status_code == 200
    assert not ExportRequest.objects.exists()


def test_double_click_asks_once(c: TinyCompany) -> None:
    set_policy()
    rita = logged_in(c, "rita")
    first = rita.get(f"{NEW}deal/").text
    choice = {"columns": ["id", "company.domain"], "format": "jsonl", "headers": "names"}
    second = rita.post(f"{NEW}deal/", {**choice, "step": "columns", "token": token_in(first)}).text
    assert token_in(second) != token_in(first)
    assert "Company: Domain" in second
    posted = {**choice, "step": "request", "approvers": [c.sue.pk], "token": token_in(second)}
    answers = [rita.post(f"{NEW}deal/", posted) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    export = ExportRequest.objects.get()
    assert (names_of(export), export.format, export.headers) == (
        ["id", "company.domain"],
        "jsonl",
        "names",
    )


def test_going_back_keeps_choice_approvers_and_message(c: TinyCompany) -> None:
    set_policy()
    rita = logged_in(c, "rita")
    choice = {"columns": ["id", "company.domain"], "format": "jsonl", "headers": "names"}
    words = {"approvers": [c.sue.pk], "message": "For the fair."}
    first = rita.post(f"{NEW}deal/", {**choice, **words, "step": "show"}).text
    assert ticked(first) == ["id", "company.domain"]
    assert 'name="message" value="For the fair."' in first
    second = rita.post(f"{NEW}deal/", {**choice, **words, "step": "columns"}).text
    assert "For the fair.</textarea>" in second
    assert re.search(rf'name="approvers" value="{c.sue.pk}"[^>]*checked', second)


def test_every_reason_has_its_sentence() -> None:
    codes = {"sensitive", "above_threshold", "above_daily", "above_weekly", "second_person"}
    assert set(REASONS) == codes | {"rules_changed", "same_hands"}


@pytest.mark.parametrize("step", ["show", "columns"])
def test_number_of_queries_of_the_dialog_stays(c: TinyCompany, step: str) -> None:
    set_policy()
    rita = logged_in(c, "rita")
    columns = [column.name for column in tables.all_columns(Deal)]

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            text = rita.post(f"{NEW}deal/", {"step": step, "columns": columns}).text
        assert len(sample_of(text)) > 1
        return len(queries)

    def more(many: int) -> None:
        for number in range(many):
            contact = ContactFactory(last_name=f"C{number}", owner=c.rita)
            DealFactory(
                owner=c.rita,
                stage=c.stages["open"],
                contact=contact,
                company=c.companies["acme"],
                co_owner=c.nora,
            )
            operations.save_profile(actor=c.rita, model=Deal, name=f"{many}", columns=["id"])

    more(3)
    few = cost()
    more(30)
    assert cost() == few <= 35


# --- Profiles -------------------------------------------------------------------------------------


def test_profile_is_kept_used_and_deleted(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    address = f"{NEW}deal/"
    choice = {"which": "chosen", "columns": ["name", "company.domain"], "format": "xlsx"}
    kept = rita.post(
        address, {**choice, "headers": "names", "step": "keep", "profile_name": " Fair "}
    )
    assert "Kept as “Fair”." in kept.text
    assert ticked(kept.text) == ["name", "company.domain"]
    profile = ExportProfile.objects.get()
    assert (profile.owner, profile.object, profile.name, profile.columns) == (
        *(c.rita, "deal", "Fair"),
        ["name", "company.domain"],
    )
    assert f'<option value="{profile.pk}">Fair</option>' in rita.get(address).text
    used = rita.post(address, {"step": "use", "profile": profile.pk, "columns": ["id"]}).text
    assert ticked(used) == ["name", "company.domain"]
    assert re.search(r'value="xlsx"[^>]*checked', used)
    assert sample_of(used)[0] == ["name", "company.domain"]
    gone = rita.post(address, {"step": "forget", "profile": profile.pk, **choice}).text
    assert "“Fair” was deleted." in gone
    assert not ExportProfile.objects.exists()
    assert not ExportRequest.objects.exists()  # nothing of this asks for anything
    done = AuditEvent.objects.filter(action__startswith="export_profile").order_by("id")
    assert list(done.values_list("action", "actor", "data__object")) == [
        ("export_profile.save", c.rita.pk, "deal"),
        ("export_profile.delete", c.rita.pk, "deal"),
    ]
    assert set(AuditText.objects.values_list("text", flat=True)) == {"Fair"}


def test_profile_of_the_same_name_is_replaced_and_another_person_has_their_own(
    c: TinyCompany,
) -> None:
    first = operations.save_profile(actor=c.rita, model=Deal, name="Fair", columns=["id"])
    again = operations.save_profile(actor=c.rita, model=Deal, name="Fair", columns=["name"])
    assert (first.pk, again.columns) == (again.pk, ["name"])
    operations.save_profile(actor=c.nora, model=Deal, name="Fair", columns=["id"])
    operations.save_profile(actor=c.rita, model=Contact, name="Fair", columns=["id"])
    assert ExportProfile.objects.count() == 3
    assert list(operations.profiles_of(c.rita, Deal)) == [first]
    assert list(operations.profiles_of(c.sam, Deal)) == []  # super admins have their own too


def test_profile_that_names_a_hidden_column_is_used_without_it_and_says_nothing(
    c: TinyCompany,
) -> None:
    names = ["id", "amount", "company.revenue", "name"]
    profile = operations.save_profile(actor=c.rita, model=Deal, name="Fair", columns=names)
    rita = logged_in(c, "rita")
    posted = {"step": "use", "profile": profile.pk}
    assert set(ticked(rita.post(f"{NEW}deal/", posted).text)) == set(names)
    Property.objects.create(object="deal", name="amount", access="super_admins")
    hide_revenue()
    text = rita.post(f"{NEW}deal/", posted).text
    assert ticked(text) == ["id", "name"]
    assert sample_of(text)[0] == ["ID", "Name"]
    for word in ("Amount", "amount", "Revenue", "revenue", "restricted"):
        assert word not in text
    with pytest.raises(InvalidRequest):
        operations.save_profile(actor=c.rita, model=Deal, name="Fair", columns=names)


@pytest.mark.parametrize("step", ["use", "forget"])
def test_profile_of_somebody_else_is_like_none(c: TinyCompany, step: str) -> None:
    profile = operations.save_profile(actor=c.nora, model=Deal, name="Norás", columns=["name"])
    for who in ("rita", "sam"):
        client = logged_in(c, who)
        said = {
            key: re.sub(
                r'(name="token" value|csrfmiddlewaretoken" value|nonce)="[^"]+"',
                "",
                client.post(f"{NEW}deal/", {"step": step, "profile": key, "columns": ["id"]}).text,
            )
            for key in (str(profile.pk), "999999", "", "x")
        }
        assert "Choose one of your profiles first." in said["x"]
        assert len(set(said.values())) == 1
        with pytest.raises(InvalidRequest, match="no such profile"):
            operations.delete_profile(profile, actor=c.people[who])
    assert ExportProfile.objects.get() == profile


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "  "},
        {"name": "x" * 81},
        {"name": "a\x00b"},
        {"columns": []},
        {"columns": ["id", "id"]},
        {"columns": ["password"]},
        {"format": "exe"},
        {"headers": "both"},
    ],
    ids=str,
)
def test_profile_that_cannot_be_is_refused(c: TinyCompany, wrong: dict[str, Any]) -> None:
    wish: dict[str, Any] = {"name": "Fair", "columns": ["id"], **wrong}
    with pytest.raises(InvalidRequest):
        operations.save_profile(actor=c.rita, model=Deal, **wish)
    assert not ExportProfile.objects.exists()


def test_who_may_not_export_keeps_no_profile(c: TinyCompany) -> None:
    with pytest.raises(NotAllowed):
        operations.save_profile(actor=c.ruth, model=Deal, name="Fair", columns=["id"])
    ToolGrant.objects.create(permission_set=c.sets["reader"], key="crm.export")
    operations.save_profile(actor=c.ruth, model=Deal, name="Fair", columns=["id"])


def test_number_of_profiles_is_bounded(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.operations.profiles.MOST_PROFILES", 2)
    for name in ("One", "Two", "Two"):
        operations.save_profile(actor=c.rita, model=Deal, name=name, columns=["id"])
    with pytest.raises(InvalidRequest, match="Delete one"):
        operations.save_profile(actor=c.rita, model=Deal, name="Three", columns=["id"])
