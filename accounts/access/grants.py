"""What one person holds, read once per request, and whether they still hold it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import BooleanField, Expression, QuerySet, Value
from django.db.models.query import RawQuerySet

from accounts.models.people import Membership, TeamReach, User
from accounts.models.permissions import ObjectScope, ToolGrant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Grants:
    """What one person holds, as plain values; loaded once per `User` instance."""

    scopes: dict[str, ObjectScope] = field(default_factory=dict)
    tools: frozenset[str] = frozenset()
    """Every tool that is stored, as `key` or `key:option`, also what has no effect."""
    levels: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Of tools with levels: `key:option` → rank, and whether the box Unassigned is ticked."""
    teams: tuple[int, ...] = ()
    mates: tuple[int, ...] = ()
    main_teams: tuple[int, ...] = ()
    given: dict[tuple[str, str], frozenset[int]] = field(default_factory=dict)
    """Keys of the records given one by one, by kind of record and permission."""
    lasting: dict[tuple[str, str], frozenset[int]] = field(default_factory=dict)
    """Those of them that are given without an end."""
    known: dict[Hashable, Any] = field(default_factory=dict)
    """Rules and conditions already made of these grants, by standing; see `made_for`."""
    notes: dict[Callable[[User], Any], Any] = field(default_factory=dict)
    """What upper floors know about the person, by how it is read; see `noted`."""


class Given(NamedTuple):
    """Rows that give single records to people, or to whoever has a team as main team."""

    kind: str
    """The kind of record."""
    rows: QuerySet[Any]
    receiver: str
    """In which column of the rows the receiver's key stands."""
    to_teams: bool
    permission: str
    """In which column the permission stands that is given."""
    record: str
    """In which column the record's key stands."""
    lasts: Expression
    """Whether a row has no end."""


given_one_by_one: list[Callable[[], Iterable[Given]]] = []
"""A slot for upper floors: what anybody is given record by record."""

SCOPE_COLUMNS = tuple(
    f for f in ObjectScope._meta.concrete_fields if f.name not in {"id", "permission_set", "object"}
)
_USER, _SET = -1, -2
"""Where a person's keys go in the prepared statement; keys of rows are positive."""

MOST_KEPT = 50
"""Of so many people at most a process keeps what was made of their grants: a day’s regulars."""


@lru_cache(maxsize=MOST_KEPT)
def _made_for(person: Hashable) -> dict[Hashable, Any]:
    return {}


def made_for(user: User) -> dict[Hashable, Any]:
    """Return what was made of exactly these grants, for exactly this person, in any request.

    The grants are read in every request, and what follows from them depends on nothing else: it is
    put together once for as long as they stay the same, to the last key. Nobody else's is found.
    """
    grants = user.grants
    scopes = frozenset(
        (key, *(getattr(scope, column.attname) for column in SCOPE_COLUMNS))
        for key, scope in grants.scopes.items()
    )
    given = frozenset(grants.given.items()), frozenset(grants.lasting.items())
    levels = frozenset(grants.levels.items())
    teams = (grants.teams, grants.mates, grants.main_teams)
    return _made_for((*_standing(user), scopes, grants.tools, levels, teams, given))


def _standing(user: User) -> tuple[Any, ...]:
    return (user.pk, user.is_active, user.is_superuser, user.is_partner_admin)


def forget_what_was_made() -> None:
    """Let every rule be asked anew; for who puts another one in its place."""
    _made_for.cache_clear()


@cache
def rights_of_anybody(vendor: str) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that reads what a person holds, and its parameters but for whom.

    Made once per process: Django took ten times as long to put it together as to run it, twice in
    every request.
    """
    nothing = [Value(False if isinstance(f, BooleanField) else 0) for f in SCOPE_COLUMNS]
    nobody = (Value(0), Value(0), Value(False))
    # A person's own memberships are among those of their teams and of the teams below, so that one
    # look brings teams and mates alike.
    own = Membership.objects.filter(user=_USER).values("team")
    below = TeamReach.objects.filter(above__in=own).values("below")
    member_rows = Membership.objects.filter(team__in=below).order_by()
    main = Membership.objects.filter(user=_USER, is_main=True).values("team")
    scope_rows = ObjectScope.objects.filter(permission_set=_SET).order_by()
    tool_rows = ToolGrant.objects.filter(permission_set=_SET).order_by()
    # Several kinds of rows in one statement: each fills its own columns, the others stay empty.
    rows = member_rows.values_list(
        Value("member"), Value(""), Value(""), "user", "team", "is_main", *nothing
    ).union(
        scope_rows.values_list(
            Value("scope"), "object", Value(""), *nobody, *(f.name for f in SCOPE_COLUMNS)
        ),
        tool_rows.values_list(
            Value("tool"), "key", "option", "rank", Value(0), "unassigned", *nothing
        ),
        *(
            each.rows.filter(
                **({f"{each.receiver}__in": main} if each.to_teams else {each.receiver: _USER})
            )
            .order_by()
            .values_list(
                Value("given"),
                Value(each.kind),
                each.permission,
                each.record,
                Value(0),
                each.lasts,
                *nothing,
            )
            for read in given_one_by_one
            for each in read()
        ),
        all=True,
    )
    sql, params = rows.query.sql_with_params()
    return sql, tuple(params)


def load_grants(user: User) -> Grants:
    """Read a person's scopes, tools, teams and mates; one query whatever their number."""
    members: list[tuple[int, int, bool]] = []
    scopes: dict[str, ObjectScope] = {}
    tools: set[str] = set()
    given: dict[tuple[str, str], set[int]] = {}
    lasting: dict[tuple[str, str], set[int]] = {}
    levels: dict[str, tuple[int, bool]] = {}
    with connection.cursor() as cursor:
        for kind, key, option, member, team, is_main, *values in _rights_of(user, cursor):
            if kind == "member":
                members.append((member, team, bool(is_main)))
            elif kind == "tool":
                name = f"{key}:{option}" if option else key
                tools.add(name)
                if member:  # the rank stands in this column
                    levels[name] = (member, bool(is_main))
            elif kind == "given":
                given.setdefault((key, option), set()).add(member)
                if is_main:  # that it has no end stands in this column
                    lasting.setdefault((key, option), set()).add(member)
            else:
                row = {f.name: f.to_python(v) for f, v in zip(SCOPE_COLUMNS, values, strict=True)}
                scopes[key] = ObjectScope(object=key, **row)  # never saved
    mine = sorted((team, is_main) for member, team, is_main in members if member == user.pk)
    return Grants(
        scopes,
        frozenset(tools),
        levels,
        tuple(team for team, _ in mine),
        tuple(sorted({member for member, _, _ in members})),
        tuple(team for team, is_main in mine if is_main),
        {which: frozenset(keys) for which, keys in given.items()},
        {which: frozenset(keys) for which, keys in lasting.items()},
    )


