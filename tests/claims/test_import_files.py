"""Files as spreadsheets, copies and full disks leave them: read, or refused by their true cause.

Beside each refusal stands the same table read well, so that it is refused for what is said.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from records.importing import writing
from records.importing.logins import email_of, numbered
from records.models import Company, Deal

TABLES = {
    "accounts.csv": (
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of",
        "North Mill,retail,1996,10.5,20,Norway,",
    ),
    "products.csv": ("product,series,sales_price", "Alpha,A,100"),
    "sales_teams.csv": ("sales_agent,manager,regional_office", "Ada Berg,Max Moor,Central"),
    "sales_pipeline.csv": (
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value",
        "T1,Ada Berg,Alpha,North Mill,Won,10/20/2016,3/1/2017,1052",
    ),
}
HEADS = {file: f"{lines[0]}\n" for file, lines in TABLES.items()}
WHOLE = {file: "\n".join([*lines, ""]) for file, lines in TABLES.items()}
ACCOUNTS, PIPELINE, TEAMS = "accounts.csv", "sales_pipeline.csv", "sales_teams.csv"

pytestmark = pytest.mark.django_db


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., str]:
    """Import the small tables, with what is given instead of some of them."""

    def done(instead: dict[str, str | bytes] | None = None) -> str:
        for file, text in (WHOLE | (instead or {})).items():
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / file).write_bytes(data)
        out = StringIO()
        call_command("import_crm", str(tmp_path), stdout=out, stderr=StringIO())
        return out.getvalue()

    return done


def nothing() -> bool:
    return not any(m._base_manager.exists() for m in (User, Company, Deal, AuditEvent))


# --- Read -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    {
        "rows of only commas": f"{WHOLE[ACCOUNTS]},,,,,,\n,,,,,,\n",
        "rows of commas and blanks between": WHOLE[ACCOUNTS].replace(
            "\n", "\n , ,\u00a0,,,,\n\n,\n"
        ),
        "rows of only commas above": f",,,,,,\n\n{WHOLE[ACCOUNTS]}",
        "empty columns on the right": WHOLE[ACCOUNTS].replace("\n", ",,\n"),
        "empty cells on the right": WHOLE[ACCOUNTS].replace("Norway,\n", "Norway,,,\n"),
        "semicolons": WHOLE[ACCOUNTS].replace(",", ";"),
        "tabs": WHOLE[ACCOUNTS].replace(",", "\t"),
        "bars": WHOLE[ACCOUNTS].replace(",", "|"),
        "semicolons, announced": "sep=;\r\n" + WHOLE[ACCOUNTS].replace(",", ";"),
        "tabs, announced": "sep=\t\n" + WHOLE[ACCOUNTS].replace(",", "\t"),
        "announced in quotation marks": '"sep=;"\n' + WHOLE[ACCOUNTS].replace(",", ";"),
        "commas, announced": f"SEP=,\n{WHOLE[ACCOUNTS]}",
        "with a byte order mark, announced": b"\xef\xbb\xbfsep=,\n" + WHOLE[ACCOUNTS].encode(),
        "ends of an old Mac": WHOLE[ACCOUNTS].replace("\n", "\r"),
        "ends of Windows": WHOLE[ACCOUNTS].replace("\n", "\r\n"),
        "semicolons, and commas in a value": WHOLE[ACCOUNTS]
        .replace(",", ";")
        .replace("retail", "retail, food, and more, and more"),
        "a column of no interest with a very long cell": WHOLE[ACCOUNTS]
        .replace("subsidiary_of\n", "subsidiary_of,notes\n")
        .replace("Norway,\n", f"Norway,,{'n' * 200_000}\n"),
    }.items(),
    ids=lambda named: named[0],
)
def test_habits_of_spreadsheets_mean_nothing(
    load: Callable[..., str], written: tuple[str, str | bytes]
) -> None:
    report = load({ACCOUNTS: written[1]})
    assert "companies               1        0          0" in report
    company = Company.objects.get()
    assert (company.name, company.employees, company.country) == ("North Mill", 20, "Norway")
    assert Deal.objects.get().company == company


# --- Refused --------------------------------------------------------------------------------------

SEMICOLONS = WHOLE[ACCOUNTS].replace(",", ";")
REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "cut off in its last cell": (PIPELINE, WHOLE[PIPELINE][:-3], "line 2.*no end.*cut off"),
    "cut off before its last line end": (PIPELINE, WHOLE[PIPELINE][:-1], "line 2.*no end"),
    "cut off in a row of commas": (ACCOUNTS, f"{WHOLE[ACCOUNTS]},,,", "line 3.*no end"),
    "cut off in its heading": (TEAMS, "sales_agent,mana", "line 1, column manager: .*no end"),
    "heading without an end": (TEAMS, HEADS[TEAMS][:-1], "line 1.*no end"),
    "cut off in a quoted cell": (
        PIPELINE,
        WHOLE[PIPELINE].replace("Alpha,North Mill,Won", 'Alpha,"North Mi').partition("Mi")[0],
        "line 2, column account: .*no end",
    ),
    "cut off in a quoted cell at the end of a line": (
        PIPELINE,
        WHOLE[PIPELINE].partition("North Mill")[0] + '"North\n',
        "line 2, column account: a quotation mark opens here and is never closed.*cut off",
    ),
    "cut off in a letter": (
        TEAMS,
        WHOLE[TEAMS].replace("Central", "Østre").encode().partition(b"\x98")[0],
        "line 2, column regional_office: .*middle of a letter.*cut off",
    ),
    "fewer cells in the last row": (
        PIPELINE,
        WHOLE[PIPELINE].replace(",3/1/2017,1052", ""),
        "line 2, column close_date: the row ends before this column; it has 6 cells of 8",
    ),
    "empty": (TEAMS, "", "line 1, column sales_agent: the file is empty"),
    "only blanks": (TEAMS, " \n\r\n", "line 1, column sales_agent: the file is empty"),
    "only rows of commas": (TEAMS, ",,\n,,\n", "only empty rows; the file needs the columns sales"),
    "only a heading": (TEAMS, HEADS[TEAMS], "line 2, column sales_agent: there is no row below"),
    "only a heading and rows of commas": (TEAMS, f"{HEADS[TEAMS]},,\n", "there is no row below"),
    "zero bytes": (TEAMS, WHOLE[TEAMS].replace("Max", "M\0x"), "line 2, column manager: .*U.0000"),
    "zero bytes where its end was": (TEAMS, f"{WHOLE[TEAMS]}\0\0\0", "line 3.*U.0000"),
    "UTF-16 with a mark": (TEAMS, WHOLE[TEAMS].encode("utf-16"), "line 1.*UTF-16.*in UTF-8"),
    "UTF-16 without a mark": (TEAMS, WHOLE[TEAMS].encode("utf-16-le"), "line 1.*UTF-16"),
    "big-endian UTF-16": (TEAMS, WHOLE[TEAMS].encode("utf-16-be"), "line 1.*UTF-16"),
    "UTF-32": (TEAMS, WHOLE[TEAMS].encode("utf-32"), "line 1.*UTF-32"),
    "two byte order marks": (TEAMS, f"\ufeff\ufeff{WHOLE[TEAMS]}", "line 1.*U.FEFF"),
    "another separator": (
        ACCOUNTS,
        WHOLE[ACCOUNTS].replace(",", "^"),
        r"line 1.*one cell, “account\^sector.*a comma or a semicolon or a tab",
    ),
    "another separator, announced": (
        ACCOUNTS,
        "sep=^\n" + WHOLE[ACCOUNTS].replace(",", "^"),
        r"line 1: the first line says that “\^” separates the columns; it can be a comma",
    ),
    "announced as another one than it is": (
        ACCOUNTS,
        f"sep=,\n{SEMICOLONS}",
        "line 2, column account: the first line says that a comma .*in the heading it is a semicol",
    ),
    "heading with commas, rows with semicolons": (
        ACCOUNTS,
        HEADS[ACCOUNTS] + SEMICOLONS.partition("\n")[2],
        "line 2, column sector: .*1 cell of 7, where a comma separates the columns",
    ),
    "heading with semicolons, rows with commas": (
        ACCOUNTS,
        SEMICOLONS.partition("\n")[0] + "\n" + WHOLE[ACCOUNTS].partition("\n")[2],
        "line 2, column sector: .*1 cell of 7, where a semicolon separates the columns",
    ),
    "semicolons and a decimal comma": (
        ACCOUNTS,
        SEMICOLONS.replace("10.5", "10,5"),
        "line 2, column revenue: “10,5” is not a number; write it like 1054 or 251.41",
    ),
    "an error below an announcement": (
        ACCOUNTS,
        "sep=;\n" + SEMICOLONS.replace("1996", "MCMXCVI"),
        "line 3, column year_established",
    ),
    "a quotation mark below an announcement": (
        ACCOUNTS,
        "sep=;\n" + SEMICOLONS.replace("retail", '"retail'),
        "line 3, column sector: a quotation mark opens here",
    ),
    "a name that is too long": (
        ACCOUNTS,
        WHOLE[ACCOUNTS].replace("North Mill", "N" * 201),
        "line 2, column account: the text has 201 characters; it may have 200",
    ),
    "a cell longer than csv reads": (
        ACCOUNTS,
        WHOLE[ACCOUNTS].replace("retail", "r" * 140_000),
        "line 2, column sector: the text has 140,000 characters; it may have 100",
    ),
    "a quoted cell of many lines that is too long": (
        PIPELINE,
        WHOLE[PIPELINE].replace("Alpha", '"' + "a\n" * 80_000 + '"'),
        "line 2, column product: the text has 159,999 characters; it may have 100",
    ),
    "a number that is too long": (
        PIPELINE,
        WHOLE[PIPELINE].replace("1052", "9" * 200_000),
        "line 2, column close_value: the text has 200,000 characters; it may have 40",
    ),
    "a date that is too long": (
        PIPELINE,
        WHOLE[PIPELINE].replace("3/1/2017", f"3/1/{'2' * 50}"),
        "line 2, column close_date: the text has 54 characters; it may have 40",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_by_its_true_cause(
    load: Callable[..., str], case: str
) -> None:
    file, written, words = REFUSED[case]
    with pytest.raises(
        CommandError, match=rf"(?s)^{file}, {words}|^{file}, line \d+.*{words}"
    ) as e:
        load({file: written})
    assert str(e.value).endswith("Nothing was imported.")
    assert len(str(e.value)) < 400
    assert nothing()
    load()
    assert Deal.objects.get().amount == 1052


# --- Log-ins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("Øystein Ås", "oystein.as"),
        ("Łukasz Żółty", "lukasz.zolty"),
        ("Иван Щукин", "ivan.shchukin"),
        ("Ґалина Їжак", "galina.yizhak"),
        ("Қайрат Өмір", "kayrat.omir"),
        ("Ελένη Ψωμά", "eleni.psoma"),
        ("Jörg Weiß", "jorg.weiss"),
        ("ẞEN", "ssen"),
        ("Þór Ægisson", "thor.aegisson"),
        ("Đorđe Đurić", "dorde.duric"),
        ("Işıl İpek", "isil.ipek"),
        ("Ħal Œuf", "hal.oeuf"),
        ("Mei-Mei O’Hara", "mei-mei.ohara"),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", "full.width"),
        ("A" * 60 + " Müller", "a" * 60 + ".mul"),
    ],
)
def test_log_ins_keep_the_letters_of_a_name(name: str, local: str) -> None:
    assert email_of(name) == f"{local}@crm.example"


def with_agents(*names: str) -> dict[str, str]:
    return {TEAMS: WHOLE[TEAMS] + "".join(f"{name},Max Moor,Central\n" for name in names)}


def test_people_with_one_log_in_are_numbered_and_stay_who_they_are(
    load: Callable[..., str],
) -> None:
    load(with_agents("Лев Толстой", "Lev Tolstoy"))
    assert {
        (user.get_full_name(), user.email.partition("@")[0]) for user in User.objects.all()
    } == {
        ("Ada Berg", "ada.berg"),
        ("Max Moor", "max.moor"),
        ("Лев Толстой", "lev.tolstoy"),
        ("Lev Tolstoy", "lev.tolstoy2"),
    }
    # Another order, and a third one before them: nobody gets another person's log-in or deals.
    before = dict(User.objects.values_list("email", "pk"))
    load(with_agents("Lév Tolstoy", "Lev Tolstoy", "Лев Толстой"))
    assert dict(User.objects.filter(pk__in=before.values()).values_list("email", "pk")) == before
    assert User.objects.get(email="lev.tolstoy3@crm.example").get_full_name() == "Lév Tolstoy"
    assert load(with_agents("Lev Tolstoy", "Лев Толстой", "Lév Tolstoy")).startswith("nothing")


def test_a_number_never_meets_a_name_that_ends_in_one() -> None:
    found = numbered(["Ann", "Ann2", "Ánn"], stored={})
    assert found == {
        "Ann": "ann@crm.example",
        "Ann2": "ann2@crm.example",
        "Ánn": "ann3@crm.example",
    }
    long = "L" * 70
    assert sorted(map(len, numbered([long, f"{long} K"], stored={}).values())) == [76, 76]


def test_a_name_that_nobody_can_spell_is_refused_with_what_to_do(load: Callable[..., str]) -> None:
    with pytest.raises(CommandError, match=r"line 3, column sales_agent.*write it in Latin letter"):
        load(with_agents("李 明"))
    assert nothing()


# --- Others wait as short as possible -------------------------------------------------------------


def test_a_password_is_hashed_before_the_transaction_begins(
    load: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Argon2 takes a good part of a second, in which nobody else could write on SQLite."""
    load()
    asked: list[int] = []
    hash_it = writing.make_password

    def hashed(password: str) -> str:
        asked.append(len(queries.captured_queries))
        return hash_it(password)

    monkeypatch.setattr(writing, "make_password", hashed)
    with CaptureQueriesContext(connection) as queries:
        call_command("import_crm", str(tmp_path), password="a word of many", stdout=StringIO())
    assert asked == [0]
