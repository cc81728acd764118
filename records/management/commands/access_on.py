"""`manage.py access_on DATE USER|OBJECT ID`: what somebody could do, or who could see it (E17)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts import past
from accounts.models import Rank, User
from accounts.past import BadMoment, moment_of
from records import kinds
from records.management.asking import record_of
from records.past import (
    PERSON_AS_OF_TODAY,
    RECORD_AS_OF_TODAY,
    PersonThen,
    RecordThen,
    known_since,
    not_known,
    person_on,
    who_could_see,
)


class Command(BaseCommand):
    """Ask the permission history about a day that has passed."""

    help = (
        "Tell what a person could do at the end of a day (or at a moment), or who could see a "
        "record then. It is worked out from the permission history, by the rules of today."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("date", metavar="DATE", help="2026-12-31 or 2026-12-31T18:30")
        parser.add_argument(
            "about", metavar="USER|OBJECT", help="a person's e-mail, or a kind of record: deal, …"
        )
        parser.add_argument("id", metavar="ID", nargs="?", help="the record's number")
        parser.add_argument("--json", action="store_true", help="write JSON and nothing else")

    def handle(self, *, date: str, about: str, id: str | None, json: bool, **options: Any) -> None:
        try:
            moment = moment_of(date)
        except BadMoment as refusal:
            raise CommandError(str(refusal)) from None
        is_person = id is None and "@" in about
        told = _of_person(about, moment) if is_person else _of_record(about, id, moment)
        self.stdout.write(_json(told) if json else "\n".join(_lines(told)))


def _of_person(email: str, moment: datetime) -> dict[str, Any]:
    user = User.objects.filter(email=email.lower()).first()
    if user is None:
        raise CommandError(f"Nobody logs in as “{email}”. Give the e-mail of a person.")
    told = {"user": user.email, **_asked(moment, past.known_since(), PERSON_AS_OF_TODAY)}
    return {**told, **_person(person_on(user, moment))} if told["known"] else told


def _of_record(key: str, pk: str | None, moment: datetime) -> dict[str, Any]:
    if pk is None:
        raise CommandError(
            "Give the e-mail of a person, or a kind of record and its number, like deal 42."
        )
    asked = record_of(key, pk)
    record = type(asked)._base_manager.filter(pk=asked.pk).first()
    if record is None:
        raise CommandError(f"There is no {record_name(asked)} {pk}. Give the number of one.")
    told = {
        "object": record.object_key,
        "id": record.pk,
        **_asked(moment, known_since(), RECORD_AS_OF_TODAY),
    }
    return {**told, **_record(who_could_see(record, moment))} if told["known"] else told


def record_name(record: Any) -> str:
    """Return what the kind of a record is called."""
    return kinds.of(type(record)).noun


def _asked(moment: datetime, since: datetime | None, today: Iterable[object]) -> dict[str, Any]:
    because = not_known(moment, since)
    told: dict[str, Any] = {
        "on": moment.isoformat(),
        "known_since": since and since.isoformat(),
        "known": not because,
        "as_of_today": [str(text) for text in today],
    }
    return {**told, "because": because} if because else told


def _person(then: PersonThen) -> dict[str, Any]:
    if not then.existed:
        return {"existed": False}
    return {
        "existed": True,
        "active": then.active,
        "super_admin": then.super_admin,
        "partner_admin": then.partner_admin,
        "permission_set": then.permission_set or None,
        "teams": [{"team": name, "main": main} for name, main in then.teams],
        "scopes": {
            kind: {
                column: said if isinstance(said, bool) else Rank(said).name.lower()
                for column, said in row.items()
            }
            for kind, row in then.scopes.items()
        },
        "tools": list(then.tools),
        "reach": then.reach,
    }


def _record(then: RecordThen) -> dict[str, Any]:
    if not then.existed:
        return {"existed": False}
    return {
        "existed": True,
        "in_bin": then.in_bin,
        "owners": list(then.owners),
        "stage": then.stage or None,
        "who": sorted(
            (
                {"user": each.email, "reasons": each.reasons, "level": list(each.level)}
                for each in then.people
            ),
            key=lambda each: str(each["user"]),
        ),
    }


def _json(told: dict[str, Any]) -> str:
    return json.dumps(told)


def _lines(told: dict[str, Any]) -> list[str]:
    on = timezone.localtime(datetime.fromisoformat(told["on"]))
    about = told.get("user") or f"{told['object']} {told['id']}"
    lines = [f"{about} on {on:%Y-%m-%d %H:%M %Z}", ""]
    if not told["known"]:
        return [*lines, told["because"]]
    if not told["existed"]:
        return [*lines, "Did not exist yet."]
    lines += _person_lines(told) if "user" in told else _record_lines(told)
    return [*lines, "", *told["as_of_today"]]


def _person_lines(told: dict[str, Any]) -> list[str]:
    teams = [f"{each['team']}{'' if each['main'] else ' (extra)'}" for each in told["teams"]]
    return [
        f"  {'active':16}{'yes' if told['active'] else 'no'}",
        f"  {'super admin':16}{'yes' if told['super_admin'] else 'no'}",
        f"  {'partner admin':16}{'yes' if told['partner_admin'] else 'no'}",
        f"  {'permission set':16}{told['permission_set'] or '–'}",
        f"  {'teams':16}{', '.join(teams) or '–'}",
        *(
            f"  {kind:16}{', '.join(_scope(*each) for each in row.items())}"
            for kind, row in told["scopes"].items()
        ),
        f"  {'tools':16}{', '.join(told['tools']) or '–'}",
        *(
            f"  {kind:16}would {', '.join(f'{each} {count:,}' for each, count in row.items())}"
            for kind, row in told["reach"].items()
        ),
    ]


def _scope(column: str, said: str | bool) -> str:
    name = column.replace("_unassigned", " unassigned")
    return name if said is True else f"{name} {said}"


def _record_lines(told: dict[str, Any]) -> list[str]:
    return [
        f"  {'owners':16}{', '.join(told['owners']) or 'nobody'}",
        f"  {'stage':16}{told['stage'] or '–'}",
        f"  {'recycle bin':16}{'yes' if told['in_bin'] else 'no'}",
        "",
        *(
            f"{each['user']:40} {', '.join(each['reasons'])}: {', '.join(each['level'])}"
            for each in told["who"]
        ),
        *([] if told["who"] else ["Nobody."]),
    ]
