"""How much may be sent, and how long that may take: asked before anything is read (B7)."""

from __future__ import annotations

import io
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from threading import BoundedSemaphore, Timer
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from crmperms.faults import busy, fault

Environ = dict[str, Any]
"""Any, as the protocol has it: texts, numbers and streams."""
Application = Callable[[Environ, Any], Iterable[bytes]]

SECONDS = 15
"""How long a body may take to arrive; behind a proxy that collects it first, no time at all."""
SMALL = 32 * 1024
"""What a form has at most, which our web server hands over when it has arrived."""
READERS = 2
"""How many threads of a process may wait for anything larger, or for what comes in pieces."""
BUSY = "crmperms.too_many_bodies"

_places = BoundedSemaphore(READERS)

logger = logging.getLogger(__name__)


def whole_bodies(answer: Application) -> Application:
    """Return an application whose requests have arrived: in memory, of a known length, in time.

    What announces too much is left unread and answered by `BodyMiddleware`. A body in pieces
    announces nothing; of it no more is read than may be.
    """

    def read_first(environ: Environ, start_response: Any) -> Iterable[bytes]:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        length = _announced(environ)
        if length is None or 0 < length <= most:
            place = nullcontext(True) if _has_arrived(environ, length) else _place()
            with place as is_free:
                if is_free:
                    body = _read(environ, most + 1 if length is None else length)
                    environ["wsgi.input"] = io.BytesIO(body)
                    environ["CONTENT_LENGTH"] = str(len(body) if length is None else length)
                else:
                    environ[BUSY] = True
                    _close_for_reading(environ.get("gunicorn.socket"))
        return answer(environ, start_response)

    return read_first


def _announced(environ: Environ) -> int | None:
    """Return how long the body says it is; None where it comes in pieces."""
    if environ.get("CONTENT_LENGTH"):
        return int(environ["CONTENT_LENGTH"])
    return None if environ.get("HTTP_TRANSFER_ENCODING") else 0


def _has_arrived(environ: Environ, length: int | None) -> bool:
    """Tell whether the web server had all of the body before it called us; see webserver.py."""
    return length is not None and length <= SMALL and "HTTP_EXPECT" not in environ


@contextmanager
def _place() -> Iterator[bool]:
    """Take one of the places for those who wait, or tell within a second that there is none."""
    is_free = _places.acquire(timeout=1)
    try:
        yield is_free
    finally:
        if is_free:
            _places.release()


def _read(environ: Environ, size: int) -> bytes:
    """Read no longer than SECONDS: then the line is closed for reading, and what came is all."""
    line: socket.socket | None = environ.get("gunicorn.socket")
    timer = Timer(SECONDS, _close_for_reading, [line])
    if line is not None:
        timer.start()
    try:
        body: bytes = environ["wsgi.input"].read(size)
    finally:
        timer.cancel()
    return body


def _close_for_reading(line: socket.socket | None) -> None:
    try:
        if line is not None:
            line.shutdown(socket.SHUT_RD)
    except OSError:
        pass  # gone by itself


class BodyMiddleware:
    """Answers in words what is too much or did not arrive whole, before anything looks into it.

    A server hands on a form that was cut off on its way as if it ended there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if BUSY in request.META:
            return busy(request)
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
        try:
            is_whole = not announced or len(request.body) == announced
        except RequestDataTooBig:
            return self._refuse(request, 413, f"{announced} bytes or more were sent")
        except OSError:  # the line broke
            is_whole = False
        if not is_whole:
            return self._refuse(request, 400, f"less came than the {announced} bytes announced")
        return self.get_response(request)

    def _refuse(self, request: HttpRequest, status: int, why: str) -> HttpResponse:
        logger.warning("A body was refused: %s: %s", why, request.path, extra={"request": request})
        return fault(request, status, "413.html" if status == 413 else "400_cut_off.html")
