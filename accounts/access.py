"""The single definition of who may do what, as SQL with reasons (design.md §1).

A model lists its rules for a person and an action: `Model.access_rules(person, action)`. The
readers below turn that list into answers, so that a list, a check, a mark, an explanation and an
export can never disagree (B1). Nothing else in the product decides about access.

Writing a rule: its `Q` touches the row's own columns, `IN` lists and `Exists`, never a to-many
join (Django answers `filter(~Q(join))` and `Case(When(~Q(join)))` differently); it does not branch
in Python on the person but asks the abstract one below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from django.apps import apps
from django.db import connection
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Exists,
    Expression,
    ExpressionWrapper,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.query import ModelIterable

from accounts import catalogue
from accounts.models.people import Membership, Team, TeamReach, User
from accounts.models.permissions import ObjectScope, Rank, ToolGrant

M = TypeVar("M", bound=Model)
T = TypeVar("T")

NEVER = Q(pk__in=[])
ALWAYS = ~NEVER

CODES = frozenset(
    {
        "inactive",
        "deleted",
        "superuser",
        "everything",
        "team",
        "owned",
        "unassigned",
        "shared",
        "stage",
        "unseen",
        "no_scope",
    }
)
EXPORT, ASSOCIATE, RESTORE = "export", "associate", "restore"
SCOPE_OF = {EXPORT: "view", ASSOCIATE: "change", RESTORE: "delete"}
"""Actions without a scope of their own, and the action by whose scope they go.

*Associate* is linking a record from the other record's side (R109 b): all that editing needs, but
for the rule on its stage; the other record must be editable as well, which is asked of that one.
*Restore* is taking a record out of the recycle bin, for whoever could delete it.
"""
ACTIONS = frozenset((*catalogue.ACTIONS, *SCOPE_OF))
LEVELS = ("view", "change", "delete")
"""What `who_can` tells of everybody it finds, whatever it was asked."""


# --- Values ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """A named condition on rows: an allowing one grants, any other that holds takes away."""

    code: str
    allows: bool
    when: Q
    because: str

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"Unknown rule code {self.code!r}; see CODES in accounts/access.py.")
        if not self.when:
            # An empty Q means "everything" when negated and vanishes when combined (leaks.md L94).
            raise ValueError(f"Rule {self.code!r} has an empty Q; say ALWAYS or NEVER.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer about one row."""

    code: str
    allows: bool
    holds: bool
    because: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict about one row and every finding that led to it (B2)."""

    allowed: bool
    findings: tuple[Finding, ...]

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """Return the findings that explain the verdict: what takes away, else what grants."""
        denying = tuple(f for f in self.findings if f.holds and not f.allows)
        return denying or tuple(f for f in self.findings if f.holds)


# --- Whom the rules are asked about ---------------------------------------------------------------


class Person(ABC):
    """Somebody the rules can be asked about: a loaded person, or anyone in a query over people.

    `depth` counts query levels: 1 is the query over records itself, 2 a sub-query in it, and so on.
    """

    @property
    @abstractmethod
    def known(self) -> dict[Hashable, Any]:
        """What was already worked out about exactly this person, by question."""

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """Return what this question comes to for this person, worked out the first time only."""
        if question not in self.known:
            self.known[question] = answer()
        return self.known[question]  # type: ignore[no-any-return]  # what was put there

    @abstractmethod
    def id(self, depth: int = 1) -> Any:
        """Return the person's key as something a `Q` can compare with."""

    @abstractmethod
    def is_active(self) -> Q: ...

    @abstractmethod
    def is_superuser(self) -> Q: ...

    @abstractmethod
    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        """Hold where the person's scope for this action reaches at least as far as `rank`."""

    @abstractmethod
    def box(self, object_key: str, action: str) -> Q:
        """Hold where the person's Unassigned box for this action is ticked (R13)."""

    @abstractmethod
    def may_add(self, object_key: str) -> Q: ...

    @abstractmethod
    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        """Hold where the person's set stores this tool with one of these options.

        `rank` asks for this level or a wider one. What is stored may have no effect: see `holds`.
        """

    @abstractmethod
    def given_box(self, key: str, option: str) -> Q:
        """Hold where the person's set stores this option with its box Unassigned."""

    def holds(self, tool: str, rank: int = 0) -> Q:
        """Hold where the person has this tool, by key or `key:option`, with all that it needs.

        Super admins have every tool, but for what needs a seat (R90, Q33). What depends on what is
        declared in the catalogue; a key that is not there raises.
        """
        return self.once(
            ("holds", tool, rank),
            lambda: settled(catalogue.effective(tool, rank).asked_of(self)),
        )

    @abstractmethod
    def teams(self, depth: int = 1) -> Any:
        """Return keys of the teams the person is a member of, main and extra (Q42)."""

    @abstractmethod
    def main_teams(self, depth: int = 1) -> Any:
        """Return the key of the person's main team, alone in a list, or nothing (E55)."""

    def owns(self, owner_fields: Sequence[str]) -> Q:
        """Hold where the person is named in one of these fields of the record."""
        owned = NEVER
        for name in owner_fields:
            owned |= Q(**{name: self.id()})
        return owned

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        """Hold where a record of this kind is given to the person by one of these permissions.

        `shared` says so in a query, for whoever is not known.
        """
        return shared()

    @abstractmethod
    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        """Hold where one of the person's mates is named in one of these fields of the record.

        Mates are all members of the person's teams and of the teams below (Q23, E21); nobody for a
        person without a team, for whom Team only is Owned only.
        """


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
    known: dict[Hashable, Any] = field(default_factory=dict)
    """Rules and conditions already made of these grants; gone with the request like them."""
    notes: dict[Callable[[User], Any], Any] = field(default_factory=dict)
    """What upper floors know about the person, by how it is read; see `noted`."""


