"""`manage.py explain_access USER ACTION OBJECT ID`: may they, why, and what would help (B2)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import access
from accounts.models import User
from records.management.asking import add_question, known_action, record_of
from records.why import field_answers, way_out


class Command(BaseCommand):
    """Explain one person, one action, one record."""

    help = (
        "Tell whether a person may do something to a record, with every rule's finding, what would "
        "be enough, and which fields have rules. A record that does not exist is refused like one "
        "out of reach."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the person's e-mail")
        add_question(parser)

    def handle(self, *, user: str, action: str, id: str, json: bool, **options: Any) -> None:
        person = User.objects.filter(email=user.strip().lower()).first()
        if person is None:
            raise CommandError(f"Nobody logs in as “{user}”. Give the e-mail of a person.")
        record, action = record_of(options["object"], id), known_action(action)
        explanation = access.explain(person, action, record)
        # Of a new or an absent record nothing more can be said.
        exists = action != "add" and type(record)._base_manager.filter(pk=record.pk).exists()
        told: dict[str, Any] = {**asdict(explanation), "way_out": None, "fields": []}
        if explanation.allowed and exists:
            told["fields"] = [asdict(answer) for answer in field_answers(person, type(record))]
        elif exists:
            stored = type(record)._base_manager.get(pk=record.pk)
            told["way_out"] = way_out(person, action, stored, str(person))
        self.stdout.write(_json(told) if json else _lines(person, action, told))


def _json(told: dict[str, Any]) -> str:
    return json.dumps(told)


def _lines(person: User, action: str, told: dict[str, Any]) -> str:
    lines = [f"{'Yes' if told['allowed'] else 'No'}: {action} for {person.email}", ""]
    lines += [
        f"  {'holds' if found['holds'] else '-':7}"
        f"{'grants' if found['allows'] else 'takes away':12}{found['code']:12}{found['because']}"
        for found in told["findings"]
    ]
    if told["way_out"]:
        lines += ["", told["way_out"]]
    if told["fields"]:
        lines += ["", "Fields with a rule:"]
        lines += [f"  {f['name']:20}{f['answer']:20}{f['rule']}" for f in told["fields"]]
    return "\n".join(lines)
