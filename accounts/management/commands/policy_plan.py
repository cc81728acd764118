"""`manage.py policy_plan FILE [--json]`: what applying a policy file would change."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts import policy_file
from accounts.management.language import EnglishCommand
from accounts.management.policy import text_of
from accounts.policy_file.telling import WOULD, sentences, values

CHANGES = 2
"""How the command ends where the file would change something."""


class Command(EnglishCommand):
    """Tell what would change, and change nothing."""

    help = (
        "Tell what policy_apply FILE would change, and change nothing. Ends with 0 where nothing "
        "would change, with 2 where something would, and with 1 where the file cannot be read as "
        "a policy. Whether an operation would refuse a step is asked when it is applied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a file as policy_show writes it")
        parser.add_argument("--json", action="store_true", help="write JSON and nothing else")

    def run_from_argv(self, argv: list[str]) -> None:
        """End with 1 where the command is called wrongly: argparse ends with 2, which is taken."""
        self._called_from_command_line = True
        try:
            self.create_parser(argv[0], argv[1]).parse_args(argv[2:])
        except SystemExit as ended:
            sys.exit(1 if ended.code else 0)
        super().run_from_argv(argv)

    def handle(self, *, file: str, **options: Any) -> None:
        try:
            planned = policy_file.plan(text_of(file))
        except policy_file.PolicyError as error:
            raise CommandError(str(error)) from None
        found = values(planned)
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(sentences(planned, WOULD)) or "Nothing would change.")
        if found["changes"]:
            sys.exit(CHANGES)
