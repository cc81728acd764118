"""What would be enough: the same rules, asked of somebody who holds a little more (B2).

Nothing here decides about access. A supposed person answers the rules differently from the real one
in exactly one respect, and the readers of access.py tell what follows. Nothing is written.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Count, Model, Q
from django.utils.translation import gettext, ngettext, pgettext

from accounts import access, catalogue
from accounts.access import ALWAYS, EXPORT, Loaded
from accounts.models import Membership, ObjectScope, Rank, Team, TeamReach, User
from accounts.operations import clamped
from accounts.words import counted


class Supposed(Loaded):
    """A known person as they would be with other scopes, tools, teams or shares, or as an owner."""

    def __init__(
        self,
        user: User,
        *,
        scope: ObjectScope | None = None,
        tool: str = "",
        team: Team | None = None,
        as_main: bool = False,
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
            main_teams=(team.pk,) if team and as_main else grants.main_teams,
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

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        # Asked of the tables: what another main team would bring is not among what was loaded.
        return ALWAYS if self.share else shared()

    def owns(self, owner_fields: Sequence[str]) -> Q:
        return ALWAYS if self.owner else super().owns(owner_fields)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One step that would be enough, as data and in words.

    `kind` is a stable string: share, owner, exception, stage, team, main_team, tool, create, scope,
    box. Of the others only those that the kind needs are set. The words name people, teams and
    pipelines, whose names are public. That a certain team would be enough tells where an owner is,
    though: such a step is for super admins only (L92).
    """

    kind: str
    words: str
    """With {who}, {whom} and {whose} for the person, {name} for a team or a pipeline, {instead};
    besides what `parts` names."""
    object: str = ""
    action: str = ""
    rank: Rank | None = None
    team: Team | None = None
    name: str = ""
    instead: str = ""
    """The main team that another one takes the place of."""
    holders: int = 0
    """Of a step in the person's permission set: how many active people have that set."""
    parts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def sentence(self, other: str = "") -> str:
        """Return the step in words, to the person themselves or about this other one.

        How many have the same permission set is said about others alone: who reads it there is a
        super admin, and of what colleagues hold a person is told nothing.
        """
        step = self.words.format(
            who=other or pgettext("who", "you"),
            whom=other or pgettext("whom", "you"),
            whose=pgettext("whose", "%(name)s’s") % {"name": other}
            if other
            else pgettext("whose", "your"),
            name=self.name,
            instead=self.instead,
            **self.parts,
        )
        if not other or self.holders < 2:
            return gettext("It would be enough if %(step)s.") % {"step": step}
        text = ngettext(
            "It would be enough if %(step)s, in %(name)s’s permission set, which %(count)s person "
            "has.",
            "It would be enough if %(step)s, in %(name)s’s permission set, which %(count)s people "
            "have.",
            self.holders,
        )
        return text % {"step": step, "name": other, "count": counted(self.holders)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step to be tried: whoever is asked about after it, and the rules that bind them no more."""

    suggestion: Suggestion
    asker: Loaded
    lifted: frozenset[str] = field(default_factory=frozenset)

    @property
    def question(self) -> Hashable:
        """What tells this step from every other for the same person, whatever is said of it."""
        step = self.suggestion
        return step.kind, step.object, step.action, step.rank, step.team and step.team.pk


def first_enough(
    user: User, obj: Model, candidates: Mapping[str, Iterable[Candidate]]
) -> dict[str, Suggestion | None]:
    """Return, by action, the first step after which the rules would allow it on the stored row.

    One query for all of them; a few more where a team would do: whether something is shared with
    the main team, which of several teams opens the fewest rows, and what the main team is called;
    one more where a permission set would change, to tell how many people have it.
    """
    tried = [(action, step) for action, steps in candidates.items() for step in steps]
    question = ("enough", *((action, step.question) for action, step in tried))
    verdicts = access.answered_of(
        user, question, obj, lambda: [_after(step, action, type(obj)) for action, step in tried]
    )
    enough: dict[str, Suggestion | None] = dict.fromkeys(candidates)
    for wanted in candidates:
        holding = [
            step
            for (action, step), holds in zip(tried, verdicts or (), strict=False)
            if holds and action == wanted
        ]
        if holding:
            enough[wanted] = _opening_least(user, holding, wanted, type(obj)).suggestion
    if any(step and step.kind in IN_THE_SET for step in enough.values()):
        holders = User.objects.filter(permission_set=user.permission_set_id, is_active=True).count()
        for action, step in enough.items():
            if step and step.kind in IN_THE_SET:
                enough[action] = replace(step, holders=holders)
    replacing = {each: step for each, step in enough.items() if step and _replaces_main(user, step)}
    if replacing:
        main = Team.objects.get(pk=user.grants.main_teams[0])
        for action, step in replacing.items():
            enough[action] = replace(step, words=_instead(), instead=str(main))
    return enough


IN_THE_SET = frozenset({"tool", "create", "scope", "box"})


def _instead() -> str:
    """Say what another main team takes away, wherever there is one: it is there for a reason."""
    return gettext(
        "a super admin made {name} {whose} main team and kept {instead} as an extra one, though "
        "shares with {instead} would then not reach {whom} any more"
    )


def _opening_least(
    user: User, steps: list[Candidate], action: str, model: type[Model]
) -> Candidate:
    """Return the first step; where it is a team, the team that opens the fewest rows.

    Every other kind stands in the order of what it opens, whatever the rows. Another main team that
    ends shares comes after every team that only adds; and no loss makes a step a smaller one: what
    the person may already counts either way.
    """
    first, teams = steps[0], [step for step in steps if step.suggestion.team]
    if first not in teams:
        return first
    adding = [step for step in teams if not _replaces_main(user, step.suggestion)]
    if 0 < len(adding) < len(teams) and _is_given_something(user.grants.main_teams):
        teams = adding
    if len(teams) == 1:
        return teams[0]
    before = access.condition(access.rules_for(Loaded(user), action, model))
    reached = model._base_manager.aggregate(
        **{
            str(place): Count("pk", filter=before | _after(step, action, model))
            for place, step in enumerate(teams)
        }
    )
    return teams[min(range(len(teams)), key=lambda place: reached[str(place)])]


def _replaces_main(user: User, step: Suggestion) -> bool:
    return step.kind == "main_team" and bool(user.grants.main_teams)


def _is_given_something(main_teams: Sequence[int]) -> bool:
    """Tell whether anything is shared with whoever has one of these as main team."""
    given = [each for read in access.given_one_by_one for each in read() if each.to_teams]
    return any(each.rows.filter(**{f"{each.receiver}__in": main_teams}).exists() for each in given)


def _after(candidate: Candidate, action: str, model: type[Model]) -> Q:
    rules = access.rules_for(candidate.asker, action, model)
    return access.condition(rule for rule in rules if rule.code not in candidate.lifted)


# --- Steps, from small to large -------------------------------------------------------------------


def share_step(user: User, action: str) -> Candidate:
    """Return a share of the record, by whoever may change it (E55); it opens this record alone."""
    words = gettext("somebody who may change it shared it with {whom}")
    if action == "change":
        words = gettext("somebody who may change it shared it with {whom} for editing")
    return Candidate(Suggestion("share", words, action=action), Supposed(user, share=True))


def owner_step(user: User) -> Candidate:
    """Return becoming an owner of the record, by whoever may change its owners."""
    step = Suggestion("owner", gettext("{who} became an owner of it"))
    return Candidate(step, Supposed(user, owner=True))


def team_steps(user: User, teams: Iterable[Team]) -> Iterator[Candidate]:
    """Yield joining each of these teams, then having it as main team, which shares with it reach.

    None where the person holds both already.
    """
    for team in teams:
        if team.pk not in user.grants.teams:
            words = gettext("a super admin put {whom} into the team {name}")
            step = Suggestion("team", words, team=team, name=str(team))
            yield Candidate(step, Supposed(user, team=team))
        if team.pk not in user.grants.main_teams:
            words = gettext("a super admin made {name} {whose} main team")
            step = Suggestion("main_team", words, team=team, name=str(team))
            yield Candidate(step, Supposed(user, team=team, as_main=True))


def set_steps(user: User, action: str, model: type[Model]) -> Iterator[Candidate]:
    """Yield what the person's permission set could say instead: a tool, then each wider scope.

    Only what a set may say by itself: no action reaches further than the one that caps it (R20). A
    scope is worth raising only from None: with any other, a share or becoming an owner opens less
    and is enough wherever a wider one would be.
    """
    kind = catalogue.kind_of(model)
    if kind is None or user.permission_set_id is None:
        return
    if action == EXPORT:
        words = gettext("a super admin gave {whom} the permission Export")
        step = Suggestion("tool", words, kind.key, action)
        yield Candidate(step, Supposed(user, tool="crm.export"))
    action = access.SCOPE_OF.get(action, action)
    parts = {"kinds": kind.nouns, "scope": catalogue.ACTION_LABELS[action]}
    if action == "add":
        if (scope := _allowed(user, kind.key, {"add": True})) is not None:
            words = gettext("a super admin let {whom} create {kinds}")
            step = Suggestion("create", words, kind.key, action, parts=parts)
            yield Candidate(step, Supposed(user, scope=scope))
        return
    held = user.grants.scopes.get(kind.key)
    if held is not None and getattr(held, action) > Rank.NONE:
        return
    boxed = (Rank.OWNED, True)
    for rank, box in ((Rank.OWNED, False), boxed, (Rank.TEAM, False), (Rank.EVERYTHING, False)):
        wanted = {action: int(rank), f"{action}_unassigned": box}
        if (scope := _allowed(user, kind.key, wanted)) is not None:
            words = gettext("a super admin set {whose} {scope} scope for {kinds} to {level}")
            if box:
                words = gettext(
                    "a super admin set {whose} {scope} scope for {kinds} to {level} and ticked "
                    "Unassigned beside it"
                )
            code, said = ("box" if box else "scope"), {**parts, "level": rank.label}
            step = Suggestion(code, words, kind.key, action, rank, parts=said)
            yield Candidate(step, Supposed(user, scope=scope))


def _allowed(user: User, object_key: str, wanted: dict[str, int | bool]) -> ObjectScope | None:
    """Return the person's scope changed like this, or None where no set could say so."""
    held = user.grants.scopes.get(object_key)
    row = {name: getattr(held, name) if held else 0 for name in catalogue.SCOPE_COLUMNS}
    changed = {**row, **wanted}
    if clamped(changed) != changed or changed == row:
        return None
    return ObjectScope(object=object_key, **changed)  # never saved
