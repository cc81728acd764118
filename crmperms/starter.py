"""What an empty installation offers to set up: permission sets and pipelines to begin with (data).

`set_up` makes what a super admin ticked, by the operations that every other screen uses. The demo
company has some of these sets too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db import IntegrityError

from accounts import operations as accounts
from accounts.audit import Actor, operation
from accounts.changes import State
from accounts.editor.beginnings import Template
from accounts.models import PermissionSet, Rank
from accounts.operations import Scopes
from records import kinds
from records import operations as records
from records.models import Pipeline, Stage

OWNED, TEAM, EVERYTHING = Rank.OWNED, Rank.TEAM, Rank.EVERYTHING
OPEN, WON, LOST = Stage.Outcome.OPEN, Stage.Outcome.WON, Stage.Outcome.LOST
EVERY_KIND = tuple(kind.key for kind in kinds.every())

READS: dict[str, int | bool] = {"view": EVERYTHING}
READS_AND_KEEPS_OWN: dict[str, int | bool] = {
    "add": True,
    "view": EVERYTHING,
    "change": OWNED,
    "communicate": EVERYTHING,
    "merge": OWNED,
}
WORKS_ON_OWN: dict[str, int | bool] = {
    "add": True,
    "view": TEAM,
    "view_unassigned": True,
    "change": OWNED,
    "communicate": TEAM,
    "communicate_unassigned": True,
    "merge": OWNED,
}
LEADS: dict[str, int | bool] = {
    "add": True,
    "view": TEAM,
    "view_unassigned": True,
    "change": TEAM,
    "change_unassigned": True,
    "delete": OWNED,
    "communicate": TEAM,
    "communicate_unassigned": True,
    "merge": TEAM,
    "merge_unassigned": True,
}
RUNS_THE_TEAMS = {**LEADS, "delete": TEAM, "delete_unassigned": True}


@dataclass(frozen=True, slots=True)
class Preset:
    """A permission set that is ready to be made."""

    name: str
    description: str
    scopes: Scopes
    tools: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What its box sends."""
        return f"set:{self.name}"

    def exists(self) -> bool:
        """Tell whether there is a permission set of this name."""
        return PermissionSet.objects.filter(name=self.name).exists()

    def make(self, actor: Actor) -> PermissionSet:
        """Make the permission set as this actor, and return it."""
        return accounts.create_set(
            actor=actor,
            name=self.name,
            description=self.description,
            scopes=self.scopes,
            tools=self.tools,
        )


@dataclass(frozen=True, slots=True)
class StarterPipeline:
    """A pipeline that is ready to be made, with its stages in order."""

    object: str
    name: str
    stages: tuple[tuple[str, Stage.Outcome], ...]

    @property
    def key(self) -> str:
        """What its box sends."""
        return f"pipeline:{self.object}:{self.name}"

    @property
    def description(self) -> str:
        """The stages, as a person reads them."""
        return " → ".join(name for name, _ in self.stages)

    def exists(self) -> bool:
        """Tell whether there is a pipeline of this name for this kind of record."""
        return Pipeline.objects.filter(object=self.object, name=self.name).exists()

    def make(self, actor: Actor) -> None:
        """Make the pipeline and its stages as this actor."""
        pipeline = records.create_pipeline(actor=actor, object=self.object, name=self.name)
        records.save_stages(
            [
                Stage(pipeline=pipeline, name=name, position=position, outcome=outcome)
                for position, (name, outcome) in enumerate(self.stages, 1)
            ],
            actor=actor,
        )


SERVICE_AGENT = Preset(
    "Service agent",
    "Works on the team’s tickets; reads contacts and companies, sees no deal.",
    {
        "contact": READS_AND_KEEPS_OWN,
        "company": READS,
        "ticket": {**WORKS_ON_OWN, "change": TEAM, "change_unassigned": True},
    },
)
READ_ONLY = Preset(
    "Read only",
    "Looks at everything, changes and exports nothing.",
    dict.fromkeys(EVERY_KIND, READS),
)
EXPORT_APPROVER = Preset(
    "Export approver",
    "Decides on other people’s export requests; reads everything, exports nothing.",
    dict.fromkeys(EVERY_KIND, READS),
    ("crm.export_approver",),
)
AUDITOR = Preset(
    "Auditor",
    "Reads the audit log and all exports, and no record.",
    {},
    ("audit.view", "audit.view_exports"),
)
SETS = (
    Preset(
        "Sales rep",
        "Sees what the team owns and what nobody owns, edits their own, deletes nothing; exports.",
        {
            "contact": WORKS_ON_OWN,
            "company": WORKS_ON_OWN,
            "deal": WORKS_ON_OWN,
            "ticket": {"view": TEAM, "view_unassigned": True},
        },
        ("crm.export",),
    ),
    Preset(
        "Sales manager",
        "Sees, edits and deletes what the team and the teams below it own, and what nobody owns; "
        "exports.",
        {
            "contact": RUNS_THE_TEAMS,
            "company": RUNS_THE_TEAMS,
            "deal": RUNS_THE_TEAMS,
            "ticket": {"view": TEAM, "view_unassigned": True},
        },
        ("crm.export",),
    ),
    SERVICE_AGENT,
    READ_ONLY,
    EXPORT_APPROVER,
    AUDITOR,
)
SUPPORT = StarterPipeline(
    "ticket",
    "Support",
    (("New", OPEN), ("In progress", OPEN), ("Waiting for customer", OPEN), ("Solved", WON)),
)
PIPELINES = (
    StarterPipeline(
        "deal",
        "Sales",
        (
            ("Qualified", OPEN),
            ("Proposal", OPEN),
            ("Negotiation", OPEN),
            ("Won", WON),
            ("Lost", LOST),
        ),
    ),
    SUPPORT,
)
Starter = Preset | StarterPipeline
STARTERS: tuple[Starter, ...] = (*PIPELINES, *SETS)


def set_up(keys: Collection[str], *, actor: Actor) -> list[str]:
    """Make what was ticked and is not there yet, all or nothing; return the names of what was made.

    Sent twice it makes everything once, also at the same moment: the names are unique in the
    database, and whoever comes second looks again at what is there.
    """
    try:
        return _set_up(keys, actor=actor)
    except IntegrityError:
        return _set_up(keys, actor=actor)


@operation("set.create")
def _set_up(keys: Collection[str], *, actor: Actor) -> list[str]:
    accounts.require_super_admin(actor)
    missing = [starter for starter in STARTERS if starter.key in keys and not starter.exists()]
    for starter in missing:
        starter.make(actor)
    return [starter.name for starter in missing]


def templates() -> Iterator[Template]:
    """Yield the sets above as what a new permission set can begin with (E11)."""
    for preset in SETS:
        yield Template(preset.name, preset.description, State(preset.scopes, preset.tools))
