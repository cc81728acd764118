"""What would be enough: the same rules, asked of somebody who holds a little more (B2).

Nothing here decides about access. A supposed person answers the rules differently from the real one
in exactly one respect, and the readers of access.py tell what follows. Nothing is written.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.db.models import Model, Q

from accounts import access, catalogue
from accounts.access import ALWAYS, EXPORT, Loaded
from accounts.models import Membership, ObjectScope, Rank, Team, TeamReach, User
from accounts.operations import clamped

MOST_TEAMS = 10


class Supposed(Loaded):
    """A known person as they would be with other scopes, tools, teams or shares, or as an owner."""

    def __init__(
        self,
        user: User,
        *,
        scope: ObjectScope | None = None,
        tool: str = "",
        team: Team | None = None,
        owner: bool = False,
        share: bool = False,
    ) -> None:
        grants = user.grants
        twin = copy.copy(user)
        twin.__dict__["grants"] = replace(
            grants,
            scopes={**grants.scopes, scope.object: scope} if scope else grants.scopes,
            tools=grants.tools | {tool} if tool else grants.tools,
            teams=(*grants.teams, team.pk) if team else grants.teams,
            known={},
        )
        super().__init__(twin)
        self.joined = team
        self.owner = owner
        self.share = share

    def mates(self) -> object:
        if self.joined is None:
            return super().mates()
        below = TeamReach.objects.filter(above__in=self.teams()).values("below")
        return Membership.objects.filter(team__in=below).values("user")

    def receives(self, shared: Q) -> Q:
        return ALWAYS if self.share else shared

    def owns(self, owner_fields: Sequence[str]) -> Q:
        return ALWAYS if self.owner else super().owns(owner_fields)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One step that would be enough, as data and in words.

    `kind` is a stable string: box, scope, create, tool, team, stage, share, owner. Of the others
    only those that the kind needs are set. The words name people, teams and pipelines, whose names
    are public, and nothing else.
    """

    kind: str
    words: str
    """With {who}, {whom} and {whose} for the person, {name} for a team or a pipeline."""
    object: str = ""
    action: str = ""
    rank: Rank | None = None
    team: Team | None = None
    name: str = ""

    def sentence(self, other: str = "") -> str:
        """Return the step in words, to the person themselves or about this other one."""
        words = self.words.format(
            who=other or "you",
            whom=other or "you",
            whose=f"{other}’s" if other else "your",
            name=self.name,
        )
        return f"It would be enough if {words}."


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step to be tried: the person after it, and the rules that would not bind them any more."""

    suggestion: Suggestion
    person: Loaded
    lifted: frozenset[str] = field(default_factory=frozenset)


def first_enough(
    obj: Model, candidates: Mapping[str, Iterable[Candidate]]
) -> dict[str, Suggestion | None]:
    """Return, by action, the first step after which the rules would allow it on the stored row.

    One query for all of them.
    """
    tried = [(action, step) for action, steps in candidates.items() for step in steps]
    verdicts = access.answered(obj, [_after(step, action, type(obj)) for action, step in tried])
    enough: dict[str, Suggestion | None] = dict.fromkeys(candidates)
    for (action, step), holds in zip(tried, verdicts or (), strict=False):
        if holds and enough[action] is None:
            enough[action] = step.suggestion
    return enough


def _after(candidate: Candidate, action: str, model: type[Model]) -> Q:
    rules = access.rules_for(candidate.person, action, model)
    return access.condition(rule for rule in rules if rule.code not in candidate.lifted)


# --- Steps, from small to large -------------------------------------------------------------------


def scope_steps(user: User, action: str, model: type[Model]) -> Iterator[Candidate]:
    """Yield the box, then each wider scope: what the person's permission set could say instead.

    Only what a set may say by itself: no action reaches further than the one that caps it (R20).
    """
    kind = catalogue.kind_of(model)
    if kind is None or user.permission_set_id is None:
        return
    if action == EXPORT:
        words = "a super admin gave {whom} the permission Export"
        step = Suggestion("tool", words, kind.key, action)
        yield Candidate(step, Supposed(user, tool="crm.export"))
    action = access.SCOPE_OF.get(action, action)
    plural = kind.plural.lower()
    if action == "add":
        if (scope := _allowed(user, kind.key, {"add": True})) is not None:
            words = f"a super admin let {{whom}} create {plural}"
            step = Suggestion("create", words, kind.key, action)
            yield Candidate(step, Supposed(user, scope=scope))
        return
    label = catalogue.ACTION_LABELS[action]
    if (scope := _allowed(user, kind.key, {f"{action}_unassigned": True})) is not None:
        words = f"a super admin ticked Unassigned beside {{whose}} {label} scope for {plural}"
        step = Suggestion("box", words, kind.key, action)
        yield Candidate(step, Supposed(user, scope=scope))
    held = user.grants.scopes.get(kind.key)
    for rank in Rank:
        if rank <= (getattr(held, action) if held else Rank.NONE):
            continue
        wanted = {action: int(rank)}
        if rank == Rank.EVERYTHING:  # the box means nothing beside it
            wanted[f"{action}_unassigned"] = False
        if (scope := _allowed(user, kind.key, wanted)) is not None:
            words = f"a super admin set {{whose}} {label} scope for {plural} to {rank.label}"
            step = Suggestion("scope", words, kind.key, action, rank)
            yield Candidate(step, Supposed(user, scope=scope))


def _allowed(user: User, object_key: str, wanted: dict[str, int | bool]) -> ObjectScope | None:
    """Return the person's scope changed like this, or None where no set could say so."""
    held = user.grants.scopes.get(object_key)
    names = ["add"]
    for action in catalogue.SCOPED_ACTIONS:
        names += [action, f"{action}_unassigned"]
    row = {name: getattr(held, name) if held else 0 for name in names}
    changed = {**row, **wanted}
    if clamped(changed) != changed or changed == row:
        return None
    return ObjectScope(object=object_key, **changed)  # never saved


def teams_of_owners(user: User, obj: Model, owner_fields: Sequence[str]) -> list[Team]:
    """Return teams of the stored record's owners in which the person is not; one query."""
    stored = type(obj)._base_manager.filter(pk=obj.pk)
    owners = access.NEVER
    for name in owner_fields:
        owners |= Q(user__in=stored.values(name))
    theirs = Membership.objects.filter(owners).values("team")
    return list(Team.objects.filter(pk__in=theirs).exclude(pk__in=user.grants.teams)[:MOST_TEAMS])


def team_steps(user: User, teams: Iterable[Team]) -> Iterator[Candidate]:
    """Yield joining each of these teams."""
    for team in teams:
        words = "a super admin put {whom} into the team {name}"
        step = Suggestion("team", words, team=team, name=str(team))
        yield Candidate(step, Supposed(user, team=team))


def share_step(user: User, action: str) -> Candidate:
    """Return a share of the record, by whoever may change it (E55)."""
    step = Suggestion("share", "somebody who may change it shared it with {whom}", action=action)
    return Candidate(step, Supposed(user, share=True))


def owner_step(user: User) -> Candidate:
    """Return becoming an owner of the record, by whoever may change its owners."""
    step = Suggestion("owner", "{who} became an owner of it")
    return Candidate(step, Supposed(user, owner=True))
