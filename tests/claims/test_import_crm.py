"""`manage.py import_crm`: a real sales organisation comes in whole, or not at all (R21, R109 a)."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import access
from accounts.models import AuditEvent, Membership, PermissionSet, Rank, Team, User
from records.history import owners_so_far
from records.importing import tables
from records.importing.logins import email_of
from records.models import Company, Deal, Pipeline, Stage, StageRule
from tests.support.factories import SetFactory, UserFactory

SAMPLE = Path(__file__).parents[1] / "data" / "crm-sample"
FULL = Path(__file__).parents[3] / "shared" / "data" / "crm-sales-opportunities"
ACCOUNTS, PIPELINE, PRODUCTS, TEAMS = (
    "accounts.csv",
    "sales_pipeline.csv",
    "products.csv",
    "sales_teams.csv",
)

pytestmark = pytest.mark.django_db


def run(folder: Path, *options: str) -> str:
    """Import and return the report."""
    out = StringIO()
    call_command("import_crm", str(folder), *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def rows(folder: Path, file: str) -> list[dict[str, str]]:
    with (folder / file).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def everything() -> list[object]:
    """All that an import writes: the rows, their versions, and the log."""
    return [
        *User.objects.order_by("pk").values(),
        *Membership.objects.order_by("pk").values(),
        *Team.objects.order_by("pk").values(),
        *PermissionSet.objects.order_by("pk").values(),
        *Pipeline.objects.order_by("pk").values(),
        *Stage.objects.order_by("pk").values(),
        *Company.objects.order_by("pk").values(),
        *Deal.objects.order_by("pk").values(),
        *AuditEvent.objects.order_by("pk").values(),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample, free to be changed."""
    return Path(shutil.copytree(SAMPLE, tmp_path / "crm"))


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Change the first place in a table where this stands."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def line_of(file: str, text: str) -> int:
    """Return the line of the sample in which this stands first."""
    lines = (SAMPLE / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def person(name: str) -> User:
    return User.objects.get(email=email_of(name))


def deal(external_id: str) -> Deal:
    return Deal.objects.get(source="maven", external_id=external_id)


# --- What comes in --------------------------------------------------------------------------------


def test_offices_are_parent_teams_and_each_manager_leads_a_team_below() -> None:
    run(SAMPLE)
    for row in rows(SAMPLE, TEAMS):
        manager, agent = person(row["manager"]), person(row["sales_agent"])
        team = manager.memberships.get().team
        assert team.parent is not None
        assert (team.parent.name, team.parent.parent) == (row["regional_office"], None)
        assert agent.memberships.get().team == team
        assert agent.memberships.get().is_main
        assert agent.get_full_name() == row["sales_agent"]
    assert Team.objects.filter(parent=None).count() == 2  # type: ignore[misc]  # Team's manager is its parent's


def test_log_ins_are_invented_from_the_names() -> None:
    assert email_of("Mei-Mei Johns") == "mei-mei.johns@crm.example"
    assert email_of("Zoë d’Évreux Ñandú") == "zoe.devreux.nandu@crm.example"
    assert email_of("李 明") == ""


def test_permission_sets_are_as_the_issue_says() -> None:
    run(SAMPLE)
    agent, manager = (PermissionSet.objects.get(name=name) for name in ("Agent", "Manager"))
    assert person("Anna Snelling").permission_set == agent
    assert person("Dustin Brinkmann").permission_set == manager
    for permission_set, edit in ((agent, Rank.OWNED), (manager, Rank.TEAM)):
        deals = permission_set.scopes.get(object="deal")
        assert (deals.view, deals.change, deals.delete) == (Rank.TEAM, edit, Rank.NONE)
        assert not deals.view_unassigned
        for other in ("contact", "company"):
            assert permission_set.scopes.get(object=other).view == Rank.EVERYTHING
    assert set(agent.tools.values_list("key", flat=True)) == {"crm.export"}
    assert set(manager.tools.values_list("key", flat=True)) == {
        "crm.export",
        "crm.export_approver",
    }


def test_pipeline_has_four_open_stages_in_order() -> None:
    run(SAMPLE)
    stages = Stage.objects.filter(pipeline__name="Sales").order_by("position")
    assert list(stages.values_list("name", "outcome")) == [
        ("Prospecting", "open"),
        ("Engaging", "open"),
        ("Won", "won"),
        ("Lost", "lost"),
    ]
    assert not StageRule.objects.exists()


def test_accounts_are_unassigned_companies_with_their_parents() -> None:
    run(SAMPLE)
    assert Company.objects.count() == len(rows(SAMPLE, ACCOUNTS))
    assert not Company.objects.exclude(owner=None, co_owner=None).exists()
    bluth = Company.objects.select_related("parent").get(name="Bluth Company")
    assert bluth.parent is not None
    assert bluth.parent.name == "Acme Corporation"
    assert (bluth.sector, bluth.country) == ("technology", "United States")
    assert (bluth.founded, bluth.revenue, bluth.employees) == (1993, Decimal("1242.32"), 3027)
    assert Company.objects.get(name="Bioholding").country == "Philippines"


def test_opportunities_are_deals_of_their_agents() -> None:
    run(SAMPLE)
    won = next(r for r in rows(SAMPLE, PIPELINE) if r["product"] == "GTXPro" and r["account"])
    found = deal(won["opportunity_id"])
    month, day, year = map(int, won["engage_date"].split("/"))
    assert found.owner == person(won["sales_agent"])
    assert found.company == Company.objects.get(name=won["account"])
    assert found.product == "GTX Pro"
    assert found.name == f"GTX Pro – {won['account']}"
    assert found.opened == date(year, month, day)
    assert found.stage.name == won["deal_stage"]
    assert found.created_by is None


def test_deal_without_account_is_named_by_its_id() -> None:
    run(SAMPLE)
    bare = next(r for r in rows(SAMPLE, PIPELINE) if not r["account"] and not r["close_value"])
    found = deal(bare["opportunity_id"])
    assert (found.company, found.amount, found.closed) == (None, None, None)
    assert found.name.endswith(f" – {bare['opportunity_id']}")


def assert_counts_hold_by_scope(folder: Path) -> None:
    """The super admin, every manager and every agent see exactly their share of the table."""
    sellers = {row["sales_agent"]: row["manager"] for row in rows(folder, TEAMS)}
    by_agent = Counter(row["sales_agent"] for row in rows(folder, PIPELINE))
    by_manager: Counter[str] = Counter()
    for agent, number in by_agent.items():
        by_manager[sellers[agent]] += number
    admin = UserFactory(email="admin@example.com", is_superuser=True)

    def reach(user: User, action: str) -> int:
        return access.permitted(Deal.objects.all(), user, action).count()

    assert reach(admin, "view") == by_agent.total()
    for agent, manager in sellers.items():
        who = person(agent)
        assert (agent, reach(who, "view"), reach(who, "change"), reach(who, "delete")) == (
            (agent, by_manager[manager], by_agent[agent], 0)
        )
    for manager in by_manager:
        who = person(manager)
        assert (manager, reach(who, "view"), reach(who, "change"), reach(who, "delete")) == (
            (manager, by_manager[manager], by_manager[manager], 0)
        )


def test_everybody_sees_exactly_their_share_of_the_sample() -> None:
    run(SAMPLE)
    assert_counts_hold_by_scope(SAMPLE)


def test_agent_without_a_deal_comes_in_and_is_named() -> None:
    assert "Mei-Mei Johns" in run(SAMPLE)
    assert not person("Mei-Mei Johns").owned_deals.exists()  # type: ignore[attr-defined]  # a reverse accessor


def test_people_cannot_log_in_unless_a_password_is_given() -> None:
    run(SAMPLE)
    assert not person("Anna Snelling").has_usable_password()


def test_given_password_works_for_everybody_and_is_hashed_once() -> None:
    run(SAMPLE, "--password", "a password for all")
    assert User.objects.values("password").distinct().count() == 1
    email = person("Dustin Brinkmann").email
    assert authenticate(username=email, password="a password for all") is not None
    assert authenticate(username=email, password="another one") is None


def test_organisation_comes_in_through_the_operations_as_a_named_system_actor() -> None:
    run(SAMPLE)
    events = AuditEvent.objects.all()
    assert set(events.values_list("system", flat=True)) == {"import_crm"}
    assert Counter(events.values_list("action", flat=True)) == {
        "team.create": 6,
        "set.create": 2,
        "person.create": 10,
        "pipeline.create": 1,
        "stage.create": 4,
        "import.run": 1,
    }
    assert events.get(action="import.run").data["created"]["deals"] == 300


# --- Dirt -----------------------------------------------------------------------------------------


def test_certain_values_are_repaired_and_doubtful_ones_kept_and_listed(folder: Path) -> None:
    replace(folder, PIPELINE, "MG Special", "MG Spezial")
    report = run(folder)
    assert "technolgy → technology (4 rows)" in report
    assert "Philipines → Philippines (1 row)" in report
    assert "GTXPro → GTX Pro (43 rows)" in report
    assert "“MG Spezial” is not in products.csv (1 row, line" in report
    assert "“Korea” is no one country we know" in report
    assert Deal.objects.filter(product="MG Spezial").count() == 1
    assert Company.objects.get(name="Hottechi").country == "Korea"


def test_bom_white_space_and_windows_line_ends_mean_nothing(folder: Path) -> None:
    for file in (ACCOUNTS, PIPELINE, PRODUCTS, TEAMS):
        text = (folder / file).read_text(encoding="utf-8").replace(",", " , ")
        (folder / file).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    run(folder)
    assert "nothing changed" in run(SAMPLE)


def test_limits_of_the_tables_are_those_of_the_models() -> None:
    lengths = {
        tables.NAME: [(Company, "name"), (Deal, "name")],
        tables.WORD: [
            (Company, "sector"),
            (Company, "country"),
            (Deal, "product"),
            (User, "first_name"),
            (User, "last_name"),
        ],
        tables.KEY: [(Deal, "external_id"), (Deal, "source")],
    }
    for length, fields in lengths.items():
        for model, name in fields:
            assert model._meta.get_field(name).max_length == length  # type: ignore[attr-defined,union-attr]  # text fields


# --- Again ----------------------------------------------------------------------------------------


def test_second_run_changes_nothing_and_says_so() -> None:
    run(SAMPLE, "--password", "a password for all")
    before = everything()
    assert run(SAMPLE).startswith("nothing changed")
    assert everything() == before


def test_what_changed_in_the_tables_changes_and_nothing_else(folder: Path) -> None:
    run(folder)
    won = next(r for r in rows(folder, PIPELINE) if r["deal_stage"] == "Won" and r["account"])
    before = deal(won["opportunity_id"])
    others = list(Deal.objects.exclude(pk=before.pk).order_by("pk").values())
    old = ",".join(won.values())
    replace(folder, PIPELINE, old, old.rpartition(",")[0] + ",99999")
    replace(folder, ACCOUNTS, "1100.04,2822", "1100.04,2823")

    report = run(folder)

    after = deal(won["opportunity_id"])
    assert (after.amount, after.version) == (Decimal(99999), before.version + 1)
    assert after.updated_at > before.updated_at
    assert (after.name, after.owner, after.stage) == (before.name, before.owner, before.stage)
    assert list(Deal.objects.exclude(pk=before.pk).order_by("pk").values()) == others
    acme = Company.objects.get(name="Acme Corporation")
    assert (acme.employees, acme.version) == (2823, 2)
    latest = AuditEvent.objects.order_by("-pk")[0]
    assert (latest.action, latest.data["changed"]["deals"]) == ("import.run", 1)
    assert "deals                   0        1        299" in report


def test_table_wins_in_its_columns_but_a_name_that_people_gave_stays(folder: Path) -> None:
    run(folder)
    won = next(r for r in rows(folder, PIPELINE) if r["deal_stage"] == "Won" and r["account"])
    changed = deal(won["opportunity_id"])
    other = person("Mei-Mei Johns")
    Deal.objects.filter(pk=changed.pk).update(name="Big one", amount=1, owner=other)
    run(folder)
    after = deal(won["opportunity_id"])
    assert after.name == "Big one"
    assert after.amount == Decimal(won["close_value"])
    assert after.owner == person(won["sales_agent"])
    (given,), earlier = owners_so_far(after, other)  # told on the record (E54)
    assert (given.changes, earlier) == ((("owner", str(other), str(after.owner)),), 0)


def test_name_follows_the_account_while_nobody_gave_another_one(folder: Path) -> None:
    run(folder)
    bare = next(r for r in rows(folder, PIPELINE) if not r["account"])
    replace(
        folder,
        PIPELINE,
        f"{bare['opportunity_id']},{bare['sales_agent']},{bare['product']},,",
        f"{bare['opportunity_id']},{bare['sales_agent']},{bare['product']},Cancity,",
    )
    run(folder)
    assert deal(bare["opportunity_id"]).name.endswith(" – Cancity")


def test_import_never_clears_an_owner(folder: Path) -> None:
    run(folder)
    row = rows(folder, PIPELINE)[0]
    replace(
        folder,
        PIPELINE,
        f"{row['opportunity_id']},{row['sales_agent']},",
        f"{row['opportunity_id']},,",
    )
    assert run(folder).startswith("nothing changed")
    assert deal(row["opportunity_id"]).owner == person(row["sales_agent"])
    run(folder, "--source", "elsewhere")
    new = Deal.objects.get(source="elsewhere", external_id=row["opportunity_id"])
    assert new.owner is None


def test_what_is_in_the_recycle_bin_stays_there_and_is_listed(folder: Path) -> None:
    run(folder)
    row = rows(folder, PIPELINE)[0]
    binned = deal(row["opportunity_id"])
    Deal.objects.filter(pk=binned.pk).update(deleted_at=timezone.now(), amount=7)
    Company.objects.filter(name="Cancity").update(deleted_at=timezone.now(), sector="x")
    report = run(folder)
    assert report.startswith("nothing changed")
    assert f"The deal {row['opportunity_id']} stays in the recycle bin." in report
    assert "The company Cancity stays in the recycle bin." in report
    assert deal(row["opportunity_id"]).amount == 7


def test_another_source_is_another_set_of_deals_of_the_same_people(folder: Path) -> None:
    run(folder)
    run(folder, "--source", "second")
    assert Counter(Deal.objects.values_list("source", flat=True)) == {"maven": 300, "second": 300}
    assert (User.objects.count(), Company.objects.count()) == (10, 20)


def test_people_and_sets_that_exist_keep_their_permissions() -> None:
    manager = SetFactory(name="Manager", scopes={"deal": {"view": Rank.OWNED}})
    own = SetFactory(name="Own", scopes={"deal": {"view": Rank.OWNED}})
    anna = UserFactory(email=email_of("Anna Snelling"), permission_set=own)
    report = run(SAMPLE, "--password", "a password for all")
    after = person("Anna Snelling")
    assert (after.permission_set, after.password) == (own, anna.password)
    assert not after.memberships.exists()
    assert manager.scopes.get(object="deal").view == Rank.OWNED
    assert f"{anna} keeps another permission set than Agent." in report
    assert f"{anna} stays outside Team Dustin Brinkmann." in report


def test_change_in_a_locked_stage_is_logged_on_the_record_with_its_reason(folder: Path) -> None:
    run(folder)
    won, lost = (
        next(r for r in rows(folder, PIPELINE) if r["deal_stage"] == stage)
        for stage in ("Won", "Lost")
    )
    for row in (won, lost):
        old = ",".join(row.values())
        replace(folder, PIPELINE, old, old.rpartition(",")[0] + ",99999")
    locked = Stage.objects.get(name="Won")
    rule = StageRule.objects.create(pipeline=locked.pipeline, enabled=True)
    rule.stages.set([locked])
    latest = AuditEvent.objects.order_by("-pk")[0].pk

    run(folder)

    record, whole = AuditEvent.objects.filter(pk__gt=latest).order_by("pk")
    assert (record.action, record.system) == ("deal.change", "import_crm")
    assert (record.object, record.object_id) == ("deal", str(deal(won["opportunity_id"]).pk))
    assert record.data == {"fields": ["amount"], "reason": "import_crm", "stage": locked.pk}
    assert (whole.action, whole.data["changed"]["deals"]) == ("import.run", 2)


# --- Broken tables --------------------------------------------------------------------------------

FIRST = "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value"
A_DEAL = rows(SAMPLE, PIPELINE)[5]
A_LINE = ",".join(A_DEAL.values())


def with_cell(column: str, value: str) -> Callable[[Path], None]:
    """Write something else into one cell of the seventh line of the pipeline."""
    line = ",".join((A_DEAL | {column: value}).values())
    return lambda folder: replace(folder, PIPELINE, A_LINE, line)


def with_bytes(file: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = (folder / file).read_bytes()
        assert old in data
        (folder / file).write_bytes(data.replace(old, new, 1))

    return change


def swapped(file: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: replace(folder, file, old, new)


def emptied(folder: Path) -> None:
    (folder / ACCOUNTS).write_bytes(b"")


def in_utf_16(folder: Path) -> None:
    text = (folder / TEAMS).read_text(encoding="utf-8")
    (folder / TEAMS).write_text(text, encoding="utf-16")


def only_heading(folder: Path) -> None:
    (folder / PIPELINE).write_text(f"{FIRST}\n", encoding="utf-8")


def repeated(file: str, line: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / file).read_text(encoding="utf-8").splitlines()
        (folder / file).write_text("\n".join([*lines, lines[line - 1], ""]), encoding="utf-8")

    return change


def gone(folder: Path) -> None:
    (folder / PRODUCTS).unlink()


BREAKAGES: dict[str, tuple[Callable[[Path], None], str, int, str]] = {
    "column missing": (swapped(PIPELINE, "close_value", "value"), PIPELINE, 1, "close_value"),
    "column twice": (
        swapped(PIPELINE, "product,account", "account,account,product"),
        PIPELINE,
        1,
        "account",
    ),
    "bad date": (with_cell("engage_date", "2/30/2017"), PIPELINE, 7, "engage_date"),
    "date in another order": (with_cell("engage_date", "2017-02-03"), PIPELINE, 7, "engage_date"),
    "unknown agent": (with_cell("sales_agent", "No Body"), PIPELINE, 7, "sales_agent"),
    "unknown account": (with_cell("account", "Nowhere"), PIPELINE, 7, "account"),
    "unknown stage": (with_cell("deal_stage", "Wun"), PIPELINE, 7, "deal_stage"),
    "no stage": (with_cell("deal_stage", ""), PIPELINE, 7, "deal_stage"),
    "no id": (with_cell("opportunity_id", ""), PIPELINE, 7, "opportunity_id"),
    "id too long": (with_cell("opportunity_id", "X" * 61), PIPELINE, 7, "opportunity_id"),
    "value not a number": (with_cell("close_value", "1o54"), PIPELINE, 7, "close_value"),
    "value not finite": (with_cell("close_value", "NaN"), PIPELINE, 7, "close_value"),
    "value too large": (with_cell("close_value", "9" * 13), PIPELINE, 7, "close_value"),
    "duplicate id": (repeated(PIPELINE, 7), PIPELINE, 302, "opportunity_id"),
    "cell missing": (
        swapped(PIPELINE, A_LINE, A_LINE.rpartition(",")[0]),
        PIPELINE,
        7,
        "close_value",
    ),
    "cell too many": (swapped(PIPELINE, A_LINE, f"{A_LINE},1"), PIPELINE, 7, "close_value"),
    "quotation mark left open": (
        swapped(PIPELINE, f",{A_DEAL['product']},", f',"{A_DEAL["product"]},'),
        PIPELINE,
        line_of(PIPELINE, f",{A_DEAL['product']},"),
        "product",
    ),
    "NUL": (
        with_bytes(PIPELINE, A_LINE.encode(), A_LINE.replace(",", ",\0", 1).encode()),
        PIPELINE,
        7,
        "sales_agent",
    ),
    "not UTF-8": (
        with_bytes(ACCOUNTS, b"Gekko & Co", b"Gekk\xf6 & Co"),
        ACCOUNTS,
        line_of(ACCOUNTS, "Gekko & Co"),
        "account",
    ),
    "UTF-16": (in_utf_16, TEAMS, 1, "sales_agent"),
    "empty file": (emptied, ACCOUNTS, 1, "account"),
    "heading alone": (only_heading, PIPELINE, 2, "opportunity_id"),
    "missing file": (gone, PRODUCTS, 0, ""),
    "account twice": (repeated(ACCOUNTS, 2), ACCOUNTS, 22, "account"),
    "employees not whole": (
        swapped(ACCOUNTS, "1100.04,2822", "1100.04,2822.5"),
        ACCOUNTS,
        2,
        "employees",
    ),
    "year not a year": (swapped(ACCOUNTS, ",1996,", ",199600,"), ACCOUNTS, 2, "year_established"),
    "unknown parent": (
        swapped(ACCOUNTS, "United States,\n", "United States,Nowhere\n"),
        ACCOUNTS,
        line_of(ACCOUNTS, "United States,"),
        "subsidiary_of",
    ),
    "parents in a circle": (
        swapped(
            ACCOUNTS, "1100.04,2822,United States,", "1100.04,2822,United States,Bluth Company"
        ),
        ACCOUNTS,
        2,
        "subsidiary_of",
    ),
    "agent twice": (repeated(TEAMS, 2), TEAMS, 8, "sales_agent"),
    "manager in two offices": (
        swapped(TEAMS, "Frase,Dustin Brinkmann,Central", "Frase,Dustin Brinkmann,West"),
        TEAMS,
        line_of(TEAMS, "Moses Frase"),
        "regional_office",
    ),
    "price not a number": (swapped(PRODUCTS, "4821", "four"), PRODUCTS, 3, "sales_price"),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_broken_table_stops_before_anything_is_written(breakage: str, folder: Path) -> None:
    damage, file, line, column = BREAKAGES[breakage]
    damage(folder)
    with pytest.raises(CommandError) as refusal:
        run(folder)
    place = f"{file}, line {line}, column {column}: " if line else f"{file}: "
    assert str(refusal.value).startswith(place)
    assert str(refusal.value).endswith("Nothing was imported.")
    assert everything() == []


def test_missing_folder_and_empty_names_are_sentences(tmp_path: Path) -> None:
    for arguments, words in (
        ([tmp_path / "no"], "There is no folder"),
        ([SAMPLE, "--source", ""], "Give the source a name"),
        ([SAMPLE, "--source", "s" * 61], "Give the source a name"),
        ([SAMPLE, "--password", ""], "The password is empty"),
    ):
        with pytest.raises(CommandError, match=words):
            run(arguments[0], *map(str, arguments[1:]))
    assert everything() == []


def test_agent_who_may_not_view_deals_stops_the_import_and_undoes_it() -> None:
    """E7: found only while writing, so that this shows the transaction too."""
    UserFactory(email=email_of("Anna Snelling"), permission_set=SetFactory())
    before = everything()
    with pytest.raises(CommandError) as refusal:
        run(SAMPLE)
    line = line_of(PIPELINE, "Anna Snelling")
    assert str(refusal.value).startswith(f"{PIPELINE}, line {line}, column sales_agent: Anna")
    assert everything() == before


def test_deactivated_agent_keeps_deals_but_gets_no_new_ones() -> None:
    run(SAMPLE)
    User.objects.filter(pk=person("Anna Snelling").pk).update(is_active=False)
    assert run(SAMPLE).startswith("nothing changed")
    with pytest.raises(CommandError, match="Anna Snelling may not view deals, or is deactivated"):
        run(SAMPLE, "--source", "second")


# --- The whole data set ---------------------------------------------------------------------------


@pytest.fixture
def full() -> Path:
    if not FULL.is_dir():
        words = f"The full data set is not at {FULL}; the committed sample is tested instead."
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return FULL


def test_true_counts_of_the_full_data_set_hold_for_everybody(full: Path) -> None:
    run(full)
    assert_counts_hold_by_scope(full)
    by_manager = Counter(Deal.objects.values_list("owner__memberships__team__name", flat=True))
    assert by_manager == {
        "Team Melvin Marxen": 1929,
        "Team Summer Sewald": 1701,
        "Team Dustin Brinkmann": 1583,
        "Team Rocco Neubert": 1327,
        "Team Celia Rouche": 1296,
        "Team Cara Losch": 964,
    }
    offices = Deal.objects.values_list("owner__memberships__team__parent__name", flat=True)
    assert Counter(offices) == {"Central": 3512, "West": 2997, "East": 2291}
    assert Counter(Deal.objects.values_list("stage__name", flat=True)) == {
        "Won": 4238,
        "Lost": 2473,
        "Engaging": 1589,
        "Prospecting": 500,
    }
    assert Deal.objects.filter(company=None).count() == 1425
    assert Deal.objects.filter(amount=None).count() == 2089
    assert Deal.objects.filter(owner=person("Darcel Schlecht")).count() == 747
    assert run(full).startswith("nothing changed")
