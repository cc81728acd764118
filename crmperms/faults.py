"""What people read where the fault is ours, and the reference that the server's log keeps with it.

Refusals (400, 403, 404) carry no reference: they are answers and not faults, and what is hidden and
what does not exist get the same one, to the byte.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import sys

from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

logger = logging.getLogger(__name__)

TRY_AGAIN_AFTER = 10  # seconds
BUSY_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}


def reference(request: HttpRequest) -> str:
    """Return what a person names to whoever reads the log: the same for all of one request."""
    if not hasattr(request, "_reference"):
        request._reference = secrets.token_hex(4)  # type: ignore[attr-defined]  # a memo of this request
    return request._reference  # type: ignore[attr-defined, no-any-return]  # a memo of this request


def fault(request: HttpRequest, status: int, template: str) -> HttpResponse:
    """Return a page that works without the database, with the reference of the request."""
    page = render_to_string(template, {"reference": reference(request)})
    return HttpResponse(page, status=status, headers={"Cache-Control": "no-store"})


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer for an error nobody foresaw: 503 where the database was not to be had, else 500.

    Called by Django while it handles the error, and logged by it afterwards.
    """
    return busy(request) if is_busy(sys.exc_info()[1]) else fault(request, 500, "500.html")


def busy(request: HttpRequest) -> HttpResponse:
    """Answer that the same may be tried again in a moment."""
    answer = fault(request, 503, "503.html")
    answer["Retry-After"] = str(TRY_AGAIN_AFTER)
    return answer


def is_busy(error: BaseException | None) -> bool:
    """Tell whether the database was locked, full or gone, and not asked for nonsense.

    SQLite says "no such table" by the same class as "locked", so its codes decide.
    """
    while error is not None:
        if isinstance(error, (OperationalError, InterfaceError)):
            code = getattr(error.__cause__, "sqlite_errorcode", None)
            if code is not None:
                return code & 0xFF in BUSY_CODES
            return not isinstance(error.__cause__, sqlite3.Error)
        # A transaction that broke on the way names the error it broke by as its cause.
        error = error.__cause__
    return False


class KeptAnswerMiddleware(SessionMiddleware):
    """Sessions, whose loss takes nobody's answer away: what the view did is done by then.

    Django answers 400 for a session that was ended meanwhile, and 500 for one that the database did
    not take. The author of a change that is stored would read that it failed, and make it twice.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except (SessionInterrupted, Error) as error:
            # No traceback: what it would show may hold the session's values.
            logger.warning(
                "What this request left in its session is lost (%s), its message for instance; "
                "its answer was given: %s %s",
                _root_of(error),
                request.method,
                request.path,
                extra={"request": request},
            )
            patch_vary_headers(response, ("Cookie",))
            return response


def _root_of(error: BaseException) -> str:
    """Name the error that began it: Django says of any that the session was deleted."""
    while error.__context__ is not None:
        error = error.__context__
    return type(error).__name__


class ReferenceFilter(logging.Filter):
    """Puts the reference of its request before a line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        named = f"[{reference(request)}] " if isinstance(request, HttpRequest) else ""
        record.reference = named
        return True
