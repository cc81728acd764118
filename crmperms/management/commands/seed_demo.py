"""`manage.py seed_demo`: set the demo company up, start it over, or show who can log in."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts.models import User
from accounts.operations import AccountsError
from crmperms.demo.card import card
from crmperms.demo.reset import ResetRefused, empty
from crmperms.demo.seeding import Standing, is_seeded, seed
from exports.operations import ExportError
from records.operations import RecordError

FOREIGN = (
    "The database holds people, or work of people, that the demo company did not make; nothing was "
    "seeded."
)
ALREADY = "nothing changed: the demo company is there already."


class Command(BaseCommand):
    """Guarded three times: only into an empty database, only once, and reset only by name."""

    help = "Set up the demo company in an empty database; a second run changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="for scripts: succeed also where the database is not empty, and do nothing there",
        )
        parser.add_argument(
            "--card",
            action="store_true",
            help="show who can log in and what to try as whom, and seed nothing",
        )
        parser.add_argument(
            "--reset",
            metavar="DATABASE_NAME",
            help="throw the whole database and its export files away first; the name of the SQLite "
            "file or of the PostgreSQL database has to be given",
        )

    def handle(self, *, once: bool, card: bool, reset: str | None, **options: Any) -> None:
        if reset is not None and (once or card):
            raise CommandError("--reset stands alone: it always seeds, and shows the card.")
        try:
            if reset is not None:
                empty(reset)
            self._require_tables()
            if card and not once:
                self._show_card()
            else:
                self._seed(once, card)
        except (ResetRefused, AccountsError, RecordError, ExportError) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _require_tables(self) -> None:
        if User._meta.db_table not in connection.introspection.table_names():
            raise CommandError("The database has no tables yet. Run manage.py migrate first.")

    def _seed(self, once: bool, show: bool) -> None:
        found = seed()
        if found is Standing.FOREIGN and not once:
            raise CommandError(
                f"{FOREIGN} Point DATABASE_URL to an empty database, or use this one without."
            )
        if found is Standing.EMPTY:
            self.stdout.write("The demo company is set up.")
        else:
            self.stdout.write(ALREADY if found is Standing.SEEDED else FOREIGN)
        if show or (found is Standing.EMPTY and not once):
            self._show_card()

    def _show_card(self) -> None:
        if not is_seeded():
            raise CommandError("There is no demo company in this database; manage.py seed_demo.")
        self.stdout.write(card())
