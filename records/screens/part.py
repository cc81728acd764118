"""The base of what several files add to the screens of records."""

from __future__ import annotations

from typing import Any

from accounts.modeladmin import AccessModelAdmin, page_address
from records.models import Record


class RecordPart(AccessModelAdmin):
    """One part of a record's screens, from which `RecordAdmin` is put together."""

    model: type[Record]
    # Any again: mypy asks Unfold's base whenever a class lies between (see AccessModelAdmin).
    change_form_before_template: Any = None
    change_form_outer_before_template: Any = None
    change_form_outer_after_template: Any = None

    def page_of(self, record: Record) -> str:
        """Return the address of a record's page."""
        return page_address(record, "change", record.pk)