given_one_by_one: list[Callable[[int], Iterable[tuple[str, QuerySet[Any], str, str]]]] = []
"""A slot for upper floors: what the person with this key is given record by record.

A kind of record, rows, and in which of their columns permission and record's key stand.
"""
MOST_LITERAL = 10_000
"""So many keys of given records at most stand in a statement; beyond it the tables are asked."""

SCOPE_COLUMNS = tuple(
    f for f in ObjectScope._meta.concrete_fields if f.name not in {"id", "permission_set", "object"}
)
_USER, _SET = -1, -2
"""Where a person's keys go in the prepared statement; keys of rows are positive."""


@cache
def _rights_of_anybody(vendor: str) -> tuple[str, tuple[Any, ...]]:
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
            given.order_by().values_list(
                Value("given"), Value(kind), permission, record, *nobody[1:], *nothing
            )
            for read in given_one_by_one
            for kind, given, permission, record in read(_USER)
        ),
        all=True,
    )
    sql, params = rows.query.sql_with_params()
    return sql, tuple(params)


def load_grants(user: User) -> Grants:
    """Read a person's scopes, tools, teams and mates; one query whatever their number."""
    sql, params = _rights_of_anybody(connection.vendor)
    keys = {_USER: user.pk, _SET: user.permission_set_id}
    members: list[tuple[int, int, bool]] = []
    scopes: dict[str, ObjectScope] = {}
    tools: set[str] = set()
    given: dict[tuple[str, str], set[int]] = {}
    levels: dict[str, tuple[int, bool]] = {}
    with connection.cursor() as cursor:
        cursor.execute(sql, [keys.get(param, param) for param in params])
        for kind, key, option, member, team, is_main, *values in cursor.fetchall():
            if kind == "member":
                members.append((member, team, bool(is_main)))
            elif kind == "tool":
                name = f"{key}:{option}" if option else key
                tools.add(name)
                if member:  # the rank stands in this column
                    levels[name] = (member, bool(is_main))
            elif kind == "given":
                given.setdefault((key, option), set()).add(member)
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
    )


