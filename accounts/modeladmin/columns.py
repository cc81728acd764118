"""Columns and read-only fields that say less than their values: dots (E30), years, relations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

from accounts.modeladmin.relations import safe_column
from accounts.modeladmin.requests import once

DOTS = "••••"
Displayed = str | Callable[[Any], Any]


def veiled_column(model: type[Model], name: str) -> Callable[[Any], Any]:
    """Return a column, or a read-only form field, that says nothing about its value."""

    def column(obj: Model) -> str:
        return DOTS

    column.__name__ = name
    column.short_description = model._meta.get_field(name).verbose_name  # type: ignore[attr-defined, union-attr]  # read by the admin; a concrete field
    return column


def years(model: type[Model]) -> tuple[str, ...]:
    """Return the fields of a model that hold years: their thousands are not separated."""
    return getattr(model, "years", ())


def plain_column(name: str, label: str) -> Callable[[Any], Any]:
    """Return a read-only form field that shows a year as it is written: 2017, and not 2,017."""

    def column(obj: Model) -> str:
        value = getattr(obj, name)
        return "–" if value is None else str(value)

    column.__name__ = name
    column.short_description = label  # type: ignore[attr-defined]  # read by the admin
    return column


def safe_readonly(
    request: HttpRequest, model: type[Model], name: str, dots: bool
) -> Callable[[Any], Any]:
    """Return a read-only form field that shows a relation safely, or a year, or dots.

    One object per request: the form and its list of read-only fields must name the same.
    """

    def make() -> Callable[[Any], Any]:
        if dots:
            return veiled_column(model, name)
        if name in years(model):
            return plain_column(name, str(model._meta.get_field(name).verbose_name))  # type: ignore[union-attr]  # a concrete field
        return safe_column(request, model, name)

    return once(request, ("read-only", model, name, dots), make)
