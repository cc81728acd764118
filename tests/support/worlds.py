"""Small worlds of plain values, made by hypothesis; `world_rows` lays one into the database.

A world says what was *asked for*: scopes are not clamped, rules may be switched off and still name
people. The product's own operations make of it what is stored; the oracle makes of it what holds.
Keys of people, teams and records overlap on purpose: taking one for the other must show.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
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


STAGES_EACH = 3


def stages_of(pipeline: int) -> range:
    return range((pipeline - 1) * STAGES_EACH + 1, pipeline * STAGES_EACH + 1)


# --- Made by hypothesis ---------------------------------------------------------------------------

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
RANKS = st.sampled_from([*[TEAM] * 7, *[OWNED] * 4, *[EVERYTHING] * 3, NONE])
BOX = st.booleans()
SCOPES = st.fixed_dictionaries({"add": BOX, **{action: st.tuples(RANKS, BOX) for action in SCOPED}})
EXPORT = "crm.export"
TOOLS = st.sampled_from(
    [
        (EXPORT,),
        (EXPORT, "audit.view"),
        ("audit.view",),
        (),
        ("crm.export_approver",),
        (EXPORT, "crm.export_approver"),
        (EXPORT, "crm.export_without_approval"),
    ]
)
# What decides over others is drawn often, or its children would hardly ever have an effect.
SWITCHES = sorted({*PARENT_OF.values(), "account.reports_and_dashboards", EXPORT})
CHILDREN = sorted(set(STORABLE) - set(SWITCHES) - {"crm.export_approver"})
CHOICES = {key: options for key, (_, _, sort, options) in BY_KEY.items() if sort == CHOICE}
FURTHER = st.builds(
    lambda switches, children: tuple(one_of_each_choice({*switches, *children})),
    st.lists(st.sampled_from(SWITCHES), max_size=4),
    st.lists(st.sampled_from(CHILDREN), max_size=8),
)
# A level as it can be given: a box stands only beside the two in the middle.
GIVEN = [(rank, box) for rank in (3, 2, 1) for box in (False, True) if rank < EVERYTHING or not box]
LEVELS = st.dictionaries(st.sampled_from(LEVELLED), st.sampled_from(GIVEN), max_size=3)
HOW_MANY_TEAMS = st.sampled_from([4, 5, 6, 3, 4, 5, 6, 2, 1, 0])
HOW_MANY = st.sampled_from([*range(3, 9), *range(3, 13)])
# Weights: a list of ten, most of it the usual case; hypothesis shrinks towards the first.
USUALLY = st.sampled_from([True] * 9 + [False])
SOMETIMES = st.sampled_from([False] * 4 + [True])
SELDOM = st.sampled_from([False] * 11 + [True])


# Mostly one kind a world: what differs between kinds is told by the worlds together.
KINDS = [("deal",)] * 4 + [("ticket",)] * 2 + [("contact",), ("company",)]
KINDS += [("deal", "contact"), ("ticket", "company"), ("deal", "ticket")]
KINDS += [("deal", "contact", "company"), ("contact", "company"), ("deal", "company")] * 2
POLICIES = st.builds(
    Policy,
    require=st.sampled_from([True, True, False]),
    threshold=st.sampled_from([3, 0, 1, 100]),
    second_person_above=st.sampled_from([None, 0, 3]),
    daily=st.sampled_from([None, None, 0, 2]),
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


LOOKS = st.integers(0, 15)
SECRETS = st.sampled_from(["", "", "sensitive", "high"])
PLAIN_SECRETS = st.sampled_from(["", "", "sensitive"])
# The names of `tests.support.changes.CHANGES`, which is made of this module; a test holds them
# together.
CHANGE_NAMES = (
    *("team moved", "teams joined", "set rewritten", "set assigned", "deactivated"),
    *("permissions edited", "sets edited", "taken back", "super admin"),
    *("re-owned", "linked", "valued", "deleted", "restored", "moved on"),
    *("shared", "share ended", "stages locked", "field restricted", "policy"),
)
CHANGES = st.tuples(st.sampled_from(CHANGE_NAMES), st.integers(0, 99))


def links(kind: str, key: int, counts: dict[str, int]) -> st.SearchStrategy[dict[str, int]]:
    """Relations of one record, to records of this world; a company is below an older one."""
    found = {}
    for name, to in oracle_data.LEADS_TO[kind].items():
        most = key - 1 if to == kind else counts.get(to, 0)
        if most:
            found[name] = st.integers(1, most)
    return st.fixed_dictionaries({}, optional=found)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world of 3-12 people, 0-6 teams on up to 3 levels and 5-30 records of one or two kinds."""
    kinds = draw(st.sampled_from(KINDS))
    teams: list[TeamIn] = []
    depth: dict[int, int] = {}
    for key in range(1, draw(HOW_MANY_TEAMS) + 1):
        above = [None, *(t.id for t in teams if depth[t.id] < 3)]
        parent = draw(st.sampled_from(above[::-1] + above[:0:-1]))
        depth[key] = depth.get(parent or 0, 0) + 1
        teams.append(TeamIn(key, parent))
    a_set = st.builds(
        lambda scopes, tools, further, levels: Set(
            scopes, tuple(one_of_each_choice({*tools, *further})), levels
        ),
        st.fixed_dictionaries(dict.fromkeys(kinds, SCOPES)),
        TOOLS,
        FURTHER,
        LEVELS,
    )
    sets = tuple(draw(a_set) for _ in range(draw(st.integers(1, 4))))
    some_teams = st.sampled_from([1, 1, 1, 2, 3, 0]).flatmap(
        lambda most: st.lists(
            st.sampled_from([t.id for t in teams]),
            min_size=min(most, len(teams)),
            max_size=most,
            unique=True,
        )
    )
    people = tuple(
        Person(
            key,
            set=draw(
                st.sampled_from([*range(len(sets)), *range(len(sets)), *range(len(sets)), None])
            ),
            teams=tuple(draw(some_teams)) if teams else (),
            has_main=draw(USUALLY),
            active=draw(USUALLY),
            superuser=draw(SELDOM),
        )
        for key in range(1, draw(HOW_MANY) + 1)
    )
    for person in people:
        if draw(SOMETIMES):  # permissions of their own, perhaps detached from the set they had
            own = replace(draw(a_set), owner=person.id, based_on=person.set)
            sets, had = (*sets, own), person
            people = tuple(replace(p, set=len(sets) - 1) if p is had else p for p in people)
    keys = [person.id for person in people]
    # Two pipelines of each kind that has them.
    pipelines = dict(enumerate((k for k in kinds if oracle.OBJECTS[k][1] for _ in "ab"), 1))
    stages = {
        kind: st.sampled_from([s for p, k in pipelines.items() if k == kind for s in stages_of(p)])
        for kind in pipelines.values()
    }
    rules = tuple(
        Rule(
            pipeline,
            stages=tuple(s for s in stages_of(pipeline) if draw(BOX)),
            enabled=draw(st.sampled_from([True, True, True, False])),
            editors=draw(st.sampled_from(["chosen", "super_admins"])),
            users=tuple(draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))),
            teams=tuple(draw(some_teams)) if teams else (),
        )
        for pipeline in pipelines
        if draw(USUALLY)
    )
    owner = st.sampled_from([None, None, *keys])
    co_owner = st.sampled_from([*[None] * (2 * len(keys)), *keys])
    counts = {kind: draw(st.integers(5, 30 // len(kinds))) for kind in kinds}
    records = {
        kind: tuple(
            Record(
                key,
                owner=draw(owner),
                co_owner=draw(co_owner),
                stage=draw(stages[kind]) if kind in stages else None,
                deleted=draw(SELDOM),
                values=values_of(kind, draw(LOOKS)),
                links=draw(links(kind, key, counts)),
            )
            for key in range(1, counts[kind] + 1)
        )
        for kind in kinds
    }
    receivers = [("user", key) for key in keys] + [("team", t.id) for t in teams]
    share = st.tuples(
        st.sampled_from([(kind, record.id) for kind in kinds for record in records[kind]]),
        st.sampled_from(receivers),
        st.sampled_from(["edit", "view"]),
        st.sampled_from([None, None, "future", "past"]),
    )
    shares = {}
    for _ in range(draw(st.integers(0, 30))):
        on, to, level, until = draw(share)
        shares[on, to] = Share(*on, to, level, until)
    grants = st.lists(
        st.tuples(st.sampled_from(receivers), st.sampled_from(["view", "edit"])),
        max_size=3,
        unique_by=lambda grant: grant[0],
    )
    access = st.sampled_from(["chosen", "everyone_view", "super_admins", *["everyone_edit"] * 2])
    fields = tuple(
        FieldRule(
            kind,
            name,
            draw(access),
            tuple(draw(grants)),
            draw(SECRETS if name not in NEVER_VEILED else PLAIN_SECRETS),
        )
        for kind in kinds
        for name in FIELDS[kind]
        if draw(BOX)
    )
    fields += tuple(
        FieldRule(kind, name, "everyone_edit", (), "sensitive")
        for kind in kinds
        for name in NAMES[kind]
        if draw(SELDOM)
    )
    return World(
        sets=sets,
        people=people,
        teams=tuple(teams),
        pipelines=pipelines,
        rules=rules,
        records=records,
        shares=tuple(shares.values()),
        fields=fields,
        policy=draw(POLICIES),
        changes=tuple(draw(st.lists(CHANGES, max_size=3))),
        salt=draw(st.integers(0, 2**16)),
    )
