"""What filters, search and orders read is declared, is true, and hides them with a field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django_filters
import pytest
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import ToolGrant, User
from records import checks, filter_sets, filters, kinds, query_words
from records.filter_sets import KeyFilter, filter_set, made, reading
from records.models import Company, Contact, Deal, Property, Record, Ticket
from records.models.properties import FieldKey, field_key
from records.reads import as_text, fields_on, from_text
from tests.claims.test_fields import a_record, plain
from tests.support.company import TinyCompany
from tests.support.every_field import (
    MODELS,
    NOT_CHANGED,
    UNIVERSE,
    another,
    changes,
    every_kind,
    queries,
    without,
    world,
)


def found(model: type[Record], query: str, user: User) -> list[int]:
    rows = filters.narrowed(model._default_manager.all(), query, user=user)
    return list(rows.values_list("pk", flat=True))


# --- Declared, and true ---------------------------------------------------------------------------


@every_kind
def test_a_filter_hangs_on_no_field_that_it_does_not_declare(
    c: TinyCompany, model: type[Record]
) -> None:
    """Another value in any field of any kind: where the answer differs, the filter declares it."""
    record, sam = world(model, c), c.fresh("sam")
    watched = {record.pk, *(without(record, name) for name in model.owner_fields)}
    asked = queries(model, record, c)
    asked["search"] = [f"q={word}" for word in ("canary", "own")]
    seen: dict[str, set[FieldKey]] = {name: set() for name in asked}

    def answer(query: str) -> set[int]:
        try:
            return watched & set(found(model, query, sam))
        except filters.BadQuery:  # the stage is none of these records any more, and cannot be named
            return set()

    before = {query: answer(query) for some in asked.values() for query in some}
    assert all(before[query] for name in filter_set(model).base_filters for query in asked[name])
    for key, change in changes(c):
        with transaction.atomic():
            change()
            for name, each in asked.items():
                for query in each:
                    if answer(query) != before[query]:
                        seen[name].add(key)
            transaction.set_rollback(True)
    own = model.object_key
    for name in filter_set(model).base_filters:
        declared = filters.reads_of_filter(model, name)
        assert seen[name] <= declared, name
        # And it sees what it is there for: the record's own field behind each declaration.
        assert {key for key in declared if key.startswith(f"{own}.")} - seen[name] <= (
            {"company.name"} if model is Company else set()
        ), name
    assert seen["search"] <= filters.reads_of_search(model)
    assert seen["search"]


@every_kind
def test_an_order_hangs_on_no_field_that_it_does_not_declare(
    c: TinyCompany, model: type[Record]
) -> None:
    first, sam = world(model, c), c.fresh("sam")
    second = world(model, c)
    pair = {first.pk, second.pk}

    def order(query: str) -> list[int]:
        return [pk for pk in found(model, query, sam) if pk in pair]

    asked = ["", *(f"o={name}" for name in sorted(filters.orderable(model, sam)))]
    before = {query: order(query) for query in asked}
    for field in model._meta.concrete_fields:
        if field.name in NOT_CHANGED or field.is_relation:
            continue
        key = field_key(model.object_key, field.name)
        if field.choices:
            continue
        for row in (first, second):
            with transaction.atomic():
                model._base_manager.filter(pk=row.pk).update(**{field.name: another(field)})
                for query in asked:
                    if order(query) != before[query]:
                        assert key in filters.reads(model, query), (query, key)
                transaction.set_rollback(True)
    own = [str(name).removeprefix("-") for name in model._meta.ordering]
    assert filters.reads_of_order(model, "") == fields_on(model, *own, "pk")


@pytest.mark.parametrize("model", UNIVERSE, ids=lambda model: model.__name__)
def test_a_name_is_made_of_what_the_model_declares(c: TinyCompany, model: Any) -> None:
    for kind in MODELS:
        world(kind, c)
    also = ("is_active",) if model is User else ()  # “(deactivated)”, which is no part of a name
    related = [path.split("__")[0] for path in model.name_fields if "__" in path]
    rows = model._base_manager.select_related(*related).only(*model.name_fields, *also)
    row = rows.order_by("-pk")[0]
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert str(row)
    assert len(asked) == 0
    if len(model.name_fields) == 1:  # the negative control: without it, it has to be fetched
        row = model._base_manager.defer(*model.name_fields).order_by("-pk")[0]
        with CaptureQueriesContext(connection) as asked:
            assert str(row)
        assert len(asked) == 1


def test_every_declaration_is_there_and_start_up_refuses_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = filter_set(Deal)
    assert checks.filters_declare_what_they_read(None) == []
    assert checks.names_search_and_order_read_what_nobody_hides(None) == []

    class Careless(whole):  # type: ignore[misc, valid-type]  # made of the kind's declaration
        silent = django_filters.CharFilter(field_name="product")
        wrong = reading(django_filters.CharFilter(field_name="product"), "no_such_field")
        nothing = reading(KeyFilter(field_name="company", queryset=Company.objects.all()))

        class Meta(whole.Meta):  # type: ignore[name-defined]  # as above
            fields = ("opened",)  # django-filter makes one by itself

    deal = kinds.of(Deal)
    monkeypatch.setattr(filter_sets, "made", lambda kind: Careless if kind is deal else made(kind))
    errors = checks.filters_declare_what_they_read(None)
    assert {error.id for error in errors} == {"records.E001"}
    assert [error.msg.split("”")[0].split("“")[1] for error in errors] == [
        *("opened", "silent", "wrong", "nothing"),
    ]
    monkeypatch.setattr(filter_sets, "made", lambda kind: whole if kind is deal else made(kind))
    monkeypatch.setattr(Deal, "search_fields", ("name", "product"))
    monkeypatch.setattr(Contact, "name_fields", ("last_name", "phone"))
    monkeypatch.setattr(Ticket._meta, "ordering", ["company__revenue"])
    errors = checks.names_search_and_order_read_what_nobody_hides(None)
    assert {error.id for error in errors} == {"records.E002"}
    assert [error.msg.rpartition(": ")[2] for error in errors] == [
        *("contact.phone.", "deal.product.", "company.revenue, ticket.company."),
    ]


def test_fields_are_kept_by_short_names_and_read_back_from_old_ones() -> None:
    keys = fields_on(Deal, "amount", "company__name", "contact__phone")
    assert keys == {"deal.amount", "deal.company", "company.name", "deal.contact", "contact.phone"}
    kept = as_text(Deal, keys)
    assert kept == ["amount", "company", "company.name", "contact", "contact.phone"]
    assert from_text(Deal, kept) == keys
    # Before, a field of a related record was named by the way to it.
    assert from_text(Company, ["parent.domain", "revenue"]) == {"company.domain", "company.revenue"}
    assert from_text(Deal, ["user.last_name", "stage.name"]) == {"user.last_name", "stage.name"}


# --- Hidden ---------------------------------------------------------------------------------------


def hide(key: str) -> None:
    kind, name = key.split(".")
    Property.objects.update_or_create(
        object=kind, name=name, defaults={"access": "super_admins", "sensitive": False}
    )


@every_kind
def test_no_filter_is_offered_that_reads_a_hidden_field(
    c: TinyCompany, model: type[Record]
) -> None:
    record = world(model, c)
    Property.objects.all().delete()
    asked = queries(model, record, c)
    for name, some in asked.items():
        for key in sorted(filters.reads_of_filter(model, name)):
            assert filters.canonical(model, some[0], user=c.fresh("eve"))
            assert filters.may_still_ask(model, some[0], user=c.fresh("eve"))
            hide(key)
            eve, sam = c.fresh("eve"), c.fresh("sam")
            with pytest.raises(filters.BadQuery) as hidden:
                filters.canonical(model, some[0], user=eve)
            with pytest.raises(filters.BadQuery) as absent:
                filters.canonical(model, "nonsense=1", user=eve)
            assert (type(hidden.value), str(hidden.value)) == (
                type(absent.value),
                str(absent.value),
            )
            assert not filters.may_still_ask(model, some[0], user=eve)
            assert set(filters.bound(model, QueryDict(), model.objects.none(), user=eve).filters)
            lines = query_words.described(model, some[0], user=eve)
            assert lines == [(query_words.RESTRICTED_FIELD, "restricted")]
            assert filters.canonical(model, some[0], user=sam)
            Property.objects.all().delete()


# A field, and the queries of which the answer would tell its value. Most of these fields cannot be
# hidden by a screen; a row that says so nevertheless is obeyed.
WORLDS = [
    ("deal", "co_owner", ["team={team}", "unassigned=yes", "unassigned=no", "owner={rita}"]),
    ("deal", "owner", ["team={team}", "unassigned=yes", "unassigned=no", "owner={rita}"]),
    ("deal", "name", ["q=canary", "o=1"]),
    ("deal", "updated_at", ["", "o=8", "o=-8"]),
    ("deal", "amount", ["amount_min=3", "o=3", "o=-3"]),
    ("deal", "company", ["company={company}"]),
    ("contact", "email", ["q=canary", "o=3", "o=-3"]),
    ("company", "domain", ["q=canary"]),
    ("ticket", "priority", ["priority=urgent", "o=3", "o=-3"]),
    ("contact", "lifecycle", ["lifecycle=customer"]),
]


def answers(client: Client, kind: str, asked: list[str]) -> list[tuple[int, bytes]]:
    """Return what a list, the export dialog and the palette say, but for what is drawn anew."""
    said = []
    for query in asked:
        for page in (f"/admin/records/{kind}/", f"/admin/exports/exportrequest/new/{kind}/"):
            answer = client.get(f"{page}?{query}")
            said.append((answer.status_code, plain(answer.text).encode()))
    palette = client.get("/admin/search/?s=canary&extended=1")
    said.append((palette.status_code, plain(palette.text).encode()))
    return said


@pytest.mark.parametrize(("kind", "name", "asked"), WORLDS, ids=[f"{k}.{n}" for k, n, _ in WORLDS])
def test_two_worlds_that_differ_in_a_hidden_field_answer_every_query_alike(
    c: TinyCompany, client: Client, kind: str, name: str, asked: list[str]
) -> None:
    ToolGrant.objects.create(permission_set=c.sets["everything"], key="crm.export")
    Property.objects.all().delete()
    model = next(each for each in MODELS if each.object_key == kind)
    one, _ = a_record(model, c), a_record(model, c)
    acme = c.companies["acme"]
    values: dict[str, tuple[Any, Any]] = {
        "co_owner": (c.rita.pk, None),
        "owner": (c.rita.pk, None),
        "name": ("Canary", "Zebra"),
        "updated_at": (datetime(1999, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)),
        "amount": (1, 5),
        "company": (acme.pk, None),
        "email": ("canary@example.com", "zebra@example.com"),
        "domain": ("canary.example", "zebra.example"),
        "priority": ("urgent", "low"),
        "lifecycle": ("customer", "lead"),
    }
    client.force_login(c.eve)
    asked = [q.format(team=c.teams["north_a"].pk, rita=c.rita.pk, company=acme.pk) for q in asked]

    def worlds() -> list[list[tuple[int, bytes]]]:
        said = []
        for value in values[name]:
            model._base_manager.filter(pk=one.pk).update(**{name: value})
            said.append(answers(client, kind, asked))
        return said

    here, there = worlds()
    assert here != there  # the negative control: it shows where nothing is hidden
    hide(f"{kind}.{name}")
    here, there = worlds()
    if name == "name":  # what a record is called stands on its page and in the list
        here, there = ([each for each in world if each[0] == 400] for world in (here, there))
        assert here
    assert here == there
