"""What is put together once per process says the same as what Django puts together each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import Case, Exists, Model, OuterRef, Q, Value, When
from django.utils import timezone

from accounts import access
from accounts.access import ANYONE, Loaded
from accounts.access.askers import outer
from accounts.models import Membership, ObjectScope, RightsChange, ToolGrant, User
from accounts.prepared import Seen
from accounts.suppose import Supposed
from exports import deciders
from exports.models import ExportRequest, GateChange
from records.operations.sharing import share
from tests.support.company import TinyCompany
from tests.support.doors import rules
from tests.support.exports_kit import ask
from tests.support.factories import TeamFactory

REQUESTER = {"requester": "requester"}
ASKED = {"asked": "requested_at"}
OF_PERSON_AND_REQUEST = (
    (deciders.CHANGED_RULES, ASKED),
    (deciders.CHANGED_REQUESTER, REQUESTER | ASKED),
    (deciders.CHANGED_BY_REQUESTER, REQUESTER),
    (deciders.LESS_INDEPENDENT, REQUESTER | ASKED),
    (deciders.LESS_INDEPENDENT_NOW, REQUESTER),
)
OF_REQUESTER = (deciders.HAS_DECIDER, deciders.HAS_INDEPENDENT_DECIDER)


def column(name: str) -> Seen:
    return lambda depth: outer(name, depth)


def key(number: int) -> Seen:
    return lambda depth: number


def made_up(c: TinyCompany, draw: random.Random) -> None:
    """Let people ask, and change the rules and each other's accounts, at any time."""
    people, sets = [*c.people.values()], [*c.sets.values()]
    rules()
    for requester in draw.sample([c.rita, c.mona, c.sam, c.sue], 3):
        ask(requester, approvers=[c.sue if requester == c.sam else c.sam])
    for person in draw.sample(people, 8):
        User.objects.filter(pk=person.pk).update(
            permission_set=draw.choice(sets),
            is_active=draw.random() < 0.8,
            is_superuser=draw.random() < 0.2,
        )
    if draw.random() < 0.5:  # few may decide
        few = [person.pk for person in draw.sample(people, 2)]
        User.objects.exclude(pk__in=few).update(is_superuser=False, permission_set=c.sets["rep"])
    now = timezone.now()
    for _ in range(draw.choice((3, 10, 40))):
        RightsChange.objects.create(
            at=now - timedelta(days=draw.choice((0, 0, 1, 29, 31)), minutes=draw.choice((-5, 5))),
            actor=draw.choice(people),
            person=draw.choice(people),
            through=draw.choice(people) if draw.random() < 0.3 else None,
            door=draw.choice(list(RightsChange.Door)),
            tool=draw.choice(("", "", deciders.DECIDE, deciders.EXEMPT)),
        )
    for _ in range(draw.randrange(4)):
        GateChange.objects.create(
            at=now + timedelta(minutes=draw.choice((-9, 9))),
            actor=draw.choice(people),
            through=draw.choice(people) if draw.random() < 0.3 else None,
        )


def test_prepared_conditions_are_those_that_django_puts_together(c: TinyCompany) -> None:
    said: dict[int, set[int]] = {}
    for world in range(8):
        with transaction.atomic():
            made_up(c, random.Random(world))
            for number, found in compared():
                said.setdefault(number, set()).update(found)
            transaction.set_rollback(True)
    # Each held of somebody, and not of somebody else.
    assert [said[number] for number in sorted(said)] == [{0, 1}] * 7


def compared() -> Iterator[tuple[int, set[int]]]:
    """Ask all that is prepared, in both ways; yield what each said, by its number."""
    for person in User.objects.order_by("pk"):
        asked, fresh = [], []
        for prepared, columns in OF_PERSON_AND_REQUEST:
            asked.append(prepared(decider=person.pk, **columns))
            seen = {name: column(each) for name, each in columns.items()}
            fresh.append(prepared.build(decider=key(person.pk), **seen))
        found = answers(ExportRequest, asked)
        assert found == answers(ExportRequest, fresh)
        yield from by_question(found)
    found = answers(User, [each(requester="pk") for each in OF_REQUESTER])
    assert found == answers(User, [each.build(requester=column("pk")) for each in OF_REQUESTER])
    yield from ((-number, each) for number, each in by_question(found))


