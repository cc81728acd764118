"""Screens of requests for access: asking on a record, the list, and deciding about one (B15)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import access, days
from accounts.access import Explanation
from accounts.modeladmin import AccessModelAdmin, page_address, person, row_pages
from accounts.models import User
from records import kinds
from records.models import AccessRequest, Record
from records.operations import access_requests, sharing
from records.reasons import sentences_of
from records.refusals import RecordError
from records.screens.shares import EndForm, sees_records
from records.why import way_out

DAYS_OFFERED = 7
PER_PAGE, MOST_OWN = 25, 50


def _text(label: str, help_text: str = "", *, required: bool = False) -> forms.CharField:
    """Return a field for a few sentences; the operation says what is wrong with them."""
    return forms.CharField(
        label=label,
        required=required,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "maxlength": access_requests.LONGEST_TEXT}
        ),
        help_text=help_text,
    )


class ReasonForm(forms.Form):
    """What somebody needs access for."""

    reason = _text("What do you need it for?", "Whoever decides reads it.", required=True)


class DecisionForm(EndForm):
    """For how long to let the requester edit, and a word to them."""

    note = _text("Note", "The requester reads it. Needed to decline: say why, or whom to ask.")


class RequestingAdmin(AccessModelAdmin):
    """Adds “Request access” to the screens of every kind of record."""

    model: type[Record]
    # Any again: mypy asks Unfold's base whenever a class lies between (see AccessModelAdmin).
    change_form_before_template: Any = None
    change_form_outer_before_template: Any = None
    change_form_outer_after_template: Any = None

    def get_urls(self) -> list[URLPattern]:
        return [*row_pages(self, request_access=self.request_view), *super().get_urls()]

    def request_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why somebody needs to edit a record that they only see, and send it."""
        record: Record = self.found(request, object_id)
        back = page_address(record, "change", record.pk)
        if access.allows(person(request), "change", record):
            messages.info(request, "You may edit this record already.")
            return HttpResponseRedirect(back)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                access_requests.request_access(
                    record, actor=person(request), reason=form.cleaned_data["reason"]
                )
            except RecordError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, "Request sent. You will be told when it is decided.")
                return HttpResponseRedirect(back)
        asked = access_requests.asked(record, person(request))
        context = {
            **self.admin_site.each_context(request),
            "title": "Request access",
            "opts": self.opts,
            "original": record,
            "text": f"Your request to edit it goes to {' and '.join(map(str, asked))}."
            if asked
            else "Your request to edit it goes to the super admins.",
            "form": form,
            "button": "Send request",
            "back": back,
        }
        return TemplateResponse(request, "accounts/step.html", context)


def request_pages() -> list[URLPattern]:
    """Return the addresses of the list and of one request."""
    view = admin.site.admin_view
    return [
        path("access-requests/", view(list_page), name="access_requests"),
        path("access-requests/<int:pk>/", view(request_page), name="access_request"),
    ]


def list_page(request: HttpRequest) -> HttpResponse:
    """List what this person may decide, oldest first, and what they asked for, latest first."""
    if not sees_records(request):
        raise PermissionDenied
    user = person(request)
    waiting = access_requests.to_decide(user).select_related("requester")
    own = AccessRequest.objects.filter(requester=user).select_related("decided_by")
    page = Paginator(waiting, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        "title": "Requests for access",
        "page": page,
        "to_decide": _rows(page, user),
        "own": _rows(own.order_by("-id")[: MOST_OWN + 1], user),
        "most": MOST_OWN,
    }
    return TemplateResponse(request, "records/access_requests.html", context)


def _rows(found: Iterable[AccessRequest], user: User) -> list[dict[str, Any]]:
    requests = list(found)
    records = access_requests.records_of(requests, user)
    return [
        {"request": each, "what": records.get(each.pk) or _out_of_reach(each)} for each in requests
    ]


def _out_of_reach(request: AccessRequest) -> str:
    kind = kinds.named(request.object)
    return f"A {kind.noun if kind else 'record'} that you may not see any more"


def request_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one request; whoever may decide it does so here, and its requester takes it back."""
    user = person(request)
    asked = AccessRequest.objects.select_related("requester", "decided_by").filter(pk=pk)
    found = access_requests.seen(user, asked).first()
    if found is None:
        raise Http404
    last_day = timezone.localdate() + timedelta(days=DAYS_OFFERED)
    form = DecisionForm(
        request.POST if request.method == "POST" else None, initial={"last_day": last_day}
    )
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, _step(request, found, form))
        except RecordError as refusal:
            form.add_error(None, str(refusal))
        else:
            return HttpResponseRedirect(reverse("admin:access_requests"))
    record = access_requests.records_of([found], user).get(found.pk)
    is_own = found.requester_id == user.pk
    context = {
        **admin.site.each_context(request),
        "title": "Request for access",
        "asked": found,
        "what": record or _out_of_reach(found),
        "record_url": record and page_address(record, "change", record.pk),
        "is_own": is_own,
        "end": {"share": found, "last_day": found.until and days.last_day_before(found.until)},
        "form": form,
        "media": form.media,
    }
    if record and found.is_waiting and not is_own and sharing.may_share(user, record):
        context |= {"decides": True, **_what_helps(found.requester, record, user)}
    return TemplateResponse(request, "records/access_request.html", context)


def _step(request: HttpRequest, asked: AccessRequest, form: DecisionForm) -> str:
    """Do the step whose button was pressed; return what to say."""
    user, step = person(request), request.POST.get("step")
    note = form.cleaned_data["note"]
    if step == "withdraw":
        access_requests.withdraw(asked, actor=user)
        return "Your request is withdrawn."
    if step == "decline":
        access_requests.decline(asked, actor=user, note=note)
        return f"Declined. {asked.requester} reads your note."
    if step == "grant":
        access_requests.grant(asked, actor=user, until=form.until, note=note)
        return f"{asked.requester} may edit it now."
    raise Http404


def _what_helps(requester: User, record: Record, user: User) -> dict[str, Any]:
    """Tell whether a share is enough, and for a super admin what is, where it is not."""
    answer: Explanation = access.explain(requester, "change", record)
    if answer.allowed:
        return {"has_it": True}
    denying = {each.code for each in answer.findings if each.holds and not each.allows}
    if not denying - {"unseen"}:
        return {"share_helps": True}
    return {
        "reasons": sentences_of(answer, requester, "change", record, str(requester)),
        "way_out": way_out(requester, "change", record, answer) if user.is_superuser else "",
    }
