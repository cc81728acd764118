"""Permissions that an upgrade brings arrive by their risk, once, and are decided on (R103, Q25)."""

from __future__ import annotations

from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command

from accounts import arrivals, catalogue, operations
from accounts.access import Grants, holds_tool
from accounts.audit import System
from accounts.models import (
    AuditEvent,
    KnownPermission,
    Notice,
    ObjectScope,
    PermissionChange,
    PermissionSet,
    RightsChange,
    User,
)
from accounts.operations.arrivals import UPGRADE
from exports.deciders import may_not_decide_because
from exports.models import GateChange
from tests.claims.test_team_tree import is_waiting, wait_until
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.doors import rules
from tests.support.exports_kit import ask
from tests.support.exports_process import racers
from tests.support.factories import SetFactory

pytestmark = pytest.mark.django_db

NEW = "/admin/permissions/new/"
WIDEST = dict.fromkeys(("view", "change", "delete", "communicate", "merge"), EVERYTHING)
LAY_DOWN = import_module("accounts.migrations.0016_permissions_known_before").lay_down
LOW, BELOW_A_SEAT = "sales.custom_line_items", "sales.bulk_enroll_sequences"


def brings(*names: str) -> list[KnownPermission]:
    """Let this version bring these permissions to an installation that knew all others."""
    call_command("receive_permissions", stdout=StringIO())
    KnownPermission.objects.filter(key__in=names).delete()
    return operations.receive_permissions(actor=UPGRADE)


def all_on(c: TinyCompany) -> None:
    operations.set_all_on(actor=c.sam, all_on=True, version=1)


def tools_of(permission_set: PermissionSet) -> set[str]:
    return {str(grant) for grant in operations.grants_of(permission_set.pk)}


def test_new_installation_knows_everything_and_gives_nothing(c: TinyCompany) -> None:
    before = {each.pk: tools_of(each) for each in PermissionSet.objects.all()}
    assert operations.receive_permissions(actor=UPGRADE) == []
    known = set(KnownPermission.objects.values_list("key", flat=True))
    assert known == set(catalogue.names_to_give())
    assert not KnownPermission.objects.new().exists()
    assert {each.pk: tools_of(each) for each in PermissionSet.objects.all()} == before


def test_what_was_known_before_is_laid_down_once(c: TinyCompany) -> None:
    """Also where the step of the migration is taken back by itself, and made again."""
    for _ in range(2):
        LAY_DOWN(apps, None)
        assert KnownPermission.objects.count() == 5 + 4 * 6
    assert not KnownPermission.objects.new().exists()


# (permission, whether the account has all on, how it arrives, whether somebody is asked)
ARRIVES = [
    (LOW, False, "on", False),
    ("crm.import", False, "off", False),
    ("crm.bulk_delete", False, "off", True),
    ("account.permanently_delete_contacts", False, "off", True),
    ("account.edit_users", False, "off", True),
    ("crm.export", False, "off", True),
    ("crm.deal.delete", False, "off", True),
    ("sales.forecast:view", False, "off", False),
    ("crm.import", True, "on", False),
    ("crm.bulk_delete", True, "on", False),
    ("account.permanently_delete_contacts", True, "on", False),
    ("marketing.social:all", True, "off", True),
    ("sales.forecast:view", True, "off", True),
    ("crm.deal.delete", True, "off", True),
    ("account.edit_users", True, "off", True),
    ("account.access", True, "off", True),
    ("account.borrow", True, "off", True),
    ("crm.export", True, "off", True),
    ("crm.export_approver", True, "off", True),
    ("crm.export_without_approval", True, "off", True),
]


@pytest.mark.parametrize(("name", "switched", "arrived", "to_review"), ARRIVES)
def test_permission_arrives_by_its_risk(
    c: TinyCompany, name: str, switched: bool, arrived: str, to_review: bool
) -> None:
    if switched:
        all_on(c)
    (row,) = brings(name)
    assert (row.key, row.arrived, row.to_review) == (name, arrived, to_review)
    gates = ("crm.export", "crm.export_approver", "crm.export_without_approval")
    assert not RightsChange.objects.filter(tool__in=gates, system="upgrade").exists()


def test_every_guarded_permission_opens_a_gate() -> None:
    gates = {key for key, tool in catalogue.TOOLS.items() if tool.opens_gate}
    assert set(catalogue.GUARDED) | {"crm.export"} <= gates
    for key in gates:
        for switched in (True, False):
            for name in catalogue.keys_to_give(catalogue.TOOLS[key]):
                assert not arrivals.arrival_of(name, all_on=switched).is_on


def test_nothing_arrives_on_that_lets_a_gate_take_effect() -> None:
    """A set may hold what opens a gate, without effect until something else is there."""
    names = {name for name in catalogue.names_to_give() if not arrivals.is_scope(name)}
    gates = {name for name in names if catalogue.find(name)[0].opens_gate}
    scopes = {kind.key: ObjectScope(object=kind.key, **WIDEST) for kind in catalogue.objects()}

    def open_by(tools: set[str]) -> set[str]:
        levels = dict.fromkeys(tools, (EVERYTHING, False))
        somebody = User()
        somebody.__dict__["grants"] = Grants(scopes=scopes, tools=frozenset(tools), levels=levels)
        return {gate for gate in gates if holds_tool(somebody, gate)}

    assert "account.edit_users" in open_by(names) - open_by(gates)
    arriving = {name for name in names if arrivals.arrival_of(name, all_on=True).is_on}
    assert arriving
    for held in (gates, names):
        for name in arriving:
            assert open_by(held | {name}) == open_by(held - {name}), name
    assert open_by(arriving) == set()


