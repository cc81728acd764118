"""`make load`: fifty people click for ten minutes on gunicorn, while exports run.

    python -m bench.load        # PEOPLE, MINUTES, PAUSE (seconds between clicks), CONTACTS

The company is that of `seed_bulk`. Everybody has a log-in of their own, looks at lists, searches
and records, and saves a deal of their own with every sixth click. One person asks for export after
export, which a worker writes. Told are times for each page, errors, and the memory of the server's
processes. Ends with 1 where an answer was an error, a save was refused, an export failed, or where
memory grew by more than a quarter in the second half.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.stage import BASE, Browser, prepare, staged

if TYPE_CHECKING:
    from accounts.models import User

PEOPLE = int(os.environ.get("PEOPLE", "50"))
MINUTES = float(os.environ.get("MINUTES", "10"))
PAUSE = float(os.environ.get("PAUSE", "5"))
CONTACTS = int(os.environ.get("CONTACTS", "50000"))
PAGES = {
    "dashboard": "/admin/",
    "deals": "/admin/records/deal/",
    "contacts": "/admin/records/contact/",
    "contacts, page 5": "/admin/records/contact/?p=5",
    "companies": "/admin/records/company/",
    "search": "/admin/records/contact/?q=Costa",
    "palette": "/admin/search/?extended=1&s=Quokka",
    "inbox": "/admin/inbox/",
}
FORMATS = ("csv", "xlsx", "jsonl", "parquet")
FINE = {200, 302}
GROWTH = 1.25

Person = tuple[dict[str, str], list[dict[str, str]]]
"""Somebody's cookies, and what they post of each deal."""


