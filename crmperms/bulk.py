"""A large company made of chance, the same for the same seed: what speed is measured on.

Records are laid down by COPY, or by `executemany` on SQLite, past the operations and beside the one
writer of records (records/operations/writing.py): a million events and histories would say nothing.
Their indexes are made afterwards, which takes a third of the time. One event,
`bulk.seed`, tells how the database came to be. All of it is one transaction: an interrupted seeding
leaves an empty database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import islice
from random import Random
from typing import Any

from django.contrib.auth import get_permission_codename
from django.contrib.auth.models import Permission
from django.db import connection, models, transaction
from django.utils import translation

from accounts import audit, trigrams
from accounts.audit import System
from accounts.models import (
    AuditEvent,
    Membership,
    ObjectScope,
    PermissionSet,
    Rank,
    Team,
    ToolGrant,
    User,
)
from accounts.operations import rewrite_reach
from accounts.permission_history import kept
from accounts.rights import one_at_a_time
from crmperms.made_up import EPOCH, FIRST, LAST, Maker, Owners, Values
from records import kinds
from records.kinds import Kind, Type
from records.models import (
    SHARES,
    Pipeline,
    Property,
    PropertyGrant,
    Record,
    Stage,
    StageRule,
)

Tell = Callable[[str], None]

ACTOR = System("seed_bulk")
DONE = "bulk.seed"
CHUNK = 2000
# "!" makes it a password that no input matches; the same for all, since hashing is slow on purpose.
NO_PASSWORD = "!made-by-seed-bulk"
# Name → (share of people, View, Edit, the box Unassigned).
SETS = {
    "Bulk: own": (0.55, Rank.OWNED, Rank.OWNED, False),
    "Bulk: team": (0.25, Rank.TEAM, Rank.OWNED, False),
    "Bulk: team and unassigned": (0.12, Rank.TEAM, Rank.TEAM, True),
    "Bulk: everything": (0.08, Rank.EVERYTHING, Rank.TEAM, False),
}


class ForeignData(Exception):
    """The database holds what seed_bulk did not make; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make, of records by kind."""

    records: Mapping[str, int]
    """By the key of a kind; one that is not here is made where others are linked with it."""
    users: int
    teams: int
    seed: int

    def of(self, kind: Kind) -> int:
        """Return how many records of a kind there are to be: one for five that are linked to it."""
        if kind.key in self.records:
            return self.records[kind.key]
        for other in kinds.every():
            if kind in _linked(other) and other.key in self.records:
                return max(1, self.records[other.key] // 5)
        return 0

    @property
    def said(self) -> dict[str, int]:
        """Return it as it was asked for, and as the event keeps it."""
        asked = {
            option_of(kind): self.records[kind.key]
            for kind in kinds.every()
            if kind.key in self.records
        }
        return {**asked, "users": self.users, "teams": self.teams, "seed": self.seed}


def many() -> dict[str, int]:
    """Return what is made where no number is given: of each kind that has links, a large table."""
    return {kind.key: 100_000 for kind in kinds.every() if any(_linked(kind))}


def option_of(kind: Kind) -> str:
    """Return the word by which a kind's number is given, the same in every language: `deals`."""
    with translation.override(None):
        return kind.nouns.replace(" ", "_")


def seed(size: Size, tell: Tell = lambda line: None) -> bool:
    """Fill an empty database; False where the very same was made here before.

    `tell` is given lines on how far it is. Raises `ForeignData` for a database with anything else.
    """
    with transaction.atomic():
        one_at_a_time("crmperms.bulk")
        if _is_made(size):
            return False
        chance = Random(size.seed)
        sets = PermissionSet.objects.all()
        with kept(ACTOR, people=User.objects.all(), sets=sets, teams=True):
            people = _people(size, chance)
        tell(f"{size.users:,} people in {size.teams:,} teams")
        maker = Maker(chance, Owners(people, chance))
        for kind in in_order():
            if size.of(kind):
                maker.stages[kind] = _stages(kind) if kind.is_staged else []
                maker.keys[kind.model] = _lay_down(kind, maker, size.of(kind), tell)
                _shares(kind, maker.keys[kind.model], people, chance)
        _fields(people, chance)
        audit.record(DONE, actor=ACTOR, data=size.said)
    tell("statistics for the query planner")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return True


