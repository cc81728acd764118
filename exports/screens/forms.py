"""Forms of the request dialog and of the approval settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.forms.boundfield import BoundWidget
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.keys import KeysField
from accounts.models import User
from accounts.numbers import WholeNumberField
from exports import purpose
from exports.language import labels_in_words
from exports.models import ExportRequest
from exports.models.policy import GateRules
from exports.operations import FORMATS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def headers_in_words() -> list[tuple[str, StrOrPromise]]:
    """Return what may stand above the columns; the labels with the language a file has them in."""
    labels, names = ExportRequest.Headers
    return [(labels.value, labels_in_words()), (names.value, names.label)]


@dataclass(frozen=True, slots=True)
class Offered:
    """A column that may be chosen."""

    name: str
    label: str
    sensitive: bool
    relation: str = ""
    """What people call the related record it is of; empty for the record's own."""
    heading: str = ""
    """The label as a file has it, in the installation's language."""

    def __str__(self) -> str:
        if not self.sensitive:
            return self.label
        return gettext("%(column)s (sensitive)") % {"column": self.label}


class ColumnsForm(forms.Form):
    """The first step: what the file will hold, and in which form."""

    which = forms.ChoiceField(
        required=False,
        choices=[
            ("list", gettext_lazy("As in the list")),
            ("all", gettext_lazy("All")),
            ("chosen", gettext_lazy("Chosen")),
        ],
        widget=forms.RadioSelect,
    )
    columns = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    format = forms.ChoiceField(
        required=False,
        choices=[
            (key, format_lazy("{}, {}", each.label, each.for_what)) for key, each in FORMATS.items()
        ],
        widget=forms.RadioSelect,
    )
    headers = forms.ChoiceField(required=False, choices=headers_in_words, widget=forms.RadioSelect)
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
        own = [each for each in self.offered if not each.relation]
        beside = [name for name in ticked if name not in {each.name for each in own}]
        # All of them stand in the order of their labels, the record's id first (E39): of the labels
        # that the file has, so that the order is the same for everybody.
        own.sort(key=lambda each: (each.name != "id", each.heading.casefold()))
        names = {
            "list": [*self.listed, *beside],
            "all": [*(each.name for each in own), *beside],
        }.get(cleaned.get("which", ""), ticked)
        if not names and "columns" not in self.errors:
            self.add_error("columns", gettext("Tick at least one column."))
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

    def clean_columns(self) -> list[str]:
        """Return the columns in their order, one that was posted twice once."""
        return list(dict.fromkeys(self.cleaned_data["columns"]))


class PurposeForm(forms.Form):
    """What the file is for; asked with the columns where every export needs a purpose."""

    message = forms.CharField(
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )

    def __init__(self, *args: Any, purpose_required: bool, **kwargs: Any) -> None:
        """`purpose_required`: whether this export needs a purpose as things stand."""
        super().__init__(*args, **kwargs)
        self.purpose_required = purpose_required
        field = self.fields["message"]
        field.label = gettext("Purpose") if purpose_required else gettext("Purpose (optional)")
        field.help_text = gettext("What the file is for.")
        if purpose_required:
            field.required = True
            field.error_messages["required"] = purpose.trouble("")
            field.help_text = f"{field.help_text} {purpose.least()}"

    def clean_message(self) -> str:
        """Say beside the field what the operation would refuse, with whatever else is wrong."""
        message: str = self.cleaned_data["message"]
        if self.purpose_required and (refusal := purpose.trouble(message)):
            raise forms.ValidationError(refusal)
        return message