def _rights_of(user: User, cursor: CursorWrapper) -> list[tuple[Any, ...]]:
    sql, params = rights_of_anybody(connection.vendor)
    # With a pool between us and the database, each statement may be of another session.
    in_one_session = not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    if connection.vendor == "postgresql" and in_one_session:
        name, prepare = _prepared(sql, params)
        session = connection.connection
        if _prepared_in.get(session) != name:
            session.execute(prepare)
            _prepared_in[session] = name
        cursor.execute(f"EXECUTE {name} (%s, %s)", [user.pk, user.permission_set_id])
    else:
        keys = {_USER: user.pk, _SET: user.permission_set_id}
        cursor.execute(sql, [keys.get(param, param) for param in params])
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_prepared_in: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""By connection to PostgreSQL, which statement is planned there: that takes longer than to run it.

It is asked twice in every request, with 180 parameters that are always the same.
"""


@lru_cache(2)
def _prepared(sql: str, params: tuple[Any, ...]) -> tuple[str, str]:
    """Return a statement's name, and what has PostgreSQL keep it for any person and set."""
    places = {_USER: "$1", _SET: "$2"}
    literal = connection.ops.compose_sql  # type: ignore[attr-defined]  # PostgreSQL's own
    said = (places.get(each) or literal("%s", [each]) for each in params)
    name = f"rights_{hashlib.sha256(sql.encode()).hexdigest()[:8]}"
    return name, f"PREPARE {name} (bigint, bigint) AS {sql % tuple(said)}"


def somebody(
    key: Any,
    teams: Any,
    *,
    is_active: bool = True,
    is_superuser: bool = False,
    is_partner_admin: bool = False,
    main_teams: tuple[int, ...] = (),
) -> User:
    """Return a person, never saved, who stands for everybody like this; they hold nothing.

    For what is prepared: key and teams are places, and of the rest nothing may be asked. Or for
    what is open to somebody of these teams, whatever their permission set says.
    """
    person = User(
        pk=key,
        is_active=is_active,
        is_superuser=is_superuser,
        is_partner_admin=is_partner_admin,
    )
    person.__dict__["grants"] = Grants(teams=teams, main_teams=main_teams)
    return person


def noted(user: User, read: Callable[[User], T]) -> T:
    """Return what an upper floor reads about a person, read once per `User` instance.

    It counts as part of what they hold: `still_holds` reads and compares it too.
    """
    notes = user.grants.notes
    if read not in notes:
        notes[read] = read(user)
    return notes[read]  # type: ignore[no-any-return]  # what was put there


@cache
def _row_of_anybody(vendor: str) -> str:
    """Return the statement that reads a user's row by its key."""
    sql, _ = User._base_manager.filter(pk=0).order_by().query.sql_with_params()
    return sql


def stored_user(key: int) -> User | None:
    """Return a user as they are stored now, None for an absent one; one query.

    Its statement is kept: it is asked twice in every request, and Django took twice as long to put
    it together as to run it.
    """
    rows: RawQuerySet[User] = User._base_manager.raw(_row_of_anybody(connection.vendor), [key])
    return next(iter(rows), None)


def still_holds(user: User) -> bool:
    """Tell whether the person still holds exactly what this instance was loaded with.

    Asked after records were read: what was read is then not newer than the right to read it.
    """
    now = stored_user(user.pk)
    return (
        now is not None
        and _held(now) == _held(user)
        and all(read(now) == known for read, known in user.grants.notes.items())
    )


def _held(user: User) -> tuple[Any, ...]:
    """Return the loaded rights as values; scopes by column, since models compare by key alone."""
    grants = user.grants
    columns = [f.attname for f in ObjectScope._meta.concrete_fields if not f.primary_key]
    scopes = {
        key: tuple(getattr(scope, column) for column in columns)
        for key, scope in grants.scopes.items()
    }
    return (
        *(user.is_active, user.is_superuser, user.is_partner_admin, user.session_epoch, scopes),
        *(grants.levels, grants.given, grants.lasting),
        *(frozenset(getattr(grants, name)) for name in ("tools", "teams", "mates", "main_teams")),
    )
