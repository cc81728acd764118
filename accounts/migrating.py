"""What migrations of text columns are made of: letters for PostgreSQL, columns, one form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from django.db import DataError, IntegrityError, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import AddConstraint, AddIndex, RemoveIndex
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from accounts.letters import FOLD, ICU, ORDER
from accounts.text import one_form

_ICU_FOLD = f"""upper(lower($1 COLLATE "{ICU}") COLLATE "{ICU}")"""
# Without ICU letters change one by one, and ß is the one of Europe that becomes two.
_LIBC_FOLD = "upper(lower(replace(replace($1, 'ẞ', 'ß'), 'ß', 'ss') COLLATE \"default\"))"


def lay_down_letters(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the function and the collation on PostgreSQL; where it has no ICU, the nearest to it.

    The function is immutable, so that an index can be made of it, and of one expression, so that
    PostgreSQL writes it out into the query.
    """
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_collation WHERE collname = %s", [ICU])
        has_icu = bool(cursor.fetchone()[0])
    order, fold = (ICU, _ICU_FOLD) if has_icu else ("C", _LIBC_FOLD)
    schema_editor.execute(f'CREATE COLLATION {ORDER} FROM "{order}"')
    # Over plain ASCII, ICU takes four times as long as PostgreSQL itself.
    plain, other = 'upper($1 COLLATE "C")', f"replace({fold}, E'I\\u0307', 'I')"
    schema_editor.execute(
        f"CREATE FUNCTION {FOLD}(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ "
        "SELECT CASE WHEN octet_length($1) = char_length($1) "
        f'THEN {plain} COLLATE "C" ELSE {other} COLLATE "C" END $$'
    )


def take_away_letters(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Undo `lay_down_letters`."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP FUNCTION {FOLD}(text)")
        schema_editor.execute(f"DROP COLLATION {ORDER}")


class TableStep(Operation):
    """A migration step that changes no model, and lays something down on a model's table."""

    reversible = True
    reduces_to_sql = False

    def __init__(self, model: str) -> None:
        self.model = model

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [], {"model": self.model}

    def lay_down(self, connection: BaseDatabaseWrapper, table: str) -> None:
        """Make what the step is for, on this table."""
        raise NotImplementedError

    def take_away(self, connection: BaseDatabaseWrapper, table: str) -> None:
        """Undo `lay_down`."""
        raise NotImplementedError

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing in the models."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.lay_down(schema_editor.connection, self._table(app_label, to_state))

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        self.take_away(schema_editor.connection, self._table(app_label, from_state))

    def _table(self, app_label: str, state: ProjectState) -> str:
        return str(state.apps.get_model(app_label, self.model)._meta.db_table)


class AlterFields(Operation):
    """Alter several columns of one table; on SQLite it is made anew once, and not for each."""

    reduces_to_sql = True

    def __init__(self, model_name: str, fields: Mapping[str, models.Field[Any, Any]]) -> None:
        self.model_name, self.fields = model_name, fields

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        # Every model that leads here or is led to is made anew once, and not for each field.
        made = state.__dict__.pop("apps", None)
        for name, field in self.fields.items():
            state.alter_field(app_label, self.model_name, name, field, True)
        if made is not None:
            state.__dict__["apps"] = made
            state.reload_model(app_label, self.model_name.lower())

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        before = from_state.apps.get_model(app_label, self.model_name)
        after = to_state.apps.get_model(app_label, self.model_name)
        pairs = [(before._meta.get_field(n), after._meta.get_field(n)) for n in self.fields]
        if schema_editor.connection.vendor == "sqlite":
            schema_editor._remake_table(before, alter_fields=pairs)  # type: ignore[attr-defined]  # SQLite's own
            return
        for old, new in pairs:
            schema_editor.alter_field(before, old, new)

    database_backwards = database_forwards

    def describe(self) -> str:
        return f"Alter {', '.join(self.fields)} of {self.model_name}"


class Indexes(Operation):
    """Indexes come and go; the models are drawn once for all of them.

    Django draws a changed model anew after each step, and with it whatever leads to that model.
    """

    reduces_to_sql = True

    def __init__(self, *steps: Operation) -> None:
        self.steps = steps

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        state.__dict__.pop("apps", None)  # drawn again by whoever needs it
        for step in self.steps:
            step.state_forwards(app_label, state)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for step in self.steps:
            step.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for step in reversed(self.steps):
            step.database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        return "; ".join(step.describe() for step in self.steps)


def drawn_once(operations: Iterable[Operation]) -> list[Operation]:
    """Return these steps with their indexes put together, before the constraints beside them."""
    found: list[Operation] = []
    for is_of_columns, run in groupby(operations, key=lambda step: not isinstance(step, _BESIDE)):
        steps = list(run)
        indexes = [step for step in steps if isinstance(step, _INDEX)]
        if not is_of_columns and len(indexes) > 1:
            found.append(Indexes(*indexes))
            steps = [step for step in steps if not isinstance(step, _INDEX)]
        found += steps
    return found


_INDEX = (AddIndex, RemoveIndex)
_BESIDE = (*_INDEX, AddConstraint)


class DropIndexes(AlterFields):
    """Take the index from each of these columns, which the given fields do not ask for.

    Without touching the table: Django's `AlterField` makes it anew on SQLite, one by one, and its
    triggers are gone then.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        connection = schema_editor.connection
        columns = [[model._meta.get_field(name).column] for name in self.fields]
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        declared = {index.name for index in model._meta.indexes}
        for name, index in found.items():
            is_theirs = index["index"] and not index["unique"] and index["columns"] in columns
            if is_theirs and name not in declared:
                schema_editor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        model = to_state.apps.get_model(app_label, self.model_name)
        for name in self.fields:
            index = models.Index(fields=[name], name=f"{self.model_name}_{name}"[:30])
            schema_editor.add_index(model, index)

    def describe(self) -> str:
        return f"Drop the indexes of {', '.join(self.fields)} of {self.model_name}"


def to_one_form(connection: BaseDatabaseWrapper, table: str, column: str) -> None:
    """Write the stored texts of a column in one form (NFC).

    What would then be somebody else's name, or too long, stays: to rename it is for people.
    """
    is_other = {
        "postgresql": f"{column} IS NOT NFC NORMALIZED",
        "sqlite": f"length({column}) <> length(CAST({column} AS BLOB))",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {column} FROM {table} WHERE {is_other}")
        others = [(key, text) for key, text in cursor.fetchall() if one_form(text) != text]
        for key, text in others:
            try:
                with transaction.atomic(using=connection.alias):
                    cursor.execute(
                        f"UPDATE {table} SET {column} = %s WHERE id = %s", [one_form(text), key]
                    )
            except (IntegrityError, DataError):
                continue
