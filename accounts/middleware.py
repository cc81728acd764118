"""What every request carries: where it came from, for the log; and nobody may keep its answer.

It is answered in the language of whoever asks. And its answer is never older than the right it was
given by (B5).
"""

from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from accounts import access, languages
from accounts.audit import agent, origin, written
from accounts.models import User

Answer = Callable[[HttpRequest], HttpResponse]


LONGEST_AGENT = 300
METHODS = ("GET", "HEAD", "POST")


class MethodMiddleware:
    """No page is run by a method that browsers do not use: most would answer any like a GET."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return self.get_response(request)


class LanguageMiddleware:
    """Speak the language that the browser asks for, until it is known who asks.

    Outermost of whatever says something, since it undoes what was chosen for one person before the
    thread answers the next one.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        languages.keep_texts()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        asked_for = languages.asked_for(request.headers.get("Accept-Language", ""))
        here = timezone.get_current_timezone()
        with translation.override(asked_for), timezone.override(here):
            response = self.get_response(request)
            # A file is for everybody, whatever they speak.
            if not response.streaming:
                response.headers.setdefault("Content-Language", translation.get_language())
                patch_vary_headers(response, ["Accept-Language"])
        return response


class OwnSettingsMiddleware:
    """Speak the language, and tell times in the zone, that the person chose who is logged in.

    Who that is has been asked before, and is kept: this costs no query.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            languages.activate(request.user)
        return self.get_response(request)


class OriginMiddleware:
    """Tell where a request came from, its address and browser, for as long as it lasts."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        came_from = origin.set(_address(request))
        came_by = agent.set(_named(request.META.get("HTTP_USER_AGENT", "")))
        wrote = written.set(0)
        try:
            return self.get_response(request)
        finally:
            written.reset(wrote)
            origin.reset(came_from)
            agent.reset(came_by)


def _address(request: HttpRequest) -> str | None:
    """Return where a request came from: its sender, or whoever our own proxies say it was.

    Each proxy adds the address it was called from on the right; what stands further to the left
    was written by whoever called the first of ours, and may be anything (Q16).
    """
    sender = request.META.get("REMOTE_ADDR") or None
    if not settings.PROXIES:
        return sender
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    try:
        # A link-local address may name an interface of the proxy's, which no database takes.
        return str(ip_address(forwarded[-settings.PROXIES].strip().partition("%")[0]))
    except (IndexError, ValueError):
        return sender


def _named(text: str) -> str:
    """Return how a browser names itself, without what would disturb a log that shows it."""
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_AGENT]


class PageGZipMiddleware(GZipMiddleware):
    """Compress pages, and leave files as they are: whole, and with the length they announce.

    A file that is compressed on its way loses its length, and with it the sign of having been
    broken off half-way.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        return response if response.streaming else super().process_response(request, response)


class NoStoreMiddleware:
    """No answer to a logged-in person is kept by a browser or a proxy (L95)."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Who asked is in the database, which may be what failed.
        if response.status_code >= 500 or request.user.is_authenticated:
            response["Cache-Control"] = "private, no-store"
        return response


class CurrentRightsMiddleware:
    """Answer with the rights of the end of the request: who lost one meanwhile reads nothing new.

    A request loads the person's rights first and reads records later. A right taken and a record
    changed in between would show the new record by the old right, so the rights are compared once
    more when the answer is there. Reading is done anew with the rights of now; what a POST did
    stays done, but its page is not shown. Innermost, so that only the view runs again.
    """

    TRIES = 3

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        came_in = dict(vars(request))
        for _ in range(self.TRIES):
            response = self.get_response(request)
            if self._is_current(request, response):
                return response
            if request.method not in ("GET", "HEAD"):
                break
            # Loaded by key and not from the session: an ended one is refused by its next request.
            now = User.objects.get(pk=str(request.user.pk))
            # As it came in: what a view remembers on the request, it knows by the old rights.
            vars(request).clear()
            vars(request).update(came_in)
            request.user = now
        # Without the request: what is drawn from it goes by rights.
        page = render_to_string("409.html", {"address": request.path})
        return HttpResponse(page, status=409)

    def _is_current(self, request: HttpRequest, response: HttpResponse) -> bool:
        shows_nothing = response.streaming or response.status_code >= 300
        user = request.user
        # A page that asked for no right shows nothing that depends on one.
        if shows_nothing or not user.is_authenticated or not user.grants_are_loaded:
            return True
        return access.still_holds(user)
