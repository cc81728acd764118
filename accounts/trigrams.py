"""Indexes by which search finds words in the middle of a text: every three letters of it (B13).

They narrow, and decide nothing: what an index finds is compared as ever, in the fields that a
person may read, among the rows that they may see. Where a database has none, search is the same
and slower, and a check says so (accounts/checks.py).

PostgreSQL   an index over `crm_fold` of each field, of the extension pg_trgm; its planner takes it
SQLite       a table of FTS5 beside the model's own, kept by triggers; `candidates` asks it

A model has one of the words in its `search_fields`, and one of the digits in its `number_fields`,
which is asked for nobody who may not read these.

On SQLite a later migration that rebuilds a model's table drops its triggers, as those of protected
tables. It ends with `SearchIndex`; until then search does without the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model, QuerySet

from accounts.digits import Dialled, in_sql
from accounts.letters import FOLD, folded
from accounts.migrating import TableStep

WORDS, NUMBERS = "words", "digits"
"""What an index is of; its name ends in it."""

LETTERS = 3
MOST_CANDIDATES = 10_000
"""More rows than this are found without an index as quickly: a list shows no more of them."""
MOST_PARTS = 40
"""So many parts of a word are looked for; whatever has these is compared with all of it."""

indexed: list[type[Model]] = []
"""A slot for upper layers: models with `search_fields`, perhaps `number_fields`.

A migration `…_search` gave them the index of the former, one called `…_numbers` of the latter.
"""
_MIGRATED_BY = {WORDS: "_search", NUMBERS: "_numbers"}

_in_place: dict[tuple[str, str, str], bool] = {}
"""By database, table and sort, as this process found it: whether an index on SQLite is in place."""


# --- Asking ---------------------------------------------------------------------------------------


def candidates(
    rows: QuerySet[Any], words: Iterable[str], fields: Iterable[str]
) -> tuple[int, ...] | None:
    """Return the keys of all rows that may have these words in these fields; one small query.

    None where no index tells, or where it would find too many. Rows are among them in which the
    words do not stand, and rows out of anybody's sight: `rows` is narrowed by them, and no more.
    """
    whole = getattr(rows.model, "search_fields", ())
    parts = parts_of(words)
    if not parts or not set(fields) <= set(whole):
        return None
    return _matching(rows, whole, _all_of(parts), WORDS)


def candidates_by_digits(
    rows: QuerySet[Any], number: Dialled, fields: Sequence[str]
) -> tuple[int, ...] | None:
    """Return the keys of all rows that may have this number in these fields, as `candidates`."""
    if tuple(fields) != getattr(rows.model, "number_fields", ()):
        return None
    asked = " OR ".join(f"({_all_of(parts_of([digits]))})" for digits in number.all)
    return _matching(rows, fields, asked, NUMBERS)


def _all_of(parts: Iterable[str]) -> str:
    return " ".join('"' + part.replace('"', '""') + '"' for part in parts)


def _matching(
    rows: QuerySet[Any], fields: Sequence[str], asked: str, of: str
) -> tuple[int, ...] | None:
    connection, table = connections[rows.db], rows.model._meta.db_table
    if connection.vendor != "sqlite" or not _is_in_place(connection, table, fields, of):
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT rowid FROM {table}_{of} WHERE {table}_{of} MATCH %s LIMIT %s",
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


def _is_in_place(
    connection: BaseDatabaseWrapper, table: str, fields: Sequence[str], of: str
) -> bool:
    place = (str(connection.settings_dict["NAME"]), table, of)
    if place not in _in_place:
        _in_place[place] = is_laid_down(connection, table, fields, of)
    return _in_place[place]


# --- Laying down ----------------------------------------------------------------------------------


def indexes_of(model: type[Model]) -> Iterator[tuple[Sequence[str], str]]:
    """Yield the fields and the sort of each index that a model has."""
    for name, of in (("search_fields", WORDS), ("number_fields", NUMBERS)):
        if fields := getattr(model, name, ()):
            yield fields, of


def lay_down(
    connection: BaseDatabaseWrapper, table: str, fields: Sequence[str], of: str = WORDS
) -> bool:
    """Make the index of a table and fill it, unless it is in place; False where it cannot be.

    Nobody writes meanwhile: some 12 seconds for a million contacts on SQLite, 30 on PostgreSQL.
    """
    if is_laid_down(connection, table, fields, of):
        return True
    take_away(connection, table, of)
    first, *others = _statements(connection, table, fields, of)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute(first)
        except DatabaseError:
            return False  # an SQLite without FTS5, a PostgreSQL without pg_trgm or leave to add it
        for statement in others:
            cursor.execute(statement)
    return True


def take_away(connection: BaseDatabaseWrapper, table: str, of: str = WORDS) -> None:
    """Undo `lay_down`, where there is anything of it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in _triggers(connection, table, ("id",), of):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute(f"DROP TABLE IF EXISTS {table}_{of}")
        else:
            cursor.execute(f"DROP INDEX IF EXISTS {table}_{of}")
    _in_place.clear()


