"""How a day is picked: in the browser's own calendar, in forms as in filters.

It is there without a script, is read aloud, and writes days as the reader's browser does. The
theme's calendar is none of it, and two kinds side by side were two things to learn.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from unfold.widgets import INPUT_CLASSES


class DayInput(forms.DateInput):
    """A field for one day; browsers send it as 2026-12-31, and are given it so."""

    input_type = "date"
    template_name = "django/forms/widgets/text.html"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": " ".join(INPUT_CLASSES), **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        """Return a day as browsers take it, whatever the page's language; else what was sent."""
        # Not by strftime, which writes the year 999 in three digits: browsers show that as no day.
        return value.isoformat() if isinstance(value, date) else super().format_value(value)
