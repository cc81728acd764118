"""`make chaos`: real workers on both databases, and what happens to servers happens to them.

Workers are killed and frozen, the disk fills up, the folder for files goes away, a clock is a year
off, a deploy is broken, the database restarts. Every scenario has exports that somebody consented
to; a line says how many were lost, written twice, handed out in part, or failed: all must be 0.
EXPORTS says how many each scenario has, SEED what chance begins with.
"""

from __future__ import annotations

import hashlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

EXPORTS = int(os.environ.get("EXPORTS") or 8)
SEED = int(os.environ.get("SEED") or 1)
DEALS = 1500
CHUNK = 25
LEASE = 1
PATIENCE = 300.0


# --- A worker, from the inside --------------------------------------------------------------------


def work() -> None:
    """Run the worker's command, in small chunks, with the fault that CHAOS names."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from exports import worker
    from exports.writers import manifest

    manifest.CHUNK = CHUNK
    worker.UPKEEP_EVERY = 0.5
    fault = os.environ.get("CHAOS", "")
    if fault == "clock":
        right = timezone.now
        timezone.now = lambda: right() + timedelta(days=365)
    if fault == "deploy":
        worker.process = lambda *arguments: os._exit(137)
    call_command("export_worker", "--lease", str(LEASE))


class Worker:
    """A real process that works; killed with whoever started it is not: the bench ends it."""

    def __init__(self, fault: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.chaos", "work"],
            env=os.environ | {"CHAOS": fault},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@contextmanager
def workers(*faults: str) -> Iterator[list[Worker]]:
    """Start one worker for each fault, empty for none, and leave none behind."""
    started = [Worker(fault) for fault in faults]
    try:
        yield started
    finally:
        for each in started:
            each.kill()


# --- What is looked at ----------------------------------------------------------------------------


class Company:
    """The tiny company with enough deals that writing takes a while, and its exports."""

    def __init__(self) -> None:
        from exports import policy
        from records.models import Deal
        from tests.support import company
        from tests.support.factories import DealFactory

        policy.MOST_A_DAY = 10_000
        self.c = company.found()
        first = DealFactory(owner=self.c.rita, stage=self.c.stages["open"])
        rows = []
        for number in range(DEALS):
            fields = {
                f.attname: getattr(first, f.attname)
                for f in Deal._meta.concrete_fields
                if not f.primary_key
            }
            rows.append(Deal(**fields | {"name": f"Deal {number}"}))
        Deal.objects.bulk_create(rows)

    def approved(self, count: int = EXPORTS) -> list[int]:
        """Return so many exports that somebody consented to."""
        from exports import operations
        from tests.support.exports_kit import pending

        exports = [pending(self.c.rita, self.c.sue) for _ in range(count // 2)]
        exports += [pending(self.c.mona, self.c.sue) for _ in range(count - len(exports))]
        for export in exports:
            operations.approve(export, actor=self.c.sue, version=export.version)
        return [export.pk for export in exports]


def patiently(ask: Callable[[], Any]) -> Any:
    """Return an answer of the database, which may be away for a moment."""
    from django.db import DatabaseError, InterfaceError, connection

    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def done(keys: list[int]) -> bool:
    from exports.models import ExportRequest

    rows = ExportRequest.objects.filter(pk__in=keys, status__in=["approved", "processing"])
    return not patiently(rows.exists)


def begun(keys: list[int]) -> bool:
    from exports.models import ExportRequest

    return patiently(ExportRequest.objects.filter(pk__in=keys, rows_written__gt=0).exists)


def until(condition: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> bool:
    """Ask until it holds, and do something meanwhile; False where patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        (meanwhile or (lambda: time.sleep(0.1)))()
    return True


