"""A kind of record is told by its model and its declaration: everything else is derived."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.apps import apps

from records import kinds
from records.models import Deal, Record

ROOT = Path(__file__).parents[2]
FOLDERS = ("accounts", "records", "exports", "crmperms")
DECLARED = "records/models/crm.py"

NAMED_ELSEWHERE = {
    "crmperms/demo/world.py": "all that the demo says of them",
    "records/importing/tables.py": "what one CRM's tables become",
}
"""Files that name a kind or a field of one beside its model and declaration, which are one file."""


def names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the models, and the words that only kinds of record have."""
    told = [*kinds.every()]
    others = {
        field.name
        for model in apps.get_models()
        if not issubclass(model, Record)
        for field in model._meta.get_fields()
    }
    own = {field.name for kind in told for field in kind.fields if not field.is_owner}
    own -= {*Record.stamps, *Record.internal, *others, *GENERAL}
    keys = {word for kind in told for word in (kind.key, f"records.{kind.key}")}
    return frozenset(kind.model.__name__ for kind in told), frozenset(own | keys)


GENERAL = frozenset({"id", "stage", "pipeline", "source", "opened", "closed", "phone", "parent"})
"""Fields whose names are words of other things as well; `stage` is what rules on stages ask."""


def named_in(path: Path) -> Iterator[str]:
    """Yield what a file names: a model that it takes from `records.models`, a key, a field."""
    models, words = names()
    tree = ast.parse(path.read_text())
    texts = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("records.models"):
            yield from (each.name for each in node.names if each.name in models)
        elif isinstance(node, ast.Constant) and id(node) not in texts and node.value in words:
            yield str(node.value)


def files() -> dict[str, list[str]]:
    """Return what each file of the product names, apart from the models and their migrations."""
    found = {}
    for path in sorted(each for folder in FOLDERS for each in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if "/migrations/" not in name and name != DECLARED and (told := sorted(named_in(path))):
            found[name] = told
    return found


def test_no_file_names_a_kind_or_a_field_of_one_that_its_declaration_tells() -> None:
    assert set(files()) == set(NAMED_ELSEWHERE)
    assert len({DECLARED, *NAMED_ELSEWHERE}) <= 3


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("from records.models import Deal", ["Deal"]),
        ("FIELDS = ('job_title', 'name')", ["job_title"]),
        ("KEYS = {'ticket': 1}", ["ticket"]),
        ("'''A deal.'''", []),
    ],
)
def test_a_file_that_does_is_found(tmp_path: Path, line: str, named: list[str]) -> None:
    path = tmp_path / "careless.py"
    path.write_text(line)
    assert [*named_in(path)] == named


@pytest.mark.parametrize("part", ["columns", "filters", "rows"])
def test_declaration_that_names_no_field_is_refused_at_start_up(part: str) -> None:
    wrong = ("amount", "amuont")
    kind = replace(kinds.of(Deal), **{part: (wrong,) if part == "rows" else wrong})
    with pytest.raises(KeyError, match="amuont"):
        _ = (kind.sortable, kind.form, [kind.field(name) for name in kind.filters])


def test_field_that_the_form_is_not_told_of_has_a_row_of_its_own() -> None:
    kind = replace(kinds.of(Deal), rows=(("name", "amount", "stage", "company"),))
    assert kind.form == (
        *(("name", "amount", "stage", "company"),),
        *(("product",), ("contact",), ("opened",), ("closed",)),
    )


def test_what_was_derived_is_not_used_for_another_definition() -> None:
    kind = kinds.of(Deal)
    assert {kind: "kept"}.get(replace(kind, version=kind.version + 1)) is None
    assert {kind: "kept"}.get(replace(kind)) == "kept"


def test_every_door_serves_a_fifth_kind_of_one_model_and_one_declaration(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/fifth")
    ended = subprocess.run(
        [*command, "--ds=tests.fifth.settings", f"--basetemp={tmp_path / 'fifth'}"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'fifth.sqlite3'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
