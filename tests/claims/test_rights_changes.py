"""Who changed whose account or rights is written down, told, and never altered (B7, B12)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import Model, Q
from django.test import Client

from accounts import catalogue
from accounts import operations as people
from accounts.access import holds_tool
from accounts.audit import System
from accounts.models import AuditEvent, KnownPermission, Notice, PermissionSet, RightsChange, User
from accounts.open_log_ins import open_log_ins
from accounts.people_file import read_people
from accounts.people_plan import planned
from accounts.protection import is_protected, protected_tables
from exports.models import GateChange
from tests.support.company import TinyCompany
from tests.support.doors import (
    APPROVER,
    address_changed,
    approver_made_partner_admin,
    change,
    created,
    created_super_admin,
    edit,
    exempted_by_a_set,
    exemption_put_into_their_set,
    moved_to_a_team,
    other_set_with_the_same_right,
    own_password,
    partner_admin_made_approver,
    password_set,
    raised_to_super_admin,
    reactivated,
    renamed,
    rewritable,
    right_given_by_a_set,
    right_put_into_a_set_that_another_assigned,
    right_put_into_their_set,
    right_taken_and_given_back,
    rule,
    rules,
    super_admin_made,
    super_admin_made_approver,
)
from tests.support.factories import SetFactory

# --- Telling --------------------------------------------------------------------------------------


def told(person: User) -> list[str]:
    return list(Notice.objects.filter(user=person).order_by("id").values_list("text", flat=True))


# (door, what Sue reads of what Sam did)
TOLD: list[tuple[Callable[[TinyCompany, Any], Any], str]] = [
    (created, "Sam gave new@example.com the permission Export approver: created the account."),
    (
        created_super_admin,
        "Sam gave new@example.com the permission Export approver and Export without approval: "
        "created the account.",
    ),
    (
        right_given_by_a_set,
        "Sam gave Ruth the permission Export approver: assigned a permission set.",
    ),
    (
        exempted_by_a_set,
        "Sam gave Rita the permission Export without approval: assigned a permission set.",
    ),
    (
        right_put_into_their_set,
        "Sam gave Ruth the permission Export approver: edited the permission set “Reader”.",
    ),
    (
        exemption_put_into_their_set,
        "Sam gave 5 people the permission Export without approval: edited the permission set "
        "“Rep”.",
    ),
    (
        super_admin_made,
        "Sam gave Ruth the permission Export approver and Export without approval: made the "
        "person a super admin.",
    ),
    (reactivated, "Sam gave Axel the permission Export approver: reactivated the account."),
    (
        rule(threshold=9, daily_records=1_000, require_approval=False),
        "Sam changed the rules for exports: record threshold, 0 before, 9 now; records per person "
        "in 24 hours, no limit before, 1,000 now; require approvals for exports, on before, off "
        "now.",
    ),
]


@pytest.mark.parametrize(("door", "text"), TOLD, ids=[door.__name__ for door, _ in TOLD])
def test_other_super_admins_are_told_who_was_given_the_right(
    c: TinyCompany, door: Callable[[TinyCompany, Any], Any], text: str, settings: Any
) -> None:
    settings.MAIL_ENABLED = True
    rules()
    door(c, c.sam)
    assert told(c.sue) == [text]
    notice = Notice.objects.get(user=c.sue)
    assert notice.link.startswith("/admin/")
    assert notice.mail.text.startswith("Sam ")
    for other in (c.sam, c.axel, c.mona, c.rita, c.ruth):
        assert told(other) == []


@pytest.mark.parametrize(
    "door",
    [
        password_set,
        address_changed,
        renamed,
        other_set_with_the_same_right,
        right_taken_and_given_back,
    ],
    ids=lambda door: door.__name__,
)
def test_nobody_is_told_where_nobody_was_given_anything(
    c: TinyCompany, door: Callable[[TinyCompany, Any], Any]
) -> None:
    door(c, c.sam)
    assert told(c.sue) == []


def imported(c: TinyCompany) -> None:
    table = b"email,role\nnew@example.com,Approver\nruth@example.com,Approver\n"
    wanted, _ = read_people("people.csv", table)
    people.import_people(wanted, actor=c.sam, as_planned=planned(wanted, (), c.sam).mark)


def accepted(c: TinyCompany) -> None:
    people.invite(c.rita, actor=c.sam)
    people.accept_invitation(actor=c.fresh("rita"), password="another long password")


# --- What decides stands in tables of its own -----------------------------------------------------


def taken_back(c: TinyCompany, actor: Any) -> None:
    people.edit_permissions([c.rita], actor=actor, changes={"crm.export_approver": True})
    row = {"key": c.rita.pk, "set": c.sets["reader"].pk, "before": [{}, []]}
    stands = people.as_touched("person", [c.rita.pk], actor)
    people.take_back("person", [row], actor=actor, stands=stands)


def arrived(c: TinyCompany) -> None:
    people.receive_permissions(actor=System("test"))
    names = ["sales.custom_line_items", "crm.bulk_delete"]
    KnownPermission.objects.filter(key__in=names).delete()
    people.receive_permissions(actor=System("test"))


def decided(c: TinyCompany) -> None:
    arrived(c)
    people.decide_arrival(
        "crm.bulk_delete",
        actor=c.sam,
        sets=[c.sets["rep"]],
        changes={"crm.bulk_delete": True, "crm.export_approver": True},
    )


def log_in_ended(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.rita)
    (found,) = open_log_ins(c.rita, None)
    people.end_log_in(c.rita, actor=c.sam, mark=found.mark)


# Every operation of people and permission sets. Whoever adds one says here what it does, and the
# test looks whether what it changed was written down.
OPERATIONS: dict[str, Callable[[TinyCompany], Any]] = {
    "create_person": lambda c: created(c, c.sam),
    "change_person": lambda c: address_changed(c, c.sam),
    "set_password": lambda c: password_set(c, c.sam),
    "choose_settings": lambda c: people.choose_settings(
        actor=c.rita, language="de", time_zone="Europe/Berlin", density="compact"
    ),
    "keep_list_place": lambda c: people.keep_list_place(
        actor=c.rita, kind="deal", tab="mine", order="-amount"
    ),
    "change_own_password": lambda c: own_password(c, c.sam),
    "set_teams": lambda c: moved_to_a_team(c, c.sam),
    "set_main_team": lambda c: people.set_main_team(c.rita, actor=c.sam, team=c.teams["south"]),
    "add_to_team": lambda c: people.add_to_team(c.rita, actor=c.sam, team=c.teams["south"]),
    "remove_from_team": lambda c: people.remove_from_team(
        c.rita, actor=c.sam, team=c.teams["north_a"]
    ),
    "change_many": lambda c: people.change_many(
        User.objects.filter(pk__in=[c.axel.pk, c.ruth.pk]),
        actor=c.sam,
        step=lambda each, actor: people.deactivate(each, actor=actor),
    ),
    "assign_set": lambda c: right_given_by_a_set(c, c.sam),
    "edit_permissions": lambda c: people.edit_permissions(
        [c.rita, c.ruth], actor=c.sam, changes={"crm.export_approver": True}
    ),
    "take_back": lambda c: taken_back(c, c.sam),
    "edit_sets": lambda c: people.edit_sets(
        [c.sets["rep"], c.sets["reader"]], actor=c.sam, changes={"crm.export_approver": True}
    ),
    "make_super_admin": lambda c: super_admin_made(c, c.sam),
    "remove_super_admin": lambda c: super_admin_made_approver(c, c.sam),
    "make_partner_admin": lambda c: approver_made_partner_admin(c, c.sam),
    "remove_partner_admin": lambda c: partner_admin_made_approver(c, c.sam),
    "deactivate": lambda c: people.deactivate(c.axel, actor=c.sam),
    "reactivate": lambda c: people.reactivate(c.fred, actor=c.sam),
    "create_team": lambda c: people.create_team(actor=c.sam, name="West"),
    "change_team": lambda c: people.change_team(
        c.teams["south"], actor=c.sam, name="South", parent=c.teams["north"]
    ),
    "delete_team": lambda c: people.delete_team(
        people.create_team(actor=c.sam, name="West"), actor=c.sam
    ),
    "merge_teams": lambda c: people.merge_teams(
        c.teams["north_a"], into=c.teams["north"], actor=c.sam
    ),
    "create_set": lambda c: people.create_set(actor=c.sam, name="Late", tools=APPROVER),
    "change_set": lambda c: right_put_into_their_set(c, c.sam),
    "delete_set": lambda c: people.delete_set(
        PermissionSet.objects.get(pk=SetFactory().pk), actor=c.sam
    ),
    "reset_own_password": lambda c: people.reset_own_password(
        actor=c.fresh("rita"), password="another long password"
    ),
    "import_people": imported,
    "invite": lambda c: people.invite(c.rita, actor=c.sam),
    "accept_invitation": accepted,
    "lift_log_in_pause": lambda c: people.lift_log_in_pause(c.rita, actor=c.sam),
    "receive_permissions": arrived,
    "decide_arrival": decided,
    "set_all_on": lambda c: people.set_all_on(actor=c.sam, all_on=True, version=1),
    "end_log_in": log_in_ended,
    "end_other_log_ins": lambda c: people.end_other_log_ins(c.rita, actor=c.sam),
    "notify": lambda c: people.notify([c.rita], "Hello."),
    "read_notices": lambda c: people.read_notices(actor=c.rita),
}
THEIR_OWN = {"accept_invitation", "change_own_password", "reset_own_password"}


def standing() -> dict[int, tuple[Any, ...]]:
    """Return what opens each account, and which tools its person holds."""
    return {
        user.pk: (
            *(user.email, user.password, user.is_active, user.is_superuser, user.invited_at),
            user.is_partner_admin,
            user.permission_set_id,
            tuple(tool for tool in catalogue.GUARDED if holds_tool(user, tool)),
        )
        for user in User.objects.all()
    }


def test_every_operation_of_people_and_rights_is_walked_through() -> None:
    mine = {
        name
        for name, function in inspect.getmembers(people, inspect.isfunction)
        if not name.startswith("_") and "actor" in inspect.signature(function).parameters
    }
    assert mine - {"require", "require_super_admin", "operation", "is_free"} <= set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_operation_changes_an_account_or_a_right_unnoticed(c: TinyCompany, name: str) -> None:
    before = standing()
    OPERATIONS[name](c)
    changed = {key for key, now in standing().items() if before.get(key) != now}
    noted = set(RightsChange.objects.filter(person__isnull=False).values_list("person", flat=True))
    assert changed == noted or name in THEIR_OWN
    if name == "create_set":
        assert RightsChange.objects.get().tool == "crm.export_approver"


def test_operation_that_says_nothing_is_found(c: TinyCompany) -> None:
    """Negative control: a change past `rights.changing` is one that the walk above misses."""
    before = standing()
    User.objects.filter(pk=c.ruth.pk).update(permission_set=c.sets["approver"])
    assert {key for key, now in standing().items() if before[key] != now} == {c.ruth.pk}
    assert not RightsChange.objects.exists()


@pytest.mark.parametrize("model", [RightsChange, GateChange, AuditEvent])
def test_facts_that_decide_are_append_only(c: TinyCompany, model: type[Model]) -> None:
    people.set_password(c.axel, actor=c.sam, password="another long password")
    change(c.sam, threshold=5)
    assert model._meta.db_table in protected_tables()
    assert is_protected(connection, model._meta.db_table)
    stored = list(model._default_manager.order_by("pk").values())
    assert stored
    for attack in ("UPDATE {} SET actor_id = NULL", "DELETE FROM {}"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attack.format(model._meta.db_table))
    assert list(model._default_manager.order_by("pk").values()) == stored


# What reads the log: its own pages and checks, who wrote it, what shows a record's past, and what
# tells a demo company from a real one. None of them decides who may do what.
READERS = {
    "accounts/audit.py",
    "accounts/audit_admin.py",
    "accounts/audit_details.py",  # the page of one event, in words
    "accounts/log_in.py",  # how many lines a minute it writes
    "accounts/models/__init__.py",
    "accounts/models/audit.py",
    "crmperms/bulk.py",
    "crmperms/demo/seeding.py",
    "crmperms/figures.py",  # how much was refused, by week
    "exports/hashes.py",
    "exports/tables.py",
    "records/history.py",
}


def test_no_decision_is_taken_from_the_log() -> None:
    root = Path(__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for folder in ("accounts", "records", "exports", "crmperms")
        for path in (root / folder).rglob("*.py")
        if "migrations" not in path.parts and "AuditEvent" in path.read_text()
    }
    assert found <= READERS


TOLD_IN_THE_LOG = {"set_assigned", "set_edited"}
"""By which doors guarded tools came and went; of the others the log knows that the account changed,
which is all that is asked of them."""


def facts() -> set[tuple[Any, ...]]:
    """Return what the table says, as far as the log knows it, without its clock."""
    rows = RightsChange.objects.exclude(~Q(door__in=TOLD_IN_THE_LOG), tool__gt="")
    return set(rows.values_list("actor", "system", "door", "person", "set_key", "tool", "gave"))


def test_migrations_take_over_what_the_log_knows(c: TinyCompany) -> None:
    rules(threshold=7)
    for door in (
        created,
        password_set,
        address_changed,
        renamed,
        right_given_by_a_set,
        right_taken_and_given_back,
        exemption_put_into_their_set,
        super_admin_made_approver,
        raised_to_super_admin,
    ):
        door(c, c.sam)
    people.deactivate(c.eve, actor=c.sue)
    people.assign_set(c.nora, actor=c.sue, permission_set=c.sets["reader"])
    edit(c, "rep", c.sue, ["crm.export"])
    right_put_into_a_set_that_another_assigned(c, c.sam)
    change(c.sam, threshold=9)
    change(c.sue, second_person_above=1, threshold=10)
    change(c.sue, lapse_days=2)
    live = facts()
    stood = ("actor", "threshold", "second_person_above", "require_approval")
    gate = list(GateChange.objects.order_by("id").values_list(*stood))
    assert [row[1:3] for row in gate] == [(7, None), (9, None)]
    for model in (RightsChange, GateChange):
        with rewritable(model):
            model.objects.all().delete()
    for name in (
        "accounts.migrations.0007_rights_changed_before",
        "exports.migrations.0010_gate_changed_before",
    ):
        import_module(name).take_over(apps, None)
    assert live <= facts()
    assert {row[2] for row in facts() - live} <= {"set_edited"}
    assert list(GateChange.objects.order_by("id").values_list(*stood)) == gate
    moments = AuditEvent.objects.filter(action__regex=r"^(person|set)\.")
    taken_over = RightsChange.objects.values_list("at", flat=True)
    assert set(taken_over) <= set(moments.values_list("at", flat=True))


def test_whoever_lets_a_dormant_right_take_effect_changed_it_too(c: TinyCompany) -> None:
    """Export without approval counts only beside Export: both who gave it and who woke it stand."""
    exempt = "crm.export_without_approval"
    edit(c, "reader", c.sam, [exempt])
    assert holds_tool(c.fresh("ruth"), exempt) is False
    edit(c, "reader", c.sue, ["crm.export", exempt])
    assert holds_tool(c.fresh("ruth"), exempt) is True
    edit(c, "reader", c.sam, [exempt])
    rows = RightsChange.objects.filter(tool=exempt).order_by("id")
    of_ruth = rows.filter(person=c.ruth).values_list("actor", "gave")
    assert list(of_ruth) == [(c.sam.pk, True), (c.sue.pk, True), (c.sam.pk, False)]
    of_set = rows.filter(person=None).values_list("set_key", "actor", "gave")
    assert list(of_set) == [(c.sets["reader"].pk, actor, gave) for actor, gave in of_ruth]
    assert "Sue gave Ruth the permission Export without approval" in told(c.sam)[-1]
