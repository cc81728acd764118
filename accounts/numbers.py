"""Numbers as people type them, and as our own pages show them: read in one way, or refused.

Pages write 166,650.00 in English and 166.650,00 in German. What is copied from them, or from
elsewhere with spaces or apostrophes between thousands, is read as it is meant. A number that could
mean two things is not guessed, and what one language reads means the same in the other, or is
refused there: links with a filter by a number are sent to colleagues.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.formats import get_format
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

_SPACES = "' \u00a0\u2007\u2009\u202f\u2019"
"""Apostrophes, and spaces: an ordinary one, and those of typesetters."""
_MINUS = "\u2212"
AMBIGUOUS = gettext_lazy(
    "This number can be read in two ways. Write thousands with commas or without, and decimals "
    "after a point: 1,234.50 or 1234.5."
)


class Signs(NamedTuple):
    """What a language writes between thousands, and before decimals."""

    thousands: str
    decimals: str


ENGLISH = Signs(",", ".")
"""So are numbers written in files, whoever reads them."""


def signs_of_reader() -> Signs:
    """Return the signs of the language that is active."""
    return Signs(get_format("THOUSAND_SEPARATOR"), get_format("DECIMAL_SEPARATOR"))


@cache
def _patterns(signs: Signs) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return what a number looks like with thousands apart, with decimals alone, and otherwise.

    The last are thousands to the reader of another language: 1.500, in English.
    """
    between, before = re.escape(signs.thousands), re.escape(signs.decimals)
    others = re.escape("".join({*ENGLISH} - {signs.thousands}))
    return (
        re.compile(
            rf"([+-]?[1-9][0-9]{{0,2}})([{between}{_SPACES}])([0-9]{{3}}(?:\2[0-9]{{3}})*)({before}[0-9]*)?"
        ),
        re.compile(rf"([+-]?[0-9]*){before}([0-9]*)"),
        re.compile(rf"[+-]?[1-9][0-9]{{0,2}}([{others}][0-9]{{3}})+"),
    )


def ungrouped(text: str, signs: Signs | None = None) -> str:
    """Return a number with a point before its decimals, and nothing between its thousands.

    It is read with these signs, or with those of the reader's language. Other texts are returned as
    they are: whether the rest is a number is for the field to say. So is 1.5 in a language that
    writes 1,5, which nobody reads as another number, and in which stored queries write all.

    Raises `ValidationError` for 1,5 and 1.234,50 and 1.500 in English, and for 1,500 and 1,234.50
    in German, which mean one thing in one country and another thing in the next.
    """
    signs = signs or signs_of_reader()
    grouped, with_decimals, other_thousands = _patterns(signs)
    text = text.strip().replace(_MINUS, "-")
    if match := grouped.fullmatch(text):
        whole, separator, groups, decimals = match.groups()
        return whole + groups.replace(separator, "") + (decimals or "").replace(signs.decimals, ".")
    is_other = other_thousands.fullmatch(text)
    if not is_other and any(map(str.isdigit, text)) and (match := with_decimals.fullmatch(text)):
        return ".".join(match.groups())
    looks_like_one = not text.strip(f"+-.,0123456789{_SPACES}")
    is_separated = any(each in text for each in f",{signs.thousands}{_SPACES}")
    if is_other or (looks_like_one and is_separated and text and not _is_plain(text)):
        raise ValidationError(AMBIGUOUS, code="ambiguous")
    return text


def _is_plain(text: str) -> bool:
    """Tell whether this is a number as programs write it: 1234.5."""
    return re.fullmatch(r"[+-]?[0-9]*\.?[0-9]*", text) is not None


def as_typed(number: Decimal) -> str:
    """Return a number as somebody types it in the reader's language, without separators."""
    return str(number).replace(".", signs_of_reader().decimals)


class _AsTyped:
    """Reads what is typed by `ungrouped`; in a text box, since a number box takes no comma."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values:  # type: ignore[attr-defined]  # a field beside
            value = ungrouped(value)
        return super().to_python(value)  # type: ignore[misc]  # a field beside

    def prepare_value(self, value: Any) -> Any:
        """Show a stored number as it is typed."""
        return as_typed(value) if isinstance(value, Decimal) else value


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
