"""Keys that a browser sends back, read in one place: what is none never reaches a database.

A database raises where a number is beyond what it can count, and so does Python above 4300 digits;
Django guards most lookups, and neither one through a one-to-one key (a team's) nor `pk__in`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.translation import gettext

_MOST_DIGITS = 18
"""Of a number that every database can count."""


def whole_number(text: str | None) -> int:
    """Return the number a posted text holds; 0, which no row has for its key, for anything else."""
    return int(text) if text and text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def is_key(value: object) -> bool:
    """Tell whether a posted value could be a row's key."""
    return whole_number(str(value)) > 0


def label_of(row: Model) -> str:
    """Return a related row's name, and that it was deleted where it was."""
    if getattr(row, "deleted_at", None):
        return gettext("%(name)s (in the recycle bin)") % {"name": row}
    return str(row)


class KeyField(forms.ModelChoiceField):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """One row by its key; what is no key is refused as an absent row is."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value not in self.empty_values and not is_key(value):
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice")
        return super().to_python(value)

    def label_from_instance(self, obj: Model) -> str:
        return label_of(obj)


class KeysField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Several rows by their keys; what is no key is refused as an absent row is."""

    def clean(self, value: Any) -> Any:
        for each in value or ():
            if not is_key(each):
                raise ValidationError(
                    self.error_messages["invalid_choice"],
                    code="invalid_choice",
                    params={"value": each},
                )
        return super().clean(value)


class KeySelect(AutocompleteSelect):
    """Django's picker, which asks the database for whatever was posted once more to draw it."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        chosen = [each for each in value if is_key(each)]
        if not chosen:
            # Django puts a query together for no rows at all: two milliseconds for each picker.
            empty = [] if self.is_required or self.allow_multiple_selected else [""]
            return [(None, [self.create_option(name, key, "", False, 0) for key in empty], 0)]
        return super().optgroups(name, chosen, attr)
