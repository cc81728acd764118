"""A page instead of a form that nobody could send: a required choice has nothing to choose from."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from accounts import access
from accounts.modeladmin import page_address, user_of


def create_first(
    request: HttpRequest, needed: type[Model] | Model, *, title: str, missing: str, back: str
) -> HttpResponse:
    """Say what is missing, and lead on to where it is made; or say whom to ask.

    `needed` is a kind of thing that is to be created, or one that is there and to be completed.
    """
    if isinstance(needed, Model):
        may = access.allows(user_of(request), "change", needed)
        what_to_do, url = gettext("Complete it first."), page_address(needed, "change", needed.pk)
    else:
        may = access.allows_any(user_of(request), "add", needed)
        what_to_do, url = gettext("Create one first."), page_address(needed, "add")
    button = (
        gettext("Create a %(kind)s") if isinstance(needed, type) else gettext("Open the %(kind)s")
    )
    context = {
        **admin.site.each_context(request),
        "title": title,
        "missing": missing,
        "what_to_do": what_to_do,
        "button": button % {"kind": needed._meta.verbose_name},
        "create_url": url if may else "",
        "back": back,
    }
    return TemplateResponse(request, "accounts/create_first.html", context)
