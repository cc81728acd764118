"""Forms of the request dialog and of the approval settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.modeladmin import AccessForm
from accounts.models import User
from exports.models import ExportPolicy, ExportRequest
from exports.operations import FORMATS


def whole_number(text: str | None) -> int:
    """Return the number a hidden field holds; 0, which nothing has, for anything else."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


@dataclass(frozen=True, slots=True)
class Offered:
    """A column that may be chosen."""

    name: str
    label: str
    sensitive: bool
    relation: str = ""
    """What people call the related record it is of; empty for the record's own."""

    def __str__(self) -> str:
        return f"{self.label} (sensitive)" if self.sensitive else self.label


class ColumnsForm(forms.Form):
    """The first step: what the file will hold, and in which form."""

    which = forms.ChoiceField(
        required=False,
        choices=[("list", "As in the list"), ("all", "All"), ("chosen", "Chosen")],
        widget=forms.RadioSelect,
    )
    columns = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    format = forms.ChoiceField(
        required=False,
        choices=[(key, f"{each.label}, {each.for_what}") for key, each in FORMATS.items()],
        widget=forms.RadioSelect,
    )
    headers = forms.ChoiceField(
        required=False, choices=ExportRequest.Headers.choices, widget=forms.RadioSelect
    )
    profile_name = forms.CharField(
        required=False, max_length=80, widget=UnfoldAdminTextInputWidget(attrs={"maxlength": 80})
    )

    def __init__(
        self, *args: Any, offered: Sequence[Offered], listed: Sequence[str], **kwargs: Any
    ) -> None:
        """`listed`: names of the columns of the list that the dialog was opened from."""
        super().__init__(*args, **kwargs)
        self.offered, self.listed = offered, listed
        self.fields["columns"].choices = [  # type: ignore[attr-defined]  # a choice field
            (each.name, str(each)) for each in offered
        ]

    def clean(self) -> dict[str, Any]:
        """Add `names`: the columns that were asked for, in the order of the file."""
        cleaned = super().clean() or self.cleaned_data
        ticked = cleaned.get("columns", [])
        own = {each.name for each in self.offered if not each.relation}
        beside = [name for name in ticked if name not in own]
        names = {
            "list": [*self.listed, *beside],
            "all": [*(each.name for each in self.offered if not each.relation), *beside],
        }.get(cleaned.get("which", ""), ticked)
        if not names and "columns" not in self.errors:
            self.add_error("columns", "Tick at least one column.")
        cleaned["names"] = list(dict.fromkeys(names))
        return cleaned

    def own_boxes(self) -> list[BoundWidget]:
        """Return the boxes of the record's own columns."""
        return self._boxes("")

    def beside(self) -> list[tuple[str, list[BoundWidget], int]]:
        """Return, per related record, its name, its boxes, and how many are ticked."""
        found = []
        for relation in dict.fromkeys(each.relation for each in self.offered if each.relation):
            boxes = self._boxes(relation)
            found.append((relation, boxes, sum(box.data["selected"] for box in boxes)))
        return found

    def _boxes(self, relation: str) -> list[BoundWidget]:
        return [
            box
            for box, each in zip(self["columns"], self.offered, strict=True)
            if each.relation == relation
        ]


class ApproversForm(forms.Form):
    """The second step, where consent is needed: whom to tell, and why (R117)."""

    approvers = forms.ModelMultipleChoiceField(
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
