"""The inbox: everything a person was told, with what is new marked; looking changes nothing."""

from __future__ import annotations

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from accounts import notices
from accounts.modeladmin import user_of
from accounts.models import Notice
from crmperms import badges
from crmperms.waiting import waiting_for

PER_PAGE = 25
# Where a step may lead back to; never an address that was posted.
BACK = {"dashboard": "admin:index"}


def inbox_urls() -> list[URLPattern]:
    """Return the inbox's own addresses, for the site to guard by its log-in."""
    view = admin.site.admin_view
    return [
        path("inbox/", view(inbox), name="inbox"),
        path("inbox/read/", view(read_all), name="inbox_read_all"),
        path("inbox/<int:pk>/read/", view(read_one), name="inbox_read"),
        path("inbox/<int:pk>/open/", view(open_one), name="inbox_open"),
    ]


def inbox(request: HttpRequest) -> HttpResponse:
    """Show what this person was told, newest first; with `?unread=1` only what is new."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET"])
    user = user_of(request)
    only_unread = request.GET.get("unread") == "1"
    rows = notices.unread(user) if only_unread else notices.inbox(user)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = notices.readable(user, page.object_list)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Notifications"),
        "page": page,
        "only_unread": only_unread,
        "unread": badges.unread(request),
        # What is to be done stands first, on the first page.
        "waiting": [] if only_unread or page.number > 1 else waiting_for(request),
        # Steps on a row lead back to where it stood.
        "here": request.GET.urlencode(),
    }
    return TemplateResponse(request, "crmperms/inbox.html", context)


def read_all(request: HttpRequest) -> HttpResponse:
    """Mark everything as read, when the person says so."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notices.read_notices(actor=user_of(request))
    return HttpResponseRedirect(reverse(BACK.get(request.POST.get("back", ""), "admin:inbox")))


def read_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one notice as read, and go back to the page it stood on."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notices.read_notice(_own(request, pk), actor=user_of(request))
    query = request.GET.urlencode()
    return HttpResponseRedirect(reverse("admin:inbox") + (f"?{query}" if query else ""))


def open_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one notice as read, and go to what it is about."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notice = _own(request, pk)
    notices.read_notice(notice, actor=user_of(request))
    [notice] = notices.readable(user_of(request), [notice])
    return HttpResponseRedirect(notice.link or reverse("admin:inbox"))


def _own(request: HttpRequest, pk: int) -> Notice:
    """Return one of this person's notices; somebody else's is as absent as one that never was."""
    return get_object_or_404(notices.inbox(user_of(request)), pk=pk)
