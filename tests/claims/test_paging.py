"""Whatever the shape a page is asked for in, it has the rows of the list, in the list's order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, seed, settings

from accounts import access, audit, clock
from accounts.access import Keys, permitted
from accounts.audit_admin import codes
from accounts.list_query import Listing
from accounts.models import AuditEvent, Team, User
from accounts.ordering import empty_last
from accounts.paging import (
    FEW,
    MOST_BRANCHES,
    MOST_COUNTED,
    CappedCount,
    CappedPaginator,
    Chosen,
    Shape,
    capped_count,
    in_shape,
    shape_of,
)
from exports.worker import refresh_statistics
from records import filters, operations
from records.models import Company, Contact, Deal, Record, Ticket
from records.operations.sharing import share
from tests.claims.test_team_tree import wait_until
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, DealFactory
from tests.support.world_rows import lay_down, model_of
from tests.support.worlds import World, worlds

SQLITE = connection.vendor == "sqlite"
SIZE = 3
WORLDS, PEOPLE = 4, 4
CAPPED = CappedCount(MOST_COUNTED)
NOW = datetime(2026, 3, 4, tzinfo=UTC)

Change = Callable[[Listing], Listing]


def lists(kind: str, user: User) -> Iterator[QuerySet[Any]]:
    """The lists that one person has of a kind of record, as screens make them."""
    model: Any = model_of(kind)
    rows = access.marked(permitted(model.objects.all(), user, "view"), user, "change")
    name = model.name_fields[-1]
    yield rows
    yield rows.order_by("-updated_at", "-id")
    yield rows.order_by(*empty_last(model, [f"-{name}", "-pk"])).select_related("owner")
    yield rows.order_by("owner__last_name", "version", "pk")
    yield filters.search(rows.order_by("updated_at", "id"), "a")
    yield rows.filter(Q(owner=None) | ~Q(co_owner=user)).exclude(version=0)
    yield permitted(model._base_manager.order_by("-pk"), user, access.RESTORE)


def right(listing: Listing) -> Listing:
    return listing


def without_other_owners(listing: Listing) -> Listing:
    allowed = listing.allowed
    if allowed is None:
        return listing
    return replace(listing, allowed=replace(allowed, owners=allowed.owners[:1]))


def without_what_is_no_owner(listing: Listing) -> Listing:
    allowed = listing.allowed
    return listing if allowed is None else replace(listing, allowed=replace(allowed, others=()))


def of_one_order(listing: Listing) -> Listing:
    return replace(listing, order=listing.order[-1:])


CHANGES: tuple[Change, ...] = (
    right,
    without_other_owners,
    without_what_is_no_owner,
    of_one_order,
)


def differences(rows: QuerySet[Any], change: Change = right) -> int:
    """Return how many pages differ from what the list itself has there."""
    listing = Listing.of(rows)
    assert listing is not None
    listing = change(listing)
    whole = [row.pk for row in rows]
    different = int(capped_count(rows) != len(whole))
    # A part that is taken for the whole is missed in branches alone.
    shapes = Shape if change is right else (Shape.KEYS, Shape.BRANCH)
    for start in range(0, len(whole), SIZE):
        for shape in shapes:
            if shape is Shape.BRANCH and listing.allowed is None:
                continue
            page = [row.pk for row in in_shape(listing, shape, start, start + SIZE)]
            assert set(page) <= set(whole)  # whatever the shape: the rule is asked once more
            different += page != whole[start : start + SIZE]
    return different


@pytest.mark.django_db
def test_every_shape_has_the_pages_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """And three that are wrong are found, which show nothing more either."""
    monkeypatch.setattr("accounts.paging.FEW", SIZE)  # the second page is a deep one
    found: Counter[Change] = Counter()

    @seed(13)
    @settings(
        max_examples=WORLDS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds())
    def look(world: World) -> None:
        with transaction.atomic():
            stored = lay_down(world)
            people = User.objects.filter(pk__in=[each.id for each in stored.people])
            for person, kind in product(people[:PEOPLE], stored.records):
                for rows in lists(kind, person):
                    for change in CHANGES:
                        found[change] += differences(rows, change)
            transaction.set_rollback(True)

    look()
    assert found[right] == 0
    assert all(found[change] for change in CHANGES[1:]), found


def test_what_is_filled_comes_first_in_every_shape(c: TinyCompany) -> None:
    """Sorted by a column that some rows leave empty, up and down, for whoever sees what of them."""
    rita = c.people["rita"]
    for number, amount in enumerate((5, None, 0, 5, None, 30, None, 5, 1, None)):
        owner = (rita, c.people["mona"], None)[number % 3]
        DealFactory(amount=amount, owner=owner, co_owner=rita if number == 5 else None)
    for who, term in product(("sam", "mona", "rita", "eve"), ("amount", "-amount", "closed")):
        rows = permitted(Deal.objects.all(), c.people[who], "view")
        for order in ([term, "-pk"], [term, "pk"], [term, "-name", "-pk"]):
            assert differences(rows.order_by(*empty_last(Deal, order))) == 0, (who, order)
        narrowed = filters.search(rows, "e").order_by(*empty_last(Deal, [term, "-pk"]))
        assert differences(narrowed) == 0, who


def test_a_log_has_its_pages_in_every_shape(c: TinyCompany) -> None:
    """By kind, by word and by time; what is no code of the log finds nothing."""
    for number in range(20):
        company = CompanyFactory(owner=c.people["rita"])
        if number % 3 == 0:
            operations.delete(company, actor=c.sam)
    log = AuditEvent.objects.order_by("-id")
    moments = []
    for _ in range(5):
        with transaction.atomic():
            for code in ("company.change", "team.create"):
                audit.record(code, actor=c.sam)
        moments.append(log[0].at)
        # SQLite's clock counts milliseconds, and several events may have one.
        wait_until(lambda: clock.database_now() > moments[-1])
    assert {"company.delete", "team.create"} <= {*codes(lambda code: True)}
    kinds = codes(lambda code: code.startswith("company."))
    halfway, late = moments[1], moments[3]
    for rows in (
        log,
        log.filter(action__in=kinds),
        log.filter(action="company.delete"),
        log.filter(action__in=codes(lambda code: "e" in code)),
        log.filter(at__lt=halfway),
        log.filter(at__gte=halfway, at__lt=late),
        log.filter(action__in=kinds, at__gte=halfway, result="done"),
    ):
        assert differences(rows) == 0
        assert rows.exists()
    assert not log.filter(action__in=codes(lambda code: code == "zzz")).exists()


@pytest.mark.of_database("sqlite", "postgresql")
@pytest.mark.parametrize(
    ("narrowed", "count", "shape"),
    [
        ({"action__in": ("deal.create", "deal.change")}, CAPPED, Shape.BRANCH),
        ({"action__in": ("deal.create", "deal.change")}, FEW + 1, Shape.BRANCH),
        (
            {"action__in": ("a", "b"), "at__lt": NOW},
            FEW + 1,
            Shape.PLAIN if SQLITE else Shape.GATHER,
        ),
        ({}, CAPPED, Shape.PLAIN),
    ],
)
def test_shape_suits_what_a_log_is_asked_for(
    narrowed: dict[str, Any], count: int, shape: Shape
) -> None:
    listing = Listing.of(AuditEvent.objects.filter(**narrowed).order_by("-id"))
    assert listing is not None
    assert shape_of(listing, 0, count) is shape


# --- Which shape ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "who", "order", "count", "start", "on_sqlite", "on_postgresql"),
    [
        (Company, "rita", "-updated_at", 80, 50, Shape.PLAIN, Shape.GATHER),
        (Company, "rita", "-updated_at", CAPPED, 0, Shape.WALK, Shape.KEYS),
        (Company, "rita", "-updated_at", CAPPED, FEW, Shape.BRANCH, Shape.BRANCH),
        (Deal, "mona", "-updated_at", FEW + 1, 0, Shape.BRANCH, Shape.BRANCH),
        (Deal, "mona", "updated_at", CAPPED, FEW, Shape.BRANCH, Shape.BRANCH),
        (Deal, "mona", "name", CAPPED, FEW, Shape.BRANCH, Shape.BRANCH),
        (Deal, "rita", "name", MOST_COUNTED, 0, Shape.BRANCH, Shape.BRANCH),
        (Deal, "rita", "-version", CAPPED, FEW, Shape.WALK, Shape.KEYS),  # no index by owner
        (Deal, "sam", "-updated_at", 80, 50, Shape.PLAIN, Shape.PLAIN),
        (Deal, "sam", "-updated_at", CAPPED, 0, Shape.PLAIN, Shape.PLAIN),
        (Deal, "ruth", "-updated_at", CAPPED, FEW, Shape.PLAIN, Shape.KEYS),
        (Deal, "rita", "-amount", 80, 50, Shape.PLAIN, Shape.GATHER),
        (Deal, "rita", "-amount", CAPPED, 0, Shape.FILLED, Shape.FILLED),
        (Deal, "sam", "closed", CAPPED, FEW, Shape.FILLED, Shape.FILLED),
        (Deal, "sam", "product", CAPPED, 0, Shape.PLAIN, Shape.PLAIN),  # no index
    ],
)
def test_shape_suits_how_much_is_seen(
    c: TinyCompany,
    kind: type[Record],
    who: str,
    order: str,
    count: int,
    start: int,
    on_sqlite: Shape,
    on_postgresql: Shape,
) -> None:
    rows = permitted(kind.objects.all(), c.people[who], "view")
    turned = "-" if order.startswith("-") else ""
    listing = Listing.of(rows.order_by(*empty_last(kind, [order, f"{turned}id"])))
    assert listing is not None
    assert shape_of(listing, start, count) is (on_sqlite if SQLITE else on_postgresql)


def test_who_has_many_owners_in_reach_is_taken_to_see_much(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their first page is found in the order itself, whatever else is asked with it."""
    monkeypatch.setattr("accounts.paging.SPARSE", 1)
    monkeypatch.setattr("accounts.paging.MOST_MERGED_BY_NAME", 1)
    rows = permitted(Deal.objects.all(), c.people["mona"], "view")
    for order, start, shape in (("-updated_at", 0, Shape.WALK), ("name", FEW, Shape.WALK)):
        listing = Listing.of(rows.order_by(order, "-id" if order[0] == "-" else "id"))
        assert listing is not None
        assert listing.is_rule_alone
        expected = shape if SQLITE or not start else Shape.BRANCH
        assert shape_of(listing, start, CAPPED) is expected, order
    narrowed = Listing.of(rows.filter(amount__gt=5).order_by("-updated_at", "-id"))
    assert narrowed is not None
    assert not narrowed.is_rule_alone
    assert shape_of(narrowed, 0, CAPPED) is (Shape.WALK if SQLITE else Shape.PLAIN)


