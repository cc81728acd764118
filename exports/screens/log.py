"""What the export log can be narrowed by: a white list, each value checked before it is used.

The figures of the risk card link here, so an address says everything: `?requester=5&source=deal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import access, catalogue
from accounts.keys import KeyField, KeySelect
from accounts.modeladmin import AccessModelAdmin, person
from accounts.models import User
from exports import policy
from exports.models import ExportRequest

LOG = "admin:exports_exportrequest_changelist"
# Wide enough for every log, narrow enough for every database and time zone.
_DAYS = [MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(2999, 12, 31))]


def log_address(**filters: Any) -> str:
    """Return the address of the log narrowed like this; a list stands for several values."""
    query = urlencode(filters, doseq=True)
    return f"{reverse(LOG)}?{query}" if query else reverse(LOG)


def _day_field(label: str) -> forms.DateField:
    widget = UnfoldAdminTextInputWidget()
    widget.input_type = "date"
    return forms.DateField(label=label, required=False, widget=widget, validators=_DAYS)


class LogForm(forms.Form):
    """The filters of the log; every field is optional."""

    waiting = forms.ChoiceField(
        label="Waiting for me",
        required=False,
        choices=[("", "Everything"), ("yes", "Only what I may decide on")],
        widget=UnfoldAdminSelectWidget,
    )
    status = forms.MultipleChoiceField(
        label="Status",
        required=False,
        choices=ExportRequest.Status.choices,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes"}),
    )
    source = forms.ChoiceField(
        label="Source",
        required=False,
        choices=lambda: [("", "All")] + [(kind.key, kind.plural) for kind in catalogue.objects()],
        widget=UnfoldAdminSelectWidget,
    )
    requester = KeyField(
        label="User", required=False, queryset=User.objects.none(), empty_label="Everybody"
    )
    requested_after = _day_field("Requested from")
    requested_before = _day_field("Requested to")

    def __init__(self, data: QueryDict, *, user: User, site: admin.AdminSite) -> None:
        super().__init__(data)
        people = access.nameable(User.objects.all(), user)
        picker = KeySelect(
            ExportRequest._meta.get_field("requester"),
            site,
            attrs={"class": "unfold-filter-autocomplete", "data-ajax--cache": "false"},
        )
        self.fields["requester"].queryset = people  # type: ignore[attr-defined]  # a model choice field
        self.fields["requester"].widget = picker
        picker.choices = self.fields["requester"].choices  # type: ignore[attr-defined]  # a model choice field
        if not access.holds_tool(user, policy.DECIDE):
            self.fields["waiting"].widget = forms.HiddenInput()


class LogFilter(admin.ListFilter):
    """All filters of the log as a single entry of the admin's filter sheet."""

    title = "filters"
    parameter_name = "filters"
    template = "exports/log_filters.html"

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[ExportRequest],
        model_admin: AccessModelAdmin,
    ) -> None:
        super().__init__(request, params, model, model_admin)  # type: ignore[arg-type]  # Django passes lists of values
        data = QueryDict(mutable=True)
        for name in self.known_parameters(request):
            if values := [value for value in params.pop(name, []) if value]:
                data.setlist(name, values)
        used: dict[str, Any] = dict(data.lists())  # Any, since it is read for emptiness only
        self.used_parameters = used
        self.user = person(request)
        self.form = LogForm(data, user=self.user, site=model_admin.admin_site)

    @staticmethod
    def known_parameters(request: HttpRequest) -> list[str]:
        return list(LogForm.base_fields)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*LogForm.base_fields]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the log; an unknown value is a 400, a mistyped day a message and no rows."""
        if not self.form.is_valid():
            wrong = self.form.errors.as_data()
            if set(wrong) - {"requested_after", "requested_before"}:
                raise BadRequest("This list has no such filter.")
            for name in wrong:
                label = self.form.fields[name].label
                messages.error(request, f"{label}: write the day as 2026-12-31.")
            return queryset.none()
        wanted = self.form.cleaned_data
        for name, narrow in self.narrowing.items():
            if wanted[name]:
                queryset = queryset.filter(**{narrow[0]: narrow[1](wanted[name])})
        if wanted["waiting"]:
            queryset = queryset.filter(pk__in=policy.awaiting(self.user).values("pk"))
        return queryset

    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {
        "status": ("status__in", list),
        "source": ("object", str),
        "requester": ("requester", lambda chosen: chosen.pk),
        "requested_after": ("requested_at__gte", lambda day: _moment(day, time.min)),
        "requested_before": ("requested_at__lte", lambda day: _moment(day, time.max)),
    }

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # a form, not links
        """Hand the drawn form to the template."""
        yield {"form": self.form, "selected": bool(self.used_parameters)}


def _moment(day: date, at: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, at))
