"""The rows of a list's page, with everything they have in common worked out once.

Unfold's own tag works out all headers anew for each row, draws each tick box by a template and
repeats 26 classes in each cell: of a page of 50 records that was half the time and 85 % of the
HTML. Here a cell says the same in one class, which crmperms.css lays out as Unfold does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from django.contrib.admin.utils import lookup_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import DateField, DateTimeField, EmailField, Field, Model
from django.utils.formats import localize
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext_lazy
from unfold.utils import display_for_field, display_for_label, display_for_value

from accounts.modeladmin.relations import Address

TICK, TICK_LABEL = "action_checkbox", gettext_lazy("Select record")
LONG, LONG_ADDRESS = 40, 26
"""Letters, from which on a text needs some width to be read; an address is a single word."""
OPENING = SafeString('<tbody class="list-rows"><tr class="data-row list-row">')
CLOSING = SafeString("</tr></tbody>")


class Column:
    """A column of one page: how its cells begin and end, and what stands in them."""

    def __init__(
        self, screen: Any, name: Any, label: str, address: Address | None, *, is_head: bool
    ) -> None:
        self.screen, self.name = screen, name
        self.link = None if address is None else address.opening("list-link")
        self.empty = screen.get_empty_value_display()
        self.method = _method(screen, name)
        self.field = None if self.method is not None else _field(screen, name)
        self.long = LONG_ADDRESS if isinstance(self.field, EmailField) else LONG
        self.known: dict[Any, str] = {}
        """The texts of this page’s values so far: days, numbers and choices come again."""
        called = getattr(name, "__name__", name)
        look = "action-checkbox list-tick-cell" if called == TICK else f"field-{called} list-cell"
        if isinstance(self.field, DateField) and not isinstance(self.field, DateTimeField):
            look += " nowrap"  # days are read on one line
        tag = "th" if is_head else "td"
        self.opening, self.opening_empty, self.opening_long = (
            format_html('<{} class="{}{}" data-label="{}">', tag, look, more, capfirst(label))
            for more in ("", " is-empty", " is-long")
        )
        self.closing = format_html("</{}>", tag)

    def cell(self, row: Model) -> str:
        """Return this column's cell of a row."""
        try:
            text = self._text(row)
        except ObjectDoesNotExist:
            text = conditional_escape(self.empty)
        opening = self.opening
        if text.strip() in (self.empty, "-"):  # the dash is the theme’s, of a label
            opening = self.opening_empty  # a narrow list leaves it out
        elif len(text) > self.long and "<" not in text:
            opening = self.opening_long  # a wide one gives it room, else each word takes a line
        if self.link is not None:
            text = f"{self.link(row)}{text}</a>"
        return f"{opening}{text}{self.closing}"

    def _text(self, row: Model) -> str:
        """Return what stands for a value, as Unfold shows values of its kind, in HTML."""
        if self.method is not None:
            return conditional_escape(self._worded(self.method(row), self.method))
        if self.field is not None:
            return self._of_field(getattr(row, self.field.attname))
        _, attribute, value = lookup_field(self.name, row, self.screen)
        return conditional_escape(self._worded(value, attribute))

    def _of_field(self, value: Any) -> str:
        """Return what stands for a field's value; each value of a page is put into words once."""
        try:
            return self.known[value]
        except KeyError:
            if isinstance(value, datetime):
                here = localtime(value)
                return _moment(here, here.tzinfo, get_language())
            text = conditional_escape(display_for_field(value, self.field, self.empty))
            return self.known.setdefault(value, text)
        except TypeError:  # a list or the like
            return conditional_escape(display_for_field(value, self.field, self.empty))

    def _worded(self, value: Any, attribute: Any) -> Any:
        empty = getattr(attribute, "empty_value_display", self.empty)
        if label := getattr(attribute, "label", False):
            return display_for_label(value, empty, label)
        return display_for_value(value, empty, getattr(attribute, "boolean", False))


@lru_cache(maxsize=10_000)
def _moment(moment: datetime, zone: tzinfo | None, language: str | None) -> str:
    """Return a moment in words; kept, since the same rows are looked at again and again.

    By zone as well: the same moment is equal in all of them.
    """
    return conditional_escape(localize(moment))


def _field(screen: Any, name: Any) -> Field[Any, Any] | None:
    """Return the field whose values a column shows; relations are columns that the screen made."""
    try:
        field = screen.opts.get_field(name)
    except FieldDoesNotExist:  # `__str__`, or a property of the model
        return None
    is_plain = isinstance(field, Field) and not (field.is_relation or field.auto_created)
    return field if is_plain else None


def _method(screen: Any, name: Any) -> Callable[[Model], Any] | None:
    """Return what works out a column's values, or None where the rows have them.

    Django asks for each row whether it has a field of that name, before it looks here.
    """
    if callable(name):
        return name  # type: ignore[no-any-return]  # a column that the screen made for this request
    fields = {field.name for field in screen.opts.get_fields()}
    return None if name in fields or name == "__str__" else getattr(screen, name, None)


def drawn(columns: list[Column], row: Model) -> SafeString:
    """Return one row."""
    return SafeString(f"{OPENING}{''.join([column.cell(row) for column in columns])}{CLOSING}")
