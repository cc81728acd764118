"""What an import needs before its records: teams, people with their sets, and the pipeline.

Everything goes through the operations, so each change is an event; what exists already keeps its
permissions, members and order, and differences are listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from accounts import operations as accounts
from accounts.audit import System
from accounts.models import Membership, PermissionSet, Rank, Team, User
from accounts.operations import Scopes
from records import operations as records
from records.importing.logins import MAIL_DOMAIN, numbered
from records.importing.tables import STAGES, Parsed, Seller
from records.kinds import Kind
from records.models import Pipeline, Stage

PIPELINE_NAME = "Sales"
OUTCOMES = {"Won": Stage.Outcome.WON, "Lost": Stage.Outcome.LOST}


@dataclass(slots=True)
class Report:
    """What an import did, per kind of thing, and what it left as it was and why."""

    created: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    unchanged: Counter[str] = field(default_factory=Counter)
    left_alone: list[str] = field(default_factory=list)
    """Sentences on what the tables say otherwise and the import did not touch."""

    @property
    def nothing_changed(self) -> bool:
        """Tell whether the database is as it was."""
        return not (self.created.total() or self.changed.total())


@dataclass(frozen=True, slots=True)
class Work:
    """Which kinds of record the people who are brought in work on, and which they read."""

    sold: Kind
    read: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """A permission set that an import brings along (R21: View Team only, Unassigned cleared)."""

    name: str
    description: str
    edit: Rank
    tools: tuple[str, ...]

    def scopes(self, work: Work) -> Scopes:
        """Return the scopes; Create, Merge and Communicate start as wide as Edit (Q48)."""
        return {
            work.sold.key: {
                "add": True,
                "view": Rank.TEAM,
                "change": self.edit,
                "delete": Rank.NONE,
                "communicate": self.edit,
                "merge": self.edit,
            },
            **{kind.key: {"view": Rank.EVERYTHING} for kind in work.read},
        }


AGENT = Preset(
    "Agent",
    "Sees the team’s deals and edits their own; reads all contacts and companies.",
    Rank.OWNED,
    ("crm.export",),
)
MANAGER = Preset(
    "Manager",
    "Sees and edits the team’s deals; reads all contacts and companies; decides on exports.",
    Rank.TEAM,
    ("crm.export", "crm.export_approver"),
)


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who sells, by name in the tables, and the stages their deals go through."""

    sellers: Mapping[str, User]
    stages: Mapping[str, Stage]


class Password(NamedTuple):
    """What everybody who is brought in logs in with, and its hash.

    Argon2 is slow on purpose, and people brought in with one password share it anyway.
    """

    typed: str
    hashed: str


def found_organisation(
    parsed: Parsed, work: Work, *, actor: System, password: Password | None, report: Report
) -> Organisation:
    """Make sure that teams, sets, people and the pipeline exist.

    None for `password`: they cannot log in yet.
    """
    teams = _teams(parsed, actor, report)
    agent, manager = (_set(preset, work, actor, report) for preset in (AGENT, MANAGER))
    sellers: dict[str, User] = {}
    new: list[User] = []
    present = {user.email: user for user in User.objects.filter(email__endswith=f"@{MAIL_DOMAIN}")}
    logins = numbered(
        (*parsed.managers, *parsed.agents),
        stored={email: user.get_full_name() for email, user in present.items()},
    )
    for people, permission_set in ((parsed.managers, manager), (parsed.agents, agent)):
        for seller in people.values():
            team = teams[seller.team]
            if user := present.get(logins[seller.name]):
                report.unchanged["people"] += 1
                _compare(user, permission_set, team, report)
            else:
                email = logins[seller.name]
                user = _create_person(seller, email, permission_set, team, actor)
                new.append(user)
            sellers[seller.name] = user
    report.created["people"] += len(new)
    if password is not None:
        for user in new:
            accounts.require_fit_password(password.typed, user)
        User.objects.filter(pk__in=[user.pk for user in new]).update(password=password.hashed)
    return Organisation(sellers, _stages(work.sold, actor, report))


def _teams(parsed: Parsed, actor: System, report: Report) -> dict[str, Team]:
    """Return the team of every manager, below their office."""

    def team(name: str, parent: Team | None) -> Team:
        found = Team._base_manager.filter(name=name).first()
        if found is None:
            report.created["teams"] += 1
            return accounts.create_team(actor=actor, name=name, parent=parent)
        report.unchanged["teams"] += 1
        if found.parent_id != (parent and parent.pk):
            report.left_alone.append(f"The team {name} keeps its place in the tree of teams.")
        return found

    offices = {name: team(name, None) for name in dict.fromkeys(parsed.offices.values())}
    return {
        manager: team(f"Team {manager}", offices[office])
        for manager, office in parsed.offices.items()
    }


def _set(preset: Preset, work: Work, actor: System, report: Report) -> PermissionSet:
    if found := PermissionSet.objects.filter(name=preset.name).first():
        report.unchanged["permission sets"] += 1
        return found
    report.created["permission sets"] += 1
    return accounts.create_set(
        actor=actor,
        name=preset.name,
        description=preset.description,
        scopes=preset.scopes(work),
        tools=preset.tools,
    )


def _create_person(
    seller: Seller, email: str, permission_set: PermissionSet, team: Team, actor: System
) -> User:
    first, _, last = seller.name.partition(" ")
    return accounts.create_person(
        actor=actor,
        email=email,
        first_name=first,
        last_name=last,
        permission_set=permission_set,
        main_team=team,
    )


def _compare(user: User, permission_set: PermissionSet, team: Team, report: Report) -> None:
    """List where a person who exists already stands otherwise; their rights are not ours."""
    if user.permission_set_id != permission_set.pk and not user.is_superuser:
        report.left_alone.append(f"{user} keeps another permission set than {permission_set}.")
    if not Membership.objects.filter(user=user, team=team).exists():
        report.left_alone.append(f"{user} stays outside {team}.")


def _stages(sold: Kind, actor: System, report: Report) -> dict[str, Stage]:
    pipeline = Pipeline.objects.filter(object=sold.key, name=PIPELINE_NAME).first()
    if pipeline is None:
        pipeline = records.create_pipeline(actor=actor, object=sold.key, name=PIPELINE_NAME)
        report.created["pipelines"] += 1
    else:
        report.unchanged["pipelines"] += 1
    stages = {stage.name: stage for stage in Stage.objects.filter(pipeline=pipeline)}
    for position, name in enumerate(STAGES, 1):
        if name in stages:
            report.unchanged["stages"] += 1
            continue
        stages[name] = Stage(
            pipeline=pipeline,
            name=name,
            position=position,
            outcome=OUTCOMES.get(name, Stage.Outcome.OPEN),
        )
        records.save_stages([stages[name]], actor=actor)
        report.created["stages"] += 1
    return stages
