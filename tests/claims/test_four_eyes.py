"""Two pairs of eyes are two people: who may decide on whose request, and why not (B7, Q6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from accounts import operations as people
from accounts.audit import System
from accounts.models import Notice, PermissionSet, User
from exports import deciders, operations
from exports.models import ExportRequest
from exports.operations import NotAllowed
from exports.screens import risk
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.doors import (
    DAY,
    DOORS,
    GATES,
    HOUR,
    change,
    edit,
    let_pass,
    moved_to_a_team,
    other_set_of_the_same_right_edited,
    own_password,
    renamed,
    rules,
    scopes_put_into_their_set,
)
from tests.support.exports_kit import ask, pending, refusals
from tests.support.factories import SetFactory


def bar(person: User, export: ExportRequest) -> str:
    """Return why this person may not decide, as every reader has it; empty where they may."""
    person = User.objects.get(pk=person.pk)
    found = deciders.may_not_decide_because(export, person)
    may = found is None
    waiting = list(deciders.awaiting(person))
    assert (export in waiting) == may
    assert deciders.count_awaiting(person) == len(waiting)
    others = list(deciders.deciders_of(export))
    assert (person in others) == may
    assert (operations.why_not_decide(export, actor=person) == "") == may
    nobody = deciders.without_decider(User.objects.filter(pk=export.requester_id)).exists()
    assert nobody != operations.approvers_for(export.requester).exists()
    if not others:
        assert export in deciders.waiting_without_decider()
    return found.code if found else ""


# --- Whose account the requester made or changed --------------------------------------------------


def _deactivated(c: TinyCompany, other: User) -> None:
    people.deactivate(other, actor=c.sam)


def _demoted(c: TinyCompany, other: User) -> None:
    people.remove_super_admin(other, actor=c.sam, permission_set=c.sets["rep"])


def _without_the_right(c: TinyCompany, other: User) -> None:
    people.remove_super_admin(other, actor=System("test"), permission_set=c.sets["approver"])
    people.edit_permissions(
        [User.objects.get(pk=other.pk)],
        actor=c.sam,
        changes={"crm.export_approver": False},
    )


def _taken_by_somebody_they_made(c: TinyCompany, other: User) -> None:
    helper = people.create_person(
        actor=c.sam, email="helper@example.com", first_name="H", is_superuser=True, password=WORDS
    )
    people.deactivate(other, actor=helper)
    people.deactivate(helper, actor=System("test"))


WORDS = "another long password"


@pytest.mark.parametrize("asked", [True, False], ids=["while it waits", "before it is asked for"])
@pytest.mark.parametrize(
    "way", [_deactivated, _demoted, _without_the_right, _taken_by_somebody_they_made]
)
def test_whoever_sends_the_other_pair_of_eyes_away_does_not_decide(
    c: TinyCompany, way: Callable[[TinyCompany, User], None], asked: bool
) -> None:
    """Sam exports through somebody whom they made; Sue is the only one who is not in it."""
    rules()
    User.objects.exclude(pk__in=[c.sam.pk, c.sue.pk]).update(is_active=False)
    exporter = SetFactory(scopes={"deal": {"view": EVERYTHING}}, tools=["crm.export"])
    puppet = people.create_person(
        actor=c.sam,
        email="q@example.com",
        first_name="Q",
        permission_set=exporter,
        password=WORDS,
    )
    other = User.objects.get(pk=c.sue.pk)
    if asked:
        export = ask(puppet, approvers=[c.sue])
        assert (bar(c.sam, export), bar(c.sue, export)) == ("dependent", "")
        with pytest.raises(people.InvalidChange, match="nobody could decide on it"):
            way(c, other)
        User.objects.filter(pk=c.sue.pk).update(is_active=True, is_superuser=True)
        assert (bar(c.sam, export), bar(c.sue, export)) == ("dependent", "")
    else:
        way(c, other)
        assert not operations.approvers_for(puppet).exists()
        with pytest.raises(operations.ApproversNeeded):
            ask(puppet, approvers=[c.sam])


@pytest.mark.parametrize("asked", [True, False], ids=["while it waits", "before it is asked for"])
def test_nor_does_another_account_of_theirs(c: TinyCompany, asked: bool) -> None:
    puppet, eyes = _two_puppets(c)
    if asked:
        export = ask(puppet, approvers=[c.sue])
        assert (bar(eyes, export), bar(c.sue, export)) == ("dependent", "")
        with pytest.raises(people.InvalidChange, match="nobody could decide on it"):
            people.deactivate(c.fresh("sue"), actor=c.fresh("sam"))
        assert bar(eyes, export) == "dependent"
    else:
        people.deactivate(c.fresh("sue"), actor=c.fresh("sam"))
        assert not operations.approvers_for(puppet).exists()


@pytest.mark.parametrize("asked", [True, False], ids=["while it waits", "before it is asked for"])
def test_requester_opens_the_log_in_of_the_other_pair_of_eyes(c: TinyCompany, asked: bool) -> None:
    """That one is barred by it, and whoever is behind the requester is not let off."""
    puppet, _ = _two_puppets(c, is_superuser=True)
    export = ask(puppet, approvers=[c.sue]) if asked else None
    people.set_password(c.fresh("sue"), actor=User.objects.get(pk=puppet.pk), password=WORDS)
    assert not operations.approvers_for(puppet).exists()
    if export is not None:
        for person, code in ((c.sam, "dependent"), (c.sue, "changed_by_requester")):
            found = deciders.may_not_decide_because(export, User.objects.get(pk=person.pk))
            assert found is not None
            assert found.code == code


def _two_puppets(c: TinyCompany, **more: Any) -> tuple[User, User]:
    """Return one who exports and one who approves, both made by Sam; Sue alone is not in it."""
    rules()
    User.objects.exclude(pk__in=[c.sam.pk, c.sue.pk]).update(is_active=False)
    exporter = SetFactory(scopes={"deal": {"view": EVERYTHING}}, tools=["crm.export"])
    approver = SetFactory(scopes={"deal": {"view": EVERYTHING}}, tools=["crm.export_approver"])
    made = [
        people.create_person(
            actor=c.fresh("sam"),
            email=f"{name}@example.com",
            first_name=name,
            permission_set=permission_set,
            password=WORDS,
            **said,
        )
        for name, permission_set, said in (("q", exporter, more), ("eyes", approver, {}))
    ]
    return made[0], made[1]


def test_whoever_sent_somebody_away_decides_for_all_others(c: TinyCompany) -> None:
    rules(second_person_above=0)
    export = ask(c.rita, approvers=[c.sam])
    people.deactivate(c.axel, actor=c.sam)
    assert bar(c.sam, export) == ""


@pytest.mark.parametrize("also", ["themselves", "another puppet"])
def test_puppets_maker_does_not_decide_though_all_others_made_that_one(
    c: TinyCompany, also: str
) -> None:
    """In a young company super admins are behind everybody: behind this one only through Lea."""
    rules(second_person_above=0)
    User.objects.exclude(pk=c.sam.pk).update(is_active=False)
    scopes = {"deal": {"view": EVERYTHING}}
    tools = ["account.access", "account.edit_users", "account.user_table"]
    lead = SetFactory(scopes=scopes, tools=[*tools, "crm.export", "crm.export_approver"])
    exporter = SetFactory(scopes=scopes, tools=["crm.export"])
    approver = SetFactory(scopes=scopes, tools=["crm.export_approver"])

    def made(by: User, name: str, permission_set: PermissionSet | None, **more: Any) -> User:
        return people.create_person(
            actor=User.objects.get(pk=by.pk),
            email=f"{name}@example.com",
            first_name=name,
            permission_set=permission_set,
            password=WORDS,
            **more,
        )

    second = made(c.sam, "second", None, is_superuser=True)
    lea = made(c.sam, "lea", lead, main_team=c.teams["north"])
    puppet = made(lea, "puppet", exporter, main_team=c.teams["north"])
    decider = made(lea, "eyes", approver, main_team=c.teams["north"])
    export = ask(puppet, approvers=[second])
    barred = lea if also == "themselves" else decider
    assert bar(barred, export) == "dependent"
    assert (bar(c.sam, export), bar(second, export)) == ("", "")
    # Where there is nobody else, somebody has to decide still.
    own = made(c.sam, "own", exporter, main_team=c.teams["north"])
    assert bar(c.sam, ask(own, approvers=[second])) == ""


@pytest.mark.parametrize("before", [True, False], ids=["before the request", "after it"])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_nobody_decides_whose_account_the_requester_made_or_changed(
    c: TinyCompany, door: Callable[[TinyCompany, Any], User], before: bool
) -> None:
    rules(second_person_above=0)
    if before:
        puppet = door(c, c.sam)
        assert puppet not in operations.approvers_for(c.sam)
        assert puppet in operations.approvers_for(c.rita)
        with pytest.raises(operations.ApproversNeeded):
            ask(c.sam, approvers=[puppet])
        export = ask(c.sam, approvers=[c.sue])
    else:
        export = ask(c.sam, approvers=[c.sue])
        puppet = door(c, c.sam)
    others = pending(c.rita, c.sue)
    assert bar(puppet, export) == "changed_by_requester"
    assert bar(puppet, others) == ""
    assert bar(c.sue, export) == ""
    for step in ("approve", "reject"):
        with pytest.raises(NotAllowed, match="made or changed your account"):
            getattr(operations, step)(export, actor=puppet, version=export.version, note="Mine.")
    assert {code for _, code in refusals("export.approve")} == {"changed_by_requester"}
    let_pass(30 * DAY - HOUR)
    assert bar(puppet, export) == "changed_by_requester"
    let_pass(2 * HOUR)
    assert bar(puppet, export) == ""
    operations.approve(export, actor=puppet, version=export.version)
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("approved", puppet)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_the_same_done_by_a_third_person_bars_nobody(
    c: TinyCompany, door: Callable[[TinyCompany, Any], User]
) -> None:
    rules(second_person_above=0)
    export = ask(c.sam, approvers=[c.sue])
    decider = door(c, c.sue)
    assert bar(decider, export) == ""
    operations.reject(export, actor=decider, version=export.version, note="No.")


@pytest.mark.parametrize(
    "harmless",
    [
        renamed,
        moved_to_a_team,
        scopes_put_into_their_set,
        own_password,
        other_set_of_the_same_right_edited,
    ],
    ids=lambda each: each.__name__,
)
def test_what_opens_no_account_and_moves_no_right_bars_nobody(
    c: TinyCompany, harmless: Callable[[TinyCompany, Any], User]
) -> None:
    rules(second_person_above=0)
    export = ask(c.sam, approvers=[c.sue])
    decider = harmless(c, c.sam)
    assert bar(decider, export) == ""
    operations.approve(export, actor=decider, version=export.version)


def test_who_is_barred_is_neither_asked_nor_reminded_nor_shown_the_steps(
    c: TinyCompany, client: Any
) -> None:
    rules(second_person_above=0)
    export = ask(c.sam, approvers=[c.sue, c.axel])
    people.set_password(c.axel, actor=c.sam, password="another long password")
    Notice.objects.all().delete()
    from exports import upkeep

    ExportRequest.objects.filter(pk=export.pk).update(requested_at=F("requested_at") - 2 * DAY)
    upkeep.remind()
    assert set(Notice.objects.values_list("user", flat=True)) == {c.sue.pk}
    client.force_login(c.fresh("axel"))
    shown = client.get(f"/admin/exports/exportrequest/?review={export.pk}").text
    assert "made or changed your account" in shown
    assert f"/{export.pk}/approve/" not in shown
    assert f"/{export.pk}/reject/" not in shown
    assert "Nothing to decide." in client.get("/admin/").text
    client.force_login(c.sue)
    assert (
        f"/{export.pk}/approve/"
        in client.get(f"/admin/exports/exportrequest/?review={export.pk}").text
    )
    # Ending it stays possible, for whoever could before.
    operations.recall(export, actor=c.sam)


def test_who_stands_in_for_an_approver_is_told_only_of_what_they_may_decide(
    c: TinyCompany,
) -> None:
    from django.utils import timezone

    rules(second_person_above=0)
    own, other = ask(c.sam, approvers=[c.sue]), ask(c.rita, approvers=[c.sue])
    people.set_password(c.axel, actor=c.sam, password="another long password")
    today = timezone.localdate()
    operations.arrange_delegate(actor=c.sue, delegate=c.axel, first_day=today, last_day=today)
    assert c.axel in other.notified.all()
    assert c.axel not in own.notified.all()
    later = ask(c.sam, approvers=[c.sue])
    assert list(later.notified.all()) == [c.sue]


def test_asking_who_may_decide_is_one_query(c: TinyCompany) -> None:
    rules(second_person_above=0)
    costs = set()
    for times in (1, 12):
        for _ in range(times):
            people.set_password(c.axel, actor=c.sam, password="another long password")
            ask(c.sam, approvers=[c.sue])
        export = ask(c.sam, approvers=[c.sue])
        axel = c.fresh("axel")
        assert axel.grants
        for read in (
            lambda person=axel: deciders.count_awaiting(person),
            lambda person=axel, each=export: deciders.may_not_decide_because(each, person),
            lambda each=export: list(deciders.deciders_of(each)),
        ):
            with CaptureQueriesContext(connection) as captured:
                read()
            costs.add(len(captured))
    assert costs == {1}
    assert deciders.count_awaiting(c.fresh("ruth")) == 0


# --- Who changed the gate, or the requester, after the request ------------------------------------


@pytest.mark.parametrize("door", GATES, ids=lambda door: door.__name__)
def test_whoever_moves_the_gate_of_a_waiting_request_does_not_decide_on_it(
    c: TinyCompany, door: Callable[[TinyCompany, Any], None]
) -> None:
    export = pending(c.rita, c.axel)
    door(c, c.sam)
    assert bar(c.sam, export) == GATES[door]
    assert bar(c.sue, export) == ""
    for step in ("approve", "reject"):
        with pytest.raises(NotAllowed, match="changed the rules for"):
            getattr(operations, step)(export, actor=c.sam, version=export.version, note="Mine.")
    # However long ago: the request has waited all the while.
    let_pass(40 * DAY)
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=F("requested_at") - 41 * DAY)
    assert bar(c.sam, export) == GATES[door]
    operations.approve(export, actor=c.sue, version=export.version)


@pytest.mark.parametrize("door", GATES, ids=lambda door: door.__name__)
def test_what_was_changed_before_the_request_is_how_things_stood(
    c: TinyCompany, door: Callable[[TinyCompany, Any], None]
) -> None:
    door(c, c.sam)
    people.assign_set(c.rita, actor=System("test"), permission_set=c.sets["rep"])
    User.objects.filter(pk=c.rita.pk).update(is_superuser=False)
    if c.sets["rep"].tools.filter(key="crm.export_without_approval").exists():
        edit(c, "rep", System("test"), ["crm.export"])
    edit(c, "rep", System("test"), ["crm.export"], deal={"view": EVERYTHING})
    asked = pending(c.rita, c.axel, message="The fair of next week.")
    assert bar(c.sam, asked) == ""


def test_request_is_not_left_with_those_whom_its_requester_changed(c: TinyCompany) -> None:
    rules(second_person_above=0)
    User.objects.filter(email__in=["mona@example.com"]).update(is_active=False)
    export = ask(c.sam, approvers=[c.sue])
    people.set_password(c.axel, actor=c.sam, password="another long password")
    assert not deciders.waiting_without_decider().exists()
    with pytest.raises(people.InvalidChange, match="nobody could decide"):
        people.deactivate(c.sue, actor=c.sam)
    people.make_super_admin(c.ruth, actor=c.sue)
    people.deactivate(c.sue, actor=c.ruth)
    assert bar(c.ruth, export) == ""


# --- The risk card --------------------------------------------------------------------------------


def card(export: ExportRequest, reader: User) -> dict[str, tuple[str, str]]:
    found = risk.figures(ExportRequest.objects.get(pk=export.pk), User.objects.get(pk=reader.pk))
    assert all(figure.unusual for figure in found if figure.code in CHANGES)
    return {f.code: (f.value, f.detail.split(", on ")[0]) for f in found if f.code in CHANGES}


CHANGES = {"rules", "exemption", "account", "relation", "approvers"}


def test_card_tells_of_changed_rules_exemptions_and_accounts(c: TinyCompany) -> None:
    rules(second_person_above=0)
    assert card(pending(c.rita, c.sue), c.axel) == {}
    change(c.sue, threshold=3)
    people.set_password(c.axel, actor=c.sam, password="another long password")
    people.set_password(c.rita, actor=c.sue, password="another long password")
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["exempt"])
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["rep"])
    rules(threshold=0, second_person_above=0)
    assert card(ask(c.rita, approvers=[c.mona]), c.sue) == {
        "rules": ("Changed lately", "Sue changed them last"),
        "exemption": ("Taken lately", "Sam assigned a permission set"),
        "relation": (
            "Their account",
            "You changed it in the last 30 days: you set the password",
        ),
    }
    own = card(ask(c.sam, approvers=[c.sue]), c.sue)
    assert own["approvers"][0] == "1"
    assert "Axel" in own["approvers"][1]
    let_pass(31 * DAY)
    assert card(ask(c.rita, approvers=[c.sue]), c.sue) == {}
