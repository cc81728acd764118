"""Small worlds of plain values, made by chance; `world_rows` lays one into the database.

A world says what was *asked for*: scopes are not clamped, rules may be switched off and still name
people. The product's own operations make of it what is stored; the oracle makes of it what holds.
Keys of people, teams and records overlap on purpose: taking one for the other must show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.support import oracle, oracle_data
from tests.support.catalogue_rows import BY_KEY, CHOICE, LEVELLED, PARENT_OF, STORABLE

# --- Plain values ---------------------------------------------------------------------------------


class Short:
    """Shows itself by what differs from the default, ready to be pasted into cases.py."""

    def __repr__(self) -> str:
        said = []
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            usual = each.default_factory() if callable(each.default_factory) else each.default
            if value != usual:
                said.append(f"{each.name}={value!r}")
        return f"{type(self).__name__}({', '.join(said)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis would show every field


@dataclass(frozen=True, eq=False, repr=False)
class Set(Short):
    """Scopes as asked for, object → action → (rank, box); "add" is a boolean.

    `levels` are those of the permissions that have some, by `key:option`. One person's own copy
    has an `owner`, and the place of the named set that it is `based_on`.
    """

    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    levels: dict[str, tuple[int, bool]] = field(default_factory=dict)
    owner: int | None = None
    based_on: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Person(Short):
    """`set` is a place in the world's list; the first team is the main one if `has_main`."""

    id: int
    set: int | None = None
    teams: tuple[int, ...] = ()
    has_main: bool = True
    active: bool = True
    superuser: bool = False
    partner: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class TeamIn(Short):
    id: int
    parent: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Rule(Short):
    """The edit rule of one pipeline; its number is the pipeline's."""

    pipeline: int
    stages: tuple[int, ...] = ()
    enabled: bool = True
    editors: str = "chosen"
    users: tuple[int, ...] = ()
    teams: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Record(Short):
    id: int
    owner: int | None = None
    co_owner: int | None = None
    stage: int | None = None
    deleted: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class Share(Short):
    """`to` is ("user", key) or ("team", key); `until` is None, "past" or "future"."""

    object: str
    record: int
    to: tuple[str, int]
    level: str = "view"
    until: str | None = None

    @property
    def over(self) -> bool:
        return self.until == "past"


@dataclass(frozen=True, eq=False, repr=False)
class Excepted(Short):
    """One person who may edit one record in one locked stage; `until` is "past" or "future"."""

    object: str
    record: int
    person: int
    stage: int
    until: str = "future"

    @property
    def over(self) -> bool:
        return self.until == "past"


@dataclass(frozen=True, eq=False, repr=False)
class FieldRule(Short):
    """Who may see and edit a field: `access` as E24 names it, `grants` of (to, level).

    `secret` is "", "sensitive" or "high".
    """

    object: str
    name: str
    access: str = "chosen"
    grants: tuple[tuple[tuple[str, int], str], ...] = ()
    secret: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Policy(Short):
    """When exports need consent; without a threshold of its own none does for its size."""

    require: bool = False
    threshold: int = 100
    second_person_above: int | None = None
    daily: int | None = None