def people_of(number: int) -> list[Person]:
    """Log so many people in, and give three deals to each."""
    from django.middleware.csrf import _get_new_csrf_string
    from django.test import Client

    from accounts.models import User
    from records.models import Deal, Stage

    stage = Stage.objects.filter(pipeline__object="deal").order_by("pk")[0]
    found = User.objects.filter(is_active=True, is_superuser=False).order_by("pk")[:number]
    made = []
    for user in found:
        client = Client()
        client.force_login(user)
        deals = [
            Deal.objects.create(name=f"Deal {user.pk}-{each}", owner=user, stage=stage)
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
    """What everybody waited for, by page."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()

    def click(
        self, browser: Browser, page: str, path: str, form: dict[str, str] | None = None
    ) -> str:
        began = time.monotonic()
        try:
            status, text = browser.ask("POST" if form is not None else "GET", path, form)
            if status not in FINE or (form is not None and status != 302):
                self.errors[f"{page}: {status}"] += 1
        except OSError as error:
            self.errors[f"{page}: {type(error).__name__}"] += 1
            text = ""
        self.times[page].append(time.monotonic() - began)
        return text

    def live(self, browser: Browser, deals: list[dict[str, str]], end: float) -> None:
        """Click until the time is over, each time after a moment's thought."""
        chance = random.Random(deals[0]["pk"])
        time.sleep(chance.random() * PAUSE)
        while time.monotonic() < end:
            if chance.random() < 5 / 6:
                page = chance.choice(list(PAGES))
                self.click(browser, page, PAGES[page])
            else:
                self.save(browser, chance.choice(deals))
            time.sleep(chance.random() * 2 * PAUSE)

    def save(self, browser: Browser, deal: dict[str, str]) -> None:
        path = f"/admin/records/deal/{deal['pk']}/change/"
        page = self.click(browser, "record", path)
        version = re.search(r'name="record_version" value="(\d+)"', page)
        if version is None:
            return
        form = {**deal, "amount": str(time.monotonic_ns() % 100_000)}
        form |= dict.fromkeys(("product", "company", "contact", "opened", "closed"), "")
        self.click(browser, "save", path, {**form, "record_version": version.group(1)})


class Exporting:
    """Asks for one export after the other, in every format, as super admins in turn.

    No more often than each of them may in a day.
    """

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()
        self.failed: list[str] = []

    def live(self, end: float) -> None:
        from django.db import connection

        from accounts.models import User
        from exports.policy import MOST_A_DAY

        admins = User.objects.filter(is_superuser=True).order_by("pk")
        turns = zip(cycle(admins), cycle(FORMATS), strict=False)
        pause = MINUTES * 60 / (MOST_A_DAY * len(admins))
        while (began := time.monotonic()) < end and not self.failed:
            admin, format = next(turns)
            try:
                self.one(admin, format, end)
            except Exception as error:
                self.failed.append(f"{format}: {error!r}")
            time.sleep(max(0, min(began + pause, end) - time.monotonic()))
        connection.close()

    def one(self, admin: User, format: str, end: float) -> None:
        from exports.models import ExportRequest
        from exports.operations import request_export
        from records.models import Contact

        export = request_export(actor=admin, model=Contact, format=format)
        while export.status in ("approved", "processing") and time.monotonic() < end:
            time.sleep(1)
            export = ExportRequest.objects.get(pk=export.pk)
        if export.status == "completed":
            self.written[format] += 1
        elif export.status not in ("approved", "processing"):
            self.failed.append(f"{format}: {export.status}")


class Memory:
    """The memory of the server's processes, all together, while they run."""

    def __init__(self, server: psutil.Process) -> None:
        self.server = server
        self.samples: list[float] = []

    def watch(self, end: float) -> None:
        while time.monotonic() < end:
            of_all = [self.server, *self.server.children(recursive=True)]
            self.samples.append(sum(each.memory_info().rss for each in of_all) / 1e6)
            time.sleep(min(5, MINUTES * 60 / 20))

    @property
    def growth(self) -> float:
        """How much more it was in the last quarter than in the second one."""
        quarter = max(1, len(self.samples) // 4)
        second, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        return (sum(last) / len(last)) / (sum(second) / len(second)) if second else 1


def report(clicks: Clicks, exporting: Exporting, memory: Memory) -> list[str]:
    """Print what was measured; return what is wrong."""
    for page, times in sorted(clicks.times.items()):
        ordered = sorted(times)
        p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        print(
            f"{page:17} {len(times):6}   p50 {p50 * 1000:6.0f} ms   p95 {p95 * 1000:6.0f} ms   "
            f"longest {ordered[-1] * 1000:6.0f} ms"
        )
    written = ", ".join(f"{number} {kind}" for kind, number in exporting.written.items())
    print(f"exports of {CONTACTS:,} contacts: {written or 'none'}")
    print(
        f"memory of the server: {memory.samples[0]:.0f} MB at first, at most "
        f"{max(memory.samples):.0f}, at last {memory.samples[-1]:.0f}; "
        f"last quarter / second: {memory.growth:.2f}"
    )
    wrong = [f"{number} × {error}" for error, number in clicks.errors.items()]
    wrong += exporting.failed
    if not exporting.written:
        wrong.append("no export was written")
    if memory.growth > GROWTH:
        wrong.append(f"memory grew by {memory.growth:.2f}")
    return wrong


def warm(browser: Browser, patience: float = 180) -> None:
    """Wait until the server's processes have loaded the product: nobody measures a deploy."""
    began, quick = time.monotonic(), 0
    while quick < 20 and time.monotonic() - began < patience:
        asked = time.monotonic()
        try:
            browser.ask("GET", PAGES["deals"])
        except OSError:
            continue
        quick = quick + 1 if time.monotonic() - asked < 5 else 0


def run(folder: Path, people: list[Person]) -> list[str]:
    """Let everybody click; return what went wrong."""
    clicks, exporting = Clicks(), Exporting()
    worker = subprocess.Popen([sys.executable, "manage.py", "export_worker"], cwd=BASE)
    try:
        with staged(folder, "none") as site:
            warm(Browser(site, people[0][0]))
            end = time.monotonic() + MINUTES * 60
            (server,) = (
                each
                for each in psutil.Process().children()
                if "gunicorn" in " ".join(each.cmdline())
            )
            memory = Memory(server)
            work: list[tuple[Any, tuple[Any, ...]]] = [
                (clicks.live, (Browser(site, cookies), deals, end)) for cookies, deals in people
            ]
            work += [(exporting.live, (end,)), (memory.watch, (end,))]
            threads = [threading.Thread(target=each, args=given) for each, given in work]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        worker.terminate()
        worker.wait(60)
    return report(clicks, exporting, memory)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, secure=False, company="seed_bulk", contacts=CONTACTS, deals=CONTACTS)
        from django.db import connection

        from exports.models import ExportPolicy

        ExportPolicy.objects.filter(pk=1).update(require_approval=False)
        people = people_of(PEOPLE)
        connection.close()
        print(
            f"{PEOPLE} people on {connection.vendor} for {MINUTES:g} minutes, a click every "
            f"{PAUSE:g} s each; load of the machine {os.getloadavg()[0]:.1f}"
        )
        wrong = run(folder, people)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")
    print("\n".join(wrong) or "No error.")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
