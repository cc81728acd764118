"""Partner admins: every record by status, and nothing of what governs the account (R101, Q37).

Pia is one; Pete is employed by the partner as well, and Paul is a rep. Dora governs people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import access, catalogue, operations, policy_file
from accounts.delegation import every_piece, lacks
from accounts.models import (
    AuditEvent,
    Notice,
    PermissionChange,
    PermissionSet,
    RightsChange,
    User,
)
from accounts.operations import InvalidChange, NotAllowed
from accounts.people_file import read_people
from accounts.people_plan import planned
from accounts.person_access import sentences
from exports import operations as exports
from exports.models import ExportPolicy
from exports.operations import ExportError
from records import operations as records
from records.models import Contact, Deal, Property
from records.models.properties import field_access
from records.past import person_on, who_could_see
from tests.claims.test_permission_history import a_moment
from tests.support.company import OWNED, TEAM, TinyCompany
from tests.support.exports_kit import ask, set_policy
from tests.support.factories import SetFactory, UserFactory
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import confirmed, is_review, review

pytestmark = pytest.mark.django_db

PEOPLE = "/admin/accounts/user/"
EMPLOYEE = "partner.employee"
GOVERNS = ["account.access", "account.edit_users", "account.user_table", "account.edit_teams"]
EVERY_ACTION = ("view", "change", "delete", "communicate", "merge")


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    c.sets |= {
        "partner": SetFactory(name="Partner", tools=[EMPLOYEE]),
        "employee": SetFactory(
            name="Employee", scopes={"deal": {"view": OWNED}}, tools=[EMPLOYEE, "crm.export"]
        ),
        "delegate": SetFactory(
            name="Delegate",
            scopes={"deal": {"view": TEAM, "change": TEAM}, "contact": {"view": TEAM}},
            tools=[*GOVERNS, EMPLOYEE, "crm.export", "account.modify_billing"],
        ),
        "small": SetFactory(name="Small", scopes={"deal": {"view": OWNED}}),
    }
    t, s = c.teams, c.sets
    c.people |= {
        "pia": UserFactory(
            email="pia@example.com",
            permission_set=s["partner"],
            is_partner_admin=True,
            team=t["north"],
        ),
        "pete": UserFactory(
            email="pete@example.com", permission_set=s["employee"], team=t["north"]
        ),
        "paul": UserFactory(email="paul@example.com", permission_set=s["small"], team=t["north_a"]),
        "dora": UserFactory(
            email="dora@example.com", permission_set=s["delegate"], team=t["north"]
        ),
    }
    return c


def standing() -> list[Any]:
    """Return everything that says who may do what."""
    columns = ("pk", "email", "password", "is_active", "is_superuser", "is_partner_admin")
    return [
        *User.objects.order_by("pk").values_list(*columns, "permission_set", "first_name"),
        *User.objects.order_by("pk", "memberships__team").values_list("memberships__team"),
        *PermissionSet.objects.order_by("pk", "tools__key", "tools__option").values_list(
            "pk", "name", "tools__key", "tools__option"
        ),
        *ExportPolicy.objects.values_list("require_approval", "threshold"),
    ]


# --- What it gives --------------------------------------------------------------------------------


def test_partner_admin_works_with_every_record_and_a_rep_does_not(c: TinyCompany) -> None:
    pia, pete = c.fresh("pia"), c.fresh("pete")
    for name in ("robs", "unassigned", "freds", "monas"):
        for action in EVERY_ACTION:
            explanation = access.explain(pia, action, c.deals[name])
            assert access.allows(pia, action, c.deals[name])
            assert [each.code for each in explanation.decisive] == ["partner_admin"]
            assert not access.allows(pete, action, c.deals[name])
    for kind in catalogue.objects():
        assert access.allows_any(pia, "add", kind.model)
        assert not access.allows_any(pete, "add", kind.model)


def test_locked_stages_and_the_bin_hold_for_partner_admins(c: TinyCompany) -> None:
    """Super admins alone pass a pipeline's rule (R107, E33)."""
    pia = c.fresh("pia")
    for name, code in (("vault", "stage"), ("chosen", "stage"), ("deleted", "deleted")):
        codes = {each.code for each in access.explain(pia, "change", c.deals[name]).decisive}
        assert code in codes
        assert access.allows(c.fresh("sam"), "change", c.deals[name]) is (code == "stage")
    assert access.allows(pia, "view", c.deals["vault"])
    c.rule.users.add(c.pia)
    assert access.allows(c.fresh("pia"), "change", c.deals["chosen"])