@dataclass(frozen=True, eq=False, repr=False)
class World(Short):
    """Stages 1-3 belong to pipeline 1, 4-6 to pipeline 2, and so on; `salt` picks the samples."""

    sets: tuple[Set, ...] = ()
    people: tuple[Person, ...] = ()
    teams: tuple[TeamIn, ...] = ()
    pipelines: dict[int, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    policy: Policy = field(default_factory=Policy)
    changes: tuple[tuple[str, int], ...] = ()
    """What happens one after the other: kinds of `tests.support.changes`, each with a salt of its
    own."""
    salt: int = 0
    exceptions: tuple[Excepted, ...] = ()


STAGES_EACH = 3


def stages_of(pipeline: int) -> range:
    return range((pipeline - 1) * STAGES_EACH + 1, pipeline * STAGES_EACH + 1)


# --- Made by chance -------------------------------------------------------------------------------
# By Python's `Random` or by hypothesis's, which makes a failing world smaller: towards the first of
# what is chosen from, and towards less. Weights are words that stand several times in a list.

SCOPED = ("view", "change", "delete", "communicate", "merge")
# Every field here can be restricted; none is always visible. Relations are among them.
FIELDS = {
    "contact": ("phone", "city", "company"),
    "company": ("sector", "country", "parent"),
    "deal": ("amount", "product", "company", "contact"),
    "ticket": ("priority", "company", "contact"),
}
# Fields that are chosen from a list, or lead to a record, are never veiled (E30).
NEVER_VEILED = {"priority", "company", "contact", "parent"}
# Always visible, and yet what a name is made of, and who owns, may be sensitive.
NAMES = {
    "contact": ("last_name", "owner"),
    "company": ("name", "co_owner"),
    "deal": ("name", "owner"),
    "ticket": ("subject",),
}
WORDS = ("alder", "bjørk", "cedar", "dogwood")
NONE, OWNED, TEAM, EVERYTHING = oracle.NONE, oracle.OWNED, oracle.TEAM, oracle.EVERYTHING
RANKS = [*[TEAM] * 7, *[OWNED] * 4, *[EVERYTHING] * 3, NONE]
BOX = (False, True)
EXPORT = "crm.export"
TOOLS = [
    (EXPORT,),
    (EXPORT, "audit.view"),
    ("audit.view",),
    (),
    ("crm.export_approver",),
    (EXPORT, "crm.export_approver"),
    (EXPORT, "crm.export_without_approval"),
]
# What decides over others is drawn often, or its children would hardly ever have an effect.
SWITCHES = sorted({*PARENT_OF.values(), "account.reports_and_dashboards", EXPORT})
CHILDREN = sorted(set(STORABLE) - set(SWITCHES) - {"crm.export_approver"})
CHOICES = {key: options for key, (_, _, sort, options) in BY_KEY.items() if sort == CHOICE}
# A level as it can be given: a box stands only beside the two in the middle.
GIVEN = [(rank, box) for rank in (3, 2, 1) for box in (False, True) if rank < EVERYTHING or not box]
HOW_MANY_TEAMS = [4, 5, 6, 3, 4, 5, 6, 2, 1, 0]
HOW_MANY = [*range(3, 9), *range(3, 13)]
HOW_MANY_CHANGES = [0, 1, 0, 2, 0, 1, 0, 3]
USUALLY = [True] * 9 + [False]
SOMETIMES = [False] * 4 + [True]
SELDOM = [False] * 11 + [True]

# Mostly one kind a world: what differs between kinds is told by the worlds together.
KINDS = [("deal",)] * 4 + [("ticket",)] * 2 + [("contact",), ("company",)]
KINDS += [("deal", "contact"), ("ticket", "company"), ("deal", "ticket")]
KINDS += [("deal", "contact", "company"), ("contact", "company"), ("deal", "company")] * 2
UNTIL = [None, None, "future", "past"]
ACCESS = ["chosen", "everyone_view", "super_admins", *["everyone_edit"] * 2]
SECRETS = ["", "", "sensitive", "high"]
PLAIN_SECRETS = ["", "", "sensitive"]
# The names of `tests.support.changes.CHANGES`, which is made of this module; a test holds them
# together.
CHANGE_NAMES = (
    *("team moved", "teams joined", "set rewritten", "set assigned", "deactivated"),
    *("permissions edited", "sets edited", "taken back", "super admin", "partner admin"),
    *("re-owned", "linked", "valued", "deleted", "restored", "moved on"),
    *("shared", "share ended", "stages locked", "field restricted", "policy"),
)


def values_of(kind: str, look: int) -> dict[str, Any]:
    """Return the values of a record that looks like this; few, so that many are equal."""
    first, second = WORDS[look % 4], WORDS[look // 4 % 4]
    number = look // 2 % 5
    if kind == "contact":
        return {"last_name": first, "phone": f"{number}", "city": second if look else ""}
    if kind == "company":
        return {"name": first, "sector": second, "country": WORDS[number % 3]}
    if kind == "deal":
        amount = {"amount": Decimal(number)} if look else {}
        return {"name": first, "product": second, **amount}
    return {"subject": first, "priority": ("low", "medium", "high")[number % 3]}


def one_of_each_choice(tools: set[str]) -> list[str]:
    """Return the tools in order, of what takes one option the widest one alone."""
    for key, options in CHOICES.items():
        given = [f"{key}:{each}" for each in options if f"{key}:{each}" in tools]
        tools = tools - set(given[:-1])
    return sorted(tools)


EMPLOYEE = "partner.employee"


def with_partner_admin(
    sets: tuple[Set, ...], people: tuple[Person, ...], person: Person
) -> tuple[tuple[Set, ...], tuple[Person, ...]]:
    """One of the people as a partner admin: their own permissions say that they are employed."""
    had = Set() if person.set is None else sets[person.set]
    based_on = had.based_on if had.owner else person.set
    tools = tuple(one_of_each_choice({*had.tools, EMPLOYEE}))
    own = replace(had, tools=tools, owner=person.id, based_on=based_on)
    if had.owner:
        sets, number = tuple(own if each is had else each for each in sets), person.set
    else:
        sets, number = (*sets, own), len(sets)
    now = replace(person, set=number, partner=True)
    return sets, tuple(now if each is person else each for each in people)


def worlds() -> st.SearchStrategy[World]:
    """Worlds of `made_by`, which hypothesis makes smaller where one fails."""
    return st.randoms(use_true_random=False).map(made_by)


def made_by(random: Random) -> World:
    """Return a world of 3-12 people, 0-6 teams on up to 3 levels and 5-30 records of a few kinds.

    The same draws make the same world.
    """
    return _Draw(random).world()


class _Draw:
    """One world as it is drawn; each part is drawn among what was drawn before it."""

    def __init__(self, random: Random) -> None:
        self.random, self.choice = random, random.choice

    def world(self) -> World:
        self.kinds: tuple[str, ...] = self.choice(KINDS)
        self.teams = self._teams()
        sets, people = self._sets_and_people()
        self.keys = [person.id for person in people]
        # Two pipelines of each kind that has them.
        staged = [kind for kind in self.kinds if oracle.OBJECTS[kind][1]]
        self.pipelines = dict(enumerate([kind for kind in staged for _ in "ab"], 1))
        self.receivers = [("user", key) for key in self.keys]
        self.receivers += [("team", team) for team in self.teams]
        rules = tuple(self._rule(each) for each in self.pipelines if self.choice(USUALLY))
        records = self._records()
        return World(
            sets=sets,
            people=people,
            teams=tuple(TeamIn(key, parent) for key, parent in self.teams.items()),
            pipelines=self.pipelines,
            rules=rules,
            records=records,
            shares=self._shares(records),
            fields=self._fields(),
            policy=Policy(
                require=self.choice([True, True, False]),
                threshold=self.choice([3, 0, 1, 100]),
                second_person_above=self.choice([None, 0, 3]),
                daily=self.choice([None, None, 0, 2]),
            ),
            changes=tuple(
                (self.choice(CHANGE_NAMES), self.random.randrange(100))
                for _ in range(self.choice(HOW_MANY_CHANGES))
            ),
            salt=self.random.randrange(2**16 + 1),
            # Drawn last, so that what was drawn before this was known stays as it was.
            exceptions=self._exceptions(records),
        )

    def some(self, items: Iterable[Any], most: int, least: int = 0) -> list[Any]:
        """Choose some of these, none of them twice."""
        among = list(items)
        number = self.choice(range(least, most + 1))
        return self.random.sample(among, min(number, len(among)))

    # --- People and what they may -----------------------------------------------------------------

    def _teams(self) -> dict[int, int | None]:
        """Draw teams by key, each with the team above it."""
        teams: dict[int, int | None] = {}
        depth: dict[int | None, int] = {None: 0}
        for key in range(1, self.choice(HOW_MANY_TEAMS) + 1):
            above = [team for team in teams if depth[team] < 3]
            teams[key] = self.choice([*above[::-1], None, *above[::-1]])
            depth[key] = depth[teams[key]] + 1
        return teams

    def _some_teams(self) -> tuple[int, ...]:
        most = self.choice([1, 1, 1, 2, 3, 0])
        return tuple(self.some(self.teams, most, min(most, len(self.teams))))

    def _set(self) -> Set:
        scopes = {kind: self._scopes() for kind in self.kinds}
        tools = {*self.choice(TOOLS), *self.some(SWITCHES, 4), *self.some(CHILDREN, 8)}
        levels = {name: self.choice(GIVEN) for name in self.some(LEVELLED, 3)}
        return Set(scopes, tuple(one_of_each_choice(tools)), levels)

    def _scopes(self) -> dict[str, Any]:
        scoped = {action: (self.choice(RANKS), self.choice(BOX)) for action in SCOPED}
        return {"add": self.choice(BOX), **scoped}

    def _sets_and_people(self) -> tuple[tuple[Set, ...], tuple[Person, ...]]:
        sets = [self._set() for _ in range(self.random.randint(1, 4))]
        numbers = [*range(len(sets)), *range(len(sets)), *range(len(sets)), None]
        people = []
        for key in range(1, self.choice(HOW_MANY) + 1):
            number = self.choice(numbers)
            if self.choice(SOMETIMES):  # permissions of their own, perhaps detached from a set
                sets.append(replace(self._set(), owner=key, based_on=number))
                number = len(sets) - 1
            people.append(
                Person(
                    key,
                    set=number,
                    teams=self._some_teams(),
                    has_main=self.choice(USUALLY),
                    active=self.choice(USUALLY),
                    superuser=self.choice(SELDOM),
                )
            )
        return self._with_partner_admins(tuple(sets), tuple(people))

    def _with_partner_admins(
        self, sets: tuple[Set, ...], people: tuple[Person, ...]
    ) -> tuple[tuple[Set, ...], tuple[Person, ...]]:
        for person in people:
            if not person.superuser and self.choice(SELDOM):
                sets, people = with_partner_admin(sets, people, person)
        return sets, people

    # --- Records and what opens and closes them ---------------------------------------------------

    def _rule(self, pipeline: int) -> Rule:
        return Rule(
            pipeline,
            stages=tuple(stage for stage in stages_of(pipeline) if self.choice(BOX)),
            enabled=self.choice([True, True, True, False]),
            editors=self.choice(["chosen", "super_admins"]),
            users=tuple(self.some(self.keys, 2)),
            teams=self._some_teams(),
        )

    def _records(self) -> dict[str, tuple[Record, ...]]:
        most = 30 // len(self.kinds)
        counts = {
            kind: self.choice(range(5, self.choice(range(5, most + 1)) + 1)) for kind in self.kinds
        }
        stages = {kind: [s for s, of in self._stages() if of == kind] for kind in self.kinds}
        owners = [None, None, *self.keys]
        co_owners = [*[None] * (2 * len(self.keys)), *self.keys]
        return {
            kind: tuple(
                Record(
                    key,
                    owner=self.choice(owners),
                    co_owner=self.choice(co_owners),
                    stage=self.choice(stages[kind]) if stages[kind] else None,
                    deleted=self.choice(SELDOM),
                    values=values_of(kind, self.random.randrange(16)),
                    links=self._links(kind, key, counts),
                )
                for key in range(1, counts[kind] + 1)
            )
            for kind in self.kinds
        }

    def _stages(self) -> list[tuple[int, str]]:
        return [(stage, of) for key, of in self.pipelines.items() for stage in stages_of(key)]

    def _links(self, kind: str, key: int, counts: dict[str, int]) -> dict[str, int]:
        """Relations of one record, to records of this world; a company is below an older one."""
        found = {}
        for name, to in oracle_data.LEADS_TO[kind].items():
            most = key - 1 if to == kind else counts.get(to, 0)
            if most and self.choice(BOX):
                found[name] = self.random.randint(1, most)
        return found

    def _shares(self, records: dict[str, tuple[Record, ...]]) -> tuple[Share, ...]:
        on = [(kind, record.id) for kind in self.kinds for record in records[kind]]
        shares = {}
        for _ in range(self.random.randint(0, 30)):
            what, to = self.choice(on), self.choice(self.receivers)
            level = self.choice(["edit", "view"])
            shares[what, to] = Share(*what, to, level, self.choice(UNTIL))
        return tuple(shares.values())

    def _exceptions(self, records: dict[str, tuple[Record, ...]]) -> tuple[Excepted, ...]:
        """Mostly for the stage in which the record stands; one for each person and record."""
        staged = [(kind, each) for kind in self.kinds for each in records[kind] if each.stage]
        stages = [stage for stage, _ in self._stages()]
        found = {}
        for _ in range(self.random.randint(0, 6) if staged else 0):
            kind, record = self.choice(staged)
            person = self.choice(self.keys)
            stage = self.choice([record.stage, record.stage, self.choice(stages)])
            until = self.choice(["future", "future", "past"])
            found[kind, record.id, person] = Excepted(kind, record.id, person, stage, until)
        return tuple(found.values())

    def _fields(self) -> tuple[FieldRule, ...]:
        restricted = [(kind, name) for kind in self.kinds for name in FIELDS[kind]]
        named = [(kind, name) for kind in self.kinds for name in NAMES[kind]]
        return (
            *(self._field(*each) for each in restricted if self.choice(BOX)),
            *(
                FieldRule(kind, name, "everyone_edit", (), "sensitive")
                for kind, name in named
                if self.choice(SELDOM)
            ),
        )

    def _field(self, kind: str, name: str) -> FieldRule:
        grants = ((to, self.choice(["view", "edit"])) for to in self.some(self.receivers, 3))
        secrets = PLAIN_SECRETS if name in NEVER_VEILED else SECRETS
        return FieldRule(kind, name, self.choice(ACCESS), tuple(grants), self.choice(secrets))
