"""How things stood at a moment: tables of that moment, for the ordinary readers to ask (E17, B3).

Access has one definition, SQL rules over tables, so the past is asked by the same rules. For the
length of one transaction, temporary tables of the same names stand before the real ones, for this
connection alone. They are copies in which everything that was changed since is undone, by the
permission history. No row of a real table is written, locked or waited for, and the transaction is
always rolled back. Other ways were worse: rights of that day written into the real tables would
keep others waiting and be one mistake away from staying; a second evaluation in Python could
disagree with the first. On SQLite, whose transactions all take the write lock, it is held for the
copying and the one question: a tenth of a second with two thousand people.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.db.models import Min
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext

from accounts import catalogue, clock, days
from accounts.models import (
    Membership,
    ObjectScope,
    PermissionChange,
    PermissionSet,
    Team,
    TeamReach,
    ToolGrant,
    User,
)
from accounts.operations.teams import closure
from accounts.permission_history import (
    ACTIVE,
    MAIN,
    PARENT,
    PARTNER_ADMIN,
    SET,
    SUPER_ADMIN,
    TEAM,
    YES,
    Fact,
    Value,
    facts_of_sets,
    referred,
)

Then = Mapping[Fact, Value]
"""What was changed since → what it said at the moment; an empty value where there was nothing."""

_INDEXES: dict[type[models.Model], tuple[tuple[str, ...], ...]] = {
    User: (("id",),),
    Membership: (("user_id", "team_id"), ("team_id",)),
    TeamReach: (("above_id", "below_id"), ("below_id", "above_id")),
    Group: (("id",),),
    Team: (("group_ptr_id",),),
    PermissionSet: (("id",),),
    ObjectScope: (("permission_set_id", "object"),),
    ToolGrant: (("permission_set_id", "key"),),
}
_CHUNK = 500


class BadMoment(ValueError):
    """What was given is no moment of the past; the message says what to write."""


def moment_of(text: str) -> datetime:
    """Return the moment that a text names: a day stands for its last one, today for now.

    A moment without a time zone is one of the current time zone. Raises `BadMoment`.
    """
    try:
        if (day := parse_date(text)) is not None:
            return moment_on(day)
        moment = parse_datetime(text)
    except ValidationError as refusal:
        raise BadMoment(" ".join(refusal.messages)) from None
    except ValueError as refusal:
        if isinstance(refusal, BadMoment):
            raise
        moment = None  # looks like one, and is none: 2026-02-30
    if moment is None or not days.FIRST_DAY <= moment.date() <= days.LAST_DAY:
        raise BadMoment(
            gettext(
                "“%(text)s” is not a day or a moment. Write it as 2026-12-31, or as "
                "2026-12-31T18:30."
            )
            % {"text": text[:40]}
        )
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    if moment > clock.database_now():
        raise BadMoment(gettext("This moment has not come yet. Choose an earlier one."))
    return moment


def moment_on(day: date) -> datetime:
    """Return the last moment of a day, or this one for today; raise `BadMoment` for days to come.

    Raises `ValidationError` for a day that `days.check_day` refuses.
    """
    now = clock.database_now()
    if days.first_moment(day) > now:
        raise BadMoment(gettext("This day has not come yet. Choose today, or a day before."))
    return min(now, days.moment_after(day) - timedelta(microseconds=1))


def known_since() -> datetime | None:
    """Return when the permission history began; None where nothing was ever written down."""
    began: datetime | None = PermissionChange.objects.aggregate(began=Min("at"))["began"]
    return began


@contextmanager
def as_it_was(moment: datetime) -> Iterator[None]:
    """Let people, sets, memberships and the tree of teams be read as they were at a moment.

    Read only, and wholly: what is still being read when it ends is gone. Whoever was added later is
    there, deactivated. Records are laid down by `records.past`.
    """
    with transaction.atomic():
        for model, indexes in _INDEXES.items():
            shadow(model, indexes, without=("password",) if model is User else ())
        # After the copies: what is changed between is undone on either.
        changes = PermissionChange.objects.filter(at__gt=moment)
        then = _then(changes)
        _undo_people(then)
        _undo_sets(then)
        _undo_teams(then)
        User.objects.filter(date_joined__gt=moment).update(is_active=False)
        try:
            yield
        finally:
            transaction.set_rollback(True)


def shadow(
    model: type[models.Model],
    indexes: Collection[tuple[str, ...]] = (),
    *,
    where: str = "",
    without: Collection[str] = (),
) -> None:
    """Put a temporary copy of a model's table before it, till the transaction is rolled back.

    `where` says of which rows, in SQL made of our own names and numbers; `without` names text
    columns that the copy leaves empty.
    """
    quoted = connection.ops.quote_name
    table = quoted(model._meta.db_table)
    columns = ", ".join(
        f"'' AS {quoted(field.column)}" if field.column in without else quoted(field.column)
        for field in model._meta.local_concrete_fields
    )
    on_sqlite = connection.vendor == "sqlite"
    real, end = (f"main.{table}", "") if on_sqlite else (table, "ON COMMIT DROP ")
    rows = f"SELECT {columns} FROM {real}{f' WHERE {where}' if where else ''}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {table} {end}AS {rows}")
        for number, names in enumerate(indexes):
            name = quoted(f"past_{model._meta.db_table}_{number}")
            listed = ", ".join(map(quoted, names))
            schema = "temp." if on_sqlite else ""
            cursor.execute(f"CREATE INDEX {schema}{name} ON {table} ({listed})")


def _then(changes: models.QuerySet[PermissionChange]) -> dict[Fact, Value]:
    """Return what the first of these changes of every fact says that was so before it."""
    fact = ("person", "set_key", "team_key", "permission")
    firsts = changes.order_by().values(*fact).annotate(first=Min("id")).values("first")
    rows = PermissionChange.objects.filter(pk__in=firsts).order_by()
    return {
        Fact(*about): Value(before, name)
        for before, name, *about in rows.values_list("before", "name", *fact)
    }


def _undo_people(then: Then) -> None:
    wanted: dict[tuple[str, bool | int | None], list[int]] = defaultdict(list)
    memberships: list[Membership] = []
    moved: list[tuple[int, int]] = []
    for fact, value in then.items():
        if fact.person is None:
            continue
        if fact.permission == ACTIVE:
            wanted["is_active", value.said == YES].append(fact.person)
        elif fact.permission == SUPER_ADMIN:
            wanted["is_superuser", value.said == YES].append(fact.person)
        elif fact.permission == PARTNER_ADMIN:
            wanted["is_partner_admin", value.said == YES].append(fact.person)
        elif fact.permission == SET:
            wanted["permission_set", referred(value.said)].append(fact.person)
        elif fact.permission == TEAM and fact.team_key is not None:
            moved.append((fact.person, fact.team_key))
            if value.said:
                memberships.append(
                    Membership(
                        user_id=fact.person, team_id=fact.team_key, is_main=value.said == MAIN
                    )
                )
    for (column, said), people in wanted.items():
        for start in range(0, len(people), _CHUNK):
            keys = people[start : start + _CHUNK]
            User.objects.filter(pk__in=keys).update(**{column: said})
    for person, team in moved:
        delete(Membership.objects.filter(user=person, team=team))
    Membership.objects.bulk_create(memberships, _CHUNK)


def _undo_sets(then: Then) -> None:
    """Write every set anew that was changed since; one that was made since grants nothing."""
    of_sets = {fact: value for fact, value in then.items() if fact.set_key is not None}
    keys = {fact.set_key for fact in of_sets if fact.set_key is not None}
    if not keys:
        return
    facts = {**facts_of_sets(keys), **of_sets}
    stored = set(PermissionSet.objects.filter(pk__in=keys).values_list("pk", flat=True))
    delete(ObjectScope.objects.filter(permission_set__in=keys))
    delete(ToolGrant.objects.filter(permission_set__in=keys))
    scopes: dict[tuple[int, str], ObjectScope] = {}
    grants: dict[tuple[int, str], ToolGrant] = {}
    for fact, value in facts.items():
        if fact.set_key is None or not value.said:
            continue
        if fact.permission == SET:
            if fact.set_key not in stored:
                PermissionSet.objects.bulk_create([PermissionSet(pk=fact.set_key, name=value.name)])
        elif ":" not in fact.permission and fact.permission.count(".") > 1:
            _put_scope(scopes, fact.set_key, fact.permission, value.said)
        else:
            _put_grant(grants, fact.set_key, fact.permission, value.said)
    ObjectScope.objects.bulk_create(scopes.values(), _CHUNK)
    ToolGrant.objects.bulk_create(grants.values(), _CHUNK)


def _put_scope(
    scopes: dict[tuple[int, str], ObjectScope], set_key: int, permission: str, said: str
) -> None:
    """Put `crm.deal.view` or `crm.deal.view.unassigned` into the set's row of that object."""
    _, object_key, column = permission.split(".", 2)
    row = scopes.setdefault(
        (set_key, object_key), ObjectScope(permission_set_id=set_key, object=object_key)
    )
    setattr(row, column.replace(".", "_"), catalogue.LEVELS.get(said, True))


