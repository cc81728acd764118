"""Changes to people, teams and permission sets: what is refused, what is kept, what is logged."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts import operations
from accounts.access import allows, permitted
from accounts.audit import System
from accounts.models import AuditEvent, ObjectScope, PermissionSet, Team, TeamReach, User
from accounts.operations import InvalidChange, LastSuperAdmin, NotAllowed, clamped
from records.models import Deal, Pipeline, StageRule
from tests.support.company import EVERYTHING, NONE, OWNED, TEAM, TinyCompany
from tests.support.factories import PASSWORD, DealFactory, UserFactory
from tests.support.reviewed import confirmed

SYSTEM = System("test")


def last_event(action: str) -> AuditEvent:
    return AuditEvent.objects.filter(action=action).latest("id")


@pytest.mark.parametrize("name", ["rep", " REP ", "STRAẞE  9", "Straße 9 "])
def test_names_that_read_alike_are_one_name(c: TinyCompany, name: str) -> None:
    """A list that shows two of them tells nobody which one to give."""
    wanted: dict[str, Any] = {"actor": c.sam, "description": "", "scopes": {}, "tools": []}
    operations.create_set(name="Straße 9", **wanted)
    operations.create_team(actor=c.sam, name="Rep")
    street = operations.create_team(actor=c.sam, name="Straße 9")
    with pytest.raises(InvalidChange, match="no other set has"):
        operations.create_set(name=name, **wanted)
    with pytest.raises(InvalidChange, match="no other team has"):
        operations.create_team(actor=c.sam, name=name)
    with pytest.raises(InvalidChange, match="no other team has"):
        operations.change_team(c.teams["south"], actor=c.sam, name=name, parent=None)
    # One's own name in another case is no other's; spaces in a row are one.
    operations.change_team(street, actor=c.sam, name="STRASSE   9", parent=None)
    assert Team.objects.get(pk=street.pk).name == "STRASSE 9"
    # Two of before stay as they are, each with its name.
    Team.objects.filter(pk=c.teams["south"].pk).update(name="strasse 9")
    operations.change_team(street, actor=c.sam, name="STRASSE 9", parent=c.teams["north"])
    assert Team.objects.get(pk=street.pk).parent == c.teams["north"]


# --- Super admins (R91, R92, Q22, Q27) ------------------------------------------------------------


def test_last_active_super_admin_can_be_neither_demoted_nor_deactivated(c: TinyCompany) -> None:
    operations.deactivate(c.sue, actor=c.sam)
    for attempt in (
        lambda: operations.deactivate(c.sam, actor=SYSTEM),
        lambda: operations.remove_super_admin(c.sam, actor=SYSTEM, permission_set=c.sets["rep"]),
    ):
        with pytest.raises(LastSuperAdmin, match="Make somebody else super admin first"):
            attempt()
    sam = c.fresh("sam")
    assert (sam.is_active, sam.is_superuser) == (True, True)


def test_nobody_demotes_or_deactivates_themselves(c: TinyCompany) -> None:
    with pytest.raises(NotAllowed):
        operations.deactivate(c.sam, actor=c.sam)
    with pytest.raises(NotAllowed):
        operations.remove_super_admin(c.sam, actor=c.sam, permission_set=c.sets["rep"])


def test_demotion_leaves_exactly_the_chosen_set(c: TinyCompany) -> None:
    operations.remove_super_admin(c.sue, actor=c.sam, permission_set=c.sets["reader"])
    sue = c.fresh("sue")
    assert (sue.is_superuser, sue.permission_set) == (False, c.sets["reader"])
    assert allows(sue, "view", c.deals["robs"])
    assert not allows(sue, "change", c.deals["robs"])


@pytest.mark.parametrize("name", ["mona", "rita", "eve", "axel"])
def test_below_super_admin_every_operation_on_people_is_refused(c: TinyCompany, name: str) -> None:
    actor, target = c.people[name], c.rob
    attempts: list[Any] = [
        lambda: operations.create_person(actor=actor, email="new@example.com"),
        lambda: operations.change_person(
            target, actor=actor, email="x@example.com", first_name="X", last_name=""
        ),
        lambda: operations.set_password(target, actor=actor, password="x" * 12),
        lambda: operations.set_teams(target, actor=actor, main_team=None),
        lambda: operations.assign_set(target, actor=actor, permission_set=c.sets["everything"]),
        lambda: operations.assign_set(actor, actor=actor, permission_set=c.sets["everything"]),
        lambda: operations.make_super_admin(actor, actor=actor),
        lambda: operations.deactivate(target, actor=actor),
        lambda: operations.create_team(actor=actor, name="Mine"),
        lambda: operations.create_set(actor=actor, name="Mine"),
        lambda: operations.delete_set(c.sets["reader"], actor=actor),
    ]
    before = list(User.objects.order_by("pk").values())
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            attempt()
    assert list(User.objects.order_by("pk").values()) == before
    assert not PermissionSet.objects.filter(name="Mine").exists()


# --- Scopes never exceed what caps them (R20) -----------------------------------------------------


def test_clamping_narrows_every_scope_with_view_boxes_included() -> None:
    row = clamped(
        {
            "add": True,
            "view": OWNED,
            "view_unassigned": False,
            "change": EVERYTHING,
            "delete": TEAM,
            "delete_unassigned": True,
            "communicate": OWNED,
            "merge": EVERYTHING,
        }
    )
    assert row == {
        "add": True,
        "view": OWNED,
        "view_unassigned": False,
        "change": OWNED,
        "change_unassigned": False,
        "delete": OWNED,
        "delete_unassigned": False,
        "communicate": OWNED,
        "communicate_unassigned": False,
        "merge": OWNED,
        "merge_unassigned": False,
    }
    assert clamped({"add": True, "view": NONE, "change": TEAM})["add"] is False


@pytest.mark.parametrize(
    "row",
    [
        {"view": OWNED, "change": TEAM},
        {"view": NONE, "change": OWNED},
        {"view": OWNED, "delete": EVERYTHING},
        {"view": TEAM, "communicate": EVERYTHING},
        {"view": TEAM, "change": OWNED, "merge": TEAM},
        {"view": TEAM, "change": TEAM, "change_unassigned": True},
        {"view": EVERYTHING, "view_unassigned": True},
        {"view": NONE, "view_unassigned": True},
        {"view": NONE, "add": True},
        {"view": 4},
    ],
)
def test_database_refuses_scopes_that_exceed_their_cap(c: TinyCompany, row: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ObjectScope.objects.create(permission_set=c.sets["approver"], object="deal", **row)
    assert not ObjectScope.objects.filter(permission_set=c.sets["approver"]).exists()


def test_box_within_everything_is_allowed(c: TinyCompany) -> None:
    row = clamped({"view": EVERYTHING, "change": TEAM, "change_unassigned": True})
    assert row["change_unassigned"] is True
    ObjectScope.objects.create(permission_set=c.sets["approver"], object="deal", **row)


# --- Teams (R27, E21) -----------------------------------------------------------------------------


def test_moving_a_team_moves_what_is_seen_from_above(c: TinyCompany) -> None:
    assert allows(c.fresh("mona"), "view", c.deals["ritas"])
    operations.change_team(c.teams["north_a"], actor=c.sam, name="North A", parent=c.teams["south"])
    assert not allows(c.fresh("mona"), "view", c.deals["ritas"])
    assert allows(c.fresh("rob"), "view", c.deals["ritas"])
    assert not allows(c.fresh("rita"), "view", c.deals["robs"])  # never upwards


def test_team_cannot_hang_below_itself(c: TinyCompany) -> None:
    before = set(TeamReach.objects.values_list("above", "below"))
    for parent in (c.teams["north"], c.teams["north_a"]):
        with pytest.raises(InvalidChange, match="outside its own branch"):
            operations.change_team(c.teams["north"], actor=c.sam, name="North", parent=parent)
    assert set(TeamReach.objects.values_list("above", "below")) == before


def test_team_with_members_is_not_deleted(c: TinyCompany) -> None:
    with pytest.raises(InvalidChange, match="Move them first"):
        operations.delete_team(c.teams["south"], actor=c.sam)


# --- Forms of super admins over HTTP --------------------------------------------------------------


def grid(**cells: int) -> dict[str, Any]:
    """Return what the scope grid posts: `deal_view=2` becomes its cell."""
    posted: dict[str, Any] = {}
    for key in ("contact", "company", "deal", "ticket"):
        for action in ("view", "change", "delete", "communicate", "merge"):
            posted[f"scopes-{key}-{action}"] = cells.get(f"{key}_{action}", 0)
            if cells.get(f"{key}_{action}_unassigned"):
                posted[f"scopes-{key}-{action}_unassigned"] = "1"
        if cells.get(f"{key}_add"):
            posted[f"scopes-{key}-add"] = "1"
    return posted


def opened(client: Client, address: str) -> dict[str, str]:
    """Return what a page of settings sends back unseen."""
    mark = re.search(r'name="as_opened" value="(\w{64})"', client.get(address).text)
    assert mark is not None
    return {"as_opened": mark[1]}


def test_two_people_with_one_set_open_do_not_overwrite_each_other(
    c: TinyCompany, client: Client
) -> None:
    address = f"/admin/accounts/permissionset/{c.sets['reader'].pk}/change/"
    client.force_login(c.sam)
    posted = {"name": "Reader", "description": "", **opened(client, address)}
    other = Client()
    other.force_login(c.sue)
    narrower = {**posted, **opened(other, address), **grid(deal_view=1)}
    assert confirmed(other, address, narrower).status_code == 302
    for _ in range(2):  # to send it again is not to have read it
        late = client.post(address, {**posted, **grid(deal_view=3, deal_change=3)})
        assert late.status_code == 200
        assert "Somebody changed this permission set while you had it open" in late.text
    assert client.post(address, {**posted, "as_opened": ""}).status_code == 200
    scope = ObjectScope.objects.get(permission_set=c.sets["reader"], object="deal")
    assert (scope.view, scope.change) == (OWNED, NONE)
    again = {**posted, **opened(client, address), **grid(deal_view=3)}
    assert confirmed(client, address, again).status_code == 302
    assert AuditEvent.objects.filter(action="set.change").count() == 2


def test_export_rights_are_granted_by_clicking_and_hold_at_once(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    address = f"/admin/accounts/permissionset/{c.sets['reader'].pk}/change/"
    text = client.get(address).text
    assert all(f'value="crm.{tool}"' in text for tool in ("export", "export_approver"))
    posted = {
        "name": "Reader",
        "description": "",
        "tools": ["crm.export", "crm.export_approver"],
        **grid(deal_view=3, deal_change=3),
        **opened(client, address),
    }
    assert confirmed(client, address, posted).status_code == 302
    ruth = c.fresh("ruth")
    assert ruth.has_perm("crm.export")
    assert ruth.has_perm("crm.export_approver")
    assert not ruth.has_perm("crm.export_without_approval")
    assert ruth.has_perm("records.change_deal", c.deals["robs"])
    event = last_event("set.change")
    assert event.data["tools_added"] == ["crm.export", "crm.export_approver"]
    assert event.data["scopes"]["deal"]["to"]["change"] == EVERYTHING


def test_scopes_set_wider_than_view_are_narrowed_on_saving(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"/admin/accounts/permissionset/{c.sets['reader'].pk}/change/"
    posted = {"name": "Reader", "description": "", **grid(deal_view=1, deal_change=3)}
    posted |= opened(client, address)
    assert confirmed(client, address, posted).status_code == 302
    scope = ObjectScope.objects.get(permission_set=c.sets["reader"], object="deal")
    assert (scope.view, scope.change) == (OWNED, OWNED)


def test_forged_scope_or_tool_is_refused_and_nothing_is_lost(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    address = f"/admin/accounts/permissionset/{c.sets['reader'].pk}/change/"
    for forged in (
        {"scopes-deal-view": "9"},
        {"scopes-deal-view": ""},
        {"tools": ["crm.everything"]},
    ):
        posted = {"name": "Kept name", "description": "", **grid(deal_view=3), **forged}
        posted |= opened(client, address)
        answer = client.post(address, posted)
        assert answer.status_code == 200
        assert "Kept name" in answer.text
    assert PermissionSet.objects.get(pk=c.sets["reader"].pk).name == "Reader"


def test_person_is_added_with_set_and_teams_and_can_log_in(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    posted = {
        "first_name": "New",
        "last_name": "Person",
        "email": "New.Person@Example.com",
        "password": "quite a long one",
        "permission_set": c.sets["rep"].pk,
        "main_team": c.teams["south"].pk,
        "extra_teams": [c.teams["north_a"].pk],
    }
    assert client.post("/admin/accounts/user/add/", posted).status_code == 302
    person = User.objects.get(email="new.person@example.com")
    assert permitted(Deal.objects.all(), person, "view").filter(owner=c.rob).exists()
    assert Client().login(username="new.person@example.com", password="quite a long one")
    taken = client.post("/admin/accounts/user/add/", {**posted, "first_name": "Twin"})
    assert taken.status_code == 200
    assert "Another person logs in with this e-mail address" in taken.text
    assert 'value="Twin"' in taken.text


def test_steps_on_a_person_ask_first_and_work(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    base = f"/admin/accounts/user/{c.sue.pk}"
    assert client.get(f"{base}/demote/").status_code == 200
    assert c.fresh("sue").is_superuser
    assert client.post(f"{base}/demote/", {}).status_code == 200  # a set must be chosen
    assert c.fresh("sue").is_superuser
    confirmed(client, f"{base}/demote/", {"permission_set": c.sets["rep"].pk})
    assert not c.fresh("sue").is_superuser
    answer = client.post(f"/admin/accounts/user/{c.sam.pk}/deactivate/", follow=True)
    assert "Nobody deactivates themselves" in answer.text
    client.post(f"{base}/password/", {"password": "another long one"})
    assert Client().login(username="sue@example.com", password="another long one")
    client.post(f"{base}/deactivate/")
    assert not Client().login(username="sue@example.com", password="another long one")


def test_stage_rule_is_set_by_clicking(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"/admin/records/pipeline/{c.pipeline.pk}/rule/"
    posted = {
        "enabled": "on",
        "stages": [c.stages["open"].pk],
        "editors": "chosen",
        "users": [c.nora.pk],
    }
    assert client.post(address, {**posted, **opened(client, address)}).status_code == 302
    assert not allows(c.fresh("rita"), "change", c.deals["ritas"])
    assert allows(c.fresh("nora"), "change", c.deals["noras"])
    nothing = client.post(address, {"enabled": "on", "editors": "super_admins"})
    assert nothing.status_code == 200
    assert "Tick at least one stage" in nothing.text
    foreign = client.post(address, {**posted, "stages": [c.stages["vault"].pk]})
    assert foreign.status_code == 200
    rule = StageRule.objects.get(pipeline=c.pipeline)
    assert list(rule.stages.all()) == [c.stages["open"]]


def test_pipeline_with_stages_is_made_and_changed_by_clicking(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    management = {"stages-TOTAL_FORMS": "2", "stages-INITIAL_FORMS": "0"}
    posted = {
        "object": "deal",
        "name": "Partners",
        **management,
        "stages-0-name": "First",
        "stages-0-position": "1",
        "stages-0-outcome": "open",
        "stages-1-name": "Second",
        "stages-1-position": "2",
        "stages-1-outcome": "won",
    }
    assert client.post("/admin/records/pipeline/add/", posted).status_code == 302
    pipeline = Pipeline.objects.get(name="Partners")
    assert [stage.name for stage in pipeline.stages.all()] == ["First", "Second"]
    first, second = pipeline.stages.all()
    DealFactory(stage=first)
    posted = {
        "name": "Partners",
        "stages-TOTAL_FORMS": "2",
        "stages-INITIAL_FORMS": "2",
        "stages-0-id": first.pk,
        "stages-0-name": "First",
        "stages-0-position": "1",
        "stages-0-outcome": "open",
        "stages-0-DELETE": "on",
        "stages-1-id": second.pk,
        "stages-1-name": "Renamed",
        "stages-1-position": "2",
        "stages-1-outcome": "won",
    }
    posted |= opened(client, f"/admin/records/pipeline/{pipeline.pk}/change/")
    refused = client.post(f"/admin/records/pipeline/{pipeline.pk}/change/", posted)
    assert refused.status_code == 200
    assert "Renamed" in refused.text
    assert pipeline.stages.get(pk=second.pk).name == "Second"  # all or nothing
    del posted["stages-0-DELETE"]
    client.post(f"/admin/records/pipeline/{pipeline.pk}/change/", posted)
    assert pipeline.stages.get(pk=second.pk).name == "Renamed"


def test_every_change_of_people_and_sets_is_in_the_log(c: TinyCompany) -> None:
    made = operations.create_person(actor=c.sam, email="x@example.com", password=PASSWORD)
    operations.assign_set(made, actor=c.sam, permission_set=c.sets["rep"])
    operations.set_teams(made, actor=c.sam, main_team=c.teams["south"])
    operations.deactivate(made, actor=c.sam)
    operations.reactivate(made, actor=c.sam)
    actions = AuditEvent.objects.filter(object="user", object_id=made.pk).order_by("id")
    assert list(actions.values_list("action", flat=True)) == [
        "person.create",
        "person.assign_set",
        "person.set_teams",
        "person.deactivate",
        "person.reactivate",
    ]
    assert set(actions.values_list("actor", flat=True)) == {c.sam.pk}


def test_one_email_is_one_person_whatever_its_case(c: TinyCompany) -> None:
    with pytest.raises(InvalidChange):
        operations.create_person(actor=c.sam, email="RITA@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(email="Rita@Example.com")


def test_own_password_is_changed_logged_and_ends_other_sessions(c: TinyCompany) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        assert client.login(username="rita@example.com", password=PASSWORD)
    new = "a different long one"
    posted = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    wrong = {**posted, "old_password": "guessed"}
    assert here.post("/admin/password_change/", wrong).status_code == 200
    assert Client().login(username="rita@example.com", password=PASSWORD)
    assert here.post("/admin/password_change/", posted).status_code == 302
    assert here.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302
    assert Client().login(username="rita@example.com", password=new)
    assert last_event("person.change_own_password").actor == c.rita