def noted(user: User, read: Callable[[User], T]) -> T:
    """Return what an upper floor reads about a person, read once per `User` instance.

    It counts as part of what they hold: `still_holds` reads and compares it too.
    """
    notes = user.grants.notes
    if read not in notes:
        notes[read] = read(user)
    return notes[read]  # type: ignore[no-any-return]  # what was put there


def still_holds(user: User) -> bool:
    """Tell whether the person still holds exactly what this instance was loaded with.

    Asked after records were read: what was read is then not newer than the right to read it.
    """
    now = User._base_manager.filter(pk=user.pk).first()
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
        *(user.is_active, user.is_superuser, user.session_epoch, scopes),
        *(grants.levels, grants.given),
        *(frozenset(getattr(grants, name)) for name in ("tools", "teams", "mates", "main_teams")),
    )


def _yes(answer: bool) -> Q:
    return ALWAYS if answer else NEVER


class Keys(Expression):
    """Many keys of our own database, written into the SQL as the numbers they are.

    As parameters, seven hundred of them took longer to bind than the query took, and SQLite may
    allow no more than 32,766 in a query.
    """

    def __init__(self, keys: Iterable[int]) -> None:
        super().__init__(output_field=BigIntegerField())
        self.keys = tuple(map(int, keys))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return f"({','.join(map(str, self.keys))})", []


class Loaded(Person):
    """One known person: every answer is ALWAYS, NEVER or a list of literal keys (measured fast)."""

    def __init__(self, user: User) -> None:
        self.user = user

    @property
    def known(self) -> dict[Hashable, Any]:
        # What is no grant, and may differ on the same instance, is part of the question.
        standing = (self.user.is_active, self.user.is_superuser)
        mine: dict[Hashable, Any] = self.user.grants.known.setdefault(standing, {})
        return mine

    def id(self, depth: int = 1) -> Any:
        return self.user.pk

    def is_active(self) -> Q:
        return _yes(self.user.is_active)

    def is_superuser(self) -> Q:
        return _yes(self.user.is_superuser)

    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return _yes(scope is not None and getattr(scope, action) >= rank)

    def box(self, object_key: str, action: str) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return _yes(scope is not None and getattr(scope, f"{action}_unassigned"))

    def may_add(self, object_key: str) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return _yes(scope is not None and scope.add)

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        grants = self.user.grants
        names = [f"{key}:{option}" if option else key for option in options]
        if rank:
            return _yes(any(grants.levels.get(name, (0, False))[0] >= rank for name in names))
        return _yes(not grants.tools.isdisjoint(names))

    def given_box(self, key: str, option: str) -> Q:
        return _yes(self.user.grants.levels.get(f"{key}:{option}", (0, False))[1])

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        given = [self.user.grants.given.get((kind, each), frozenset()) for each in permissions]
        keys = frozenset[int]().union(*given)
        if len(keys) > MOST_LITERAL:
            return shared()
        # As a sub-query in an OR, PostgreSQL took it for half of the table and used no index.
        return Q(pk__in=Keys(sorted(keys))) if keys else NEVER

    def mates(self) -> Any:
        """Return the keys of the person's mates."""
        return Keys(self.user.grants.mates) if self.user.grants.mates else ()

    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        owned = NEVER
        for name in owner_fields:
            owned |= Q(**{f"{name}__in": self.mates()})
        return owned

    def teams(self, depth: int = 1) -> Any:
        return self.user.grants.teams

    def main_teams(self, depth: int = 1) -> Any:
        return self.user.grants.main_teams


def _outer(name: str, depth: int) -> Any:
    reference: Any = name
    for _ in range(depth):
        reference = OuterRef(reference)
    return reference


