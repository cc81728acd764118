"""What asks a database runs on both: `--one-database-each` leaves out only what asks none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import FOR_A_DATABASE
from tests.support import parts

TESTS = Path(__file__).parent.parent


def makers_of_databases(source: str) -> Iterator[str]:
    """Yield the fixtures of a module that make a database on the server for a test."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            is_fixture = any("fixture" in ast.unparse(each) for each in function.decorator_list)
            if is_fixture and "CREATE DATABASE" in ast.unparse(function):
                yield function.name


def test_fixtures_that_make_a_database_count_as_one() -> None:
    """Their tests use no fixture of pytest-django, and would seem to ask no database."""
    found = {
        name
        for file in TESTS.rglob("*.py")
        if "CREATE DATABASE" in (source := file.read_text())
        for name in makers_of_databases(source)
    }
    assert found == {"database_url", "empty_database", "scratch"}
    assert found <= FOR_A_DATABASE


def test_a_fixture_that_does_is_found() -> None:
    """Negative control."""
    made = "@pytest.fixture\ndef mine():\n    server.execute('CREATE DATABASE mine')\n"
    other = "@pytest.fixture\ndef other():\n    pass\ndef more():\n    'CREATE DATABASE'\n"
    assert list(makers_of_databases(made + other)) == ["mine"]


def test_what_make_test_leaves_out_is_named_as_it_is_called() -> None:
    """A test that was renamed would be asked in both parts at once, and nobody would notice."""
    there = {file.name: file.read_text() for file in TESTS.rglob("test_*.py")}
    for name in (*parts.DEAR, *parts.ON_POSTGRESQL, *parts.IN_THE_BROWSER):
        file, _, test = name.partition("::")
        assert file in there, name
        assert not test or f"def {test}(" in there[file], name
