"""Every answer of the product about one world, set beside the oracle's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from itertools import product
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.db import transaction

from accounts import access
from accounts.held import held_in_each
from accounts.models import PermissionSet, User
from accounts.operations import AccountsError
from exports import operations as exports
from exports import tables
from records import filters
from records.operations import RecordError
from records.why import suggest
from tests.support import oracle, steps
from tests.support import oracle_data as data
from tests.support.catalogue_rows import ASKABLE, LEVELLED, level
from tests.support.catalogue_rows import held as held_by
from tests.support.changes import CHANGES
from tests.support.compared_exports import Disagreement, Story, asked_for
from tests.support.oracle_writes import says
from tests.support.tally import Tally
from tests.support.world_rows import as_plain, field_levels, lay_down, model_of
from tests.support.worlds import Person, Set, World

ACTIONS = oracle.FULL.split()
# What opens a part of the app of people: the log, the table of people, sets, teams.
OF_ACCOUNTS = ("audit.view", "account.user_table", "account.edit_users", "account.edit_teams")
EXPORTED_EVERY = 5
"""One world in so many is exported though it never changes; a file costs as much as the rest."""
SUGGESTED_EVERY = 4
"""One world in so many is also asked what would be enough; every single step is then taken."""


def compare(world: World, tally: Tally, people: int = 2) -> None:
    """Lay a world down, ask, change it, ask again; raises `Disagreement` at the first difference.

    Lists are asked for so many people of it, two at least: every action, every row. The other
    readers are asked about samples, which the world's own salt picks. An export is asked for before
    the changes, written between them and fetched after them. Afterwards all is taken away again.
    """
    with transaction.atomic():
        stored = lay_down(world)
        Comparison(stored, tally).run(people)
        story = Story(stored, tally) if world.changes or not world.salt % EXPORTED_EVERY else None
        if story:
            story.ask()
        for number, (name, salt) in enumerate(world.changes):
            before, stored = stored, happens(stored, name, salt, tally)
            Comparison(stored, tally, after=f"after {name}").at_once(before)
            if story and number == 0:
                story.write(stored)
        if story:
            story.fetch(stored)
        transaction.set_rollback(True)
    tally.worlds += 1


def happens(world: World, name: str, salt: int, tally: Tally) -> World:
    """Let a change happen in the database; return the world after it, the same where it cannot."""
    found = CHANGES[name](world, Random(salt))
    if found is None:
        return world
    after, done = found
    try:
        with transaction.atomic():
            done()
    except (AccountsError, RecordError, exports.ExportError) as refusal:
        # An owner who may not view it, the last super admin, a request that nobody could decide on.
        tally.refused[f"{name}: {type(refusal).__name__}"] += 1
        return world
    tally.changes[name] += 1
    return after


Held = tuple[frozenset[str], dict[str, tuple[int, bool]]]


def holding_in(world: World) -> dict[int, Held]:
    """Return what everybody has of the catalogue by the oracle: keys, and levels by key."""
    nothing: Held = (frozenset(), dict.fromkeys(LEVELLED, (oracle.NONE, False)))
    return {
        person.id: _held(
            None if person.set is None else world.sets[person.set],
            person.superuser,
            person.partner,
        )
        if person.active
        else nothing
        for person in world.people
    }


@lru_cache(2**10)
def _held(one: Set | None, superuser: bool, partner: bool) -> Held:
    """Return what whoever has this set and status holds; nothing else of a world matters."""
    world = World(sets=(one or Set(),))
    who = Person(0, None if one is None else 0, superuser=superuser, partner=partner)
    has = oracle.holding(world, who)
    return frozenset(held_by(has)), {asked: level(has, asked) for asked in LEVELLED}


@cache
def unsorted(kind: str) -> Any:
    """Return all rows of a kind, for whoever narrows them down."""
    return model_of(kind)._base_manager.order_by()


@cache
def keys_of(kind: str) -> Any:
    """Return the keys of all rows of a kind; chosen before narrowing them down, once for all."""
    return unsorted(kind).values_list("pk", flat=True)


class Comparison:
    """One stored world and the oracle's verdicts about it, made once."""

    def __init__(self, world: World, tally: Tally, after: str = "") -> None:
        self.world, self.tally, self.after = world, tally, after
        self.random = Random(world.salt)
        self.people = {person.id: person for person in world.people}
        self.held = holding_in(world)
        self.codes = {
            (person.id, kind, action, record.id): oracle.codes(world, person, action, kind, record)
            for person in world.people
            for kind, records in world.records.items()
            for action in ACTIONS
            for record in records
        }
        self.verdict = {
            key: bool(codes) and codes <= oracle.GRANTING for key, codes in self.codes.items()
        }

    def run(self, people: int) -> None:
        self.tally.decisions += len(self.codes)
        for codes in self.codes.values():
            self.tally.decisive.update(oracle.decisive(codes))
        asked = self.some(self.people, people)
        for user in map(self.user, asked):
            self.lists(user)
            self.narrowed(user)
        for user in map(self.user, self.random.sample(asked, 1)):
            self.marks(user)
            self.refusals(user)
            self.in_djangos_words(user)
        self.permissions(self.people)
        self.holders(2)
        for person_id, kind, action, record_id in self.telling(3):
            self.about_one(person_id, kind, action, record_id)
        for _, kind, action, record_id in self.telling(people - 1):
            self.reverse(kind, action, record_id)
        if self.world.salt % SUGGESTED_EVERY == 0:
            for person_id, kind, action, record_id in self.refused(people - 1):
                self.suggestion(person_id, kind, action, record_id)

    def at_once(self, before: World) -> None:
        """Ask again after a change, as the next request does: of nothing that was loaded before.

        The whole catalogue is gone through for a person at random and for whoever has other
        permissions now; what everybody's sets store is compared all the same.
        """
        asked = self.some(self.people, 1)
        for user in map(self.user, asked):
            self.lists(user)
            self.narrowed(user)
            self.marks(user)
            self.in_djangos_words(user)
        had = holding_in(before)
        self.permissions({*asked, *(key for key in self.people if self.held[key] != had[key])})
        self.holders(1)
        for person_id, kind, action, record_id in self.telling(1):
            self.about_one(person_id, kind, action, record_id)
            self.reverse(kind, action, record_id)

    @cached_property
    def users(self) -> dict[int, User]:
        """Everybody as a request has them: loaded once, whatever is asked afterwards."""
        return User.objects.in_bulk()

    def user(self, key: int) -> User:
        return self.users[key]

    def telling(self, number: int) -> list[Any]:
        """Pick questions evenly by what decides them, so that rare reasons are asked as often."""
        chosen = self.random.choices(sorted(self.questions), k=number)
        return [self.random.choice(self.questions[reason]) for reason in chosen]

    @cached_property
    def questions(self) -> dict[tuple[str, ...], list[Any]]:
        """All questions about one record, by what decides them."""
        groups: dict[frozenset[str], list[Any]] = {}
        for key, codes in self.codes.items():
            groups.setdefault(oracle.decisive(codes), []).append(key)
        return {tuple(sorted(reasons)): keys for reasons, keys in groups.items()}

    def refused(self, number: int) -> list[Any]:
        """Pick refusals about which something can be done, evenly by what decides them.

        Not of restoring: no operation makes somebody an owner of what lies in the recycle bin.
        """
        hopeless = {"inactive", "deleted"}
        groups: dict[tuple[str, ...], list[Any]] = {}
        for key, codes in self.codes.items():
            if key[2] != "restore" and not self.verdict[key] and not codes & hopeless:
                groups.setdefault(tuple(sorted(codes)), []).append(key)
        chosen = self.random.choices(sorted(groups), k=number) if groups else []
        return [self.random.choice(groups[reason]) for reason in chosen]

    def some(self, questions: Iterable[Any], number: int) -> list[Any]:
        everything = sorted(questions)
        return self.random.sample(everything, min(number, len(everything)))

    def same(self, reader: str, said: Any, expected: Any, about: Any, count: int = 1) -> None:
        self.tally.compared[reader] += count
        if said != expected:
            told = f"{reader} {self.after} {about}: product {said!r}, oracle {expected!r}"
            raise Disagreement(told)

    # --- The readers ------------------------------------------------------------------------------

    def lists(self, user: User) -> None:
        """Every action on every row."""
        for kind, records in self.world.records.items():
            for action in ACTIONS:
                # A list, not a set: a row that comes twice is a mistake too.
                listed = sorted(access.permitted(keys_of(kind), user, action))
                expected = [r.id for r in records if self.verdict[user.pk, kind, action, r.id]]
                self.same("list", listed, expected, (user.pk, kind, action), len(records))

    def narrowed(self, user: User) -> None:
        """A filter or two, a search or an order, of each kind; refused is an answer too."""
        person = self.people[user.pk]
        for kind in self.world.records if person.active else ():
            query = asked_for(self.world, kind, self.random)
            expected = data.listed(self.world, person, kind, "view", query)
            rows = access.permitted(model_of(kind)._default_manager.all(), user, "view")
            try:
                found = filters.narrowed(rows, urlencode(query), user=user)
                said = list(found.values_list("pk", flat=True))
            except filters.BadQuery:
                said = None
            if expected is not None and said is not None and "o" not in query:
                said, expected = sorted(said), sorted(expected)
            self.same("narrowed", said, expected, (user.pk, kind, query))

    def marks(self, user: User) -> None:
        """Every action on every row, in one statement for each kind."""
        for kind, records in self.world.records.items():
            rows = unsorted(kind)
            for action in ACTIONS:
                rows = access.marked(rows, user, action)
            marks = sorted(rows.values_list("pk", *(f"may_{action}" for action in ACTIONS)))
            expected = [
                (r.id, *(self.verdict[user.pk, kind, action, r.id] for action in ACTIONS))
                for r in records
            ]
            self.same("marked", marks, expected, (user.pk, kind), len(records) * len(ACTIONS))

    def refusals(self, user: User) -> None:
        """One action on every row of each kind: who acts on many at once is told the same."""
        for kind, records in self.world.records.items():
            action = self.random.choice(ACTIONS)
            rows = model_of(kind)._base_manager.order_by("pk")
            said = [
                (row.pk, {finding.code for finding in told.findings if finding.holds})
                for row, told in access.refused(rows, user, action)
            ]
            keys = [(r.id, (user.pk, kind, action, r.id)) for r in records]
            expected = [(pk, self.codes[key]) for pk, key in keys if not self.verdict[key]]
            self.same("refused", said, expected, (user.pk, kind, action), len(records))

    def permissions(self, keys: Iterable[int]) -> None:
        """Every permission of the catalogue, of these people; what everybody's set stores (Q26)."""
        for key in sorted(keys):
            user = self.user(key)
            held, levels = self.held[key]
            said = {asked for asked in ASKABLE if user.has_perm(asked)}
            difference = (sorted(said - held), sorted(held - said))
            self.same("has_perm(key)", difference, ([], []), key, len(ASKABLE))
            for asked in LEVELLED:
                scope = access.tool_scope(user, asked)
                self.same("level", (scope.rank, scope.unassigned), levels[asked], (key, asked))
        self.stored()

    def stored(self) -> None:
        """What people's sets store, whose own they are, and what those are based on."""
        users = User.objects.order_by("pk").select_related("permission_set")
        found = held_in_each(user.permission_set_id for user in users)
        for user in users:
            one, number = user.permission_set, self.people[user.pk].set
            plain = Set() if number is None else self.world.sets[number]
            scopes, grants = found[user.permission_set_id]
            said = says(
                Set(
                    {kind: as_plain(row) for kind, row in scopes.items()},
                    tuple(grant.name for grant in grants if not grant.rank),
                    {grant.name: (grant.rank, grant.unassigned) for grant in grants if grant.rank},
                )
            )
            owned = (one.owner_id, one.based_on_id) if one else (None, None)
            based_on = None if plain.based_on is None else plain.based_on + 1
            expected = (says(plain), (plain.owner, based_on))
            self.same("stored", (said, owned), expected, user.pk)
        own = PermissionSet.objects.exclude(owner=None).order_by("owner")
        mine = {key: p.set is not None and self.world.sets[p.set] for key, p in self.people.items()}
        owners = sorted(key for key, one in mine.items() if one and one.owner)
        self.same("own copies", list(own.values_list("owner", flat=True)), owners, "")

    def holders(self, number: int) -> None:
        """Who has a permission, in one query over people; asked about those that tell people apart.

        What the loaded person answers in Python, anyone answers in SQL.
        """
        some = [key for key in ASKABLE if any(key in held for held, _ in self.held.values())]
        for asked in self.random.sample(some, min(number, len(some))):
            said = list(access.holders(asked).order_by("pk").values_list("pk", flat=True))
            expected = sorted(key for key, (held, _) in self.held.items() if asked in held)
            self.same("holders", said, expected, asked, len(self.people))

    def in_djangos_words(self, user: User) -> None:
        """has_perm without a record, tools, has_module_perms: by the backends as shipped."""
        person = self.people[user.pk]
        for kind, action in product(self.world.records, ACTIONS):
            expected = oracle.can_any(self.world, person, action, kind)
            for perm in (f"records.{action}_{kind}", f"crm.{kind}.{action}"):
                self.same("has_perm(perm)", user.has_perm(perm), expected, (user.pk, perm))
        apps = {
            "records": any(
                oracle.can_any(self.world, person, "view", kind) for kind in oracle.OBJECTS
            ),
            "accounts": person.active
            and any(oracle.has_tool(self.world, person, tool) for tool in OF_ACCOUNTS),
            "nonsense": False,
        }
        for app, expected in apps.items():
            said = user.has_module_perms(app)
            self.same("has_module_perms", said, expected, (user.pk, app))
        for kind in self.world.records:
            seen = [c.name for c in tables.permitted_columns(model_of(kind), user)]
            expected_seen = [
                c.name
                for c in tables.all_columns(model_of(kind))
                if data.has_column(self.world, person, kind, c.name)
            ]
            self.same("columns", seen, expected_seen, (user.pk, kind))
            if levels := field_levels(user, kind):
                said_of = {
                    rule.name: oracle.field(self.world, person, kind, rule.name)
                    for rule in self.world.fields
                    if rule.object == kind
                }
                expected_levels = {
                    name: (level, bool(level) and data.secret(self.world, kind, name) == "high")
                    for name, level in said_of.items()
                }
                self.same("fields", levels, expected_levels, (user.pk, kind), len(levels))

    def about_one(self, person_id: int, kind: str, action: str, record_id: int) -> None:
        """allows, has_perm, explain, about a row that a form has changed: the stored one counts."""
        key = (person_id, kind, action, record_id)
        user = self.user(person_id)
        model = model_of(kind)
        row = model(pk=record_id, owner_id=person_id)
        if oracle.OBJECTS[kind][1]:
            row.stage_id = self.random.choice(sorted(self.stages()))
        perm = self.random.choice((f"records.{action}_{kind}", f"crm.{kind}.{action}"))
        self.same("allows", access.allows(user, action, row), self.verdict[key], key)
        self.same("has_perm(perm, obj)", user.has_perm(perm, row), self.verdict[key], (*key, perm))
        told = access.explain(user, action, row)
        self.same("explain", told.allowed, self.verdict[key], key)
        held = {finding.code for finding in told.findings if finding.holds}
        self.same("explain: findings", held, self.codes[key], key)
        reasons = {finding.code for finding in told.decisive}
        self.same("explain: reasons", reasons, oracle.decisive(self.codes[key]), key)

    def stages(self) -> set[int]:
        return {r.stage for rs in self.world.records.values() for r in rs if r.stage is not None}

    def reverse(self, kind: str, action: str, record_id: int) -> None:
        row = model_of(kind)(pk=record_id)
        people = access.who_can(action, row).order_by("pk")
        found = [(each.pk, set(each.reasons), set(each.level)) for each in people]
        expected = [
            (
                person,
                self.codes[person, kind, action, record_id] & oracle.GRANTING,
                {level for level in access.LEVELS if self.verdict[person, kind, level, record_id]},
            )
            for person in sorted(self.people)
            if self.verdict[person, kind, action, record_id]
        ]
        self.same("who_can", found, expected, (kind, action, record_id), len(self.people))

    def suggestion(self, person_id: int, kind: str, action: str, record_id: int) -> None:
        """What would be enough is enough, and smallest; where nothing would be, nothing is.

        The oracle takes every single step in turn; the one suggested is taken in the database too.
        """
        user = self.user(person_id)
        record = model_of(kind)._base_manager.get(pk=record_id)
        step = suggest(user, action, record)
        reader = f"suggestion: {step.kind}" if step else "suggestion: none"
        about = (person_id, kind, action, record_id)
        opened = steps.opened_by_each(self.world, *about)
        least = min(opened.values(), default=None)
        said = opened.get(steps.plain(step), "not enough") if step else None
        self.same(reader, said, least, (*about, step, opened))
        if step:
            try:
                flipped: bool | str = steps.flips(step, user, action, record)
            except (AccountsError, RecordError) as refusal:
                flipped = str(refusal)  # nobody can take it: then it is no step
            self.same(reader, flipped, True, (*about, step))