class Anyone(Person):
    """The person of an enclosing query over people: every answer is an expression on that row.

    The same rules asked of anyone tell who can reach a record, in one query (B3).
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    @property
    def known(self) -> dict[Hashable, Any]:
        return self._known

    def id(self, depth: int = 1) -> Any:
        return _outer("pk", depth)

    def _is(self, name: str) -> Q:
        return Q(ExpressionWrapper(_outer(name, 1), output_field=BooleanField()))

    def _scope(self, object_key: str, **conditions: Any) -> Q:
        return Q(
            Exists(
                ObjectScope.objects.filter(
                    object=object_key, permission_set=_outer("permission_set_id", 2), **conditions
                )
            )
        )

    def is_active(self) -> Q:
        return self._is("is_active")

    def is_superuser(self) -> Q:
        return self._is("is_superuser")

    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        return self._scope(object_key, **{f"{action}__gte": rank})

    def box(self, object_key: str, action: str) -> Q:
        return self._scope(object_key, **{f"{action}_unassigned": True})

    def may_add(self, object_key: str) -> Q:
        return self._scope(object_key, add=True)

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        which: dict[str, Any] = {"option__in": options}
        if len(options) == 1:
            which = {"option": options[0]}
        if rank:
            which["rank__gte"] = rank
        return self._granted(key, **which)

    def given_box(self, key: str, option: str) -> Q:
        return self._granted(key, option=option, unassigned=True)

    def _granted(self, key: str, **conditions: Any) -> Q:
        granted = ToolGrant.objects.filter(
            key=key, permission_set=_outer("permission_set_id", 2), **conditions
        )
        return Q(Exists(granted))

    def teams(self, depth: int = 1) -> Any:
        return Membership.objects.filter(user=_outer("pk", depth + 1)).values("team")

    def main_teams(self, depth: int = 1) -> Any:
        return Membership.objects.filter(user=_outer("pk", depth + 1), is_main=True).values("team")

    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        # From the owner upwards: a few teams each. Listing all mates of everybody took several
        # times as long in a company of 2,000.
        owned = NEVER
        mine = Membership.objects.filter(user=_outer("pk", 3)).values("team")
        for name in owner_fields:
            theirs = Membership.objects.filter(user=_outer(name, 2)).values("team")
            owned |= Q(Exists(TeamReach.objects.filter(below__in=theirs, above__in=mine)))
        return owned


ANYONE = Anyone()
"""The one that `who_can` asks: it is nobody in particular, so what is known of it stays true."""


# --- The rules ------------------------------------------------------------------------------------


def scope_rules(
    person: Person, action: str, object_key: str, owner_fields: Sequence[str]
) -> list[Rule]:
    """Return the rules that a scope makes for one kind of record (R12, R13, R23, R27, Q20).

    `owner_fields` are all fields naming a person who owns the record; being named in any of them
    is full ownership, and a record is unassigned only when every one of them is empty.
    """
    kind = catalogue.object_kind(object_key)
    plural = kind.plural.lower() if kind else object_key
    label = catalogue.ACTION_LABELS[action]
    if action == "add":
        may_add = person.may_add(object_key)
        return [
            Rule("everything", True, may_add, f"the permission set allows to create {plural}"),
            Rule(
                "no_scope",
                False,
                ~(may_add | person.is_superuser()),
                f"the permission set does not allow to create {plural}",
            ),
        ]
    unassigned = ALWAYS
    for name in owner_fields:
        unassigned &= Q(**{f"{name}__isnull": True})

    def reaches(rank: Rank) -> Q:
        return person.at_least(object_key, action, rank)

    return [
        Rule(
            "everything",
            True,
            reaches(Rank.EVERYTHING),
            f"the scope {label} is Everything for {plural}",
        ),
        Rule(
            "team",
            True,
            reaches(Rank.TEAM) & person.mates_own(owner_fields),
            f"an owner is in a team in reach, and the scope {label} is Team only or wider",
        ),
        Rule(
            "owned",
            True,
            reaches(Rank.OWNED) & person.owns(owner_fields),
            f"the person is an owner, and the scope {label} is Owned only or wider",
        ),
        Rule(
            "unassigned",
            True,
            person.box(object_key, action) & unassigned,
            f"nobody owns it, and the box Unassigned is ticked for {label}",
        ),
        Rule(
            "no_scope",
            False,
            ~(reaches(Rank.OWNED) | person.is_superuser()),
            f"the permission set gives no scope {label} for {plural}",
        ),
    ]


def rules_for(
    person: Person, action: str, model: type[Model], *, without: Collection[str] = ()
) -> tuple[Rule, ...]:
    """Return every rule on this action of this model; the first floor of each answer below.

    A model without `access_rules` belongs to super admins alone. `without` leaves out *granting*
    rules by code, for the few questions about where a right comes from: “may they change it, other
    than by a share?” It can only narrow the answer: a rule that takes away is never left out.
    """
    question = ("rules", action, model, frozenset(without))
    return person.once(question, lambda: _rules(person, action, model, without))


def _rules(
    person: Person, action: str, model: type[Model], without: Collection[str]
) -> tuple[Rule, ...]:
    if action not in ACTIONS:
        raise ValueError(f"Unknown action {action!r}; one of {', '.join(sorted(ACTIONS))}.")
    rules = [
        Rule("inactive", False, ~person.is_active(), "the account is deactivated"),
        Rule("superuser", True, person.is_superuser(), "super admins may do everything"),
    ]
    if hasattr(model, "access_rules"):
        rules += model.access_rules(person, "view" if action == EXPORT else action)
    if action == EXPORT:
        rules.append(
            Rule("no_scope", False, ~person.holds("crm.export"), "the permission Export is off")
        )
    elif action not in {"view", "add"}:
        seen = condition_for(person, "view", model, without=without)
        if action == RESTORE:
            # Nobody sees what lies in the bin: it is restored by who would see it outside.
            seen = _seen_outside_the_bin(person, model, without)
        rules.append(Rule("unseen", False, ~seen, "nobody may change what they may not view"))
    # Only what grants may be left out.
    return tuple(rule for rule in rules if not (rule.allows and rule.code in without))


def _seen_outside_the_bin(person: Person, model: type[Model], without: Collection[str] = ()) -> Q:
    view = rules_for(person, "view", model, without=without)
    return condition(rule for rule in view if rule.code != "deleted")


def condition_for(
    person: Person, action: str, model: type[Model], *, without: Collection[str] = ()
) -> Q:
    """Return what `rules_for` comes to."""
    question = ("condition", action, model, frozenset(without))
    return person.once(
        question, lambda: condition(rules_for(person, action, model, without=without))
    )


def condition(rules: Iterable[Rule]) -> Q:
    """Return the arbitration: someone allows and nobody denies."""
    allowed, denied_by_none = NEVER, ALWAYS
    for rule in rules:
        if rule.allows:
            allowed |= rule.when
        else:
            # One by one: the bin alone is then what the indexes of records are made for.
            denied_by_none &= ~rule.when
    return settled(allowed & denied_by_none)


def settled(when: Q) -> Q:
    """Return the same condition without the parts that a known person has settled.

    Django finds out as well, but looks up every field first: a check of one record took three times
    as long. What is left keeps its negations where they were, so NULL means what it meant.
    """
    answer = _settled(when)
    if isinstance(answer, bool):
        return _yes(answer)
    return answer if isinstance(answer, Q) else Q(answer)


def _settled(part: Any) -> Any:
    """Return True, False, or what is left of a part of a condition."""
    if isinstance(part, tuple):
        name, value = part
        empty = isinstance(value, list | tuple) and not value
        return False if empty and name.endswith("__in") else part
    if not isinstance(part, Q) or part.connector == Q.XOR:
        return part
    decisive = part.connector == Q.OR  # one True decides an OR, one False an AND
    left = []
    for child in part.children:
        answer = _settled(child)
        if answer is decisive:
            return decisive is not part.negated
        if not isinstance(answer, bool):
            left.append(answer)
    if not left:
        return decisive is part.negated
    if len(left) == 1 and not part.negated:
        return left[0]
    if len(left) == 1 and isinstance(left[0], tuple):
        name, value = left[0]
        if name.endswith("__isnull"):
            # SQLite takes no index "where x is null" for "not x is not null".
            return (name, not value)
    return Q(*left, _connector=part.connector, _negated=part.negated)


# --- The readers ----------------------------------------------------------------------------------


def permitted(
    queryset: QuerySet[M], user: User, action: str, *, without: Collection[str] = ()
) -> QuerySet[M]:
    """Return the rows of `queryset` on which this person may do this; no query of its own.

    `without`: codes of granting rules that shall not count, as in `rules_for`.
    """
    return queryset.filter(condition_for(Loaded(user), action, queryset.model, without=without))


def allows(user: User, action: str, obj: Model, *, without: Collection[str] = ()) -> bool:
    """Tell whether this person may do this to this record, by the *stored* row; one query.

    `without`: codes of granting rules that shall not count, as in `rules_for`.
    """
    if obj.pk is None:
        return False
    row = type(obj)._base_manager.filter(pk=obj.pk)
    return permitted(row, user, action, without=without).exists()


def allows_any(user: User, action: str, model: type[Model]) -> bool:
    """Tell whether there can be any row at all; no query once the person's grants are loaded."""
    # A known person has settled all that is about them: the condition folds to NEVER, or there is
    # something left that only a row can answer. The same Q, no second rule.
    return condition_for(Loaded(user), action, model) is not NEVER


