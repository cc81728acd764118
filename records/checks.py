"""Mistakes in what filters, search and orders declare, found at start-up (Q5, L13, L16)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist
from django.db import connections

from records import filters, kinds
from records.filter_sets import filter_set
from records.models import Property, Record
from records.reads import fields_on


@register()
def filters_declare_what_they_read(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Every filter says which fields it reads: by that alone it is hidden or sensitive."""
    return [
        Error(
            f"The filter “{name}” of {kind.nouns} does not declare what it reads.",
            hint="Wrap it in `reading(filter, paths)`, with every field that the answer hangs on.",
            id="records.E001",
        )
        for kind in kinds.every()
        for name in filter_set(kind.model).base_filters
        if not _declares(kind.model, name)
    ]


def _declares(model: type[Record], name: str) -> bool:
    try:
        return bool(filters.reads_of_filter(model, name))
    except (AttributeError, FieldDoesNotExist):
        return False


@register()
def names_search_and_order_read_what_nobody_hides(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """What is on every page reads always-visible fields alone: names, search box, first order."""
    return [
        Error(
            f"{what} of {kind.nouns} reads fields that may be hidden from "
            f"people: {', '.join(sorted(open_to_few))}.",
            hint="Leave them out, or declare them in `always_visible`.",
            id="records.E002",
        )
        for kind in kinds.every()
        for what, read in _on_every_page(kind.model)
        if (open_to_few := read - fields_on(kind.model, *kind.model.always_visible, "pk"))
    ]


def _on_every_page(model: type[Record]) -> Iterator[tuple[str, frozenset[str]]]:
    yield "The name", fields_on(model, *model.name_fields)
    yield "The search box", filters.reads_of_search(model)
    yield "The first order", filters.reads_of_order(model, "")


@register(Tags.database)
def fields_that_are_protected_are_there(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What is said of a field is said of one that there is: else nothing protects it (E24)."""
    return [
        Warning(
            f"What is said of the field “{row.object}.{row.name}” protects nothing: there is no "
            "such field.",
            hint="If a migration renamed it, take RenameProtectedField of records/migrating.py in "
            "place of RenameField, and restrict the field of the new name now, under Settings, "
            "Fields. If it was removed, remove what is said of it there.",
            id="records.W001",
        )
        for alias in databases or ()
        if Property._meta.db_table in connections[alias].introspection.table_names()
        for row in Property.objects.using(alias)
        if row.is_stale
    ]
