"""Whatever a column, filter, search or order reads counts: a flag on it asks for consent (Q5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.http import QueryDict
from django.test import Client

from accounts import audit
from accounts.models import AuditEvent, ToolGrant, User
from exports import checks, operations, tables, worker
from exports.models import ExportProfile, ExportRequest
from exports.screens import risk
from exports.screens.panel import described_query
from exports.writers import manifest
from exports.writers.rows import rows_in
from records import filters, kinds
from records.models import Contact, Deal, Property, Record
from records.models.properties import FieldKey
from tests.support.company import NONE, TinyCompany
from tests.support.every_field import MODELS, changes, every_kind, queries, world
from tests.support.exports_kit import (
    approved,
    narrow,
    pending,
    set_policy,
)
from tests.support.factories import DealFactory

LOG = "/admin/exports/exportrequest/"
NEW = f"{LOG}new/"


@pytest.fixture
def eve(c: TinyCompany) -> User:
    """Eve reaches everything and exports; few records need no consent, and nothing is sensitive."""
    ToolGrant.objects.create(permission_set=c.sets["everything"], key="crm.export")
    set_policy(threshold=1000)
    Property.objects.all().delete()
    return c.fresh("eve")


def flag(*keys: str) -> None:
    """Let these fields be sensitive, and no other."""
    Property.objects.all().delete()
    parts = [key.partition(".") for key in keys]
    Property.objects.bulk_create(
        Property(object=kind, name=name, sensitive=True) for kind, _, name in parts
    )


def every_field() -> set[FieldKey]:
    return {
        key
        for model in MODELS
        for key in filters.reads(model, "").union(*(c.reads for c in tables.all_columns(model)))
    }


def code(user: User, model: type[Record], **wish: Any) -> str:
    return operations.preview(actor=user, model=model, **wish).because


# --- Every column, every filter, every field it reads ---------------------------------------------


@every_kind
def test_a_column_needs_consent_for_each_field_it_reads_and_for_no_other(
    c: TinyCompany, eve: User, model: type[Record]
) -> None:
    world(model, c)
    order = "o=created_at"
    for column in tables.all_columns(model):
        wish: dict[str, Any] = {"columns": [column.name], "query": order}
        for key in sorted(column.reads):
            flag(key)
            assert code(eve, model, **wish) == "sensitive", (column.name, key)
        flag(*(every_field() - column.reads - filters.reads(model, order)))
        assert code(eve, model, **wish) == "within_threshold", column.name


@every_kind
def test_a_filter_a_search_and_an_order_need_consent_for_each_field_they_read_and_for_no_other(
    c: TinyCompany, eve: User, model: type[Record]
) -> None:
    record = world(model, c)
    asked = {name: some[0] for name, some in queries(model, record, c).items()}
    read = {query: filters.reads_of_filter(model, name) for name, query in asked.items()}
    read["q=canary"] = filters.reads_of_search(model)
    read |= {
        f"o={name}": filters.reads_of_order(model, name) for name in filters.orderable(model, eve)
    }
    read[""] = filters.reads_of_order(model, "")  # the first order, which nobody asks for
    for query, keys in read.items():
        column = "id" if model is not Contact else "city"
        wish: dict[str, Any] = {"columns": [column], "query": query}
        for key in sorted(keys):
            flag(key)
            assert code(eve, model, **wish) == "sensitive", (query, key)
        others = every_field() - filters.reads(model, query) - {f"{model.object_key}.{column}"}
        flag(*others)
        assert code(eve, model, **wish) == "within_threshold", query
        assert keys <= filters.reads(model, query)


@every_kind
def test_a_cell_hangs_on_no_field_that_its_column_does_not_declare(
    c: TinyCompany, eve: User, model: type[Record]
) -> None:
    """Another value in any field of any kind: where a cell differs, its column declares it."""
    record, columns = world(model, c), tables.all_columns(model)

    def cells() -> list[Any]:
        sam = c.fresh("sam")
        return rows_in(model, columns, sam, [record.pk])[0]

    before, seen = cells(), {column.name: set[FieldKey]() for column in columns}
    assert None not in before
    for key, change in changes(c):
        with transaction.atomic():
            change()
            for column, was, now in zip(columns, before, cells(), strict=True):
                if was != now:
                    seen[column.name].add(key)
            transaction.set_rollback(True)
    ids = {f"{each.object_key}.id" for each in MODELS}
    for column in columns:
        assert seen[column.name] <= column.reads, column.name
        # A person's e-mail stands for a name that is missing.
        assert column.reads - seen[column.name] <= ids | {"user.email"}, column.name


def test_start_up_refuses_a_column_that_does_not_declare_what_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert checks.columns_declare_what_they_read(None) == []
    whole = tables.all_columns

    def careless(model: type[Record]) -> tuple[tables.Column, ...]:
        return tuple(
            replace(column, reads=frozenset())
            if column.name in ("amount", "company.domain")
            else column
            for column in whole(model)
        )

    monkeypatch.setattr(tables, "all_columns", careless)
    errors = checks.columns_declare_what_they_read(None)
    assert [error.msg.split("”")[0] for error in errors] == [
        *("The column “company.domain", "The column “amount", "The column “company.domain"),
        "The column “company.domain",
    ]
    with pytest.raises(TypeError, match="reads"):
        tables.Column("x", "X", tables.Kind.TEXT, "x")  # type: ignore[call-arg]


# --- By raw HTTP, as a rep ------------------------------------------------------------------------


def rep(c: TinyCompany) -> Client:
    set_policy(threshold=1000)
    Property.objects.all().delete()
    DealFactory(
        name="Canary", owner=c.rita, stage=c.stages["open"], company=c.companies["acme"],
        contact=c.contacts["cora"],
    )  # fmt: skip
    client = Client()
    client.force_login(c.rita)
    return client


NAMES = {"columns": ["id", "company", "contact"], "which": "chosen", "step": "columns"}
WAYS: list[tuple[str, str, Callable[[TinyCompany], str], dict[str, Any]]] = [
    ("contact.last_name", "a related name", lambda c: "", NAMES),
    ("contact.first_name", "a related name", lambda c: "", NAMES),
    ("company.name", "a related name", lambda c: "", NAMES),
    ("company.domain", "an associated column", lambda c: "", {"columns": ["company.domain"]}),
    ("deal.co_owner", "a team", lambda c: f"team={c.teams['north_a'].pk}", {}),
    ("deal.owner", "unassigned", lambda c: "unassigned=no", {}),
    ("deal.co_owner", "unassigned", lambda c: "unassigned=no", {}),
    ("deal.co_owner", "an owner", lambda c: f"owner={c.rita.pk}", {}),
    ("company.name", "a company", lambda c: f"company={c.companies['acme'].pk}", {}),
    ("contact.last_name", "a contact", lambda c: f"contact={c.contacts['cora'].pk}", {}),
    ("deal.stage", "a pipeline", lambda c: f"pipeline={c.pipeline.pk}", {}),
    ("deal.name", "a search", lambda c: "q=canary", {}),
    ("deal.amount", "an order", lambda c: "o=3", {}),
    ("deal.updated_at", "the first order", lambda c: "", {}),
    ("deal.name", "ticked rows", lambda c: f"ids={Deal.objects.latest('pk').pk}", {
        "columns": ["name"],
    }),
    ("company.name", "ticked rows", lambda c: f"ids={Deal.objects.latest('pk').pk}", {
        "columns": ["company"],
    }),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "query", "form"),
    [(key, query, form) for key, _, query, form in WAYS],
    ids=[f"{key} by {how}" for key, how, _, _ in WAYS],
)
def test_a_rep_gets_nothing_at_once_that_reads_a_sensitive_field(
    c: TinyCompany, key: str, query: Callable[[TinyCompany], str], form: dict[str, Any]
) -> None:
    client = rep(c)
    page = f"{NEW}deal/?{query(c)}"
    form = {"columns": ["id"], "which": "chosen", "format": "csv", **form, "step": "columns"}

    flag(key)
    second = client.post(page, form)
    assert second.status_code == 200
    assert "This export needs approval" in second.text
    for step in ("request", "show"):  # straight to the end, without approvers
        assert client.post(page, {**form, "step": step}).status_code == 200
    assert not ExportRequest.objects.exists()
    kept = client.post(page, {**form, "step": "keep", "profile_name": "Mine"}).text
    profile = ExportProfile.objects.get()
    used = client.post(page, {"step": "use", "profile": profile.pk}).text
    for text in (kept, used):
        assert "This export will need approval." in text
    sent = client.post(page, {**form, "step": "request", "approvers": [c.sue.pk]})
    assert sent.status_code == 302
    export = ExportRequest.objects.get()
    assert (export.status, export.because) == ("pending", "sensitive")
    assert export.sensitive_fields == [key.removeprefix("deal.")]
    event = AuditEvent.objects.get(action="export.request")
    assert event.data["sensitive_fields"] == export.sensitive_fields
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "pending"

    # The negative control: the same wish, where nothing of it is sensitive, leaves at once.
    flag("contact.city")
    assert client.post(page, form).status_code == 302
    free = ExportRequest.objects.latest("pk")
    assert (free.status, free.because, free.sensitive_fields) == (
        *("approved", "within_threshold"),
        [],
    )


def test_the_dialog_marks_names_and_says_what_the_list_reads(c: TinyCompany) -> None:
    client = rep(c)
    flag("company.name", "deal.co_owner")
    text = client.get(f"{NEW}deal/?team={c.teams['north_a'].pk}").text
    marked = re.findall(r"> ([^<]+) \(sensitive\)</label>", text)
    assert marked == ["Company", "Co-owner", "Company: Name"]
    ticked = re.findall(r'name="columns" value="([^"]+)"[^>]*checked', text)
    assert "company" not in ticked  # not chosen by itself
    assert "Its filters, search or order read sensitive fields: Co-owner." in text


# --- What was asked for before --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "column", "key"),
    [
        (["contact.phone"], "contact.phone", "contact.phone"),
        (["company.name"], "company", "company.name"),
    ],
)
def test_requests_of_before_run_on_by_what_they_kept(
    c: TinyCompany, kept: list[str], column: str, key: str
) -> None:
    flag(key)
    export = approved(c.rita, c.axel, columns=["id", column])
    assert export.sensitive_fields == kept
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "completed"


def test_a_request_that_named_the_way_to_a_related_field_runs_on(c: TinyCompany, eve: User) -> None:
    flag("company.domain")
    export = approved(eve, c.axel, model=type(c.companies["acme"]), columns=["id", "parent.domain"])
    assert export.sensitive_fields == ["domain"]
    # As an earlier version wrote it, and froze it.
    manifest.write_frozen(export, sensitive_fields=["parent.domain"])
    ExportRequest.objects.filter(pk=export.pk).update(sensitive_fields=["parent.domain"])
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "completed"


# --- Who reads the request ------------------------------------------------------------------------


def test_values_that_read_a_sensitive_field_are_masked_for_who_may_not_view_its_kind(
    c: TinyCompany,
) -> None:
    set_policy(threshold=1000)
    Property.objects.all().delete()
    rep(c)
    query = f"company={c.companies['acme'].pk}&q=canary&team={c.teams['north_a'].pk}"
    query = QueryDict(query).urlencode()
    export = pending(c.rita, c.axel, query=query)

    def read_by(name: str) -> dict[str, str]:
        return dict(described_query(ExportRequest.objects.get(pk=export.pk), c.fresh(name)))

    acme = f"Acme (#{c.companies['acme'].pk})"
    assert read_by("mona")["Company"] == acme
    assert read_by("axel") == {
        "Team of an owner": "restricted",
        "Company": "restricted",
        "Search": "canary",
    }
    flag("company.name", "deal.name", "deal.co_owner")
    assert read_by("sam") == {"Team of an owner": "North A", "Company": acme, "Search": "canary"}
    assert read_by("axel")["Search"] == "restricted"  # without View on deals
    narrow(c.sets["manager"], "company", NONE)
    assert (read_by("mona")["Company"], read_by("mona")["Search"]) == ("restricted", "canary")


def test_the_risk_card_and_the_log_name_fields_of_other_kinds_as_their_reader_may(
    c: TinyCompany,
) -> None:
    def shown_to(user: User, event: AuditEvent) -> dict[str, Any]:
        data = event.data
        for shown in audit.shown_data:
            data = shown(user, event, data)
        return data

    rep(c)
    flag("company.name", "company.revenue", "deal.co_owner")
    export = pending(
        c.rita, c.axel, columns=["id", "company", "company.revenue"],
        query=f"team={c.teams['north_a'].pk}",
    )  # fmt: skip
    assert export.sensitive_fields == ["co_owner", "company.name", "company.revenue"]

    def card(name: str) -> str:
        figures = risk.figures(ExportRequest.objects.get(pk=export.pk), c.fresh(name))
        return next(figure.value for figure in figures if figure.code == "sensitive")

    assert card("axel") == "Company: Name, Company: Revenue (million USD), Co-owner"
    Property.objects.filter(name="revenue").update(access="super_admins")
    assert card("axel") == "Company: Name, Restricted field, Co-owner"
    event = AuditEvent.objects.get(action="export.request")
    assert shown_to(c.fresh("otto"), event)["sensitive_fields"] == [
        *("co_owner", "company.name"),
        "and 1 restricted field",
    ]
    # Without the way to the company nothing of one is named.
    Property.objects.create(object="deal", name="company", access="super_admins")
    assert card("axel") == "Restricted field, Restricted field, Co-owner"
    assert "company.name" not in str(shown_to(c.fresh("otto"), event))
    assert "company.name" in str(shown_to(c.fresh("sam"), event))


def test_a_column_that_reads_a_hidden_field_is_not_offered(c: TinyCompany, eve: User) -> None:
    for model in MODELS:
        for column in tables.all_columns(model):
            for key in column.reads:
                kind, name = key.split(".")
                Property.objects.create(object=kind, name=name, access="super_admins")
                offered = tables.offered_columns(model, c.fresh("eve"))
                assert column.name not in {each.name for each in offered}, (column.name, key)
                Property.objects.all().delete()
        assert {*tables.all_columns(model)} == {*tables.offered_columns(model, c.fresh("eve"))}


def test_every_filter_set_is_among_those_that_are_tried() -> None:
    assert {kind.model for kind in kinds.every()} == set(MODELS)