def marked(queryset: QuerySet[M], user: User, action: str) -> QuerySet[M]:
    """Keep every row and add `may_<action>`, for columns of a list; no query of its own."""
    when = condition_for(Loaded(user), action, queryset.model)
    rows: QuerySet[M] = queryset.annotate(**{f"may_{action}": _holds(when)})
    return rows


def explain(user: User, action: str, obj: Model) -> Explanation:
    """Return the verdict about the stored row with every finding; one query (B2).

    An absent record and one out of reach of every rule are both refused with a finding.
    """
    return explain_each(user, (action,), obj)[action]


def explain_each(user: User, actions: Sequence[str], obj: Model) -> dict[str, Explanation]:
    """Return what `explain` says of each of these actions; one query for all of them."""
    person, model = Loaded(user), type(obj)
    rules = {action: rules_for(person, action, model) for action in actions}
    questions: list[Q] = []
    for action in actions:
        questions += [condition_for(person, action, model), *(r.when for r in rules[action])]
    row = answered(obj, questions)
    if row is None:
        nothing = Finding("no_scope", False, True, "there is nothing in reach under this address")
        return dict.fromkeys(actions, Explanation(False, (nothing,)))
    answers = iter(row)
    return {
        action: Explanation(
            next(answers),
            tuple(Finding(r.code, r.allows, next(answers), r.because) for r in rules[action]),
        )
        for action in actions
    }


