"""`manage.py receive_permissions`: make known what an upgrade brought; run it after `migrate`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from accounts.management.language import EnglishCommand
from accounts.operations import AccountsError, receive_permissions
from accounts.operations.arrivals import UPGRADE


class Command(EnglishCommand):
    """Run it after every `migrate`; where nothing is new it does nothing.

    It says so, unless it is to say no more than it must (`--verbosity 0`).
    """

    help = (
        "Give existing permission sets what this version brings, by its risk (README, Upgrading)."
    )

    def handle(self, **options: Any) -> None:
        try:
            arrived = receive_permissions(actor=UPGRADE)
        except AccountsError as refusal:
            raise CommandError(str(refusal)) from None
        if not arrived and options["verbosity"]:
            self.stdout.write("No new permissions.")
        for each in arrived:
            how = f"on, in {each.sets:,} set{'' if each.sets == 1 else 's'}"
            if each.arrived == "off":
                how = "off, to be decided on by a super admin" if each.to_review else "off"
            self.stdout.write(f"{each.key}: {how}")
