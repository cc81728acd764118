"""Indexes by which search finds words in the middle of a text: every three letters of it (B13).

They narrow, and decide nothing: what an index finds is compared as ever, in the fields that a
person may read, among the rows that they may see. Where a database has none, search is the same
and slower, and a check says so (accounts/checks.py).

PostgreSQL   an index over `crm_fold` of each field, of the extension pg_trgm; its planner takes it
SQLite       a table of FTS5 beside the model's own, kept by triggers; `candidates` asks it

On SQLite a later migration that rebuilds a model's table drops its triggers, as those of protected
tables. It ends with `SearchIndex`; until then search does without the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model, QuerySet

from accounts.letters import FOLD, folded
from accounts.migrating import TableStep

LETTERS = 3
MOST_CANDIDATES = 10_000
"""More rows than this are found without an index as quickly: a list shows no more of them."""
MOST_PARTS = 40
"""So many parts of a word are looked for; whatever has these is compared with all of it."""

indexed: list[type[Model]] = []
"""A slot for upper layers: models that a migration `…_search` gave an index of `search_fields`."""

_in_place: dict[tuple[str, str], bool] = {}
"""By database and table, as this process found it: whether an index on SQLite is in place."""


# --- Asking ---------------------------------------------------------------------------------------


def candidates(
    rows: QuerySet[Any], words: Iterable[str], fields: Iterable[str]
) -> tuple[int, ...] | None:
    """Return the keys of all rows that may have these words in these fields; one small query.

    None where no index tells, or where it would find too many. Rows are among them in which the
    words do not stand, and rows out of anybody's sight: `rows` is narrowed by them, and no more.
    """
    connection, model = connections[rows.db], rows.model
    whole = getattr(model, "search_fields", ())
    parts = parts_of(words)
    if connection.vendor != "sqlite" or not parts or not set(fields) <= set(whole):
        return None
    table = model._meta.db_table
    if not _is_in_place(connection, table, whole):
        return None
    asked = " ".join('"' + part.replace('"', '""') + '"' for part in parts)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid FROM {table}_words WHERE {table}_words MATCH %s LIMIT %s",
            [asked, MOST_CANDIDATES + 1],
        )
        keys = tuple(key for (key,) in cursor.fetchall())
    return keys if len(keys) <= MOST_CANDIDATES else None


def parts_of(words: Iterable[str]) -> list[str]:
    """Return every three letters of the words, folded; nothing of words that are shorter."""
    parts: dict[str, None] = {}
    for word in map(folded, words):
        parts |= dict.fromkeys(word[at : at + LETTERS] for at in range(len(word) - LETTERS + 1))
    return list(parts)[:MOST_PARTS]


def _is_in_place(connection: BaseDatabaseWrapper, table: str, fields: Sequence[str]) -> bool:
    place = (str(connection.settings_dict["NAME"]), table)
    if place not in _in_place:
        _in_place[place] = is_laid_down(connection, table, fields)
    return _in_place[place]


# --- Laying down ----------------------------------------------------------------------------------


def lay_down(connection: BaseDatabaseWrapper, table: str, fields: Sequence[str]) -> bool:
    """Make the index of a table and fill it, unless it is in place; False where it cannot be.

    Nobody writes meanwhile: some 12 seconds for a million contacts on SQLite, 30 on PostgreSQL.
    """
    if is_laid_down(connection, table, fields):
        return True
    take_away(connection, table)
    first, *others = _statements(connection, table, fields)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute(first)
        except DatabaseError:
            return False  # an SQLite without FTS5, a PostgreSQL without pg_trgm or leave to add it
        for statement in others:
            cursor.execute(statement)
    return True


def take_away(connection: BaseDatabaseWrapper, table: str) -> None:
    """Undo `lay_down`, where there is anything of it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _triggers(table, ("id",)):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute(f"DROP TABLE IF EXISTS {table}_words")
        else:
            cursor.execute(f"DROP INDEX IF EXISTS {table}_words")
    _in_place.clear()


