"""What an empty installation offers to set up: permission sets and pipelines to begin with (data).

`set_up` makes what a super admin ticked, by the operations that every other screen uses. Names are
stored once, in the language of who sets up. The demo company has some of these sets too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError
from django.utils import translation
from django.utils.translation import gettext_lazy

from accounts import languages
from accounts import operations as accounts
from accounts.audit import Actor, operation
from accounts.changes import State
from accounts.editor.beginnings import Template
from accounts.models import PermissionSet, Rank
from accounts.operations import Scopes
from records import kinds
from records import operations as records
from records.models import Pipeline, Stage

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

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


def in_english(name: StrOrPromise) -> str:
    """Return a name as it stands here: what is the same for every reader."""
    with translation.override(None):
        return str(name)


def _in_every_language(name: StrOrPromise) -> set[str]:
    found = set()
    for language in languages.known():
        with translation.override(language):
            found.add(str(name))
    return found


@dataclass(frozen=True, slots=True)
class Preset:
    """A permission set that is ready to be made."""

    name: StrOrPromise
    description: StrOrPromise
    scopes: Scopes
    tools: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What its box sends."""
        return f"set:{in_english(self.name)}"

    def exists(self) -> bool:
        """Tell whether there is a permission set of this name, in whatever language it was made."""
        return PermissionSet.objects.filter(name__in=_in_every_language(self.name)).exists()

    def make(self, actor: Actor) -> PermissionSet:
        """Make the permission set as this actor, and return it."""
        return accounts.create_set(
            actor=actor,
            name=str(self.name),
            description=str(self.description),
            scopes=self.scopes,
            tools=self.tools,
        )


@dataclass(frozen=True, slots=True)
class StarterPipeline:
    """A pipeline that is ready to be made, with its stages in order."""

    object: str
    name: StrOrPromise
    stages: tuple[tuple[StrOrPromise, Stage.Outcome], ...]

    @property
    def key(self) -> str:
        """What its box sends."""
        return f"pipeline:{self.object}:{in_english(self.name)}"

    @property
    def description(self) -> str:
        """The stages, as a person reads them."""
        return " → ".join(str(name) for name, _ in self.stages)

    def exists(self) -> bool:
        """Tell whether there is a pipeline of this name for this kind of record."""
        names = _in_every_language(self.name)
        return Pipeline.objects.filter(object=self.object, name__in=names).exists()

    def make(self, actor: Actor) -> None:
        """Make the pipeline and its stages as this actor."""
        pipeline = records.create_pipeline(actor=actor, object=self.object, name=str(self.name))
        records.save_stages(
            [
                Stage(pipeline=pipeline, name=str(name), position=position, outcome=outcome)
                for position, (name, outcome) in enumerate(self.stages, 1)
            ],
            actor=actor,
        )


SERVICE_AGENT = Preset(
    gettext_lazy("Service agent"),
    gettext_lazy("Works on the team’s tickets; reads contacts and companies, sees no deal."),
    {
        "contact": READS_AND_KEEPS_OWN,
        "company": READS,
        "ticket": {**WORKS_ON_OWN, "change": TEAM, "change_unassigned": True},
    },
)
READ_ONLY = Preset(
    gettext_lazy("Read only"),
    gettext_lazy("Looks at everything, changes and exports nothing."),
    dict.fromkeys(EVERY_KIND, READS),
)
EXPORT_APPROVER = Preset(
    gettext_lazy("Export approver"),
    gettext_lazy("Decides on other people’s export requests; reads everything, exports nothing."),
    dict.fromkeys(EVERY_KIND, READS),
    ("crm.export_approver",),
)
AUDITOR = Preset(
    gettext_lazy("Auditor"),
    gettext_lazy("Reads the audit log and all exports, and no record."),
    {},
    ("audit.view", "audit.view_exports"),
)
SETS = (
    Preset(
        gettext_lazy("Sales rep"),
        gettext_lazy(
            "Sees what the team owns and what nobody owns, edits their own, deletes nothing; "
            "exports."
        ),
        {
            "contact": WORKS_ON_OWN,
            "company": WORKS_ON_OWN,
            "deal": WORKS_ON_OWN,
            "ticket": {"view": TEAM, "view_unassigned": True},
        },
        ("crm.export",),
    ),
    Preset(
        gettext_lazy("Sales manager"),
        gettext_lazy(
            "Sees, edits and deletes what the team and the teams below it own, and what nobody "
            "owns; exports."
        ),
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
    gettext_lazy("Support"),
    (
        (gettext_lazy("New"), OPEN),
        (gettext_lazy("In progress"), OPEN),
        (gettext_lazy("Waiting for customer"), OPEN),
        (gettext_lazy("Solved"), WON),
    ),
)
PIPELINES = (
    StarterPipeline(
        "deal",
        gettext_lazy("Sales"),
        (
            (gettext_lazy("Qualified"), OPEN),
            (gettext_lazy("Proposal"), OPEN),
            (gettext_lazy("Negotiation"), OPEN),
            (gettext_lazy("Won"), WON),
            (gettext_lazy("Lost"), LOST),
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
    return [str(starter.name) for starter in missing]


def templates() -> Iterator[Template]:
    """Yield the sets above as what a new permission set can begin with (E11)."""
    for preset in SETS:
        state = State(preset.scopes, preset.tools)
        yield Template(str(preset.name), str(preset.description), state)
