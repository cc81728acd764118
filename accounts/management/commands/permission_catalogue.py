"""`manage.py permission_catalogue [--json]`: every permission there is, in a stable order (R42)."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from accounts import catalogue
from accounts.management.language import EnglishCommand


class Command(EnglishCommand):
    """Print the catalogue: as text for people, or as JSON and nothing else."""

    help = "Print every permission with its kind, options, risk, dependencies and what asks it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Write JSON and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        reference = catalogue.reference()
        if options["json"]:
            self.stdout.write(json.dumps(reference, indent=2, ensure_ascii=False))
            return
        for tab in reference["tabs"]:
            self.stdout.write(f"\n{tab['tab']}")
            for row in tab["rows"]:
                self._write_row(row)
        self.stdout.write(f"\n{reference['note']}")

    def _write_row(self, row: dict[str, Any]) -> None:
        options = ", ".join(each["key"] or each["label"] for each in row["options"])
        held = f"{row['held']}: {options}" if options else row["held"]
        number = f"{row['id']}, " if row["id"] else ""
        notes = [f"{row['risk']} risk", *(["on at first"] if row["default"] else [])]
        self.stdout.write(f"  {row['key']}  {row['label']} ({number}{', '.join(notes)})")
        self.stdout.write(f"      {row['help']} {held[0].upper()}{held[1:]}.")
        for sentence in (*row["dependencies"], row["standing"]):
            self.stdout.write(f"      {sentence}")
