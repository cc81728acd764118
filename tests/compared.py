"""Every answer of the product about one world, set beside the oracle's."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts import access
from accounts.models import User
from accounts.operations import AccountsError
from exports import operations as exports
from exports import tables, worker
from exports.models import ExportPolicy, ExportRequest
from records.operations import RecordError
from records.why import suggest
from tests import oracle, steps
from tests.worlds import World, field_levels, lay_down, model_of

ACTIONS = oracle.FULL.split()
EXPORTED_EVERY = 10
"""One world in so many is also exported; a request, a job and a file cost as much as the rest."""
SUGGESTED_EVERY = 4
"""One world in so many is also asked what would be enough; every single step is then taken."""


class Disagreement(AssertionError):
    """Product and oracle differ; the message says about what."""


@dataclass
class Tally:
    """What was compared, to be printed: nobody believes in proofs that do not say how much."""

    worlds: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    decisive: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.worlds += other.worlds
        self.decisions += other.decisions
        self.compared += other.compared
        self.decisive += other.decisive

    def to_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name) for name in ("worlds", "decisions", "compared", "decisive")
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Tally:
        counted = {name: Counter(told[name]) for name in ("compared", "decisive")}
        return cls(worlds=told["worlds"], decisions=told["decisions"], **counted)

    def share(self, code: str) -> float:
        """In which part of all decisions this code decided, in per cent."""
        return 100 * self.decisive[code] / max(self.decisions, 1)

    def __str__(self) -> str:
        readers = ", ".join(f"{name} {count:,}" for name, count in self.compared.most_common())
        codes = ", ".join(f"{code} {self.share(code):.1f} %" for code in sorted(self.decisive))
        return (
            f"{self.worlds:,} worlds, {self.decisions:,} decisions, "
            f"{self.compared.total():,} answers compared ({readers}); decisive: {codes}"
        )


def compare(world: World, tally: Tally, people: int = 2) -> None:
    """Lay a world down, ask, take it away again; raises `Disagreement` at the first difference.

    Lists are asked for so many people of it, two at least: every action, every row. The other
    readers are asked about samples, which the world's own salt picks.
    """
    with transaction.atomic():
        Comparison(lay_down(world), tally).run(people)
        transaction.set_rollback(True)
    tally.worlds += 1


class Comparison:
    """One stored world and the oracle's verdicts about it, made once."""

    def __init__(self, world: World, tally: Tally) -> None:
        self.world, self.tally = world, tally
        self.random = Random(world.salt)
        self.people = {person.id: person for person in world.people}
        self.users: dict[int, User] = {}
        self.codes = {
            (person.id, kind, action, record.id): oracle.codes(world, person, action, kind, record)
            for person in world.people
            for kind, records in world.records.items()
            for action in ACTIONS
            for record in records
        }
        self.verdict = {
            key: bool(codes) and codes <= oracle.GRANTING for key, codes in self.codes.items()
        }

    def run(self, people: int) -> None:
        self.tally.decisions += len(self.codes)
        for codes in self.codes.values():
            self.tally.decisive.update(oracle.decisive(codes))
        asked = self.some(self.people, people)
        for user in map(self.user, asked):
            self.lists(user)
            self.tools(user)
        for user in map(self.user, self.random.sample(asked, 1)):
            self.marks(user)
            self.refusals(user)
            self.in_djangos_words(user)
        for person_id, kind, action, record_id in self.telling(3):
            self.about_one(person_id, kind, action, record_id)
        for _, kind, action, record_id in self.telling(people - 1):
            self.reverse(kind, action, record_id)
        if self.world.salt % EXPORTED_EVERY == 0:
            self.export()
        if self.world.salt % SUGGESTED_EVERY == 0:
            for person_id, kind, action, record_id in self.refused(people - 1):
                self.suggestion(person_id, kind, action, record_id)

    def user(self, key: int) -> User:
        """A person as a request has them: loaded once, whatever is asked afterwards."""
        if key not in self.users:
            self.users[key] = User.objects.get(pk=key)
        return self.users[key]

    def telling(self, number: int) -> list[Any]:
        """Pick questions evenly by what decides them, so that rare reasons are asked as often."""
        groups: dict[tuple[str, ...], list[Any]] = {}
        for key, codes in self.codes.items():
            groups.setdefault(tuple(sorted(oracle.decisive(codes))), []).append(key)
        chosen = self.random.choices(sorted(groups), k=number)
        return [self.random.choice(groups[reason]) for reason in chosen]

    def refused(self, number: int) -> list[Any]:
        """Pick refusals about which something can be done, evenly by what decides them.

        Not of restoring: no operation makes somebody an owner of what lies in the recycle bin.
        """
        hopeless = {"inactive", "deleted"}
        groups: dict[tuple[str, ...], list[Any]] = {}
        for key, codes in self.codes.items():
            if key[2] != "restore" and not self.verdict[key] and not codes & hopeless:
                groups.setdefault(tuple(sorted(codes)), []).append(key)
        chosen = self.random.choices(sorted(groups), k=number) if groups else []
        return [self.random.choice(groups[reason]) for reason in chosen]

    def some(self, questions: Iterable[Any], number: int) -> list[Any]:
        everything = sorted(questions)
        return self.random.sample(everything, min(number, len(everything)))

    def same(self, reader: str, said: Any, expected: Any, about: Any, count: int = 1) -> None:
        self.tally.compared[reader] += count
        if said != expected:
            raise Disagreement(f"{reader} {about}: product {said!r}, oracle {expected!r}")

    # --- The readers ------------------------------------------------------------------------------

    def lists(self, user: User) -> None:
        """Every action on every row."""
        for kind, records in self.world.records.items():
            rows = model_of(kind)._base_manager.order_by()
            for action in ACTIONS:
                # A list, not a set: a row that comes twice is a mistake too.
                listed = sorted(access.permitted(rows, user, action).values_list("pk", flat=True))
                expected = [r.id for r in records if self.verdict[user.pk, kind, action, r.id]]
                self.same("list", listed, expected, (user.pk, kind, action), len(records))

    def marks(self, user: User) -> None:
        """Every action on every row, in one statement for each kind."""
        for kind, records in self.world.records.items():
            rows = model_of(kind)._base_manager.order_by()
            for action in ACTIONS:
                rows = access.marked(rows, user, action)
            marks = sorted(rows.values_list("pk", *(f"may_{action}" for action in ACTIONS)))
            expected = [
                (r.id, *(self.verdict[user.pk, kind, action, r.id] for action in ACTIONS))
                for r in records
            ]
            self.same("marked", marks, expected, (user.pk, kind), len(records) * len(ACTIONS))

    def refusals(self, user: User) -> None:
        """One action on every row of each kind: who acts on many at once is told the same."""
        for kind, records in self.world.records.items():
            action = self.random.choice(ACTIONS)
            rows = model_of(kind)._base_manager.order_by("pk")
            said = [
                (row.pk, {finding.code for finding in told.findings if finding.holds})
                for row, told in access.refused(rows, user, action)
            ]
            keys = [(r.id, (user.pk, kind, action, r.id)) for r in records]
            expected = [(pk, self.codes[key]) for pk, key in keys if not self.verdict[key]]
            self.same("refused", said, expected, (user.pk, kind, action), len(records))

    def tools(self, user: User) -> None:
        person = self.people[user.pk]
        for tool in ("crm.export", "audit.view", "crm.export_approver"):
            expected = person.active and oracle.has_tool(self.world, person, tool)
            self.same("has_perm(perm)", user.has_perm(tool), expected, (user.pk, tool))

    def in_djangos_words(self, user: User) -> None:
        """has_perm without a record, tools, has_module_perms: by the backends as shipped."""
        person = self.people[user.pk]
        for kind, action in product(self.world.records, ACTIONS):
            expected = oracle.can_any(self.world, person, action, kind)
            for perm in (f"records.{action}_{kind}", f"crm.{kind}.{action}"):
                self.same("has_perm(perm)", user.has_perm(perm), expected, (user.pk, perm))
        apps = {
            "records": any(
                oracle.can_any(self.world, person, "view", kind) for kind in oracle.OBJECTS
            ),
            "accounts": person.active and oracle.has_tool(self.world, person, "audit.view"),
            "nonsense": False,
        }
        for app, expected in apps.items():
            said = user.has_module_perms(app)
            self.same("has_module_perms", said, expected, (user.pk, app))
        for kind in self.world.records:
            seen = [c.name for c in tables.permitted_columns(model_of(kind), user)]
            expected_seen = [
                c.name
                for c in tables.all_columns(model_of(kind))
                if oracle.field(self.world, person, kind, c.field)
                and (c.of is None or oracle.field(self.world, person, c.of.object_key, c.path))
            ]
            self.same("columns", seen, expected_seen, (user.pk, kind))
            if levels := field_levels(user, kind):
                expected_levels = {
                    rule.name: oracle.field(self.world, person, kind, rule.name)
                    for rule in self.world.fields
                    if rule.object == kind
                }
                self.same("fields", levels, expected_levels, (user.pk, kind), len(levels))

    def about_one(self, person_id: int, kind: str, action: str, record_id: int) -> None:
        """allows, has_perm, explain, about a row that a form has changed: the stored one counts."""
        key = (person_id, kind, action, record_id)
        user = self.user(person_id)
        model = model_of(kind)
        row = model(pk=record_id, owner_id=person_id)
        if oracle.OBJECTS[kind][1]:
            row.stage_id = self.random.choice(sorted(self.stages()))
        perm = self.random.choice((f"records.{action}_{kind}", f"crm.{kind}.{action}"))
        self.same("allows", access.allows(user, action, row), self.verdict[key], key)
        self.same("has_perm(perm, obj)", user.has_perm(perm, row), self.verdict[key], (*key, perm))
        told = access.explain(user, action, row)
        self.same("explain", told.allowed, self.verdict[key], key)
        held = {finding.code for finding in told.findings if finding.holds}
        self.same("explain: findings", held, self.codes[key], key)
        reasons = {finding.code for finding in told.decisive}
        self.same("explain: reasons", reasons, oracle.decisive(self.codes[key]), key)

    def stages(self) -> set[int]:
        return {r.stage for rs in self.world.records.values() for r in rs if r.stage is not None}

    def reverse(self, kind: str, action: str, record_id: int) -> None:
        row = model_of(kind)(pk=record_id)
        people = access.who_can(action, row).order_by("pk")
        found = [(each.pk, set(each.reasons), set(each.level)) for each in people]
        expected = [
            (
                person,
                self.codes[person, kind, action, record_id] & oracle.GRANTING,
                {level for level in access.LEVELS if self.verdict[person, kind, level, record_id]},
            )
            for person in sorted(self.people)
            if self.verdict[person, kind, action, record_id]
        ]
        self.same("who_can", found, expected, (kind, action, record_id), len(self.people))

    def suggestion(self, person_id: int, kind: str, action: str, record_id: int) -> None:
        """What would be enough is enough, and smallest; where nothing would be, nothing is.

        The oracle takes every single step in turn; the one suggested is taken in the database too.
        """
        user = self.user(person_id)
        record = model_of(kind)._base_manager.get(pk=record_id)
        step = suggest(user, action, record)
        reader = f"suggestion: {step.kind}" if step else "suggestion: none"
        about = (person_id, kind, action, record_id)
        opened = steps.opened_by_each(self.world, *about)
        least = min(opened.values(), default=None)
        said = opened.get(steps.plain(step), "not enough") if step else None
        self.same(reader, said, least, (*about, step, opened))
        if step:
            try:
                flipped: bool | str = steps.flips(step, user, action, record)
            except (AccountsError, RecordError) as refusal:
                flipped = str(refusal)  # nobody can take it: then it is no step
            self.same(reader, flipped, True, (*about, step))

    # --- The worker -------------------------------------------------------------------------------

    def export(self) -> None:
        """Ask for everything as one person, let the worker run, and read the file."""
        ((person_id, kind),) = self.some(product(self.people, self.world.records), 1)
        person, model = self.people[person_id], model_of(kind)
        expected = [
            r.id for r in self.world.records[kind] if self.verdict[person_id, kind, "export", r.id]
        ]
        ExportPolicy.objects.update(require_approval=False)
        about = (person_id, kind)
        try:
            request = exports.request_export(actor=User.objects.get(pk=person_id), model=model)
        except exports.NotAllowed:
            allowed = oracle.can_any(self.world, person, "export", kind)
            self.same("export", "refused", "refused" if not allowed else expected, about)
            return
        except exports.NothingToExport:
            self.same("export", [], expected, about)
            return
        worker.run_once(upkeep=lambda stop: None)
        request = ExportRequest.objects.get(pk=request.pk)
        text = (Path(settings.EXPORT_ROOT) / request.file_name).read_text("utf-8-sig")
        head, *body = list(csv.reader(io.StringIO(text, newline="")))
        self.same("export", sorted(int(row[0]) for row in body), expected, about, len(body))
        labels = [
            c.label for c in tables.table(model) if oracle.field(self.world, person, kind, c.field)
        ]
        self.same("export", head, labels, about)
