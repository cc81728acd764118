"""Forms of records and of their inline rows: which choices there are, and how a refusal reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import DateField, Field, ForeignKey, Model
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import access, numbers
from accounts.day_input import DayInput
from accounts.errors import Unanswered
from accounts.keys import KeyField, KeysField
from accounts.modeladmin.columns import DOTS
from accounts.modeladmin.relations import names, related_model
from accounts.modeladmin.requests import user_of
from accounts.pickers import PickerSelect, Purpose
from accounts.review import edits_further

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class AccessForm(forms.ModelForm):  # type: ignore[type-arg]  # Django does not let it be subscripted
    """A form that shows a refused operation's message and keeps everything that was typed."""

    request: HttpRequest | None = None
    """Set on the form of a page; the rows of an inline have none."""
    veiled: ClassVar[frozenset[str]] = frozenset()
    """Highly sensitive fields: the form never holds their stored value (E30)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.declared_fields.keys() & self.fields.keys():
            # Where a value is only read, Django's own name of it would be that of the code.
            self.fields[name].short_description = self.fields[name].label  # type: ignore[attr-defined]  # read by the admin
        if self.instance.pk is None:
            return
        for name in self.veiled & set(self.fields):
            # An empty answer is then no change, and the stored value stays.
            self.initial[name] = None
            self.fields[name].required = False
            self.fields[name].widget.attrs["placeholder"] = DOTS
            self.fields[name].help_text = gettext(
                "Not shown here. Empty: the value stays as it is."
            )

    def fix(self, name: str, why: StrOrPromise) -> None:
        """Show a field that only others may write here, and why.

        A browser sends nothing of it, and it stays. Whatever is sent all the same goes to the
        operation, which refuses it and writes that down.
        """
        if name in self.fields:
            field = self.fields[name]
            field.widget.attrs["disabled"], field.required, field.help_text = True, False, why

    def _keep_fixed(self, cleaned: dict[str, Any]) -> None:
        for name, field in self.fields.items():
            if "disabled" in field.widget.attrs and self.add_prefix(name) not in self.data:
                cleaned[name] = getattr(self.instance, name)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._keep_fixed(cleaned)
        refusal = getattr(self.request, "refusal", None)
        if refusal is not None and not isinstance(refusal, Unanswered):
            name = getattr(refusal, "field", None)
            if name in self.fields:
                # In the form's own words: a choice refused late reads as one that is absent.
                said = self.fields[name].error_messages.get("invalid_choice", str(refusal))
                raise forms.ValidationError({name: said})
            raise forms.ValidationError(str(refusal))
        return cleaned

    def is_valid(self) -> bool:
        """Show what was sent once more where something is asked, or was and is not answered yet."""
        asks = isinstance(getattr(self.request, "refusal", None), Unanswered)
        goes_back = self.request is not None and edits_further(self.request)
        return super().is_valid() and not asks and not goes_back

    def validate_unique(self) -> None:
        """Leave uniqueness to the operations: asking here tells of rows out of reach (L36)."""


class FormFields:
    """How fields of a form behave, for model admins and inlines alike."""

    model: type[Model]
    form: type[forms.ModelForm[Any]] = AccessForm
    view_on_site = False

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer, and accept, only what may be named (L21, L22, L26)."""
        related = related_model(db_field)
        rows = kwargs.get("queryset")
        rows = related._default_manager.all() if rows is None else rows
        kwargs["queryset"] = access.nameable(rows, user_of(request))
        if (kept := self._kept(request, db_field)) is not None:
            # What it is linked with lies in the bin: it may stay so, or be linked elsewhere.
            kwargs["queryset"] |= access.recycled(rows.filter(pk=kept), user_of(request))
        kwargs.setdefault("form_class", KeyField)
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]  # a mixin
            site = self.admin_site  # type: ignore[attr-defined]  # a mixin
            kwargs.setdefault("widget", PickerSelect(db_field, site, Purpose.CHOOSE))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin

    def _kept(self, request: HttpRequest, db_field: ForeignKey[Any, Any]) -> int | None:
        """Return the key that this page's object has in this field, if it lies in the bin."""
        obj = getattr(request, "_object_of_form", None)
        key = getattr(obj, db_field.attname) if isinstance(obj, db_field.model) else None
        in_bin = key is not None and names(request).is_in_bin(related_model(db_field), key)
        return key if in_bin else None

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        related: type[Model] = db_field.related_model
        kwargs["queryset"] = access.nameable(related._default_manager.all(), user_of(request))
        kwargs.setdefault("form_class", KeysField)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Read numbers as they are typed, pick days, and take away the links beside a select.

        Those are drawn by model, not by row (L28).
        """
        if (number := numbers.form_class(db_field)) is not None:
            kwargs.setdefault("form_class", number)
            kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        if type(db_field) is DateField:  # not one of moments, which is a kind of it
            kwargs.setdefault("widget", DayInput)
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


class AccessInline(FormFields, TabularInline):  # type: ignore[misc]  # Unfold's formfield_overrides
    """Rows of a parent, for parents that whoever may change them may change whole.

    Rows with rights of their own never stand in an inline (L46, L47).
    """

    extra = 0
    can_delete = True
    show_change_link = False

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Name every field for those who do not see the head of its column."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs.setdefault("aria-label", str(field.label))
        return field

    def _may(self, request: HttpRequest, obj: Model | None) -> bool:
        if obj is None or obj.pk is None:
            return True
        return access.allows(user_of(request), "change", obj)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)