def explain_any(user: User, action: str, model: type[Model]) -> Explanation:
    """Return what `allows_any` says, with every finding that needs no row; no query of its own."""
    settled_rules = [(r, settled(r.when)) for r in rules_for(Loaded(user), action, model)]
    return Explanation(
        allows_any(user, action, model),
        tuple(
            Finding(rule.code, rule.allows, when is ALWAYS, rule.because)
            for rule, when in settled_rules
            if when is ALWAYS or when is NEVER
        ),
    )


def refused(queryset: QuerySet[M], user: User, action: str) -> list[tuple[M, Explanation]]:
    """Return the rows on which this person may not do this, each with every finding; one query.

    In the order of `queryset`. Rows out of sight are among them, with the finding `unseen`.
    """
    rules = rules_for(Loaded(user), action, queryset.model)
    answers = {f"answer_{number}": _holds(rule.when) for number, rule in enumerate(rules)}
    rows = marked(queryset, user, action).annotate(**answers)
    return [
        (
            row,
            Explanation(
                False,
                tuple(
                    Finding(rule.code, rule.allows, getattr(row, answer), rule.because)
                    for rule, answer in zip(rules, answers, strict=True)
                ),
            ),
        )
        for row in rows.filter(**{f"may_{action}": False})
    ]


def answered(obj: Model, questions: Iterable[Q]) -> tuple[bool, ...] | None:
    """Return what the stored row answers to each question, None for an absent one; one query."""
    rows = type(obj)._base_manager.filter(pk=obj.pk)
    return rows.values_list(*(_holds(question) for question in questions)).first()


