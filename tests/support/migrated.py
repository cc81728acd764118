"""A migrated database, made once and copied for every process that tests.

To migrate an empty one takes eleven seconds of CPU; CI runs a dozen processes that need one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).parents[2]
PRODUCT = ("accounts", "records", "exports", "crmperms")


def copy_sqlite(kept: Path, target: Path) -> None:
    """Copy a migrated file to `target`; made anew where the code is not what made the one kept."""
    file = kept / f"{_made_by()}.sqlite3"
    with _alone(kept):
        if not file.exists():
            for other in kept.glob("*.sqlite3*"):
                other.unlink()
            unfinished = file.with_suffix(".sqlite3-unfinished")
            _migrate(str(unfinished))
            unfinished.rename(file)
        shutil.copyfile(file, target)


def template_on_postgresql(shared: Path, name: str) -> str:
    """Return the name of a migrated database of this run's, made by whichever process is first."""
    made = shared / name
    with _alone(shared):
        if not made.exists():
            _migrate(name)
            made.touch()
    return name


def _made_by() -> str:
    """Return what tells this code from any other that could lay down something else."""
    told = hashlib.sha256(f"{sys.version} {settings.TIME_ZONE}".encode())
    files = [file for each in PRODUCT for file in sorted((ROOT / each).rglob("*.py"))]
    for file in (ROOT / "requirements.txt", *files):
        told.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return told.hexdigest()[:20]


def _migrate(name: str) -> None:
    """Make a test database of this name as Django makes one, and leave it."""
    database = settings.DATABASES["default"]
    before, test = database["NAME"], database["TEST"]["NAME"]
    database["TEST"]["NAME"] = name
    try:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        connection.close()
    finally:
        database["NAME"], database["TEST"]["NAME"] = before, test


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep out every other process that wants the same."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def template_name() -> str:
    """Return what this run calls its migrated database on a server of PostgreSQL."""
    of_a_worker = "PYTEST_XDIST_WORKER" in os.environ
    return f"test_migrated_{os.getppid() if of_a_worker else os.getpid()}"
