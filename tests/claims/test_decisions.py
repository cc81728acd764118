"""The ids that code cites are explained in docs/decisions.md, which ships with the code."""

import re
from pathlib import Path

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