class WithReasons(ModelIterable):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """Puts the findings of `who_can`, which the query brought along, on each person."""

    def __iter__(self) -> Iterator[User]:
        for person in super().__iter__():
            held = [name for name, value in vars(person).items() if value is True]
            codes = [name.split("_", 2)[2] for name in held if name.startswith("by_")]
            person.reasons = list(dict.fromkeys(codes))
            person.level = tuple(name[4:] for name in held if name.startswith("may_"))
            yield person


def who_can(action: str, obj: Model) -> QuerySet[User]:
    """Return all active people who may do this to the stored row (B3).

    The same rules, asked of anyone: one query over people, whatever their number. Each person has
    `reasons`, the codes of the rules that grant, and `level`, what of `LEVELS` they may do to it.
    """
    model = type(obj)
    people = ANYONE.once(("who can", action, model), lambda: _who_can_any(action, model)).all()
    questions: dict[str, Any] = people.query.annotations  # annotations and the alias of below
    for name, asked in questions.items():
        if isinstance(asked, Exists):
            questions[name] = _about(asked, obj)
    people._iterable_class = WithReasons
    return people.filter(Q(found=True))


def _who_can_any(action: str, model: type[Model]) -> QuerySet[User]:
    """Return the query of `who_can` but for the record it is about.

    Made once per process: dozens of sub-queries in one another, which Django takes longer to put
    together than a database takes to answer them.
    """
    rows = model._base_manager.all()
    granting = [rule for rule in rules_for(ANYONE, action, model) if rule.allows]
    return (
        User.objects.filter(is_active=True)
        .annotate(
            **{
                f"by_{number}_{rule.code}": Exists(rows.filter(rule.when))
                for number, rule in enumerate(granting)
            },
            **{
                f"may_{level}": Exists(rows.filter(condition_for(ANYONE, level, model)))
                if level != action
                else Value(True)
                for level in LEVELS
            },
        )
        .alias(found=Exists(rows.filter(condition_for(ANYONE, action, model))))
    )


def _about(asked: Exists, obj: Model) -> Exists:
    """Return the same question, asked of this stored row alone."""
    asked = asked.copy()
    asked.query = asked.query.clone()
    asked.query.add_q(Q(pk=obj.pk))
    return asked


def nameable(queryset: QuerySet[M], user: User) -> QuerySet[M]:
    """Return the rows whose *name* this person may read, for pickers and links (R7, Q32).

    A model whose `names_are_public` (people, teams, stages) shows its names to everybody who can
    log in, and nothing else; of any other model, the names of what the person may view.
    """
    if getattr(queryset.model, "names_are_public", False):
        return queryset if user.is_active else queryset.filter(NEVER)
    return permitted(queryset, user, "view")


def recycled(queryset: QuerySet[M], user: User) -> QuerySet[M]:
    """Return the rows in the recycle bin that this person would see outside it.

    Of a model whose rows go into no bin there are none.
    """
    person = Loaded(user)
    for rule in rules_for(person, "view", queryset.model):
        if rule.code == "deleted":
            return queryset.filter(rule.when, _seen_outside_the_bin(person, queryset.model))
    return queryset.none()


def teams_told(user: User, model: type[Model]) -> QuerySet[Team]:
    """Return the teams of which this person may be told whose records of this kind they own.

    Names of teams are public, who is in them is not (R7): one's own teams and those below, and all
    of them for whoever may view every record of this kind.
    """
    person = Loaded(user)
    key = getattr(model, "object_key", "")
    everything = person.is_superuser() | person.at_least(key, "view", Rank.EVERYTHING)
    if settled(person.is_active() & everything) is ALWAYS:
        return Team.objects.all()
    below = TeamReach.objects.filter(above__in=person.teams()).values("below")
    return Team.objects.filter(pk__in=below)


