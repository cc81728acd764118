"""When a log-in ends by itself: so long after its last use, and so long after it began."""

from __future__ import annotations

import re
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
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme

BEGUN, USED = "begun_at", "used_at"
"""In the session, in seconds since 1970."""
WRITTEN_EVERY = timedelta(minutes=5)
"""How often use is written down at most: a page that is only read writes nothing else."""

_NOT_TYPED = re.compile(r"^(_|csrf|initial-|as_opened$|record_version$)|_FORMS$|password")
"""What a form sends that nobody typed, or that nobody may read over a shoulder."""

IDLE, LONG, GONE = "idle", "long", "gone"


def begin(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Note in a new session when it began. A receiver, so that no way to log in forgets it."""
    request.session[BEGUN] = request.session[USED] = time.time()


def in_words(ended: str) -> str:
    """Return why a session ended, as people read it; empty for anything else."""
    if ended == IDLE:
        return f"You did nothing here for {_long(settings.SESSION_IDLE)}, so you were logged out."
    if ended == LONG:
        return f"A log-in lasts {_long(settings.SESSION_LONGEST)} at most, and yours is over."
    if ended == GONE:
        return "Your log-in was ended while this page was made."
    return ""


def _long(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    number, unit = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


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
            request.session.flush()
            if not _is_public(request):
                return _say_why(request, ended)
        return self.get_response(request)


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


def _say_why(request: HttpRequest, ended: str) -> HttpResponse:
    """Lead to the log-in page and from there back; show once more what somebody had typed."""
    is_reading = request.method in ("GET", "HEAD")
    back = request.get_full_path() if is_reading else _page_before(request)
    query = urlencode({"next": back, "ended": ended}, safe="/")
    address = f"{resolve_url(settings.LOGIN_URL)}?{query}"
    if is_reading:
        return HttpResponseRedirect(address)
    typed = [
        (name.replace("_", " ").capitalize(), value)
        for name, values in request.POST.lists()
        for value in values
        if value and not _NOT_TYPED.search(name)
    ]
    context = {
        **admin.site.each_context(request),
        "title": "Log in again",
        "why": in_words(ended),
        "address": address,
        "typed": typed,
    }
    return render(request, "accounts/session_ended.html", context, status=403)


def _page_before(request: HttpRequest) -> str:
    """Return the page whose form was sent, as far as the browser tells it; else the dashboard."""
    page = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return resolve_url(settings.LOGIN_REDIRECT_URL)
    parts = urlsplit(page)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
