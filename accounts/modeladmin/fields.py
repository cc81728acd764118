"""Which fields a record's page has, and which of them it only shows (RC3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import ForeignKey, Model
from django.http import HttpRequest

from accounts import access
from accounts.modeladmin.columns import Displayed, safe_readonly, years
from accounts.modeladmin.relations import names, related_model, relation
from accounts.modeladmin.requests import user_of
from accounts.modeladmin.rights import RightsAdmin


class FieldsAdmin(RightsAdmin):
    """Upper layers answer which fields are hidden, fixed or covered; every hook here subtracts."""

    def hidden_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that do not exist for this person, name included (B6)."""
        return frozenset()

    def fixed_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields whose values this person may read and not write."""
        return frozenset()

    def veiled_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields whose values appear only after a click (E30)."""
        return frozenset()

    def dotted_fields(self, request: HttpRequest, obj: Model) -> frozenset[str]:
        """Return the fields that this record's page shows as dots and leaves as they are."""
        return frozenset()

    def _unasked(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that no list is narrowed or ordered by: it would tell their values."""
        return self.hidden_fields(request) | self.veiled_fields(request)

    # Pickers ----------------------------------------------------------------------------------

    def chosen_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that this person may fill in by a picker, on whichever row."""
        user = user_of(request)
        if not any(access.allows_any(user, action, self.model) for action in ("add", "change")):
            return frozenset()
        return frozenset(self.get_autocomplete_fields(request)) - self.hidden_fields(request)

    # The form ---------------------------------------------------------------------------------

    def _offered(self, request: HttpRequest, obj: Model) -> set[str]:
        """Return the names of this page's own fields."""
        fields = flatten_fieldsets(self.get_fieldsets(request, obj))
        return {getattr(field, "__name__", field) for field in fields}

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        request._object_of_form = obj  # type: ignore[attr-defined]  # for this request's fields
        form: Any = super().get_form(request, obj, change, **kwargs)
        # Made for this page alone. A class derived from it would make every field a second time.
        form.request, form.veiled = request, self.veiled_fields(request)
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Take no values from the address: they would name any row by its key (L25, L26)."""
        return {}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out hidden fields and show relations that are only shown safely (L23, L29, L32)."""
        locked = self._locked(request, obj)
        absent = self._absent(request, obj)
        fieldsets = [
            (title, {**options, "fields": self._safe(options["fields"], locked, absent)})
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, options) for title, options in fieldsets if options["fields"]]

    def _safe(
        self, fields: Iterable[Any], locked: dict[str, Displayed], absent: frozenset[str]
    ) -> list[Any]:
        safe: list[Any] = []
        for field in fields:
            if isinstance(field, list | tuple):
                if row := self._safe(field, locked, absent):
                    safe.append(tuple(row))
            elif field not in absent:
                safe.append(locked.get(field, field))
        return safe

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep hidden fields out of the form even where a screen declares no fieldsets (L31)."""
        declared = super().get_exclude(request, obj)
        absent = self._absent(request, obj)
        return [*(declared or ()), *sorted(absent)] if absent else declared

    def _absent(self, request: HttpRequest, obj: Model | None) -> frozenset[str]:
        """Return the fields this page does not have; a new record has none that is only read."""
        hidden = self.hidden_fields(request)
        if obj is None or obj.pk is None:
            return hidden | self.fixed_fields(request)
        return hidden

    def _locked(self, request: HttpRequest, obj: Model | None) -> dict[str, Displayed]:
        """Return what this page shows and does not edit, by name: dots, and related names."""
        covered = self._covered(request, obj)
        shown = dict.fromkeys(self._shown_only(request, obj), False) | dict.fromkeys(covered, True)
        return {n: safe_readonly(request, self.model, n, dots) for n, dots in shown.items()}

    def _covered(self, request: HttpRequest, obj: Model | None) -> frozenset[str]:
        """Return the fields this page shows as dots and does not edit."""
        if obj is None or obj.pk is None:
            return frozenset()
        veiled = self.veiled_fields(request)
        if veiled and self.has_change_permission(request, obj):
            veiled &= self.fixed_fields(request)
        return veiled | self.dotted_fields(request, obj)

    def _shown_only(self, request: HttpRequest, obj: Model | None) -> list[str]:
        """Return the foreign keys, and years, that this page shows and does not edit."""
        hidden = self.hidden_fields(request)
        all_of_them = [
            f.name
            for f in self.model._meta.fields
            if (isinstance(f, ForeignKey) or f.name in years(self.model)) and f.name not in hidden
        ]
        if obj is None or obj.pk is None:
            return []
        if not self.has_change_permission(request, obj):
            return all_of_them
        fixed = {*super().get_readonly_fields(request, obj), *self.fixed_fields(request)}
        return [n for n in all_of_them if n in fixed or self._hides_its_value(request, obj, n)]

    def _hides_its_value(self, request: HttpRequest, obj: Model, name: str) -> bool:
        """A value that may not be named is kept and not offered for change (RC6)."""
        if (field := relation(self.model, name)) is None:
            return False
        key, related = getattr(obj, field.attname), related_model(field)
        known = names(request)
        return key is not None and not (
            known.may_name(related, key) or known.is_in_bin(related, key)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        absent = self._absent(request, obj)
        declared = [
            name for name in super().get_readonly_fields(request, obj) if name not in absent
        ]
        if obj is not None and obj.pk is not None:
            declared += sorted(self.fixed_fields(request) - set(declared))
        locked = self._locked(request, obj)
        return [*(name for name in declared if name not in locked), *locked.values()]
