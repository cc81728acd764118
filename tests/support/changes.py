"""What happens in a world between a question and the next: each change in plain values and as done.

A change answers with the world after it and a function that carries it out by the product's own
operation; None where there is nothing it could be about. The oracle is then asked about the new
world, the product about its database: what was worked out before must not answer (Q24, B1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from accounts import operations as accounts
from accounts.audit import System
from accounts.changes import stored
from accounts.models import PermissionSet, Team, User
from exports.models import ExportPolicy
from records import operations as records
from records.models import Pipeline
from records.operations import sharing
from records.operations.recycling import restore
from tests.support import oracle, oracle_data
from tests.support.catalogue_rows import BOXES, BY_KEY, CHOICE, LEVELLED, STORABLE, SWITCH
from tests.support.oracle_writes import BOX, RANKS, edited, given_own, written
from tests.support.world_rows import as_asked, as_given, model_of, stored_policy
from tests.support.worlds import (
    EMPLOYEE,
    FIELDS,
    GIVEN,
    NEVER_VEILED,
    SCOPED,
    SWITCHES,
    FieldRule,
    Policy,
    Record,
    Rule,
    Set,
    Share,
    World,
    one_of_each_choice,
    stages_of,
    values_of,
)

Done = Callable[[], Any]
Change = Callable[[World, Random], tuple[World, Done] | None]
TESTING = System("test")
EXPORTING = ("crm.export", "crm.export_approver", "crm.export_without_approval")


def _other(items: tuple[Any, ...], old: Any, new: Any) -> tuple[Any, ...]:
    return tuple(new if item is old else item for item in items)


def _stored(kind: str, key: int) -> Any:
    return model_of(kind)._base_manager.get(pk=key)


# --- People and what they may ---------------------------------------------------------------------


def team_moved(world: World, random: Random) -> tuple[World, Done] | None:
    """A team is hung elsewhere in the tree, or to its top."""
    if not world.teams:
        return None
    team = random.choice(world.teams)
    below = oracle.teams_below(world, team.id)
    parent = random.choice([None, *(t.id for t in world.teams if t.id not in below)])
    after = replace(world, teams=_other(world.teams, team, replace(team, parent=parent)))
    return after, lambda: accounts.change_team(
        Team.objects.get(pk=team.id),
        actor=TESTING,
        name=f"Team {team.id}",
        parent=parent and Team.objects.get(pk=parent),
    )


def teams_joined(world: World, random: Random) -> tuple[World, Done] | None:
    """A person's teams are written anew; the first one is the main one."""
    person = random.choice(world.people)
    keys = random.sample([t.id for t in world.teams], min(random.randrange(3), len(world.teams)))
    moved = replace(person, teams=tuple(keys), has_main=True)

    def done() -> None:
        teams = [Team.objects.get(pk=key) for key in keys]
        user = User.objects.get(pk=person.id)
        main = teams[0] if teams else None
        accounts.set_teams(user, actor=TESTING, main_team=main, extra_teams=teams[1:])

    return replace(world, people=_other(world.people, person, moved)), done


def set_rewritten(world: World, random: Random) -> tuple[World, Done] | None:
    """A permission set says something else about one kind of record, and gives other tools."""
    number = random.choice(_named(world))
    old, kind = world.sets[number], random.choice(sorted(world.records))
    asked = {action: (random.randrange(4), random.random() < 0.5) for action in SCOPED}
    tools = {
        *(tool for tool in EXPORTING if random.random() < 0.5),
        *random.sample(SWITCHES, 2),
        *random.sample(STORABLE, 4),
    }
    scopes = {**old.scopes, kind: {"add": random.random() < 0.5, **asked}}
    new = replace(
        old,
        scopes=scopes,
        tools=tuple(one_of_each_choice(tools)),
        levels={name: random.choice(GIVEN) for name in LEVELLED if random.random() < 0.5},
    )
    after = replace(world, sets=_other(world.sets, old, written(new)))
    return after, lambda: accounts.change_set(
        PermissionSet.objects.get(pk=number + 1),
        actor=TESTING,
        name=f"Set {number + 1}",
        description="",
        scopes={kind: as_asked(said) for kind, said in scopes.items()},
        tools=as_given(new),
    )


def set_assigned(world: World, random: Random) -> tuple[World, Done] | None:
    """A person gets another permission set, or none."""
    person = random.choice(world.people)
    number = random.choice([None, *_named(world)])
    if person.superuser or person.partner:
        return None
    after = _other(world.people, person, replace(person, set=number))
    return replace(world, people=after), lambda: accounts.assign_set(
        User.objects.get(pk=person.id),
        actor=TESTING,
        permission_set=None if number is None else PermissionSet.objects.get(pk=number + 1),
    )


