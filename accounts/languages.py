"""Which language and time zone a person reads in: their own, else the browser's, else ours.

They change what somebody reads and types, and nothing else: what is decided by a day or an hour
goes by the installation's zone (clock.py), or whoever chose another one would have another day.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.utils import timezone, translation
from django.utils.translation import trans_real

ENGLISH = "en-gb"
"""The language of the texts in code: of what is kept or printed alike in every installation."""
MOST_TEXTS = 4_000
"""So many texts of each language a process keeps: more than all pages together show."""


class Reader(Protocol):
    """Whoever has a language and a time zone of their own, or none: ""."""

    language: str
    time_zone: str


def known() -> dict[str, str]:
    """Return the languages of the product, each by its own name."""
    return dict(settings.LANGUAGES)


def keep_texts() -> None:
    """Let each text be looked up once per language and process.

    Django looks through a dozen catalogues for it at every drawing. In English that is in vain for
    most texts, 330 times a page: it took 4 % of a page. Texts do not change while a process runs.
    """
    for code in known():
        catalogue: Any = trans_real.translation(code)  # a method of an object is replaced
        if not hasattr(catalogue.gettext, "cache_info"):
            # By type as well: the same text may be marked as HTML in one place only.
            catalogue.gettext = lru_cache(MOST_TEXTS, typed=True)(catalogue.gettext)


def chosen_by(reader: Reader) -> str:
    """Return the language that somebody chose; empty where they chose none of ours."""
    return reader.language if reader.language in known() else ""


def asked_for(browser: str) -> str:
    """Return our language that a browser asks for by `Accept-Language`; else the installation's."""
    for code, _ in trans_real.parse_accept_lang_header(browser):
        if code == "*":
            break
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


@cache
def zones() -> frozenset[str]:
    """Return the names of the time zones that this machine knows, as people choose them."""
    return frozenset(
        name for name in available_timezones() if name == "UTC" or _is_of_a_place(name)
    )


def _is_of_a_place(name: str) -> bool:
    return "/" in name and not name.startswith(("Etc/", "SystemV/", "posix/", "right/"))


def zone_of(reader: Reader) -> ZoneInfo | None:
    """Return somebody's own time zone; None for the installation's.

    Zones are renamed and left out by newer systems: one that is not known any more is none.
    """
    return zone_called(reader.time_zone)


def zone_called(name: str) -> ZoneInfo | None:
    """Return the time zone of a name that people choose; None for anything else."""
    return ZoneInfo(name) if name in zones() else None


def activate(reader: Reader) -> None:
    """Speak a person's language from now on, and tell times in their zone, as far as they chose."""
    if language := chosen_by(reader):
        translation.activate(language)
    if zone := zone_of(reader):
        timezone.activate(zone)


@contextmanager
def read_by(reader: Reader) -> Iterator[None]:
    """Let texts, days and moments be as somebody reads them who is not the one who asks."""
    language = chosen_by(reader) or settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zone_of(reader)):
        yield