def is_laid_down(connection: BaseDatabaseWrapper, table: str, fields: Sequence[str]) -> bool:
    """Tell whether the index of exactly these fields is in place, and kept."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            wanted = {f"{table}_words": _table(table), **_triggers(table, fields)}
            names = ", ".join(["%s"] * len(wanted))
            cursor.execute(
                f"SELECT name, sql FROM sqlite_master WHERE name IN ({names})", list(wanted)
            )
            return dict(cursor.fetchall()) == wanted
        cursor.execute(
            "SELECT obj_description(indexrelid) FROM pg_index "
            "WHERE indexrelid = to_regclass(%s) AND indisvalid",
            [f"{table}_words"],
        )
        return bool(cursor.fetchone() == (", ".join(fields),))


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the plural names of models whose index is not in place, though it was migrated to."""
    migrated = MigrationRecorder(connection).applied_migrations()
    apps_with_search = {app for app, name in migrated if name.endswith("_search")}
    return [
        str(model._meta.verbose_name_plural)
        for model in indexed
        if model._meta.app_label in apps_with_search
        and not is_laid_down(connection, model._meta.db_table, model.search_fields)  # type: ignore[attr-defined]  # part of the slot's contract
    ]


def _statements(connection: BaseDatabaseWrapper, table: str, fields: Sequence[str]) -> list[str]:
    if connection.vendor == "sqlite":
        fill = f"INSERT INTO {table}_words (rowid, words) SELECT id, {_text(fields)} FROM {table}"
        return [_table(table), fill, *_triggers(table, fields).values()]
    columns = ", ".join(f"{FOLD}({field}) gin_trgm_ops" for field in fields)
    return [
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        f"CREATE INDEX {table}_words ON {table} USING gin ({columns})",
        f"COMMENT ON INDEX {table}_words IS '{', '.join(fields)}'",
        # Until it knows how often parts of a text occur, it uses the index for common ones too.
        f"ANALYZE {table}",
    ]


def _table(table: str) -> str:
    # It holds no text (content), no lengths, and of each part only the rows that have it (detail):
    # 36 bytes for a contact, a fifth of what all would take.
    return (
        f"CREATE VIRTUAL TABLE {table}_words USING fts5(words, content='', columnsize=0, "
        "detail=none, tokenize='trigram case_sensitive 1')"
    )


def _triggers(table: str, fields: Sequence[str]) -> dict[str, str]:
    """Return the triggers by name. What is taken out has to be told as it was put in."""
    words, old, new = f"{table}_words", _text(fields, "OLD."), _text(fields, "NEW.")
    take = f"INSERT INTO {words} ({words}, rowid, words) VALUES ('delete', OLD.id, {old});"
    put = f"INSERT INTO {words} (rowid, words) VALUES (NEW.id, {new});"
    return {
        f"{words}_{name}": f"CREATE TRIGGER {words}_{name} AFTER {event} BEGIN {work} END"
        for name, event, work in (
            ("added", f"INSERT ON {table}", put),
            ("gone", f"DELETE ON {table}", take),
            (
                "changed",
                f"UPDATE OF id, {', '.join(fields)} ON {table} "
                f"WHEN OLD.id <> NEW.id OR {old} <> {new}",
                f"{take} {put}",
            ),
        )
    }


def _text(fields: Sequence[str], row: str = "") -> str:
    """Return the fields of a row as one folded text; no part of a word goes over a line's end."""
    joined = " || char(10) || ".join(f"{row}{field}" for field in fields)
    return f"{FOLD}({joined})"


class SearchIndex(TableStep):
    """A migration step that ends by laying down the index of a model's search."""

    def __init__(self, model: str, fields: Sequence[str]) -> None:
        super().__init__(model)
        self.fields = tuple(fields)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model": self.model, "fields": self.fields}

    def lay_down(self, connection: BaseDatabaseWrapper, table: str) -> None:
        lay_down(connection, table, self.fields)

    def take_away(self, connection: BaseDatabaseWrapper, table: str) -> None:
        take_away(connection, table)

    def describe(self) -> str:
        return f"Index {', '.join(self.fields)} of {self.model} for search"
