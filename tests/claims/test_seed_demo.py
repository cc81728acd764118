"""`manage.py seed_demo`: a company in which everything can be tried, and which guards itself."""

import csv
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import access, policy_file
from accounts.models import AuditEvent, Membership, Team, User
from crmperms.demo.card import card
from crmperms.demo.cast import CAST, PASSWORD
from crmperms.demo.reset import database_name
from crmperms.demo.world import World
from exports import operations as exports
from exports.models import ExportPolicy, ExportRequest
from exports.writers.files import MARKER
from records.models import Company, Contact, Deal, Record, Stage, StageRule, Ticket
from tests.support.factories import CompanyFactory, TeamFactory, UserFactory
from tests.support.laid_down import laid_down

BASE = Path(__file__).parents[2]
KINDS: tuple[type[Record], ...] = (Contact, Company, Deal, Ticket)


def run(*options: str) -> str:
    """Run the command and return what it printed."""
    out = StringIO()
    call_command("seed_demo", *options, stdout=out)
    return out.getvalue()


def files_in(folder: Path) -> set[str]:
    """Return the names of the files in a folder, the one that marks it as ours apart."""
    return {path.name for path in folder.iterdir()} - {MARKER}


def who(key: str) -> User:
    return User.objects.get(email=f"{key}@demo.example")


def sees(user: User, model: type[Record], action: str = "view") -> int:
    return access.permitted(model._base_manager.all(), user, action).count()


@pytest.fixture
def demo(db: None) -> str:
    """The demo company without its files; what the command printed."""
    return laid_down(run)


# --- The company ----------------------------------------------------------------------------------


def test_every_role_can_log_in_with_the_password_on_the_card(demo: str) -> None:
    assert PASSWORD in demo
    for part in CAST:
        user = authenticate(username=part.email, password=PASSWORD)
        assert user == who(part.key)
        assert user.get_full_name() == part.name
        if part.to_try:
            assert part.email in demo
    assert User.objects.values("password").distinct().count() == 1


def test_its_policy_as_a_file_changes_nothing(demo: str) -> None:
    file, events = policy_file.shown(), AuditEvent.objects.count()
    assert file.count("\n") > 100
    assert [steps for _, steps in policy_file.apply(file, actor=who("admin")) if steps] == []
    assert (policy_file.shown(), AuditEvent.objects.count()) == (file, events)


def test_every_role_holds_what_its_name_says(demo: str) -> None:
    tools = {
        "admin": {"export", "export_approver", "export_without_approval"},
        "admin2": {"export", "export_approver", "export_without_approval"},
        "manager": {"export"},
        "rep": {"export"},
        "approver": {"export_approver"},
        "exempt": {"export", "export_without_approval"},
        "auditor": set(),
        "readonly": set(),
    }
    for key, held in tools.items():
        user = who(key)
        for tool in ("export", "export_approver", "export_without_approval"):
            assert (key, tool, user.has_perm(f"crm.{tool}")) == (key, tool, tool in held)
        assert user.is_superuser == key.startswith("admin")
    auditor = who("auditor")
    assert auditor.has_perm("audit.view")
    assert auditor.has_perm("audit.view_exports")
    assert [sees(auditor, model) for model in KINDS] == [0, 0, 0, 0]
    assert all(sees(who("readonly"), model) == model._base_manager.count() for model in KINDS)
    assert not any(sees(who("readonly"), model, "change") for model in KINDS)


def test_teams_have_two_levels_and_people_are_in_two_one_and_none(demo: str) -> None:
    below = Team._base_manager.exclude(parent=None)
    assert {team.parent.name for team in below if team.parent} == {"Sales", "Service"}
    assert not below.filter(children__isnull=False).exists()
    teams = Counter(Membership.objects.values_list("user__email", flat=True))
    assert (teams["twoteams@demo.example"], teams["noteam@demo.example"]) == (2, 0)
    # In two teams: sees the deals of both. In none: only her own, and what nobody owns.
    assert sees(who("twoteams"), Deal) > sees(who("rep"), Deal) > sees(who("noteam"), Deal) > 0


def test_a_few_hundred_records_are_owned_co_owned_and_unassigned(demo: str) -> None:
    assert [model._base_manager.count() for model in KINDS] == [140, 40, 150, 60]
    for model in KINDS:
        rows = model._base_manager.all()
        assert rows.filter(owner=None, co_owner=None).exists()
        assert rows.exclude(co_owner=None).exists()
        assert rows.filter(co_owner=None).exclude(owner=None).exists()
    assert not Contact.objects.filter(phone="").exists()
    assert Company.objects.exclude(parent=None).exists()


