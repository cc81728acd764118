"""Small databases as landed versions left them, each brought to today by claims/test_upgrade.py.

To add one, when a version has landed whose schema or digests differ from the last one here:

    python -m tests.support.landed NAME COMMIT

NAME is the day it landed. The tree of COMMIT is unpacked beside, makes its own schema in SQLite,
and fills it with landed_seed.py. What comes out is `tests/data/landed/NAME`: the database as SQL
text, and the files of finished exports. Nothing there is edited later.

PostgreSQL gets the same rows, in the schema that the migrations make which had run by then; a test
says that they still make the schema in the text.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.letters import teach_sqlite

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "data" / "landed"
BOOLEAN = 16  # what PostgreSQL calls the type by
# Made anew after every migration.
LEFT_OUT = ("auth_permission", "django_content_type")


def versions() -> list[str]:
    """Return the names of the versions that are kept, oldest first."""
    return sorted(folder.name for folder in FOLDER.iterdir())


def load(name: str) -> None:
    """Fill the empty database of this connection as a version left it."""
    text = (FOLDER / name / "database.sql").read_text()
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        # A table's rows come before the tables that they refer to.
        connection.connection.executescript(
            f"PRAGMA foreign_keys=OFF; {text} PRAGMA foreign_keys=ON;"
        )
        return
    with closing(opened(name)) as landed:
        migrate(migrations_in(landed))
        with transaction.atomic():
            here = {*connection.introspection.table_names()} - {"django_migrations", *LEFT_OUT}
            for (table,) in landed.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
                if table in here:  # SQLite keeps its search indexes in tables
                    _copy(landed, table)


def migrations_in(landed: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the migrations that had run."""
    return list(landed.execute("SELECT app, name FROM django_migrations ORDER BY id"))


def opened(name: str) -> sqlite3.Connection:
    """Return a landed version's database, in memory; the caller closes it."""
    found = sqlite3.connect(":memory:")
    teach_sqlite(found)
    found.executescript((FOLDER / name / "database.sql").read_text())
    return found


def ran_by(name: str) -> list[tuple[str, str]]:
    """Return the migrations that a landed version had run."""
    with closing(opened(name)) as found:
        return migrations_in(found)


def migrate(targets: list[tuple[str, str]]) -> None:
    """Run these migrations and what they need, and nothing that comes after them."""
    executor = MigrationExecutor(connection)
    # To be told of one that has run means to go back to it.
    executor.migrate([each for each in targets if each not in executor.loader.applied_migrations])


def _copy(landed: sqlite3.Connection, table: str) -> None:
    """Copy the rows of a table; what SQLite has no type for is made what the column is."""
    rows = landed.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in rows.description]
    marks = ", ".join(["%s"] * len(names))
    quoted = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, table)
        flags = {column.name for column in described if column.type_code == BOOLEAN}
        if not _is_protected(table):
            cursor.execute(f'DELETE FROM "{table}"')  # laid down by a migration
        for row in rows:
            values = dict(zip(names, row, strict=True))
            values |= {name: bool(values[name]) for name in flags if values[name] is not None}
            cursor.execute(
                f'INSERT INTO "{table}" ({quoted}) VALUES ({marks}) ON CONFLICT DO NOTHING',
                list(values.values()),
            )
        for sequence in connection.introspection.get_sequences(cursor, table):
            column = sequence["column"]
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s), "
                f'(SELECT coalesce(max("{column}"), 0) + 1 FROM "{table}"), false)',
                [table, column],
            )


def _is_protected(table: str) -> bool:
    """Tell whether what a migration wrote there stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
            [table],
        )
        return bool(cursor.fetchone()[0])


def make(name: str, commit: str) -> None:
    """Make a version's database and files, by its own tree."""
    target = FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "files").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        tree, file = Path(folder) / "tree", Path(folder) / "landed.sqlite3"
        tree.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=-1, check=True)
        subprocess.run(["tar", "-x"], input=archive.stdout, cwd=tree, check=True)
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{file}",
            "EXPORT_ROOT": str(target / "files"),
            "PYTHONPATH": str(tree),
            "SECRET_KEY": "landed",
        }
        programs = [
            ("manage.py", "migrate"),
            ("manage.py", "receive_permissions"),
            (str(ROOT / "tests" / "support" / "landed_seed.py"),),
        ]
        if not (tree / "accounts/management/commands/receive_permissions.py").exists():
            programs.pop(1)
        for program in programs:
            subprocess.run([sys.executable, *program], cwd=tree, env=environment, check=True)
        with closing(sqlite3.connect(file)) as landed:
            text = "\n".join(_statements(landed))
        (target / "database.sql").write_text(text + "\n")


def _statements(landed: sqlite3.Connection) -> Iterator[str]:
    """Yield what makes the database again; a search index as the tables in which it is kept."""
    left_out = tuple(f'INSERT INTO "{table}"' for table in LEFT_OUT)
    virtual = "type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"
    indexes = landed.execute(f"SELECT name, sql FROM sqlite_master WHERE {virtual}").fetchall()
    # Python's dump reads each table's rows, and such an index has none to show.
    landed.execute("PRAGMA writable_schema=ON")
    landed.execute(f"DELETE FROM sqlite_master WHERE {virtual}")
    landed.execute("PRAGMA writable_schema=RESET")
    yield from (each for each in landed.iterdump() if not each.startswith(left_out))
    if indexes:
        yield "PRAGMA writable_schema=ON;"
        for name, made_by in indexes:
            quoted = made_by.replace("'", "''")
            yield (
                "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) "
                f"VALUES ('table', '{name}', '{name}', 0, '{quoted}');"
            )
        yield "PRAGMA writable_schema=RESET;"


if __name__ == "__main__":
    make(*sys.argv[1:])
