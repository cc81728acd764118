"""`make bench`: how much slower rights make the product, as ratios against the same without them.

CONTACTS, DEALS, USERS, TEAMS and SEED say how large the company is; a SQLite file of that company
is kept under var/bench and used again. DATABASE_URL names another database, which has to be empty
or of the same company.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parent.parent
DEFAULTS = {"CONTACTS": 100_000, "DEALS": 100_000, "USERS": 2_000, "TEAMS": 200, "SEED": 1}
SIZES = {name: int(os.environ.get(name, value)) for name, value in DEFAULTS.items()}
FOLDER = BASE / "var" / "bench"
if "DATABASE_URL" not in os.environ:
    FOLDER.mkdir(parents=True, exist_ok=True)
    company = "-".join(str(number) for number in SIZES.values())
    os.environ["DATABASE_URL"] = f"sqlite:///{FOLDER / company}.sqlite3"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import reverse  # noqa: E402

from accounts import access  # noqa: E402
from accounts.paging import capped_count, page_of  # noqa: E402
from bench import rivals  # noqa: E402
from bench.measure import Compared, Row, Work, compare, table, took, within  # noqa: E402
from bench.profiles import Profile, profiles  # noqa: E402
from crmperms.bulk import RARE  # noqa: E402
from exports.models import ExportRequest  # noqa: E402
from exports.writers import manifest  # noqa: E402
from records import filters  # noqa: E402
from records.models import Contact, Deal  # noqa: E402

PAGE = 100
DEEP = 5000
SQLITE = connection.vendor == "sqlite"


def prepare() -> None:
    """Make the database and the company where they are not there yet."""
    call_command("migrate", verbosity=0, interactive=False)
    options = {name.lower(): number for name, number in SIZES.items()}
    began = time.monotonic()
    call_command("seed_bulk", **options)
    print(f"(seeding: {time.monotonic() - began:.0f} s)", flush=True)
    if not SQLITE:
        with connection.cursor() as cursor:  # as autovacuum does on a database that is in use
            cursor.execute("VACUUM ANALYZE")


# --- Lists ----------------------------------------------------------------------------------------

Rows = Callable[[], QuerySet[Deal]]


def all_deals() -> QuerySet[Deal]:
    """Return "A": the list's query without any rights; what is in the bin, nobody lists."""
    return Deal.objects.filter(deleted_at=None).order_by("-updated_at", "-id")


def deals_of(profile: Profile) -> QuerySet[Deal]:
    """Return the same query with this person's rights."""
    return access.permitted(all_deals(), profile.user, "view")


def page(rows: Callable[[], QuerySet[Any]], start: int = 0) -> Work:
    """Return the work of building the query and loading one page."""
    return lambda: list(rows()[start : start + PAGE])


def listed(rows: Callable[[], QuerySet[Any]], start: int = 0) -> Work:
    """Return the work of loading one page as a list does, which has counted already."""
    counted = capped_count(rows())
    return lambda: list(page_of(rows(), start, start + PAGE, counted))


def count(rows: Rows) -> Work:
    """Return the work of counting as a list does."""
    return lambda: capped_count(rows())


def lists(people: list[Profile]) -> Iterator[Row]:
    """Measure the list's queries, each person's against the same without rights."""
    scoped = [partial(deals_of, profile) for profile in people]
    goal = 1.7 if SQLITE else 1.5
    first = [compare(page(all_deals), listed(rows)) for rows in scoped]
    yield within("page 1 / A", first, goal)
    deep = []
    for rows in scoped:
        start = max(0, min(DEEP, rows().order_by()[: DEEP + PAGE].count() - PAGE))
        deep.append(compare(page(all_deals, start), listed(rows, start)))
    yield within(f"page at row {DEEP:,} / A", deep)
    yield within("capped count / A", [compare(count(all_deals), count(rows)) for rows in scoped])

    def found(rows: Rows) -> Work:
        return listed(lambda: filters.search(rows(), RARE))

    searches = [compare(found(all_deals), found(rows)) for rows in scoped]
    yield within("search, rare word / A", searches, 1.6)

    def with_marks(profile: Profile) -> Work:
        return page(lambda: access.marked(deals_of(profile), profile.user, "change"))

    marked = [compare(page(partial(deals_of, p)), with_marks(p)) for p in people]
    yield within("page with marks / without", marked)

    def contacts() -> QuerySet[Contact]:
        live = Contact.objects.filter(deleted_at=None)
        return live.order_by("last_name", "first_name", "id")

    def named(profile: Profile) -> Work:
        return listed(lambda: access.permitted(contacts(), profile.user, "view"))

    by_name = [compare(page(contacts), named(profile)) for profile in people]
    yield within("contacts by name / A", by_name, goal)


