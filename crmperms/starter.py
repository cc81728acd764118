"""What an empty installation offers to set up: permission sets and pipelines to begin with (data).

`set_up` makes what a super admin ticked, by the operations that every other screen uses. Names are
stored once, in the language of who sets up. The demo company has some of these sets too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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
from records.kinds import Part
from records.models import Pipeline, Stage

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OWNED, TEAM, EVERYTHING = Rank.OWNED, Rank.TEAM, Rank.EVERYTHING
EVERY_KIND = tuple(kind.key for kind in kinds.every())

Scope = Mapping[str, int | bool]

READS: Scope = {"view": EVERYTHING}
READS_AND_KEEPS_OWN: Scope = {
    "add": True,
    "view": EVERYTHING,
    "change": OWNED,
    "communicate": EVERYTHING,
    "merge": OWNED,
}
WORKS_ON_OWN: Scope = {
    "add": True,
    "view": TEAM,
    "view_unassigned": True,
    "change": OWNED,
    "communicate": TEAM,
    "communicate_unassigned": True,
    "merge": OWNED,
}
LEADS: Scope = {
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
    stages: tuple[tuple[StrOrPromise, str], ...]

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


def _by_part(trade: str, levels: Mapping[Part, Scope]) -> Scopes:
    """Return the scopes of a trade on every kind of record, by the part that each plays in it."""
    parts = {kind.key: getattr(kind, trade) for kind in kinds.every()}
    return {key: levels[part] for key, part in parts.items() if part in levels}


def _sales(works: Scope) -> Scopes:
    reads: Scope = {"view": TEAM, "view_unassigned": True}
    return _by_part(
        "sales", {Part.READS: reads, Part.KEEPS: READS_AND_KEEPS_OWN, Part.WORKS: works}
    )


SERVICE_AGENT = Preset(
    gettext_lazy("Service agent"),
    gettext_lazy("Works on the team’s tickets; reads contacts and companies, sees no deal."),
    _by_part(
        "service",
        {
            Part.READS: READS,
            Part.KEEPS: READS_AND_KEEPS_OWN,
            Part.WORKS: {**WORKS_ON_OWN, "change": TEAM, "change_unassigned": True},
        },
    ),
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
        _sales(WORKS_ON_OWN),
        ("crm.export",),
    ),
    Preset(
        gettext_lazy("Sales manager"),
        gettext_lazy(
            "Sees, edits and deletes what the team and the teams below it own, and what nobody "
            "owns; exports."
        ),
        _sales(RUNS_THE_TEAMS),
        ("crm.export",),
    ),
    SERVICE_AGENT,
    READ_ONLY,
    EXPORT_APPROVER,
    AUDITOR,
)
PIPELINES = tuple(
    StarterPipeline(kind.key, kind.beginning.name, kind.beginning.stages)
    for kind in kinds.every()
    if kind.beginning is not None
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
