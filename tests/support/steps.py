"""Single steps that could let a person do something, each carried out for once and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.access import allows, permitted
from accounts.audit import System
from accounts.models import Membership, ObjectScope, Rank, Team, ToolGrant, User
from accounts.operations import clamped, set_teams
from accounts.suppose import Suggestion
from records import operations
from records.models import StageRule
from records.operations import exceptions, sharing
from tests.support import oracle
from tests.support.worlds import Excepted, Share, World

TESTING = System("test")


class Undone(Exception):
    pass


def apply(step: Suggestion, user: User, record: Any) -> None:
    """Carry a step out in the database, as the product would."""
    if step.kind in ("box", "scope", "create"):
        widen(user, step)
    elif step.kind == "tool":
        ToolGrant.objects.get_or_create(permission_set=user.permission_set, key="crm.export")
    elif step.kind in ("team", "main_team"):
        assert step.team is not None
        join(user, step.team, as_main=step.kind == "main_team")
    elif step.kind == "stage":
        name_in_rule(user, record)
    elif step.kind == "exception":
        until = timezone.now() + timedelta(days=1)
        exceptions.except_from_stage(record, actor=TESTING, user=user, until=until)
    elif step.kind == "share":
        level = "edit" if step.action == "change" else "view"
        sharing.share(record, actor=TESTING, user=user, level=level)
    else:
        assert step.kind == "owner"
        operations.change(record, actor=TESTING, values={"owner": user}, version=record.version)


def widen(user: User, step: Suggestion) -> None:
    assert user.permission_set is not None
    row = scopes(user, step.object)
    if step.kind == "create":
        row["add"] = True
    else:
        assert step.rank is not None
        row[step.action] = step.rank
        row[f"{step.action}_unassigned"] = step.kind == "box"
    # The table's own constraints say whether a set can hold this.
    ObjectScope.objects.update_or_create(
        permission_set=user.permission_set, object=step.object, defaults=row
    )


def scopes(user: User, key: str) -> dict[str, Any]:
    row: dict[str, Any] = {"add": False}
    row.update(clamped({}))
    held = ObjectScope.objects.filter(permission_set=user.permission_set_id, object=key)
    row.update(held.values(*row).first() or {})
    return row


def join(user: User, team: Team, *, as_main: bool) -> None:
    of_person = list(Membership.objects.filter(user=user).select_related("team"))
    main = next((m.team for m in of_person if m.is_main), None)
    teams = {m.team for m in of_person} | {team}
    if as_main:
        main = team
    set_teams(user, actor=TESTING, main_team=main, extra_teams=sorted(teams - {main}, key=str))


def name_in_rule(user: User, record: Any) -> None:
    rule = StageRule.objects.get(pipeline=record.stage.pipeline)
    chosen = rule.editors == StageRule.Editors.CHOSEN
    operations.set_stage_rule(
        rule.pipeline,
        actor=TESTING,
        enabled=rule.enabled,
        stages=rule.stages.all(),
        editors=StageRule.Editors.CHOSEN,
        users=[*rule.users.all(), user] if chosen else [user],
        teams=rule.teams.all() if chosen else [],
    )


def flips(step: Suggestion, user: User, action: str, record: Any) -> bool:
    """Tell whether the verdict differs once the step is taken; afterwards nothing is changed."""
    return opens(step, user, action, record, count=False) > 0


def opens(step: Suggestion, user: User, action: str, record: Any, *, count: bool = True) -> int:
    """Return on how many records more they may, or 0 where this one is not among them."""
    model = type(record)

    def reached(person: User) -> set[int]:
        rows = permitted(model._base_manager.all(), person, action)
        return set(rows.values_list("pk", flat=True)) if count else set()

    opened, before = 0, reached(user)
    try:
        with transaction.atomic():
            apply(step, user, model._base_manager.get(pk=record.pk))
            after = User.objects.get(pk=user.pk)
            if allows(after, action, record):
                opened = len(reached(after) - before) if count else 1
            raise Undone
    except Undone:
        assert not allows(user, action, record)
    return opened


def every_step(user: User, action: str, record: Any) -> Iterator[Suggestion]:
    """Yield every single step that issue 3 lists, whether or not the product would try it."""
    key = record.object_key
    asked = oracle.BY_SCOPE_OF.get(action, action)
    viewed = user.is_active and scopes(user, key)["view"] > Rank.NONE
    if viewed or user.is_superuser:  # else no operation makes them an owner or a receiver
        yield Suggestion("owner", "")
        if asked in ("view", "change"):
            yield Suggestion("share", "", action=asked)
    if hasattr(record, "stage") and StageRule.objects.filter(
        pipeline__stages=record.stage, enabled=True
    ):
        yield Suggestion("stage", "")
        if asked == "change" and exceptions.is_locked_for(user, record):
            yield Suggestion("exception", "")
    for team in Team.objects.all():
        yield Suggestion("team", "", team=team)
        yield Suggestion("main_team", "", team=team)
    if user.permission_set_id is None:
        return
    if action == "export":
        yield Suggestion("tool", "")
    held = scopes(user, key)
    for rank in Rank:
        for kind in ("scope", "box"):
            wanted = {asked: rank, f"{asked}_unassigned": kind == "box"}
            if rank >= held[asked] and clamped({**held, **wanted}) == {**held, **wanted}:
                yield Suggestion(kind, "", key, asked, rank)


def check(step: Suggestion | None, user: User, action: str, record: Any) -> str:
    """Return what is wrong with a suggestion, or with none: it flips nothing, or is not smallest.

    What opens one record alone cannot be beaten, and is not compared.
    """
    gained: float = float("inf")
    if step is not None:
        gained = opens(step, user, action, record)
        if gained <= 1:
            return "" if gained else f"{step} is not enough"
    for other in every_step(user, action, record):
        opened = opens(other, user, action, record)
        if 0 < opened < gained:
            return f"{other} opens {opened} records, {step} opens {gained}"
    return ""


# --- The same steps, taken in a world of plain values ---------------------------------------------


def opened_by_each(
    world: World, person_id: int, kind: str, action: str, record_id: int
) -> dict[tuple[Any, ...], int]:
    """Return every single step that is enough, by the oracle, with what it comes to.

    That is how many records the person may do this to before or after: what a step takes away makes
    it no smaller. Another main team instead of one with which something is shared takes that away:
    it is a step only where no other is.
    """
    (person,) = (each for each in world.people if each.id == person_id)
    before = {r.id for r in world.records[kind] if oracle.can(world, person, action, kind, r)}
    main = person.teams[0] if person.teams and person.has_main else None
    ends = any(share.to == ("team", main) and not share.over for share in world.shares)
    found = {}
    for step, after in _worlds_after(world, person_id, kind, action, record_id):
        (person,) = (each for each in after.people if each.id == person_id)
        reached = [r.id for r in after.records[kind] if oracle.can(after, person, action, kind, r)]
        if record_id in reached:
            found[step] = len(before.union(reached))
    adding = {step: count for step, count in found.items() if not ends or step[0] != "main_team"}
    return adding or found


def plain(step: Suggestion) -> tuple[Any, ...]:
    """Return how `opened_by_each` calls a suggestion of the product."""
    return (step.kind, step.team.pk if step.team else step.rank)


def _worlds_after(
    world: World, person_id: int, kind: str, action: str, record_id: int
) -> Iterator[tuple[tuple[Any, ...], World]]:
    (person,) = (each for each in world.people if each.id == person_id)
    (record,) = (each for each in world.records[kind] if each.id == record_id)
    asked = oracle.BY_SCOPE_OF.get(action, action)

    def with_person(**changes: Any) -> World:
        after = replace(person, **changes)
        return replace(world, people=tuple(after if p is person else p for p in world.people))

    def with_set(**changes: Any) -> World:
        after = replace(world.sets[person.set or 0], **changes)
        sets = (after if at == person.set else each for at, each in enumerate(world.sets))
        return replace(world, sets=tuple(sets))

    if oracle.scope(world, person, kind, "view")[0] > oracle.NONE:
        owned = replace(record, owner=person_id)
        rows = tuple(owned if r is record else r for r in world.records[kind])
        yield ("owner", None), replace(world, records={**world.records, kind: rows})
        if asked in ("view", "change"):
            level = "edit" if asked == "change" else "view"
            share = Share(kind, record_id, ("user", person_id), level)
            yield ("share", None), replace(world, shares=(*world.shares, share))
    for rule in world.rules:
        if record.stage in rule.stages:
            users = (*rule.users, person_id) if rule.editors == "chosen" else (person_id,)
            named = replace(rule, editors="chosen", users=users)
            rules = tuple(named if each is rule else each for each in world.rules)
            yield ("stage", None), replace(world, rules=rules)
    if record.stage is not None and action == "change":
        this = (kind, record_id, person_id)
        others = (e for e in world.exceptions if (e.object, e.record, e.person) != this)
        made = Excepted(kind, record_id, person_id, record.stage)
        yield ("exception", None), replace(world, exceptions=(*others, made))
    for team in world.teams:
        others = tuple(key for key in person.teams if key != team.id)
        if team.id not in person.teams:
            has_main = person.has_main and bool(person.teams)
            yield ("team", team.id), with_person(teams=(*others, team.id), has_main=has_main)
        yield ("main_team", team.id), with_person(teams=(team.id, *others), has_main=True)
    if person.set is None:
        return
    held = world.sets[person.set]
    yield ("tool", None), with_set(tools=(*held.tools, "crm.export"))
    if asked == "add":
        scopes = {**held.scopes.get(kind, {}), "add": True}
        yield ("create", None), with_set(scopes={**held.scopes, kind: scopes})
        return
    # A scope that reaches less far is no step towards anything, even where its box would do; nor is
    # one that reaches further and takes away the records that nobody owns.
    had_rank, had_box = oracle.scope(world, person, kind, asked)
    for rank in range(max(oracle.OWNED, had_rank), 4):
        for box in (True,) if had_box and rank < oracle.EVERYTHING else (False, True):
            scopes = {**held.scopes.get(kind, {}), asked: (rank, box)}
            after = with_set(scopes={**held.scopes, kind: scopes})
            if oracle.scope(after, person, kind, asked) == (rank, box):
                yield ("box" if box else "scope", rank), after
