"""Numbers as people type them, and as our own pages show them: read in one way, or refused.

Pages write 166,650.00: commas between thousands, a point before decimals. What is copied from them,
or from elsewhere with spaces or apostrophes between thousands, is read as it is meant. A number
that could mean two things is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from unfold.widgets import UnfoldAdminTextInputWidget

_BETWEEN_THOUSANDS = ",' \u00a0\u2007\u2009\u202f\u2019"
"""A comma, apostrophes, and spaces: an ordinary one, and those of typesetters."""
_GROUPED = re.compile(
    rf"([+-]?[0-9]{{1,3}})([{_BETWEEN_THOUSANDS}])([0-9]{{3}}(?:\2[0-9]{{3}})*)(\.[0-9]*)?"
)
_AS_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")
"""1.500: one and a half, or by the habit of many countries fifteen hundred."""
_MINUS = "\u2212"
AMBIGUOUS = (
    "This number can be read in two ways. Write thousands with commas or without, and decimals "
    "after a point: 1,234.50 or 1234.5."
)


def ungrouped(text: str) -> str:
    """Return a number without what stands between its thousands; other texts as they are.

    Raises `ValidationError` for 1,5 and 1.234,50 and 1.500, which mean one thing in one country and
    another thing in the next. Whether the rest is a number is for the field to say.
    """
    text = text.strip().replace(_MINUS, "-")
    if match := _GROUPED.fullmatch(text):
        whole, separator, groups, decimals = match.groups()
        return whole + groups.replace(separator, "") + (decimals or "")
    looks_like_one = not text.strip(f"+-.0123456789{_BETWEEN_THOUSANDS}")
    is_separated = any(each in text for each in _BETWEEN_THOUSANDS)
    if _AS_THOUSANDS.fullmatch(text) or (looks_like_one and is_separated and text):
        raise ValidationError(AMBIGUOUS, code="ambiguous")
    return text


class _AsTyped:
    """Reads what is typed by `ungrouped`; in a text box, since a number box takes no comma."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:  # type: ignore[attr-defined]  # a field beside
            value = ungrouped(value)
        return super().to_python(value)  # type: ignore[misc]  # a field beside


class WholeNumberField(_AsTyped, forms.IntegerField):
    """A whole number as people type it."""

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        """Let telephones show digits."""
        return {**super().widget_attrs(widget), "inputmode": "numeric"}


class NumberField(_AsTyped, forms.DecimalField):
    """A number with decimals as people type it."""


def form_class(field: models.Field[Any, Any]) -> Callable[..., forms.Field] | None:
    """Return the form field for a number of a model; None for anything else."""
    if field.choices or not isinstance(field, models.DecimalField | models.IntegerField):
        return None
    return NumberField if isinstance(field, models.DecimalField) else WholeNumberField
