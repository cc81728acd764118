"""Screens of requests for access: the list, and deciding about one (B15)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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

from accounts import access
from accounts.access import Explanation
from accounts.marks import mark
from accounts.modeladmin import opened, page_address, user_of
from accounts.models import User
from accounts.notices import read_about
from accounts.to_decide import LIST, Key
from accounts.words import counted
from records import kinds
from records.models import AccessRequest, Property, Record
from records.operations import access_requests, exceptions
from records.reasons import sentences_of, stage_sentence
from records.refusals import RecordError, Stale
from records.screens.asking import asking_pages, few_sentences
from records.screens.share_words import end_of
from records.screens.shares import EndForm, sees_records
from records.why import way_out

if TYPE_CHECKING:
    pass

DAYS_OFFERED = 7
PER_PAGE, MOST_OWN = 25, 50


class DecisionForm(EndForm):
    """For how long to let the requester edit, and a word to them; for what has an end."""

    note = few_sentences(
        gettext_lazy("Note"),
        gettext_lazy("The requester reads it. Needed to decline: say why, or whom to ask."),
    )


def request_pages() -> list[URLPattern]:
    """Return the addresses of the list, of one request, and of asking where there is no record."""
    view = admin.site.admin_view
    return [
        *asking_pages(),
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
    what = what_of_each(requests, user)
    return [{"request": each, "what": what[each.pk], "status": became(each)} for each in requests]


def became(request: AccessRequest, *, with_moment: bool = False) -> str:
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


def what_of_each(requests: Collection[AccessRequest], user: User) -> dict[int, Record | str]:
    """Return, by key, what requests are about: a record in reach, else `what_of` says it.

    Statements: two per kind of record at most, however many requests there are.
    """
    records = access_requests.records_of(requests, user)
    links = access_requests.links_of(
        [each for each in requests if each.requester_id == user.pk and each.pk not in records], user
    )
    return {
        each.pk: records.get(each.pk) or what_of(each, user, links.get(each.pk))
        for each in requests
    }


def what_of(request: AccessRequest, user: User, via: Record | None) -> str:
    """Return what a request is about, as far as this reader sees it; of a record, that it is one.

    `via` is the record whose link the reader asked for, where they may view it: of it the link is
    named. A record in reach says its own name (`access_requests.records_of`).
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
    if via is not None:
        field = access_requests.read_field(user, request.via_object, request.field)
        if field is not None:
            return gettext("%(field)s of %(record)s") % {
                "field": capfirst(field.label),
                "record": via,
            }
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
    # From the notifications one step alone is asked for, and what follows leads back there.
    only = request.GET.get("step", "")
    only = only if only in ("grant", "decline") else ""
    record = access_requests.records_of([found], user).get(found.pk)
    is_own = found.requester_id == user.pk
    shown: dict[str, Any] = {}
    if found.is_waiting and not is_own and access_requests.may_decide(user, found):
        helps = _what_helps(found, record, user) if record else _where_it_is_given(found)
        shown = {"decides": True, **helps}
    as_opened = mark([found.reason, found.status, str(record), shown])
    last_day = timezone.localdate() + timedelta(days=DAYS_OFFERED)
    form = DecisionForm(
        request.POST if request.method == "POST" else None, initial={"last_day": last_day}
    )
    if shown.get("stage"):  # before anything looks at the form, which keeps what it said then
        form.fields["last_day"].help_text = gettext(
            "Needed: an exception ends with this day, and lasts %(count)s days at most."
        ) % {"count": counted(exceptions.MOST_DAYS)}
    if request.method == "POST" and form.is_valid():
        try:
            _require_as_opened(request, as_opened)
            messages.success(request, _step(request, found, form, record))
        except RecordError as refusal:
            form.add_error(None, str(refusal))
        else:
            read_about(Key(access_requests.KIND, found.pk), actor=user)
            return HttpResponseRedirect(reverse(LIST if only else "admin:access_requests"))
    context = {
        **admin.site.each_context(request),
        "title": gettext("Request for access"),
        "asked": found,
        "what": _linked(record) if record else what_of_each([found], user)[found.pk],
        "is_own": is_own,
        "status": became(found, with_moment=True),
        "end": end_of(found.until) if found.status == AccessRequest.Status.GRANTED else "",
        "form": form,
        # What the picker of a day stands on; the screens of models have it already.
        "media": forms.Media(js=["admin/js/core.js"]) + form.media,
        "as_opened": as_opened,
        # What cannot be given here leaves declining alone: then the whole page is shown.
        "only": only if only == "decline" or _can_be_given(shown) else "",
        "back": reverse(LIST) if only else "",
        **shown,
    }
    return TemplateResponse(request, "records/access_request.html", context)


def _can_be_given(shown: dict[str, Any]) -> bool:
    return "reasons" not in shown and shown.get("done", True)


def _require_as_opened(request: HttpRequest, as_opened: str) -> None:
    """Raise where what was decided on is not what the page showed, or nobody says what it was."""
    if opened(request) != as_opened:
        raise Stale(
            gettext(
                "Nothing was decided: this request, or what would grant it, is not as you saw it "
                "any more. Look at it as it is now."
            )
        )


def _linked(record: Record) -> SafeString:
    url = page_address(record, "change", record.pk)
    return format_html('<a class="text-link" href="{}">{}</a>', url, record)


def _step(
    request: HttpRequest, asked: AccessRequest, form: DecisionForm, record: Record | None
) -> str:
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
        parts = {"name": asked.requester, "record": record}
        if asked.about == AccessRequest.About.RECORD:
            return gettext("%(name)s may edit “%(record)s” now.") % parts
        if asked.about == AccessRequest.About.LINKED:
            return gettext("%(name)s may see “%(record)s” now.") % parts
        return gettext("%(name)s is told so.") % {"name": asked.requester}
    raise Http404


def _what_helps(asked: AccessRequest, record: Record, user: User) -> dict[str, Any]:
    """Tell whether a share is enough, or an exception, and for a super admin what is, if not."""
    requester, action = asked.requester, access_requests.action_of(asked)
    answer: Explanation = access.explain(requester, action, record)
    if answer.allowed:
        return {"has_it": True}
    denying = answer.denying_codes
    excepts = "stage" in denying and exceptions.may_except(user)
    if not denying - {"unseen"} - ({"stage"} if excepts else set()):
        reached = "unseen" not in denying and any(f.allows and f.holds for f in answer.findings)
        return {
            "share_helps": True,
            "stage": stage_sentence(record) if excepts else "",
            "shares_too": excepts and not reached,
        }
    return {
        "reasons": sentences_of(answer, requester, action, record, str(requester)),
        "way_out": way_out(requester, action, record, answer) if user.is_superuser else "",
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
