"""Mistakes in what columns declare, found at start-up (Q5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from exports import tables
from records import kinds
from records.reads import fields_on


@register()
def columns_declare_what_they_read(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Every column says which fields it reads: by that alone it is hidden or sensitive."""
    return [
        Error(
            f"The column “{column.name}” of {kind.nouns} does not declare all that it reads.",
            hint="Name every field that a cell is made of in `reads`, the way to it included.",
            id="exports.E001",
        )
        for kind in kinds.every()
        for column in tables.all_columns(kind.model)
        if not column.reads >= fields_on(kind.model, *_paths(column))
    ]


def _paths(column: tables.Column) -> list[str]:
    """Return what the ORM reads for a column, to compare its declaration with."""
    return [f"{column.relation}__{column.path}" if column.relation else column.path]
