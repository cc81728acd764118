"""Settings → Sensitive data on screens: how much a person sees in a day, and who saw how much."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.keys import whole_number
from accounts.modeladmin import AccessModelAdmin, person, say_saved
from accounts.numbers import WholeNumberField
from records.models import Property, ScreenLimit
from records.operations import RecordError, screen_limit

MOST_LISTED = 20


class ScreenLimitForm(forms.Form):
    """The one number; the operation says what it may be."""

    values_a_day = WholeNumberField(
        label="Sensitive values per person and day",
        required=False,
        min_value=1,
        max_value=screen_limit.MOST,
        help_text="Beyond it values read as dots until midnight. No limit if left empty.",
    )


@admin.register(ScreenLimit)
class ScreenLimitAdmin(AccessModelAdmin):
    """One page: what holds now, the form that changes it, and today's counts."""

    refusals = (RecordError, *AccessModelAdmin.refusals)
    logged_as = "screen_limit"
    show_add_link = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse
        """There is one limit: show it, and not a list of one; on POST write it."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.GET:
            raise BadRequest("This page has no filters.")
        now = screen_limit.current()
        version = str(now.version)
        form = ScreenLimitForm(initial={"values_a_day": now.values_a_day})
        if request.method == "POST":
            version = request.POST.get("record_version", "")
            form = ScreenLimitForm(request.POST)
            if form.is_valid() and self._saved(request, form, version):
                return HttpResponseRedirect(reverse(screen_limit.PAGE))
        context = {
            **self.admin_site.each_context(request),
            "title": "Sensitive data on screens",
            "opts": self.opts,
            "limit": now.values_a_day,
            "form": form,
            "version": version,
            "flagged": Property.objects.filter(sensitive=True).count(),
            "seen": screen_limit.seen_today(MOST_LISTED),
        }
        return TemplateResponse(request, "records/screen_limit.html", context)

    def _saved(self, request: HttpRequest, form: ScreenLimitForm, version: str) -> bool:
        try:
            saved = screen_limit.set_screen_limit(
                actor=person(request),
                values_a_day=form.cleaned_data["values_a_day"],
                version=whole_number(version),
            )
        except self.refusals as refusal:
            form.add_error(None, str(refusal))
            return False
        most = saved.values_a_day
        say_saved(
            request,
            "Saved. Nobody is limited, and nothing is counted."
            if most is None
            else f"Saved. A person sees at most {most:,} sensitive values in a day from now on.",
        )
        return True

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The limit has no form of its own: show its page."""
        self.found(request, object_id)
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET"])
        return HttpResponseRedirect(reverse(screen_limit.PAGE))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one limit, always."""
        return False
