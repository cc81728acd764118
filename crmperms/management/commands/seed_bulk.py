"""`manage.py seed_bulk`: fill an empty database with a large company, to measure speed on."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import User
from crmperms import bulk


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text} is not a whole number of zero or more.")
    return int(text)


def _some(text: str) -> int:
    if not _whole(text):
        raise ArgumentTypeError("there has to be at least one.")
    return int(text)


class Command(BaseCommand):
    """Only into an empty database; a second run with the same sizes and seed changes nothing."""

    help = "Fill an empty database with a large company made of chance; the seed decides all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--contacts", type=_whole, default=100_000)
        parser.add_argument("--deals", type=_whole, default=100_000)
        parser.add_argument("--users", type=_some, default=2_000)
        parser.add_argument("--teams", type=_some, default=200)
        parser.add_argument("--seed", type=_whole, default=1)

    def handle(
        self, *, contacts: int, deals: int, users: int, teams: int, seed: int, **options: Any
    ) -> None:
        if User._meta.db_table not in connection.introspection.table_names():
            raise CommandError("The database has no tables yet. Run manage.py migrate first.")
        size = bulk.Size(contacts=contacts, deals=deals, users=users, teams=teams, seed=seed)
        try:
            made = bulk.seed(size, self.stderr.write)
        except bulk.ForeignData as refusal:
            raise CommandError(
                f"{refusal} Nothing was changed; point DATABASE_URL to an empty database."
            ) from refusal
        self.stdout.write(
            f"Made {size.companies:,} companies, {contacts:,} contacts and {deals:,} deals."
            if made
            else "nothing changed: this was made here already."
        )