def others(people: list[Profile]) -> Iterator[Row]:
    """Measure other ways to write the same list against ours; only where rows have a fence."""
    unfenced = [p for p in people if p.user.is_superuser or "everything" in p.name]
    for name, rival in rivals.RIVALS.items():
        results: list[Compared | None] = []
        for profile in people:
            if profile in unfenced:
                results.append(None)
                continue
            if rival is rivals.guardian:
                rivals.grant(profile.user)
            ours = partial(deals_of, profile)
            theirs = partial(_ordered, rival, profile)
            assert [d.pk for d in ours()[:PAGE]] == [d.pk for d in theirs()[:PAGE]]
            results.append(compare(page(ours), page(theirs)))
        yield within(f"{name} / ours", results)


def _ordered(rival: rivals.Rival, profile: Profile) -> QuerySet[Deal]:
    return rival(profile.user).order_by("-updated_at", "-id")


# --- One record -----------------------------------------------------------------------------------


def checks(people: list[Profile]) -> Iterator[Row]:
    """Measure what is asked about one record against looking it up by its key."""
    both = [(profile.user, deals_of(profile)[0]) for profile in people]

    def against_lookup(question: Callable[..., object], action: str) -> list[Compared]:
        return [
            compare(partial(Deal.objects.get, pk=deal.pk), partial(question, user, action, deal))
            for user, deal in both
        ]

    for action in ("view", "change"):
        yield within(f"allows {action} / look-up", against_lookup(access.allows, action), 2)
        yield within(f"explain {action} / look-up", against_lookup(access.explain, action), 2)
    loads = [f"{took(lambda p=profile: p.fresh().grants):.1f} ms" for profile in people]
    yield Row("loading person and grants", "", loads)
    goal = 300 * SIZES["USERS"] / 2000
    for action in ("view", "change"):
        times = [took(partial(_everybody, action, deal)) for _, deal in both]
        cells = [f"{time:,.0f} ms" for time in times]
        met = [time <= goal for time in times]
        yield Row(f"who_can {action}", "", cells, f"≤ {goal:g} ms", met)


def _everybody(action: str, deal: Deal) -> list[object]:
    return list(access.who_can(action, deal))


# --- Screens --------------------------------------------------------------------------------------


def screens(people: list[Profile]) -> Iterator[Row]:
    """Measure pages over HTTP, everybody's against a super admin's."""
    clients = []
    for profile in people:
        client = Client(SERVER_NAME="localhost")
        client.force_login(profile.user)
        clients.append(client)
    picker = "app_label=records&model_name=deal&field_name=contact&term="
    pages = {
        "deals": (reverse("admin:records_deal_changelist"), 1.2),
        "deals, last page": (reverse("admin:records_deal_changelist") + "?p=200", None),
        "contacts": (reverse("admin:records_contact_changelist"), 1.2),
        "dashboard": (reverse("admin:index"), None),
        "picker, any contact": (f"{reverse('admin:choose')}?{picker}", None),
        "picker, “Costa”": (f"{reverse('admin:choose')}?{picker}Costa", None),
        "palette, rare word": (f"{reverse('admin:search')}?extended=1&s={RARE}", None),
    }

    def opened(client: Client, address: str) -> Callable[[], object]:
        def get() -> None:
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)

        return get

    for name, (address, goal) in pages.items():
        admin = opened(clients[-1], address)
        results = [compare(admin, opened(client, address)) for client in clients]
        yield within(f"{name} / super admin's", results, goal)
        if goal is not None:
            statements = [queries(opened(client, address)) for client in clients]
            # Never more; a super admin has one more, for the badge of requests that wait for them.
            met = [number <= statements[-1] for number in statements]
            yield Row(f"{name}: SQL statements", "", statements, "no more", met)


def queries(work: Callable[[], object]) -> int:
    """Return how many statements this takes."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def freezing(people: list[Profile]) -> Iterator[Row]:
    """Measure laying down the records of an export, per thousand records, and undo it."""
    cells = []
    for profile in people:
        rows = access.permitted(all_deals(), profile.user, "export")
        with transaction.atomic():
            export = ExportRequest.objects.create(
                requester=profile.user, object="deal", name="bench", query="", columns=[],
                sensitive_fields=[], format="csv", record_count=0, approval_needed=True,
            )  # fmt: skip
            began = time.perf_counter()
            found = manifest.freeze(rows, export)
            seconds = time.perf_counter() - began
            transaction.set_rollback(True)
        cells.append(f"{seconds * 1000:,.0f} ms/{found:,}")
    yield Row("export freeze, time/records", "", cells)


# --- All of it ------------------------------------------------------------------------------------


def main() -> int:
    """Print one table for this database; the exit code is 0 whatever the goals say."""
    prepare()
    people = profiles()
    described = "SQLite" if SQLITE else "PostgreSQL"
    version = ".".join(str(part) for part in connection.get_database_version())
    print(
        f"\n{described} {version}: {SIZES['DEALS']:,} deals, {SIZES['CONTACTS']:,} contacts, "
        f"{SIZES['USERS']:,} people in {SIZES['TEAMS']:,} teams. Ratios unless it says otherwise.\n"
    )
    rows: list[Row] = []
    for part in (lists, checks, screens, freezing, others):
        for row in part(people):
            rows.append(row)
            print(f"… {row.measure} {row.verdict}", file=sys.stderr, flush=True)
    print(table([profile.name for profile in people], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