def _named(world: World) -> list[int]:
    return [number for number, each in enumerate(world.sets) if each.owner is None]


def _some_changes(world: World, random: Random) -> dict[str, Any]:
    """Changes by key, as an editor sends them: levels with and without the box beside them."""
    kind = random.choice(sorted(world.records))
    levels = [f"crm.{kind}.{action}" for action in SCOPED] + list(LEVELLED)
    changes: dict[str, Any] = {}
    for key in random.sample(levels, random.randrange(1, 4)):
        if random.random() < 0.8:
            changes[key] = random.choice(sorted(RANKS))
        if random.random() < 0.5:
            changes[key + BOX] = random.random() < 0.5
    if random.random() < 0.3:
        changes[f"crm.{kind}.add"] = random.random() < 0.5
    keys = {name.partition(":")[0] for name in random.sample(STORABLE, random.randrange(6))}
    for key in sorted({*keys, *random.sample(SWITCHES, random.randrange(3))}):
        _, _, sort, options = BY_KEY[key]
        some = [each for each in options if random.random() < 0.5]
        chosen = random.choice(["", *options])
        changes[key] = {SWITCH: random.random() < 0.6, BOXES: some, CHOICE: chosen}[sort]
    return changes


def permissions_edited(world: World, random: Random) -> tuple[World, Done] | None:
    """One to three people may do something else: detached from a named set, or on their own."""
    people = random.sample(world.people, min(random.randrange(1, 4), len(world.people)))
    keys = sorted(person.id for person in people)
    changes = _some_changes(world, random)
    if any(person.partner for person in people):
        changes.pop(EMPLOYEE, None)  # refused: a partner admin is an employee of the partner
    if not changes:
        return None
    after = given_own(world, keys, changes, Set())
    return after, lambda: accounts.edit_permissions(
        User.objects.filter(pk__in=keys), actor=TESTING, changes=changes
    )


def sets_edited(world: World, random: Random) -> tuple[World, Done] | None:
    """One or two named sets say something else, for everybody who has them."""
    named = _named(world)
    numbers = random.sample(named, min(random.randrange(1, 3), len(named)))
    changes = _some_changes(world, random)
    sets = [edited(s, changes) if n in numbers else s for n, s in enumerate(world.sets)]
    chosen = PermissionSet.objects.filter(pk__in=[number + 1 for number in numbers])
    return replace(world, sets=tuple(sets)), lambda: accounts.edit_sets(
        chosen, actor=TESTING, changes=changes
    )


def taken_back(world: World, random: Random) -> tuple[World, Done] | None:
    """People's permissions are changed, and that is taken back: the world is as it was."""
    found = permissions_edited(world, random)
    if found is None:
        return None
    _, edit = found

    def done() -> None:
        before = {
            user.pk: (user.permission_set, stored(user.permission_set))
            for user in User.objects.select_related("permission_set").order_by("pk")
        }
        edit()
        people = User.objects.order_by("pk")
        rows = [
            {
                "key": key,
                "set": accounts.OWN if one and one.owner_id else one and one.pk,
                "before": (said.scopes, list(said.tools)),
            }
            for key, (one, said) in before.items()
        ]
        stands = accounts.as_touched("person", [person.pk for person in people], TESTING)
        accounts.take_back("person", rows, actor=TESTING, stands=stands)

    return world, done


def super_admin(world: World, random: Random) -> tuple[World, Done] | None:
    """A person becomes super admin, or is one no more: then they have what they are given (R92)."""
    person = random.choice(world.people)
    if person.partner:
        return None
    if not person.superuser:
        people = _other(world.people, person, replace(person, superuser=person.active))
        return replace(world, people=people), lambda: accounts.make_super_admin(
            User.objects.get(pk=person.id), actor=TESTING
        )
    number = random.choice(_named(world))
    people = _other(world.people, person, replace(person, superuser=False, set=number))
    return replace(world, people=people), lambda: accounts.remove_super_admin(
        User.objects.get(pk=person.id),
        actor=TESTING,
        permission_set=PermissionSet.objects.get(pk=number + 1),
    )


