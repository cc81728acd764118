"""Lays a made-up world into an empty database, and reads what is stored as a world says it."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from functools import cache
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.utils import timezone

from accounts import catalogue, operations
from accounts.held import to_be_stored
from accounts.models import Membership, ObjectScope, PermissionSet, Team, ToolGrant, User
from exports.models import ExportPolicy
from records.models import (
    SHARES,
    Pipeline,
    Property,
    PropertyGrant,
    Stage,
    StageException,
    StageRule,
)
from records.models.properties import field_access
from tests.support import oracle, oracle_writes
from tests.support.worlds import (
    NONE,
    SCOPED,
    Excepted,
    FieldRule,
    Policy,
    Record,
    Set,
    Share,
    World,
    stages_of,
)

KEYS_ABOVE = 1_000_000
"""Where keys begin of what changes may add to: PostgreSQL's own sequences start at 1."""


def model_of(kind: str) -> Any:
    found = catalogue.object_kind(kind)
    assert found is not None
    return found.model


def lay_down(world: World) -> World:
    """Write a world into an empty database, with few statements; return what of it there was.

    Parts that the product does not know (see `SHARES` below) are left out of the answer, so the
    oracle is asked about the very world that is stored. The caller's transaction takes it away.
    """
    PermissionSet.objects.bulk_create(
        PermissionSet(pk=number, name=f"Set {number}")
        for number, each in enumerate(world.sets, 1)
        if each.owner is None
    )
    User.objects.bulk_create(
        User(
            pk=person.id,
            email=f"p{person.id}@example.com",
            password="!",
            is_active=person.active,
            is_superuser=person.superuser,
            is_partner_admin=person.partner,
        )
        for person in world.people
    )
    _lay_down_sets(world)
    _lay_down_teams(world)
    _lay_down_pipelines(world)
    for kind in ("company", "contact", "deal", "ticket"):  # what others lead to comes first
        model_of(kind).objects.bulk_create(
            _row(kind, record) for record in world.records.get(kind, ())
        )
    ExportPolicy.objects.update(**stored_policy(world.policy))
    return replace(
        world,
        sets=tuple(map(oracle_writes.written, world.sets)),
        shares=_lay_down_shares(world),
        exceptions=_lay_down_exceptions(world),
        fields=_lay_down_fields(world),
    )


def _lay_down_sets(world: World) -> None:
    """Write own copies, what all sets say, and who has which."""
    _count_sets_from_afar(connection.vendor)
    PermissionSet.objects.bulk_create(
        PermissionSet(
            pk=number,
            owner_id=each.owner,
            based_on_id=None if each.based_on is None else each.based_on + 1,
        )
        for number, each in enumerate(world.sets, 1)
        if each.owner is not None
    )
    ObjectScope.objects.bulk_create(
        ObjectScope(permission_set_id=number, object=kind, **_stored(asked))
        for number, each in enumerate(world.sets, 1)
        for kind, asked in each.scopes.items()
    )
    ToolGrant.objects.bulk_create(
        ToolGrant(permission_set_id=number, **asdict(grant))
        for number, each in enumerate(world.sets, 1)
        for grant in to_be_stored(as_given(each))
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {User._meta.db_table} SET permission_set_id = %s WHERE id = %s",
            [(p.set + 1, p.id) for p in world.people if p.set is not None],
        )


@cache
def _count_sets_from_afar(vendor: str) -> None:
    """Let sets that changes make have keys beyond those that are laid down, once per process."""
    if vendor == "postgresql":
        with connection.cursor() as cursor:
            sequence = f"pg_get_serial_sequence('{PermissionSet._meta.db_table}', 'id')"
            cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + 1000)")


def as_given(asked: Set) -> list[str]:
    """The tools of a set as the product is asked for them, levels and boxes with them."""
    named = {rank: name for name, rank in oracle_writes.RANKS.items()}
    levels = [
        f"{name}={named[rank]}{'+unassigned' if box else ''}"
        for name, (rank, box) in asked.levels.items()
    ]
    return [*asked.tools, *levels]


def _stored(asked: dict[str, Any]) -> dict[str, int | bool]:
    """What the product makes of scopes that were asked for (R20)."""
    return operations.clamped(as_asked(asked))


def as_asked(asked: dict[str, Any]) -> dict[str, int | bool]:
    """Scopes as the product is asked for them."""
    flat: dict[str, int | bool] = {"add": asked.get("add", False)}
    for action in SCOPED:
        flat[action], flat[f"{action}_unassigned"] = asked.get(action, (NONE, False))
    return flat


def as_plain(row: Any) -> dict[str, Any]:
    """Stored scopes on one object as a world says them."""
    return {action: (row[action], row[f"{action}_unassigned"]) for action in SCOPED} | {
        "add": row["add"]
    }