def is_laid_down(
    connection: BaseDatabaseWrapper, table: str, fields: Sequence[str], of: str = WORDS
) -> bool:
    """Tell whether the index of exactly these fields is in place, and kept."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            kept = _triggers(connection, table, fields, of)
            wanted = {f"{table}_{of}": _table(table, of), **kept}
            names = ", ".join(["%s"] * len(wanted))
            cursor.execute(
                f"SELECT name, sql FROM sqlite_master WHERE name IN ({names})", list(wanted)
            )
            return dict(cursor.fetchall()) == wanted
        cursor.execute(
            "SELECT obj_description(indexrelid) FROM pg_index "
            "WHERE indexrelid = to_regclass(%s) AND indisvalid",
            [f"{table}_{of}"],
        )
        return bool(cursor.fetchone() == (", ".join(fields),))


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the plural names of models whose index is not in place, though it was migrated to."""
    migrated = MigrationRecorder(connection).applied_migrations()
    apps_with = {
        of: {app for app, name in migrated if name.endswith(end)}
        for of, end in _MIGRATED_BY.items()
    }
    return [
        str(model._meta.verbose_name_plural)
        for model in indexed
        if any(
            model._meta.app_label in apps_with[of]
            and not is_laid_down(connection, model._meta.db_table, fields, of)
            for fields, of in indexes_of(model)
        )
    ]


def _statements(
    connection: BaseDatabaseWrapper, table: str, fields: Sequence[str], of: str
) -> list[str]:
    if connection.vendor == "sqlite":
        text = _text(connection, fields, of)
        fill = f"INSERT INTO {table}_{of} (rowid, words) SELECT id, {text} FROM {table}"
        return [_table(table, of), fill, *_triggers(connection, table, fields, of).values()]
    columns = ", ".join(f"{_compared(connection, each, of)} gin_trgm_ops" for each in fields)
    return [
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        f"CREATE INDEX {table}_{of} ON {table} USING gin ({columns})",
        f"COMMENT ON INDEX {table}_{of} IS '{', '.join(fields)}'",
        # Until it knows how often parts of a text occur, it uses the index for common ones too.
        f"ANALYZE {table}",
    ]


def _table(table: str, of: str) -> str:
    # It holds no text (content), no lengths, and of each part only the rows that have it (detail):
    # 36 bytes for a contact, a fifth of what all would take.
    return (
        f"CREATE VIRTUAL TABLE {table}_{of} USING fts5(words, content='', columnsize=0, "
        "detail=none, tokenize='trigram case_sensitive 1')"
    )


def _triggers(
    connection: BaseDatabaseWrapper, table: str, fields: Sequence[str], of: str
) -> dict[str, str]:
    """Return the triggers by name. What is taken out has to be told as it was put in."""
    words = f"{table}_{of}"
    old, new = (_text(connection, fields, of, row) for row in ("OLD.", "NEW."))
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


def _text(connection: BaseDatabaseWrapper, fields: Sequence[str], of: str, row: str = "") -> str:
    """Return the fields of a row as one text; no part of a word goes over a line's end."""
    if of == WORDS:
        joined = " || char(10) || ".join(f"{row}{field}" for field in fields)
        return _compared(connection, joined, of)
    return " || char(10) || ".join(_compared(connection, f"{row}{each}", of) for each in fields)


def _compared(connection: BaseDatabaseWrapper, text: str, of: str) -> str:
    """Return the expression of what is compared of a text: folded, or its digits alone."""
    return f"{FOLD}({text})" if of == WORDS else in_sql(connection, text)


class SearchIndex(TableStep):
    """A migration step that ends by laying down the index of a model's search."""

    def __init__(self, model: str, fields: Sequence[str], of: str = WORDS) -> None:
        super().__init__(model)
        self.fields, self.of = tuple(fields), of

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        told = {"model": self.model, "fields": self.fields, "of": self.of}
        return type(self).__name__, [], told

    def lay_down(self, connection: BaseDatabaseWrapper, table: str) -> None:
        lay_down(connection, table, self.fields, self.of)

    def take_away(self, connection: BaseDatabaseWrapper, table: str) -> None:
        take_away(connection, table, self.of)

    def describe(self) -> str:
        return f"Index {', '.join(self.fields)} of {self.model} for search"
