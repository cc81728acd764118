"""What is wrong with a form, field by field, for the summary above it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.forms import BoundField

register = template.Library()

MOST_LISTED = 10


@register.simple_tag
def wrong_fields(adminform: Any, formsets: Iterable[Any] | None) -> list[BoundField]:
    """Return the fields of an admin's form, and of the rows below it, that have an error."""
    forms = [adminform.form] if adminform else []
    for formset in formsets or ():
        forms += formset.formset.forms
    return [field for form in forms for field in form.visible_fields() if field.errors][
        :MOST_LISTED
    ]
