"""Links that are empty almost everywhere are found without reading every record."""

from __future__ import annotations

import pytest
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext

from exports.worker import refresh_statistics
from records import kinds
from records.models import Deal
from tests.support.company import TinyCompany
from tests.support.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.of_database("sqlite")]


def plan(statement: str) -> list[str]:
    """Return what SQLite would do for a statement, step by step."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        return [str(row[-1]) for row in cursor.fetchall()]


def many_deals_alone(c: TinyCompany) -> None:
    """Deals of many owners, with no co-owner, company or contact, and SQLite knows it."""
    owners = [UserFactory() for _ in range(20)]
    stage = c.stages["open"]
    Deal.objects.bulk_create(
        Deal(name=f"Deal {n}", stage=stage, owner=owners[n % 20]) for n in range(2000)
    )
    Deal.objects.update(co_owner=None, company=None, contact=None)
    refresh_statistics()


@pytest.mark.parametrize("kind", [*kinds.every()], ids=lambda kind: kind.key)
def test_each_link_that_may_be_empty_has_an_index_of_filled_ones(kind: kinds.Kind) -> None:
    model = kind.model
    links = {
        field.name: field
        for field in model._meta.local_fields
        if isinstance(field, models.ForeignKey) and field.null and field.name not in model.stamps
    }
    links.pop("deleted_by")
    # Somebody has most records of a kind, and the box of those that nobody has is asked for.
    assert links.pop("owner").db_index
    assert [name for name, field in links.items() if field.db_index] == []
    filled = {
        index.fields[0]: index.condition for index in model._meta.indexes if len(index.fields) == 1
    }
    assert {name: filled.get(name) for name in links} == {
        name: models.Q(**{f"{name}__isnull": False}) for name in links
    }


def test_first_page_does_not_read_every_deal(c: TinyCompany) -> None:
    many_deals_alone(c)
    client = Client()
    client.force_login(c.rita)
    with CaptureQueriesContext(connection) as asked:
        assert "My open deals by stage" in client.get("/admin/").content.decode()
    counted = [each["sql"] for each in asked if 'SUM("records_deal"."amount")' in each["sql"]]
    assert len(counted) == 1
    steps = plan(counted[0])
    assert not [step for step in steps if step.startswith("SCAN records_deal")], steps
    assert [step for step in steps if "deal_by_co_owner" in step], steps


def test_deals_of_a_company_are_found_by_its_key(c: TinyCompany) -> None:
    many_deals_alone(c)
    client = Client()
    client.force_login(c.sam)
    company = c.companies["bolt"].pk
    with CaptureQueriesContext(connection) as asked:
        for address in (
            f"/admin/records/company/{company}/change/",
            f"/admin/records/deal/?company={company}",
        ):
            assert client.get(address).status_code == 200
    by_company = [
        each["sql"]
        for each in asked
        if f'"records_deal"."company_id" = {company}' in each["sql"]
        and each["sql"].startswith("SELECT")
    ]
    assert len(by_company) >= 2
    for statement in by_company:
        steps = plan(statement)
        assert not [step for step in steps if step.startswith("SCAN records_deal")], steps
