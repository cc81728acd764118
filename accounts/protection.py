"""Append-only tables, held by triggers in the database itself: nobody edits the log (B12).

A model says of itself that it is append-only; its migration ends with `ProtectTable`.

On SQLite any later migration that rebuilds a protected table drops its triggers silently, so each
such migration ends with `ProtectTable`, and a check at start-up looks (accounts/checks.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps.registry import apps
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.migrating import TableStep

MESSAGE = "this table is append-only"


def _sqlite(table: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        # INSERT OR REPLACE deletes a row without firing the delete trigger.
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) {refuse}",
    ]


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'insufficient_privilege'; END $$",
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
        # ALWAYS: not even a session that plays replica passes.
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_change",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_no_truncate",
    ]


_TRIGGERS = {
    "sqlite": ("no_update", "no_delete", "no_replace"),
    "postgresql": ("no_change", "no_truncate"),
}


def protected_tables() -> list[str]:
    """Return the tables of every model that is append-only, whichever app it is in."""
    return [m._meta.db_table for m in apps.get_models() if getattr(m, "append_only", False)]


def protect(connection: BaseDatabaseWrapper, table: str) -> None:
    """Make a table append-only; doing it twice is doing it once."""
    unprotect(connection, table)
    statements = {"sqlite": _sqlite, "postgresql": _postgresql}[connection.vendor](table)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def unprotect(connection: BaseDatabaseWrapper, table: str) -> None:
    """Lift the protection; used to rebuild the table and by tests that empty the database."""
    on = f" ON {table}" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        for name in _TRIGGERS[connection.vendor]:
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_{name}{on}")


@contextmanager
def unprotected(connection: BaseDatabaseWrapper, table: str) -> Iterator[None]:
    """Lift the protection for a step of a migration, and lay it down again; in its transaction."""
    unprotect(connection, table)
    yield
    protect(connection, table)


def is_protected(connection: BaseDatabaseWrapper, table: str) -> bool:
    """Tell whether every trigger of the protection is in place."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass(%s) "
        "AND NOT tgisinternal AND tgenabled = 'A'",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query, [table])
        present = {row[0] for row in cursor.fetchall()}
    return present >= {f"{table}_{name}" for name in _TRIGGERS[connection.vendor]}


class ProtectTable(TableStep):
    """A migration step that ends by making a model's table append-only."""

    def lay_down(self, connection: BaseDatabaseWrapper, table: str) -> None:
        protect(connection, table)

    def take_away(self, connection: BaseDatabaseWrapper, table: str) -> None:
        unprotect(connection, table)

    def describe(self) -> str:
        return f"Make {self.model} append-only"
