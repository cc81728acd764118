"""`manage.py import_crm DIR`: bring a sales organisation and its pipeline in from four tables."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import System
from accounts.operations import AccountsError
from records.importing import ImportRefused, Parsed, Report, apply, parse
from records.operations import RecordError

KINDS = ("teams", "permission sets", "people", "pipelines", "stages", "companies", "deals")
LISTED = 20


class Command(BaseCommand):
    """Read, check, write, report."""

    help = """Import the four tables of crm-sales-opportunities from DIR:
sales_teams.csv, accounts.csv, products.csv and sales_pipeline.csv.

Offices become teams, managers and agents people with the permission sets Manager
and Agent, accounts companies without an owner, opportunities deals of their agent.
People are matched by e-mail (first.last@crm.example in Latin letters, with a number
where two would share one), companies by name, deals by source and opportunity_id, so
running it again changes only what changed in the tables.

The files are CSV in UTF-8, separated by commas, semicolons, tabs or vertical bars; a
first line like sep=; may say by which. Rows of only empty cells are no rows. A file
whose last line has no end is refused, since it was probably cut off.

In the imported columns the tables win over what people changed in the product, empty
cells included. Never touched: the owner where the table names no agent, a deal's name
once somebody changed it, records in the recycle bin, and the teams, permissions and
passwords of people who exist already.

All of it is one transaction: a table that cannot be meant stops the import before
anything is written, with file, line and column."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the line breaks of the help."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="the folder with the tables")
        parser.add_argument(
            "--password",
            help="one password for all new people; without it they cannot log in until they are "
            "given one",
        )
        parser.add_argument(
            "--source",
            default="maven",
            metavar="NAME",
            help="where the deals come from, part of what they are matched by (%(default)s)",
        )

    def handle(self, *, folder: Path, password: str | None, source: str, **options: Any) -> None:
        if password == "":
            raise CommandError("The password is empty. Give one, or leave --password out.")
        if not folder.is_dir():
            raise CommandError(f"There is no folder {folder}. Name the one with the four tables.")
        try:
            parsed = parse(folder)
            report = apply(
                parsed,
                actor=System("import_crm"),
                source=source,
                password=password,
                progress=self.show_progress,
            )
        except (ImportRefused, AccountsError, RecordError) as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write("\n".join(lines_of(parsed, report, source)))

    def show_progress(self, done: int, total: int) -> None:
        """Draw a bar where a person watches; elsewhere say only when it is done."""
        if self.stderr.isatty():
            width = 40 * done // total
            bar = f"\r{'█' * width}{'░' * (40 - width)} {done:,} of {total:,} deals"
            self.stderr.write(bar, style_func=str, ending="\n" if done == total else "")
            self.stderr.flush()
        elif done == total:
            self.stderr.write(f"{done:,} deals read.", style_func=str)


def lines_of(parsed: Parsed, report: Report, source: str) -> list[str]:
    """Return the report as a person reads it."""
    if report.nothing_changed:
        lines = [f"nothing changed: everything from “{source}” is in the database already."]
    else:
        lines = [
            f"Imported from “{source}”:",
            f"{'':18}{'created':>9}{'changed':>9}{'as before':>11}",
        ]
        lines += [
            f"  {kind:16}{report.created[kind]:>9,}{report.changed[kind]:>9,}"
            f"{report.unchanged[kind]:>11,}"
            for kind in KINDS
        ]
    lines += _section(
        "Repaired, since the meaning is certain:",
        [
            f"{column}: {stood} → {meant} ({_rows(rows)})"
            for (column, stood, meant), rows in parsed.repairs.items()
        ],
    )
    lines += _section(
        "Kept as it is; please have a look:",
        [
            f"{doubt.file}, {doubt.column}: {doubt.words} ({_rows(len(found))}, "
            f"{'first in ' if len(found) > 1 else ''}line {found[0]})"
            for doubt, found in parsed.doubts.items()
        ],
    )
    busy = {deal.agent for deal in parsed.opportunities.values()}
    if idle := sorted(set(parsed.agents) - busy):
        lines += _section("Agents without a deal:", [", ".join(idle)])
    return lines + _section("Left alone:", report.left_alone)


def _section(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  … and {len(lines) - LISTED:,} more"] if len(lines) > LISTED else []
    return ["", title, *(f"  {line}" for line in lines[:LISTED]), *more]


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"
