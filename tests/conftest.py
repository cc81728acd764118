"""What every test stands on: which database, and a file or name for it that no other run has."""

import gc
import os
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management.color import Style
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker, Settings
from pytest_django.plugin import blocking_manager_key

from accounts.protection import protect, protected_tables, unprotect
from tests.support.company import TinyCompany
from tests.support.laid_down import tiny_company


def pytest_report_header(config: pytest.Config) -> str:
    """Say which database the tests run on, as `make test` runs them on both."""
    if connection.vendor == "sqlite":
        return f"database: SQLite {sqlite3.sqlite_version}"
    with config.stash[blocking_manager_key].unblock(), connection.temporary_connection() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
        trigrams = "with" if cursor.fetchone()[0] else "without"
        cursor.execute("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'")
        icu = "with" if cursor.fetchone()[0] else "without"
        version = ".".join(map(str, connection.get_database_version()))
    return f"database: PostgreSQL {version}, {trigrams} pg_trgm, {icu} ICU"


FAR_APART = 10_000
"""How far the keys of two tables lie apart: what swaps them, or groups their digits, is found."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Let every table count from a number of its own, and a long one.

    Small keys are alike in every table, and look the same with separators of thousands as without.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for number, table in enumerate(sorted(tables), 1):
            for sequence in connection.introspection.get_sequences(cursor, table):
                _count_from(cursor, table, sequence["column"], number * FAR_APART)


def _count_from(cursor: CursorWrapper, table: str, column: str, first: int) -> None:
    if connection.vendor == "sqlite":
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, first])
    else:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, column, first])


def pytest_collection_finish() -> None:
    """Let the collector look through what was imported no more, and less often at the rest.

    A tenth of the time went into finding nothing there.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


LONGEST = (
    "test_export_enemies.py",
    "test_oracle.py",
    "test_export_machine.py",
    "test_seed_demo.py",
    "test_serve.py",
)


ON_ONE_DATABASE = (
    "test_decisions.py",
    "test_edge.py",
    "test_explain.py::test_access_page_gives_the_verdict_and_every_finding",
    "test_explain.py::test_explain_access_tells_the_verdict_and_every_finding",
    "test_explain.py::test_record_page_shows_why_and_the_way_out",
    "test_explain.py::test_unknown_questions_are_a_400",
    "test_explain.py::test_who_page_is_narrowed_by_team_and_level_together",
    "test_explain.py::test_who_page_lists_everybody_with_level_and_reasons",
    "test_explain.py::test_who_page_turns_pages_with_one_query_over_people",
    "test_explain.py::test_without_json_people_read_sentences",
    "test_export_asking.py::test_first_page_ticks_what_is_not_sensitive_and_shows_first_rows",
    "test_export_asking.py::test_going_back_keeps_choice_approvers_and_message",
    "test_export_asking.py::test_nothing_ticked_is_said_and_everything_else_is_kept",
    "test_export_asking.py::test_profile_is_kept_used_and_deleted",
    "test_export_asking.py::test_profile_of_somebody_else_is_like_none",
    "test_export_asking.py::test_profile_that_cannot_be_is_refused",
    "test_export_deciding.py::test_approver_sets_conditions_in_the_dialog",
    "test_export_deciding.py::test_columns_of_the_log",
    "test_export_deciding.py::test_figures_lead_to_lists_that_the_reader_may_open",
    "test_export_deciding.py::test_log_is_narrowed_by_every_filter",
    "test_export_deciding.py::test_page_of_being_away",
    "test_export_deciding.py::test_panel_keeps_the_filters_of_the_list",
    "test_export_deciding.py::test_refused_conditions_lose_nothing_that_was_typed",
    "test_export_deciding.py::test_steps_of_the_panel_are_those_of_the_reader",
    "test_export_reads.py::test_the_dialog_marks_names_and_says_what_the_list_reads",
    "test_export_screens.py",
    "test_fields.py",
    "test_import_files.py",
    "test_kinds.py",
    "test_known_wrong.py",
    "test_late_forms.py",
    "test_numbers.py",
    "test_pages_only.py",
    "test_passwords.py",
    "test_people_and_sets.py",
    "test_permission_pages.py",
    "test_permission_reference.py",
    "test_policy_file_refused.py",
    "test_reads.py",
    "test_screens.py",
    "test_serve.py",
    "test_sets_in_words.py",
    "test_slow_clients.py",
    "test_small_oracles.py",
)
"""Forms, sentences, pages and negative controls: what they claim does not depend on the database.

They run on SQLite. Access, races, budgets, jobs, exports and protection run on both.
"""


