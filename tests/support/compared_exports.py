"""One export of a made-up world from the question to the file, each step held against the oracle.

Asked for, decided on, written after one change and fetched after the last: what is frozen is
frozen, and what was lost meanwhile is gone from the file or closes it.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from accounts.models import User
from exports import operations as exports
from exports import worker
from exports.models import ExportRequest
from tests.support import oracle
from tests.support import oracle_data as data
from tests.support.world_rows import model_of
from tests.support.worlds import FIELDS, NAMES, WORDS, World, stages_of

# What a file is asked for of each kind, beside its id and what FIELDS has; choices by their labels.
OWN = {
    kind: [*fields, *(n for n in NAMES[kind] if n not in fields)] for kind, fields in FIELDS.items()
}
ASSOCIATED = {"company": ("name", "sector", "country"), "contact": ("last_name", "phone", "city")}


class Disagreement(AssertionError):
    """Product and oracle differ; the message says about what."""


def asked_for(world: World, kind: str, random: Random) -> dict[str, str]:
    """Return a query with a filter or two, a search or an order, of what this world has."""
    people = [person.id for person in world.people]
    teams = [team.id for team in world.teams] or [1]
    values: dict[str, list[Any]] = {
        "owner": [*people, 99],
        "team": teams,
        "unassigned": ["yes", "no"],
        "q": [*WORDS, "A", "Ø", "e d", "wood c", "BJØ"],
        "o": [f"{sign}{name}" for name in ORDERS[kind] for sign in ("", "-")],
    }
    for name in ("sector", "country") if kind == "company" else ():
        values[name] = [WORDS[0], WORDS[1].upper(), "nowhere"]
    if kind == "deal":
        values |= {"amount_min": [0, 2, 9], "amount_max": [0, 3]}
    if kind == "ticket":
        values["priority"] = ["low", "high"]
    if stages := [s for p, of in world.pipelines.items() if of == kind for s in stages_of(p)]:
        values["stage"] = stages
    for name, to in data.LEADS_TO[kind].items():
        if name != "parent" and (keys := [r.id for r in world.records.get(to, ())]):
            values[name] = [*keys, 99]
    chosen = random.sample(sorted(values), random.choice([0, 1, 1, 2, 3]))
    return {name: str(random.choice(values[name])) for name in chosen}


# Filled in every record, and sorted the same by every database.
ORDERS = {
    "contact": ("last_name", "phone"),
    "company": ("name", "sector", "country"),
    "deal": ("name", "product"),
    "ticket": ("subject", "priority"),
}


class Story:
    """One export: who asked for what, and how it stands by the oracle."""

    def __init__(self, world: World, tally: Any) -> None:
        self.world, self.tally = world, tally
        self.random = random = Random(world.salt + 1)
        may = [
            p for p in world.people for k in world.records if oracle.can_any(world, p, "export", k)
        ]
        self.person = random.choice([*may, random.choice(world.people)])
        kinds = sorted(world.records)
        mine = [kind for kind in kinds if oracle.can_any(world, self.person, "export", kind)]
        self.kind = random.choice(mine or kinds)
        self.query = asked_for(world, self.kind, random) if random.random() < 0.4 else {}
        # Whether a value may still be named is asked of lists; here it would end the story.
        for name in (*data.LEADS_TO[self.kind], "team"):
            self.query.pop(name, None)
        self.columns = self._columns()
        self.flagged: set[str] = set()
        self.frozen: list[int] = []
        self.beside: set[tuple[str, int]] = set()
        self.export: ExportRequest | None = None
        self.approver: int | None = None
        self.needed, self.because = False, ""

    def _columns(self) -> list[str]:
        """Choose columns, now and then one that is not offered."""
        ways = data.LEADS_TO[self.kind].items()
        names = [*OWN[self.kind], *(f"{way}.{n}" for way, to in ways for n in ASSOCIATED[to])]
        offered = [n for n in names if data.is_offered(self.world, self.person, self.kind, n)]
        pool = names if self.random.random() < 0.1 else offered
        return ["id", *self.random.sample(pool, min(4, len(pool)))]

    def same(self, what: str, said: Any, expected: Any, *about: Any) -> None:
        self.tally.compared[f"export: {what}"] += 1
        if said != expected:
            told = (self.person.id, self.kind, self.columns, self.query, *about)
            raise Disagreement(f"export: {what} {told}: product {said!r}, oracle {expected!r}")

    # --- Asking and deciding ----------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for it; every refusal is an answer too."""
        world = self.world
        others = [p for p in world.people if data.decides(world, p, self.person)]
        wanted = self._expected(bool(others))
        try:
            self.export = exports.request_export(
                actor=User.objects.get(pk=self.person.id),
                model=model_of(self.kind),
                query=urlencode(self.query),
                columns=self.columns,
                headers="names",
                approvers=User.objects.filter(pk__in=[p.id for p in others]),
            )
            said = (self.export.status, self.export.because)
        except exports.ExportError as refusal:
            self.same("asked", (type(refusal).__name__, ""), wanted)
            return
        self.same("asked", said, wanted)
        self.same("sensitive", self.export.has_sensitive, bool(self.flagged))
        self._decide()

    def _expected(self, somebody_decides: bool) -> tuple[str, str]:
        world, person, kind = self.world, self.person, self.kind
        if not oracle.can_any(world, person, "export", kind):
            return "NotAllowed", ""
        found = data.listed(world, person, kind, "export", self.query)
        offered = (data.is_offered(world, person, kind, column) for column in self.columns)
        if found is None or not all(offered):
            return "InvalidRequest", ""
        if not found:
            return "NothingToExport", ""
        self.frozen = found
        self.flagged = data.sensitive(world, kind, self.columns, self.query)
        self.needed, self.because = data.approval(world, person, len(found), self.flagged)
        if self.needed and not somebody_decides:
            return "ApproversNeeded", ""
        return ("pending" if self.needed else "approved"), self.because

    def _decide(self) -> None:
        """Let one person decide on it: in half of the worlds anybody, else who may."""
        assert self.export is not None
        if not self.needed:
            return
        may = [p for p in self.world.people if data.decides(self.world, p, self.person)]
        person = self.random.choice(may if self.random.random() < 0.7 else self.world.people)
        user = User.objects.get(pk=person.id)
        try:
            exports.approve(self.export, actor=user, version=self.export.version)
            said = "approved"
            self.approver = person.id
        except exports.NotAllowed as refusal:
            said = type(refusal).__name__
        own = person.id == self.person.id
        expected = "SelfApproval" if own else "approved" if person in may else "NotAllowed"
        self.same("decided", said, expected, person.id)

    # --- Writing ----------------------------------------------------------------------------------

    def write(self, world: World) -> None:
        """Let the worker run, in the world of now."""
        self.now(world)
        if self.export is None:
            return
        # Not among what is told apart here: a decision that nobody has taken waits on.
        if self.export.status == "pending":
            return
        left, status = self._outcome()
        worker.run_once(upkeep=lambda stop: None)
        self.export.refresh_from_db()
        self.same("written", self.export.status, status)
        if status != "completed":
            return
        self.columns = left
        text = (Path(settings.EXPORT_ROOT) / self.export.file_name).read_text("utf-8-sig")
        head, *body = list(csv.reader(io.StringIO(text, newline="")))
        self.same("head", head, left)
        gone = {r.id for r in world.records[self.kind] if not self._may_leave(r)}
        records = [data.find(world, self.kind, k) for k in self.frozen if k not in gone]
        rows = [
            [
                _in_csv(world, column, data.cell(world, self.person, self.kind, record, column))
                for column in left
            ]
            for record in records
        ]
        if "o" not in self.query:
            rows, body = sorted(rows), sorted(body)
        self.same("rows", body, rows)
        self.tally.compared["export: cells"] += sum(map(len, rows))
        self.frozen = [record.id for record in records]
        self.beside = data.beside(world, self.person, self.kind, records, left)

    def now(self, world: World) -> None:
        self.world = world
        (self.person,) = (each for each in world.people if each.id == self.person.id)

    def _may_leave(self, record: Any) -> bool:
        return oracle.can(self.world, self.person, "export", self.kind, record)

    def _outcome(self) -> tuple[list[str], str]:
        """Which columns are left of an approved export, and where it gets (§1.11, Q3, Q9)."""
        world, person, kind = self.world, self.person, self.kind
        if not oracle.can_any(world, person, "export", kind):
            return [], "cancelled"
        if data.listed(world, person, kind, "export", self.query) is None:
            return [], "cancelled"
        approver = next((p for p in world.people if p.id == self.approver), None)
        if self.needed and not (approver and data.decides(world, approver, person)):
            return [], "pending"
        now = data.sensitive(world, kind, self.columns, self.query)
        exempt = oracle.has_tool(world, person, "crm.export_without_approval")
        lost = self.because == "exempt" and not exempt
        if lost and data.approval(world, person, len(self.frozen), now)[0]:
            return [], "pending"
        new = now - self.flagged
        if new and (self.needed or data.approval(world, person, 0, new)[0]):
            return [], "pending"
        left = [column for column in self.columns if data.has_column(world, person, kind, column)]
        return left, "pending" if self.needed and left != self.columns else "completed"

    # --- Fetching ---------------------------------------------------------------------------------

    def fetch(self, world: World) -> None:
        """Let the requester fetch the file in the world of now, and somebody else try to."""
        if not self.world.changes:
            self.write(world)
        self.now(world)
        if self.export is None or self.export.status != "completed":
            return
        for person in {self.person, self.random.choice(world.people)}:
            user = User.objects.get(pk=person.id)
            try:
                exports.open_download(self.export, actor=user).close()
                said = True
            except exports.NotAllowed:
                said = False
            self.same("fetched", said, person is self.person and self._is_open(), person.id)

    def _is_open(self) -> bool:
        world, person, kind = self.world, self.person, self.kind
        return (
            oracle.can_any(world, person, "export", kind)
            and all(data.has_column(world, person, kind, column) for column in self.columns)
            and all(self._may_leave(data.find(world, kind, key)) for key in self.frozen)
            and all(
                oracle.can(world, person, "view", of, data.find(world, of, key))
                for of, key in self.beside
            )
        )


def _in_csv(world: World, column: str, value: Any) -> str:
    """Return a value as a CSV file has it; people by their names, which they have none beside."""
    if value is None:
        return ""
    if column in data.OWNERS:
        return f"p{value}@example.com"
    if column == "amount":
        return f"{value:.2f}"
    return str(value).capitalize() if column == "priority" else str(value)