def _put_grant(
    grants: dict[tuple[int, str], ToolGrant], set_key: int, permission: str, said: str
) -> None:
    """Put `crm.export`, `sales.forecast:view` or its box into the set's row of that tool."""
    name = permission.removesuffix(catalogue.UNASSIGNED)
    key, _, option = name.partition(":")
    row = grants.setdefault(
        (set_key, name), ToolGrant(permission_set_id=set_key, key=key, option=option)
    )
    if permission != name:
        row.unassigned = True
    else:
        row.rank = catalogue.LEVELS.get(said, 0)


def _undo_teams(then: Then) -> None:
    of_teams = {
        fact: value
        for fact, value in then.items()
        if fact.team_key is not None and fact.person is None
    }
    if not of_teams:
        return
    tree = dict(Team.objects.order_by().values_list("pk", "parent"))
    deleted: dict[int, str] = {}
    for fact, value in of_teams.items():
        assert fact.team_key is not None
        if fact.permission == PARENT:
            tree[fact.team_key] = referred(value.said)
        elif value.said:
            deleted[fact.team_key] = value.name
            tree.setdefault(fact.team_key, None)
    made = {f.team_key for f, v in of_teams.items() if f.permission == TEAM and not v.said}
    tree = {team: parent for team, parent in tree.items() if team not in made}
    Group.objects.bulk_create([Group(pk=key, name=name) for key, name in deleted.items()])
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(Team._meta.db_table)
        for key in deleted:  # of two tables in one, bulk_create refuses the second
            cursor.execute(f"INSERT INTO {table} (group_ptr_id) VALUES (%s)", [key])
    delete(TeamReach.objects.all())
    TeamReach.objects.bulk_create(
        (TeamReach(above_id=above, below_id=below) for above, below in closure(tree)), _CHUNK
    )


def delete(rows: models.QuerySet[models.Model]) -> None:
    """Delete by one statement: nothing hangs on rows of copies."""
    rows._raw_delete(rows.db)
