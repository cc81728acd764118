"""What the export log can be narrowed by: a white list, each value checked before it is used.

The figures of the risk card link here, so an address says everything: `?requester=5&source=deal`.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import access, catalogue
from accounts.keys import KeyField, whole_number
from accounts.list_forms import (
    FormFilter,
    NumberedForm,
    day_field,
    first_moment,
    last_moment,
)
from accounts.modeladmin import user_of
from accounts.models import User
from exports import deciders, tables
from exports.models import ExportRequest

LOG = "admin:exports_exportrequest_changelist"
WHOLE_LOG = "audit.view_exports"
HELD = ("held_kind", "held")


def log_address(**filters: Any) -> str:
    """Return the address of the log narrowed like this; a list stands for several values."""
    query = urlencode(filters, doseq=True)
    return f"{reverse(LOG)}?{query}" if query else reverse(LOG)


class LogForm(NumberedForm):
    """The filters of the log; every field is optional."""

    kind_and_number = HELD
    no_such_number = gettext_lazy("Write a record’s number, such as 123.")
    no_kind = gettext_lazy("Choose of which kind the record is.")
    no_number = gettext_lazy("Write the number of the record too.")
    picked: ClassVar[dict[str, Any]] = {"requester": ExportRequest._meta.get_field("requester")}

    waiting = forms.ChoiceField(
        label=gettext_lazy("Waiting for me"),
        required=False,
        choices=[
            ("", pgettext_lazy("waiting for whomever", "Everything")),
            ("yes", gettext_lazy("Only what I may decide on")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    status = forms.MultipleChoiceField(
        label=gettext_lazy("Status"),
        required=False,
        choices=ExportRequest.Status.choices,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes"}),
    )
    source = forms.ChoiceField(
        label=gettext_lazy("Source"),
        required=False,
        choices=lambda: (
            [("", gettext("All"))] + [(kind.key, kind.plural) for kind in catalogue.objects()]
        ),
        widget=UnfoldAdminSelectWidget,
    )
    sensitive = forms.ChoiceField(
        label=gettext_lazy("Sensitive data"),
        required=False,
        choices=[
            ("", gettext_lazy("All")),
            ("yes", gettext_lazy("With")),
            ("no", gettext_lazy("Without")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    requester = KeyField(
        label=gettext_lazy("User"),
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("Everybody"),
    )
    held_kind = forms.ChoiceField(
        label=gettext_lazy("Contained a"),
        required=False,
        choices=lambda: (
            [("", gettext("Everything"))]
            + [(kind.key, capfirst(kind.noun)) for kind in catalogue.objects()]
        ),
        widget=UnfoldAdminSelectWidget,
    )
    held = forms.CharField(
        label=gettext_lazy("Record number"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("As it stands in the address of the record’s page."),
        widget=UnfoldAdminTextInputWidget,
    )
    requested_after = day_field(gettext_lazy("Requested from"))
    requested_before = day_field(gettext_lazy("Requested to"))
    earlier_than = forms.IntegerField(
        label=gettext_lazy("Before export no."),
        required=False,
        min_value=1,
        max_value=2**63 - 1,
        widget=forms.HiddenInput,
    )
    """The number of an export: what was asked for before it. The risk card links with it."""

    def __init__(self, data: QueryDict, *, user: User, site: admin.AdminSite) -> None:
        super().__init__(data, user=user, site=site)
        if not access.holds_tool(user, deciders.DECIDE):
            self.fields["waiting"].widget = forms.HiddenInput()
        if not may_look_for_records(user):
            for name in HELD:
                del self.fields[name]


def may_look_for_records(user: User) -> bool:
    """Tell whether somebody may ask which exports contained a record, by its number (B11).

    Whoever sees the whole log may, and sees no record by it. To approvers, who see requests and no
    data, an answer would tell which records there are.
    """
    return access.holds_tool(user, WHOLE_LOG)


class LogFilter(FormFilter):
    """All filters of the log."""

    form_class = LogForm
    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {
        "status": ("status__in", list),
        "source": ("object", str),
        "requester": ("requester", lambda chosen: chosen.pk),
        "requested_after": ("requested_at__gte", first_moment),
        "requested_before": ("requested_at__lt", last_moment),
    }

    @classmethod
    def known_parameters(cls, request: HttpRequest) -> list[str]:
        known = super().known_parameters(request)
        if may_look_for_records(user_of(request)):
            return known
        return [name for name in known if name not in HELD]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().queryset(request, queryset)
        if not self.form.is_valid():
            return queryset
        wanted = self.form.cleaned_data
        if wanted["earlier_than"]:
            # Of one out of reach as of an absent one: nothing, and so nothing of its time.
            this = access.permitted(ExportRequest.objects.all(), self.user, "view").filter(
                pk=wanted["earlier_than"]
            )
            moment = Subquery(this.values("requested_at")[:1])
            queryset = queryset.filter(requested_at__lte=moment).exclude(pk=wanted["earlier_than"])
        if wanted.get("held"):
            key, number = wanted["held_kind"], whole_number(wanted["held"])
            # Otherwise the answer would tell the value of a field that is hidden from whoever asks.
            told = tables.told_of(tables.model_of(key), self.user)
            held = ExportRequest.objects.containing(key, number, told)
            queryset = queryset.filter(pk__in=held.values("pk"))
        if wanted["sensitive"]:
            holds = ExportRequest.HOLDS_SENSITIVE
            queryset = queryset.filter(holds if wanted["sensitive"] == "yes" else ~holds)
        if wanted["waiting"]:
            queryset = queryset.filter(pk__in=deciders.awaiting(self.user).values("pk"))
        return queryset
