"""Screens of exceptions from rules on stages: the panel on a record, and the end of one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.translation import gettext

from accounts.keys import whole_number
from accounts.modeladmin import AccessModelAdmin, page_address, row_pages, user_of
from accounts.models import User
from records.models import Record
from records.operations import exceptions
from records.reasons import end_of
from records.refusals import RecordError
from records.screens.share_words import giver_of


class ExceptingAdmin(AccessModelAdmin):
    """Adds the end of an exception to the screens of records that stand in a pipeline."""

    model: type[Record]
    # Any again: mypy asks Unfold's base whenever a class lies between (see AccessModelAdmin).
    change_form_before_template: Any = None
    change_form_outer_before_template: Any = None
    change_form_outer_after_template: Any = None

    def get_urls(self) -> list[URLPattern]:
        return [*row_pages(self, end_exception=self.end_exception_view), *super().get_urls()]

    def end_exception_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End one person's exception for a record."""
        record: Record = self.found(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = User.objects.filter(pk=whole_number(request.POST.get("user", ""))).first()
        try:
            if user is None:
                raise exceptions.NotFound(gettext("This exception has already ended."))
            exceptions.end_exception(record, actor=user_of(request), user=user)
        except RecordError as refusal:
            messages.error(request, str(refusal))
        else:
            said = gettext("The exception for %(name)s has ended.") % {"name": user}
            messages.success(request, said)
        return HttpResponseRedirect(page_address(record, "change", record.pk))


def exceptions_panel(request: HttpRequest, record: Any) -> str:
    """Return who may edit a record though its stage is locked, for everybody who views it."""
    if not isinstance(record, Record):
        return ""
    found = exceptions.exceptions_of(record)
    if not found:
        return ""
    context = {
        "rows": [
            {"user": each.user, "said": " · ".join((end_of(each.until), giver_of(each)))}
            for each in found
        ],
        "stage": getattr(record, "stage", None),
        "may_end": exceptions.may_except(user_of(request)),
        "url": page_address(record, "end_exception", record.pk),
    }
    return render_to_string("records/exceptions_panel.html", context, request=request)
