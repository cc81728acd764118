"""Style sheets, scripts and fonts: compressed on their way, and kept by browsers while they last.

They are served from where they lie, by the process that makes the pages: there is no step that
collects or compresses them, which could be forgotten, and no proxy is needed in front. The address
of a file has a mark of its content, so that a browser keeps it for a year and has the new one at
once after an upgrade.
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

MARK = "v"
FOR_A_YEAR = "max-age=31536000, public, immutable"
FOR_A_DAY = "max-age=86400, public"
"""For what style sheets name without a mark: fonts, which an upgrade of the theme may replace."""
SMALLEST = 200
"""Compressed, fewer bytes are no fewer packets."""

_accepts_gzip = re.compile(r"\bgzip\b")
_is_text = re.compile(r"text/|application/(?:javascript|json)|image/svg\+xml")


class MarkedStorage(StaticFilesStorage):
    """Names static files by addresses that change with their content."""

    def url(self, name: str | None) -> str:
        address = super().url(name)
        mark = mark_of(name or "")
        return f"{address}?{MARK}={mark}" if mark else address


def mark_of(name: str) -> str:
    """Return the mark of a file's content; empty where there is no such file."""
    return _mark(name) if settings.DEBUG else _kept_mark(name)


def _mark(name: str) -> str:
    found = finders.find(name)
    if not isinstance(found, str) or not Path(found).is_file():
        return ""
    return sha256(Path(found).read_bytes()).hexdigest()[:12]


_kept_mark = lru_cache(maxsize=1000)(_mark)


@lru_cache(maxsize=300)
def _compressed(path: str, changed_at: int) -> bytes:
    """Return a file's content compressed: once for a process, some 30 ms for the largest."""
    return gzip.compress(Path(path).read_bytes(), mtime=0)


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # without types
    """Serves static files: texts compressed, marked ones to be kept."""

    def serve(self, static_file: Any, request: HttpRequest) -> HttpResponseBase:
        response = self._compressed(static_file, request)
        if response is None:
            response = WhiteNoiseMiddleware.serve(static_file, request)
        if response.status_code in (200, 206, 304):
            name = request.path_info.removeprefix(self.static_prefix)
            is_marked = request.GET.get(MARK) == mark_of(name) != ""
            response["Cache-Control"] = FOR_A_YEAR if is_marked else FOR_A_DAY
            response["Vary"] = "Accept-Encoding"
        return response

    def _compressed(self, static_file: Any, request: HttpRequest) -> HttpResponse | None:
        """Return a file compressed; None where it is sent as it lies, or not at all."""
        if request.method not in ("GET", "HEAD") or "Range" in request.headers:
            return None
        # The answer to HEAD has no file that would have to be closed.
        whole = static_file.get_response("HEAD", request.META)
        headers = dict(whole.headers)
        if (
            whole.status != HTTPStatus.OK
            or not _accepts_gzip.search(request.headers.get("Accept-Encoding", ""))
            or not _is_text.match(headers.get("Content-Type", ""))
            or int(headers["Content-Length"]) < SMALLEST
        ):
            return None
        path, _ = static_file.get_path_and_headers({})
        body = _compressed(path, Path(path).stat().st_mtime_ns)
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
        return HttpResponse(body if request.method == "GET" else b"", headers=headers)
