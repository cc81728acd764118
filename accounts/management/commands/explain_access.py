"""`manage.py explain_access USER ACTION OBJECT ID`: may they, and why (B2)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import access
from accounts.management.asking import add_question, known_action, record_of
from accounts.models import User


class Command(BaseCommand):
    """Explain one person, one action, one record."""

    help = (
        "Tell whether a person may do something to a record, with every rule's finding. "
        "A record that does not exist is refused like one out of reach."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the person's e-mail")
        add_question(parser)

    def handle(self, *, user: str, action: str, id: str, json: bool, **options: Any) -> None:
        person = User.objects.filter(email=user.strip().lower()).first()
        if person is None:
            raise CommandError(f"Nobody logs in as “{user}”. Give the e-mail of a person.")
        record = record_of(options["object"], id)
        explanation = access.explain(person, known_action(action), record)
        self.stdout.write(_json(explanation) if json else _lines(person, action, explanation))


def _json(explanation: access.Explanation) -> str:
    return json.dumps(asdict(explanation))


def _lines(person: User, action: str, explanation: access.Explanation) -> str:
    lines = [f"{'Yes' if explanation.allowed else 'No'}: {action} for {person.email}", ""]
    lines += [
        f"  {'holds' if f.holds else '-':7}{'grants' if f.allows else 'takes away':12}"
        f"{f.code:12}{f.because}"
        for f in explanation.findings
    ]
    return "\n".join(lines)
