"""Do pages answer while 60 clients read slowly and 40 send half a request?

    python -m bench.slow_clients [--proxy nginx|caddy|none] [--readers 60] [--half 40]

Of the readers a third loads a page, a third a large file of the theme, and a third downloads one
person's export, of which three may run. Of the half-sent requests one half stops in its head, the
other in its body. Each takes or gives a few bytes a second. Beside them four people use pages, and
the times they wait are printed, before and meanwhile. Ends with 1 where a page did not answer.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.stage import Browser, Site, prepare, staged

PEOPLE = ("rep", "manager", "approver", "admin")
PAGES = ("/admin/", "/admin/records/deal/", "/admin/records/contact/", "/admin/login/")
FONT = "/static/unfold/fonts/material-symbols/Material-Symbols-Outlined.woff2"
SIZE = 64 * 1024 * 1024


def large_export(folder: Path) -> tuple[str, str]:
    """Give the demo's finished export a large file; return its requester and its address."""
    from exports.models import ExportRequest

    export = ExportRequest.objects.filter(status="completed").select_related("requester").first()
    assert export is not None
    data = b"0123456789abcdef" * (SIZE // 16)
    (folder / "exports" / export.file_name).write_bytes(data)
    ExportRequest.objects.filter(pk=export.pk).update(
        file_size=SIZE, sha256=hashlib.sha256(data).hexdigest(), most_downloads=500
    )
    return export.requester.email, f"/admin/exports/exportrequest/{export.pk}/download/"


class Crowd:
    """Clients that do not get on, each in a thread, until told to stop."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.over = threading.Event()
        self.threads: list[threading.Thread] = []
        self.seen: Counter[str] = Counter()

    def start(self, kind: Callable[..., str], *arguments: object) -> None:
        def live() -> None:
            name = kind.__name__
            try:
                self.seen[f"{name}: {kind(self, *arguments)}"] += 1
            except OSError as error:
                self.seen[f"{name}: {type(error).__name__}"] += 1

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        self.threads.append(thread)

    def read_slowly(self, head: bytes) -> str:
        """Send a whole request and take 256 bytes of the answer a second."""
        with self.site.connect(receive_buffer=4096) as line:
            line.sendall(head)
            first = line.recv(256)
            status = first.split(b" ")[1].decode() if first else "closed"
            while not self.over.wait(1) and line.recv(256):
                pass
            return status

    def half_a_head(self) -> str:
        with self.site.connect() as line:
            line.sendall(b"GET /admin/login/ HTTP/1.1\r\nHost: crm.example.com\r\nX-Slow: ")
            while not self.over.wait(1):
                line.sendall(b"x")
            return "held on"

    def half_a_body(self, browser: Browser) -> str:
        with self.site.connect() as line:
            line.sendall(browser.head("POST", "/admin/login/", 100_000) + b"username=")
            while not self.over.wait(1):
                line.sendall(b"x")
            return "held on"

    def disperse(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)


def use_pages(people: list[Browser], seconds: float) -> tuple[list[float], Counter[str]]:
    """Let every person open page after page; return how long each took, and what went wrong."""
    times: list[float] = []
    wrong: Counter[str] = Counter()

    def live(browser: Browser) -> None:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            path = PAGES[number % len(PAGES)]
            number += 1
            began = time.monotonic()
            try:
                status, _ = browser.ask("GET", path)
                if status not in (200, 302):
                    wrong[str(status)] += 1
            except OSError as error:
                wrong[type(error).__name__] += 1
            times.append(time.monotonic() - began)
            time.sleep(0.2)

    threads = [threading.Thread(target=live, args=[browser]) for browser in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, wrong


def report(name: str, times: list[float], wrong: Counter[str]) -> None:
    ordered = sorted(times)
    p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
    print(
        f"{name:10} {len(times):5} pages   p50 {p50 * 1000:5.0f} ms   p95 {p95 * 1000:5.0f} ms   "
        f"longest {ordered[-1] * 1000:6.0f} ms   errors {dict(wrong) or 'none'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--proxy", choices=["nginx", "caddy", "none"], default="nginx")
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--half", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, secure=given.proxy != "none")
        requester, download = large_export(folder)
        with staged(folder, given.proxy) as site:
            people = [Browser(site) for _ in PEOPLE]
            for browser, who in zip(people, PEOPLE, strict=True):
                browser.log_in(f"{who}@demo.example")
            reader = Browser(site)
            reader.log_in(requester)
            report("before", *use_pages(people, given.seconds / 2))
            crowd = Crowd(site)
            heads = [
                reader.head("GET", "/admin/records/deal/"),
                reader.head("GET", FONT),
                reader.head("POST", download, 0),
            ]
            for number in range(given.readers):
                crowd.start(Crowd.read_slowly, heads[number % 3])
            for number in range(given.half):
                if number % 2:
                    crowd.start(Crowd.half_a_head)
                else:
                    crowd.start(Crowd.half_a_body, reader)
            time.sleep(3)
            times, wrong = use_pages(people, given.seconds)
            crowd.disperse()
            report("meanwhile", times, wrong)
            for what, number in sorted(crowd.seen.items()):
                print(f"  {number:3} × {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
