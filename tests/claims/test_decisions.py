"""The ids that code cites are explained in docs/decisions.md, which ships with the code."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from accounts import catalogue

ROOT = Path(__file__).resolve().parents[2]
CITED = re.compile(r"\b(?:R\d{1,3}|E\d{1,2}|Q\d{1,2}|B\d{1,2}|L\d{1,3}|RC\d|S\d{2}|C-\d+)\b")
NO_CITATION = {"E2", "R109a"}
"""Looks like an id and is none: a key in a test, say."""


def _cited() -> set[str]:
    folders = ("accounts", "records", "exports", "crmperms", "templates", "tests")
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".html"} and path.name != Path(__file__).name:
                # Where code cites, it does so in brackets.
                for match in re.finditer(r"\(([^()\n]{1,80})\)", path.read_text()):
                    found |= set(CITED.findall(match[1]))
    return found - NO_CITATION


def _explained() -> list[str]:
    page = (ROOT / "docs" / "decisions.md").read_text()
    return re.findall(r"^\| ([A-Z]{1,2}-?\d+) \|", page, re.MULTILINE)


def test_every_id_that_code_cites_is_explained() -> None:
    assert _cited() - set(_explained()) == set()


def test_every_id_is_explained_once() -> None:
    explained = _explained()
    assert sorted(explained) == sorted(set(explained))
    assert len(explained) > 100


def test_an_id_that_nobody_explained_would_be_found() -> None:
    assert "B99" not in _explained()
    assert CITED.findall("B99, and R109 b") == ["B99", "R109"]


# --- In comments and docstrings of the product, in brackets or not --------------------------------

PRODUCT = ("accounts", "records", "exports", "crmperms")
ROW_OF_CATALOGUE = re.compile(r"\b(?:A|AC|C|M|PT|RP|S)-\d+\b")
DOCUMENT = re.compile(r"[\w/.-]+\.md\b")


def _said_in(path: Path) -> Iterator[str]:
    """Yield a file's comments, and texts that stand alone: docstrings, also below a name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT and "noqa" not in token.string:
                yield token.string


def _said() -> list[str]:
    files = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    return [text for path in files for text in _said_in(path)]


def test_every_id_in_comments_and_docstrings_is_explained() -> None:
    cited = {each for text in _said() for each in CITED.findall(text)}
    assert len(cited) > 100
    assert cited - NO_CITATION - set(_explained()) == set()


def test_every_row_of_the_catalogue_that_is_cited_is_there() -> None:
    rows = {tool.id for tool in catalogue.TOOLS.values()} | {*catalogue.kinds.ACTION_IDS.values()}
    cited = {each for text in _said() for each in ROW_OF_CATALOGUE.findall(text)}
    assert {"S-7", "RP-4"} <= cited
    assert cited - rows - set(_explained()) == set()


def test_no_document_is_cited_that_does_not_ship() -> None:
    named = {each for text in _said() for each in DOCUMENT.findall(text)}
    assert {each for each in named if not (ROOT / each).is_file()} == set()


def test_ids_and_documents_are_found_wherever_they_are_said(tmp_path: Path) -> None:
    path = tmp_path / "careless.py"
    path.write_text('"""As B98 asks."""\n\nX = 1  # see notes/plan.md, RP-99\n"""Of Q97."""\n')
    said = " ".join(_said_in(path))
    assert CITED.findall(said) == ["B98", "Q97"]
    assert (DOCUMENT.findall(said), ROW_OF_CATALOGUE.findall(said)) == (
        ["notes/plan.md"],
        ["RP-99"],
    )