def test_what_is_asked_of_anybody_at_once_is_what_django_puts_together(c: TinyCompany) -> None:
    for world in range(4):
        with transaction.atomic():
            made_up(c, random.Random(world))
            compared_of_anybody(c)
            transaction.set_rollback(True)


def compared_of_anybody(c: TinyCompany) -> None:
    row = User.objects.filter(pk=OuterRef("pk"))
    for tool in (deciders.DECIDE, deciders.EXEMPT, "crm.export", "audit.view"):
        assert set(access.holders(tool)) == active(Exists(row.filter(ANYONE.holds(tool))))
    for export in ExportRequest.objects.order_by("pk"):
        this = ExportRequest.objects.filter(deciders.may_decide(ANYONE), pk=export.pk)
        assert set(deciders.deciders_of(export)) == active(Exists(this))
    for record in (c.deals["ritas"], c.deals["chosen"], c.companies["acme"]):
        rows = type(record)._base_manager.filter(pk=record.pk)
        for action in access.LEVELS:
            may = access.condition_for(ANYONE, action, type(record))
            assert set(access.who_can(action, record)) == active(Exists(rows.filter(may)))


def by_question(found: list[tuple[int, ...]]) -> Iterator[tuple[int, set[int]]]:
    return enumerate(map(set, list(zip(*found, strict=True))[1:]), 1)


def active(when: Exists) -> set[User]:
    return set(User.objects.filter(when, is_active=True))


def answers(model: type[Model], questions: list[Q]) -> list[tuple[int, ...]]:
    """Return what each row answers to each question."""
    cases = [Case(When(each, then=Value(1)), default=Value(0)) for each in questions]
    found = list(model._base_manager.order_by("pk").values_list("pk", *cases))
    assert found
    return found


def test_places_are_filled_with_exactly_what_is_asked_about() -> None:
    with pytest.raises(TypeError, match="Fill in requester, and nothing else"):
        deciders.HAS_DECIDER(requester="pk", decider=1)


def test_conditions_are_kept_for_the_same_person_with_the_same_grants_alone(c: TinyCompany) -> None:
    kept = [Loaded(c.fresh("rita")).known]
    assert Loaded(c.fresh("rita")).known is kept[0]
    assert Loaded(c.fresh("nora")).known is not kept[0]  # of the same set and team
    rita = User.objects.filter(pk=c.rita.pk)
    scope = ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal")
    changes: list[Callable[[], object]] = [
        lambda: scope.update(merge=0),
        lambda: scope.update(view_unassigned=False),
        lambda: ToolGrant.objects.filter(permission_set=c.sets["rep"]).delete(),
        lambda: share(c.deals["noras"], actor=c.sam, user=c.rita, level="view"),
        lambda: Membership.objects.filter(user=c.nora).delete(),  # a mate less
        lambda: Membership.objects.create(user=c.rita, team=TeamFactory()),  # where nobody is
        lambda: Membership.objects.filter(user=c.rita).update(is_main=False),
        lambda: Membership.objects.filter(user=c.rita).delete(),
        lambda: rita.update(permission_set=c.sets["manager"]),
        lambda: rita.update(is_superuser=True),
        lambda: rita.update(is_active=False),
    ]
    for change in changes:
        change()
        now = Loaded(c.fresh("rita")).known
        assert all(now is not before for before in kept)
        kept.append(now)
    # Who is only supposed to hold or own more shares with nobody.
    fresh = c.fresh("rita")
    assert Supposed(fresh, owner=True).known is not Loaded(fresh).known