def partner_admin(world: World, random: Random) -> tuple[World, Done] | None:
    """An employee of the partner becomes partner admin (R101), or is one no more (Q27)."""
    person = random.choice(world.people)
    if person.partner:
        number = random.choice(_named(world))
        people = _other(world.people, person, replace(person, partner=False, set=number))
        return replace(world, people=people), lambda: accounts.remove_partner_admin(
            User.objects.get(pk=person.id),
            actor=TESTING,
            permission_set=PermissionSet.objects.get(pk=number + 1),
        )
    if person.superuser or not person.active:
        return None
    marked = given_own(world, [person.id], {EMPLOYEE: True}, Set())
    people = tuple(replace(p, partner=True) if p.id == person.id else p for p in marked.people)

    def done() -> None:
        user = User.objects.get(pk=person.id)
        accounts.edit_permissions([user], actor=TESTING, changes={EMPLOYEE: True})
        accounts.make_partner_admin(user, actor=TESTING)

    return replace(marked, people=people), done


def deactivated(world: World, random: Random) -> tuple[World, Done] | None:
    """A person leaves, with what was shared with them (E51), or comes back."""
    person = random.choice(world.people)
    people = _other(world.people, person, replace(person, active=not person.active))
    if not person.active:
        return replace(world, people=people), lambda: accounts.reactivate(
            User.objects.get(pk=person.id), actor=TESTING
        )
    shares = tuple(share for share in world.shares if share.to != ("user", person.id))
    exceptions = tuple(each for each in world.exceptions if each.person != person.id)
    after = replace(world, people=people, shares=shares, exceptions=exceptions)
    return after, lambda: accounts.deactivate(User.objects.get(pk=person.id), actor=TESTING)


# --- Records --------------------------------------------------------------------------------------


def _some_record(world: World, random: Random, *, deleted: bool = False) -> Any:
    found = [
        (kind, record)
        for kind, all_of_it in world.records.items()
        for record in all_of_it
        if record.deleted == deleted
    ]
    return random.choice(found) if found else None


def _with_record(world: World, kind: str, old: Record, new: Record) -> World:
    return replace(world, records={**world.records, kind: _other(world.records[kind], old, new)})


def _written(kind: str, key: int, values: dict[str, Any]) -> Done:
    def done() -> None:
        record = _stored(kind, key)
        records.change(record, actor=TESTING, values=values, version=record.version)

    return done


def re_owned(world: World, random: Random) -> tuple[World, Done] | None:
    """A record gets other owners, or none."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None:
        return None
    keys = [None, *(person.id for person in world.people)]
    owner, co_owner = random.choice(keys), random.choice([None, None, *keys])
    after = _with_record(world, kind, record, replace(record, owner=owner, co_owner=co_owner))
    users = {key: User(pk=key) for key in (owner, co_owner) if key}
    values = {"owner": users.get(owner), "co_owner": users.get(co_owner)}
    return after, _written(kind, record.id, values)


def linked(world: World, random: Random) -> tuple[World, Done] | None:
    """A record leads to another record, or to none."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None:
        return None
    name, to = random.choice(sorted(oracle_data.LEADS_TO[kind].items()))
    keys = [each.id for each in world.records.get(to, ())]
    key = random.choice([None, *(key for key in keys if to != kind or key < record.id)])
    links = {each: there for each, there in record.links.items() if each != name}
    links |= {name: key} if key else {}
    after = _with_record(world, kind, record, replace(record, links=links))
    return after, _written(kind, record.id, {name: _stored(to, key) if key else None})


def valued(world: World, random: Random) -> tuple[World, Done] | None:
    """The values of a record are written anew."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None:
        return None
    values = values_of(kind, random.randrange(1, 16))
    after = _with_record(world, kind, record, replace(record, values=values))
    return after, _written(kind, record.id, values)


def moved_on(world: World, random: Random) -> tuple[World, Done] | None:
    """A record goes into another stage of its kind."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None or record.stage is None:
        return None
    there = [s for p, of in world.pipelines.items() if of == kind for s in stages_of(p)]
    stage = random.choice(there)

    def done() -> None:
        target = model_of(kind)._meta.get_field("stage").remote_field.model.objects.get(pk=stage)
        _written(kind, record.id, {"stage": target})()

    return _with_record(world, kind, record, replace(record, stage=stage)), done


