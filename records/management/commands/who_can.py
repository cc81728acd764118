"""`manage.py who_can ACTION OBJECT ID`: everybody who may do this to a record, and why (B3)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts import access
from records.management.asking import add_question, known_action, record_of


class Command(BaseCommand):
    """List all active people with the codes of the rules that grant."""

    help = "List all active people who may do something to a record, with their reasons."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_question(parser)

    def handle(self, *, action: str, id: str, json: bool, **options: Any) -> None:
        record = record_of(options["object"], id)
        # Sorted here: databases order the same addresses differently.
        people = sorted(access.who_can(known_action(action), record), key=lambda p: p.email)
        found = [{"user": person.email, "reasons": person.reasons} for person in people]
        if json:
            self.stdout.write(_json(found))
            return
        for entry in found:
            self.stdout.write(f"{entry['user']:40} {', '.join(entry['reasons'])}")
        if not found:
            self.stdout.write("Nobody.")


def _json(found: list[dict[str, Any]]) -> str:
    return json.dumps(found)
