"""Migration steps that rename or remove a field of a kind of record, with what is said by its name.

Who may see a field, that it is sensitive, and columns that people keep are rows that name it. With
Django's own `RenameField` they would name nothing any more: the field would be open to everybody.
A test refuses Django's own steps in migrations of records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as Editor
from django.db.migrations.operations import RemoveField, RenameField
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState as State

from accounts.protection import unprotected


@dataclass(frozen=True, slots=True)
class Renamed:
    """A field of a kind of record that has another name from here on."""

    kind: str
    old: str
    new: str
    linked_by: tuple[tuple[str, str], ...]
    """(kind, field) of every relation that leads to records of this kind."""


also_named: list[Callable[[Apps, str, Renamed], None]] = []
"""A slot for upper layers: what else they keep by a field's name is moved, in this database.

Called with the models as they are after the step, and the alias of the database."""


class RenameProtectedField(RenameField):
    """Rename a field; what is said of it by name, and kept by name, is said of the new name (E24).

    Both ways, in the transaction of the migration. Requests for exports stay as they are, and so
    does the audit log: both are evidence of what was asked for and done under the name of then. A
    request that waits is decided on again without the column.
    """

    def __init__(self, model_name: str, old_name: str, new_name: str, kind: str = "") -> None:
        self.kind = kind or model_name.lower()
        super().__init__(model_name, old_name, new_name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, arguments, options = super().deconstruct()
        return name, list(arguments), {**options, "kind": self.kind}

    def state_forwards(self, app_label: str, state: State) -> None:
        super().state_forwards(app_label, state)
        options = state.models[app_label, self.model_name_lower].options
        if "indexes" in options:
            options["indexes"] = [
                _named_anew(index, self.old_name, self.new_name) for index in options["indexes"]
            ]

    def database_forwards(
        self, app_label: str, schema_editor: Editor, from_state: State, to_state: State
    ) -> None:
        before = self._without_indexes(app_label, schema_editor, from_state, self.old_name)
        super().database_forwards(app_label, schema_editor, before, to_state)
        self._with_indexes(app_label, schema_editor, to_state, self.new_name)
        self._carry(app_label, schema_editor, to_state, self.old_name, self.new_name)

    def database_backwards(
        self, app_label: str, schema_editor: Editor, from_state: State, to_state: State
    ) -> None:
        before = self._without_indexes(app_label, schema_editor, from_state, self.new_name)
        super().database_backwards(app_label, schema_editor, before, to_state)
        self._with_indexes(app_label, schema_editor, to_state, self.old_name)
        self._carry(app_label, schema_editor, to_state, self.new_name, self.old_name)

    def _without_indexes(self, app_label: str, editor: Editor, state: State, name: str) -> State:
        """Take away the indexes that name the field, and return the state without them.

        On SQLite a link is renamed in a table that is made anew, and Django makes its indexes of
        the fields of before, which are not there any more.
        """
        key = app_label, self.model_name_lower
        named = [index for index in _indexes(state, key) if name in _fields_of(index)]
        if not named:
            return state
        model = state.apps.get_model(*key)
        without = state.clone()
        for index in named:
            editor.remove_index(model, index)
            without.remove_index(*key, index.name)
        return without

    def _with_indexes(self, app_label: str, editor: Editor, state: State, name: str) -> None:
        key = app_label, self.model_name_lower
        for index in _indexes(state, key):
            if name in _fields_of(index):
                editor.add_index(state.apps.get_model(*key), index)

    def _carry(
        self, app_label: str, schema_editor: Editor, state: State, old: str, new: str
    ) -> None:
        apps, alias = state.apps, schema_editor.connection.alias
        model = apps.get_model(app_label, self.model_name)
        of_kind, by_name = {"object": self.kind}, {"name": new}
        rows = apps.get_model("records", "Property")._base_manager.using(alias)
        # A row that was there about no field says nothing about this one.
        rows.filter(**of_kind, **by_name).delete()
        rows.filter(**of_kind, name=old).update(**by_name)
        _rewrite(apps, schema_editor, "FlagLifted", {**of_kind, "name": old}, by_name)
        _rewrite(apps, schema_editor, "ReachChange", {**of_kind, "fact": old}, {"fact": new})
        renamed = Renamed(self.kind, old, new, tuple(_relations_to(model, apps)))
        for move in also_named:
            move(apps, alias, renamed)

    def reduce(self, operation: Operation, app_label: str) -> bool | list[Operation]:
        """Never become one with another step: Django's own would be left, which carries nothing."""
        return False


