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

from accounts.models import AuditEvent, Notice, PermissionChange, User
from accounts.models.history import IS_CHANGE
from accounts.notices import inbox
from accounts.paging import MOST_COUNTED, CappedCount, Listing, Shape, in_shape, shape_of
from exports.models import ExportRequest
from tests.claims.test_paging import differences
from tests.support.company import TinyCompany

SQLITE = connection.vendor == "sqlite"
DAY = datetime(2026, 3, 4, tzinfo=UTC)
AUDIT_LOG, HISTORY = "/admin/accounts/auditevent/", "/admin/permissions/history/"


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


def listing_of(model: type[Model], user: User, **asked: str) -> Listing:
    """Return what a person's list asks, with these filters."""
    request: Any = RequestFactory().get("/", asked)
    request.user = user
    screen: Any = admin.site.get_model_admin(model)
    listing = Listing.of(screen.get_changelist_instance(request).queryset)
    assert listing is not None
    return listing


def changes(person: User, actor: User) -> None:
    """Lay down a history: of a person who moves between sets, of three sets and of a team."""

    def change(number: int, permission: str, before: str, after: str, **of: Any) -> Any:
        return PermissionChange(
            at=DAY + timedelta(hours=number),
            actor=actor if number % 3 else None,
            system="" if number % 3 else "test",
            permission=permission,
            before=before,
            after=after,
            **of,
        )

    rows = []
    for number in range(0, 60, 5):
        held = 900 + number % 3
        rows += [
            change(number, "permission_set", f"{held}: A", f"{held + 1}: B", person=person),
            change(number + 1, "crm.deal.view", "", "team", set_key=held, name="Sales"),
            change(number + 2, "crm.deal.view", "own", "own", set_key=held, name="Sales"),
            change(number + 3, "crm.export", "", "yes", set_key=held + 1, name="Exporting deals"),
            change(number + 4, "parent", "", "1: North", team_key=7, name="Team of sales"),
        ]
    PermissionChange.objects.bulk_create(rows)


def a_long_history() -> None:
    """Lay down so many changes that PostgreSQL does not read them all, whatever it knew before."""
    PermissionChange.objects.bulk_create(
        PermissionChange(
            at=DAY,
            system="test",
            set_key=1,
            after="yes",
            permission=f"{n % 300}",
            name=f"{n % 300}",
        )
        for n in range(3_000)
    )
    if not SQLITE:
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {PermissionChange._meta.db_table}")


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
        (PermissionChange, "at", "at_before", "permission_changed_at"),
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


@pytest.mark.django_db
def test_what_became_of_an_object_is_read_from_its_index() -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=DAY,
            system="test",
            action="deal.change",
            object="deal",
            object_id=str(number % 1_000),
            result="done",
            hash_version=1,
        )
        for number in range(3_000)
    )
    if not SQLITE:
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {AuditEvent._meta.db_table}")
    plan = plan_of(AuditEvent.objects.filter(object="deal", object_id="53").order_by("-id")[:50])
    assert "audit_of_object" in plan
    assert not is_sorted(plan)


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


# --- The permission history -----------------------------------------------------------------------

FILTERS: dict[str, dict[str, str]] = {
    "set": {"set_key": "901"},
    "permission": {"permission": "crm.deal"},
    "search": {"q": "sales"},
    "two words": {"q": "deal export"},
    "permission, to a day": {"permission": "CRM.", "at_before": "2026-03-05"},
}


def test_the_history_has_its_pages_in_every_shape(c: TinyCompany) -> None:
    """By person and by whom too; and each shape is the one of an index where that is all asked."""
    changes(c.rita, c.mona)
    people = {"person": {"person": str(c.rita.pk)}, "by": {"actor": str(c.mona.pk)}}
    for name, asked in {**FILTERS, **people}.items():
        listing = listing_of(PermissionChange, c.sam, **asked)
        assert listing.rows.exists(), name
        assert differences(listing.rows) == 0, name
        is_one = name not in ("two words", "permission, to a day")
        assert (shape_of(listing, 0, 20) is Shape.BRANCH) is is_one, name


