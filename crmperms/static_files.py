"""Style sheets, scripts and fonts: compressed on their way, and kept by browsers while they last.

They are served from where they lie, by the process that makes the pages: there is no step that
collects or compresses them, which could be forgotten, and no proxy is needed in front. The address
of a file has a mark of its content, so that a browser keeps it for a year and has the new one at
once after an upgrade. Under the mark of another version no file is kept: while an upgrade is under
way, a page of one version may ask a process of the other.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

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
ASKED_EACH_TIME = "no-cache"
"""For what has the mark of another version."""
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


class Version(NamedTuple):
    """What is another once a file was replaced, also under a process that runs."""

    changed_at: int
    moved_at: int
    size: int


def version_of(path: str) -> Version | None:
    """Return the version of a file as it lies; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return Version(found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def mark_of(name: str) -> str:
    """Return the mark of a file's content; empty where there is no such file."""
    return _mark_at(_place(name) if settings.DEBUG else _kept_place(name))


def _place(name: str) -> str:
    found = finders.find(name)
    return found if isinstance(found, str) else ""


_kept_place = lru_cache(maxsize=1000)(_place)


def _mark_at(path: str) -> str:
    version = version_of(path)
    return _mark(path, version) if version else ""


@lru_cache(maxsize=1000)
def _mark(path: str, version: Version) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=300)
def _compressed(path: str, version: Version) -> bytes:
    """Return a file's content compressed: once for a version, some 30 ms for the largest."""
    return gzip.compress(Path(path).read_bytes(), mtime=0)


def _how_long(mark: str | None, path: str) -> str:
    """Return for how long a browser may keep what it asked for by this mark.

    Asked once the answer is there: a file that was replaced meanwhile has another mark by now.
    """
    if mark is None:
        return FOR_A_DAY
    return FOR_A_YEAR if mark and mark == _mark_at(path) else ASKED_EACH_TIME


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # without types
    """Serves static files: texts compressed, marked ones to be kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lying: dict[str, tuple[Version, Any]] = {}

    def serve(self, static_file: Any, request: HttpRequest) -> HttpResponseBase:
        path, _ = static_file.get_path_and_headers({})
        version = version_of(path)
        if version is None:
            gone: HttpResponseBase = self.get_response(request)
            return gone
        static_file = self._as_it_lies(path, version, request.path_info)
        response = self._compressed(static_file, path, version, request)
        if response is None:
            response = WhiteNoiseMiddleware.serve(static_file, request)
        if response.status_code in (200, 206, 304):
            response["Cache-Control"] = _how_long(request.GET.get(MARK), path)
            response["Vary"] = "Accept-Encoding"
        return response

    def _as_it_lies(self, path: str, version: Version, address: str) -> Any:
        """Return what is sent of a file, with the length and the time of this version of it."""
        known, static_file = self._lying.get(path, (None, None))
        if known != version:
            static_file = self.get_static_file(path, address)
            self._lying[path] = version, static_file
        return static_file

    def _compressed(
        self, static_file: Any, path: str, version: Version, request: HttpRequest
    ) -> HttpResponse | None:
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
        body = _compressed(path, version)
        headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(body))}
        return HttpResponse(body if request.method == "GET" else b"", headers=headers)
