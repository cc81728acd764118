"""Pieces of sentences that every language puts together in its own way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.translation import gettext


def counted(number: int) -> str:
    """Return a number as the reader's language groups its thousands: 1,234 or 1.234."""
    return number_format(number, force_grouping=True)


def listed(names: Iterable[object]) -> str:
    """Return names in a row: “Ann”, “Ann and Bob”, “Ann, Bob and Cem”."""
    return _in_a_row(names, gettext("%(most)s and %(last)s"))


def either(names: Iterable[object]) -> str:
    """Return names of which one is meant: “Ann”, “Ann or Bob”, “Ann, Bob or Cem”."""
    return _in_a_row(names, gettext("%(most)s or %(last)s"))


def _filled(text: object, **parts: Any) -> str:
    return str(text) % parts


filled = lazy(_filled, str)
"""Return a lazy text with its named parts put in when it is read: what is kept for longer than a
request, such as the reasons of rules, is read in several languages."""


def _in_a_row(names: Iterable[object], joined: str) -> str:
    every = [str(name) for name in names]
    if len(every) < 2:
        return "".join(every)
    return joined % {"most": ", ".join(every[:-1]), "last": every[-1]}
