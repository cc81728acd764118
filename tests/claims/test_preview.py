"""What a preview says is what happens: counted before, and by carrying the change out (B4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from accounts import operations, preview
from accounts.models import AuditEvent, Team, User
from accounts.operations import InvalidChange, NotAllowed
from accounts.preview import Preview, effects, require_confirmed, standings, words
from accounts.preview.effects import Opened, Outcome, Records
from accounts.preview.standings import Company
from records.operations.sharing import share
from tests.support.company import EVERYTHING, OWNED, TEAM, TinyCompany
from tests.support.factories import DealFactory, SetFactory, UserFactory
from tests.support.what_if import (
    NAMES,
    SYSTEM,
    TEAM_NAMES,
    Look,
    Move,
    assigned,
    happened,
    in_and_out,
    look,
    moved_people,
    moves,
    own_permissions,
    removed_super_admins,
    said,
    saved_person,
    taken_back,
    within,
)
from tests.support.world_rows import lay_down
from tests.support.worlds import World, worlds

WORLDS = 25
EACH = 3
KINDS = ("contact", "company", "deal", "ticket")


def told_and_happened(move: Move, before: Look) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Preview a change and carry it out; None where it is refused."""
    kinds = {kind for _, kind, _ in before.reach}
    try:
        told = said(move.preview().outcome)
    except InvalidChange:
        told = {}
    with taken_back():
        try:
            with transaction.atomic():
                move.carry_out()
        except operations.AccountsError:
            # What a preview lets pass, an operation may still refuse: the last super admin.
            return None
        return told, happened(before, look(kinds), move.changed)


