"""`make bench-quick`: does any list, count, search, check or filter of the log read too much?

What the database visits is counted, not time: buffers and rows on PostgreSQL, by EXPLAIN (ANALYZE,
BUFFERS) of every statement; on SQLite the steps of its machine, by its progress handler. Each limit
is a ratio to the same without rights, or to a look-up by key. Ends with 1 where one is passed, or
where a list that is known to read too much passes none.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

# With fewer contacts lists find and sort all that somebody sees, as they should, and read most of a
# table that small; with this many only what is wrong does.
os.environ.setdefault("CONTACTS", "60000")
os.environ.setdefault("DEALS", "100")

from bench import company  # sets Django up, so it comes first

# isort: split
from django.db import connection
from django.urls import reverse

from accounts import access
from bench import lists, rivals
from bench.measure import Work, shown
from bench.profiles import Profile, profiles
from bench.report import table
from records.models import Contact

EVERY = 50
"""Steps of SQLite's machine from one count to the next."""
FEWEST = {"steps": 40, "buffers": 40, "rows": 100}
"""Less than this is not worth comparing."""
DEEP = 60 if company.SQLITE else 10
MOST = {"page 1": 20, "page 50": DEEP, "page 100": DEEP}
"""What a page may cost. All that is seen would be 600; a large owner's first page without an index
of co-owners by name 37 on SQLite and 137 on PostgreSQL; on SQLite a deep page 70 to 90 where each
row that is passed over is asked every part of the rule."""
MOST_OF_COUNT = 5
"""Where the parts of a rule are not counted one by one, or not by their indexes, it is 6."""
MOST_OF_LOG = 60
"""Of a filter that has no index, and of which one event in fifty is found; all would be 1,200."""
CONTACTS = [name for name in lists.LISTS if name.startswith("contacts")]
Visits = Counter[str]


@contextmanager
def counted() -> Iterator[Visits]:
    """Count what the database visits meanwhile."""
    visits: Visits = Counter()
    connection.ensure_connection()
    if company.SQLITE:

        def step() -> int:
            visits["steps"] += 1
            return 0

        connection.connection.set_progress_handler(step, EVERY)
        try:
            yield visits
        finally:
            connection.connection.set_progress_handler(None, 0)
        return
    with connection.execute_wrapper(partial(_explained, visits)):
        yield visits


def _explained(visits: Visits, execute: Any, sql: str, params: Any, many: bool, more: Any) -> Any:
    """Explain a statement that reads, and run it then."""
    if sql.lstrip("( ").startswith(("SELECT", "WITH")):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            ((plans,),) = cursor.fetchall()
        plan = (json.loads(plans) if isinstance(plans, str) else plans)[0]["Plan"]
        visits["buffers"] += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        visits["rows"] += round(_rows(plan))
    return execute(sql, params, many, more)


def _rows(plan: dict[str, Any]) -> float:
    """Return how many rows were visited where they lie, those that were passed over with them."""
    if plan.get("Plans"):
        return sum(map(_rows, plan["Plans"]))
    passed = sum(number for name, number in plan.items() if name.startswith("Rows Removed"))
    return float((plan["Actual Rows"] + passed) * plan["Actual Loops"])


def visits_of(work: Work) -> Visits:
    """Return what is visited by this work."""
    with counted() as visits:
        work()
    return visits


def ratio(theirs: Visits, base: Visits) -> float:
    """Return how many times as much one visits as the other, by what differs most."""
    return max((theirs[what] / max(base[what], FEWEST[what]) for what in theirs), default=0)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, for a person and without rights, and how many times as much may be read."""

    name: str
    limit: float
    base: Work
    of: Callable[[Profile], Work]


def questions() -> Iterator[Question]:
    """Return everything that is asked of a person's rights."""
    for name in CONTACTS:
        rows = lists.LISTS[name]
        for place, start in lists.PLACES.items():
            yield Question(
                f"{name}, {place}",
                MOST[place],
                lists.page(rows, start),
                partial(_page, rows, start),
            )
        yield Question(f"{name}, count", MOST_OF_COUNT, lists.count(rows), partial(_count, rows))
        found = lists.found(rows)
        yield Question(f"{name}, rare word", 4, lists.listed(found), partial(_page, found, 0))
    of_one = partial(Contact.objects.get, pk=Contact.objects.order_by("pk")[0].pk)
    for question in (access.allows, access.explain):
        for action in ("view", "change"):
            yield Question(
                f"{question.__name__} {action}", 6, of_one, partial(_asked, question, action)
            )


def _page(rows: lists.Rows, start: int, profile: Profile) -> Work:
    theirs = partial(lists.seen, rows, profile)
    return lists.listed(theirs, lists.starts(theirs, start))


def _count(rows: lists.Rows, profile: Profile) -> Work:
    return lists.count(partial(lists.seen, rows, profile))


def _asked(question: Callable[..., object], action: str, profile: Profile) -> Work:
    contact = lists.seen(lists.LISTS["contacts by change"], profile)[0]
    ask = partial(question, profile.user, action, contact)
    ask()  # what a person may is read once
    return ask


def too_much(people: list[Profile]) -> Iterator[str]:
    """Print the table, and say what reads more than it may."""
    lines = []
    for question in questions():
        base = visits_of(question.base)
        found = [ratio(visits_of(question.of(profile)), base) for profile in people]
        lines.append([question.name, *map(shown, found), f"≤ {question.limit:g}"])
        for profile, times in zip(people, found, strict=True):
            if times > question.limit:
                yield f"{question.name} reads {shown(times)} times as much for “{profile.name}”."
    client = lists.opened(people[-1])
    address = reverse("admin:accounts_auditevent_changelist")
    lists.get(client, address)()
    base = visits_of(lists.get(client, address))
    for name, query in lists.LOG.items():
        times = ratio(visits_of(lists.get(client, f"{address}?{query}")), base)
        lines.append(
            [f"audit log, {name}", *["–"] * (len(people) - 1), shown(times), f"≤ {MOST_OF_LOG}"]
        )
        if times > MOST_OF_LOG:
            yield f"The audit log, {name}, reads {shown(times)} times as much as unfiltered."
    print(table(["times as much", *(profile.name for profile in people), "limit"], lines))


def controls(people: list[Profile]) -> Iterator[tuple[str, float]]:
    """Return how much two first pages read that are known to read far more than they may.

    The second one is what each database could not do before pages were chosen by their keys.
    """
    rows = lists.LISTS["contacts by change"]
    by_name = {profile.name: profile for profile in people}

    def joined(name: str) -> Work:
        found = rivals.naive(by_name[name].user).order_by("-updated_at", "-id")
        return lists.page(found.all)

    known = {"memberships joined": joined("team16")}
    if company.SQLITE:
        known["no shape chosen"] = lists.page(partial(lists.seen, rows, by_name["mix"]))
    else:
        known["shares in a sub-query"] = joined("few")
    base = visits_of(lists.page(rows))
    for name, work in known.items():
        yield name, ratio(visits_of(work), base)


def main() -> int:
    seconds = company.prepare()
    people = profiles()
    print(f"{company.version()}, {company.CONTACTS:,} contacts made in {seconds:.0f} s.")
    wrong = list(too_much(people))
    for name, times in controls(people):
        print(f"Known to read too much: {name}, {shown(times)} times.")
        if times <= MOST["page 1"]:
            wrong.append(f"A list with {name} would pass: the limits say nothing.")
    print("\n".join(wrong) or "Nothing else reads too much.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
