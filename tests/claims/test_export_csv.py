"""What stands in a file: the right rows and columns, and no cell that computes (Q17, Q31)."""

import csv
import hashlib
import io
import stat
import unicodedata
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.text import shows
from exports import tables, worker
from exports.writers import manifest
from exports.writers.csv import BOM, body
from exports.writers.neutral import COMPUTES, neutral
from exports.writers.rows import rows_of
from records.models import Company, Contact, Deal, Ticket
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    ask,
    completed,
    frozen_ids,
    ids_in,
    path_of,
    set_policy,
    table_of,
)
from tests.support.factories import ContactFactory, DealFactory, TicketFactory

CANARIES = [
    *("=1+1", "+49 30 1", "-5", '-5"|cmd', "-15-1", "@SUM(A1)", "\t=1", "\tplain", "\nplain"),
    # Full-width, small and raised signs, and the minus of mathematics.
    *("＝1+1", "＋49", "－5", "＠SUM(A1)", "﹦1", "﹢1", "﹣1", "﹫1", "⁼1", "₊1", "\u22125"),
    # Behind what nobody sees.
    *(" =1+1", "\u00a0=1", "\u3000＝1", "\ufeff=1", "\u200b=1", "\u2060\u200e -1", "\x00=1"),
]
PLAIN = [
    *(
        "1=1",
        "a-b",
        "Ünïcode",
        'say "x"',
        "a;=1+1",
        "two\nlines",
        "'quoted",
        "",
        " a = b",
        "\u200b",
    ),
    *("'=1", "a\tb", "a\n b-c", "（=1）", "～1"),
]
LINES = {
    "a\n=1": "a\n'=1",
    "a\r\n ＋1\r\nb": "a\r\n' ＋1\r\nb",
    "\r=1": "'\r'=1",
    "-1\u2028-2": "'-1\u2028'-2",
}


@pytest.mark.parametrize("text", LINES)
def test_no_line_of_a_cell_begins_a_formula(text: str) -> None:
    assert neutral(text) == LINES[text]


def begins_a_formula(line: str) -> bool:
    """Tell it from the first character that is seen, in the form that all its forms have."""
    seen = [each for each in line if shows(each)]
    return bool(seen) and unicodedata.normalize("NFKC", seen[0]) in list("=+-@\u2212")


@pytest.mark.parametrize("text", CANARIES)
def test_text_that_computes_gets_an_apostrophe(text: str) -> None:
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutral(text) == text


LETTERS = st.one_of(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    st.sampled_from("=+-@＝＋－＠﹦ ;\"\t\r\n\ufeff\u200b\u3000\u2028'a"),
)


@given(st.lists(st.text(LETTERS)))
def test_whatever_the_text_no_cell_computes_and_none_is_lost(texts: list[str]) -> None:
    data = body([texts]).decode()
    cells = next(csv.reader(io.StringIO(data, newline="")), [])
    lines = [line for cell in cells for line in cell.splitlines()]
    assert [line for line in lines if begins_a_formula(line)] == []
    assert [cell for cell in cells if cell.startswith(COMPUTES)] == []
    assert [cell.replace("'", "") for cell in cells] == [text.replace("'", "") for text in texts]


def test_numbers_stay_numbers_and_text_is_quoted() -> None:
    row = [7, Decimal("-12.50"), Decimal("0.00"), "-7", "a;=1+1", ""]
    assert body([row]) == b'7,-12.50,0.00,"\'-7","a;\'=1+1",""\r\n'


@pytest.mark.parametrize("sign", [",", ";"])
@given(st.lists(st.lists(st.text(LETTERS), min_size=3, max_size=3)))
@example([["x", "Acme;=1+1;x", ""], ["", ";\uff1d1", 'a; \u200b-1\n;@1;"=1\n"=1']])
def test_no_cell_computes_for_who_parts_lines_at_semicolons(
    sign: str, texts: list[list[str]]
) -> None:
    """A number comes first, as in every file: then no quote begins a line."""
    data = body([[7, *row] for row in texts]).decode()
    rows = csv.reader(io.StringIO(data, newline=""), delimiter=sign)
    lines = [line for row in rows for cell in row for line in cell.splitlines()]
    assert [line for line in lines if begins_a_formula(line)] == []


def test_quotes_alone_would_not_help_who_parts_lines_at_semicolons() -> None:
    """The control: what a file held before."""
    rows = csv.reader(io.StringIO('7,"Acme;=1+1"\r\n', newline=""), delimiter=";")
    assert list(rows) == [['7,"Acme', '=1+1"']]


def test_formulas_in_records_arrive_as_text(c: TinyCompany) -> None:
    texts = [text for text in CANARIES if "\x00" not in text]  # which PostgreSQL does not keep
    for text in texts:
        ContactFactory(last_name=text, first_name="", phone=text, owner=c.rita)
    export = completed(c.rita, model=Contact, columns=["id", "last_name", "phone"])
    written = {row[1] for row in table_of(export)} & {f"'{text}" for text in texts}
    assert written == {f"'{text}" for text in texts}
    assert not [cell for row in table_of(export) for cell in row if cell.startswith(COMPUTES)]
    # Phone numbers are text, the plus included.
    assert [row[2] for row in table_of(export) if row[1] == "Cable"] == ["'+49 30 1"]


