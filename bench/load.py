"""How long people wait when many of them click at the same time, over HTTP, on this database.

    python -m bench.load [--people 50] [--seconds 40] [--pause 2]

Everybody has a log-in of their own and three deals, looks at lists and records, and saves a deal
with every fourth click; each save writes the record, its event in the log, and a message in the
session. Ends with 1 where an answer was an error of the server, or a save was refused.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from bench.stage import Browser, prepare, staged

LISTS = ("/admin/", "/admin/records/deal/", "/admin/records/contact/", "/admin/inbox/")
LIST = "/admin/records/deal/"


def sessions_of(number: int) -> list[tuple[dict[str, str], list[dict[str, str]]]]:
    """Make so many people with three deals each; return their cookies and what they post."""
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    from accounts.models import User
    from accounts.operations import create_person
    from records.models import Deal, Stage

    admin = User.objects.filter(is_superuser=True).order_by("pk")[0]
    like = User.objects.get(email="rep@demo.example").permission_set
    stage = Stage.objects.filter(pipeline__object="deal").order_by("pk")[0]
    made = []
    for count in range(number):
        user = create_person(
            actor=admin, email=f"bench{count}@demo.example", first_name="B", permission_set=like
        )
        client = Client()
        client.force_login(user)
        deals = [
            Deal.objects.create(name=f"Deal {count}-{each}", owner=user, stage=stage)
            for each in range(3)
        ]
        cookies = {
            "sessionid": client.cookies["sessionid"].value,
            "csrftoken": _get_new_csrf_string(),
        }
        forms = [{"pk": str(d.pk), "name": d.name, "stage": str(d.stage_id)} for d in deals]
        made.append((cookies, [form | {"owner": str(user.pk)} for form in forms]))
    return made


class Clicks:
    """What everybody waited for, by kind."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.statuses: Counter[str] = Counter()

    def click(self, browser: Browser, kind: str, path: str, form: dict[str, str] | None) -> str:
        began = time.monotonic()
        try:
            status, page = browser.ask("POST" if form is not None else "GET", path, form)
            self.statuses[f"{kind} {status}"] += 1
        except OSError as error:
            self.statuses[f"{kind} {type(error).__name__}"] += 1
            page = ""
        self.times[kind].append(time.monotonic() - began)
        return page

    def live(self, browser: Browser, deals: list[dict[str, str]], end: float, pause: float) -> None:
        """Click until the time is over, each time after a moment's thought."""
        chance = random.Random(deals[0]["pk"])
        time.sleep(chance.random() * pause)
        while time.monotonic() < end:
            if chance.random() < 0.75:
                self.click(browser, "list", chance.choice(LISTS), None)
            else:
                self.save(browser, chance.choice(deals))
            time.sleep(chance.random() * 2 * pause)

    def save(self, browser: Browser, deal: dict[str, str]) -> None:
        path = f"{LIST}{deal['pk']}/change/"
        page = self.click(browser, "record", path, None)
        version = re.search(r'name="record_version" value="(\d+)"', page)
        if version is None:
            return
        form = {**deal, "amount": str(time.monotonic_ns() % 100_000)}
        form |= dict.fromkeys(("product", "company", "contact", "opened", "closed"), "")
        self.click(browser, "save", path, {**form, "record_version": version.group(1)})

    def report(self) -> bool:
        """Print what was measured; tell whether nothing failed."""
        for kind, times in sorted(self.times.items()):
            ordered = sorted(times)
            p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
            print(
                f"{kind:7} {len(times):5}   p50 {p50 * 1000:5.0f} ms   p95 {p95 * 1000:5.0f} ms   "
                f"longest {ordered[-1] * 1000:6.0f} ms"
            )
        print(dict(sorted(self.statuses.items())))
        return set(self.statuses) <= {"list 200", "record 200", "save 302"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--pause", type=float, default=2, help="seconds between clicks, on average")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, secure=False)
        from django.db import connection

        people = sessions_of(given.people)
        connection.close()
        clicks = Clicks()
        with staged(folder, "none") as site:
            end = time.monotonic() + given.seconds
            threads = [
                threading.Thread(
                    target=clicks.live, args=[Browser(site, cookies), deals, end, given.pause]
                )
                for cookies, deals in people
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        print(f"{given.people} people on {connection.vendor}, a click every {given.pause} s:")
        return 0 if clicks.report() else 1


if __name__ == "__main__":
    raise SystemExit(main())
