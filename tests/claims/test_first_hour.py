"""The first hour: from one super admin of an empty installation to an approved export."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts import access
from accounts.models import AuditEvent, PermissionSet, Team, User
from accounts.operations import NotAllowed, rewrite_reach, scopes_of
from crmperms import starter
from exports import worker
from exports.models import ExportPolicy, ExportRequest
from records.models import Contact, Deal, Pipeline, Stage
from tests.claims.test_odd_input import forms_of
from tests.support.company import TinyCompany
from tests.support.factories import PASSWORD, UserFactory

HOME, SET_UP = "/admin/", "/admin/set-up/"
EVERY_KEY = [each.key for each in starter.STARTERS]


@pytest.fixture
def boss(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The one person of an empty installation, logged in."""
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    command = ["createsuperuser", "--noinput", "--email", "boss@example.com"]
    call_command(*command, stdout=io.StringIO())
    return logged_in("boss@example.com")


def logged_in(email: str) -> Client:
    client = Client()
    answer = client.post("/admin/login/", {"username": email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def missing(client: Client) -> list[str]:
    """Return the titles that the check list leads on from, in order; none where it is absent."""
    page = client.get(HOME).text
    found = re.search(r'<section class="panel check-list".*?</section>', page, re.S)
    return re.findall(r'<div>\s*<a class="text-link"[^>]*>([^<]+)</a>', found[0]) if found else []


PIPELINES, SETS = "Pipelines for deals and tickets", "Permission sets"
TEAMS, PEOPLE, APPROVALS = "Teams", "Users", "Approvals for exports"


def test_check_list_is_ticked_by_what_is_there_and_disappears(boss: Client) -> None:
    assert missing(boss) == [PIPELINES, SETS, TEAMS, PEOPLE, APPROVALS]
    boss.post(SET_UP, {"chosen": EVERY_KEY})
    assert missing(boss) == [TEAMS, PEOPLE, APPROVALS]
    team = Team.objects.create(name="Sales")
    assert missing(boss) == [PEOPLE, APPROVALS]
    idle = UserFactory(email="idle@example.com")
    assert missing(boss) == [PEOPLE, APPROVALS]  # nobody's rights are no beginning
    User.objects.filter(pk=idle.pk).update(permission_set=PermissionSet.objects.get(name="Auditor"))
    assert missing(boss) == [APPROVALS]
    ExportPolicy.objects.update(require_approval=True)
    assert missing(boss) == []
    assert "check-list" not in boss.get(HOME).text
    team.delete()
    assert missing(boss) == [TEAMS]
    Stage.objects.filter(pipeline__object="ticket").delete()
    assert missing(boss) == [PIPELINES, TEAMS]  # a pipeline without stages takes no ticket


def test_only_super_admins_see_list_and_page(c: TinyCompany) -> None:
    for who, sees in (("sam", True), ("rita", False), ("mona", False), ("otto", False)):
        client = Client()
        client.force_login(c.people[who])
        assert ("check-list" in client.get(HOME).text) is sees, who
        assert client.get(SET_UP).status_code == (200 if sees else 403), who
        before = PermissionSet.objects.count()
        posted = client.post(SET_UP, {"chosen": ["set:Service agent"]})
        assert posted.status_code == (302 if sees else 403), who
        assert PermissionSet.objects.count() - before == (1 if sees else 0), who
    with pytest.raises(NotAllowed):
        starter.set_up(["set:Export approver"], actor=c.rita)
    assert not PermissionSet.objects.filter(name="Export approver").exists()
    assert Client().get(SET_UP).status_code == 302


def test_set_up_makes_what_is_ticked_once_as_the_person_who_pressed(boss: Client) -> None:
    assert len(re.findall(r'name="chosen"[^>]* checked', boss.get(SET_UP).text)) == len(EVERY_KEY)
    some = ["set:Sales rep", "pipeline:deal:Sales"]
    boss.post(SET_UP, {"chosen": some})
    assert list(PermissionSet.objects.values_list("name", flat=True)) == ["Sales rep"]
    stages = Stage.objects.filter(pipeline__object="deal").values_list("name", "outcome")
    assert list(stages)[-2:] == [("Won", "won"), ("Lost", "lost")]
    page = boss.get(SET_UP).text
    assert page.count("There already") == 2
    assert len(re.findall(r'name="chosen"[^>]* checked', page)) == len(EVERY_KEY) - 2
    again = boss.post(SET_UP, {"chosen": some}, follow=True).text
    assert "nothing was made" in again
    boss.post(SET_UP, {"chosen": EVERY_KEY})
    assert PermissionSet.objects.count() == len(starter.SETS)
    assert Pipeline.objects.count() == len(starter.PIPELINES)
    complete = boss.get(SET_UP).text
    assert ("All of this is there already" in complete, "Make what is" in complete) == (True, False)
    made = AuditEvent.objects.filter(action__in=("set.create", "pipeline.create", "stage.create"))
    assert made.count() == 6 + 2 + 9
    assert {event.actor.email for event in made if event.actor} == {"boss@example.com"}
    assert all(event.actor for event in made)


@pytest.mark.parametrize("chosen", [[], ["set:Emperor"], ["set:Auditor", "pipeline:deal:x"]])
def test_what_the_page_does_not_offer_makes_nothing(boss: Client, chosen: list[str]) -> None:
    answer = boss.post(SET_UP, {"chosen": chosen})
    assert (answer.status_code, "field-error" in answer.text) == (200, True)
    assert not PermissionSet.objects.exists()
    assert not AuditEvent.objects.filter(action="set.create").exists()


@pytest.mark.django_db(transaction=True)
def test_pressed_twice_at_once_it_makes_everything_once() -> None:
    boss = User.objects.create_superuser("boss@example.com", PASSWORD)

    def press(_: int) -> list[str]:
        try:
            return starter.set_up(EVERY_KEY, actor=boss)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as presses:
        made = list(presses.map(press, range(4)))
    assert sorted(len(names) for names in made) == [0, 0, 0, len(EVERY_KEY)]
    assert PermissionSet.objects.count() == len(starter.SETS)
    assert Stage.objects.count() == sum(len(each.stages) for each in starter.PIPELINES)
    assert AuditEvent.objects.filter(action="set.create").count() == len(starter.SETS)


# Who, action, what they reach of: (own, a colleague's in the team, unassigned, another team's).
REACH: list[tuple[str, str, tuple[int, int, int, int]]] = [
    ("Sales rep", "view", (1, 1, 1, 0)),
    ("Sales rep", "change", (1, 0, 0, 0)),
    ("Sales rep", "delete", (0, 0, 0, 0)),
    ("Sales manager", "view", (1, 1, 1, 0)),
    ("Sales manager", "change", (1, 1, 1, 0)),
    ("Sales manager", "delete", (1, 1, 1, 0)),
    ("Service agent", "view", (0, 0, 0, 0)),
    ("Read only", "view", (1, 1, 1, 1)),
    ("Read only", "change", (0, 0, 0, 0)),
    ("Export approver", "view", (1, 1, 1, 1)),
    ("Export approver", "change", (0, 0, 0, 0)),
    ("Auditor", "view", (0, 0, 0, 0)),
]


def test_starter_sets_reach_what_their_descriptions_say(boss: Client) -> None:
    boss.post(SET_UP, {"chosen": EVERY_KEY})
    team, other = Team.objects.create(name="North"), Team.objects.create(name="South")
    rewrite_reach()
    stage = Stage.objects.filter(pipeline__object="deal")[0]
    me, mate = UserFactory(team=team), UserFactory(team=team)
    stranger = UserFactory(team=other)
    deals = [
        Deal.objects.create(name="A deal", stage=stage, owner=owner)
        for owner in (me, mate, None, stranger)
    ]
    for name, action, expected in REACH:
        User.objects.filter(pk=me.pk).update(permission_set=PermissionSet.objects.get(name=name))
        now = User.objects.get(pk=me.pk)
        reached = tuple(int(access.allows(now, action, deal)) for deal in deals)
        assert (name, action, reached) == (name, action, expected)
    held = {each.name: set(each.tools.values_list("key", flat=True)) for each in sets()}
    assert held == {
        "Sales rep": {"crm.export"},
        "Sales manager": {"crm.export"},
        "Service agent": set(),
        "Read only": set(),
        "Export approver": {"crm.export_approver"},
        "Auditor": {"audit.view", "audit.view_exports"},
    }


def sets() -> Any:
    return PermissionSet.objects.prefetch_related("tools")


def test_starter_sets_say_nothing_that_is_cut_off(boss: Client) -> None:
    boss.post(SET_UP, {"chosen": EVERY_KEY})
    for each in starter.SETS:
        stored = scopes_of(PermissionSet.objects.get(name=each.name))
        for kind, scope in each.scopes.items():
            assert {name: stored[kind][name] for name in scope} == dict(scope), (each.name, kind)


# --- The whole hour -------------------------------------------------------------------------------


class Browser:
    """A person at a browser: reads a page, fills in what its form shows, presses one button."""

    def __init__(self, client: Client) -> None:
        self.client, self.requests = client, 0

    def reads(self, address: str) -> str:
        self.requests += 1
        answer = self.client.get(address)
        assert answer.status_code == 200, address
        return answer.text

    def sends(self, page: str, form: str = "", **typed: Any) -> str:
        """Send the form of a page whose address ends so, with these fields changed."""
        self.requests += 2
        found = [f for f in forms_of(self.client, page) if f[0].endswith(form or page)]
        address, fields, _ = found[0]
        posted = {**{name: values for name, values in fields.items() if values}, **typed}
        answer = self.client.post(address, posted, follow=True)
        assert answer.status_code == 200, address
        return answer.text


def test_first_hour_from_an_empty_installation_to_an_approved_export(boss: Client) -> None:
    sam = Browser(boss)
    assert "The first hour" in sam.reads(HOME)
    assert "Made: " in sam.sends(SET_UP)
    sam.sends("/admin/accounts/team/add/", name="Sales")
    team = Team.objects.get()
    for name, chosen in (("hanna", "Sales rep"), ("priya", "Export approver")):
        sam.sends(
            "/admin/accounts/user/add/",
            first_name=name.title(),
            email=f"{name}@example.com",
            password=PASSWORD,
            permission_set=PermissionSet.objects.get(name=chosen).pk,
            main_team=team.pk,
        )
    sam.sends("/admin/exports/exportpolicy/1/change/", require_approval="on", threshold="0")
    assert "check-list" not in sam.reads(HOME)

    hanna = Browser(logged_in("hanna@example.com"))
    stage = Stage.objects.get(pipeline__object="deal", name="Qualified")
    hanna.sends("/admin/records/deal/add/", name="Our first deal", stage=stage.pk)
    assert Deal.objects.get().owner == User.objects.get(email="hanna@example.com")
    new = "/admin/exports/exportrequest/new/deal/"
    priya = User.objects.get(email="priya@example.com")
    hanna.sends(new, step="columns")
    hanna.sends(new, step="request", approvers=priya.pk, message="For the fair.")
    export = ExportRequest.objects.get()
    assert export.status == "pending"

    panel = f"/admin/exports/exportrequest/?review={export.pk}"
    approver = Browser(logged_in("priya@example.com"))
    assert "Hanna" in approver.reads(HOME)
    approver.sends(panel, f"/{export.pk}/approve/")
    worker.run_once()
    file = hanna.client.post(f"/admin/exports/exportrequest/{export.pk}/download/")
    content = b"".join(file.streaming_content)  # type: ignore[attr-defined]  # a streaming answer
    assert (file.status_code, b"Our first deal" in content) == (200, True)
    export.refresh_from_db()
    assert export.decided_by == priya
    assert (sam.requests, hanna.requests, approver.requests) == (12, 6, 3)


# --- A required choice that has nothing to choose from --------------------------------------------


def test_adding_says_which_pipeline_is_missing_and_where_to_make_it(boss: Client) -> None:
    for kind, records in (("deal", "deals"), ("ticket", "tickets")):
        address = f"/admin/records/{kind}/add/"
        page = boss.get(address).text
        assert f"There is no pipeline for {records} yet. Create one first." in page
        assert 'href="/admin/records/pipeline/add/"' in page
        assert 'name="stage"' not in page
        assert "There is no pipeline" in boss.post(address, {"name": "x", "subject": "x"}).text
        empty = Pipeline.objects.create(object=kind, name="Empty")
        page = boss.get(address).text
        assert "The pipeline “Empty” has no stages yet. Complete it first." in page
        assert f'href="/admin/records/pipeline/{empty.pk}/change/"' in page
        rule = boss.get(f"/admin/records/pipeline/{empty.pk}/rule/").text
        assert "The pipeline “Empty” has no stages yet." in rule
        empty.stages.create(name="New")
        assert 'name="stage"' in boss.get(address).text
    assert Deal.objects.count() == 0


def test_whoever_may_not_make_a_pipeline_is_told_whom_to_ask(boss: Client) -> None:
    boss.post(SET_UP, {"chosen": ["set:Sales rep", "set:Auditor"]})
    rep = UserFactory(permission_set=PermissionSet.objects.get(name="Sales rep"))
    client = Client()
    client.force_login(rep)
    page = client.get("/admin/records/deal/add/").text
    assert "There is no pipeline for deals yet. Ask a super admin to do that." in page
    assert "/admin/records/pipeline/add/" not in page
    assert client.get("/admin/records/ticket/add/").status_code == 403  # not theirs to add anyway
    assert client.get("/admin/records/contact/add/").status_code == 200
    assert not Contact.objects.exists()


def test_taking_super_admin_away_needs_a_set_to_give_instead(boss: Client) -> None:
    other = UserFactory(is_superuser=True)
    address = f"/admin/accounts/user/{other.pk}/demote/"
    page = boss.get(address).text
    assert "There is no permission set yet" in page
    assert 'href="/admin/accounts/permissionset/add/"' in page
    boss.post(SET_UP, {"chosen": ["set:Auditor"]})
    assert 'name="permission_set"' in boss.get(address).text


def test_whoever_is_away_reads_that_nobody_else_could_decide(boss: Client) -> None:
    address, said = "/admin/exports/exportrequest/away/", "Nobody else may decide on exports yet."
    assert said in boss.get(address).text
    boss.post(SET_UP, {"chosen": ["set:Export approver"]})
    UserFactory(permission_set=PermissionSet.objects.get())
    assert said not in boss.get(address).text