def test_readers_agree_about_partner_admins(c: TinyCompany) -> None:
    """List, check, mark, explanation, reverse look-up and past say the same (B1)."""
    people = [c.fresh(name) for name in ("pia", "pete", "sam", "rita")]
    deals = list(Deal._base_manager.all())
    for action in (*EVERY_ACTION, "export", "associate", "restore"):
        reverse = {deal.pk: set(access.who_can(action, deal)) for deal in deals}
        for person in people:
            listed = set(access.permitted(Deal._base_manager.all(), person, action))
            marked = access.marked(Deal._base_manager.all(), person, action)
            held = {deal.pk for deal in marked if getattr(deal, f"may_{action}")}
            for deal in deals:
                may = access.allows(person, action, deal)
                assert may == (deal in listed) == (deal.pk in held) == (person in reverse[deal.pk])
                assert may == access.explain(person, action, deal).allowed
    then = who_could_see(c.deals["robs"], a_moment())
    assert {each.email: each.reasons for each in then.people}["pia@example.com"] == [
        "partner_admin"
    ]


def test_partner_admin_has_partner_and_seat_tools_alone(c: TinyCompany) -> None:
    """Q33: what needs a seat counts without one; R101, Q37: nothing that governs or takes out."""
    pia, pete = c.fresh("pia"), c.fresh("pete")
    by_status = {
        *("partner.access", "partner.dashboard", "partner.solutions_directory"),
        *("partner.employee_management", "sales.forecast", "sales.playbooks", "sales.sequences"),
        *("sales.bulk_enroll_sequences", "sales.prospecting_as_another_user"),
    }
    held = {key for key in catalogue.TOOLS if access.holds_tool(pia, key)}
    assert held == by_status | {EMPLOYEE}
    assert access.tool_scope(pia, "sales.forecast:edit").rank == 3
    assert {key for key in catalogue.TOOLS if access.holds_tool(pete, key)} == {
        EMPLOYEE,
        "crm.export",
    }
    for key in by_status:
        assert set(access.holders(key)) == {*({c.pia}), *_super_admins(key)}


def _super_admins(key: str) -> set[User]:
    of_seat = catalogue.TOOLS[key].parent == "sales.seat"
    return set() if of_seat else set(User.objects.filter(is_superuser=True))


def test_status_gives_nothing_that_could_be_passed_on(c: TinyCompany) -> None:
    pia = access.Loaded(c.fresh("pia"))
    assert {str(piece) for piece in every_piece() if not lacks(pia, piece)} == {"Partner employee"}


def test_deactivated_partner_admin_may_nothing(c: TinyCompany) -> None:
    operations.deactivate(c.pia, actor=c.sam)
    pia = c.fresh("pia")
    assert pia.is_partner_admin
    assert not access.allows_any(pia, "view", Deal)
    assert c.pia not in access.who_can("view", c.deals["robs"])
    operations.reactivate(c.pia, actor=c.sam)
    assert access.allows_any(c.fresh("pia"), "view", Deal)


# --- Fields ---------------------------------------------------------------------------------------


