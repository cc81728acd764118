"""What happens to the workers, one scenario after the other; `bench.chaos` tells what must hold."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.chaos import EXPORTS, SEED
from bench.chaos.company import Company
from bench.chaos.database import lock_for, restart, stop_restarted
from bench.chaos.outcomes import begun, done, report, settle, told_once, troubled, until
from bench.chaos.workers import LEASE, Worker, work, workers


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
            stop_restarted()
        print(f"{len(good)} scenarios in {time.monotonic() - began:.0f} s", flush=True)
    return 0 if all(good) else 1


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    if sys.argv[1:] == ["work"]:
        work()
    else:
        sys.exit(run(sys.argv[1:]))