def test_demo_companies_are_alike_on_whatever_day_they_are_made() -> None:
    stages = {"deal": [Stage(name="One"), Stage(name="Two", outcome="won")], "ticket": [Stage()]}

    def names(today: date) -> list[object]:
        world = World({}, stages, today)
        companies = list(world.companies())
        contacts = list(world.contacts(companies))
        return [
            *((company.name, company.revenue, company.founded) for company in companies),
            *((contact.email, contact.phone) for contact in contacts),
            *((deal.name, deal.amount) for deal in world.deals(contacts)),
            *(ticket.subject for ticket in world.tickets(contacts)),
        ]

    assert names(date(2025, 1, 1)) == names(date(2031, 7, 30))


def test_two_pipelines_each_have_a_locked_stage(demo: str) -> None:
    closed = StageRule.objects.get(pipeline__name="New business")
    chosen = StageRule.objects.get(pipeline__name="Renewals")
    assert (closed.enabled, closed.editors) == (True, "super_admins")
    assert (chosen.enabled, chosen.editors) == (True, "chosen")
    assert [user.email for user in chosen.users.all()] == ["manager@demo.example"]
    assert [team.name for team in chosen.teams.all()] == ["Sales South"]
    for key, signed, approval in (
        ("admin", True, True),
        ("manager", False, True),
        ("south", False, True),
        ("rep", False, False),
    ):
        user = who(key)
        mine = Deal.objects.permitted(user, "change")
        seen = Deal.objects.permitted(user, "view")
        for stage, may in (("Signed", signed), ("Price approval", approval)):
            there = seen.filter(stage__name=stage)
            assert there.exists()
            assert (key, stage, mine.filter(stage__name=stage).exists()) == (key, stage, may)


