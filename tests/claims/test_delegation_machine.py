"""Administrators acting at random: nobody ever gets beyond what some administrator held (Q21, R96).

Two delegated administrators, made at random, do what they like to everybody by every operation that
they may call. Whatever the order: each person's rights stay within what they had, or an
administrator had, and so do the records that they reach, view and edit. DELEGATION_WORLDS sets how
many worlds are tried.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import access, operations
from accounts.access import Loaded
from accounts.delegation import Piece, every_piece, lacks
from accounts.models import User
from accounts.operations import AccountsError
from records.models import Contact, Deal
from tests.support.company import TinyCompany
from tests.support.factories import ContactFactory, DealFactory, SetFactory, UserFactory

pytestmark = pytest.mark.django_db

WORLDS = int(os.environ.get("DELEGATION_WORLDS", "12"))
GOVERNS = ("account.access", "account.edit_users", "account.user_table")
KINDS = ("deal", "contact")
ACTIONS = ("view", "change", "delete", "merge")
TOOLS = ("crm.export", "crm.export_approver", "crm.export_without_approval", "sales.access")
PEOPLE = ("first", "second", "rita", "mona", "rob", "ella", "lena", "eve", "pia", "new")

ranks = st.sampled_from([0, 1, 2, 2, 3, 3])  # wide ones, so that much can be given
scopes = st.fixed_dictionaries(
    {
        kind: st.fixed_dictionaries(
            {
                "add": st.booleans(),
                **dict.fromkeys(ACTIONS, ranks),
                **{f"{action}_unassigned": st.booleans() for action in ACTIONS},
            }
        )
        for kind in KINDS
    }
)
tools = st.lists(
    st.sampled_from([*TOOLS, "account.edit_teams", "account.modify_billing"]), unique=True
)
SCOPES = [f"crm.{kind}.{action}" for kind in KINDS for action in ACTIONS]
a_change = st.one_of(
    st.tuples(st.sampled_from(SCOPES), st.sampled_from(["none", "owned", "team", "everything"])),
    st.tuples(st.sampled_from([f"{key}.unassigned" for key in SCOPES]), st.booleans()),
    st.tuples(st.sampled_from([*TOOLS, *GOVERNS, "crm.deal.add"]), st.booleans()),
    st.tuples(st.just("crm.workflows"), st.lists(st.sampled_from(["view", "edit", "delete"]))),
)
who = st.sampled_from(PEOPLE)
set_names = st.sampled_from(["rep", "small", "reader", "own", None])
team_names = st.sampled_from(["north", "north_a", "south", None])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("edit"),
            who,
            st.dictionaries(who, st.none(), max_size=2),
            st.lists(a_change, min_size=1, max_size=2),
        ),
        st.tuples(st.just("assign"), who, set_names),
        st.tuples(st.just("teams"), who, team_names, team_names),
        st.tuples(st.just("create"), set_names, team_names),
        st.tuples(st.just("password"), who),
        st.tuples(st.just("partner admin"), who),
    ).flatmap(lambda step: st.tuples(st.sampled_from(["first", "second"]), st.just(step))),
    min_size=8,
    max_size=25,
)


def pieces(user: User) -> set[Piece]:
    asker = Loaded(user)
    return {piece for piece in every_piece() if not lacks(asker, piece)}


def reach(user: User) -> set[tuple[str, str, int]]:
    return {
        (model.__name__, action, key)
        for model in (Deal, Contact)
        for action in ("view", "change", "delete")
        for key in access.permitted(model.objects.all(), user, action).values_list("pk", flat=True)
    }


def owned(user: User) -> set[tuple[str, str, int]]:
    return {
        (model.__name__, action, key)
        for model in (Deal, Contact)
        for action in ("view", "change", "delete")
        for key in model.objects.filter(owner=user).values_list("pk", flat=True)
    }


class World:
    """The tiny company with two administrators, and what everybody had at first."""

    def __init__(self, c: TinyCompany, first: Any, second: Any) -> None:
        self.people = dict(c.people)
        self.teams, self.sets = c.teams, c.sets
        homes = {"first": "north", "second": "north_a"}
        for name, (held, more) in {"first": first, "second": second}.items():
            permissions = SetFactory(name=name, scopes={}, tools=[])
            operations.change_set(
                permissions, actor=c.sam, name=name, description="", scopes=held,
                tools=[*GOVERNS, "partner.employee", *more],
            )  # fmt: skip
            self.people[name] = UserFactory(
                email=f"{name}@example.com", permission_set=permissions, team=c.teams[homes[name]]
            )
        self.sets["small"] = SetFactory(scopes={"deal": {"view": 1}, "contact": {"view": 1}})
        self.sets["partner"] = SetFactory(name="Partner", tools=["partner.employee", "crm.export"])
        self.people["pia"] = UserFactory(
            email="pia@example.com",
            permission_set=self.sets["partner"],
            is_partner_admin=True,
            team=c.teams["north_a"],
        )
        self.sets["own"] = self.people["second"].permission_set
        for name in ("first", "second", "rita", "rob", "lena", "mona"):
            DealFactory(owner=self.people[name], stage=c.stages["open"])
            ContactFactory(owner=self.people[name])
        DealFactory(owner=None, stage=c.stages["open"])
        admins = [self.fresh("first"), self.fresh("second")]
        self.ceiling = set().union(*map(pieces, admins))
        self.sight = set().union(*map(reach, admins))
        self.had = {
            name: (pieces(self.fresh(name)), reach(self.fresh(name)))
            for name in PEOPLE
            if name in self.people
        }
        # What this brings the first one could not be passed on: it is not counted above.
        User.objects.filter(pk=self.people["first"].pk).update(is_partner_admin=True)
        self.pia = self.as_stored("pia")

    def fresh(self, name: str) -> User:
        return User.objects.get(pk=self.people[name].pk)

    def as_stored(self, name: str) -> tuple[object, ...]:
        user = self.fresh(name)
        return user.email, user.password, user.permission_set, user.grants.tools, user.grants.teams

    def act(self, actor: User, step: Any) -> None:
        what, *rest = step
        if what == "create":
            made = operations.create_person(
                actor=actor, email="new@example.com", permission_set=self.sets.get(rest[0]),
                main_team=self.teams.get(rest[1]),
            )  # fmt: skip
            self.people["new"] = made
            return
        if rest[0] not in self.people:
            return
        person = self.people[rest[0]]
        if what == "edit":
            chosen = [person, *(self.people[each] for each in rest[1] if each in self.people)]
            operations.edit_permissions(chosen, actor=actor, changes=dict(rest[2]))
        elif what == "assign":
            operations.assign_set(person, actor=actor, permission_set=self.sets.get(rest[1]))
        elif what == "teams":
            extra = [self.teams[rest[2]]] if rest[2] else []
            operations.set_teams(
                person, actor=actor, main_team=self.teams.get(rest[1]), extra_teams=extra
            )
        elif what == "partner admin":
            operations.make_partner_admin(person, actor=actor)
            operations.remove_partner_admin(person, actor=actor, permission_set=self.sets["rep"])
        else:
            operations.set_password(person, actor=actor, password="another long password")

    def check(self) -> None:
        for name in self.people:
            if name not in PEOPLE:
                continue
            user = self.fresh(name)
            had, saw = self.had.get(name, (set(), set()))
            assert pieces(user) <= had | self.ceiling, name
            if name == "first":
                continue  # reaches all by the status from the beginning
            # Their own records they reach as far as an administrator lets them.
            assert reach(user) <= saw | self.sight | owned(user), name
        assert self.as_stored("pia") == self.pia  # no delegate touches a partner admin
        assert set(User.objects.filter(is_partner_admin=True)) == {
            self.people["pia"],
            self.people["first"],
        }


@settings(
    max_examples=WORLDS,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(first=st.tuples(scopes, tools), second=st.tuples(scopes, tools), walk=steps)
def test_nobody_gets_beyond_what_some_administrator_held(
    c: TinyCompany, first: Any, second: Any, walk: Any
) -> None:
    with transaction.atomic():
        world = World(c, first, second)
        for actor, step in walk:
            try:
                world.act(world.fresh(actor), step)
            except AccountsError:
                continue
            world.check()
        transaction.set_rollback(True)


def test_machine_notices_who_gets_beyond(c: TinyCompany) -> None:
    """Negative control: a super admin gives what no administrator holds, and the check fails."""
    nothing = ({kind: {} for kind in KINDS}, [])
    world = World(c, nothing, nothing)
    world.check()
    operations.assign_set(world.people["lena"], actor=c.sam, permission_set=c.sets["everything"])
    with pytest.raises(AssertionError):
        world.check()
