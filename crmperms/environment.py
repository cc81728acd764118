"""Settings that are read from the environment; a value that means nothing is said, not guessed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

import environ  # type: ignore[import-untyped]  # ships neither annotations nor a marker
from django.core.exceptions import ImproperlyConfigured

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def yes_or_no(name: str, *, default: bool = False) -> bool:
    """Return a switch; raises `ImproperlyConfigured` for what is neither yes nor no."""
    said = os.environ.get(name, "").strip().lower()
    if said and said not in YES + NO:
        raise ImproperlyConfigured(f"{name} is {said!r}. Write true or false.")
    return said in YES if said else default


def whole_number(name: str, *, default: int) -> int:
    """Return a number from 0; raises `ImproperlyConfigured` for anything else."""
    said = os.environ.get(name, "").strip()
    if said and not (said.isascii() and said.isdigit()):
        raise ImproperlyConfigured(f"{name} is {said!r}. Write a whole number, 0 or more.")
    return int(said) if said else default


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
