"""Settings → Sensitive data on screens: how much a person sees in a day, and who saw how much."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.keys import whole_number
from accounts.modeladmin import AccessModelAdmin, page_address, say_saved, user_of
from accounts.numbers import WholeNumberField
from accounts.words import counted
from records.models import Property, ScreenLimit
from records.operations import RecordError, screen_limit

MOST_LISTED = 20


class ScreenLimitForm(forms.Form):
    """The one number; the operation says what it may be."""

    values_a_day = WholeNumberField(
        label=gettext_lazy("Sensitive values per person and day"),
        required=False,
        min_value=1,
        max_value=screen_limit.MOST,
        help_text=gettext_lazy(
            "Beyond it values read as dots until midnight. No limit if left empty."
        ),
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
            raise BadRequest(gettext("This page has no filters."))
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
            "title": gettext("Sensitive data on screens"),
            "opts": self.opts,
            "limit": now.values_a_day,
            "at_most": now.values_a_day and _at_most(now.values_a_day),
            "form": form,
            "version": version,
            "flagged": _flagged(Property.objects.filter(sensitive=True).count()),
            "seen": _seen_today(now.values_a_day or 0),
        }
        return TemplateResponse(request, "records/screen_limit.html", context)

    def _saved(self, request: HttpRequest, form: ScreenLimitForm, version: str) -> bool:
        try:
            saved = screen_limit.set_screen_limit(
                actor=user_of(request),
                values_a_day=form.cleaned_data["values_a_day"],
                version=whole_number(version),
            )
        except self.refusals as refusal:
            form.add_error(None, str(refusal))
            return False
        most = saved.values_a_day
        if most is None:
            say_saved(request, gettext("Saved. Nobody is limited, and nothing is counted."))
            return True
        said = ngettext(
            "Saved. A person sees at most %(count)s sensitive values in a day from now on.",
            "Saved. A person sees at most %(count)s sensitive values in a day from now on.",
            most,
        )
        say_saved(request, said % {"count": counted(most)})
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


def _at_most(limit: int) -> str:
    said = ngettext(
        "Each person sees at most %(count)s sensitive value a day.",
        "Each person sees at most %(count)s sensitive values a day.",
        limit,
    )
    return said % {"count": counted(limit)}


def _flagged(number: int) -> SafeString:
    """Return how many fields are sensitive, with the way to where they are chosen."""
    said = ngettext(
        "%(count)s field, chosen under %(page)s.",
        "%(count)s fields, chosen under %(page)s.",
        number,
    )
    url = page_address(Property, "changelist")
    page = format_html('<a class="text-link" href="{}">{}</a>', url, gettext("Fields"))
    return mark_safe(conditional_escape(said) % {"count": counted(number), "page": page})


def _seen_today(limit: int) -> list[dict[str, Any]]:
    return [
        {
            "user": row.user,
            "shown": row.shown,
            "said": gettext("%(count)s of %(limit)s")
            % {"count": counted(row.shown), "limit": counted(limit)},
        }
        for row in screen_limit.seen_today(MOST_LISTED)
    ]