def test_the_history_is_searched_by_names_and_permissions(c: TinyCompany, client: Client) -> None:
    """Each word in either of them, whatever its case; what did not change is not found."""
    changes(c.rita, c.mona)
    client.force_login(c.sam)

    def found(**asked: str) -> set[tuple[str, str]]:
        rows = client.get(HISTORY, asked).context["cl"].queryset
        assert not rows.filter(before="own").exists()
        return set(rows.values_list("name", "permission"))

    assert found(q="SALES") == {("Sales", "crm.deal.view"), ("Team of sales", "parent")}
    deals = {("Sales", "crm.deal.view"), ("Exporting deals", "crm.export")}
    assert found(q="deal") == deals
    assert found(q="deal export") == {("Exporting deals", "crm.export")}
    assert found(permission="crm.Deal") == {("Sales", "crm.deal.view")}
    assert found(permission="deal") == found(q="zebra") == set()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("column", "value", "index"),
    [
        ("permission", "crm.export", "permission_changed_which"),
        ("name", "Sales", "permission_changed_called"),
        ("actor", 1, "permission_changed_by"),
    ],
)
def test_what_changed_is_counted_from_an_index_alone(column: str, value: Any, index: str) -> None:
    """An index without what is no change; a condition of another order would not be found in it."""
    a_long_history()
    rows = PermissionChange.objects.filter(IS_CHANGE, **{column: value})
    assert index in plan_of(rows.order_by("-id")[:50])
    assert index in plan_of(rows.order_by().values("pk")[:10])
    assert index not in plan_of(PermissionChange.objects.filter(**{column: value})[:10])


def test_super_admins_and_others_are_given_pages_in_the_same_shape(c: TinyCompany) -> None:
    """What holds for every row, as in the rules for a super admin, is nothing that they ask."""
    events(1)
    for asked in ({"about": "deal"}, {"q": "change deal"}, {"actor": str(c.rita.pk)}):
        assert shape_of(listing_of(AuditEvent, c.sam, **asked), 0, 2_000) is Shape.BRANCH, asked
    narrowed = listing_of(AuditEvent, c.sam, about="deal", result="done")
    assert shape_of(narrowed, 0, 2_000) is not Shape.BRANCH


@pytest.mark.django_db
def test_an_inbox_is_read_in_the_order_of_its_index(c: TinyCompany) -> None:
    page = plan_of(inbox(c.rita)[:25])
    assert "notice_newest" in page
    assert not is_sorted(page)
    assert is_sorted(plan_of(Notice.objects.filter(user=c.rita).order_by("text")[:25]))


# --- The export log -------------------------------------------------------------------------------


def test_the_export_log_goes_by_kind_by_name_and_by_person(c: TinyCompany) -> None:
    """With the same exports on the same pages as without an index; a hash is no word of a name."""
    ExportRequest.objects.bulk_create(
        ExportRequest(
            requester=(c.rita, c.mona)[number % 2],
            object=("deal", "contact", "company")[number % 3],
            name=("All deals", "Contacts: filtered", "Companies: chosen")[number % 3],
            record_count=number,
        )
        for number in range(12)
    )
    asked = (
        {"source": "deal"},
        {"requester": str(c.mona.pk)},
        {"q": "ALL"},
        {"q": "filtered contacts"},
    )
    for each in asked:
        listing = listing_of(ExportRequest, c.sam, **each)
        assert listing.rows.count() in (4, 6), each
        assert differences(listing.rows) == 0, each
        assert shape_of(listing, 0, 20) is Shape.BRANCH, each
    for nothing in ("zebra", "filtered deals", "0" * 64):
        assert not listing_of(ExportRequest, c.sam, q=nothing).rows.exists()
    # Of twelve rows alone every index is as good as another one.
    ExportRequest.objects.bulk_create(
        ExportRequest(requester=c.rita, object="company", name="All companies", record_count=1)
        for _ in range(3_000)
    )
    rows = ExportRequest.objects.order_by("-id")
    assert "export_of_kind" in plan_of(rows.filter(object__in=["deal"])[:50])
    assert "export_called" in plan_of(rows.filter(name__in=["All deals"])[:50])
