"""The company that is measured: one for each size, made once, on either database.

CONTACTS, DEALS, USERS, TEAMS, EVENTS and SEED say how large it is. `seed_bulk` makes it; events of
the audit log are added here, since no seal ever covers them. A SQLite file is kept under var/bench
and used again; DATABASE_URL names another database, empty or of the same company.
"""

import os
import time
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
FOLDER = BASE / "var" / "bench"
CONTACTS = int(os.environ.get("CONTACTS", "100000"))
DEFAULTS = {"DEALS": CONTACTS * 3 // 10, "USERS": 2_000, "TEAMS": 200, "SEED": 1}
SIZES = {"CONTACTS": CONTACTS} | {n: int(os.environ.get(n, v)) for n, v in DEFAULTS.items()}
EVENTS = int(os.environ.get("EVENTS", CONTACTS * 2))

if "DATABASE_URL" not in os.environ:
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = "-".join(str(number) for number in (*SIZES.values(), EVENTS))
    os.environ["DATABASE_URL"] = f"sqlite:///{FOLDER / name}.sqlite3"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
os.environ.setdefault("EXPORT_ROOT", str(FOLDER / "exports"))

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from accounts.models import AuditEvent, User  # noqa: E402

SQLITE = connection.vendor == "sqlite"
DATABASE = "SQLite" if SQLITE else "PostgreSQL"
WORD = "export.request"
"""A code of which one event in a thousand is, all of them at one time of the day's work."""


def prepare() -> float:
    """Make the database and the company where they are not there yet; return the seconds it took.

    On PostgreSQL one connection does all the work of a session, as client and server: what other
    processes would do for it cannot be measured.
    """
    began = time.monotonic()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed_bulk", **{name.lower(): number for name, number in SIZES.items()})
    if AuditEvent.objects.filter(action=WORD).count() < EVENTS // 1000:
        _add_events()
    with connection.cursor() as cursor:
        if not SQLITE:  # as autovacuum does on a database that is in use
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SET max_parallel_workers_per_gather = 0")
    return time.monotonic() - began


def version() -> str:
    """Return the name of the database and its version."""
    return f"{DATABASE} {'.'.join(map(str, connection.get_database_version()))}"


def _add_events() -> None:
    """Write events of two years, one after the other, by one statement."""
    people = list(User.objects.order_by("pk").values_list("pk", flat=True))
    numbers, moment = (
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)",
            "datetime(1735689600 + i * 63072000 / %s, 'unixepoch')",
        )
        if SQLITE
        else (
            "WITH n(i) AS (SELECT generate_series(1, %s::bigint))",
            "to_timestamp(1735689600 + i * 63072000 / %s)",
        )
    )
    columns = "at, actor_id, system, action, object, object_id, result, data, text_digest, txid"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_auditevent ({columns}, hash_version, row_hash) {numbers} "
            f"SELECT {moment}, %s + i * 7919 %% %s, '', "
            f"CASE WHEN i / 100 %% 1000 = 0 THEN '{WORD}' WHEN i %% 10 = 0 THEN 'deal.change' "
            "WHEN i %% 10 < 4 THEN 'person.login' "
            "ELSE 'contact.change' END, 'contact', CAST(i %% 9973 AS varchar), "
            "CASE WHEN i %% 50 = 0 THEN 'refused' ELSE 'done' END, '{}', '', 0, 1, '' FROM n",
            [EVENTS, EVENTS, people[0], len(people)],
        )
        if SQLITE:
            cursor.execute("ANALYZE")
