"""A page instead of a form that nobody could send: a required choice has nothing to choose from."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts import access
from accounts.modeladmin import person


def create_first(
    request: HttpRequest, needed: type[Model] | Model, *, title: str, missing: str, back: str
) -> HttpResponse:
    """Say what is missing, and lead on to where it is made; or say whom to ask.

    `needed` is a kind of thing that is to be created, or one that is there and to be completed.
    """
    options = needed._meta
    address = f"admin:{options.app_label}_{options.model_name}"
    if isinstance(needed, Model):
        may, url = access.allows(person(request), "change", needed), f"{address}_change"
        what_to_do, arguments = "Complete it first.", [needed.pk]
    else:
        may, url = access.allows_any(person(request), "add", needed), f"{address}_add"
        what_to_do, arguments = "Create one first.", []
    context = {
        **admin.site.each_context(request),
        "title": title,
        "missing": missing,
        "what_to_do": what_to_do,
        "button": f"{'Open the' if arguments else 'Create a'} {options.verbose_name}",
        "create_url": reverse(url, args=arguments) if may else "",
        "back": back,
    }
    return TemplateResponse(request, "accounts/create_first.html", context)
