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
from hypothesis import settings as drawn
from pytest_django import DjangoDbBlocker, Settings
from pytest_django.plugin import blocking_manager_key
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from accounts import access
from accounts.protection import protect, protected_tables, unprotect
from tests.support import migrated, parts
from tests.support.company import TinyCompany
from tests.support.laid_down import tiny_company
from tests.support.one_writer import watch

# `make test` says the same twice about the same code; `make prove` draws anew each time (EXPLORE).
drawn.register_profile("as before", derandomize=True)
drawn.load_profile("default" if os.environ.get("EXPLORE") else "as before")


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


def pytest_collection() -> None:
    """Let the collector wait for the end of the imports, of which nothing is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let the collector look through what was imported no more, and seldom at what is kept.

    A tenth of the time went into finding nothing there. Young objects are looked at some thousands
    at a time, while they are in the cache of the processor: of 50,000 it took twice as long.
    """
    gc.freeze()
    gc.set_threshold(5_000, 50, 50)
    gc.enable()


LONGEST = (
    "test_walks.py",
    "test_export_enemies.py",
    "test_oracle.py",
    "test_export_machine.py",
    "test_seed_demo.py",
    "test_serve.py",
)

IN_ONE_PROCESS = ("test_seed_demo.py", "test_serve.py")
"""One makes the demo company once per process, one starts several processes for each test."""
BY_PARAMETER = ("test_upgrade.py",)
"""What a test of these made for a parameter is kept for the other tests with this parameter."""


class Together(LoadScopeScheduling):
    """Sends tests to processes one by one, and to the same one where that saves work.

    xdist has marks for it, which pytest 9.2 keeps it from reading: every group was split up.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        name = file.rpartition("/")[2]
        if name in IN_ONE_PROCESS:
            return file
        return f"{file} {test.partition('[')[2]}" if name in BY_PARAMETER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together | None:
    """Distribute the suite as `Together` says, and the browser's tests by file."""
    return Together(config, log) if config.getoption("dist") == "loadgroup" else None


