"""What every request carries: where it came from, for the log; and nobody may keep its answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.audit import origin

Answer = Callable[[HttpRequest], HttpResponse]


class OriginMiddleware:
    """Tell the audit log the address a request came from, for as long as it lasts."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = origin.set(request.META.get("REMOTE_ADDR") or None)
        try:
            return self.get_response(request)
        finally:
            origin.reset(token)


class NoStoreMiddleware:
    """No answer to a logged-in person is kept by a browser or a proxy (leaks.md L95)."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated:
            response["Cache-Control"] = "private, no-store"
        return response