class ApproversForm(PurposeForm):
    """The second step, where consent is needed: whom to tell, and why (R117)."""

    field_order = ("approvers", "message")
    approvers = KeysField(
        queryset=User.objects.none(),
        label=gettext_lazy("Approvers to notify"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes is-long"}),
        help_text=gettext_lazy("They are notified; any approver can decide."),
        error_messages={
            "required": gettext_lazy("Choose at least one approver to notify."),
            "invalid_choice": gettext_lazy("Somebody you chose is not offered. Choose again."),
        },
    )

    def __init__(self, *args: Any, approvers: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["approvers"].queryset = approvers  # type: ignore[attr-defined]  # a model choice field


def _number(
    label: StrOrPromise, help_text: StrOrPromise, *, required: bool = True
) -> WholeNumberField:
    return WholeNumberField(
        label=label,
        help_text=help_text,
        required=required,
        error_messages={"required": gettext_lazy("Enter a whole number.")},
    )


class PolicyForm(forms.Form):
    """When an export needs somebody's consent, in the three steps of its dialog (R111).

    It reads whole numbers; which of them make sense is the operation's to say.
    """

    require_approval = forms.BooleanField(
        label=gettext_lazy("Require approvals for exports"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=gettext_lazy(
            "Off: every export of a person with the permission Export runs at once."
        ),
    )
    second_person_above = _number(
        gettext_lazy("Second approver above this many records in 24 hours"),
        gettext_lazy(
            "People who export without approval, super admins included, need somebody else’s "
            "approval for what makes it more records than this in 24 hours. Leave empty to turn "
            "off."
        ),
        required=False,
    )
    # A page of a version that did not have it leaves it as it is.
    purpose_required = forms.ChoiceField(
        label=gettext_lazy("A purpose is required"),
        choices=GateRules.Purpose.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=format_lazy(
            "{} {}",
            gettext_lazy("Who asks for such an export has to say what the file is for."),
            lazy(purpose.least, str)(),
        ),
    )
    threshold = _number(
        gettext_lazy("Record threshold"),
        gettext_lazy(
            "An export with more than this many records needs approval; 0: every export that is "
            "not empty. Exports with sensitive fields always need it."
        ),
    )
    daily_records = _number(
        gettext_lazy("Records per person in 24 hours"),
        gettext_lazy(
            "Recommended. Who takes out more than this in 24 hours needs approval for what exceeds "
            "it, however small each export is. No limit if left empty."
        ),
        required=False,
    )
    weekly_records = _number(
        gettext_lazy("Records per person in 7 days"),
        gettext_lazy(
            "Recommended. The same over 7 days; not fewer than in 24 hours. No limit if left empty."
        ),
        required=False,
    )
    lapse_days = _number(
        gettext_lazy("Days until a request lapses"),
        gettext_lazy("A request on which nobody decides ends after this many days."),
    )
    file_days = _number(
        gettext_lazy("Days a file stays"),
        gettext_lazy("A finished file can be downloaded for this many days, at most 30."),
    )
    most_downloads = _number(
        gettext_lazy("Downloads of a file"),
        gettext_lazy("By its requester, the only one who may; at most 100 times."),
    )

    steps: ClassVar[tuple[tuple[StrOrPromise, tuple[str, ...]], ...]] = (
        (
            gettext_lazy("Approvals"),
            ("require_approval", "second_person_above", "purpose_required"),
        ),
        (gettext_lazy("From how many records"), ("threshold", "daily_records", "weekly_records")),
        (gettext_lazy("Who and how long"), ("lapse_days", "file_days", "most_downloads")),
    )

    @property
    def steps_bound(self) -> list[tuple[StrOrPromise, list[forms.BoundField]]]:
        """Return each step's title and fields, as the dialog draws them."""
        return [(title, [self[name] for name in names]) for title, names in self.steps]

    @property
    def first_step(self) -> int:
        """Return the step to begin with: the first with an error; the last, where one is of all."""
        for number, (_, names) in enumerate(self.steps):
            if any(name in self.errors for name in names):
                return number
        return len(self.steps) - 1 if self.errors else 0


class AlertForm(forms.Form):
    """From how many records on a super admin wants to hear of an export (E47)."""

    records = WholeNumberField(
        label=gettext_lazy("Notify me of exports above this many records"),
        required=False,
        help_text=gettext_lazy(
            "When somebody else requests such an export. Leave empty to turn off."
        ),
    )
