"""“Out of office”: an approver names who stands in, from one day to another (issue 4)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import access, clock
from accounts.addresses import page_address
from accounts.keys import KeyField
from accounts.list_forms import day_field
from accounts.modeladmin import user_of
from accounts.models import User
from exports import operations
from exports.deciders import DECIDE, colleagues_who_decide
from exports.models import Delegation, ExportRequest
from exports.operations import ExportError
from exports.screens.log import log_address

NOBODY_ELSE = gettext_lazy(
    "Nobody else may decide on exports yet. A super admin can give somebody a permission set with "
    "Export approver first."
)


def away_tools(request: HttpRequest) -> list[dict[str, Any]]:
    """Offer “Out of office” above the log to whoever decides on exports."""
    if not access.holds_tool(user_of(request), DECIDE):
        return []
    url = page_address(ExportRequest, "away")
    return [{"title": gettext("Out of office"), "icon": "event_busy", "url": url}]


class AwayForm(forms.Form):
    """Who stands in, and when; what may be is the operation's to say."""

    delegate = KeyField(
        queryset=User.objects.none(),
        label=gettext_lazy("Who stands in for you"),
        empty_label=gettext_lazy("Choose an approver"),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("Only people who hold Export approver can stand in."),
    )
    first_day = day_field(gettext_lazy("First day"), required=True)
    last_day = day_field(gettext_lazy("Last day"), required=True)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = colleagues_who_decide(user)
        self.fields["delegate"].queryset = others  # type: ignore[attr-defined]  # a model choice field
        if not others.exists():
            self.fields["delegate"].help_text = NOBODY_ELSE


def away_view(request: HttpRequest) -> HttpResponse:
    """Show one's own arrangements, and make another."""
    user = user_of(request)
    if not access.holds_tool(user, DECIDE):
        raise PermissionDenied
    today = clock.database_today()
    form = AwayForm(request.POST or None, user=user, initial={"first_day": today})
    if request.method == "POST" and form.is_valid():
        try:
            made = operations.arrange_delegate(actor=user, **form.cleaned_data)
        except ExportError as refusal:
            form.add_error(None, str(refusal))
        else:
            said = gettext("%(name)s is told of requests that name you, as well as you.")
            messages.success(request, said % {"name": made.delegate})
            return HttpResponseRedirect(request.path)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Out of office"),
        "form": form,
        "today": today,
        "rows": _own(user).filter(last_day__gte=today, ended_at=None),
        "back": log_address(),
    }
    return TemplateResponse(request, "exports/away.html", context)


def end_view(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own arrangements."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    user = user_of(request)
    # The key is bounded: beyond what the database counts there is no row.
    found = _own(user).filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404
    try:
        operations.end_delegate(found, actor=user)
        said = gettext("Ended. %(name)s is not told of your requests any more.")
        messages.success(request, said % {"name": found.delegate})
    except ExportError as refusal:
        messages.error(request, str(refusal))
    if access.holds_tool(user, DECIDE):
        return HttpResponseRedirect(page_address(ExportRequest, "away"))
    return HttpResponseRedirect(log_address())


def _own(user: User) -> Any:
    return access.permitted(Delegation.objects.select_related("delegate"), user, "view").filter(
        approver=user
    )
