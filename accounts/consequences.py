"""Warnings that a change of people or permissions brings about for the whole company."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from accounts.modeladmin import AccessModelAdmin, user_of


@contextmanager
def warning_of_what_follows(request: HttpRequest) -> Iterator[None]:
    """Say what there is to be warned of after a change, and was not before it."""
    before = _warnings(request)
    yield
    for warning in _warnings(request):
        if warning not in before:
            messages.warning(request, warning)


def _warnings(request: HttpRequest) -> list[str]:
    return [warning for told in AccessModelAdmin.warnings for warning in told(user_of(request))]