def report(name: str, keys: list[int], what: str) -> bool:
    """Print what became of these exports; tell whether it is what consent was given to."""
    from django.conf import settings

    from accounts.models import AuditEvent
    from exports.models import ExportRequest
    from exports.writers.files import PART
    from tests.support.exports_kit import frozen_ids, ids_in, path_of

    lost = double = partial = spent = 0
    root = Path(settings.EXPORT_ROOT)
    exports = list(ExportRequest.objects.filter(pk__in=keys))
    for export in exports:
        if export.status != "completed":
            lost += 1
            spent += export.status == "failed" or export.tries > 0
            continue
        finished = AuditEvent.objects.filter(action="export.finish", object_id=str(export.pk))
        double += finished.count() != 1
        data = path_of(export).read_bytes()
        whole = ids_in(export) == frozen_ids(export)
        partial += not whole or hashlib.sha256(data).hexdigest() != export.sha256
    named = set(ExportRequest.objects.exclude(file_name="").values_list("file_name", flat=True))
    there = {path.name for path in root.iterdir() if not path.name.startswith(".")}
    parts = sum(name.endswith(PART) for name in there - named)
    line = f"{len(keys)} exports, {what}: {lost} lost, {double} double, {partial} partial, "
    line += f"{spent} spent; {parts} parts left"
    print(f"{name:<10} {line}", flush=True)
    return not (lost or double or partial or spent or parts)


# --- What happens ---------------------------------------------------------------------------------


def kills(company: Company) -> bool:
    """Kill a worker every half a second, as it comes; another one takes its place."""
    chance, keys, number = random.Random(SEED), company.approved(), 0
    with workers("", "") as running:

        def meanwhile() -> None:
            nonlocal number
            time.sleep(chance.uniform(1.2, 2.5))  # a start takes about a second
            victim = chance.randrange(2)
            running[victim].kill()
            running[victim] = Worker()
            number += 1

        until(lambda: done(keys) or number >= 3 * EXPORTS, meanwhile)
        until(lambda: done(keys))
        settle()
    return report("kills", keys, f"{number} kills")


def freezes(company: Company) -> bool:
    """Freeze a worker past its lease, so that another takes over, and let it wake up."""
    chance, keys, number = random.Random(SEED), company.approved(), 0
    with workers("", "") as running:

        def meanwhile() -> None:
            nonlocal number
            time.sleep(chance.uniform(0.3, 1.0))
            victim = running[chance.randrange(2)]
            victim.signal(signal.SIGSTOP)
            time.sleep(LEASE * 2)
            victim.signal(signal.SIGCONT)
            number += 1

        until(lambda: done(keys) or number >= 2 * EXPORTS, meanwhile)
        until(lambda: done(keys))
        settle()
    return report("freezes", keys, f"{number} freezes")


def settle() -> None:
    """Wait until workers have cleaned up after others: a pass of what time demands."""
    time.sleep(2)


def troubled(failures: int) -> bool:
    from exports.models import Trouble

    return patiently(Trouble.objects.filter(pk="folder", failures__gte=failures).exists)


def full_disk(company: Company) -> bool:
    """Let the disk be full until the workers have found it so three times."""
    from django.conf import settings

    from exports import folder

    root = Path(settings.EXPORT_ROOT)
    small = root.parent / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", small]
    if subprocess.run(mount, check=False).returncode:
        print("full disk  left out: only root can mount a small one here", flush=True)
        return True
    before = os.environ["EXPORT_ROOT"]
    try:
        use_root(small / "exports")
        folder.use()
        filler = small / "filler"
        with filler.open("wb", buffering=0) as file:  # or closing it would write once more
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
        filler.chmod(0o600)
        keys = company.approved(4)
        with workers("", ""):
            until(lambda: troubled(3))
            filler.unlink()
            until(lambda: done(keys))
            settle()
        return report("full disk", keys, "a full disk found three times") and told_once()
    finally:
        use_root(Path(before))
        subprocess.run(["umount", small], check=False)


def use_root(path: Path) -> None:
    from django.conf import settings

    os.environ["EXPORT_ROOT"] = str(path)
    settings.EXPORT_ROOT = path


def told_once() -> bool:
    """Tell whether each super admin was told once that exports wait, and forget it."""
    from accounts.models import Notice, User

    told = Notice.objects.filter(text__startswith="Exports wait")
    admins = User.objects.filter(is_superuser=True, is_active=True).count()
    number = told.count()
    told.delete()
    if number != admins:
        print(f"           {number} notices for {admins} super admins", flush=True)
    return number == admins