def test_what_a_rule_allows_by_is_recognised(c: TinyCompany) -> None:
    """Without it, every list would still be right, and slow."""
    share(c.companies["bolt"], actor=c.sam, user=c.people["rita"], level="view")
    expected: list[tuple[str, type[Record], int]] = [
        ("mona", Deal, 0),
        ("rita", Deal, 1),  # what nobody owns
        ("rita", Company, 1),  # what is shared
        ("nora", Company, 0),
    ]
    for name, kind, others in expected:
        rows = permitted(kind.objects.order_by("-updated_at", "-id"), c.fresh(name), "view")
        listing = Listing.of(rows)
        assert listing is not None
        assert listing.allowed is not None, name
        columns = {column.target.name for column, _ in listing.allowed.owners}
        assert columns == {"owner", "co_owner"}
        assert (len(listing.allowed.others), listing.has_branches(MOST_BRANCHES)) == (others, True)
    assert Listing.of(Contact.objects.order_by("?")) is None
    assert Listing.of(Contact.objects.order_by("owner")) is None  # a relation has its own order
    assert Listing.of(Team.objects.order_by("name")) is not None


@pytest.mark.parametrize("is_long", [False, True])
def test_what_is_of_several_parts_of_a_rule_is_there_once(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    """In the count and on deep pages; where a part is negated, holds always or never, as well."""
    monkeypatch.setattr("accounts.paging.FEW", 1)
    if is_long:  # as for hundreds of owners
        monkeypatch.setattr("accounts.list_query.MOST_BRANCHES", 0)
    for number in range(7):
        both = {"owner": c.rita, "co_owner": c.lena if number % 2 else c.rita}
        DealFactory(**(both if number % 3 else {}), stage=c.stages["open"])
    mine = Q(owner=c.rita.pk)
    unassigned = Q(owner__isnull=True, co_owner__isnull=True)
    staged, free = Q(stage__isnull=False), Q(owner__isnull=True)
    for when in (
        mine | unassigned,
        mine | ~unassigned,
        mine | ~free,
        mine | free | (free & staged),
        mine | (free & staged) | free,
        mine | Q(co_owner=c.lena.pk) | (free & staged),
        mine | Q(co_owner__in=Keys((c.lena.pk, c.rita.pk))) | staged,
        mine | Q(pk__in=[]) | free,
        mine | ~Q(pk__in=[]) | free,
    ):
        rows = Deal.objects.filter(when)
        assert capped_count(rows) == len(rows), when
        assert differences(rows) == 0, when


@pytest.mark.parametrize("most_branches", [0, MOST_BRANCHES])
def test_a_count_goes_to_the_cap_and_says_where_it_went_no_further(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, most_branches: int
) -> None:
    """By owners, of whom two make arms of their own, by the rest, and without any rule."""
    monkeypatch.setattr("accounts.paging.MOST_BRANCHES", most_branches)
    mine = Q(owner__in=Keys((c.rita.pk, c.nora.pk)))
    for when in (mine, mine | Q(owner__isnull=True), Q()):
        rows = Deal.objects.filter(when)
        number = len(rows)
        for most, is_capped in ((number + 1, False), (number, False), (number - 1, True)):
            monkeypatch.setattr("accounts.paging.MOST_COUNTED", most)
            found = capped_count(rows)
            assert (int(found), isinstance(found, CappedCount)) == (min(number, most), is_capped)
            assert str(found) == (f"{most}+" if is_capped else str(number))


# --- The paginator --------------------------------------------------------------------------------


def test_a_page_is_one_statement_and_a_count_another(c: TinyCompany) -> None:
    for number in range(7):
        DealFactory(name=f"Page {number}", owner=c.people["mona"], stage=c.stages["open"])
    rows = permitted(Deal.objects.all(), c.people["mona"], "view")
    names = [str(row) for row in rows.all()]
    pages = CappedPaginator(rows, 3)
    with CaptureQueriesContext(connection) as captured:
        shown = [[str(row) for row in pages.page(n).object_list] for n in pages.page_range]
    assert [name for page in shown for name in page] == names
    assert len(captured) == 1 + len(shown)
    assert pages.count == len(names)


def test_nobody_sees_through_a_shape_what_they_may_not(c: TinyCompany) -> None:
    """Refusals beside successes: one's own, somebody else's, and what lies in the bin."""
    rita = c.people["rita"]
    mine = [CompanyFactory(owner=rita) for _ in range(3)]
    operations.delete(mine.pop(), actor=c.sam)
    rows = permitted(Company.objects.order_by("-updated_at", "-id"), rita, "view")
    seen = {c.companies["acme"].pk, *(row.pk for row in mine)}
    own = Listing.of(rows)
    everything = Listing.of(Company._base_manager.order_by("-updated_at", "-id"))
    assert own is not None
    assert everything is not None
    for shape in Shape:
        assert {row.pk for row in in_shape(own, shape, 0, 50)} == seen
    # Whatever keys were chosen: the rows are read through the rule.
    chosen = Chosen(everything, Shape.KEYS, 0, 50)
    assert {row.pk for row in rows.filter(pk__in=chosen)} == seen
    assert c.companies["bolt"].pk in Company.objects.filter(pk__in=chosen).values_list(
        "pk", flat=True
    )


@pytest.mark.of_database("sqlite")
def test_sqlite_learns_how_large_its_tables_are(c: TinyCompany) -> None:
    """Of tables too that the worker's own connection has never read."""
    refresh_statistics()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'records_deal'")
        assert cursor.fetchone()[0] > 0


def test_a_picker_that_asks_offers_what_is_left_first(c: TinyCompany) -> None:
    """And on its later pages what lies in the bin, each once, in the order of names."""
    names = [f"Page {number:02}" for number in range(25)]
    for name in names:
        CompanyFactory(name=name, owner=c.people["rita"])
    for name in names[:3]:
        operations.delete(Company.objects.get(name=name), actor=c.sam)
    gone = [f"{name} (in the recycle bin)" for name in names[:3]]
    client = Client()
    client.force_login(c.people["rita"])
    asked = {"app_label": "records", "model_name": "deal", "field_name": "company", "term": "page"}
    answers = [client.get("/admin/autocomplete/", {**asked, "page": n}).json() for n in (1, 2)]
    found = [[row["text"] for row in answer["results"]] for answer in answers]
    assert found == [names[3:23], [*names[23:], *gone]]
    assert [answer["pagination"]["more"] for answer in answers] == [True, False]
    chosen = client.get("/admin/autocomplete/choose/", {**asked, "page": 2}).json()["results"]
    assert [row["text"] for row in chosen] == names[23:]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [Company, Contact, Deal, Ticket])
def test_columns_that_nobody_asks_by_have_no_index(kind: type[Record]) -> None:
    """Owners have one of their own: SQLite asks no *or* of owners by one of live records alone."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, kind._meta.db_table)
    alone = {i["columns"][0] for i in found.values() if i["index"] and len(i["columns"]) == 1}
    assert not alone & {"created_by_id", "updated_by_id", "deleted_by_id"}
    assert alone >= {"owner_id", "co_owner_id"}
