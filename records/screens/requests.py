"""Screens of requests for access: asking on a record, the list, and deciding about one (B15)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import access
from accounts.access import Explanation
from accounts.modeladmin import AccessModelAdmin, page_address, row_pages, user_of
from accounts.models import User
from accounts.words import listed
from records import kinds
from records.models import AccessRequest, Record
from records.operations import access_requests, sharing
from records.reasons import sentences_of
from records.refusals import RecordError
from records.screens.share_words import end_of
from records.screens.shares import EndForm, sees_records
from records.why import way_out

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

DAYS_OFFERED = 7
PER_PAGE, MOST_OWN = 25, 50


def _text(
    label: StrOrPromise, help_text: StrOrPromise, *, required: bool = False
) -> forms.CharField:
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

    reason = _text(
        gettext_lazy("What do you need it for?"),
        gettext_lazy("Whoever decides reads it."),
        required=True,
    )


class DecisionForm(EndForm):
    """For how long to let the requester edit, and a word to them."""

    note = _text(
        gettext_lazy("Note"),
        gettext_lazy("The requester reads it. Needed to decline: say why, or whom to ask."),
    )


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
        if access.allows(user_of(request), "change", record):
            messages.info(request, gettext("You may edit this record already."))
            return HttpResponseRedirect(back)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                access_requests.request_access(
                    record, actor=user_of(request), reason=form.cleaned_data["reason"]
                )
            except RecordError as refusal:
                form.add_error(None, str(refusal))
            else:
                said = gettext("Request sent. You will be told when it is decided.")
                messages.success(request, said)
                return HttpResponseRedirect(back)
        asked = access_requests.asked(record, user_of(request))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Request access"),
            "opts": self.opts,
            "original": record,
            "text": gettext("Your request to edit it goes to %(people)s.")
            % {"people": listed(asked)}
            if asked
            else gettext("Your request to edit it goes to the super admins."),
            "form": form,
            "button": gettext("Send request"),
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
    user = user_of(request)
    waiting = access_requests.to_decide(user).select_related("requester")
    own = AccessRequest.objects.filter(requester=user).select_related("decided_by")
    page = Paginator(waiting, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **admin.site.each_context(request),
        "title": gettext("Requests for access"),
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
        {
            "request": each,
            "what": records.get(each.pk) or _out_of_reach(each),
            "status": _became(each),
        }
        for each in requests
    ]


def _became(request: AccessRequest, *, with_moment: bool = False) -> str:
    """Return what became of a request, by whom, and on its own page when."""
    if request.decided_by is None or request.decided_at is None:
        return request.get_status_display()
    by_whom, and_when = _DECIDED[AccessRequest.Status(request.status)]
    moment = date_format(timezone.localtime(request.decided_at), "DATETIME_FORMAT")
    parts = {"name": request.decided_by, "moment": moment}
    return str(and_when if with_moment else by_whom) % parts


_DECIDED = {
    AccessRequest.Status.GRANTED: (
        gettext_lazy("Granted by %(name)s"),
        gettext_lazy("Granted by %(name)s on %(moment)s"),
    ),
    AccessRequest.Status.DECLINED: (
        gettext_lazy("Declined by %(name)s"),
        gettext_lazy("Declined by %(name)s on %(moment)s"),
    ),
}


def _out_of_reach(request: AccessRequest) -> str:
    kind = kinds.named(request.object)
    if kind is None:
        return gettext("A record that you may not see any more")
    return gettext("A %(kind)s that you may not see any more") % {"kind": kind.noun}


def request_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one request; whoever may decide it does so here, and its requester takes it back."""
    user = user_of(request)
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
        "title": gettext("Request for access"),
        "asked": found,
        "what": _linked(record) if record else _out_of_reach(found),
        "is_own": is_own,
        "status": _became(found, with_moment=True),
        "end": end_of(found.until) if found.status == AccessRequest.Status.GRANTED else "",
        "form": form,
        "media": form.media,
    }
    if record and found.is_waiting and not is_own and sharing.may_share(user, record):
        context |= {"decides": True, **_what_helps(found.requester, record, user)}
    return TemplateResponse(request, "records/access_request.html", context)


def _linked(record: Record) -> SafeString:
    url = page_address(record, "change", record.pk)
    return format_html('<a class="text-link" href="{}">{}</a>', url, record)


def _step(request: HttpRequest, asked: AccessRequest, form: DecisionForm) -> str:
    """Do the step whose button was pressed; return what to say."""
    user, step = user_of(request), request.POST.get("step")
    note = form.cleaned_data["note"]
    if step == "withdraw":
        access_requests.withdraw(asked, actor=user)
        return gettext("Your request is withdrawn.")
    if step == "decline":
        access_requests.decline(asked, actor=user, note=note)
        return gettext("Declined. %(name)s reads your note.") % {"name": asked.requester}
    if step == "grant":
        access_requests.grant(asked, actor=user, until=form.until, note=note)
        return gettext("%(name)s may edit it now.") % {"name": asked.requester}
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