def folder_gone(company: Company) -> bool:
    """Put a file in place of the folder, then nothing, then an empty folder, and bring it back."""
    from django.conf import settings

    root, keys = Path(settings.EXPORT_ROOT), company.approved()
    aside = root.with_name("aside")
    with workers("", ""):
        until(lambda: begun(keys))
        root.rename(aside)
        root.write_text("a file")
        until(lambda: troubled(1) or done(keys))
        root.unlink()
        until(lambda: troubled(2) or done(keys))
        root.mkdir()
        until(lambda: troubled(3) or done(keys))
        root.rmdir()
        aside.rename(root)
        until(lambda: done(keys))
        settle()
    return (
        report("folder", keys, "a file, nothing, and an empty folder in its place") and told_once()
    )


def wrong_clock(company: Company) -> bool:
    """Let one worker's clock be a year ahead, beside files and requests that are to stay."""
    from exports.models import ExportRequest
    from tests.support.exports_kit import path_of, pending

    completed = ExportRequest.objects.filter(status="completed")
    kept = [export for export in completed if path_of(export).exists()]  # the small disk is gone
    waiting = pending(company.c.rita, company.c.sue)
    keys = company.approved()
    with workers("clock"):
        until(lambda: done(keys))
        settle()
    waiting.refresh_from_db()
    ended = ExportRequest.objects.filter(pk__in=[e.pk for e in kept]).exclude(status="completed")
    gone = sum(not path_of(export).exists() for export in kept) + ended.count()
    what = f"a clock a year ahead ({gone} files gone, the waiting one is {waiting.status})"
    return report("clock", keys, what) and not gone and waiting.status == "pending"


def broken_deploy(company: Company) -> bool:
    """Let every worker end as soon as it has claimed, twenty times; then a whole one comes."""
    keys = company.approved()
    for _ in range(20):
        with workers("deploy") as (broken,):
            broken.process.wait()
    with workers(""):
        until(lambda: done(keys))
        settle()
    return report("deploy", keys, "20 workers that ended at a claim")


def database_restarts(company: Company) -> bool:
    """Stop PostgreSQL and start it again while files are written; lock SQLite instead."""
    from django.db import connection

    keys, times = company.approved(), 4
    is_postgres = connection.vendor == "postgresql"
    with workers("", ""):
        for _ in range(times):
            time.sleep(1.5)
            if is_postgres:
                restart()
            else:
                lock_for(2)
        until(lambda: done(keys))
        settle()
    return report("database", keys, f"{times} {'restarts' if is_postgres else 'long locks'}")


def lock_for(seconds: float) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE exports_exportpolicy SET id = id")
        time.sleep(seconds)


def restart() -> None:
    """Restart the PostgreSQL of tests/postgres.py as it was started."""
    from django.db import connection

    from tests import postgres

    connection.close()
    folder = Path(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])
    data = folder / "data"
    command = shlex.split((data / "postmaster.opts").read_text())
    number = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(number, signal.SIGINT)
    pid_file = data / "postmaster.pid"
    until(lambda: not pid_file.exists())
    time.sleep(0.5)
    _servers.append(
        subprocess.Popen(
            command,
            cwd=folder,
            env=postgres.without_pg(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **postgres.as_owner(postgres.owner()),
        )
    )


_servers: list[subprocess.Popen[bytes]] = []


# --- All of it ------------------------------------------------------------------------------------

SCENARIOS: dict[str, Callable[[Company], bool]] = {
    "kills": kills,
    "freezes": freezes,
    "folder": folder_gone,
    "disk": full_disk,
    "clock": wrong_clock,
    "deploy": broken_deploy,
    "database": database_restarts,
}


def run(names: list[str]) -> int:
    """Run these scenarios, or all, against DATABASE_URL; 1 where one of them is not as it must."""
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/chaos.sqlite3"
        os.environ["EXPORT_ROOT"] = f"{folder}/exports"
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        print(f"\n{connection.display_name}", flush=True)
        call_command("migrate", verbosity=0)
        company = Company()
        began = time.monotonic()
        try:
            good = [SCENARIOS[name](company) for name in names or SCENARIOS]
        finally:
            connection.close()
            for server in _servers:
                server.send_signal(signal.SIGINT)
                server.wait()
        print(f"{len(good)} scenarios in {time.monotonic() - began:.0f} s", flush=True)
    return 0 if all(good) else 1


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    if sys.argv[1:] == ["work"]:
        work()
    else:
        sys.exit(run(sys.argv[1:]))
