"""Empty values stand last, up and down, wherever a list can be sorted; and 0 is a value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client

from accounts import people
from accounts.checks import lists_sorted_by, what_lists_sort_by_is_indexed
from accounts.models import User
from accounts.ordering import empty_last, is_served
from exports.models import ExportRecord, ExportRequest
from records import filters, query_words
from records.models import Company, Contact, Deal
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import DealFactory, UserFactory


def five_deals(c: TinyCompany) -> list[Deal]:
    """Deals with an amount of 30, 0, 10 and two without, whose product is filled like it."""
    Deal.objects.filter(deleted_at=None).update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    given = (30, "C"), (None, ""), (0, "A"), (None, ""), (10, "B")
    return [
        DealFactory(owner=c.rita, name=f"Number {place}", amount=amount, product=product)
        for place, (amount, product) in enumerate(given)
    ]


def test_empty_values_are_last_up_and_down_and_newest_first(c: TinyCompany) -> None:
    a, empty, b, empty_too, d = five_deals(c)
    rows = Deal.objects.filter(deleted_at=None)
    for name in ("amount", "product"):
        up = list(filters.narrowed(rows, f"o={name}", user=c.sam))
        down = list(filters.narrowed(rows, f"o=-{name}", user=c.sam))
        assert up == [b, d, a, empty_too, empty], name
        assert down == [a, d, b, empty_too, empty], name


def test_an_export_freezes_that_order(c: TinyCompany) -> None:
    """“Only the first 3 records” are then the three largest, on both databases."""
    a, empty, b, empty_too, d = five_deals(c)
    export = pending(c.rita, c.axel, query="o=-amount")
    frozen = ExportRecord.objects.filter(export=export).order_by("position")
    expected = [each.pk for each in (a, d, b, empty_too, empty)]
    assert list(frozen.values_list("record_id", flat=True)) == expected


def in_list(client: Client, address: str, column: str, shown: str) -> list[list[object]]:
    """Return a column's values, as a list sorts them up and down by it."""
    drawn = client.get(address).context["cl"]
    names = [getattr(each, "__name__", each) for each in drawn.list_display]
    place = names.index(column)
    found = []
    for order in (f"{place}", f"-{place}"):
        rows = client.get(address, {"o": order}).context["cl"].result_list
        found.append([getattr(row, shown) for row in rows])
    return found


@pytest.mark.parametrize(
    ("kind", "column", "values"),
    [
        ("company", "employees", [None, 0, None, 7]),
        ("company", "revenue", [Decimal(3), None, Decimal(0), None]),
        ("deal", "amount", [None, Decimal(0), None, Decimal(7)]),
    ],
)
def test_lists_sort_so(c: TinyCompany, kind: str, column: str, values: list[object]) -> None:
    model = {"company": Company, "deal": Deal}[kind]
    model._default_manager.all().update(deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    given = {"stage": c.stages["open"]} if kind == "deal" else {}
    for value in values:
        model._default_manager.create(**{"name": "One", column: value, **given})
    client = Client()
    client.force_login(c.sam)
    filled = sorted(value for value in values if value not in ("", None))
    empty = [value for value in values if value in ("", None)]
    up, down = in_list(client, f"/admin/records/{kind}/", column, column)
    assert up == [*filled, *empty]
    assert down == [*reversed(filled), *empty]


def test_a_list_that_may_grow_long_is_sorted_by_what_an_index_serves(c: TinyCompany) -> None:
    """In the models as in the database; and what no index serves is found (no “empty last”)."""
    offered = [(screen.model, column) for screen, _, column in lists_sorted_by()]
    assert {(Deal, "amount"), (Contact, "last_name"), (ExportRequest, "requested_at")} <= {*offered}
    for model, column in offered:
        assert is_served(model, column), (model, column)
        field = model._meta.get_field(column)
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        indexed = [each["columns"] for each in found.values() if each["index"]]
        assert any(columns[:1] == [field.column] for columns in indexed)
    assert what_lists_sort_by_is_indexed(None) == []
    for model, column in ((Contact, "email"), (Contact, "lifecycle"), (Deal, "product")):
        assert not is_served(model, column), column
    assert not is_served(Deal, "company__name")
    assert not is_served(Deal, "unknown")


def test_a_column_that_is_not_offered_is_no_order(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.sam)
    drawn = client.get("/admin/records/contact/").context["cl"]
    names = [getattr(each, "__name__", each) for each in drawn.list_display]
    sortable = [n for n, head in zip(names, drawn.headers, strict=True) if head["sortable"]]
    assert sortable == ["full_name", "company", "owner", "updated_at"]
    place = names.index("email")
    asked = client.get("/admin/records/contact/", {"o": f"-{place}"}).context["cl"]
    assert asked.queryset.query.order_by == drawn.queryset.query.order_by


def test_people_without_a_name_or_a_log_in_are_last(c: TinyCompany) -> None:
    User.objects.update(last_login=None)
    nameless = UserFactory(email="aaa@x.example", first_name="", last_name="")
    User.objects.filter(pk=c.rob.pk).update(last_login=datetime(2026, 1, 1, tzinfo=UTC))
    assert list(people.named(User.objects.all(), ""))[-1] == nameless
    client = Client()
    client.force_login(c.sam)  # logs her in, after Rob
    address = "/admin/accounts/user/"
    assert client.get(address).context["cl"].result_list[-1] == nameless
    up, down = in_list(client, address, "last_log_in", "pk")
    assert (up[:2], down[:2]) == ([c.rob.pk, c.sam.pk], [c.sam.pk, c.rob.pk])


def test_an_order_that_an_index_serves_stays_as_it_is(c: TinyCompany) -> None:
    for model, terms in (
        (Deal, ["name", "-updated_at", "-pk"]),
        (Contact, ["last_name", "-id"]),
        (Company, ["name", "created_at"]),
    ):
        assert empty_last(model, terms) == terms
    client = Client()
    client.force_login(c.sam)
    for kind, model in (("deal", Deal), ("contact", Contact)):
        shown = client.get(f"/admin/records/{kind}/").context["cl"].queryset
        assert shown.query.order_by == tuple(model._meta.ordering or ())
    by_parent = empty_last(Company, ["-parent__name", "parent", "unknown"])
    assert by_parent[1:] == ["parent", "unknown"]
    sql = str(Company.objects.order_by(*by_parent[:1]).query)
    assert sql.endswith("DESC NULLS LAST"), connection.vendor


def test_a_bound_of_nothing_is_told_from_no_bound(c: TinyCompany) -> None:
    def said(query: str) -> list[tuple[str, str]]:
        return query_words.described(Deal, query, user=c.sam)

    queries = ("amount_min=0", "amount_max=0", "amount_min=0&amount_max=0", "amount_min=0.00")
    assert [said(query)[0][1] for query in queries] == ["0 – …", "… – 0", "0 – 0", "0.00 – …"]
    assert said("closed_before=2026-12-31") == [("Closed", "… – 2026-12-31")]
    twins = [Company.objects.create(name="Twin") for _ in "ab"]
    assert said(f"company={twins[0].pk}") == [("Company", f"Twin (#{twins[0].pk})")]
    assert said(f"company={twins[0].pk}") != said(f"company={twins[1].pk}")
    rows = Deal.objects.filter(pk__in=[each.pk for each in five_deals(c)])
    assert filters.narrowed(rows, "amount_max=0", user=c.sam).get().amount == Decimal(0)
