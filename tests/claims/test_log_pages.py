"""Lists of what happened read of a page as little as of the newest one, whatever they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model, QuerySet
from django.test import Client, RequestFactory

from accounts.models import AuditEvent
from accounts.paging import MOST_COUNTED, CappedCount, Listing, Shape, in_shape, shape_of
from exports.models import ExportRequest
from tests.support.company import TinyCompany

SQLITE = connection.vendor == "sqlite"
DAY = datetime(2026, 3, 4, tzinfo=UTC)
AUDIT_LOG = "/admin/accounts/auditevent/"


def plan_of(rows: QuerySet[Any]) -> str:
    """Return how rows are found, where a table is too large to be read or sorted whole."""
    if SQLITE:
        return rows.explain()
    with connection.cursor() as cursor:
        for way in ("seqscan", "sort", "incremental_sort", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    return rows.explain()


def is_sorted(plan: str) -> bool:
    return "TEMP B-TREE" in plan or "Sort" in plan


def order_of(model: type[Model], **asked: str) -> Sequence[str]:
    screen: Any = admin.site.get_model_admin(model)
    return [str(term) for term in screen.get_ordering(RequestFactory().get("/", asked)) or ["-id"]]


def events(number: int, *, result: str = "done") -> list[AuditEvent]:
    """Lay down events an hour apart, of which each second is earlier than the one before it."""
    return AuditEvent.objects.bulk_create(
        AuditEvent(
            at=DAY + timedelta(hours=each ^ 1),
            system="test",
            action="deal.change",
            result=result,
            hash_version=1,
        )
        for each in range(number)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "column", "asked", "index"),
    [
        (AuditEvent, "at", "at_before", "audit_of_day"),
        (AuditEvent, "at", "at_after", "audit_of_day"),
        (ExportRequest, "requested_at", "requested_before", "export_asked_at"),
    ],
)
def test_a_span_of_a_log_is_read_in_the_order_of_its_index(
    model: type[Model], column: str, asked: str, index: str
) -> None:
    """By number it would lie behind all that came since, or be sorted; unasked, number it is."""
    order = order_of(model, **{asked: "2026-03-04"})
    assert order == [f"-{column}", "-pk"]
    assert order_of(model) == ["-id"]
    bound = {f"{column}__lt" if asked.endswith("before") else f"{column}__gte": DAY}
    rows = model._default_manager.filter(**bound)
    listing = Listing.of(rows.order_by(*order))
    assert listing is not None
    assert shape_of(listing, 0, CappedCount(MOST_COUNTED)) is Shape.PLAIN
    plan = plan_of(in_shape(listing, Shape.PLAIN, 0, 50))
    assert index in plan
    assert not is_sorted(plan)
    assert is_sorted(plan_of(rows.order_by(f"-{column}", "pk")[:50]))


@pytest.mark.django_db
def test_what_was_refused_is_read_from_an_index_of_it() -> None:
    """Its page and its number, and those of a span of it; what was done is nearly all there is."""
    order = order_of(AuditEvent, result="refused")
    assert order == ["-at", "-pk"]
    refused = AuditEvent.objects.filter(result="refused")
    for rows in (refused, refused.filter(at__lt=DAY)):
        page = plan_of(rows.order_by(*order)[:50])
        assert "audit_refused" in page
        assert not is_sorted(page)
        assert "audit_refused" in plan_of(rows.order_by().values("pk")[:10])
    done = AuditEvent.objects.filter(result="done").order_by(*order)
    assert "audit_of_day" in plan_of(done[:50])


def test_a_span_has_all_its_events_the_latest_first(c: TinyCompany, client: Client) -> None:
    """Also those that were numbered in another order than they happened, on every page."""
    laid_down = events(120)
    first, last = DAY, DAY + timedelta(days=3)
    expected = sorted(
        (each for each in laid_down if first <= each.at < last + timedelta(days=1)),
        key=lambda each: each.at,
        reverse=True,
    )
    assert [each.pk for each in expected] != sorted((each.pk for each in expected), reverse=True)
    client.force_login(c.sam)
    span = {"at_after": f"{first:%Y-%m-%d}", "at_before": f"{last:%Y-%m-%d}"}
    pages = [client.get(AUDIT_LOG, {**span, "p": page}).context["cl"] for page in (1, 2)]
    shown = [row.pk for page in pages for row in page.result_list]
    assert shown == [each.pk for each in expected]
    assert len(shown) == 96
    assert pages[0].result_count == 96
