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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from random import Random
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection, models, transaction

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
from records import kinds
from records.models import (
    SHARES,
    Company,
    Contact,
    Deal,
    Pipeline,
    Property,
    PropertyGrant,
    Record,
    Stage,
    StageRule,
)

Values = Mapping[str, Any]
"""A row by its columns; the others have their defaults."""
Tell = Callable[[str], None]

ACTOR = System("seed_bulk")
DONE = "bulk.seed"
CHUNK = 2000
# "!" makes it a password that no input matches; the same for all, since hashing is slow on purpose.
NO_PASSWORD = "!made-by-seed-bulk"
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
SPAN = 365 * 24 * 3600
RARE = "Quokka"
"""A word in one deal or contact of ten thousand, for measuring a search that finds little."""

_FIRST = (
    "Ada",
    "Bo",
    "Chen",
    "Dora",
    "Emil",
    "Fay",
    "Goran",
    "Hana",
    "Ines",
    "Jon",
    "Kofi",
    "Lena",
)
_LAST = (
    "Adler",
    "Bauer",
    "Costa",
    "Diaz",
    "Eriks",
    "Fenn",
    "Gupta",
    "Horn",
    "Ito",
    "Jansen",
    "Kim",
)
_THINGS = ("Pumps", "Licences", "Training", "Hosting", "Cranes", "Sensors", "Paint", "Robots")
_WHY = ("renewal", "extension", "pilot", "framework", "replacement", "roll-out")
_CITIES = ("Berlin", "Lisbon", "Lyon", "Osaka", "Pune", "Nairobi", "Austin", "Toronto")

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
    """How much to make; one company for five contacts comes along."""

    contacts: int
    deals: int
    users: int
    teams: int
    seed: int

    @property
    def companies(self) -> int:
        return max(1, self.contacts // 5)


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
        stages = _stages()
        owners = Owners(people, chance)
        companies = _lay_down(Company, _companies(size, chance, owners), size.companies, tell)
        contacts = _lay_down(
            Contact, _contacts(size, chance, owners, companies), size.contacts, tell
        )
        deals = _lay_down(Deal, _deals(size, chance, owners, stages, contacts), size.deals, tell)
        _shares(Contact, contacts, people, chance)
        _shares(Deal, deals, people, chance)
        _fields(people, chance)
        audit.record(DONE, actor=ACTOR, data=asdict(size))
    tell("statistics for the query planner")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return True


def _is_made(size: Size) -> bool:
    made = AuditEvent.objects.filter(action=DONE).first()
    if made is not None:
        if made.data == asdict(size):
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
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
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


def _stages() -> list[int]:
    """Make one pipeline of five stages, of which the fourth is locked for all but super admins."""
    pipeline = Pipeline.objects.create(object="deal", name="Bulk")
    outcomes = (*[Stage.Outcome.OPEN] * 3, Stage.Outcome.WON, Stage.Outcome.LOST)
    stages = [
        Stage.objects.create(pipeline=pipeline, name=f"Step {n}", position=n, outcome=outcome)
        for n, outcome in enumerate(outcomes, 1)
    ]
    StageRule.objects.create(pipeline=pipeline, enabled=True).stages.set([stages[3]])
    return [stage.pk for stage in stages]


# --- What they work on ----------------------------------------------------------------------------


class Owners:
    """Who owns a record: few people own much (Zipf), a fifth is nobody's, a tenth has two."""

    def __init__(self, people: Sequence[int], chance: Random) -> None:
        self._chance = chance
        self._people = chance.sample(people, len(people))
        self._weights = list(accumulate(1 / rank for rank in range(1, len(people) + 1)))

    def pick(self) -> int:
        """Return the key of one person."""
        return self._chance.choices(self._people, cum_weights=self._weights)[0]

    def columns(self) -> dict[str, Any]:
        """Return owners and stamps of one record."""
        owned = self._chance.random() >= 0.2
        shared = owned and self._chance.random() < 0.125
        created = EPOCH + timedelta(seconds=self._chance.randrange(SPAN))
        return {
            "owner_id": self.pick() if owned else None,
            "co_owner_id": self.pick() if shared else None,
            "created_at": created,
            "updated_at": created + timedelta(seconds=self._chance.randrange(SPAN)),
        }


def _name(chance: Random, word: str) -> str:
    return f"{RARE} {word}" if chance.random() < 1 / 10_000 else word


def _companies(size: Size, chance: Random, owners: Owners) -> Iterator[Values]:
    for number in range(size.companies):
        yield dict(
            name=f"{chance.choice(_LAST)} {chance.choice(_THINGS)} {number}",
            domain=f"company{number}.example",
            sector=chance.choice(_THINGS).lower(),
            country=chance.choice(_CITIES),
            employees=chance.randrange(1, 5000),
            **owners.columns(),
        )


def _contacts(
    size: Size, chance: Random, owners: Owners, companies: Sequence[int]
) -> Iterator[Values]:
    lifecycles = Contact.Lifecycle.values
    for number in range(size.contacts):
        first, last = chance.choice(_FIRST), _name(chance, chance.choice(_LAST))
        yield dict(
            first_name=first,
            last_name=f"{last} {number}",
            email=f"contact{number}@customer.example",
            phone=f"+49 30 555 {chance.randrange(10_000):04}",
            company_id=chance.choice(companies),
            city=chance.choice(_CITIES),
            lifecycle=chance.choice(lifecycles),
            **owners.columns(),
        )


def _deals(
    size: Size, chance: Random, owners: Owners, stages: Sequence[int], contacts: Sequence[int]
) -> Iterator[Values]:
    for number in range(size.deals):
        stamps = owners.columns()
        yield dict(
            name=f"{_name(chance, chance.choice(_THINGS))} {chance.choice(_WHY)} {number}",
            amount=chance.randrange(100, 1_000_000),
            stage_id=chance.choice(stages),
            contact_id=chance.choice(contacts) if contacts else None,
            opened=stamps["created_at"].date(),
            **stamps,
        )


def _shares(
    model: type[Record], keys: Sequence[int], people: Sequence[int], chance: Random
) -> None:
    """Share one record of two hundred with a person, and one of two thousand with a team."""
    key = model.object_key
    view = Permission.objects.get(content_type__app_label="records", codename=f"view_{key}")
    teams = list(Team.objects.order_by("pk").values_list("pk", flat=True))
    tables: tuple[Any, ...] = SHARES[key]  # each with its own column for the receiver
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
    """Give three fields a rule: one that all may read, one for chosen people, one sensitive."""
    rules = Property.Access
    Property.objects.create(object="contact", name="city", access=rules.EVERYONE_VIEW)
    Property.objects.create(object="company", name="revenue", sensitive=True)
    chosen = Property.objects.create(object="contact", name="job_title", access=rules.CHOSEN)
    PropertyGrant.objects.bulk_create(
        PropertyGrant(property=chosen, user_id=key, level=PropertyGrant.Level.VIEW)
        for key in chance.sample(people, len(people) // 2)
    )


# --- How it gets into the database ----------------------------------------------------------------


def _lay_down(model: type[Record], rows: Iterable[Values], count: int, tell: Tell) -> Sequence[int]:
    """Insert rows of an empty table as they come, so that memory stays flat; return their keys."""
    plural = model._meta.verbose_name_plural

    def told() -> Iterator[Values]:
        for number, row in enumerate(rows, 1):
            yield row
            if number % (10 * CHUNK) == 0 or number == count:
                tell(f"{number:,} of {count:,} {plural}")

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
