"""Screens of requests for access: asking on a record, the list, and deciding about one (B15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import access
from accounts.access import Explanation
from accounts.modeladmin import AccessModelAdmin, page_address, row_pages, user_of
from accounts.models import User
from accounts.words import counted, listed
from records import kinds
from records.models import AccessRequest, Property, Record
from records.models.properties import field_access
from records.operations import access_requests, exceptions
from records.reasons import sentences_of, stage_sentence
from records.refusals import NotFound, RecordError
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
    """For how long to let the requester edit, and a word to them; for what has an end."""

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
        user, back = user_of(request), page_address(record, "change", record.pk)
        if access.allows(user, "change", record):
            messages.info(request, gettext("You may edit this record already."))
            return HttpResponseRedirect(back)

        def send(reason: str) -> None:
            access_requests.request_access(record, actor=user, reason=reason)

        return _ask(
            request,
            send,
            subject=record,
            text=_goes_to(access_requests.asked(record, user), record),
            back=back,
            opts=self.opts,
        )

    def only_read(self, request: HttpRequest, record: Record) -> list[tuple[str, str]]:
        """Return (label, where to ask for it) of the fields that this person reads alone."""
        fixed = self.fixed_fields(request)
        kind = kinds.of(self.model)
        return [
            (field.label, reverse("admin:request_field", args=[kind.key, field.name]))
            for field in kind.fields
            if field.name in fixed
        ]


def _ask(
    request: HttpRequest,
    send: Callable[[str], object],
    *,
    subject: object,
    text: str,
    back: str,
    opts: Any,
) -> HttpResponse:
    """Ask what something is needed for, and send the request; `opts` of the kind of record."""
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            send(form.cleaned_data["reason"])
        except NotFound:
            raise Http404 from None
        except RecordError as refusal:
            form.add_error(None, str(refusal))
        else:
            said = gettext("Request sent. You will be told when it is decided.")
            messages.success(request, said)
            return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Request access"),
        "opts": opts,
        "original": subject,
        "text": text,
        "form": form,
        "button": gettext("Send request"),
        "back": back,
    }
    return TemplateResponse(request, "accounts/step.html", context)


def _goes_to(people: list[User], record: Record) -> str:
    """Return whom a request goes to; owners stand on the record, and of others no name is told.

    That somebody else may share it would tell who is in which team (L92).
    """
    if people and {each.pk for each in people} <= {
        getattr(record, f"{name}_id") for name in record.owner_fields
    }:
        said = gettext("Your request to edit it goes to %(people)s.")
        return said % {"people": listed(people)}
    return gettext(
        "Your request to edit it goes to whoever is nearest to it and may let you, or else to the "
        "super admins."
    )


def field_view(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """Ask why somebody needs to edit a field that they only read; hidden and absent are one."""
    user = user_of(request)
    kind, field = (
        access_requests.viewed_kind(user, key),
        access_requests.read_field(user, key, name),
    )
    if kind is None or field is None:
        raise Http404
    back = page_address(kind.model, "changelist")
    if name not in field_access(user, kind.model).fixed:
        messages.info(request, gettext("You may edit this field already."))
        return HttpResponseRedirect(back)
    return _ask(
        request,
        lambda reason: access_requests.request_field(
            actor=user, object=key, name=name, reason=reason
        ),
        subject=capfirst(field.label),
        text=gettext(
            "You may read this field and not edit it. Your request to edit it, in the %(kinds)s "
            "that you may edit, goes to the super admins."
        )
        % {"kinds": kind.nouns},
        back=back,
        opts=kind.model._meta,
    )


def export_view(request: HttpRequest, key: str) -> HttpResponse:
    """Ask why somebody needs to export, who may not."""
    user = user_of(request)
    kind = access_requests.viewed_kind(user, key)
    if kind is None:
        raise Http404
    back = page_address(kind.model, "changelist")
    if access.allows_any(user, access.EXPORT, kind.model):
        messages.info(request, gettext("You may export these records already."))
        return HttpResponseRedirect(back)
    return _ask(
        request,
        lambda reason: access_requests.request_export(actor=user, object=key, reason=reason),
        subject=gettext("Export %(kinds)s") % {"kinds": kind.nouns},
        text=gettext(
            "Your permission set does not let you export. Your request goes to whoever may give "
            "you the permission. With it, each export still needs the approval that anybody’s "
            "would need."
        ),
        back=back,
        opts=kind.model._meta,
    )


def request_pages() -> list[URLPattern]:
    """Return the addresses of the list, of one request, and of asking where there is no record."""
    view = admin.site.admin_view
    return [
        path("access-requests/", view(list_page), name="access_requests"),
        path("access-requests/export/<str:key>/", view(export_view), name="request_export"),
        path("access-requests/field/<str:key>/<str:name>/", view(field_view), name="request_field"),
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
            "what": records.get(each.pk) or what_of(each, user),
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


def what_of(request: AccessRequest, user: User) -> str:
    """Return what a request is about, as far as this reader sees it; of a record, that it is one.

    A record in reach says its own name (`access_requests.records_of`).
    """
    kind = kinds.named(request.object)
    parts = {"kind": kind.noun, "kinds": kind.nouns} if kind else {}
    if request.about == AccessRequest.About.EXPORT and kind:
        return gettext("Export %(kinds)s") % parts
    if request.about == AccessRequest.About.FIELD:
        field = access_requests.read_field(user, request.object, request.field)
        if field is None or kind is None:
            return gettext("A field that you may not see any more")
        return f"{capfirst(kind.nouns)} · {capfirst(field.label)}"
    if kind is None:
        return gettext("A record that you may not see any more")
    return gettext("A %(kind)s that you may not see any more") % parts


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
        "what": _linked(record) if record else what_of(found, user),
        "is_own": is_own,
        "status": _became(found, with_moment=True),
        "end": end_of(found.until) if found.status == AccessRequest.Status.GRANTED else "",
        "form": form,
        "media": form.media,
    }
    if found.is_waiting and not is_own and access_requests.may_decide(user, found):
        helps = _what_helps(found, record, user) if record else _where_it_is_given(found)
        context |= {"decides": True, **helps}
        if helps.get("stage"):
            form.fields["last_day"].help_text = gettext(
                "Needed: an exception ends with this day, and lasts %(count)s days at most."
            ) % {"count": counted(exceptions.MOST_DAYS)}
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
        if asked.about == AccessRequest.About.RECORD:
            return gettext("%(name)s may edit it now.") % {"name": asked.requester}
        return gettext("%(name)s is told so.") % {"name": asked.requester}
    raise Http404


def _what_helps(asked: AccessRequest, record: Record, user: User) -> dict[str, Any]:
    """Tell whether a share is enough, or an exception, and for a super admin what is, if not."""
    requester = asked.requester
    answer: Explanation = access.explain(requester, "change", record)
    if answer.allowed:
        return {"has_it": True}
    denying = {each.code for each in answer.findings if each.holds and not each.allows}
    excepts = "stage" in denying and exceptions.may_except(user)
    if not denying - {"unseen"} - ({"stage"} if excepts else set()):
        return {"share_helps": True, "stage": stage_sentence(record) if excepts else ""}
    return {
        "reasons": sentences_of(answer, requester, "change", record, str(requester)),
        "way_out": way_out(requester, "change", record, answer) if user.is_superuser else "",
    }


def _where_it_is_given(asked: AccessRequest) -> dict[str, Any]:
    """Tell whether the requester may do it by now, and else where that is decided."""
    where, name = reverse("admin:edit_permissions"), gettext("Edit their permissions")
    where = f"{where}?person={asked.requester_id}"
    if asked.about == AccessRequest.About.FIELD:
        name = gettext("Change who may edit the field")
        rule = Property.objects.filter(object=asked.object, name=asked.field).first()
        where = page_address(Property, "change", rule.pk) if rule else page_address(Property, "add")
    has_it = access_requests.has_it_now(asked)
    return {"is_given_elsewhere": True, "done": has_it, "where": where, "where_name": name}