def test_header_cells_are_neutralised_too(c: TinyCompany) -> None:
    set_policy(on=False)
    export = ask(c.rita)
    export.columns[1]["label"] = "=cmd()"
    export.save()
    manifest.write_frozen(export)
    worker.run_once()
    export.refresh_from_db()
    assert table_of(export)[0][1] == "'=cmd()"


def test_cells_are_what_people_read(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    deal.amount, deal.company, deal.co_owner = Decimal("-1234.50"), c.companies["acme"], c.fred
    deal.opened, deal.contact = deal.created_at.date(), c.contacts["cora"]
    deal.save()
    export = completed(c.rita, ids=[deal.pk])
    header, row = table_of(export)
    cells = dict(zip(header, row, strict=True))
    assert path_of(export).read_bytes().startswith(BOM)
    assert cells == {
        "ID": str(deal.pk),
        "Name": "Rita's",
        "Amount": "-1234.50",
        "Pipeline": "Sales",
        "Stage": "Open",
        "Product": "",
        "Company": "Acme",
        "Contact": "Cora Cable",
        "Opened": deal.opened.isoformat(),
        "Closed": "",
        "Owner": "Rita",
        "Co-owner": "Fred",
        "Created at": deal.created_at.strftime("%Y-%m-%d %H:%M:%S"),
        "Created by": "",
        "Updated at": deal.updated_at.strftime("%Y-%m-%d %H:%M:%S"),
        "Updated by": "",
    }
    contacts = completed(c.rita, model=Contact, columns=["lifecycle"])
    assert {row[0] for row in table_of(contacts)[1:]} == {"Lead"}


def test_related_record_is_named_only_where_the_requester_may_view_it(c: TinyCompany) -> None:
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(company=c.companies["acme"])
    Deal.objects.filter(pk=c.deals["noras"].pk).update(company=c.companies["bolt"])
    ids = [c.deals["ritas"].pk, c.deals["noras"].pk, c.deals["unassigned"].pk]
    wish = {"ids": ids, "columns": ["company", "id"], "query": "o=id"}
    seen = {
        who: [row[0] for row in table_of(completed(c.people[who], **wish))[1:]]
        for who in ("rita", "sam")
    }
    # A hidden company reads exactly like none.
    assert seen == {"rita": ["Acme", "", ""], "sam": ["Acme", "Bolt", ""]}


def test_rows_stand_in_the_order_asked_for(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.writers.manifest.CHUNK", 3)
    export = completed(c.sam, query="o=-name", columns=["id", "name"])
    names = [row[1] for row in table_of(export)[1:]]
    assert len(names) == 13
    assert ids_in(export) == frozen_ids(export)
    assert names == list(
        Deal.objects.filter(deleted_at=None).order_by("-name", "-pk").values_list("name", flat=True)
    )


def test_hash_and_size_are_of_the_file_on_disk(c: TinyCompany) -> None:
    export = completed(c.rita)
    data = path_of(export).read_bytes()
    assert (export.sha256, export.file_size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_files_are_for_their_owner_alone(c: TinyCompany) -> None:
    path = path_of(completed(c.rita))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.stem) >= 32
    assert path_of(completed(c.rita)).stem != path.stem


def test_as_many_queries_for_3_rows_as_for_30(c: TinyCompany) -> None:
    DealFactory.create_batch(
        40, owner=c.rita, stage=c.stages["open"], company=c.companies["acme"], co_owner=c.nora
    )
    export = ask(c.rita)
    costs = []
    for many in (3, 30):
        with CaptureQueriesContext(connection) as queries:
            bulk = rows_of(export, c.fresh("rita"), range(1, many + 1))
            lines = [line for some in bulk.lines() for line in some]
        assert len(lines) == len(bulk.found) == many
        costs.append(len(queries))
    assert costs[0] == costs[1]


NOT_EXPORTED = {"version", "deleted_at", "deleted_by", "source", "external_id"}


@pytest.mark.parametrize("model", [Contact, Company, Deal, Ticket])
def test_no_field_is_forgotten(model: type) -> None:
    fields = {field.name for field in model._meta.concrete_fields}
    assert {column.field for column in tables.table(model)} == fields - NOT_EXPORTED
    assert tables.table(model)[0].name == "id"
    assert tables.model_of(model.object_key) is model


@pytest.mark.parametrize("model", [Contact, Company, Deal, Ticket])
def test_every_kind_of_record_can_be_written(c: TinyCompany, model: type) -> None:
    TicketFactory(subject="Help", contact=c.contacts["cora"], owner=c.rita)
    export = completed(c.sam, model=model)
    assert len(table_of(export)) == export.record_count + 1 > 1
    assert {len(row) for row in table_of(export)} == {len(tables.table(model))}


@pytest.mark.parametrize("key", ["user", "auditevent", ""])
def test_nothing_else_is_exportable(key: str) -> None:
    with pytest.raises(KeyError):
        tables.model_of(key)