def _indexes(state: State, key: tuple[str, str]) -> list[models.Index]:
    return list(state.models[key].options.get("indexes", ()))


def _fields_of(index: models.Index) -> set[str]:
    """Return the fields that an index is of, or that say which rows it has."""
    return {name for name, _ in index.fields_orders} | _asked(index.condition)


def _asked(condition: models.Q | None) -> set[str]:
    found: set[str] = set()
    for each in condition.children if condition else ():
        found |= _asked(each) if isinstance(each, models.Q) else {each[0].partition("__")[0]}  # type: ignore[index]  # a look-up and its value
    return found


def _named_anew(index: models.Index, old: str, new: str) -> models.Index:
    """Return an index that says `new` wherever it said `old`."""
    _, arguments, options = index.deconstruct()
    if old not in _fields_of(index):
        return index
    options["fields"] = [
        f"{'-' if order else ''}{new if name == old else name}"
        for name, order in index.fields_orders
    ]
    if index.condition is not None:
        options["condition"] = _asked_anew(index.condition, old, new)
    return type(index)(*arguments, **options)


def _asked_anew(condition: models.Q, old: str, new: str) -> models.Q:
    parts = [
        _asked_anew(each, old, new)
        if isinstance(each, models.Q)
        else (_look_up_anew(each[0], old, new), each[1])  # type: ignore[index]  # as above
        for each in condition.children
    ]
    return models.Q(*parts, _connector=condition.connector, _negated=condition.negated)


def _look_up_anew(look_up: str, old: str, new: str) -> str:
    name, separator, rest = look_up.partition("__")
    return f"{new}{separator}{rest}" if name == old else look_up


def _rewrite(
    apps: Apps,
    schema_editor: Editor,
    name: str,
    which: Mapping[str, str],
    values: Mapping[str, str],
) -> None:
    """Let rows of a table that refuses changes name the field anew; nothing else of them."""
    connection = schema_editor.connection
    model = apps.get_model("records", name)
    rows = model._base_manager.using(connection.alias).filter(**which)
    if rows.exists():
        with unprotected(connection, model._meta.db_table):
            rows.update(**values)


def _relations_to(model: type[models.Model], apps: Apps) -> Iterator[tuple[str, str]]:
    for other in apps.get_models():
        for field in other._meta.concrete_fields:
            if field.related_model is model:
                yield str(other._meta.model_name), field.name


class RemoveProtectedField(RemoveField):
    """Remove a field with what is said of it by name.

    Taken back, the field comes back empty, and private to super admins where it may be: what was
    said of it is gone, and nobody sees it before a super admin says who may (E24).
    """

    def __init__(self, model_name: str, name: str, kind: str = "") -> None:
        self.kind = kind or model_name.lower()
        super().__init__(model_name, name)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, arguments, options = super().deconstruct()
        return name, list(arguments), {**options, "kind": self.kind}

    def database_forwards(
        self, app_label: str, schema_editor: Editor, from_state: State, to_state: State
    ) -> None:
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        self._said(to_state, schema_editor).delete()

    def database_backwards(
        self, app_label: str, schema_editor: Editor, from_state: State, to_state: State
    ) -> None:
        super().database_backwards(app_label, schema_editor, from_state, to_state)
        model: Any = to_state.apps.get_model(app_label, self.model_name)
        field = model._meta.get_field(self.name)
        can_be_left_empty = field.null or field.blank or field.has_default()
        access = "super_admins" if can_be_left_empty else "everyone_edit"
        self._said(to_state, schema_editor).create(
            object=self.kind, name=self.name, access=access, sensitive=True
        )

    def _said(self, state: State, schema_editor: Editor) -> Any:
        rows = state.apps.get_model("records", "Property")._base_manager
        return rows.using(schema_editor.connection.alias).filter(object=self.kind, name=self.name)
