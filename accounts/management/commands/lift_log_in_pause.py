"""`manage.py lift_log_in_pause`: for whoever must log in now and cannot ask a super admin."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts import audit, log_in


class Command(BaseCommand):
    """End the pauses that follow too many wrong passwords."""

    help = (
        "Ends the log-in pauses that follow too many wrong passwords: of an account (its E-MAIL), "
        "of an address (--address), or all of them (--all). The audit log keeps that it was done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", metavar="E-MAIL", nargs="*", help="whose log-in is paused")
        parser.add_argument(
            "--address", action="append", default=[], help="an IP address, once for each"
        )
        parser.add_argument("--all", action="store_true", help="everybody, from everywhere")

    @transaction.atomic
    def handle(self, *, email: list[str], address: list[str], all: bool, **options: Any) -> None:
        if not (email or address or all):
            raise CommandError("Name an e-mail address, an --address, or --all.")
        ended = log_in.lift_all() if all else log_in.lift(emails=email, addresses=address)
        if ended:
            audit.record(
                "session.lift_log_in_pause",
                actor=audit.System("lift_log_in_pause"),
                data={"counts": ended, "all": all},
                text=", ".join((*email, *address)),
            )
        self.stdout.write("They may log in at once." if ended else "No pause was found.")
