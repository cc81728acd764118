"""What is measured for each person: lists, questions about one record, pages over HTTP, rivals."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import access
from accounts.paging import capped_count, page_of
from bench import rivals
from bench.company import SIZES, SQLITE, WORD
from bench.measure import Compared, Row, Work, compare, ratios, took
from bench.profiles import Profile
from crmperms.made_up import RARE
from records import filters
from records.models import Contact, Deal, Record

PAGE = 100
PLACES = {"page 1": 0, "page 50": 4_900, "page 100": 9_900}
"""Where pages begin; a list has no page beyond the ten thousandth row."""
THROUGH_DJANGO = 1.7 if SQLITE else 1.5

Rows = Callable[[], QuerySet[Any]]


def of_all(model: type[Record], *order: str) -> QuerySet[Any]:
    """Return "A": the list's query without any rights; what is in the bin, nobody lists."""
    return model._default_manager.filter(deleted_at=None).order_by(*order)


LISTS: dict[str, Rows] = {
    "contacts by change": partial(of_all, Contact, "-updated_at", "-id"),
    "contacts by name": partial(of_all, Contact, "last_name", "first_name", "id"),
    "deals by change": partial(of_all, Deal, "-updated_at", "-id"),
}


def seen(rows: Rows, profile: Profile) -> QuerySet[Any]:
    """Return the same query with this person's rights."""
    return access.permitted(rows(), profile.user, "view")


def page(rows: Rows, start: int = 0) -> Work:
    """Return the work of building the query and loading one page."""
    return lambda: list(rows()[start : start + PAGE])


def listed(rows: Rows, start: int = 0) -> Work:
    """Return the work of loading one page as a list does, which has counted already."""
    counted = capped_count(rows())
    return lambda: list(page_of(rows(), start, start + PAGE, counted))


def count(rows: Rows) -> Work:
    """Return the work of counting as a list does."""
    return lambda: capped_count(rows())


def found(rows: Rows) -> Rows:
    """Return what a search for a rare word leaves."""
    return lambda: filters.search(rows(), RARE)


def starts(rows: Rows, start: int) -> int:
    """Return where a page of this list begins that is no deeper than its last one."""
    return max(0, min(start, int(capped_count(rows())) - PAGE))


def lists(people: list[Profile]) -> Iterator[Row]:
    """Measure the list's queries, each person's against the same without rights."""
    for name, rows in LISTS.items():
        theirs = [partial(seen, rows, profile) for profile in people]
        for place, start in PLACES.items() if name != "deals by change" else [("page 1", 0)]:
            at = [starts(each, start) for each in theirs]
            results = [
                compare(page(rows, begin), listed(each, begin))
                for each, begin in zip(theirs, at, strict=True)
            ]
            yield ratios(f"{name}, {place} / A", results, 2 if start else THROUGH_DJANGO)
        results = [compare(count(rows), count(each)) for each in theirs]
        yield ratios(f"{name}, capped count / A", results, 2)
    rows = LISTS["contacts by change"]
    theirs = [partial(seen, rows, profile) for profile in people]
    bare = [compare(run(rows), run(each)) for each in theirs]
    yield ratios("contacts by change, page 1 / A, statement alone", bare, 2.2)
    results = [compare(listed(found(rows)), listed(found(each))) for each in theirs]
    yield ratios("search, rare word / A", results, 1.6)
    cells = [took(run(found(each))) for each in theirs]
    yield Row("search, rare word: statement alone", cells, goal=5, unit=" ms")
    marked = [
        compare(
            page(partial(seen, rows, p)),
            page(lambda p=p: access.marked(seen(rows, p), p.user, "change")),  # type: ignore[misc]
        )
        for p in people
    ]
    yield ratios("page with “may change” / without", marked)


def run(rows: Rows) -> Work:
    """Return the work of one statement, compiled before: the database's part of a page."""
    counted = capped_count(rows())
    wanted = page_of(rows(), 0, PAGE, counted)
    sql, parameters = wanted.query.sql_with_params()

    def work() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            cursor.fetchall()

    return work