def deleted(world: World, random: Random) -> tuple[World, Done] | None:
    """A record goes into the recycle bin."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None:
        return None
    after = _with_record(world, kind, record, replace(record, deleted=True))
    return after, lambda: records.delete(_stored(kind, record.id), actor=TESTING, reason="test")


def restored(world: World, random: Random) -> tuple[World, Done] | None:
    """A record comes out of the recycle bin."""
    kind, record = _some_record(world, random, deleted=True) or ("", None)
    if record is None:
        return None
    after = _with_record(world, kind, record, replace(record, deleted=False))
    return after, lambda: restore(_stored(kind, record.id), actor=TESTING, reason="test")


# --- Shares, stages, fields, rules ----------------------------------------------------------------


def _receiver(to: tuple[str, int]) -> dict[str, Any]:
    kind, key = to
    return {kind: (User if kind == "user" else Team)._base_manager.get(pk=key)}


def shared(world: World, random: Random) -> tuple[World, Done] | None:
    """A record is shared with somebody; what there was between them is written over."""
    kind, record = _some_record(world, random) or ("", None)
    if record is None:
        return None
    people = [("user", person.id) for person in world.people if person.active]
    to = random.choice([*people, *(("team", team.id) for team in world.teams)] or [("user", 0)])
    level = random.choice(["view", "edit"])
    others = (s for s in world.shares if (s.object, s.record, s.to) != (kind, record.id, to))
    after = replace(world, shares=(*others, Share(kind, record.id, to, level)))
    return after, lambda: sharing.share(
        _stored(kind, record.id), actor=TESTING, level=level, **_receiver(to)
    )


def share_ended(world: World, random: Random) -> tuple[World, Done] | None:
    """A share is taken back."""
    shares = [s for s in world.shares if not oracle_data.find(world, s.object, s.record).deleted]
    if not shares:
        return None
    gone = random.choice(shares)
    after = replace(world, shares=tuple(share for share in world.shares if share is not gone))
    return after, lambda: sharing.unshare(
        _stored(gone.object, gone.record), actor=TESTING, **_receiver(gone.to)
    )


def stages_locked(world: World, random: Random) -> tuple[World, Done] | None:
    """The edit rule of a pipeline is written anew: other stages, other editors, on or off."""
    if not world.pipelines:
        return None
    number = random.choice(sorted(world.pipelines))
    rule = Rule(
        number,
        stages=tuple(s for s in stages_of(number) if random.random() < 0.6),
        enabled=random.random() < 0.8,
        editors=random.choice(["chosen", "super_admins"]),
        users=tuple(p.id for p in world.people if random.random() < 0.3),
        teams=tuple(t.id for t in world.teams if random.random() < 0.3),
    )
    others = tuple(each for each in world.rules if each.pipeline != number)
    pipeline = Pipeline.objects.get(pk=number)
    return replace(world, rules=(*others, rule)), lambda: records.set_stage_rule(
        pipeline,
        actor=TESTING,
        enabled=rule.enabled,
        stages=pipeline.stages.filter(pk__in=rule.stages),
        editors=rule.editors,
        users=User.objects.filter(pk__in=rule.users),
        teams=Team.objects.filter(pk__in=rule.teams),
    )


def field_restricted(world: World, random: Random) -> tuple[World, Done] | None:
    """What is said about a field is written anew: who may read it, and how secret it is."""
    kind = random.choice(sorted(world.records))
    name = random.choice(FIELDS[kind])
    to = random.choice([("user", person.id) for person in world.people])
    level = random.choice(["view", "edit"])
    secret = random.choice(["", "sensitive", "sensitive" if name in NEVER_VEILED else "high"])
    access = random.choice(["everyone_edit", "everyone_view", "chosen", "super_admins"])
    rule = FieldRule(kind, name, access, ((to, level),) if access == "chosen" else (), secret)
    others = (r for r in world.fields if (r.object, r.name) != (kind, name))
    chosen = [User.objects.get(pk=to[1])] if access == "chosen" else []
    return replace(world, fields=(*others, rule)), lambda: records.restrict_property(
        actor=TESTING,
        object=kind,
        name=name,
        access=access,
        viewers=chosen if level == "view" else [],
        editors=chosen if level == "edit" else [],
        sensitive=bool(secret),
        highly_sensitive=secret == "high",
    )


def policy(world: World, random: Random) -> tuple[World, Done] | None:
    """Other rules for exports; written as a super admin's change leaves them."""
    rules = Policy(
        require=random.random() < 0.7,
        threshold=random.choice([0, 2, 100]),
        second_person_above=random.choice([None, 0]),
        daily=random.choice([None, 1]),
    )
    row = ExportPolicy.objects.all()
    return replace(world, policy=rules), lambda: row.update(**stored_policy(rules))


CHANGES: dict[str, Change] = {
    "team moved": team_moved,
    "teams joined": teams_joined,
    "set rewritten": set_rewritten,
    "set assigned": set_assigned,
    "deactivated": deactivated,
    "permissions edited": permissions_edited,
    "sets edited": sets_edited,
    "taken back": taken_back,
    "super admin": super_admin,
    "partner admin": partner_admin,
    "re-owned": re_owned,
    "linked": linked,
    "valued": valued,
    "moved on": moved_on,
    "deleted": deleted,
    "restored": restored,
    "shared": shared,
    "share ended": share_ended,
    "stages locked": stages_locked,
    "field restricted": field_restricted,
    "policy": policy,
}