def test_low_risk_arrives_in_sets_and_own_permissions_and_is_told(c: TinyCompany) -> None:
    operations.edit_permissions([c.nora], actor=c.sam, changes={"crm.import": True})
    own = c.fresh("nora").permission_set
    assert own is not None
    (row,) = brings(LOW)
    assert row.sets == PermissionSet.objects.count()
    assert LOW in tools_of(own)
    assert holds_tool(c.fresh("rita"), LOW)
    told = PermissionChange.objects.filter(permission=LOW).order_by("id")
    assert {each.set_key for each in told} == set(
        PermissionSet.objects.values_list("pk", flat=True)
    )
    assert {(each.system, each.before, each.after, each.reason) for each in told} == {
        ("upgrade", "", "yes", "New with an upgrade: low risk, and on by default.")
    }
    events = AuditEvent.objects.filter(action="set.receive", system="upgrade").order_by("id")
    assert {int(each.object_id) for each in events} == {each.set_key for each in told}
    assert all(each.data["tools_added"] == [LOW] for each in events)


def test_what_has_no_effect_in_a_set_stays_off_there(c: TinyCompany) -> None:
    seated = SetFactory(name="Seated", tools=["sales.seat"])
    (row,) = brings(BELOW_A_SEAT)
    assert row.sets == 1
    assert tools_of(seated) == {"sales.seat", BELOW_A_SEAT}
    assert BELOW_A_SEAT not in tools_of(c.sets["rep"])


def test_parent_and_child_arrive_together(c: TinyCompany) -> None:
    all_on(c)
    brings("sales.access", "sales.templates")
    assert {"sales.access", "sales.templates"} <= tools_of(c.sets["reader"])


def test_new_option_goes_only_where_another_is_held(c: TinyCompany) -> None:
    holds = SetFactory(name="Automates", tools=["crm.workflows:view"])
    all_on(c)
    brings("crm.workflows:delete")
    assert tools_of(holds) == {"crm.workflows:view", "crm.workflows:delete"}
    assert not any("workflows" in each for each in tools_of(c.sets["reader"]))


def test_arriving_twice_is_arriving_once(c: TinyCompany) -> None:
    brings(LOW, "crm.bulk_delete")
    counts = (PermissionChange.objects.count(), AuditEvent.objects.count(), Notice.objects.count())
    assert operations.receive_permissions(actor=System("again")) == []
    assert counts == (
        PermissionChange.objects.count(),
        AuditEvent.objects.count(),
        Notice.objects.count(),
    )


def test_set_keeps_what_was_taken_away_after_the_arrival(c: TinyCompany) -> None:
    brings(LOW)
    operations.edit_sets([c.sets["rep"]], actor=c.sam, changes={LOW: False})
    operations.receive_permissions(actor=UPGRADE)
    assert not holds_tool(c.fresh("rita"), LOW)


def test_command_says_what_arrived(c: TinyCompany) -> None:
    brings()
    KnownPermission.objects.filter(key__in=[LOW, "crm.bulk_delete", "crm.import"]).delete()
    said = StringIO()
    call_command("receive_permissions", stdout=said)
    assert said.getvalue().splitlines() == [
        "crm.bulk_delete: off, to be decided on by a super admin",
        "crm.import: off",
        f"{LOW}: on, in {PermissionSet.objects.count()} sets",
    ]
    call_command("receive_permissions", stdout=said)
    assert said.getvalue().splitlines()[3:] == ["No new permissions."]


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_lets_it_arrive(c: TinyCompany) -> None:
    brings()
    KnownPermission.objects.filter(key__in=[LOW, "crm.bulk_delete"]).delete()
    with racers(("receive", "hold"), ("receive",)) as (first, second):
        first.go()
        assert first.says() == "written"
        second.go()
        wait_until(lambda: second.has_said() or is_waiting())
        assert not second.has_said()
        first.go()
        assert first.says() == "2 arrived"
        assert second.says() == "0 arrived"
    sets = PermissionSet.objects.count()
    assert PermissionChange.objects.filter(permission=LOW).count() == sets
    assert AuditEvent.objects.filter(action="set.receive").count() == sets
    assert AuditEvent.objects.filter(action="permission.arrive").count() == 1
    assert Notice.objects.count() == 2


# --- Decisions, and the switch --------------------------------------------------------------------


def test_only_a_super_admin_decides(c: TinyCompany) -> None:
    brings("crm.bulk_delete")
    for name in ("mona", "rita"):
        with pytest.raises(operations.NotAllowed):
            operations.decide_arrival("crm.bulk_delete", actor=c.people[name])
        with pytest.raises(operations.NotAllowed):
            operations.set_all_on(actor=c.people[name], all_on=True, version=1)
    operations.decide_arrival("crm.bulk_delete", actor=c.sam)
    with pytest.raises(operations.InvalidChange, match="decided on already"):
        operations.decide_arrival("crm.bulk_delete", actor=c.sue)


def test_who_switches_all_on_moved_the_gate(c: TinyCompany) -> None:
    rules(threshold=0)
    export = ask(c.rita, approvers=[c.sue])
    operations.set_all_on(actor=c.sam, all_on=True, version=1)
    assert [each.actor for each in GateChange.objects.order_by("id")] == [c.sam]
    bar = may_not_decide_because(export, c.sam)
    assert bar is not None
    assert bar.code == "changed_rules"
    assert may_not_decide_because(export, c.sue) is None
    # Switching it off closes, and a switch that stays as it is moves nothing.
    operations.set_all_on(actor=c.sue, all_on=True, version=2)
    operations.set_all_on(actor=c.sue, all_on=False, version=2)
    assert GateChange.objects.count() == 1