def test_exports_stand_in_the_states_people_ask_about(db: None, export_root: Path) -> None:
    run()
    policy = ExportPolicy.objects.get()
    assert (policy.require_approval, policy.threshold) == (True, 100)
    found = {export.status: export for export in ExportRequest.objects.all()}
    assert {status: export.requester.email for status, export in found.items()} == {
        "completed": "manager@demo.example",
        "rejected": "south@demo.example",
        "recalled": "twoteams@demo.example",
        "pending": "rep@demo.example",
    }
    completed, pending = found["completed"], found["pending"]
    assert (completed.approval_needed, completed.decided_by) == (True, who("approver"))
    assert completed.record_count > policy.threshold
    with (export_root / completed.file_name).open(encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == completed.record_count + 1
    assert found["rejected"].decision_note != ""
    assert (pending.has_sensitive, pending.message != "") == (True, True)
    assert set(pending.notified.all()) == {who("approver"), who("admin")}


def test_pending_export_can_be_decided_by_whom_the_card_names(demo: str) -> None:
    pending = ExportRequest.objects.get(status="pending")
    exports.approve(pending, actor=who("approver"), version=pending.version)
    assert pending.status == "approved"


def test_reps_own_view_of_deals_runs_without_consent(demo: str) -> None:
    export = exports.request_export(actor=who("rep"), model=Deal)
    assert (export.approval_needed, export.status) == (False, "approved")
    assert 0 < export.record_count <= 100


def test_log_tells_how_the_company_came_to_be(demo: str) -> None:
    events = Counter(AuditEvent.objects.values_list("action", flat=True))
    assert events["person.create"] == len(CAST)
    assert (events["team.create"], events["set.create"]) == (5, 8)
    for model in KINDS:
        assert events[f"{model.object_key}.create"] == model._base_manager.count()
    for action in ("approve", "reject", "recall", "claim", "finish"):
        assert events[f"export.{action}"] == 1
    assert events["export.request"] == 4
    seeded = AuditEvent.objects.get(action="demo.seed")
    assert (seeded.system, seeded.data["deals"]) == ("seed_demo", 150)
    by = AuditEvent.objects.filter(action="deal.change").values_list("actor__email", flat=True)
    assert set(by) == {"rep@demo.example", "manager@demo.example"}


def test_card_fits_one_small_screen() -> None:
    lines = card().splitlines()
    assert len(lines) <= 14  # 24, less what `make run` says around it
    assert max(map(len, lines)) <= 80
    assert card().count(PASSWORD) == 1


# --- Its guards -----------------------------------------------------------------------------------


def snapshot() -> list[object]:
    models = (User, Team, Deal, Contact, ExportRequest, AuditEvent)
    return [row for model in models for row in model._base_manager.order_by("pk").values()]


def test_second_run_changes_nothing_and_says_so(demo: str) -> None:
    before = snapshot()
    assert run().startswith("nothing changed")
    assert run("--once").startswith("nothing changed")
    assert snapshot() == before


def test_card_is_shown_alone_and_only_where_there_is_a_company(db: None) -> None:
    with pytest.raises(CommandError, match="There is no demo company"):
        run("--card")
    assert not User.objects.exists()
    run("--once")
    assert run("--card").strip() == card()


@pytest.mark.parametrize("debug", [True, False])
def test_database_of_other_people_is_refused_whatever_debug(
    db: None, settings: pytest.FixtureRequest, debug: bool
) -> None:
    settings.DEBUG = debug  # type: ignore[attr-defined]  # pytest-django's settings
    UserFactory(email="somebody@example.com")
    before = snapshot()
    with pytest.raises(CommandError, match="people, or work of people, that the demo company"):
        run()
    with pytest.raises(CommandError, match="Nothing was reset"):
        run("--reset", database_name())
    assert len(run("--once").strip().splitlines()) == 1
    assert snapshot() == before


def test_demo_addresses_alone_do_not_make_a_demo_company(db: None) -> None:
    UserFactory(email="rep@demo.example")
    with pytest.raises(CommandError):
        run()


@pytest.mark.parametrize("make", [TeamFactory, CompanyFactory])
def test_what_people_left_behind_is_refused_too(db: None, make: Callable[[], object]) -> None:
    make()
    with pytest.raises(CommandError):
        run()


def test_demo_company_with_other_people_in_it_is_not_touched_any_more(demo: str) -> None:
    UserFactory(email="colleague@example.com")
    before = snapshot()
    with pytest.raises(CommandError):
        run()
    with pytest.raises(CommandError, match="Nothing was reset"):
        run("--reset", database_name())
    assert snapshot() == before
    assert PASSWORD in run("--card")


def test_reset_wants_the_name_of_this_very_database(demo: str) -> None:
    before = snapshot()
    for name in ("", "yes", f"{database_name()}x", str(connection.settings_dict["HOST"])):
        with pytest.raises(CommandError, match="Nothing was reset"):
            run("--reset", name)
    with pytest.raises(CommandError, match="stands alone"):
        run("--reset", database_name(), "--once")
    assert snapshot() == before


# --- Starting over, on a real database ------------------------------------------------------------


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database of the kind the suite runs on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'scratch.sqlite3'}"
        return
    server, name = os.environ["DATABASE_URL"], f"scratch_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def manage(scratch: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `manage.py` on the scratch database."""
    given = {
        "DATABASE_URL": scratch,
        "EXPORT_ROOT": str(tmp_path / "files"),
        "SECRET_KEY": "for-tests-only",
    }

    def command(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE,
            env=os.environ | given,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


def test_reset_makes_a_new_demo_company_and_is_refused_while_the_file_is_open(
    manage: Callable[..., subprocess.CompletedProcess[str]], scratch: str, tmp_path: Path
) -> None:
    name = Path(urlsplit(scratch).path).name
    early = manage("seed_demo")
    assert (early.returncode, "manage.py migrate first" in early.stderr) == (1, True)
    assert manage("seed_demo", "--reset", name).returncode == 0  # also where nothing is yet

    used = manage(
        "shell",
        text="from accounts.models import *; from records.models import *\n"
        "User.objects.filter(email='rep@demo.example').update(first_name='Changed')\n"
        "Deal.objects.update(amount=1)\n",
    )
    assert used.returncode == 0, used.stderr
    files = files_in(tmp_path / "files")
    assert len(files) == 1
    unrelated = tmp_path / "files" / "notes.txt"
    unrelated.write_text("kept")

    again = manage("seed_demo", "--reset", name)
    assert (again.returncode, again.stderr) == (0, "")
    assert "Hanna Lind" in again.stdout
    left = files_in(tmp_path / "files")
    assert len(left) == 2
    assert not left & files
    assert unrelated.read_text() == "kept"

    asked = manage(
        "shell",
        text="from accounts.models import *; from records.models import *\n"
        "print(User.objects.filter(first_name='Changed').count(),"
        " Deal.objects.filter(amount=1).count(), AuditEvent.objects.filter(action='demo.seed')"
        ".count(), Notice.objects.exists())\n",
    )
    assert asked.stdout.split()[-4:] == ["0", "0", "1", "True"]
    second = manage("seed_demo")
    assert (second.returncode, second.stdout[:15]) == (0, "nothing changed")

    if connection.vendor == "sqlite":  # on PostgreSQL a reset drops the schema, not a file
        refuse_while_another_program_has_the_file_open(manage, tmp_path)


def refuse_while_another_program_has_the_file_open(
    manage: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "scratch.sqlite3")
    other.execute("SELECT count(*) FROM accounts_user").fetchone()
    # The new file is its owner's alone, like the one before, and so are those beside it.
    made = list(tmp_path.glob("scratch.sqlite3*"))
    assert len(made) > 1 and all(path.stat().st_mode & 0o777 == 0o600 for path in made)
    refused = manage("seed_demo", "--reset", "scratch.sqlite3")
    assert refused.returncode == 1
    assert "Another program has the database open" in refused.stderr
    assert other.execute("SELECT count(*) FROM accounts_user").fetchone() == (len(CAST),)
    other.close()
