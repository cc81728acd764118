"""A page instead of a form that nobody could send: a required choice has nothing to choose from."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts import access
from accounts.modeladmin import page_address, person


def create_first(
    request: HttpRequest, needed: type[Model] | Model, *, title: str, missing: str, back: str
) -> HttpResponse:
    """Say what is missing, and lead on to where it is made; or say whom to ask.

    `needed` is a kind of thing that is to be created, or one that is there and to be completed.
    """
    if isinstance(needed, Model):
        may = access.allows(person(request), "change", needed)
        what_to_do, url = "Complete it first.", page_address(needed, "change", needed.pk)
    else:
        may = access.allows_any(person(request), "add", needed)
        what_to_do, url = "Create one first.", page_address(needed, "add")
    verb = "Create a" if isinstance(needed, type) else "Open the"
    context = {
        **admin.site.each_context(request),
        "title": title,
        "missing": missing,
        "what_to_do": what_to_do,
        "button": f"{verb} {needed._meta.verbose_name}",
        "create_url": url if may else "",
        "back": back,
    }
    return TemplateResponse(request, "accounts/create_first.html", context)
