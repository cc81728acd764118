"""What every screen reads off a request, keeps for as long as it lasts, and says in its answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.models import User

T = TypeVar("T")
NOTHING_CHANGED = gettext_lazy("Nothing was changed: it was stored like this already.")


def user_of(request: HttpRequest) -> User:
    """Return who asks; every address but the log-in page demands a log-in."""
    user = request.user
    assert isinstance(user, User)
    # Themselves, and not the stand-in that asks for them at every look: a page looks thousands of
    # times.
    themselves: User = getattr(user, "_wrapped", user)
    return themselves


def say_saved(request: HttpRequest, text: str) -> None:
    """Say what was saved, or that there was nothing to change."""
    if audit.written.get():
        messages.success(request, text)
    else:
        messages.info(request, NOTHING_CHANGED)


def opened(request: HttpRequest) -> str:
    """Return the mark of what was open when this form was filled in; empty where none was sent."""
    return request.POST.get("as_opened", "")


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