def _lay_down_teams(world: World) -> None:
    if not world.teams:
        return
    Group.objects.bulk_create(Group(pk=team.id, name=f"Team {team.id}") for team in world.teams)
    with connection.cursor() as cursor:  # Django cannot create many of a model with a parent
        cursor.executemany(
            f"INSERT INTO {Team._meta.db_table} (group_ptr_id, parent_id) VALUES (%s, %s)",
            [(team.id, team.parent) for team in world.teams],
        )
    operations.rewrite_reach()
    Membership.objects.bulk_create(
        Membership(user_id=person.id, team_id=team, is_main=person.has_main and place == 0)
        for person in world.people
        for place, team in enumerate(person.teams)
    )


def _lay_down_pipelines(world: World) -> None:
    Pipeline.objects.bulk_create(
        Pipeline(pk=number, object=kind, name=f"Pipeline {number}")
        for number, kind in world.pipelines.items()
    )
    Stage.objects.bulk_create(
        Stage(pk=key, pipeline_id=number, name=f"Stage {key}")
        for number in world.pipelines
        for key in stages_of(number)
    )
    StageRule.objects.bulk_create(
        StageRule(
            pk=KEYS_ABOVE + rule.pipeline,
            pipeline_id=rule.pipeline,
            enabled=rule.enabled,
            editors=rule.editors,
        )
        for rule in world.rules
    )
    for name, column in (("stages", "stage_id"), ("users", "user_id"), ("teams", "team_id")):
        through = getattr(StageRule, name).through
        through.objects.bulk_create(
            through(stagerule_id=KEYS_ABOVE + rule.pipeline, **{column: key})
            for rule in world.rules
            for key in getattr(rule, name)
        )


def _row(kind: str, record: Record) -> Any:
    more = {"stage_id": record.stage} if oracle.OBJECTS[kind][1] else {}
    return model_of(kind)(
        pk=record.id,
        owner_id=record.owner,
        co_owner_id=record.co_owner,
        deleted_at=timezone.now() if record.deleted else None,
        **more,
        **record.values,
        **{f"{name}_id": key for name, key in record.links.items()},
    )


def stored_policy(policy: Policy) -> dict[str, Any]:
    """The columns of the one row that says when exports need consent."""
    return {
        "require_approval": policy.require,
        "threshold": policy.threshold,
        "second_person_above": policy.second_person_above,
        "daily_records": policy.daily,
        "weekly_records": None,
    }


def known_codes() -> set[str]:
    """The codes that the product can give about a record."""
    always = {"inactive", "deleted", "superuser", "everything", "team", "owned", "unassigned"}
    return always | {"stage", "unseen", "no_scope", "shared", "partner_admin"}


@cache
def _guardian_permission(codename: str) -> int:
    found = Permission.objects.get(content_type__app_label="records", codename=codename)
    return int(found.pk)


def _lay_down_shares(world: World) -> tuple[Share, ...]:
    """Write shares; return those that were written."""
    written = tuple(share for share in world.shares if share.object in SHARES)
    now = timezone.now()
    until = {None: None, "past": now - timedelta(days=1), "future": now + timedelta(days=1)}
    rows: dict[Any, list[Any]] = {}
    for share in written:
        kind, key = share.to
        model = SHARES[share.object][kind == "team"]
        verb = {"view": "view", "edit": "change"}[share.level]
        rows.setdefault(model, []).append(
            model(
                content_object_id=share.record,
                permission_id=_guardian_permission(f"{verb}_{share.object}"),
                until=until[share.until],
                **{"user_id" if kind == "user" else "group_id": key},
            )
        )
    for model, each in rows.items():
        model._default_manager.bulk_create(each)
    return written


def _lay_down_exceptions(world: World) -> tuple[Excepted, ...]:
    """Write exceptions from rules on stages; all of them are known."""
    days = {"past": timedelta(days=-1), "future": timedelta(days=1)}
    StageException.objects.bulk_create(
        StageException(
            object=each.object,
            record=each.record,
            user_id=each.person,
            stage_id=each.stage,
            until=timezone.now() + days[each.until],
        )
        for each in world.exceptions
    )
    return world.exceptions


def _lay_down_fields(world: World) -> tuple[FieldRule, ...]:
    """Write field rules; return those that were written."""
    Property.objects.all().delete()
    Property.objects.bulk_create(
        Property(
            pk=KEYS_ABOVE + number,
            object=rule.object,
            name=rule.name,
            access=rule.access,
            sensitive=bool(rule.secret),
            highly_sensitive=rule.secret == "high",
        )
        for number, rule in enumerate(world.fields, 1)
    )
    PropertyGrant.objects.bulk_create(
        PropertyGrant(property_id=KEYS_ABOVE + number, level=level, **{f"{kind}_id": key})
        for number, rule in enumerate(world.fields, 1)
        for (kind, key), level in rule.grants
    )
    return world.fields


def field_levels(user: User, kind: str) -> dict[str, tuple[str, bool]]:
    """What the product says of every field that has a rule: its level, and whether it is veiled."""
    said = field_access(user, model_of(kind))
    named = Property.objects.filter(object=kind).values_list("name", flat=True)
    return {
        name: (
            "" if name in said.hidden else "view" if name in said.fixed else "edit",
            name in said.veiled,
        )
        for name in named
    }