ON_ONE_DATABASE = {
    "sqlite": (
        "test_access_request_pages.py",
        "test_changes.py",
        "test_decisions.py",
        "test_delegation_machine.py::test_machine_notices_who_gets_beyond",
        "test_edge.py",
        "test_explain.py::test_a_set_of_ones_own_is_not_said_to_be_shared",
        "test_explain.py::test_access_page_gives_the_verdict_and_every_finding",
        "test_explain.py::test_explain_access_tells_the_verdict_and_every_finding",
        "test_explain.py::test_names_with_braces_are_only_names",
        "test_explain.py::test_record_page_shows_why_and_the_way_out",
        "test_explain.py::test_unknown_questions_are_a_400",
        "test_explain.py::test_unknown_words_are_an_error_in_a_sentence",
        "test_explain.py::test_who_page_is_narrowed_by_team_and_level_together",
        "test_explain.py::test_who_page_lists_everybody_with_level_and_reasons",
        "test_explain.py::test_who_page_turns_pages_with_one_query_over_people",
        "test_explain.py::test_why_says_each_reason_once_for_all_it_takes_away",
        "test_explain.py::test_without_json_people_read_sentences",
        "test_export_deciding.py::test_empty_log_says_how_to_begin",
        "test_export_deciding.py::test_mistyped_day_is_a_message_and_no_rows",
        "test_export_deciding.py::test_panel_says_why_who_changed_the_gate_may_not_decide",
        "test_export_deciding.py::test_query_string_asks_nothing_that_is_not_offered",
        "test_export_deciding.py::test_times_are_shown_with_their_zone",
        "test_export_language.py::test_a_request_in_the_language_of_who_asks_would_be_noticed",
        "test_export_language.py::test_each_side_reads_its_own_language",
        "test_export_language.py::test_why_it_ended_is_kept_once_and_read_in_each_language",
        "test_export_machine.py::test_wrong_variant_is_caught",
        "test_export_policy.py::test_error_opens_the_dialog_at_its_step_and_keeps_what_was_typed",
        "test_export_policy.py::test_exempt_without_export_is_marked",
        "test_export_policy.py::test_nothing_is_added_deleted_or_filtered",
        "test_export_policy.py::test_refused_change_of_people_says_so_and_changes_nothing",
        "test_export_policy.py::test_refused_change_of_the_policy_says_which_request_waits",
        "test_export_reads.py::test_the_dialog_marks_names_and_says_what_the_list_reads",
        "test_export_dialog.py",
        "test_export_screens.py",
        "test_faults.py::test_a_body_in_pieces_is_read_no_further_than_it_may_be",
        "test_faults.py::test_a_body_too_large_is_refused_before_it_is_read",
        "test_faults.py::test_a_file_is_a_body_like_any_other",
        "test_faults.py::test_a_form_that_was_cut_off_is_not_taken_for_whole",
        "test_fields.py",
        "test_figures.py::test_library_of_charts_is_loaded_where_a_chart_is",
        "test_form_pieces.py",
        "test_import_crm.py::test_accounts_are_unassigned_companies_with_their_parents",
        "test_import_crm.py::test_bom_white_space_and_windows_line_ends_mean_nothing",
        "test_import_crm.py::test_broken_table_stops_before_anything_is_written",
        "test_import_crm.py::test_certain_values_are_repaired_and_doubtful_ones_kept_and_listed",
        "test_import_crm.py::test_deal_without_account_is_named_by_its_id",
        "test_import_crm.py::test_given_password_works_for_everybody_and_is_hashed_once",
        "test_import_crm.py::test_log_ins_are_invented_from_the_names",
        "test_import_crm.py::test_missing_folder_and_empty_names_are_sentences",
        "test_import_crm.py::test_offices_are_parent_teams_and_each_manager_leads_a_team_below",
        "test_import_crm.py::test_opportunities_are_deals_of_their_agents",
        "test_import_crm.py::test_people_cannot_log_in_unless_a_password_is_given",
        "test_import_crm.py::test_permission_sets_are_as_the_issue_says",
        "test_import_crm.py::test_pipeline_has_four_open_stages_in_order",
        "test_import_files.py",
        "test_invitations.py::test_first_password_is_held_to_what_every_other_is",
        "test_invitations.py::test_made_up_links_are_all_answered_alike",
        "test_kinds.py",
        "test_known_wrong.py",
        "test_languages.py::test_a_file_is_of_no_language",
        "test_languages.py::test_a_language_or_zone_that_is_gone_is_as_none",
        "test_languages.py::test_each_is_told_in_their_own_language_and_zone",
        "test_languages.py::test_one_thread_answers_each_in_their_own_language",
        "test_languages.py::test_own_language_comes_before_the_browsers_and_that_before_ours",
        "test_late_forms.py",
        "test_list_head.py",
        "test_list_pages.py",
        "test_log_in.py::test_after_the_log_in_one_stays_here",
        "test_log_ins.py::test_own_page_shows_nothing_to_change",
        "test_mail.py::test_address_that_no_mail_program_opens_is_found_at_the_start",
        "test_mail.py::test_names_and_subjects_add_no_line_and_no_header",
        "test_mail.py::test_without_an_address_of_the_site_it_says_where_to_click",
        "test_menu.py",
        "test_new_password.py::test_link_is_never_made_from_what_the_browser_calls_the_site",
        "test_new_password.py::test_made_up_links_are_all_answered_alike",
        "test_new_password.py::test_new_password_is_held_to_what_every_other_is",
        "test_new_password.py::test_what_is_no_address_is_said_to_be_none",
        "test_new_password.py::test_without_mail_the_log_in_page_says_whom_to_ask",
        "test_no_other_door.py::test_a_door_of_somebody_in_a_hurry_is_found",
        "test_numbers.py",
        "test_own_settings.py::test_everybody_chooses_for_themselves",
        "test_own_settings.py::test_rows_stand_closer_for_whoever_wants_that",
        "test_own_settings.py::test_the_page_offers_zones_by_name",
        "test_own_settings.py::test_visitors_have_no_settings",
        "test_own_settings.py::test_what_there_is_none_of_is_said",
        "test_pages_only.py",
        "test_partner_admins.py::test_sentences_and_commands_say_what_somebody_is",
        "test_passwords.py",
        "test_people_and_sets.py",
        "test_people_budgets.py",
        "test_people_import.py::test_content_that_no_preview_sent_is_refused",
        "test_people_import.py::test_every_fault_is_told_at_once_in_the_order_of_lines",
        "test_people_import.py::test_faulty_row_is_named_by_line_and_cause_and_nothing_is_imported",
        "test_people_import.py::test_file_errors_are_of_one_kind",
        "test_people_import.py::test_file_that_is_no_table_of_people_says_why",
        "test_people_import.py::test_headings_and_separators_are_read_as_people_write_them",
        "test_permission_history.py::test_change_past_the_operations_is_found",
        "test_permission_history.py::test_command_says_what_is_wrong",
        "test_permission_pages.py",
        "test_permission_reference.py",
        "test_person_access.py::test_sentences_say_what_the_rules_come_to",
        "test_person_access.py::test_tools_say_where_they_come_from",
        "test_policy_file.py::test_file_that_cannot_be_read_is_told",
        "test_policy_file.py::test_json_says_what_the_sentences_say",
        "test_policy_file.py::test_plan_that_is_called_wrongly_does_not_end_as_one_with_changes",
        "test_policy_file_refused.py",
        "test_preview.py::test_a_preview_that_forgets_the_mates_is_found_out",
        "test_reads.py",
        "test_records_language.py",
        "test_refused_input.py::test_a_charset_that_cannot_even_be_read_is_refused",
        "test_refused_input.py::test_a_message_has_lines_and_nothing_hidden",
        "test_refused_input.py::test_a_name_of_which_something_is_not_seen_is_refused",
        "test_refused_input.py::test_a_name_that_is_seen_is_kept_as_it_is",
        "test_refused_input.py::test_a_page_is_run_by_no_other_method",
        "test_refused_input.py::test_an_order_is_numbers_of_columns",
        "test_refused_input.py::test_only_keys_are_ticked",
        "test_refused_input.py::test_only_utf8_is_read",
        "test_refused_input.py::test_people_keep_their_names",
        "test_refused_input.py::test_utf8_and_what_names_no_charset_is_read",
        "test_refused_input.py::test_white_space_filters_by_nothing",
        "test_rights_changes.py::test_operation_that_says_nothing_is_found",
        "test_screens.py",
        "test_seed_demo.py::test_a_few_hundred_records_are_owned_co_owned_and_unassigned",
        "test_seed_demo.py::test_card_is_shown_alone_and_only_where_there_is_a_company",
        "test_seed_demo.py::test_every_role_can_log_in_with_the_password_on_the_card",
        "test_seed_demo.py::test_teams_have_two_levels_and_people_are_in_two_one_and_none",
        "test_seed_demo.py::test_two_pipelines_each_have_a_locked_stage",
        "test_serve.py",
        "test_session_limits.py::test_limits_are_said_as_they_are_set",
        "test_session_limits.py::test_nobody_is_led_elsewhere",
        "test_session_limits.py::test_public_pages_are_there_after_the_end",
        "test_sets_in_words.py",
        "test_slow_clients.py",
        "test_small_oracles.py",
        "test_two_languages.py",
        "test_walks.py",
    ),
    "postgresql": (
        "test_arrival_pages.py",
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
        "test_first_hour.py::test_adding_says_which_pipeline_is_missing_and_where_to_make_it",
        "test_first_hour.py::test_check_list_is_ticked_by_what_is_there_and_disappears",
        "test_first_hour.py::test_starter_sets_say_nothing_that_is_cut_off",
        "test_first_hour.py::test_whoever_may_not_make_a_pipeline_is_told_whom_to_ask",
        "test_people_pages.py::test_action_only_asks_and_names_exactly_who_was_ticked",
        "test_people_pages.py::test_half_a_filter_is_a_sentence_and_no_rows",
        "test_people_pages.py::test_keys_that_no_page_wrote_are_refused",
        "test_people_pages.py::test_list_is_narrowed_by_every_filter",
        "test_people_pages.py::test_row_offers_what_can_be_done_with_this_person",
        "test_people_pages.py::test_unknown_filters_and_values_are_refused",
        "test_permission_editor.py::test_address_of_nobody_is_absent",
        "test_permission_editor.py::test_changes_that_are_none_of_ours_are_not_saved",
        "test_permission_editor.py::test_narrowing_from_everything_keeps_unassigned_ones",
        "test_permission_editor.py::test_nothing_changed_is_said_and_written_nowhere",
        "test_permission_editor.py::test_of_several_only_what_is_ticked_changes",
        "test_permission_editor.py::test_one_person_is_edited_reviewed_saved_and_taken_back",
        "test_permission_editor.py::test_person_with_a_named_set_is_asked_about_first",
        "test_permission_editor.py::test_review_says_who_gains_and_loses_what",
        "test_permission_editor.py::test_several_sets_are_edited_for_all_their_people",
        "test_permission_editor.py::test_warned_of_what_somebody_may_not_mean",
        "test_reviews.py",
        "test_saved_unchanged.py::test_every_change_form_saved_as_it_was_opened_changes_nothing",
        "test_saved_unchanged.py::test_pages_of_settings_sent_as_they_were_opened_change_nothing",
        "test_set_pages.py",
        "test_stale_rows.py::test_every_page_answers",
        "test_stale_rows.py::test_field_that_is_gone_says_so_and_can_be_removed",
        "test_stale_settings.py",
        "test_team_pages.py::test_deleting_a_team_with_members_leads_to_the_merger",
        "test_team_pages.py::test_list_is_the_tree_with_who_is_in_each_team_and_what_they_own",
        "test_team_pages.py::test_members_come_and_go_on_the_page_of_the_team",
        "test_team_pages.py::test_merger_moves_members_and_teams_below_and_shows_first_who_moves",
        "test_team_pages.py::test_pages_of_the_tree_hold_every_team_once",
        "test_team_pages.py::test_team_that_is_named_is_not_merged_and_its_places_are_linked",
    ),
}
"""Forms, sentences, pages and negative controls: what they claim does not depend on the database.

Each runs on the one that is named, where `--one-database-each` says so. Pages that are queries more
than words run on PostgreSQL, which forgives less. Access, races, budgets, jobs, exports and
protection run on both.
"""