def in_order() -> Iterable[Kind]:
    """Return the kinds of record, each after those that its records are linked with."""
    return TopologicalSorter({kind: _linked(kind) for kind in kinds.every()}).static_order()


def _linked(kind: Kind) -> list[Kind]:
    """Return the other kinds that records of this one are linked with."""
    return [kinds.of(each.related) for each in kind.relations if each.related is not kind.model]


def _is_made(size: Size) -> bool:
    made = AuditEvent.objects.filter(action=DONE).first()
    if made is not None:
        if made.data == size.said:
            return True
        raise ForeignData("The database was filled with other sizes or another seed.")
    found = any(kind.model._base_manager.exists() for kind in kinds.every())
    if found or any(m._base_manager.exists() for m in (User, Team, PermissionSet, Pipeline)):
        raise ForeignData("The database holds data that seed_bulk did not make.")
    return False


# --- The organisation -----------------------------------------------------------------------------


def _people(size: Size, chance: Random) -> list[int]:
    """Make teams, sets and people; return the keys of all people.

    The first two people are super admins; one of forty is inactive; one of ten is in a second team.
    """
    teams = _teams(size.teams)
    sets = [_permission_set(name) for name in SETS]
    shares = [share for share, *_ in SETS.values()]
    people = []
    for number in range(size.users):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        people.append(
            User(
                email=f"person{number}@bulk.example",
                first_name=first,
                last_name=f"{last} {number}",
                password=NO_PASSWORD,
                is_superuser=number < 2,
                is_active=number < 2 or chance.random() >= 1 / 40,
                permission_set=chance.choices(sets, shares)[0],
                date_joined=EPOCH,
            )
        )
    keys = [person.pk for person in User.objects.bulk_create(people, CHUNK)]
    memberships = []
    for key in keys:
        main, extra = chance.choice(teams), chance.choice(teams)
        memberships.append(Membership(user_id=key, team_id=main, is_main=True))
        if extra != main and chance.random() < 0.1:
            memberships.append(Membership(user_id=key, team_id=extra))
    Membership.objects.bulk_create(memberships, CHUNK)
    return keys