def _agree(number: int, names: list[str], tried: Counter[str]) -> None:
    """Try these changes in a made-up world, and in the simplest one, which is made up first."""

    @seed(100 + number)
    @settings(
        max_examples=2,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(worlds(), st.data())
    def agree(world: World, data: st.DataObject) -> None:
        with taken_back():
            lay_down(world)
            before = look(world.records)
            for name in names:
                move = data.draw(moves(name, list(world.records)))
                if name.startswith("partner"):
                    before = look(world.records)
                found = told_and_happened(move, before) if move else None
                if found is not None and move is not None:
                    told, truth = found
                    told["records"] = {k: n for k, n in told["records"].items() if k[1] in KINDS}
                    assert told == truth, move.name
                    tried[name] += bool(truth["records"])

    agree()


@pytest.mark.django_db
def test_preview_says_what_happens() -> None:
    tried: Counter[str] = Counter()
    every_name = [*NAMES, *TEAM_NAMES]
    for number in range(WORLDS):
        # Which changes are tried is no part of what is made up: it must not differ between runs.
        names = [every_name[(number * EACH + step) % len(every_name)] for step in range(EACH)]
        _agree(number, names, tried)
    for number in range(WORLDS, 2 * WORLDS):  # chance left some out
        if missing := [name for name in every_name if not tried[name] and name != "removed"]:
            _agree(number, missing, tried)
    # Each sort of change was tried where it changed something.
    assert {name for name in NAMES if tried[name]} | {"removed"} == {*NAMES}
    assert {name for name in TEAM_NAMES if tried[name]} == {*TEAM_NAMES}


@pytest.mark.django_db
def test_joining_a_team_opens_ones_records_to_its_members(c: TinyCompany) -> None:
    """Q23: “8 people will now see her 312 deals”."""
    DealFactory.create_batch(3, name="Lena’s", owner=c.lena, stage=c.stages["open"])
    DealFactory(owner=c.lena, stage=c.stages["open"], deleted_at="2026-01-01T00:00Z")
    move = moved_people([c.lena], None, [c.teams["north_a"]])
    found = move.preview()
    before = look(KINDS)
    assert told_and_happened(move, before) == (said(found.outcome),) * 2
    assert found.people == 1
    seen = [each for each in found.outcome.effects if not each.is_changed]
    # Rita, Nora and Ella are in the team, Mona in the one above; Fred is deactivated.
    assert {each.person for each in seen} == {c.rita, c.nora, c.ella, c.mona}
    assert Records("deal", "view", 4, 0) in seen[0].records
    assert Opened("deal", 4, 4) in found.outcome.opened_to_others
    assert words.opened(found.outcome.opened_to_others)[-1] == ("4 people will now see 4 deals.")


@pytest.mark.django_db
def test_shares_stage_locks_super_admins_and_the_inactive_are_counted(c: TinyCompany) -> None:
    deal = DealFactory(owner=c.eve, stage=c.stages["locked"])
    share(deal, actor=c.sam, level="edit", user=c.rob)
    people = [c.rob, c.eve, c.fred, c.sam, c.nils]
    wanted = {"crm.deal.view": "owned", "crm.deal.change": "owned", "crm.export": True}
    move = own_permissions(people, wanted)
    found = move.preview()
    assert told_and_happened(move, look(KINDS)) == (said(found.outcome),) * 2
    changed = {each.person for each in found.outcome.effects}
    assert c.sam not in changed
    assert c.fred not in changed
    assert {c.eve, c.nils} <= changed


@pytest.fixture
def dora(c: TinyCompany) -> User:
    """A delegated administrator of North, who sees its deals and all contacts."""
    lead = SetFactory(
        scopes={"deal": {"view": TEAM, "change": OWNED}, "contact": {"view": EVERYTHING}},
        tools=["account.access", "account.edit_users", "account.user_table", "crm.export"],
    )
    return UserFactory(permission_set=lead, team=c.teams["north"])


@pytest.mark.django_db
def test_delegate_is_told_of_what_she_views_and_of_nothing_else(c: TinyCompany, dora: User) -> None:
    """What happens, as far as it happens to records that she views: no more, and no less."""
    changed = {"crm.deal.view": "everything", "crm.contact.view": "owned", "crm.export": False}
    south, north_a, reader = c.teams["south"], c.teams["north_a"], c.sets["reader"]
    for move in (
        own_permissions([c.rita, c.rob], changed),
        assigned([c.rita, c.rob, c.eve], reader),
        moved_people([c.lena, c.rita], south, [north_a]),
        in_and_out("team_left", [c.ella], south),
        saved_person(c.nora, reader, south, []),
    ):
        before = look(KINDS)
        told, all_told = said(move.preview(dora).outcome), said(move.preview().outcome)
        with taken_back():
            move.carry_out()
            after = look(KINDS)
        views = [within(each, before, dora.pk) for each in (before, after)]
        assert told == happened(*views, move.changed), move.name
        assert told["records"] != all_told["records"], move.name


@pytest.mark.django_db
def test_records_out_of_a_delegates_sight_change_nothing_she_is_told(
    c: TinyCompany, dora: User
) -> None:
    """Neither a count nor the mark nor the number to be typed tells how many there are."""
    move = assigned([c.rita], c.sets["reader"])
    told, all_told = move.preview(dora), move.preview()
    DealFactory.create_batch(3, owner=c.rob, stage=c.stages["open"])
    assert move.preview(dora) == told
    assert move.preview().opened == all_told.opened + 3
    assert move.preview().mark != all_told.mark
    DealFactory(owner=c.mona, stage=c.stages["open"])
    assert move.preview(dora).opened == told.opened + 1
    assert move.preview(dora).mark != told.mark


@pytest.mark.django_db
def test_mark_tells_whether_anything_would_be_otherwise(c: TinyCompany) -> None:
    """Also where no count is: what the set says, where somebody is, where teams hang."""

    def marks() -> list[str]:
        return [
            preview.assignment([c.nils], c.sets["approver"], actor=c.sam).mark,
            preview.team_moved(c.teams["south"], parent=c.teams["north"], actor=c.sam).mark,
        ]

    first = marks()
    assert marks() == first
    operations.edit_sets([c.sets["approver"]], actor=c.sam, changes={"crm.workflows": ["view"]})
    operations.create_team(actor=c.sam, name="New", parent=c.teams["north"])
    second = marks()
    assert [one == other for one, other in zip(first, second, strict=True)] == [False, False]
    operations.add_to_team(c.nils, actor=c.sam, team=Team.objects.get(name="New"))
    assert marks()[0] != second[0]


@pytest.mark.django_db
def test_a_super_admin_becomes_somebody_with_a_set(c: TinyCompany) -> None:
    # In made-up worlds there is mostly one super admin, who stays.
    move = removed_super_admins([c.sue], c.sets["rep"])
    found = move.preview()
    assert told_and_happened(move, look(KINDS)) == (said(found.outcome),) * 2
    (effect,) = found.outcome.effects
    assert effect.person == c.sue
    assert "crm.export_approver" in effect.abilities_lost
    assert "crm.export" not in effect.abilities_lost


@pytest.mark.django_db
def test_a_preview_that_forgets_the_mates_is_found_out(c: TinyCompany) -> None:
    """The negative control: the comparison tells a wrong preview from a right one."""
    DealFactory(owner=c.lena, stage=c.stages["open"])
    move = moved_people([c.lena], c.teams["south"], [])
    before, now = look(KINDS), standings.now()
    found = told_and_happened(move, before)
    assert found is not None
    told, truth = found
    assert told == truth
    joined = replace(now.people[c.lena.pk], teams=frozenset((c.teams["south"].pk,)))

    class Forgetful(Company):
        def mates(self, person: int) -> frozenset[int]:
            return now.mates(person)

    forgetful = Forgetful({**now.people, c.lena.pk: joined}, now.below)
    assert said(effects.outcome(now, forgetful, {c.lena.pk})) != truth


@pytest.mark.django_db
def test_nothing_is_written_and_statements_do_not_grow_with_people(c: TinyCompany) -> None:
    def statements() -> int:
        people = User.objects.filter(permission_set=c.sets["rep"])
        with CaptureQueriesContext(connection) as asked:
            found = preview.assignment(people, c.sets["manager"], actor=SYSTEM)
        assert found.people == people.count()
        assert not [q for q in asked if not q["sql"].lstrip("(").startswith("SELECT")]
        return len(asked)

    events = AuditEvent.objects.count()
    few = statements()
    for number in range(60):
        person = UserFactory(permission_set=c.sets["rep"], team=c.teams["south"])
        DealFactory(owner=person, stage=c.stages["open"], name=f"Deal {number}")
    assert statements() <= few + 1  # one more for each four hundred conditions
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db
def test_high_risk_abilities_are_told_as_far_as_they_have_an_effect(c: TinyCompany) -> None:
    wanted = {"crm.export": False, "account.access": True, "account.edit_users": True}
    found = preview.permissions([c.rita], wanted, actor=SYSTEM)
    (effect,) = found.outcome.effects
    assert effect.abilities_gained == ("account.access", "account.edit_users")
    assert effect.abilities_lost == ("crm.export",)
    # Without its parent switch it is stored, and nothing of it counts.
    inert = preview.permissions([c.rita], {"account.edit_users": True}, actor=SYSTEM)
    assert not inert.changes_anything


@pytest.mark.django_db
def test_what_is_capped_is_said(c: TinyCompany) -> None:
    found = preview.sets([c.sets["rep"]], {"crm.deal.view": "owned"}, actor=SYSTEM)
    assert "Deals: Communicate from Team only to Owned only, which is as wide as View" in (
        found.narrowed
    )


@pytest.mark.django_db
def test_whoever_may_not_make_the_change_sees_no_preview_of_it(c: TinyCompany) -> None:
    rep, south = c.sets["rep"], c.teams["south"]
    asked = {
        "permissions": lambda actor: preview.permissions([c.rob], {}, actor=actor),
        "sets": lambda actor: preview.sets([rep], {}, actor=actor),
        "set_as": lambda actor: preview.set_as(rep, {}, [], actor=actor),
        "assignment": lambda actor: preview.assignment([c.rob], rep, actor=actor),
        "set_created": lambda actor: preview.set_created({}, [], [c.rob], actor=actor),
        "set_deleted": lambda actor: preview.set_deleted(rep, None, actor=actor),
        "made": lambda actor: preview.super_admin_made([c.rob], actor=actor),
        "removed": lambda actor: preview.super_admin_removed([c.sue], rep, actor=actor),
        "partner made": lambda actor: preview.partner_admin_made([c.rob], actor=actor),
        "partner removed": lambda actor: preview.partner_admin_removed([c.rob], rep, actor=actor),
        "memberships": lambda actor: preview.memberships([c.rob], main_team=None, actor=actor),
        "main_team_set": lambda actor: preview.main_team_set([c.rob], south, actor=actor),
        "team_joined": lambda actor: preview.team_joined([c.rob], south, actor=actor),
        "team_left": lambda actor: preview.team_left([c.rob], south, actor=actor),
        "person_as": lambda actor: preview.person_as(
            c.rob, permission_set=rep, main_team=None, actor=actor
        ),
        "team_moved": lambda actor: preview.team_moved(south, parent=None, actor=actor),
        "team_deleted": lambda actor: preview.team_deleted(south, into=None, actor=actor),
    }
    assert set(asked) == {*NAMES, *TEAM_NAMES}
    for name, ask in asked.items():
        with pytest.raises(NotAllowed):
            ask(c.mona)
        assert isinstance(ask(c.sam), Preview), name


@pytest.mark.django_db
def test_what_cannot_be_is_refused_by_a_sentence(c: TinyCompany) -> None:
    gone = UserFactory()
    User.objects.filter(pk=gone.pk).delete()
    north, north_a, rep = c.teams["north"], c.teams["north_a"], c.sets["rep"]
    with pytest.raises(InvalidChange, match=r"Did you mean crm\.export"):
        preview.permissions([c.rita], {"crm.exprt": True}, actor=SYSTEM)
    with pytest.raises(InvalidChange, match="takes one of none, owned, team, everything"):
        preview.sets([rep], {"crm.deal.view": 3}, actor=SYSTEM)
    with pytest.raises(InvalidChange, match="is North itself or below it"):
        preview.team_moved(north, parent=north_a, actor=SYSTEM)
    with pytest.raises(InvalidChange, match="is North itself or below it"):
        preview.team_deleted(north, into=north_a, actor=SYSTEM)
    with pytest.raises(InvalidChange, match="cannot replace itself"):
        preview.set_deleted(rep, rep, actor=SYSTEM)
    with pytest.raises(NotAllowed, match="all of these people"):
        preview.permissions([gone], {}, actor=SYSTEM)


def opening(*numbers: int) -> Preview:
    return Preview(1, Outcome((), tuple(Opened("deal", n, 1) for n in numbers), ()))


@pytest.mark.parametrize("typed", ["1,001", "1001", " 1 001 ", "1.001", 1001, "01001"])
def test_what_opens_much_is_confirmed_by_its_number(typed: Any) -> None:
    assert opening(600, 400).confirmation_needed is None
    require_confirmed(opening(600, 400), None)
    assert opening(600, 401).confirmation_needed == 1001
    require_confirmed(opening(600, 401), typed)


@pytest.mark.parametrize("typed", [None, "", "1000", "yes", "-1001", "1001.0", "10010", "١٠٠١"])
def test_what_opens_much_is_not_saved_without_its_number(typed: Any) -> None:
    with pytest.raises(InvalidChange, match="This opens 1,001 records to people who do not see"):
        require_confirmed(opening(1001), typed)


def test_what_was_looked_at_in_one_language_is_confirmed_in_another(c: TinyCompany) -> None:
    """What is narrowed is said in the reader's words, and the mark is the same whatever they are.

    Another narrowing is another mark, where the change does the same.
    """
    wider = {"deal": {"view": OWNED, "change": EVERYTHING}}
    by_key = {"crm.deal.view": "owned", "crm.deal.change": "everything"}
    for told in (
        lambda: preview.set_as(
            c.sets["rep"], wider, ["sales.forecast:edit=everything"], actor=c.sam
        ),
        lambda: preview.set_created(wider, [], [c.rita], actor=c.sam),
        lambda: preview.sets([c.sets["rep"]], by_key, actor=c.sam),
        lambda: preview.permissions([c.rita, c.nora], by_key, actor=c.sam),
    ):
        english = told()
        with translation.override("de"):
            german = told()
        assert english.narrowed
        assert german.narrowed != english.narrowed
        assert german.mark == english.mark
    less = {"deal": {"view": OWNED, "change": TEAM}}
    marks = {preview.set_created(asked, [], [], actor=c.sam).mark for asked in (wider, less)}
    assert len(marks) == 2