def _is_on_one_database(item: pytest.Item) -> bool:
    file = item.path.name
    return file in ON_ONE_DATABASE or f"{file}::{item.name.partition('[')[0]}" in ON_ONE_DATABASE


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    _leave_out(config, items, [item for item in items if _is_of_another_database(item)])
    if connection.vendor == "postgresql" and config.getoption("one_database_each"):
        _leave_out(config, items, [item for item in items if _is_on_one_database(item)])


def _is_of_another_database(item: pytest.Item) -> bool:
    """Tell whether a test is about what only the other database does."""
    marker = item.get_closest_marker("of_database")
    return marker is not None and connection.vendor not in marker.args


def _leave_out(config: pytest.Config, items: list[pytest.Item], left: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what `make test` runs with."""
    parser.addoption(
        "--one-database-each",
        action="store_true",
        help="On PostgreSQL, leave out what the run on SQLite shows as well.",
    )


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Give this run, and each of its parallel workers, a test database of its own.

    On SQLite a file: other processes must see what is in it.
    """
    database = settings.DATABASES["default"]
    if connection.vendor == "sqlite":
        folder: Path = tmp_path_factory.mktemp("database")
        database["TEST"]["NAME"] = str(folder / "test.sqlite3")
    else:
        name = database["TEST"]["NAME"] or f"test_{database['NAME']}"
        database["TEST"]["NAME"] = f"{name}_{os.getpid()}"


@pytest.fixture
def c(db: None) -> TinyCompany:
    """The tiny company; `c` because every test of access says it in every line."""
    return tiny_company()


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Hash passwords cheaply: Argon2 is slow on purpose, and tests make many people."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def export_root(settings: Settings, tmp_path: Path) -> Path:
    """Give every test a folder for exported files of its own."""
    settings.EXPORT_ROOT = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture(autouse=True, scope="session")
def emptying_between_tests() -> Iterator[None]:
    """Let the database be emptied after a test with real transactions.

    The audit log and its like refuse that, so their protection is lifted for as long as it takes;
    and what migrations laid down is laid down again.
    """
    empty = TransactionTestCase._fixture_teardown
    restores = [
        import_module("exports.migrations.0002_policy").lay_down,
        import_module("records.migrations.0002_sensitive_phone").flag,
    ]

    def empty_and_restore(self: TransactionTestCase) -> None:
        for table in protected_tables():
            unprotect(connection, table)
        try:
            empty(self)
        finally:
            for table in protected_tables():
                protect(connection, table)
        for restore in restores:
            restore(apps, None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_and_restore)
        if connection.vendor == "postgresql":
            patch.setattr(type(connection.ops), "sql_flush", _deletes)
        yield


def _deletes(
    operations: BaseDatabaseOperations, style: Style, tables: list[str], **how: bool
) -> list[str]:
    """Return what empties the tables: few rows are deleted at once.

    TRUNCATE makes every table and each of its indexes anew, some hundred files after each test.
    What rows refer to is asked for at the end of the transaction, so any order will do.
    """
    return [f"DELETE FROM {operations.quote_name(table)}" for table in tables]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the oracle compared: the number is part of the claim."""
    for report in terminalreporter.getreports("passed"):
        for name, value in getattr(report, "user_properties", ()):
            if name == "oracle" and report.when == "call":
                terminalreporter.write_line(f"oracle: {value}")
