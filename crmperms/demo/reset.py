"""Starting over: the whole database of a demo company is thrown away, with its export files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction

from accounts.models import User
from crmperms.demo.seeding import Standing, standing
from crmperms.secret import private_file
from exports.models import ExportRequest
from exports.writers import files


class ResetRefused(Exception):
    """The database was left as it is; the message says why and what to do."""


def database_name() -> str:
    """Return the name that has to be typed: of the SQLite file, or of the PostgreSQL database."""
    name = str(connection.settings_dict["NAME"])
    return Path(name).name if connection.vendor == "sqlite" else name


def empty(name: str) -> None:
    """Throw away everything and migrate afresh; refused unless it is a demo company's, by name.

    Raises `ResetRefused`.
    """
    if name != database_name():
        raise ResetRefused(
            f"This database is called {database_name()}, not {name}. Nothing was reset; give its "
            "name if it is the one to throw away."
        )
    tables = set(connection.introspection.table_names())
    if User._meta.db_table in tables:
        if standing() is Standing.FOREIGN:
            raise ResetRefused(
                "The database holds people, or work of people, that the demo company did not make. "
                "Nothing was reset; point DATABASE_URL to another database."
            )
        written = list(
            ExportRequest.objects.exclude(file_name="").values_list("file_name", flat=True)
        )
    else:
        if tables:
            raise ResetRefused("The database belongs to another program. Nothing was reset.")
        written = []
    drop = _drop_sqlite if connection.vendor == "sqlite" else _drop_postgresql
    drop()
    for file in written:
        files.remove(file)
    # What this process remembers of the old database.
    ContentType.objects.clear_cache()
    call_command("migrate", verbosity=0, interactive=False)


def _drop_sqlite() -> None:
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.is_file():
        raise ResetRefused("The database is not a file, so it cannot be reset.")
    connections.close_all()
    alone = sqlite3.connect(path, timeout=1)
    try:
        # Leaving WAL needs the file for oneself: it fails where a server or worker has it open,
        # which would go on writing into a file that is gone.
        alone.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        raise ResetRefused(
            "Another program has the database open. Stop the web server and the worker, and reset "
            "then."
        ) from None
    finally:
        alone.close()
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    private_file(path)  # as at the start: SQLite would make one that everybody may read


def _drop_postgresql() -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            # A transaction left open somewhere would otherwise hold us up for ever.
            cursor.execute("SET LOCAL lock_timeout = '10s'")
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
    except DatabaseError as error:
        raise ResetRefused(
            f"PostgreSQL refused to drop the schema ({str(error).strip().splitlines()[0]}). Stop "
            "the web server and the workers, and reset then."
        ) from error
    finally:
        connections.close_all()
