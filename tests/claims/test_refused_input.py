"""What cannot be meant is refused in words, beside what looks alike and is accepted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory

from accounts import operations as accounts
from accounts import table_rows as reading
from accounts.audit import System
from accounts.models import AuditEvent, User
from accounts.table_rows import Broken
from accounts.text import trouble
from crmperms.wsgi import application
from exports.operations import InvalidRequest
from exports.steps import words
from records import operations
from records.importing import tables, writing
from records.importing.tables import Parsed
from records.models import Company, Contact, Deal, Stage
from records.operations import Invalid
from tests.claims.test_screens import LIST, form_of, page
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, StageFactory

DIALOG = "/admin/exports/exportrequest/new/deal/"
FAR = "9" * 31
IMPORTER = System("import_crm")


# --- Keys and numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["abc", FAR, "9" * 4400, "1e5", "-1", " "])
def test_what_is_no_key_is_refused_on_the_form_like_an_absent_row(
    c: TinyCompany, client: Client, key: str
) -> None:
    client.force_login(c.sam)
    events = AuditEvent.objects.count()
    for name in ("owner", "company", "contact", "stage"):
        if key.strip() or name == "stage":
            answer = client.post(page(c.deals["ritas"]), form_of(c.deals["ritas"], **{name: key}))
            assert answer.status_code == 200
            assert "Select a valid choice" in answer.text or "is required" in answer.text
    share = f"{LIST}{c.deals['ritas'].pk}/share/"
    for receiver in ("people", "teams"):
        answer = client.post(share, {receiver: key, "level": "view"})
        assert answer.status_code == 200
    assert AuditEvent.objects.count() == events
    ended = client.post(f"{LIST}{c.deals['ritas'].pk}/unshare/", {"team": key, "user": key})
    assert ended.status_code == 302
    posted = form_of(c.deals["ritas"], name="Late", record_version=key)
    assert "Somebody else saved this record" in client.post(page(c.deals["ritas"]), posted).text


@pytest.mark.parametrize("address", [LIST, DIALOG])
def test_a_team_beyond_counting_is_the_same_400_as_an_absent_one(
    c: TinyCompany, client: Client, address: str
) -> None:
    client.force_login(c.mona)
    absent = client.get(f"{address}?team=999999")
    for key in (FAR, "9" * 4400, "abc", "%00"):
        answer = client.get(f"{address}?team={key}")
        assert answer.status_code == absent.status_code == 400
        assert answer.content == absent.content or key == "%00"
    assert client.get(f"{address}?team={c.teams['north'].pk}").status_code == 200


def test_white_space_filters_by_nothing(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    plain = client.get(LIST).context["cl"].result_count
    for name in ("owner", "company", "team", "amount_min", "created_at_after"):
        answer = client.get(f"{LIST}?{name}=%20")
        assert (name, answer.status_code) == (name, 200)
        assert answer.context["cl"].result_count == plain
    assert client.get(f"{LIST}?owner={c.nora.pk}").context["cl"].result_count < plain


@pytest.mark.parametrize("key", ["abc", FAR, "", "-1", "1\x00"])
def test_only_keys_are_ticked(c: TinyCompany, client: Client, key: str) -> None:
    client.force_login(c.mona)
    ticked = {"action": "export_ticked", "_selected_action": [c.deals["ritas"].pk]}
    assert client.post(LIST, ticked).status_code == 302
    ticked["_selected_action"].append(key)  # type: ignore[attr-defined]  # the list
    assert client.post(LIST, ticked).status_code == 400


@pytest.mark.parametrize("amount", ["1e131072", "1E%2B1000000", "1e-131072", "NaN", "Infinity"])
def test_an_amount_beyond_every_database_is_mistyped(
    c: TinyCompany, client: Client, amount: str
) -> None:
    client.force_login(c.rita)
    for end in ("min", "max"):
        answer = client.get(f"{LIST}?amount_{end}={amount}")
        assert "Amount: " in answer.text
        assert answer.context["cl"].result_count == 0
        assert client.get(f"{DIALOG}?amount_{end}={amount}").status_code == 302
    assert client.get(f"{LIST}?amount_max=99999999999999.123456").status_code == 200


@pytest.mark.parametrize("order", ["--3", "3-", "+3", "123", "a", "1.--2", "٣"])
def test_an_order_is_numbers_of_columns(c: TinyCompany, client: Client, order: str) -> None:
    client.force_login(c.rita)
    for address in (LIST, DIALOG):
        assert client.get(f"{address}?o={order}").status_code == 400
        for usual in ("", "-3", "1.-2", "99"):
            assert client.get(f"{address}?o={usual}").status_code == 200


def test_a_nul_in_any_filter_of_a_list_is_a_400(c: TinyCompany, client: Client) -> None:
    client.force_login(c.otto)
    log = "/admin/accounts/auditevent/?result="
    assert client.get(f"{log}%00").status_code == 400
    assert client.get(f"{log}done").status_code == 200


# --- Stages and pipelines -------------------------------------------------------------------------


def test_two_stages_swap_their_names_in_one_save(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    stages = list(c.pipeline.stages.all())
    names = [stage.name for stage in stages]
    address = f"/admin/records/pipeline/{c.pipeline.pk}/change/"

    def save(names: list[str]) -> Any:
        posted: dict[str, Any] = {"name": "Sales", "stages-TOTAL_FORMS": len(stages)}
        posted["stages-INITIAL_FORMS"] = len(stages)
        mark = re.search(r'name="as_opened" value="(\w{64})"', client.get(address).text)
        assert mark is not None
        posted["as_opened"] = mark[1]
        for number, stage in enumerate(stages):
            row = {"id": stage.pk, "pipeline": c.pipeline.pk, "name": names[number]}
            row |= {"position": stage.position, "outcome": stage.outcome}
            posted |= {f"stages-{number}-{name}": value for name, value in row.items()}
        return client.post(address, posted)

    swapped = [names[1], names[2], names[0], *names[3:]]
    assert save(swapped).status_code == 302
    assert [Stage.objects.get(pk=stage.pk).name for stage in stages] == swapped
    assert save([swapped[1], *swapped[1:]]).status_code == 200
    assert [Stage.objects.get(pk=stage.pk).name for stage in stages] == swapped


def test_what_collides_is_refused_in_words(c: TinyCompany) -> None:
    other = StageFactory(pipeline=c.pipeline, name="Other")
    other.name = "Won"
    with pytest.raises(Invalid, match="would be called “Won”"):
        operations.save_stages([other], actor=c.sam)
    assert Stage.objects.get(pk=other.pk).name == "Other"
    with pytest.raises(Invalid, match="already"):
        operations.create_pipeline(actor=c.sam, object="deal", name="Sales")
    operations.create_pipeline(actor=c.sam, object="ticket", name="Sales")


# --- Text -----------------------------------------------------------------------------------------

BLANKS = "\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442\U00016fe4"
HIDDEN = {
    "zero width space": "a\u200bb",
    "only a zero width space": "\u200b",
    "directions": "a\u202e\u202d",
    "byte order mark": "\ufeffa",
    "control": "a\x07b",
    "line break": "a\r\nb",
    "line separator": "a\u2028b",
    "blank": "\u2800",
    "only a joiner": "\u200d",
    "surrogate": "\ud800",
    "a joiner between Latin letters": "Ada\u200dm",
    "a joiner between Chinese letters": "東\u200c京",
    "a chooser after a Latin letter": "Adam\ufe0f",
    "codes of a flag that no font has": "\U0001f3f4\U000e0061\U000e0062\U000e0063\U000e007f",
    "codes of a flag without the flag": "a\U000e0067\U000e0062",
    "a joiner that joins nothing": "a\u034fb",
    "a vowel of Khmer that is never drawn": "a\u17b4\u17b5",
    "only such a vowel": "\u17b5",
    "a code for what is not seen, without a character yet": "a\u2065b",
    "only such a code": "\ufff0",
    "a code beside the tags": "a\U000e0080",
    **{f"a blank, U+{ord(blank):04X}": f"Acme{blank}Ltd" for blank in BLANKS},
    "a blank behind a name": "Acme\u3164",
    "a blank before a name": "\u115fAcme",
    "a blank and a joiner": "Acme\u2800\u200d",
}
SEEN = [
    "Ådne & Søn",
    "👩\u200d🚒",
    "❤\ufe0f\u200d🔥 1\ufe0f\u20e3 ℹ\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
    "می\u200cخواهم",
    "അവന്\u200d",
    "東京",
    "—",
    "한국어 주식회사",
    "🇳🇴 👍🏽 👨\u200d👩\u200d👧",
    "שָׁלוֹם بِسْمِ ភាសាខ្មែរ",
    "⠓⠑⠇⠇⠕",
]


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_a_name_of_which_something_is_not_seen_is_refused(c: TinyCompany, text: str) -> None:
    person: dict[str, Any] = {"email": "new@example.com", "first_name": "New", "last_name": ""}
    refused: list[tuple[Any, dict[str, Any]]] = [
        (accounts.create_team, {"name": text}),
        (accounts.create_set, {"name": text}),
        (accounts.create_set, {"name": "Fine", "description": text}),
        (accounts.create_person, {**person, "first_name": text}),
        (operations.create_pipeline, {"object": "deal", "name": text}),
    ]
    for operation, values in refused:
        with pytest.raises((accounts.InvalidChange, Invalid), match=r"nobody sees|can be seen"):
            operation(actor=c.sam, **values)
    stage = Stage(pipeline=c.pipeline, name=text)
    with pytest.raises(Invalid):
        operations.save_stages([stage], actor=c.sam)
    deal = c.deals["ritas"]
    for values in ({"name": text}, {"product": text}):
        with pytest.raises(Invalid, match=r"nobody sees|can be seen"):
            operations.change(deal, actor=c.sam, values=values, version=1)
    with pytest.raises(Invalid):
        operations.create(Contact(last_name=text), actor=c.sam)
    assert Deal.objects.get(pk=deal.pk).version == 1


# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties.txt).
IGNORABLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)


def test_between_letters_nothing_is_kept_that_unicode_lets_programs_ignore() -> None:
    codes = [code for first, last in IGNORABLE for code in range(first, last + 1)]
    assert [f"{code:04X}" for code in codes if not trouble(f"a{chr(code)}b")] == []
    assert [f"{code:04X}" for code in codes if not trouble(chr(code))] == []


@pytest.mark.parametrize("text", SEEN)
def test_a_name_that_is_seen_is_kept_as_it_is(c: TinyCompany, text: str) -> None:
    assert accounts.create_team(actor=c.sam, name=text).name == text
    operations.change(c.deals["ritas"], actor=c.sam, values={"name": text}, version=1)
    assert Deal.objects.get(pk=c.deals["ritas"].pk).name == text


def test_a_message_has_lines_and_nothing_hidden() -> None:
    assert words(" First.\r\n\tSecond. ") == "First.\r\n\tSecond."
    assert words("\u2800 \u200d") == ""
    for text in ("a\x00b", "a\u202eb", "a\u200bb", "a\u2800b", "\x1b[2J"):
        with pytest.raises(InvalidRequest, match="nobody sees"):
            words(text)


def test_an_import_names_the_cell_of_what_nobody_sees(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("name,city\nAnn,می\u200cخواهم\nBob\u2028B,Oslo\n", encoding="utf-8")
    assert [row.cells["name"] for row in reading.read_table(tmp_path, "t.csv", ["name"])] == [
        "Ann",
        "Bob B",
    ]
    table.write_text("name,city\nAnn,Rome\nBob,Os\u202elo\n", encoding="utf-8")
    with pytest.raises(Broken, match=r"line 3, column city: .*U\+202E, right-to-left override"):
        reading.read_table(tmp_path, "t.csv", ["name"])
    table.write_text("name,city\n\u2800,Rome\n", encoding="utf-8")
    with pytest.raises(Broken, match=r"line 2, column name: .*U\+2800, braille pattern blank"):
        reading.read_table(tmp_path, "t.csv", ["name"])
    table.write_text("name,city\n\u3000,Rome\n", encoding="utf-8")
    with pytest.raises(Broken, match="empty"):
        reading.read_table(tmp_path, "t.csv", ["name"])[0].needed("name", 9)


# --- Companies above companies --------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 60])
def test_no_company_stands_above_itself(c: TinyCompany, length: int) -> None:
    chain = [CompanyFactory(name="0")]
    while len(chain) < length:
        chain.append(CompanyFactory(name=str(len(chain)), parent=chain[-1]))
    with pytest.raises(Invalid, match="above itself"):
        operations.change(chain[0], actor=c.sam, values={"parent": chain[-1]}, version=1)
    assert Company.objects.get(pk=chain[0].pk).parent is None
    top = CompanyFactory(name="top")
    operations.change(chain[0], actor=c.sam, values={"parent": top}, version=1)


def test_a_circle_that_is_there_already_ends_no_question(c: TinyCompany) -> None:
    first, second = CompanyFactory(), CompanyFactory()
    Company.objects.filter(pk=first.pk).update(parent=second)
    Company.objects.filter(pk=second.pk).update(parent=first)
    below = CompanyFactory()
    operations.change(below, actor=c.sam, values={"parent": first}, version=1)
    operations.change(first, actor=c.sam, values={"parent": None}, version=1)


def test_an_import_closes_no_circle_through_the_recycle_bin(c: TinyCompany) -> None:
    kept, gone = CompanyFactory(name="Kept"), CompanyFactory(name="Gone")
    Company.objects.filter(pk=gone.pk).update(parent=kept, deleted_at=kept.created_at)
    parsed = Parsed()
    for line, name, parent in ((2, "Kept", "Gone"), (3, "Gone", "")):
        parsed.accounts[name] = tables.Account(line, name, "", None, None, None, "", parent)
    with pytest.raises(Broken, match=r"accounts\.csv, line 2, column subsidiary_of"):
        writing.apply(parsed, actor=IMPORTER)
    assert Company.objects.get(pk=kept.pk).parent is None


# --- The door -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_a_page_is_run_by_no_other_method(c: TinyCompany, client: Client, method: str) -> None:
    client.force_login(c.rita)
    for address in (LIST, page(c.deals["ritas"]), "/admin/login/", "/"):
        answer = client.generic(method, address)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
        assert answer.content == b""
    assert client.head(LIST).status_code == 200


def knock(kind: str) -> tuple[str, dict[str, str], bytes]:
    """Ask the application itself for the log-in page, as a web server does."""
    environ = RequestFactory().get("/admin/login/").environ
    environ["CONTENT_TYPE"] = kind
    told: list[Any] = []
    body = b"".join(application(environ, lambda *given: told.extend(given)))
    return told[0], dict(told[1]), body


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "charset",
    ["hex", "idna", "base64", "zlib", "rot13", "undefined", "utf-7", "latin-1", "nonsense", '""'],
)
def test_only_utf8_is_read(db: None, charset: str) -> None:
    status, headers, body = knock(f"{FORM}; charset={charset}")
    assert (status, body) == ("400 Bad Request", b"Send text in UTF-8.\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", ["", FORM, f"{FORM}; charset=UTF-8", f'{FORM}; charset="utf-8"'])
def test_utf8_and_what_names_no_charset_is_read(db: None, kind: str) -> None:
    assert knock(kind)[0] == "200 OK"


def test_a_charset_that_cannot_even_be_read_is_refused(db: None) -> None:
    assert knock(f"{FORM}; charset*=nonsense''utf-8")[0] == "400 Bad Request"


def test_people_keep_their_names(c: TinyCompany) -> None:
    """An e-mail may quote control characters by its standard; nobody logs in with one."""
    with pytest.raises(accounts.InvalidChange):
        accounts.create_person(actor=c.sam, email='"a\x01b"@example.com')
    assert not User.objects.filter(email__contains="\x01").exists()
