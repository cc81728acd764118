"""`manage.py seed_bulk`: fill an empty database with a large company, to measure speed on."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import User
from accounts.words import listed
from crmperms import bulk
from records import kinds


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

    help = (
        "Fill an empty database with a large company made of chance; the seed decides all of it. "
        "Say how many records of which kinds: others are made where these are linked with them, "
        "one for five. Without any number it is a hundred thousand of each that has links."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for kind in kinds.every():
            parser.add_argument(f"--{bulk.option_of(kind)}", type=_whole)
        parser.add_argument("--users", type=_some, default=2_000)
        parser.add_argument("--teams", type=_some, default=200)
        parser.add_argument("--seed", type=_whole, default=1)

    def handle(self, *, users: int, teams: int, seed: int, **options: Any) -> None:
        if User._meta.db_table not in connection.introspection.table_names():
            raise CommandError("The database has no tables yet. Run manage.py migrate first.")
        given = {kind.key: options.get(bulk.option_of(kind)) for kind in kinds.every()}
        records = {key: count for key, count in given.items() if count is not None}
        size = bulk.Size(records or bulk.many(), users=users, teams=teams, seed=seed)
        try:
            made = bulk.seed(size, self.stderr.write)
        except bulk.ForeignData as refusal:
            raise CommandError(
                f"{refusal} Nothing was changed; point DATABASE_URL to an empty database."
            ) from refusal
        if not made:
            self.stdout.write("nothing changed: this was made here already.")
            return
        counts = ((size.of(kind), kind.nouns) for kind in bulk.in_order())
        self.stdout.write(f"Made {listed([f'{n:,} {nouns}' for n, nouns in counts if n])}.")
