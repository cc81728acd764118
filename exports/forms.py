"""Forms of the request dialog and of the approval settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.modeladmin import AccessForm
from accounts.models import User
from exports.models import ExportPolicy


def whole_number(text: str | None) -> int:
    """Return the number a hidden field holds; 0, which nothing has, for anything else."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


class ColumnsForm(forms.Form):
    """The first step: what the file will hold."""

    columns = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes"}),
        error_messages={"required": "Tick at least one column."},
    )

    def __init__(self, *args: Any, offered: Iterable[tuple[str, str, bool]], **kwargs: Any) -> None:
        """Offer columns as (name, label, sensitive)."""
        super().__init__(*args, **kwargs)
        self.fields["columns"].choices = [  # type: ignore[attr-defined]  # a choice field
            (name, f"{label} (sensitive)" if sensitive else label)
            for name, label, sensitive in offered
        ]

    def clean_columns(self) -> list[str]:
        """Return the columns in their order, one that was posted twice once."""
        return list(dict.fromkeys(self.cleaned_data["columns"]))


class PeopleField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Several people by their keys; what is no key at all is refused before the database is asked.

    SQLite raises where a number is beyond what it can count.
    """

    def clean(self, value: Any) -> Any:
        if any(not whole_number(str(key)) for key in value or ()):
            raise forms.ValidationError("Somebody you chose is not offered. Choose again.")
        return super().clean(value)


class ApproversForm(forms.Form):
    """The second step, where consent is needed: whom to tell, and why (R117)."""

    approvers = PeopleField(
        queryset=User.objects.none(),
        label="Approvers to notify",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes is-long"}),
        help_text="They are told; any approver may decide.",
        error_messages={"required": "Choose at least one approver to notify."},
    )
    message = forms.CharField(
        label="Message (optional)",
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What the file is for.",
    )

    def __init__(self, *args: Any, approvers: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["approvers"].queryset = approvers  # type: ignore[attr-defined]  # a model choice field


class PolicyForm(AccessForm):
    """When an export needs somebody's consent."""

    class Meta:
        model = ExportPolicy
        fields = ("require_approval", "threshold", "lapse_days", "file_days")
        widgets = {  # Django's own form options
            "require_approval": UnfoldBooleanSwitchWidget,
            "threshold": UnfoldAdminIntegerFieldWidget,
        }
