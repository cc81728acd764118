"""The page on which everybody chooses how they read: language, time zone, closeness of rows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import languages, operations
from accounts.modeladmin import user_of
from accounts.models import User
from accounts.operations import AccountsError

PAGE = "admin:own_settings"
LONGEST_NAME = 60


class ZoneInput(UnfoldAdminTextInputWidget):
    """A text box that offers the time zones which have what was typed in their names."""

    template_name = "accounts/zone_input.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["zones"] = sorted(languages.zones())
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs']['id']}_zones"
        return context


class OwnSettingsForm(forms.Form):
    """What somebody reads in."""

    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=lambda: [("", gettext("Same as browser")), *languages.known().items()],
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("E-mails and notifications are written in it too."),
    )
    time_zone = forms.CharField(
        label=gettext_lazy("Time zone"),
        required=False,
        max_length=LONGEST_NAME,
        widget=ZoneInput,
    )
    density = forms.ChoiceField(
        label=gettext_lazy("Row height"),
        choices=User.Density.choices,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        zone = self.fields["time_zone"]
        zone.widget.attrs["placeholder"] = settings.TIME_ZONE
        zone.help_text = gettext(
            "Type a part of its name, such as Berlin. Empty: %(zone)s, as everybody. Limits that "
            "count by days go by %(zone)s for all."
        ) % {"zone": settings.TIME_ZONE}

    def clean_time_zone(self) -> str:
        """Return the name of a zone as the system writes it, whatever letters were typed."""
        typed: str = self.cleaned_data["time_zone"].replace(" ", "_")
        if not typed:
            return ""
        names = {name.lower(): name for name in languages.zones()}
        try:
            return names[typed.lower()]
        except KeyError:
            raise ValidationError(
                gettext(
                    "There is no time zone of this name. Choose one of the list, such as "
                    "Europe/Berlin."
                )
            ) from None


def own_settings_urls() -> list[URLPattern]:
    """Return the address of the page."""
    return [path("your-settings/", admin.site.admin_view(own_settings_page), name="own_settings")]


def own_settings_page(request: HttpRequest) -> HttpResponse:
    """Show one's own settings, and save them."""
    user = user_of(request)
    now = {name: getattr(user, name) for name in ("language", "time_zone", "density")}
    form = OwnSettingsForm(request.POST if request.method == "POST" else None, initial=now)
    if request.method == "POST" and form.is_valid():
        try:
            operations.choose_settings(actor=user, **form.cleaned_data)
        except AccountsError as refusal:
            form.add_error(None, str(refusal))
        else:
            user.refresh_from_db(fields=list(now))
            # Where nothing is chosen any more, the browser or the installation says it again.
            translation.activate(
                languages.chosen_by(user)
                or languages.asked_for(request.headers.get("Accept-Language", ""))
            )
            messages.success(request, gettext("Your settings are saved."))
            return HttpResponseRedirect(reverse(PAGE))
    context = {
        **admin.site.each_context(request),
        "title": gettext("Your settings"),
        "form": form,
        "back": reverse("admin:index"),
    }
    return TemplateResponse(request, "accounts/own_settings.html", context)
