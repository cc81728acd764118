"""Screens of exceptions from rules on stages: the panel on a record, making one, and its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from accounts import days
from accounts.day_input import DayInput
from accounts.keys import KeyField, whole_number
from accounts.modeladmin import page_address, row_pages, user_of
from accounts.models import User
from records.models import Record
from records.operations import exceptions
from records.reasons import end_of, stage_sentence
from records.refusals import NotAllowed, NotFound, RecordError
from records.screens.part import RecordPart
from records.screens.share_words import giver_of

DAYS_OFFERED = 7


class ExceptionForm(forms.Form):
    """Who is excepted from the rule on a record's stage, and until when."""

    user = KeyField(queryset=User.objects.none(), label=gettext_lazy("Person"))
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        widget=DayInput,
        validators=[days.check_day],
        help_text=gettext_lazy("The exception ends by itself with this day."),
    )


class ExceptingAdmin(RecordPart):
    """Adds exceptions to the screens of records that stand in a pipeline."""

    def get_urls(self) -> list[URLPattern]:
        pages = row_pages(
            self, end_exception=self.end_exception_view, make_exception=self.except_view
        )
        return [*pages, *super().get_urls()]

    def except_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask whom to except from the rule on a record's stage and until when, and do it."""
        record: Record = self.found(request, object_id)
        back = page_address(record, "change", record.pk)
        last_day = timezone.localdate() + timedelta(days=DAYS_OFFERED)
        form = ExceptionForm(
            request.POST if request.method == "POST" else None, initial={"last_day": last_day}
        )
        # The picker of owners: it searches and shows names alone (R7).
        owner: Any = self.opts.get_field(record.owner_fields[0])
        picker: Any = self.formfield_for_dbfield(owner, request)
        picker.required, picker.label, picker.help_text = True, gettext("Person"), ""
        form.fields["user"] = picker
        try:
            exceptions.require_excepting(user_of(request))
            if request.method == "POST" and form.is_valid():
                user = form.cleaned_data["user"]
                until = days.moment_after(form.cleaned_data["last_day"])
                exceptions.except_from_stage(record, actor=user_of(request), user=user, until=until)
                said = gettext("%(name)s may edit it in this stage now, as far as they reach it.")
                messages.success(request, said % {"name": user})
                return HttpResponseRedirect(back)
        except NotAllowed as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(back)
        except RecordError as refusal:
            form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Make exception"),
            "opts": self.opts,
            "original": record,
            "text": stage_sentence(record),
            "form": form,
            "button": gettext("Make exception"),
            "media": self.media + form.media,
            "back": back,
        }
        return TemplateResponse(request, "accounts/step.html", context)

    def end_exception_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End one person's exception for a record."""
        record: Record = self.found(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = User.objects.filter(pk=whole_number(request.POST.get("user", ""))).first()
        try:
            if user is None:
                raise NotFound(gettext("This exception has already ended."))
            exceptions.end_exception(record, actor=user_of(request), user=user)
        except RecordError as refusal:
            messages.error(request, str(refusal))
        else:
            said = gettext("The exception for %(name)s has ended.") % {"name": user}
            messages.success(request, said)
        return HttpResponseRedirect(page_address(record, "change", record.pk))


def exceptions_panel(request: HttpRequest, record: Any) -> str:
    """Return who may edit a record though its stage is locked, for everybody who views it.

    Whoever may make exceptions finds it on every record in a locked stage.
    """
    if not isinstance(record, Record):
        return ""
    found = exceptions.exceptions_of(record)
    may_except = exceptions.may_except(user_of(request))
    if not found and not (may_except and exceptions.is_locked(record)):
        return ""
    context = {
        "rows": [
            {"user": each.user, "said": " · ".join((end_of(each.until), giver_of(each)))}
            for each in found
        ],
        "stage": getattr(record, "stage", None),
        "may_except": may_except,
        "except_url": page_address(record, "make_exception", record.pk),
        "end_url": page_address(record, "end_exception", record.pk),
    }
    return render_to_string("records/exceptions_panel.html", context, request=request)