def _teams(count: int) -> list[int]:
    """Make a tree of three levels: some 65 below each at the top, 8 below each next."""
    top = max(1, count // 65)
    middle = min(count - top, top * 7)
    keys: list[int] = []
    for number in range(count):
        if number < top:
            parent = None
        elif number < top + middle:
            parent = keys[number % top]
        else:
            parent = keys[top + number % middle]
        team = Team(name=f"Team {number}", parent_id=parent)
        team.save(force_insert=True)  # a table of two parts, which bulk_create refuses
        keys.append(team.pk)
    rewrite_reach()
    return keys


def _permission_set(name: str) -> PermissionSet:
    _, view, change, box = SETS[name]
    made = PermissionSet.objects.create(name=name, description="Made by seed_bulk.")
    ObjectScope.objects.bulk_create(
        ObjectScope(
            permission_set=made,
            object=kind.key,
            add=True,
            view=view,
            view_unassigned=box,
            change=change,
            change_unassigned=box,
        )
        for kind in kinds.every()
    )
    ToolGrant.objects.create(permission_set=made, key="crm.export")
    return made


def _stages(kind: Kind) -> list[int]:
    """Make a pipeline of five stages, of which the fourth is locked for all but super admins."""
    pipeline = Pipeline.objects.create(object=kind.key, name="Bulk")
    outcomes = (*[Stage.Outcome.OPEN] * 3, Stage.Outcome.WON, Stage.Outcome.LOST)
    stages = [
        Stage.objects.create(pipeline=pipeline, name=f"Step {n}", position=n, outcome=outcome)
        for n, outcome in enumerate(outcomes, 1)
    ]
    StageRule.objects.create(pipeline=pipeline, enabled=True).stages.set([stages[3]])
    return [stage.pk for stage in stages]


# --- What they work on ----------------------------------------------------------------------------


def _shares(kind: Kind, keys: Sequence[int], people: Sequence[int], chance: Random) -> None:
    """Share one record of two hundred with a person, and one of two thousand with a team."""
    label = kind.model._meta.app_label
    view = Permission.objects.get(
        content_type__app_label=label, codename=get_permission_codename("view", kind.model._meta)
    )
    teams = list(Team.objects.order_by("pk").values_list("pk", flat=True))
    tables: tuple[Any, ...] = SHARES[kind.key]  # each with its own column for the receiver
    for table, receivers, each in zip(tables, (people, teams), (200, 2000), strict=True):
        wanted = {(chance.choice(receivers), chance.choice(keys)) for _ in range(len(keys) // each)}
        column = f"{table.receiver_field}_id"
        table._default_manager.bulk_create(
            [
                table(permission=view, content_object_id=record, **{column: receiver})
                for receiver, record in sorted(wanted)
            ],
            CHUNK,
        )


def _fields(people: Sequence[int], chance: Random) -> None:
    """Give three fields a rule: one that all may read, one for chosen people, one sensitive.

    The first two are of the first kind of record, the third is an amount that no kind is about.
    """
    access = Property.Access
    first, *_ = kinds.every()
    plain = [
        each.name
        for each in first.fields
        if each.holds is Type.TEXT and each.editable and not each.always_visible
        if not each.choices and each.name not in first.model.number_fields
    ]
    amounts = (
        (kind.key, each.name)
        for kind in kinds.every()
        for each in kind.fields
        if each.holds is Type.DECIMAL and each.name != kind.worth
    )
    for key, name in list(amounts)[:1]:
        Property.objects.create(object=key, name=name, sensitive=True)
    Property.objects.create(object=first.key, name=plain[-1], access=access.EVERYONE_VIEW)
    chosen = Property.objects.create(object=first.key, name=plain[0], access=access.CHOSEN)
    PropertyGrant.objects.bulk_create(
        PropertyGrant(property=chosen, user_id=key, level=PropertyGrant.Level.VIEW)
        for key in chance.sample(people, len(people) // 2)
    )


# --- How it gets into the database ----------------------------------------------------------------


def _lay_down(kind: Kind, maker: Maker, count: int, tell: Tell) -> Sequence[int]:
    """Insert records of an empty table as they are made, with flat memory; return their keys."""
    model = kind.model

    def told() -> Iterator[Values]:
        for number, row in enumerate(maker.rows(kind, count), 1):
            yield row
            if number % (10 * CHUNK) == 0 or number == count:
                tell(f"{number:,} of {count:,} {kind.nouns}")

    with _indexes_afterwards(model):
        _insert(model, told())
    first = model._base_manager.order_by("pk").values_list("pk", flat=True).first() or 1
    return range(first, first + count)


def _insert(model: type[Record], rows: Iterator[Values]) -> None:
    columns = [field for field in model._meta.concrete_fields if not field.primary_key]
    defaults = {
        field.attname: field.get_db_prep_save(field.get_default(), connection) for field in columns
    }
    moments = [
        number for number, field in enumerate(columns) if isinstance(field, models.DateTimeField)
    ]
    adapted = connection.ops.adapt_datetimefield_value  # SQLite keeps text

    def tuples() -> Iterator[list[Any]]:
        for row in rows:
            cells = list({**defaults, **row}.values())
            for number in moments:
                cells[number] = adapted(cells[number])
            yield cells

    quote = connection.ops.quote_name
    into = f"{quote(model._meta.db_table)} ({', '.join(quote(field.column) for field in columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for cells in tuples():
                    copy.write_row(cells)
            return
        places = ", ".join(["%s"] * len(columns))
        rest = tuples()
        while chunk := list(islice(rest, CHUNK)):
            cursor.executemany(f"INSERT INTO {into} VALUES ({places})", chunk)


@contextmanager
def _indexes_afterwards(model: type[Record]) -> Iterator[None]:
    """Take a table's own indexes away, and make them again of all that was written meanwhile."""
    table = model._meta.db_table
    editor = connection.SchemaEditorClass(connection)
    of_search = [
        (fields, of)
        for fields, of in trigrams.indexes_of(model)
        if trigrams.is_laid_down(connection, table, fields, of)
    ]
    with connection.cursor() as cursor:
        for _, of in of_search:
            trigrams.take_away(connection, table, of)
        for index in model._meta.indexes:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(index.name)}")
        yield
        if connection.vendor == "postgresql":  # it makes no index while keys wait to be checked
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for index in model._meta.indexes:
            cursor.execute(str(index.create_sql(model, editor)))
        for fields, of in of_search:
            trigrams.lay_down(connection, table, fields, of)
