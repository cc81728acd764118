"""The models of each step of a migration, drawn once for every database that goes the same way.

Drawing them takes ten times as long as what the steps do to a small database. Django makes every
way itself the first time; who goes it again, having applied the same before, gets its states.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

Applied = tuple[tuple[str, str], ...]
WAYS = 3
"""So many are kept, the last ones: each takes some 130 megabytes."""


class Kept:
    """The states around each operation of a migration, and the one that it ends with."""

    def __init__(self) -> None:
        self.around: list[tuple[ProjectState, ProjectState]] = []
        self.end: ProjectState | None = None


class Step:
    """An operation as `Migration.apply` sees one, all but what is said here being its own."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    def __getattr__(self, name: str) -> Any:
        return getattr(self.operation, name)


class Watched(Step):
    """Keeps the states that Django hands to an operation."""

    def __init__(self, operation: Operation, kept: Kept) -> None:
        super().__init__(operation)
        self.kept = kept

    def database_forwards(self, app: str, editor: Any, old: Any, new: Any) -> None:
        self.operation.database_forwards(app, editor, old, new)
        self.kept.around.append((old, new.clone()))


class Again(Step):
    """Does an operation once more, with the states of the first time."""

    def __init__(self, operation: Operation, old: ProjectState, new: ProjectState) -> None:
        super().__init__(operation)
        self.old, self.new = old, new

    def state_forwards(self, app: str, state: ProjectState) -> None:
        """Leave the state that Django asks about: another takes its place."""

    def database_forwards(self, app: str, editor: Any, old: Any, new: Any) -> None:
        self.operation.database_forwards(app, editor, self.old, self.new)


@contextmanager
def states_kept() -> Iterator[None]:
    """Keep the states that migrations go through meanwhile, and use them again."""
    ways: dict[frozenset[tuple[str, str]], dict[Applied, Kept]] = {}
    apply_migration = MigrationExecutor.apply_migration

    def way_of(executor: Any) -> dict[Applied, Kept]:
        """Return what is kept of the way that begins where this executor began."""
        start = frozenset(executor.loader.applied_migrations)
        ways[start] = ways.pop(start, {})
        while len(ways) > WAYS:
            del ways[next(iter(ways))]
        return ways[start]

    def apply(
        executor: Any, state: ProjectState, migration: Migration, *how: Any, **named: Any
    ) -> ProjectState:
        applied: Applied = (
            *executor.__dict__.get("applied", ()),
            (migration.app_label, migration.name),
        )
        executor.applied = applied
        kept = way_of(executor).setdefault(applied, Kept())
        right = migration.operations
        if kept.end is None:
            kept.around.clear()
            migration.operations = [Watched(each, kept) for each in right]  # type: ignore[misc]
        else:
            pairs = zip(right, kept.around, strict=True)
            migration.operations = [Again(each, *states) for each, states in pairs]  # type: ignore[misc]
        try:
            found = apply_migration(executor, state, migration, *how, **named)
        finally:
            migration.operations = right
        if kept.end is None and len(kept.around) == len(right):
            kept.end = found.clone()
            return found
        return found if kept.end is None else kept.end.clone()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MigrationExecutor, "apply_migration", apply)
        yield
