"""The policy as a file: shown, planned and applied as a whole, or refused in one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import operations, policy_file
from accounts.management.commands.policy_plan import Command as PlanCommand
from accounts.models import AuditEvent, ObjectScope, PermissionSet, Team, ToolGrant, User
from accounts.policy_file import Refused, Step
from accounts.policy_file.telling import steps_of
from exports.models import ExportPolicy
from records.models import Property, ScreenLimit, StageRule
from tests.support.company import TinyCompany
from tests.support.exports_process import racers
from tests.support.factories import PipelineFactory, StageFactory, UserFactory
from tests.support.policies import policies

Policy = dict[str, Any]
Edit = Callable[[Policy], Any]
SETS = "permission_sets"


def shown() -> Policy:
    """Return the policy that holds, as values."""
    policy: Policy = yaml.safe_load(policy_file.shown())
    return policy


def text(policy: Policy) -> str:
    # Through JSON: what stands in it twice is written twice, without a reference.
    written_out = json.loads(json.dumps(policy))
    return yaml.safe_dump(written_out, allow_unicode=True, sort_keys=False)


def edited(edit: Edit) -> str:
    """Return the policy that holds, with one edit."""
    policy = shown()
    edit(policy)
    return text(policy)


def planned(file: str) -> list[Step]:
    return steps_of(policy_file.plan(file))


def told(file: str) -> list[tuple[Any, ...]]:
    """Return what a plan of this file tells, without what it would call."""
    return [summary(step) for step in planned(file)]


def summary(step: Step) -> tuple[Any, ...]:
    return step.verb, step.what, step.differences, step.people, step.note


def written(folder: Path, file: str) -> str:
    path = folder / "policy.yaml"
    path.write_text(file, encoding="utf-8")
    return str(path)


def run(command: str, *arguments: str) -> tuple[int, str]:
    """Return how a command ended, and what it said."""
    out = StringIO()
    try:
        call_command(command, *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


# --- There and back -------------------------------------------------------------------------------


def test_policy_that_is_shown_changes_nothing_and_writes_no_event(c: TinyCompany) -> None:
    file, events = policy_file.shown(), AuditEvent.objects.count()
    assert planned(file) == []
    assert steps_of(policy_file.apply(file, actor=c.sam)) == []
    assert AuditEvent.objects.count() == events
    assert policy_file.shown() == file
    ids = {str(row.pk) for model in (PermissionSet, Team, User) for row in model.objects.all()}
    assert not ids & set(file.split()), "a file names everything by name"


MADE = int(os.environ.get("POLICIES", "6"))
"""How many pairs of policies are made up; POLICIES asks for more."""
PIPELINES = {"Sales": ["Open", "Signed", "Lost"], "Old: 1": ["no"]}
PEOPLE = ["left@example.com", "rita@example.com"]


def test_any_policy_comes_from_any_other_by_exactly_the_steps_that_were_planned(db: None) -> None:
    sam = UserFactory(email="sam@example.com", is_superuser=True)
    UserFactory(email="sue@example.com", is_superuser=True)
    UserFactory(email="rita@example.com")
    UserFactory(email="left@example.com", is_active=False)
    for name, stages in PIPELINES.items():
        pipeline = PipelineFactory(name=name)
        for position, stage in enumerate(stages):
            StageFactory(pipeline=pipeline, name=stage, position=position)

    @settings(
        max_examples=MADE, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(policies(PIPELINES, PEOPLE), min_size=2, max_size=2))
    def hold(both: list[Policy]) -> None:
        with transaction.atomic():
            for policy in both:
                come_to(policy, sam)
            transaction.set_rollback(True)

    hold()


def come_to(policy: Policy, actor: User) -> None:
    file, events = text(policy), AuditEvent.objects.count()
    plan = told(file)
    taken = steps_of(policy_file.apply(file, actor=actor))
    assert [summary(step) for step in taken] == plan
    assert AuditEvent.objects.count() - events == len(plan), "each step is one operation"
    assert shown() == policy
    assert planned(file) == planned(policy_file.shown()) == []


def test_more_rows_cost_no_more_queries(c: TinyCompany) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as few:
            assert planned(policy_file.shown()) == []
        return len(few)

    def rows(count: int) -> Edit:
        def edit(policy: Policy) -> None:
            for number in range(count):
                held = {"crm.export": True, "crm.deal.view": "team", "crm.workflows": ["view"]}
                policy[SETS][f"Set {number}"] = {"grants": held}
                policy["teams"][f"Team {number}"] = {"below": "South"}
            chosen = {"teams": ["North", "South"][:count], "people": PEOPLE_OF_C[:count]}
            rule = {"access": "chosen", "viewers": chosen}
            policy["fields"] = {"deal": dict.fromkeys(["amount", "product"][:count], rule)}
            policy["stage_rules"]["deal"]["Sales"] |= chosen

        return edit

    policy_file.apply(edited(rows(1)), actor=c.sam)
    before = queries()
    policy_file.apply(edited(rows(10)), actor=c.sam)
    assert queries() == before


PEOPLE_OF_C = ["mona@example.com", "rob@example.com", "sue@example.com"]


def test_text_is_the_same_whoever_laid_the_policy_down_first(c: TinyCompany) -> None:
    file = policy_file.shown()
    names = list(shown()["permission_sets"])
    assert names == sorted(names)
    # Other keys, another order of rows: the same file.
    Property.objects.all().delete()
    ObjectScope.objects.all().delete()
    policy_file.apply(file, actor=c.sam)
    assert policy_file.shown() == file


# --- What a plan tells, and what comes of it ------------------------------------------------------


def test_plan_names_every_difference_and_how_many_people_it_concerns(c: TinyCompany) -> None:
    def edit(policy: Policy) -> None:
        rep = policy[SETS]["Rep"]["grants"]
        rep["crm.deal.change"] = "team"
        rep["crm.deal.change.unassigned"] = True
        rep["crm.workflows"] = ["view", "edit"]
        del rep["crm.export"]
        policy[SETS]["Lead"] = {"grants": {"sales.forecast": {"view": "team"}}}
        policy["teams"]["East"] = {"below": "North"}
        policy["teams"]["South"] = {"below": "East"}

    file = edited(edit)
    steps = planned(file)
    assert [(step.verb, step.what, step.people) for step in steps] == [
        ("create", "Permission set “Lead”", 0),
        ("change", "Permission set “Rep”", 5),
        ("create", "Team “East”", None),
        ("change", "Team “South”", None),
    ]
    assert [(d.key, d.what, d.before, d.after) for d in steps[1].differences] == [
        ("crm.deal.change", "Edit of deals", "Owned only", "Team only, with unassigned ones"),
        ("crm.workflows:view", "Workflows: View", "off", "on"),
        ("crm.workflows:edit", "Workflows: Edit", "off", "on"),
        ("crm.export", "Export", "on", "off"),
    ]
    policy_file.apply(file, actor=c.sam)
    scope = c.sets["rep"].scopes.get(object="deal")
    assert (scope.change, scope.change_unassigned) == (2, True)
    assert Team.objects.get(name="South").parent == Team.objects.get(name="East")
    last = AuditEvent.objects.filter(action="set.change").latest("id")
    assert (last.actor, last.object_id) == (c.sam, str(c.sets["rep"].pk))


def test_only_active_people_are_counted(c: TinyCompany) -> None:
    file = edited(lambda policy: policy[SETS]["Everything"].update(description="All"))
    assert [step.people for step in planned(file)] == [1]  # Eve; Fred has left


def test_section_that_is_absent_is_left_alone_and_an_empty_one_takes_away(c: TinyCompany) -> None:
    assert planned("{}") == []
    assert told("stage_rules: {deal: {}}") == told("stage_rules: {}") != []
    policy_file.apply("stage_rules: {}\nfields: {}", actor=c.sam)
    assert not StageRule.objects.filter(enabled=True).exists()
    assert not Property.objects.filter(sensitive=True).exists()
    assert "Rep" in shown()["permission_sets"]


def test_setting_that_is_left_out_stays(c: TinyCompany) -> None:
    policy_file.apply("approvals: {threshold: 7}\nscreen_limit: {}", actor=c.sam)
    policy = ExportPolicy.objects.get()
    assert (policy.threshold, policy.lapse_days) == (7, 14)
    policy_file.apply("screen_limit: {values_a_day: 5}", actor=c.sam)
    assert ScreenLimit.objects.get().values_a_day == 5


def test_tree_is_turned_upside_down(c: TinyCompany) -> None:
    policy_file.apply(
        "teams: {North: {below: North A}, North A: {below: South}, South: {}}", actor=c.sam
    )
    assert shown()["teams"] == {
        "North": {"below": "North A"},
        "North A": {"below": "South"},
        "South": {},
    }


def test_team_that_a_rule_names_goes_once_the_file_names_it_no_more(c: TinyCompany) -> None:
    operations.create_team(actor=c.sam, name="Brief")
    policy_file.apply(
        edited(lambda p: p["stage_rules"]["deal"]["Sales"].update(teams=["Brief"])), actor=c.sam
    )

    def edit(policy: Policy) -> None:
        del policy["teams"]["Brief"]
        del policy["stage_rules"]["deal"]["Sales"]["teams"]

    file = edited(edit)
    assert [step.what for step in planned(file)] == [
        "Team “Brief”",
        "Stage rule of the deal pipeline “Sales”",
    ]
    policy_file.apply(file, actor=c.sam)
    assert not Team.objects.filter(name="Brief").exists()


def test_rule_may_name_a_team_that_comes_with_the_same_file(c: TinyCompany) -> None:
    def edit(policy: Policy) -> None:
        policy["teams"]["Night desk"] = {}
        policy["stage_rules"]["deal"]["Sales"]["teams"] = ["Night desk"]
        policy["fields"]["contact"]["phone"] = {
            "access": "chosen",
            "viewers": {"teams": ["Night desk"]},
        }

    policy_file.apply(edited(edit), actor=c.sam)
    assert [team.name for team in StageRule.objects.get(pk=c.rule.pk).teams.all()] == ["Night desk"]


def test_right_to_decide_may_go_from_one_set_to_another(c: TinyCompany) -> None:
    # Sam's own large exports need somebody else, and Mona's set alone lets anybody decide on them.
    ExportPolicy.objects.update(require_approval=True, second_person_above=10)
    User.objects.filter(pk=c.sue.pk).update(is_superuser=False)
    User.objects.filter(pk=c.axel.pk).update(permission_set=None)

    def taken(policy: Policy) -> None:
        del policy[SETS]["Manager"]["grants"]["crm.export_approver"]

    def moved(policy: Policy) -> None:
        policy[SETS]["Reader"]["grants"]["crm.export_approver"] = True
        taken(policy)

    with pytest.raises(Refused, match="After this change nobody could approve exports of Sam"):
        policy_file.apply(edited(taken), actor=c.sam)
    policy_file.apply(edited(moved), actor=c.sam)
    assert ToolGrant.objects.get(key="crm.export_approver", permission_set=c.sets["reader"])


def test_what_this_version_does_not_know_is_neither_shown_nor_touched(c: TinyCompany) -> None:
    rep = c.sets["rep"]
    ToolGrant.objects.create(permission_set=rep, key="crm.telepathy")
    ObjectScope.objects.create(permission_set=rep, object="unicorn", view=3)
    Property.objects.create(object="deal", name="gone", sensitive=True)
    file = policy_file.shown()
    assert not {"telepathy", "unicorn", "gone"} & set(file.replace(".", " ").split())
    assert planned(file) == []
    policy_file.apply(edited(lambda p: p[SETS]["Rep"].update(description="New")), actor=c.sam)
    assert rep.tools.filter(key="crm.telepathy").exists()
    assert rep.scopes.filter(object="unicorn").exists()


# --- All of it or nothing -------------------------------------------------------------------------


def everything() -> list[Any]:
    """Return what a policy writes; refusals are written beside it, whatever becomes of it."""
    tables = (PermissionSet, ObjectScope, ToolGrant, Team, Property, ExportPolicy)
    rows = [table.objects.all() for table in tables]
    done = AuditEvent.objects.exclude(result="refused")
    return [list(found.order_by("pk").values()) for found in (*rows, done)]


def much(policy: Policy) -> None:
    policy[SETS]["New"] = {"grants": {"crm.export": True}}
    policy[SETS]["Rep"]["grants"].pop("crm.export")
    policy["teams"]["New"] = {"below": "South"}
    policy["fields"]["deal"] = {"amount": {"access": "super_admins"}}
    policy["approvals"]["threshold"] = 5


@pytest.mark.parametrize(
    ("also", "said"),
    [
        (
            lambda policy: policy[SETS].pop("Reader"),
            "Permission set “Reader”, delete: 1 person has this set. Choose the set that they get "
            "instead. Nothing was applied.",
        ),
        (
            lambda policy: policy["teams"].pop("North A"),
            "Team “North A”, delete: This team still has members or teams below it. Move them "
            "first. Nothing was applied.",
        ),
    ],
    ids=["a set that people have", "a team with members"],
)
def test_last_step_that_is_refused_takes_all_others_back(
    c: TinyCompany, also: Edit, said: str
) -> None:
    before = everything()
    file = edited(lambda policy: (much(policy), also(policy)))
    [gone] = [step for step in planned(file) if step.verb == "delete"]
    assert "so this is refused until" in gone.note
    with pytest.raises(Refused) as refusal:
        policy_file.apply(file, actor=c.sam)
    assert str(refusal.value) == said
    assert everything() == before
    policy_file.apply(edited(much), actor=c.sam)
    assert Team.objects.filter(name="New").exists()
    assert everything() != before


def test_team_that_an_absent_section_names_is_not_deleted(c: TinyCompany) -> None:
    team = operations.create_team(actor=c.sam, name="Brief")
    c.rule.teams.add(team)
    file = edited(lambda policy: (policy["teams"].pop("Brief"), policy.pop("stage_rules")))
    before = everything()
    with pytest.raises(Refused, match="This team is still named in 1 stage rule"):
        policy_file.apply(file, actor=c.sam)
    assert everything() == before


def test_only_an_active_super_admin_applies_a_policy(c: TinyCompany, tmp_path: Path) -> None:
    file = written(tmp_path, edited(much))
    operations.deactivate(c.sue, actor=c.sam)
    before = everything()
    for email, why in {
        "eve@example.com": "Only a super admin may do this.",
        "sue@example.com": "Only a super admin may do this.",
        "none@example.com": "Nobody logs in as “none@example.com”.",
    }.items():
        code, said = run("policy_apply", file, f"--as={email}")
        assert (code, said.startswith(why)) == (1, True), email
    assert everything() == before
    refused = AuditEvent.objects.filter(action="policy.apply", result="refused").order_by("pk")
    assert [event.actor for event in refused] == [c.eve, c.sue]
    code, said = run("policy_apply", file, "--as", "SAM@example.com")
    assert code == 0
    assert said.splitlines()[0] == "Permission set “New” was created:"


@pytest.mark.django_db(transaction=True)
def test_of_two_files_at_once_the_second_holds_wholly(c: TinyCompany, tmp_path: Path) -> None:
    first = edited(lambda policy: policy[SETS].update(Lead={}))
    second = edited(lambda policy: policy[SETS].update(Lead={"description": "Leads"}))
    (tmp_path / "first").mkdir()
    with racers(
        ["apply_policy", written(tmp_path / "first", first), "sam@example.com", "hold"],
        ["apply_policy", written(tmp_path, second), "sue@example.com", ""],
    ) as (one, other):
        one.go()
        assert one.says() == "written"
        other.go()
        one.go()
        assert [one.says(), other.says()] == ["1 steps", "1 steps"]
    assert planned(second) == []
    if connection.vendor == "postgresql":
        # It waited, and planned by what the first had done.
        actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
        assert list(actions)[-2:] == ["set.create", "set.change"]


# --- The commands ---------------------------------------------------------------------------------


def test_commands_end_as_scripts_expect(c: TinyCompany, tmp_path: Path) -> None:
    code, file = run("policy_show")
    assert (code, file) == (0, policy_file.shown())
    same = written(tmp_path, file)
    assert run("policy_plan", same) == (0, "Nothing would change.\n")
    code, said = run("policy_apply", same, "--as", "sam@example.com")
    assert (code, said) == (0, "Nothing was changed: the account is as the file says.\n")
    other = written(tmp_path, edited(lambda policy: policy[SETS].pop("Reader")))
    code, said = run("policy_plan", other)
    assert code == 2
    assert said.splitlines() == [
        "Permission set “Reader” would be deleted (1 active person has it).",
        "  1 person has it, so this is refused until they have another one.",
    ]
    bad = written(tmp_path, "teams: {North: {above: South}}")
    assert run("policy_plan", bad)[0] == run("policy_plan", bad, "--json")[0] == 1
    assert run("policy_apply", bad, "--as", "sam@example.com")[0] == 1


def test_json_says_what_the_sentences_say(c: TinyCompany, tmp_path: Path) -> None:
    file = edited(lambda policy: policy[SETS]["Rep"]["grants"].pop("crm.export"))
    code, said = run("policy_plan", written(tmp_path, file), "--json")
    assert code == 2
    assert json.loads(said) == {
        "changes": True,
        "steps": [
            {
                "section": "permission_sets",
                "verb": "change",
                "what": "Permission set “Rep”",
                "people": 5,
                "note": "",
                "differences": [{"key": "crm.export", "what": "Export", "from": "on", "to": "off"}],
            }
        ],
    }
    code, said = run("policy_plan", written(tmp_path, policy_file.shown()), "--json")
    assert (code, json.loads(said)) == (0, {"changes": False, "steps": []})


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--yaml"]])
def test_plan_that_is_called_wrongly_does_not_end_as_one_with_changes(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        PlanCommand().run_from_argv(["manage.py", "policy_plan", *arguments])
    assert ended.value.code == 1
    with pytest.raises(SystemExit) as ended:
        PlanCommand().run_from_argv(["manage.py", "policy_plan", "--help"])
    assert ended.value.code == 0


def test_file_that_cannot_be_read_is_told(c: TinyCompany, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.yaml")
    assert run("policy_plan", absent) == (1, f"{absent} cannot be read: No such file or directory.")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("teams: {Süd: {}}".encode("latin-1"))
    assert run("policy_plan", str(latin)) == (
        1,
        f"{latin} is not text in UTF-8. Save it as UTF-8.",
    )
    with_mark = tmp_path / "mark.yaml"
    with_mark.write_bytes(policy_file.shown().encode("utf-8-sig"))
    assert run("policy_plan", str(with_mark))[0] == 0
