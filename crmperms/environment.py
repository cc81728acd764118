"""Settings that are read from the environment; a value that means nothing is said, not guessed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import environ  # type: ignore[import-untyped]  # ships neither annotations nor a marker
from django.core.exceptions import ImproperlyConfigured

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
LONGEST_SHOWN = 40


def yes_or_no(name: str, *, default: bool = False) -> bool:
    """Return a switch; raises `ImproperlyConfigured` for what is neither yes nor no."""
    said = os.environ.get(name, "").strip().lower()
    if said and said not in YES + NO:
        raise ImproperlyConfigured(f"{name} is {said!r}. Write true or false.")
    return said in YES if said else default


def whole_number(name: str, *, default: int, least: int = 0, most: int = 1_000_000) -> int:
    """Return a number within these limits; raises `ImproperlyConfigured` for anything else."""
    said = os.environ.get(name, "").strip()
    if not said:
        return default
    digits = said.lstrip("0") or "0"
    # By their number first: Python refuses to read a number of thousands of digits.
    is_number = said.isascii() and said.isdigit() and len(digits) <= len(str(most))
    if not is_number or not least <= int(digits) <= most:
        shown = said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN]}…"
        raise ImproperlyConfigured(
            f"{name} is {shown!r}. Write a whole number from {least} to {most}."
        )
    return int(digits)


def database(name: str, *, default: str) -> dict[str, Any]:
    """Return what Django connects by; raises without the address, which may hold a password."""
    found: dict[str, Any] = {}
    with suppress(ValueError, ImproperlyConfigured):
        found = environ.Env.db_url_config(os.environ.get(name, "").strip() or default)
    engines = ("django.db.backends.postgresql", "django.db.backends.sqlite3")
    if found.get("ENGINE") not in engines or not found.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} is no address of a database of ours. Write "
            "postgres://user:password@host/name, or sqlite:////path/to/file."
        )
    return found


def mail_server(name: str) -> dict[str, Any]:
    """Return Django's settings of e-mail; raises without the address, which may hold a password.

    Empty where there is no address.
    """
    said = os.environ.get(name, "").strip()
    found: dict[str, Any] = {}
    # A port that is none is a ValueError, as is half an IPv6 address.
    with suppress(ValueError, ImproperlyConfigured):
        found = environ.Env.email_url_config(said) if said else {}
    is_smtp = str(found.get("EMAIL_BACKEND", "")).endswith(".smtp.EmailBackend")
    if said and (not found or (is_smtp and not found["EMAIL_HOST"])):
        raise ImproperlyConfigured(
            f"{name} is no address of a mail server. Write smtp+tls://user:password@host:587."
        )
    return found


def internal_address(name: str) -> str:
    """Return an address within nginx, as /exports/; raises for what cannot stand before a name."""
    said = os.environ.get(name, "").strip()
    if said and not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/", said):
        raise ImproperlyConfigured(
            f"{name} is {said!r}. Write an address that begins and ends with a slash, as /exports/."
        )
    return said


def folder_of_its_own(name: str, *, default: Path) -> Path:
    """Return a folder; raises for the top of the disk, which is nobody's own."""
    said = os.environ.get(name, "").strip()
    folder = Path(said) if said else default
    if folder.resolve().parent == folder.resolve():
        raise ImproperlyConfigured(
            f"{name} is {said!r}, the whole disk. Name a folder of its own, as /srv/crm/exports."
        )
    return folder
