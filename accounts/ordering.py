"""Which end of a list empty values stand at: the last one, whichever way it is sorted.

Databases disagree: PostgreSQL takes an unknown value for the largest, SQLite for the smallest, and
both take a text without a character for the smallest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import CharField, F, Field, Model, TextField, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.lookups import Exact


def empty_last(model: type[Model], terms: Iterable[Any]) -> list[Any]:
    """Return an order, as for `order_by`, in which empty values come last, up and down.

    A term is a name, perhaps with "-" in front or across relations, or an expression, which stays
    as it is. So does the name of a field that is never empty: an index serves its plain order.
    """
    return [part for term in terms for part in _parts(model, term)]


def _parts(model: type[Model], term: Any) -> list[Any]:
    if not isinstance(term, str):
        return [term]
    name = term.removeprefix("-")
    field, may_be_null = _field_at(model, name)
    may_be_blank = isinstance(field, CharField | TextField) and field.blank
    if field is None or not (may_be_null or may_be_blank):
        return [term]
    parts: list[Any] = [Exact(F(name), Value("")).asc()] if may_be_blank else []
    value = F(name)
    parts.append(value.desc(nulls_last=True) if term != name else value.asc(nulls_last=True))
    return parts


def is_column(model: type[Model], path: str) -> bool:
    """Tell whether there is a column at the end of a path, and no relation with its own order."""
    return _field_at(model, path)[0] is not None


def is_served(model: type[Model], name: str) -> bool:
    """Tell whether an index has a column's rows in the order in which lists sort by it.

    A column whose texts may be empty has two sorts of rows in one order, which no index has.
    """
    field: Any = _field_at(model, name)[0]
    if field is None or name != field.name:
        return False
    if isinstance(field, CharField | TextField) and field.blank:
        return False
    first = {index.fields_orders[0][0] for index in model._meta.indexes if index.fields_orders}
    return bool(field.primary_key or field.unique or field.db_index or name in first)


def _field_at(model: type[Model], path: str) -> tuple[Field[Any, Any] | None, bool]:
    """Return the field at the end of a path, and whether something on the way may be null.

    None for what is no column: an annotation, and a relation, which has an order of its own.
    """
    may_be_null = False
    field: Any = None  # whatever a name may lead to; what is no column ends the search
    for name in path.split(LOOKUP_SEP):
        if field is not None:
            model = field.related_model
        try:
            field = model._meta.pk if name == "pk" else model._meta.get_field(name)
        except (FieldDoesNotExist, AttributeError):
            return None, False
        if not getattr(field, "concrete", False):
            return None, False
        may_be_null = may_be_null or field.null
    if field is not None and field.is_relation and field.attname != name:
        return None, False
    return field, may_be_null