FOR_A_DATABASE = {
    *("db", "transactional_db", "live_server", "django_db_setup"),
    *("database_url", "empty_database", "scratch"),
}
"""Fixtures by which a test gets at a database: the suite's, or one that it makes for itself."""


def _is_on_another_database(item: pytest.Item) -> bool:
    """Tell whether the run on the other database shows what this test claims."""
    if connection.vendor != "sqlite" and _asks_no_database(item):
        return True
    names = {item.path.name, f"{item.path.name}::{item.name.partition('[')[0]}"}
    return any(
        vendor != connection.vendor and not names.isdisjoint(tests)
        for vendor, tests in ON_ONE_DATABASE.items()
    )


def _asks_no_database(item: pytest.Item) -> bool:
    """Tell whether pytest refuses this test every query, so that it says the same beside any.

    Where it asks which database there is all the same, `of_database` names both.
    """
    if item.get_closest_marker("django_db") or item.get_closest_marker("of_database"):
        return False
    return FOR_A_DATABASE.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let the first part read no file of which it has no test; None leaves it to pytest."""
    is_first = config.getoption("part") == "first"
    return True if is_first and parts.is_all_of_the_rest(collection_path.name) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for another at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
    _leave_out(config, items, [item for item in items if _is_of_another_database(item)])
    if config.getoption("one_database_each"):
        _leave_out(config, items, [item for item in items if _is_on_another_database(item)])
    if part := config.getoption("part"):
        rest = {*parts.of_the_rest(items)}
        is_first = part == "first"
        _leave_out(config, items, [item for item in items if (item in rest) is is_first])


def _is_of_another_database(item: pytest.Item) -> bool:
    """Tell whether a test is about what only the other database does."""
    marker = item.get_closest_marker("of_database")
    return marker is not None and connection.vendor not in marker.args


def _leave_out(config: pytest.Config, items: list[pytest.Item], left: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer what `make test` runs with."""
    parser.addoption(
        "--one-database-each",
        action="store_true",
        help="Leave out what is shown as well by the run on the other database.",
    )
    parser.addoption(
        "--part",
        choices=("first", "rest"),
        help="Run what `make test` runs, or all that it leaves to `make test-rest`.",
    )


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Take the file that lies there already: a copy of a migrated one."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest,
    django_db_modify_db_settings_parallel_suffix: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Give this run, and each of its parallel workers, a test database of its own.

    On SQLite a file: other processes must see what is in it.
    """
    database = settings.DATABASES["default"]
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            file = tmp_path_factory.mktemp("database") / "test.sqlite3"
            cache = getattr(request.config, "cache", None)
            kept = cache.mkdir("migrated") if cache else tmp_path_factory.mktemp("migrated")
            migrated.copy_sqlite(kept, file)
            database["TEST"]["NAME"] = str(file)
            return
        name = database["TEST"]["NAME"] or f"test_{database['NAME']}"
        if hasattr(request.config, "workerinput"):
            shared = tmp_path_factory.getbasetemp().parent
            database["TEST"]["TEMPLATE"] = migrated.template_on_postgresql(
                shared, migrated.template_name()
            )
        database["TEST"]["NAME"] = f"{name}_{os.getpid()}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no database on a server that others use too."""
    if connection.vendor == "postgresql" and not hasattr(session.config, "workerinput"):
        blocker = session.config.stash[blocking_manager_key]
        with blocker.unblock(), connection.temporary_connection() as cursor:
            name = connection.ops.quote_name(migrated.template_name())
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def c(db: None) -> TinyCompany:
    """The tiny company; `c` because every test of access says it in every line."""
    return tiny_company()


@pytest.fixture(autouse=True)
def no_other_rule_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make rules anew for whatever may put others in their place, and after it.

    Otherwise what was made of somebody's rights is kept from test to test, as from request to
    request: whoever made it depend on anything else finds out here.
    """
    may_replace = "monkeypatch" in request.fixturenames
    if may_replace:
        access.forget_what_was_made()
    yield
    if may_replace:
        access.forget_what_was_made()


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
def static_files_are_found_once() -> Iterator[None]:
    """Let every test client share what the first one found of static files.

    Each starts the product anew, which looks for them: 7 ms of CPU for each client.
    """
    find = WhiteNoiseMiddleware.add_files_from_finders
    found: dict[tuple[str, int | None], dict[str, StaticFile]] = {}

    def find_once(middleware: WhiteNoiseMiddleware) -> None:
        key = (middleware.static_prefix, middleware.max_age)
        if key not in found:
            find(middleware)
            found[key] = middleware.files.copy()
        middleware.files.update(found[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_once)
        yield


@pytest.fixture(autouse=True, scope="session")
def one_writer() -> None:
    """Let no product code write to a record's table past the one writer, in whatever test."""
    connection.execute_wrappers.append(watch)


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
