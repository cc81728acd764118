"""Columns of lists of records that show more than their value: stages as badges, stamps as ages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.ago import ago_with_moment
from accounts.modeladmin import DOTS
from records import kinds
from records.kinds import Field, Type
from records.models import Record, Stage

Column = Callable[[Any], Any]


def dressed(request: HttpRequest, model: type[Record], column: Any) -> Any:
    """Return a column as lists of records show it; one object per request, as lists compare.

    A column that was made already, for what is hidden or counted, is asked for its values.
    """
    memo: dict[str, Any] = request.__dict__.setdefault("_dressed_columns", {})
    name = getattr(column, "__name__", column)
    if name not in memo:
        memo[name] = _dressed(model, name, column)
    return memo[name]


def _dressed(model: type[Record], name: str, column: Any) -> Any:
    fields = {field.name: field for field in kinds.of(model).fields}
    field = fields.get(name)
    if field is None:
        return column
    if field.related is not None and callable(column):
        # What it is sorted by stands in records/by_name.py, under its own name.
        column.admin_order_field = name
    if field.related is Stage and callable(column):
        return _titled(_stage(name), field, column)
    if field.holds == Type.DECIMAL and not field.choices:
        return _titled(_money(field, column), field, column)
    if callable(column) or field.choices or field.holds != Type.MOMENT:
        return column
    return _titled(_age(name), field, name)


def _titled(made: Column, field: Field, column: Any) -> Column:
    """Give a column its head, and the order that it had."""
    made.__name__ = field.name
    made.short_description = field.label  # type: ignore[attr-defined]  # read by the admin
    order = column if isinstance(column, str) else getattr(column, "admin_order_field", None)
    if order:
        made.admin_order_field = order  # type: ignore[attr-defined]  # read by the admin
    return made


def _stage(name: str) -> Column:
    """A badge by what the stage means; its pipeline is in the tooltip. Names are public."""
    known: dict[int, SafeString] = {}

    def column(obj: Any) -> SafeString:
        stage: Stage = getattr(obj, name)
        if stage.pk not in known:
            known[stage.pk] = format_html(
                '<span class="chip stage is-{}" title="{}">{}</span>',
                stage.outcome,
                stage,
                stage.name,
            )
        return known[stage.pk]

    return column


def _age(name: str) -> Column:
    now = timezone.now()

    def column(obj: Any) -> SafeString | None:
        moment: datetime | None = getattr(obj, name)
        return ago_with_moment(moment, now) if moment else None

    return column


def money(value: Decimal, places: int) -> str:
    """Return an amount as the reader's language writes it, with its unit."""
    return with_unit(number_format(value, places, use_l10n=True, force_grouping=True))


def with_unit(amount: str) -> str:
    """Return an amount with the currency of the installation behind it, where it has one."""
    return f"{amount} {settings.CURRENCY}" if settings.CURRENCY else amount


def _money(field: Field, made: Any) -> Column:
    """An amount with its unit; `made`: a column that counts the values and may show dots."""
    read: Column = made if callable(made) else attrgetter(field.name)

    def column(obj: Any) -> Any:
        value = read(obj)
        if value in (None, DOTS):
            return value
        said = with_unit(value) if isinstance(value, str) else money(value, field.places)
        return format_html('<span class="number">{}</span>', said)

    return column
