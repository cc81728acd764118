"""What `explain_access` and `who_can` have in common: their words, read and checked."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError

from accounts import access
from records import kinds
from records.models import Record


def add_question(parser: ArgumentParser) -> None:
    """Add ACTION OBJECT [ID] and `--json`."""
    parser.add_argument("action", metavar="ACTION", help="view, change, delete, export, …")
    parser.add_argument("object", metavar="OBJECT", help="a kind of record: deal, contact, …")
    parser.add_argument("id", metavar="ID", nargs="?", help="the record's number")
    parser.add_argument("--json", action="store_true", help="write JSON and nothing else")


def known_action(action: str) -> str:
    """Return the action, or raise for one that nobody can take."""
    if action not in access.ACTIONS:
        known = ", ".join(sorted(access.ACTIONS))
        raise CommandError(f"There is no action “{action}”. Choose one of {known}.")
    return action


def kind_of(key: str) -> kinds.Kind:
    """Return a kind of record of the catalogue: only they can be asked about."""
    kind = kinds.named(key.lower())
    if kind is None:
        known = ", ".join(kind.key for kind in kinds.every())
        raise CommandError(f"There is no kind of record “{key}”. Choose one of {known}.")
    return kind


def record_of(key: str, pk: str | None) -> Record:
    """Return a record to ask about, which need not exist; raise for an unknown kind or number."""
    kind = kind_of(key)
    if pk is None:
        raise CommandError("The record's number is required: give ID, like 42.")
    try:
        return kind.model(pk=int(pk))  # type: ignore[misc]  # every model has one
    except ValueError:
        raise CommandError(f"“{pk}” is not a record's number. Give one like 42.") from None