def others(people: list[Profile]) -> Iterator[Row]:
    """Measure other ways to write the same list against ours; only where rows have a fence."""
    rows = LISTS["contacts by change"]
    rivals.grant(people)
    for name, rival in rivals.RIVALS.items():
        results: list[Compared | None] = []
        for profile in people:
            if not profile.is_fenced:
                results.append(None)
                continue
            ours, last = partial(seen, rows, profile), list[Contact]()
            results.append(compare(listed(ours), partial(_read, rival, profile, last)))
            assert last == list(ours()[:PAGE]), (name, profile.name)
        row = ratios(f"{name} / ours", results)
        if rival is rivals.guardian:
            many = next(n for n, profile in enumerate(people) if profile.name == "many")
            goal = ratios(f"{name} / ours, many", [results[many]], 100, is_least=True)
            goal.cells = [c if n == many else None for n, c in enumerate(row.cells)]
            yield goal
        yield row


def _read(rival: rivals.Rival, profile: Profile, into: list[Contact]) -> None:
    """Read a page by another way; kept, since a second time may take minutes."""
    into[:] = rival(profile.user).order_by("-updated_at", "-id")[:PAGE]


# --- One record -----------------------------------------------------------------------------------


def checks(people: list[Profile]) -> Iterator[Row]:
    """Measure what is asked about one record against looking it up by its key."""
    rows = LISTS["contacts by change"]
    both = [(profile.user, seen(rows, profile)[0]) for profile in people]
    questions: dict[str, tuple[Callable[..., object], int]] = {
        "allows": (access.allows, 2),
        "explain": (access.explain, 3),
    }
    for name, (question, goal) in questions.items():
        for action in ("view", "change"):
            results = [
                compare(
                    partial(Contact.objects.get, pk=contact.pk),
                    partial(question, user, action, contact),
                )
                for user, contact in both
            ]
            yield ratios(f"{name} {action} / look-up", results, goal)
            statements = [queries(partial(question, u, action, c)) for u, c in both]
            yield Row(f"{name} {action}: statements", statements, goal=1, unit="")
    loads = [took(partial(_loaded, profile)) for profile in people]
    yield Row("loading person and rights", loads, unit=" ms")
    most = 300 * SIZES["USERS"] / 2000
    for action in ("view", "change"):
        times = [took(partial(_everybody, action, contact)) for _, contact in both]
        yield Row(f"who_can {action}", times, goal=most, unit=" ms")


def _loaded(profile: Profile) -> object:
    return profile.fresh().grants


def _everybody(action: str, contact: Contact) -> object:
    return list(access.who_can(action, contact))


def queries(work: Work) -> int:
    """Return how many statements this takes."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


# --- Pages ----------------------------------------------------------------------------------------


def pages(people: list[Profile]) -> Iterator[Row]:
    """Measure pages over HTTP, everybody's against a super admin's."""
    clients = [opened(profile) for profile in people]
    picker = "app_label=records&model_name=deal&field_name=contact&term=Costa"
    addresses = {
        "contacts": (reverse("admin:records_contact_changelist"), 1.2),
        "deals": (reverse("admin:records_deal_changelist"), 1.2),
        "contacts, a page that is deep": (reverse("admin:records_contact_changelist"), None),
        "picker, “Costa”": (f"{reverse('admin:choose')}?{picker}", None),
    }
    for name, (address, goal) in addresses.items():
        at = ["?p=100"] * len(people) if "deep" in name else [""] * len(people)
        work = [get(client, address + more) for client, more in zip(clients, at, strict=True)]
        yield ratios(
            f"page: {name} / super admin's", [compare(work[-1], each) for each in work], goal
        )
        if goal is not None:
            cells = [queries(each) for each in work]
            # A super admin has one more, for the badge of requests that wait for them.
            yield Row(f"page: {name}, statements", cells, goal=cells[-1], unit="")


def log(people: list[Profile]) -> Iterator[Row]:
    """Measure the audit log's filters against the log as it opens, for a super admin."""
    client = opened(people[-1])
    address = reverse("admin:accounts_auditevent_changelist")
    for name, query in LOG.items():
        result = compare(get(client, address), get(client, f"{address}?{query}"))
        cells = [None] * (len(people) - 1)
        row = ratios(f"page: audit log, {name} / unfiltered", [result], 1.5)
        row.cells = [*cells, result.ratio]
        yield row


LOG = {
    "a day long ago": "at_after=2025-03-03&at_before=2025-03-03",
    "a kind": "about=export",
    "a word": f"q={WORD.partition('.')[2]}",
    "refused alone": "result=refused",
}


def opened(profile: Profile) -> Client:
    """Return a browser of a person who is logged in."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(profile.user)
    return client


def get(client: Client, address: str) -> Work:
    """Return the work of opening a page."""

    def work() -> None:
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)

    return work


PARTS = (lists, checks, pages, log, others)