def test_sensitive_fields_are_hidden_unless_granted(c: TinyCompany) -> None:
    """Q37; what names a record is seen by whoever sees the record (E27)."""
    for name in ("phone", "last_name"):
        records.flag_property(actor=c.sam, object="contact", name=name, sensitive=True)
    assert field_access(c.fresh("pia"), Contact).hidden == {"phone"}
    assert field_access(c.fresh("eve"), Contact).hidden == set()
    chosen: dict[str, Any] = {"object": "contact", "name": "phone", "sensitive": True}
    chosen |= {"actor": c.sam, "access": Property.Access.CHOSEN}
    records.restrict_property(**chosen, viewers=[c.teams["north"]])
    found = field_access(c.fresh("pia"), Contact)
    assert (found.hidden, found.fixed) == (set(), {"phone"})
    records.restrict_property(**chosen, editors=[c.pia])
    found = field_access(c.fresh("pia"), Contact)
    assert (found.hidden, found.fixed) == (set(), set())
    records.restrict_property(**chosen, viewers=[c.eve])
    assert field_access(c.fresh("pia"), Contact).hidden == {"phone"}


def test_two_worlds_that_differ_in_a_sensitive_value_look_the_same(
    c: TinyCompany, client: Client
) -> None:
    records.flag_property(actor=c.sam, object="contact", name="phone", sensitive=True)
    address = f"/admin/records/contact/{c.contacts['cora'].pk}/change/"
    lists = "/admin/records/contact/"
    asked = (address, lists, f"{lists}?phone=%2B49+30+1", f"{lists}?o=phone", f"{lists}?q=49")

    def seen(phone: str) -> list[tuple[int, str]]:
        Contact.objects.filter(pk=c.contacts["cora"].pk).update(phone=phone)
        pages = [client.get(each) for each in asked]
        return [(page.status_code, _without_tokens(page.text)) for page in pages]

    client.force_login(c.pia)
    assert seen("+49 30 1") == seen("+1 555 0199")
    # Negative control: somebody who may read it sees two worlds.
    client.force_login(c.eve)
    assert seen("+49 30 1") != seen("+1 555 0199")


def _without_tokens(page: str) -> str:
    kept = (line for line in page.splitlines() if "csrfmiddlewaretoken" not in line)
    return "\n".join(line for line in kept if "nonce" not in line)


# --- Given and taken ------------------------------------------------------------------------------


def test_only_one_status_is_stored(c: TinyCompany) -> None:
    for name, column in (("pia", "is_superuser"), ("sam", "is_partner_admin")):
        refused = pytest.raises(IntegrityError, match="super_or_partner_admin_not_both")
        with refused, transaction.atomic():
            User.objects.filter(pk=c.people[name].pk).update(**{column: True})


