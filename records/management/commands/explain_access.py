"""`manage.py explain_access USER ACTION OBJECT [ID]`: may they, why, and what would help (B2)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import access
from accounts.audit import System
from accounts.models import User
from records import operations
from records.management.asking import add_question, kind_of, known_action, record_of
from records.models import Record
from records.why import field_answers, way_out, way_to_create

READER = System("explain_access")
"""Whoever has a terminal on the server reads everything; no field is hidden from them."""


class Command(BaseCommand):
    """Explain one person, one action, one record."""

    help = (
        "Tell whether a person may do something to a record, with every rule's finding, what would "
        "be enough, and which fields have rules. A record that does not exist is refused like one "
        "out of reach. “add” is about no record yet: leave ID out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the person's e-mail")
        add_question(parser)

    def handle(self, *, user: str, action: str, id: str | None, json: bool, **options: Any) -> None:
        person = User.objects.filter(email=user).first()
        if person is None:
            raise CommandError(f"Nobody logs in as “{user}”. Give the e-mail of a person.")
        action = known_action(action)
        if action == "add":
            told = _about_creating(person, kind_of(options["object"]).model, id)
        else:
            told = _about_record(person, action, record_of(options["object"], id))
        self.stdout.write(_json(told) if json else _lines(person, action, told))


def _about_creating(person: User, model: Any, id: str | None) -> dict[str, Any]:
    """Return what is told of creating records; `model` is a kind of record of the catalogue."""
    if id is not None:
        raise CommandError("“add” is about no record that exists yet. Leave ID out.")
    explanation = access.explain_any(person, "add", model)
    told: dict[str, Any] = {"way_out": None, "reasons": [], "fields": []}
    if not explanation.allowed:
        told["way_out"] = way_to_create(person, model)
        told["reasons"] = operations.sentences_of(explanation, person, "add", model(), str(person))
    return {**asdict(explanation), **told}


def _about_record(person: User, action: str, record: Record) -> dict[str, Any]:
    answers = access.explain_each(person, (action, "change"), record)
    told: dict[str, Any] = {"way_out": None, "reasons": [], "fields": []}
    stored = type(record)._base_manager.filter(pk=record.pk).first()
    if stored is not None and answers[action].allowed:
        may_change = answers["change"].allowed
        fields = field_answers(person, type(record), reader=READER, may_change=may_change)
        told["fields"] = [asdict(answer) for answer in fields]
    elif stored is not None:  # of an absent record nothing more can be said
        told["way_out"] = way_out(person, action, stored, answers[action])
        about = (person, action, stored, str(person))
        told["reasons"] = operations.sentences_of(answers[action], *about)
    return {**asdict(answers[action]), **told}


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
        lines += ["", *told["reasons"], told["way_out"]]
    if told["fields"]:
        lines += ["", "Fields with a rule:"]
        lines += [f"  {f['name']:20}{f['answer']:20}{f['rule']}" for f in told["fields"]]
    return "\n".join(lines)
