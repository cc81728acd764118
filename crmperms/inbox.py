"""The notifications: what waits for a person's decision, and then what they were told.

One row for each request, as it stands now, however often somebody was told of it. Opening a row
marks it as read; looking changes nothing. What the person may not read any more is as absent as if
it had never been told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext

from accounts import notices, to_decide
from accounts.keys import whole_number
from accounts.modeladmin import user_of
from accounts.models import Notice, User
from accounts.to_decide import Key, RequestRow
from crmperms import badges

PER_PAGE = 25
# Where a step may lead back to; never an address that was posted.
BACK = {"dashboard": "admin:index"}
OURS = ("same-origin", "none")
"""Who may mark as read by a link: our own pages, and whoever typed the address."""


def inbox_urls() -> list[URLPattern]:
    """Return the inbox's own addresses, for the site to guard by its log-in."""
    view = admin.site.admin_view
    return [
        path("inbox/", view(inbox), name="inbox"),
        path("inbox/read/", view(read_all), name="inbox_read_all"),
        path("inbox/<int:pk>/read/", view(read_one), name="inbox_read"),
        path("inbox/<int:pk>/open/", view(open_one), name="inbox_open"),
        path("inbox/<slug:kind>/<int:pk>/open/", view(open_request), name="inbox_open_request"),
    ]


@dataclass(frozen=True, slots=True)
class Item:
    """One row: a request, something that was told, or both."""

    key: Key | None
    row: RequestRow | None
    notice: Notice | None

    @property
    def is_new(self) -> bool:
        return self.notice is not None and self.notice.read_at is None

    @property
    def has_steps(self) -> bool:
        """Whether the person decides here."""
        return self.row is not None and bool(self.row.steps)

    @property
    def title(self) -> str:
        """Who asks for what, or what was told last where that says it better."""
        if self.row is not None and self.row.title:
            return self.row.title
        return self.notice.text if self.notice else ""

    @property
    def url(self) -> str:
        """Where the row leads: by way of marking it as read, while it is new."""
        if self.is_new and self.key is not None:
            return reverse("admin:inbox_open_request", args=self.key)
        if self.is_new and self.notice is not None and self.notice.link:
            return reverse("admin:inbox_open", args=[self.notice.pk])
        if self.row is not None:
            return self.row.url
        return self.notice.link if self.notice else ""


class Everything(Sequence[Key | Notice]):
    """What waits for this person, and after it what they were told, for a paginator."""

    def __init__(self, waiting: Sequence[Key], told: QuerySet[Notice]) -> None:
        self._waiting = waiting
        self._told = told
        self._count: int | None = None

    def __len__(self) -> int:
        if self._count is None:
            self._count = self._told.order_by().count()
        return len(self._waiting) + self._count

    def __getitem__(self, place: Any) -> Any:
        start, stop, _ = place.indices(len(self))
        before = len(self._waiting)
        found: list[Key | Notice] = list(self._waiting[start:stop])
        if stop > before:
            found += self._told[max(start - before, 0) : stop - before]
        return found


def inbox(request: HttpRequest) -> HttpResponse:
    """Show what waits for this person and what they were told, the newest first.

    With `?decide=1` only what waits, with `?unread=1` only what is new.
    """
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET"])
    user, waiting = user_of(request), badges.waiting(request)
    only_waiting = request.GET.get("decide") == "1"
    only_unread = not only_waiting and request.GET.get("unread") == "1"
    if only_waiting:
        found: Sequence[Any] = waiting
    elif only_unread:
        found = Everything([], notices.unread(user))
    else:
        found = Everything(waiting, besides(notices.inbox(user), waiting))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    items = items_of(user, page.object_list, waiting)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Notifications"),
        "page": page,
        "parts": [
            (gettext("To decide"), [each for each in items if each.has_steps]),
            ("", [each for each in items if not each.has_steps]),
        ],
        "only_waiting": only_waiting,
        "only_unread": only_unread,
        "narrowed": "decide=1&" if only_waiting else "unread=1&" if only_unread else "",
        "unread": badges.unread(request),
        "waiting": badges.in_words(len(waiting)),
        "is_empty": not items,
        # Steps on a row lead back to where it stood.
        "here": request.GET.urlencode(),
    }
    return TemplateResponse(request, "crmperms/inbox.html", context)


def items_of(user: User, found: Iterable[Key | Notice], waiting: Sequence[Key] = ()) -> list[Item]:
    """Return rows for requests by their keys, and for notices; a fixed number of statements.

    A request that the person may not read of any more has no row.
    """
    rows = list(found)
    keys = [each for each in rows if isinstance(each, Key)]
    told = notices.last_told(user, keys) if keys else {}
    about = {_about(each) for each in rows if isinstance(each, Notice) and each.about}
    drawn = to_decide.rows_of(user, [*keys, *about], waiting)
    items = []
    for each in rows:
        if isinstance(each, Key):
            items.append(Item(each, drawn.get(each), told.get(each)))
        elif each.about:
            items.append(Item(_about(each), drawn.get(_about(each)), each))
        else:
            items.append(Item(None, None, each))
    return [each for each in items if each.key is None or each.row is not None]


def _about(notice: Notice) -> Key:
    assert notice.about_id is not None
    return Key(notice.about, notice.about_id)


def besides(told: QuerySet[Notice], keys: Sequence[Key]) -> QuerySet[Notice]:
    """Leave out what was told of these requests, which have a row of their own."""
    return told.exclude(to_decide.among(keys)) if keys else told


def read_all(request: HttpRequest) -> HttpResponse:
    """Mark everything as read, when the person says so."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notices.read_notices(actor=user_of(request))
    return HttpResponseRedirect(reverse(BACK.get(request.POST.get("back", ""), "admin:inbox")))


def read_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one row as read, and go back to the page it stood on."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    notices.read_notice(_own(request, pk), actor=user_of(request))
    query = request.GET.urlencode()
    return HttpResponseRedirect(reverse("admin:inbox") + (f"?{query}" if query else ""))


def open_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one notice as read, and go to what it is about."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET"])
    notice = _own(request, pk)
    if _opens(request):
        notices.read_notice(notice, actor=user_of(request))
    return HttpResponseRedirect(notice.link or reverse("admin:inbox"))


def open_request(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Mark what was told of one request as read, and go to the request."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET"])
    # What no database can count is the key of no request.
    user, key = user_of(request), Key(kind, whole_number(str(pk)))
    row = to_decide.rows_of(user, [key]).get(key)
    if row is None:
        raise Http404
    if _opens(request):
        notices.read_about(key, actor=user)
    return HttpResponseRedirect(row.url)


def _opens(request: HttpRequest) -> bool:
    """Tell whether somebody opens it here: no other site, and no browser that looks ahead."""
    if request.method != "GET" or "Sec-Purpose" in request.headers:
        return False
    return request.headers.get("Sec-Fetch-Site", OURS[0]) in OURS


def _own(request: HttpRequest, pk: int) -> Notice:
    """Return one row of this person's; somebody else's is as absent as one that never was."""
    return get_object_or_404(notices.inbox(user_of(request)), pk=pk)