REFUSED: dict[str, tuple[Callable[[TinyCompany], Any], str]] = {
    "by a delegate": (
        lambda c: operations.make_partner_admin(c.pete, actor=c.dora),
        "Only a super admin may do this.",
    ),
    "by a partner admin": (
        lambda c: operations.make_partner_admin(c.pete, actor=c.pia),
        "Only a super admin may do this.",
    ),
    "taken by a delegate": (
        lambda c: operations.remove_partner_admin(
            c.pia, actor=c.dora, permission_set=c.sets["small"]
        ),
        "Only a super admin may do this.",
    ),
    "taken by oneself": (
        lambda c: operations.remove_partner_admin(
            c.pia, actor=c.pia, permission_set=c.sets["small"]
        ),
        "Only a super admin may do this.",
    ),
    "a super admin by a partner admin": (
        lambda c: operations.make_super_admin(c.pete, actor=c.pia),
        "Only a super admin may do this.",
    ),
    "who is no employee": (
        lambda c: operations.make_partner_admin(c.paul, actor=c.sam),
        "Paul is no employee of the implementation partner",
    ),
    "who is a super admin": (
        lambda c: operations.make_partner_admin(c.sue, actor=c.sam),
        "Sue is a super admin. Remove super admin first",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_partner_admin_is_refused(c: TinyCompany, what: str) -> None:
    door, said = REFUSED[what]
    before, events = standing(), AuditEvent.objects.count()
    with pytest.raises(NotAllowed, match=said):
        door(c)
    assert standing() == before
    written = AuditEvent.objects.order_by("pk")[events:]
    assert [(event.result, event.action.partition(".")[0]) for event in written] == [
        ("refused", "person")
    ]


def test_super_admin_gives_and_takes_it(c: TinyCompany) -> None:
    moment = a_moment()
    operations.make_partner_admin(c.pete, actor=c.sam)
    pete = c.fresh("pete")
    assert (pete.is_partner_admin, pete.permission_set) == (True, c.sets["employee"])
    assert access.allows(pete, "delete", c.deals["robs"])
    operations.make_partner_admin(c.pete, actor=c.sue)  # is one already: nothing is written
    between = a_moment()
    operations.remove_partner_admin(c.pete, actor=c.sam, permission_set=c.sets["small"])
    pete = c.fresh("pete")
    assert (pete.is_partner_admin, pete.permission_set) == (False, c.sets["small"])
    assert not access.allows(pete, "view", c.deals["robs"])
    events = AuditEvent.objects.filter(object_id=str(c.pete.pk)).order_by("pk")
    assert list(events.values_list("action", "actor")) == [
        ("person.make_partner_admin", c.sam.pk),
        ("person.remove_partner_admin", c.sam.pk),
    ]
    rows = PermissionChange.objects.filter(person=c.pete, permission="partner_admin")
    assert list(rows.order_by("pk").values_list("before", "after")) == [("", "yes"), ("yes", "")]
    doors = RightsChange.objects.filter(person=c.pete, tool="").order_by("pk")
    assert list(doors.values_list("door", flat=True)) == [
        "made_partner_admin",
        "ended_partner_admin",
    ]
    then = [person_on(c.pete, each) for each in (moment, between, a_moment())]
    assert [each.partner_admin for each in then] == [False, True, False]
    live = Deal.objects.filter(deleted_at=None).count()
    assert [each.reach["deal"]["view"] for each in then] == [0, live, 0]


def test_other_super_admins_are_told_of_a_new_partner_admin(c: TinyCompany) -> None:
    with pytest.raises(NotAllowed):
        operations.make_partner_admin(c.paul, actor=c.sue)
    assert not Notice.objects.exists()
    operations.make_partner_admin(c.pete, actor=c.sam)
    operations.make_partner_admin(c.pete, actor=c.sam)  # it is one by now: nothing happens
    told = [
        (each.user, each.text, each.link)
        for each in Notice.objects.filter(text__contains="partner")
    ]
    text = f"{c.sam.get_full_name()} made {c.pete.get_full_name()} a partner admin."
    assert told == [(c.sue, text, f"{PEOPLE}{c.pete.pk}/change/")]


def test_deactivated_person_becomes_no_partner_admin(c: TinyCompany) -> None:
    operations.deactivate(c.pete, actor=c.sam)
    with pytest.raises(NotAllowed, match="The account of Pete is deactivated"):
        operations.make_partner_admin(c.pete, actor=c.sam)
    operations.reactivate(c.pete, actor=c.sam)
    operations.make_partner_admin(c.pete, actor=c.sam)
    assert c.fresh("pete").is_partner_admin


LOSES_THE_MARK: dict[str, Callable[[TinyCompany], Any]] = {
    "another set": lambda c: operations.assign_set(
        c.pia, actor=c.sam, permission_set=c.sets["small"]
    ),
    "no set": lambda c: operations.assign_set(c.pia, actor=c.sam, permission_set=None),
    "the editor": lambda c: operations.edit_permissions(
        [c.pia], actor=c.sam, changes={EMPLOYEE: False}
    ),
    "the set": lambda c: operations.edit_sets(
        [c.sets["partner"]], actor=c.sam, changes={EMPLOYEE: False}
    ),
    "the form of the set": lambda c: operations.change_set(
        c.sets["partner"], actor=c.sam, name="Partner", description="", scopes={}, tools=[]
    ),
    "deleting the set": lambda c: operations.delete_set(
        c.sets["partner"], actor=c.sam, replacement=c.sets["small"]
    ),
    "a new set": lambda c: operations.create_set(actor=c.sam, name="New", people=[c.pia]),
    "super admin": lambda c: operations.make_super_admin(c.pia, actor=c.sam),
}


@pytest.mark.parametrize("what", LOSES_THE_MARK)
@pytest.mark.parametrize("active", [True, False])
def test_partner_admin_stays_an_employee(c: TinyCompany, what: str, active: bool) -> None:
    """No status lies dormant, to be woken by somebody who edits a set."""
    if not active:
        operations.deactivate(c.pia, actor=c.sam)
    before = standing()
    with pytest.raises(InvalidChange, match="Remove partner admin"):
        LOSES_THE_MARK[what](c)
    assert standing() == before
    operations.remove_partner_admin(c.pia, actor=c.sam, permission_set=c.sets["partner"])
    if what == "super admin" and not active:
        return
    c.people["pia"] = c.fresh("pia")
    LOSES_THE_MARK[what](c)
    assert standing() != before


# --- Delegates, and partner admins who govern -----------------------------------------------------


ON_PEOPLE: dict[str, Callable[[TinyCompany, User, User], Any]] = {
    "edit": lambda c, who, by: operations.edit_permissions(
        [who], actor=by, changes={"crm.export": True}
    ),
    "assign": lambda c, who, by: operations.assign_set(
        who, actor=by, permission_set=c.sets["employee"]
    ),
    "teams": lambda c, who, by: operations.set_teams(who, actor=by, main_team=c.teams["north_a"]),
    "add to a team": lambda c, who, by: operations.add_to_team(
        who, actor=by, team=c.teams["north_a"]
    ),
    "password": lambda c, who, by: operations.set_password(
        who, actor=by, password="another long password"
    ),
    "name": lambda c, who, by: operations.change_person(
        who, actor=by, email=who.email, first_name="Other", last_name=""
    ),
    "e-mail": lambda c, who, by: operations.change_person(
        who, actor=by, email="other@example.com", first_name="Other", last_name=""
    ),
    "invite": lambda c, who, by: operations.invite(who, actor=by),
}


@pytest.mark.parametrize("what", ON_PEOPLE)
def test_nobody_but_super_admins_touches_a_partner_admin(c: TinyCompany, what: str) -> None:
    c.people["weak"] = UserFactory(email="weak@example.com", team=c.teams["north"])
    before = standing()
    with pytest.raises(NotAllowed, match="super admin or a partner admin"):
        ON_PEOPLE[what](c, c.pia, c.fresh("dora"))
    assert standing() == before
    ON_PEOPLE[what](c, c.weak, c.fresh("dora"))
    if what != "invite":
        assert standing() != before


@pytest.mark.parametrize("what", ON_PEOPLE)
def test_partner_admin_governs_nobody_by_the_status(c: TinyCompany, what: str) -> None:
    with pytest.raises(NotAllowed):
        ON_PEOPLE[what](c, c.paul, c.fresh("pia"))


def test_partner_admin_who_governs_passes_on_what_the_set_says(c: TinyCompany) -> None:
    """Account tools count as the set grants them, within what the set grants (R96)."""
    c.people["gaby"] = UserFactory(
        email="gaby@example.com",
        permission_set=c.sets["delegate"],
        is_partner_admin=True,
        team=c.teams["north"],
    )
    c.people["weak"] = UserFactory(email="weak@example.com", team=c.teams["north"])
    before = standing()
    for changes in (
        {"crm.deal.view": "everything"},
        {"crm.contact.view": "everything"},
        {"crm.deal.view": "team", "crm.deal.delete": "owned"},
        {"partner.access": True},
        {"sales.sequences": True},
        {"crm.export_approver": True},
    ):
        with pytest.raises(NotAllowed, match="do not hold yourself"):
            operations.edit_permissions([c.weak], actor=c.gaby, changes=changes)
    for who in ("pia", "sam", "gaby"):
        for door in ON_PEOPLE.values():
            with pytest.raises(NotAllowed):
                door(c, c.people[who], c.fresh("gaby"))
    with pytest.raises(NotAllowed):
        operations.set_password(c.eve, actor=c.gaby, password="another long password")
    with pytest.raises(NotAllowed):
        operations.edit_sets([c.sets["small"]], actor=c.gaby, changes={"crm.export": True})
    assert standing() == before
    operations.edit_permissions([c.weak], actor=c.gaby, changes={"crm.deal.view": "team"})
    assert c.fresh("weak").grants.scopes["deal"].view == TEAM


# --- Exports --------------------------------------------------------------------------------------


def test_partner_admin_takes_nothing_out_without_export(c: TinyCompany) -> None:
    with pytest.raises(ExportError):
        ask(c.pia)
    operations.edit_permissions([c.pia], actor=c.sam, changes={"crm.export": True})
    set_policy(on=True, threshold=1_000)
    assert ask(c.fresh("pia")).record_count == Deal.objects.filter(deleted_at=None).count()


def test_export_of_a_partner_admin_waits_for_somebody_else(c: TinyCompany) -> None:
    """Neither approver nor exempt by status; who is an approver by their set decides for others."""
    operations.edit_permissions(
        [c.pia], actor=c.sam, changes={"crm.export": True, "crm.export_approver": True}
    )
    set_policy(on=True, threshold=1)
    export = ask(c.fresh("pia"), approvers=[c.axel])
    assert export.status == "pending"
    for refused in (
        lambda: exports.approve(export, actor=c.fresh("pia"), version=export.version),
        lambda: exports.change_policy(actor=c.fresh("pia"), version=1, threshold=10**6),
        lambda: exports.cancel(export, actor=c.fresh("pia")),
    ):
        with pytest.raises(ExportError):
            refused()
    export.refresh_from_db()
    assert export.status == "pending"
    exports.approve(export, actor=c.axel, version=export.version)
    export.refresh_from_db()
    assert export.status == "approved"
    assert c.pia not in access.holders("crm.export_without_approval")


# --- By HTTP --------------------------------------------------------------------------------------


def test_status_is_given_after_a_review_and_taken_back(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"{PEOPLE}{c.pete.pk}/make_partner_admin/"
    assert "Only for employees of the implementation partner" in client.get(address).text
    page = client.post(address, {})
    assert is_review(page)
    assert not c.fresh("pete").is_partner_admin
    assert "Locked stages hold for them" in page.text
    assert "more with records than before" in page.text
    done = confirmed(client, address, {}, follow=True)
    assert c.fresh("pete").is_partner_admin
    assert "Pete is a partner admin now." in done.text
    action, token = form_with(done.text, "undo")
    for name in ("sue", "dora", "pia"):
        client.force_login(c.people[name])
        client.post(action, token)
        assert c.fresh("pete").is_partner_admin
    client.force_login(c.sam)
    assert "Taken back" in client.post(action, token, follow=True).text
    assert not c.fresh("pete").is_partner_admin
    assert c.fresh("pete").permission_set == c.sets["employee"]
    # Once more changes nothing: it was taken back already.
    assert "Somebody changed" in client.post(action, token, follow=True).text


def test_removal_is_reviewed_and_taken_back_with_the_permissions_of_before(
    c: TinyCompany, client: Client
) -> None:
    operations.edit_permissions([c.pia], actor=c.sam, changes={"crm.workflows": ["view"]})
    client.force_login(c.sam)
    address = f"{PEOPLE}{c.pia.pk}/remove_partner_admin/"
    sent = {"permission_set": c.sets["small"].pk}
    page = client.post(address, sent)
    assert is_review(page) and "From now on: exactly what the set Small says." in page.text
    done = confirmed(client, address, sent, follow=True)
    assert not c.fresh("pia").is_partner_admin
    action, token = form_with(done.text, "undo")
    assert "Taken back" in client.post(action, token, follow=True).text
    pia = c.fresh("pia")
    assert pia.is_partner_admin
    assert pia.grants.tools == {EMPLOYEE, "crm.workflows:view"}
    assert str(pia.permission_set) == "based on Partner"


def test_review_that_is_out_of_date_gives_nothing(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"{PEOPLE}{c.pete.pk}/make_partner_admin/"
    action, fields = review(client, address, {})
    operations.edit_permissions([c.pete], actor=c.sue, changes={"crm.import": True})
    page = client.post(action, fields)
    assert is_review(page) and "Something was changed since you looked at this" in page.text
    assert not c.fresh("pete").is_partner_admin
    operations.edit_permissions([c.pete], actor=c.sue, changes={EMPLOYEE: False})
    page = client.post(action, fields, follow=True)
    assert "no employee of the implementation partner" in page.text
    assert not c.fresh("pete").is_partner_admin


def test_posted_by_who_may_not_it_is_refused(c: TinyCompany, client: Client) -> None:
    before = standing()
    for name in ("dora", "pia", "pete", "rita"):
        client.force_login(c.people[name])
        for whom, step in (("pete", "make"), ("pia", "remove")):
            address = f"{PEOPLE}{c.people[whom].pk}/{step}_partner_admin/"
            sent = {"permission_set": c.sets["small"].pk, "reviewed": "1", "confirm": "1"}
            client.post(address, sent)
        keys = f"{c.pete.pk},{c.pia.pk}"
        client.post(f"{PEOPLE}many/make_partner_admin/", {"people": keys, "reviewed": "1"})
        client.post(f"{PEOPLE}{c.pete.pk}/change/", {"is_partner_admin": "on"})
        assert standing() == before, name
    client.force_login(c.sam)
    confirmed(client, f"{PEOPLE}{c.pete.pk}/make_partner_admin/", {})
    assert c.fresh("pete").is_partner_admin


def test_many_are_made_at_once_and_who_is_no_employee_is_left_out(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    chosen = [str(c.people[name].pk) for name in ("pete", "dora", "paul", "sue")]
    ticked = {"action": "make_partner_admin", "_selected_action": chosen}
    asked = client.post(PEOPLE, ticked, follow=True)
    _, fields = form_with(asked.text, "as_opened")
    page = client.post(f"{PEOPLE}many/make_partner_admin/", fields)
    assert is_review(page)
    assert "Paul is left out. Paul is no employee" in page.text
    assert "Sue is left out. Sue is a super admin." in page.text
    action, fields = form_with(page.text, "reviewed")
    client.post(action, {**fields, "save": ["1"]})
    made = User.objects.filter(is_partner_admin=True)
    assert set(made) == {c.pete, c.dora, c.pia}


def test_list_names_and_finds_partner_admins(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = client.get(PEOPLE, {"partner_admin": "yes"})
    assert {row.email for row in page.context["cl"].result_list} == {"pia@example.com"}
    assert "Partner admin, Partner" in page.text
    every = client.get(PEOPLE, {"scope": "deal.change", "level": "3"}).context["cl"].result_list
    none = client.get(PEOPLE, {"scope": "deal.change", "level": "0"}).context["cl"].result_list
    assert c.pia in every and c.pia not in none
    steps = {name: _steps(page_of(client, c.people[name])) for name in ("pia", "pete", "paul")}
    assert "remove_partner_admin" in steps["pia"] and "promote" not in steps["pia"]
    assert "make_partner_admin" in steps["pete"]
    assert not {"make_partner_admin", "remove_partner_admin"} & steps["paul"]
    client.force_login(c.dora)
    assert not any("partner_admin" in step for step in _steps(page_of(client, c.pete)))


def page_of(client: Client, user: User) -> str:
    return str(client.get(f"{PEOPLE}{user.pk}/change/").text)


def _steps(page: str) -> set[str]:
    return {part.split("/")[2] for part in page.split("/admin/accounts/user") if _is_step(part)}


def _is_step(part: str) -> bool:
    return part.startswith("/") and part.count("/") > 2 and part.split("/")[1].isdigit()


def test_list_asks_no_query_more_for_employees(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    client.get(PEOPLE)
    with CaptureQueriesContext(connection) as few:
        client.get(PEOPLE)
    for number in range(20):
        UserFactory(email=f"employee{number}@example.com", permission_set=c.sets["employee"])
    with CaptureQueriesContext(connection) as many:
        client.get(PEOPLE)
    assert len(many) == len(few)


def test_partner_admin_opens_no_settings(c: TinyCompany, client: Client) -> None:
    addresses = (
        "/admin/exports/exportpolicy/1/change/",
        "/admin/records/property/",
        "/admin/records/pipeline/",
        "/admin/accounts/permissionset/",
        "/admin/accounts/permissionchange/",
        "/admin/accounts/auditevent/",
        PEOPLE,
    )
    said = {}
    for name in ("pia", "rita", "sam"):
        client.force_login(c.people[name])
        said[name] = [client.get(address).status_code for address in addresses]
    assert said["sam"] == [200] * len(addresses)
    assert 200 not in said["pia"]
    assert said["pia"] == said["rita"]


# --- In words -------------------------------------------------------------------------------------


def test_sentences_and_commands_say_what_somebody_is(c: TinyCompany) -> None:
    assert sentences(c.fresh("pia"))[:2] == [
        "Is a partner admin: sees, edits and deletes all records, and creates new ones.",
        "Reads no sensitive field but those for which they, or a team of theirs, are chosen.",
    ]
    deal = str(c.deals["robs"].pk)
    told = _said("explain_access", "pia@example.com", "change", "deal", deal)
    assert told["allowed"] is True
    assert "partner_admin" in {each["code"] for each in told["findings"] if each["holds"]}
    people = _said("who_can", "change", "deal", deal)
    reasons = {each["user"]: each["reasons"] for each in people}
    assert reasons["pia@example.com"] == ["partner_admin"]


def _said(*command: str) -> Any:
    out = StringIO()
    call_command(*command, "--json", stdout=out)
    return json.loads(out.getvalue())


# --- By a file ------------------------------------------------------------------------------------


def test_policy_file_takes_the_mark_from_no_partner_admin(c: TinyCompany) -> None:
    written = policy_file.shown()
    assert not [step for _, steps in policy_file.plan(written) for step in steps]
    other = written.replace(f"{EMPLOYEE}: true", "crm.import: true")
    before = standing()
    with pytest.raises(policy_file.Refused, match="Remove partner admin first"):
        policy_file.apply(other, actor=c.sam)
    for name in ("pia", "dora"):
        with pytest.raises(NotAllowed):
            policy_file.apply(written, actor=c.people[name])
    assert standing() == before
    operations.remove_partner_admin(c.pia, actor=c.sam, permission_set=c.sets["small"])
    policy_file.apply(other, actor=c.sam)
    assert c.fresh("pete").grants.tools == {"crm.import", "crm.export"}


def test_imported_table_gives_a_partner_admin_no_other_set(c: TinyCompany) -> None:
    def table(email: str) -> Any:
        data = f"E-mail,Permission set\n{email},Small\n".encode()
        return planned(*read_people("people.csv", data), c.fresh("sam"))

    faults = [str(fault) for fault in table("pia@example.com").faults]
    assert len(faults) == 1
    assert "Pia is a partner admin. Change their rights on their own page." in faults[0]
    assert not table("pete@example.com").faults
