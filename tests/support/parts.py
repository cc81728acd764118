"""Which tests `make test` runs, and which it leaves to `make test-rest`; CI runs both.

`make test` is for whoever changes a line: each claim is asked once, in six to nine minutes. On
SQLite that is every test but the dear ones, and of a test with many cases the first; on PostgreSQL
what the two databases do in ways of their own; in the browser one story from an import to an
approved export. Every test is in one part or the other, on each database: nothing is lost, and a
new test is in the first one unless it is named here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from django.db import connection

CASES = 1
"""Of so many cases of a test at most the first part has them."""

DEAR = (
    "test_access_requests.py::test_exactly_those_who_may_share_the_record_decide_and_never_the_requester",
    "test_catalogue.py::test_python_and_sql_and_the_requirements_agree_on_everybody",
    "test_delegation.py::test_readers_agree_about_people_and_sets",
    "test_delegation_machine.py",
    "test_delivery.py::test_running_download_breaks_off_and_the_log_says_so",
    "test_delivery.py::test_slow_reader_gets_everything_and_others_are_answered_meanwhile",
    "test_edge.py::test_no_page_of_any_role_has_a_script_in_it",
    "test_environment.py::test_command_on_an_empty_database_says_what_to_do_first",
    "test_explain.py::test_every_suggestion_applied_flips_the_verdict",
    "test_export_bulk.py::test_lines_are_neutralised_as_cell_by_cell",
    "test_export_bulk.py::test_rows_are_cell_by_cell_what_python_puts_together",
    "test_export_chaos.py",
    "test_export_enemies.py",
    "test_export_machine.py",
    "test_fields.py::test_hidden_field_is_absent_from_every_page_name_included",
    "test_figures.py::test_figures_cost_the_same_for_many_rows",
    "test_four_eyes_http.py::test_second_pair_of_eyes_of_ones_own_does_not_decide",
    "test_hashes.py::test_value_in_a_filter_is_not_recovered_from_any_hash",
    "test_import_crm.py::test_true_counts_of_the_full_data_set_hold_for_everybody",
    "test_kinds.py::test_every_door_serves_a_fifth_kind_of_one_model_and_one_declaration",
    "test_known_wrong.py",
    "test_languages.py::test_no_number_means_one_thing_in_english_and_another_in_german",
    "test_limits_of_hands.py::test_two_accounts_in_the_same_hands_do_not_pass_the_limit_at_once",
    "test_log_in.py::test_no_password_is_checked_without_being_counted",
    "test_log_in.py::test_of_guesses_at_the_same_moment_no_more_than_five_are_checked",
    "test_log_ins.py::test_page_costs_as_many_statements_for_3_rows_as_for_30",
    "test_mail.py::test_two_workers_send_each_mail_once",
    "test_new_enemy.py::test_no_answer_is_older_than_the_right",
    "test_no_other_door.py::test_nothing_but_the_download_gives_a_file_and_no_address_has_its_digits_grouped",
    "test_odd_input.py",
    "test_oracle.py::test_product_and_oracle_agree",
    "test_paging.py::test_every_shape_has_the_pages_of_the_list",
    "test_paging.py::test_what_is_filled_comes_first_in_every_shape",
    "test_people_budgets.py",
    "test_permission_history.py::test_time_machine_says_what_was_said_at_that_moment",
    "test_policy_file.py::test_any_policy_comes_from_any_other_by_exactly_the_steps_that_were_planned",
    "test_prepared.py::test_prepared_conditions_are_those_that_django_puts_together",
    "test_preview.py::test_delegate_is_told_of_what_she_views_and_of_nothing_else",
    "test_preview.py::test_preview_says_what_happens",
    "test_reads.py::test_a_filter_hangs_on_no_field_that_it_does_not_declare",
    "test_seed_demo.py",
    "test_serve.py",
    "test_slow_clients.py",
    "test_upgrade.py",
    "test_walks.py",
)
"""Files, and tests of others, that take seconds for each case: walks, machines, races, upgrades."""

ON_POSTGRESQL = (
    "test_access_edges.py",
    "test_access_parity.py",
    "test_access_request_races.py",
    "test_audit.py",
    "test_clock.py",
    "test_days.py",
    "test_empty_links.py",
    "test_export_interleaved.py",
    "test_export_operations.py",
    "test_export_races.py",
    "test_export_states.py",
    "test_export_worker.py",
    "test_four_eyes_races.py",
    "test_guards.py",
    "test_letters.py",
    "test_many_races.py",
    "test_numbers_found.py",
    "test_ordering.py",
    "test_paging.py",
    "test_pressed_twice.py",
    "test_queries.py",
    "test_running_downloads.py",
    "test_search.py",
    "test_shares.py",
    "test_sorted_by_name.py",
    "test_team_tree.py",
)
"""Files about access, text and time, order, plans, locks and what the database itself refuses."""

IN_THE_BROWSER = ("test_story.py",)


def is_all_of_the_rest(file: str) -> bool:
    """Tell whether the first part has no test of a file, so that it need not be read for it."""
    is_elsewhere = connection.vendor == "postgresql" and file not in ON_POSTGRESQL
    return file.startswith("test_") and (is_elsewhere or file in DEAR)


def of_the_rest(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield which of all the tests of a run `make test` leaves out."""
    cases: Counter[tuple[str, str]] = Counter()
    for item in items:
        file, test = item.path.name, item.name.partition("[")[0]
        cases[file, test] += 1
        if item.get_closest_marker("browser"):
            is_first = file in IN_THE_BROWSER
        else:
            is_dear = is_all_of_the_rest(file) or f"{file}::{test}" in DEAR
            is_first = not is_dear and cases[file, test] <= CASES
        if not is_first:
            yield item
