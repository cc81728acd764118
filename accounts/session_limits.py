"""When a log-in ends by itself: so long after its last use, and so long after it began."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext, ngettext

from accounts import audit, late_forms

BEGUN, USED = "begun_at", "used_at"
"""In the session, in seconds since 1970."""
BROWSER, ADDRESS = "browser", "address"
"""In the session, where it began, as the log has it."""
WRITTEN_EVERY = timedelta(minutes=5)
"""How often use is written down at most: a page that is only read writes nothing else."""

IDLE, LONG, GONE, OUT = "idle", "long", "gone", "out"


def begin(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Note in a new session when and where it began. A receiver, so that no log-in forgets it."""
    request.session[BEGUN] = request.session[USED] = time.time()
    request.session[BROWSER], request.session[ADDRESS] = audit.agent.get(), audit.origin.get() or ""


def in_words(ended: str) -> str:
    """Return why a session ended, as people read it; empty for anything else."""
    if ended == IDLE:
        return gettext("You did nothing here for %(time)s, so you were logged out.") % {
            "time": _long(settings.SESSION_IDLE)
        }
    if ended == LONG:
        return gettext("A log-in lasts %(time)s at most, and yours is over.") % {
            "time": _long(settings.SESSION_LONGEST)
        }
    if ended == GONE:
        return gettext("Your log-in was ended while this page was made.")
    if ended == OUT:
        return gettext(
            "You are not logged in any more: somebody logged out here, or changed your password."
        )
    return ""


def _long(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes % 60:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    hours = minutes // 60
    return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}


class SessionLimitsMiddleware:
    """End a session that was not used for long, or began long ago, before anybody is logged in.

    Its place is between the middleware that can tell who is logged in and whatever asks it. It
    reads the session that is read anyway, and writes to it every few minutes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        ended = ""
        if SESSION_KEY in request.session:
            ended = _ended(request) or _write_use(request)
        if ended:
            user_id = int(request.session[SESSION_KEY])
            request.session.flush()
            if request.method in ("GET", "HEAD") and not _is_public(request):
                return HttpResponseRedirect(_log_in_address(request.get_full_path(), ended))
            request.__dict__["_log_in_over"] = (ended, user_id)
        response = self.get_response(request)
        late_forms.remember_owner(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *rest: Any
    ) -> HttpResponse | None:
        """Keep what was typed into a form whose log-in is over.

        Here, since the form's token is checked by now: what another site made somebody send is
        not what they typed, and is kept for nobody.
        """
        is_private = getattr(view, "login_required", True)
        if request.method != "POST" or not is_private or request.user.is_authenticated:
            return None
        if request.path == reverse("admin:logout"):
            return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))
        over = (OUT, late_forms.owner(request))
        ended, user_id = request.__dict__.get("_log_in_over", over)
        return _log_in_again(request, ended, user_id) if user_id else None


def _ended(request: HttpRequest) -> str:
    now = time.time()
    if now - request.session.get(BEGUN, 0) >= settings.SESSION_LONGEST.total_seconds():
        return LONG
    if now - request.session.get(USED, 0) >= settings.SESSION_IDLE.total_seconds():
        return IDLE
    return ""


def _write_use(request: HttpRequest) -> str:
    """Write down that the session is used; tell if it was ended meanwhile, by logging out.

    At once and by itself: what others write into the session meanwhile would be lost by a copy
    that is written back at the end of a long request. A page that follows by itself what is under
    way is no use.
    """
    session = request.session
    every = min(WRITTEN_EVERY, settings.SESSION_IDLE / 4).total_seconds()
    if time.time() - session[USED] < every or "X-Follows" in request.headers:
        return ""
    session[USED] = time.time()
    try:
        session.save()
    except UpdateError:
        # So says Django where the database is busy too: then the next page writes it down.
        if not session.exists(session.session_key or ""):
            return GONE
    session.modified = False
    return ""


def _is_public(request: HttpRequest) -> bool:
    """Tell whether an address is there for whoever is not logged in, as the log-in page is."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return not getattr(view, "login_required", True)


def _log_in_address(back: str, ended: str) -> str:
    """Return the address of the log-in page that says why, and leads back from there."""
    query = urlencode({"next": back, "ended": ended}, safe="/")
    return f"{resolve_url(settings.LOGIN_URL)}?{query}"


def _log_in_again(request: HttpRequest, ended: str, user_id: int) -> HttpResponse:
    """Answer a form that came too late with the log-in page, which holds what was typed."""
    address = _log_in_address(_page_before(request), ended)
    log_in_form = admin.site.login_form
    assert log_in_form is not None  # of our own site
    context = {
        **admin.site.each_context(request),
        "title": gettext("Log in again"),
        "app_path": address,
        "form": log_in_form(request),
        "why": in_words(ended),
        "is_late": True,
        "late_form": (kept := late_forms.pack(request, user_id)),
        "typed": [] if kept else late_forms.typed(late_forms.sent(request)),
    }
    answer = render(request, "admin/login.html", context, status=403)
    answer["Cache-Control"] = "private, no-store"
    return answer


def _page_before(request: HttpRequest) -> str:
    """Return the page whose form was sent, as far as the browser tells it; else the dashboard."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return resolve_url(settings.LOGIN_REDIRECT_URL)
    parts = urlsplit(page)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
