"""What is worked out once in a request, however often a page asks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from django.http import HttpRequest

T = TypeVar("T")


def kept(request: HttpRequest) -> dict[Hashable, Any]:
    """Return what this request keeps, by what it is and of what."""
    found: dict[Hashable, Any] = request.__dict__.setdefault("_kept", {})
    return found


def once(request: HttpRequest, key: Hashable, make: Callable[[], T]) -> T:
    """Return what `make` returns, called the first time that this request asks for `key`."""
    found = kept(request)
    if key not in found:
        found[key] = make()
    return found[key]  # type: ignore[no-any-return]  # what was put there