def holds_tool(user: User, key: str) -> bool:
    """Tell whether this person has a tool of the catalogue, by key or `key:option`.

    A key alone of a tool with options means any of them. One that does not exist raises.
    """
    return Loaded(user).holds(key) is ALWAYS and user.is_active


@dataclass(frozen=True, slots=True)
class ToolScope:
    """How far a tool with levels reaches for one person, and whether ownerless things count."""

    rank: Rank
    unassigned: bool


def tool_scope(user: User, key: str) -> ToolScope:
    """Return the level and the box Unassigned that a person has of `key:option` (S-7, RP-4)."""
    person = Loaded(user)
    box = settled(catalogue.effective_box(key).asked_of(person)) is ALWAYS  # raises for other keys
    reached = [rank for rank in Rank if rank and person.holds(key, rank) is ALWAYS]
    rank = max(reached, default=Rank.NONE) if user.is_active else Rank.NONE
    return ToolScope(rank, box and rank in (Rank.OWNED, Rank.TEAM))


def _holds(when: Q) -> Case | Value:
    answer = _settled(when)
    if isinstance(answer, bool):
        return Value(answer, BooleanField())
    return Case(
        When(answer if isinstance(answer, Q) else Q(answer), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def holders(tool: str) -> QuerySet[User]:
    """Return the active people who have a tool of the catalogue, super admins included."""
    # The rule is worded for a sub-query in a query over people; here that is the person's own row.
    row = User.objects.filter(pk=OuterRef("pk"))
    return User.objects.filter(Exists(row.filter(ANYONE.holds(tool))), is_active=True)


def given_to(tool: str) -> QuerySet[User]:
    """Return the active people whose set stores a tool, though it may have no effect for them.

    Super admins are among them, as among `holders`. For screens and records of who gave what; who
    may do something is asked of `holders`.
    """
    key, _, option = catalogue.parse(tool).name.partition(":")
    stored = ANYONE.is_superuser() | ANYONE.given(key, (option,))
    row = User.objects.filter(pk=OuterRef("pk"))
    return User.objects.filter(Exists(row.filter(stored)), is_active=True)


# --- The same questions in Django's words ---------------------------------------------------------


def asked(perm: str) -> tuple[str, type[Model]] | None:
    """Return (action, model) for `app.action_model` or `crm.object.action`, else None."""
    parts = perm.split(".")
    if len(parts) == 3 and parts[0] == "crm":
        kind = catalogue.object_kind(parts[1])
        return (parts[2], kind.model) if kind and parts[2] in ACTIONS else None
    if len(parts) != 2:
        return None
    action, _, model_name = parts[1].partition("_")
    try:
        model = apps.get_model(parts[0], model_name)
    except LookupError:
        return None
    return (action, model) if action in ACTIONS else None


def has_perm(user: User, perm: str, obj: Model | None = None) -> bool:
    """Answer `user.has_perm`: a tool by its key, or an action on a model or one record.

    What looks like a key of the catalogue and is none raises: it is a mistake in our own code.
    """
    of_catalogue = perm.partition(".")[0] in catalogue.NAMESPACES
    if of_catalogue and perm.count(".") == 1:
        return holds_tool(user, perm)
    question = asked(perm)
    if question is None:
        if of_catalogue and "." in perm:
            raise catalogue.UnknownPermission(perm)
        return False
    action, model = question
    if obj is None:
        return allows_any(user, action, model)
    return isinstance(obj, model) and allows(user, action, obj)


def allows_any_in_app(user: User, app_label: str) -> bool:
    """Answer `user.has_module_perms`: may anything of this app be viewed?

    Models that say what may be seen *in* a record (`is_about_fields`) are nothing to be viewed.
    """
    try:
        models = apps.get_app_config(app_label).get_models()
    except LookupError:
        return False
    viewed = (model for model in models if not getattr(model, "is_about_fields", False))
    return any(allows_any(user, "view", model) for model in viewed)
