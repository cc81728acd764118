"""Whether a statement that writes to a table of records was sent by the one writer.

Laid around the suite's connection: whatever test runs product code, a write that went past
`records.operations.writing.write` fails it. What tests write themselves is their own business.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from records import kinds

ROOT = Path(__file__).parents[2]
OURS = ("accounts", "records", "exports", "crmperms", "tests")
WRITER = "records/operations/writing.py"
BESIDE = {
    "accounts/migrating.py": "migrations, which bring rows to a new form and tell nobody",
    "crmperms/bulk.py": "a large company made of chance, to measure with",
    "records/past.py": "copies of rows in temporary tables, which go with the question",
}
WRITES = re.compile(r'\s*(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)


listeners: list[Callable[[str], None]] = []
"""Told which module sent each write to a record's table."""


class PastTheWriter(AssertionError):
    """Product code wrote to a record's table by itself."""


def tables() -> frozenset[str]:
    """Return the tables of every kind of record."""
    return frozenset(kind.model._meta.db_table for kind in kinds.every())


def sender() -> str:
    """Return which of our modules sent the statement, by its path from the root."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path != Path(__file__) and path.is_relative_to(ROOT):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(OURS):
                return name
        frame = frame.f_back  # type: ignore[assignment]  # None above the outermost
    return ""


def watch(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Send a statement on, unless it writes to records past the writer."""
    if isinstance(sql, str) and (found := WRITES.match(sql)) and found[1] in tables():
        module = sender()
        for tell in listeners:
            tell(module)
        if not (
            module in {WRITER, *BESIDE} or module.startswith("tests/") or "/migrations/" in module
        ):
            raise PastTheWriter(f"{module} writes to {found[1]} past {WRITER}")
    return execute(sql, params, many, context)
