"""The four formats: the same cells in each, nothing that computes, nothing left behind (Q17)."""

import csv
import gc
import io
import json
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from exports import operations, tables, worker
from exports.models import ExportRequest
from exports.tables import Kind
from exports.writers import WRITERS, manifest, parquet, writer_of, xlsx
from exports.writers import files as storage
from exports.writers.neutral import COMPUTES
from exports.writers.plain import Cell
from exports.writers.rows import rows_of
from exports.writers.writer import Head
from records.models import Company, Contact, Deal, Property
from tests.support import rows_one_by_one
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    between_chunks,
    completed,
    delivered_ids,
    end_lease,
    files,
    frozen_ids,
    path_of,
    set_policy,
)
from tests.support.exports_process import racers
from tests.support.factories import ContactFactory, DealFactory

FORMATS = list(operations.FORMATS)
every_format = pytest.mark.parametrize("format", FORMATS)

Table = tuple[list[str], list[list[Any]]]


# --- Reading files back, by libraries -------------------------------------------------------------


def read_csv(path: Path) -> Table:
    text = path.read_bytes().decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    return head, rows


def read_xlsx(path: Path) -> Table:
    """Return the first sheet; text, numbers and days as the library gives them."""
    rows = openpyxl.load_workbook(path).worksheets[0].iter_rows()
    head, *body = [[cell.value for cell in row] for row in rows]
    return [str(each) for each in head], body


def read_jsonl(path: Path) -> Table:
    objects = [
        json.loads(line, parse_float=Decimal) for line in path.read_text("utf-8").splitlines()
    ]
    return list(objects[0]), [list(each.values()) for each in objects]


def read_parquet(path: Path) -> Table:
    table = pq.read_table(path)
    return table.column_names, [list(row.values()) for row in table.to_pylist()]


READERS: dict[str, Callable[[Path], Table]] = {
    "csv": read_csv,
    "xlsx": read_xlsx,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}


def as_csv(cell: Cell) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, str) and cell.startswith(COMPUTES):
        return f"'{cell}"
    return "" if cell is None else str(cell)


def as_xlsx(cell: Cell) -> Any:
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=None, microsecond=0)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001  # a sheet knows no zones
    if isinstance(cell, str) and cell.startswith(COMPUTES):
        return f"'{cell}"
    return float(cell) if isinstance(cell, Decimal) else cell


def as_jsonl(cell: Cell) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    return cell.isoformat() if isinstance(cell, date) else cell


def as_parquet(cell: Cell) -> Any:
    return cell


EXPECTED: dict[str, Callable[[Cell], Any]] = {
    "csv": as_csv,
    "xlsx": as_xlsx,
    "jsonl": as_jsonl,
    "parquet": as_parquet,
}


def read(export: ExportRequest) -> Table:
    return READERS[export.format](path_of(export))


def new_part(format: str) -> storage.Part:
    """Begin a file without a database, in which the folder would be known."""
    storage.root().mkdir(mode=0o700, parents=True, exist_ok=True)
    return storage.Part(storage.new_name(format))


def written(format: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]) -> Path:
    """Write rows without a database, which would not take every character."""
    part = new_part(format)
    with writer_of(format)(part, heads) as writer:
        writer.add(rows)
        writer.finish()
    part.publish()
    return part.path


# --- The same cells in each -----------------------------------------------------------------------

COLUMNS = [
    *("id", "name", "amount", "stage", "company", "owner", "opened", "created_at"),
    *("company.domain", "company.revenue", "company.employees", "company.created_at"),
    *("contact.id", "contact.email", "contact.lifecycle"),
]


@pytest.fixture
def deals(c: TinyCompany) -> TinyCompany:
    """Deals with something in every kind of cell, beside the empty ones."""
    Company.objects.filter(pk=c.companies["acme"].pk).update(
        domain="acme.example", revenue=Decimal("1234.50"), employees=12, sector="Steel"
    )
    Company.objects.filter(pk=c.companies["bolt"].pk).update(domain="bolt.example", sector="Glass")
    Contact.objects.filter(pk=c.contacts["cora"].pk).update(email="cora@example.com")
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(
        company=c.companies["acme"],
        contact=c.contacts["cora"],
        amount=Decimal("-1234567.05"),
        opened=date(2026, 1, 31),
        name="=cmd|' /C calc'!A0",
    )
    Deal.objects.filter(pk=c.deals["noras"].pk).update(company=c.companies["bolt"])
    return c


def test_every_format_that_is_offered_has_its_writer() -> None:
    assert list(WRITERS) == FORMATS == list(READERS)


@pytest.mark.parametrize("headers", ["labels", "names"])
@every_format
def test_file_holds_exactly_the_rows_that_may_leave(
    deals: TinyCompany, monkeypatch: pytest.MonkeyPatch, format: str, headers: str
) -> None:
    c = deals
    monkeypatch.setattr(manifest, "CHUNK", 4)
    export = completed(c.rita, format=format, columns=COLUMNS, headers=headers)
    head, body = read(export)
    rows, lost, _ = rows_one_by_one.rows_of(export, c.fresh("rita"), frozen_ids(export))
    assert (len(rows), lost) == (export.record_count, [])
    assert body == [[EXPECTED[format](cell) for cell in row] for row in rows]
    known = {column.name: column.label for column in tables.all_columns(Deal)}
    assert head == (COLUMNS if headers == "names" else [known[name] for name in COLUMNS])
    assert {type(cell) for row in rows for cell in row} == {
        *(str, int, Decimal, date, datetime, type(None))
    }


@every_format
def test_related_record_out_of_reach_is_like_none_in_every_format(
    deals: TinyCompany, format: str
) -> None:
    c = deals
    ids = [c.deals[name].pk for name in ("ritas", "noras", "unassigned")]
    wish: dict[str, Any] = {"columns": ["company", "company.domain", "id"], "query": "o=id"}
    empty: list[Any] = ["", ""] if format == "csv" else [None, None]
    found = {
        who: [row[:2] for row in read(completed(c.people[who], format=format, ids=ids, **wish))[1]]
        for who in ("rita", "sam")
    }
    acme, bolt = ["Acme", "acme.example"], ["Bolt", "bolt.example"]
    assert found == {"rita": [acme, empty, empty], "sam": [acme, bolt, empty]}


@every_format
def test_column_hidden_meanwhile_is_in_no_file(deals: TinyCompany, format: str) -> None:
    c = deals
    columns = ["id", "amount", "company.sector"]
    set_policy(on=False)
    export, control = (
        ask(c.people[who], format=format, columns=columns, headers="names")
        for who in ("rita", "sam")
    )
    Property.objects.create(object="company", name="sector", access="super_admins")
    Property.objects.create(object="deal", name="amount", access="super_admins")
    worker.run_once()
    export.refresh_from_db()
    control.refresh_from_db()
    assert read(export)[0] == ["id"]
    head, body = read(control)
    assert head == columns
    assert "Steel" in {row[2] for row in body}


@every_format
def test_scope_lost_in_the_middle_holds_for_related_records_too(
    deals: TinyCompany, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    c = deals
    Deal.objects.filter(owner__in=[c.rita, c.nora]).update(company=c.companies["acme"])
    acme = Company.objects.filter(pk=c.companies["acme"].pk)
    between_chunks(monkeypatch, lambda: acme.update(owner=c.rob))
    set_policy(on=False)
    ids = [c.deals["ritas"].pk, c.deals["noras"].pk]
    export = ask(c.rita, format=format, ids=ids, columns=["id", "company.domain"], query="o=id")
    worker.run_once()
    export.refresh_from_db()
    assert [row[1] or None for row in read(export)[1]] == ["acme.example", None]
    assert delivered_ids(export) == set(ids)


# --- Texts that break things ----------------------------------------------------------------------

COMPUTING = ["=1+1", "+49 30 1", "-5", '-5"|cmd', "@SUM(A1)", "\t=1", "\r=1"]
LONG = "lang " * 8000
TEXTS = [
    *COMPUTING,
    *(" =1+1", "  -5", " \u200b=1", "x =1"),
    *('say "x"', "it's", "a;=1+1", "a,b", "two\nlines", "two\r\nlines", " lead and trail "),
    *("#N/A", "#REF!", "TRUE", "1e5", "007", "<b>&amp;</b>", "]]>", "_x0041_", "😀 héé", "日本"),
    *("nul\x00in", "\x00=1+1", "bell\x07", "esc\x1b[31m", "\x85next", "a\u2028b\u2029c", "\ufffe"),
    LONG,
]
# What computes behind a line break, or behind what nobody sees.
BEHIND = {
    "\r=1": "'\r'=1",
    "\x00=1+1": "'\x00=1+1",
    " =1+1": "' =1+1",
    "  -5": "'  -5",
    " \u200b=1": "' \u200b=1",
}
# What a sheet cannot hold, and what stands there instead.
IN_A_SHEET = {
    "\r=1": "'\n'=1",
    "two\r\nlines": "two\nlines",
    "_x0041_": "_x005F_x0041_",
    "nul\x00in": "nul\ufffdin",
    "\x00=1+1": "'\ufffd=1+1",
    "bell\x07": "bell\ufffd",
    "esc\x1b[31m": "esc\ufffd[31m",
    "\ufffe": "\ufffd",
    LONG: LONG[:32_766] + "…",
}


def arrives_as(text: str, format: str) -> str:
    if format in ("jsonl", "parquet"):
        return text
    safe = f"'{text}" if text in COMPUTING else text
    safe = BEHIND.get(text, safe)
    if format == "csv":  # some part its lines at semicolons
        safe = safe.replace(";=", ";'=")
    return IN_A_SHEET.get(text, safe) if format == "xlsx" else safe


@every_format
def test_every_text_arrives_in_cells_and_in_headers(format: str) -> None:
    heads = [Head(text) for text in TEXTS]
    head, body = READERS[format](written(format, heads, [TEXTS, TEXTS]))
    expected = [arrives_as(text, format) for text in TEXTS]
    assert head == expected
    assert body == [expected, expected]
    if format in ("csv", "xlsx"):
        assert not [text for text in head if text.startswith(COMPUTES)]


def test_sheet_holds_no_formula_and_no_error(export_root: Path) -> None:
    path = written("xlsx", [Head(text) for text in TEXTS], [TEXTS])
    cells = [cell for row in openpyxl.load_workbook(path).worksheets[0] for cell in row]
    assert len(cells) == 2 * len(TEXTS)
    assert {cell.data_type for cell in cells} == {"s"}
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    # The control: the library by itself makes a formula and an error of them.
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["=1+1", "#N/A"])
    assert [cell.data_type for cell in book.active[1]] == ["f", "e"]


def test_long_text_is_cut_between_characters() -> None:
    cut = xlsx.holdable("😀" * 20_000)
    assert cut == "😀" * 16_383 + "…"
    assert xlsx.holdable("x" * 32_767) == "x" * 32_767


@every_format
def test_formulas_in_records_arrive_as_the_format_has_them(c: TinyCompany, format: str) -> None:
    for text in COMPUTING:
        ContactFactory(last_name=text, first_name="", phone=text, owner=c.rita)
    export = completed(c.sam, model=Contact, columns=["last_name", "phone"], format=format)
    body = read(export)[1]
    for text in COMPUTING:
        assert body.count([arrives_as(text, format)] * 2) == 1


# --- Types ----------------------------------------------------------------------------------------

TYPED = [
    Head("text"),
    Head("int", Kind.INTEGER),
    Head("sum", Kind.DECIMAL, 2),
    Head("day", Kind.DATE),
    Head("at", Kind.MOMENT),
]
OLD = datetime(1899, 1, 2, 3, 4, 5, tzinfo=UTC)
TYPED_ROWS: list[list[Cell]] = [
    ["a", 1, Decimal("0.10"), date(2026, 1, 31), datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)],
    [None] * 5,
    ["b", -(2**40), Decimal("-99999999999999.99"), date(1815, 12, 10), OLD],
]


@every_format
def test_numbers_and_days_are_what_they_are(format: str) -> None:
    body = READERS[format](written(format, TYPED, TYPED_ROWS))[1]
    expected = [[EXPECTED[format](cell) for cell in row] for row in TYPED_ROWS]
    if format == "xlsx":
        expected[2][3:] = ["1815-12-10", "1899-01-02 03:04:05"]  # before a sheet's calendar
    assert body == expected


def test_parquet_is_typed_and_compressed() -> None:
    path = written("parquet", TYPED, TYPED_ROWS)
    types = [str(field.type) for field in pq.read_schema(path)]
    assert types == ["string", "int64", "decimal128(38, 2)", "date32[day]", "timestamp[us, tz=UTC]"]
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


def test_line_of_json_is_one_line_and_keeps_every_digit() -> None:
    path = written("jsonl", TYPED, TYPED_ROWS)
    lines = path.read_bytes().split(b"\n")
    assert lines[0] == (
        b'{"text":"a","int":1,"sum":0.10,"day":"2026-01-31","at":"2026-01-02T03:04:05.000678Z"}'
    )
    assert lines[1] == b'{"text":null,"int":null,"sum":null,"day":null,"at":null}'
    assert (len(lines), lines[-1]) == (4, b"")


@every_format
def test_export_without_rows_that_may_leave_is_a_file_with_headers_only(
    c: TinyCompany, format: str
) -> None:
    set_policy(on=False)
    export = ask(c.rita, ids=[c.deals["ritas"].pk], columns=["id", "amount"], format=format)
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(owner=c.rob)
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, export.delivered_count) == ("completed", 0)
    if format == "jsonl":
        assert path_of(export).read_bytes() == b""
    else:
        assert read(export) == (["ID", "Amount"], [])


def test_headings_are_told_apart_where_labels_are_the_same() -> None:
    twice = [{"name": name, "label": "Name"} for name in ("name", "company.name")]
    assert tables.headings(twice, "labels") == ["Name", "Name (company.name)"]
    assert tables.headings(twice, "names") == ["name", "company.name"]


# --- Large files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "most", "many"), [("MOST_ROWS", 3, 7), ("MOST_BYTES", 30_000, 1_200)]
)
def test_further_rows_stand_on_further_sheets(
    monkeypatch: pytest.MonkeyPatch, export_root: Path, bound: str, most: int, many: int
) -> None:
    assert xlsx.MOST_ROWS == 2**20 - 1
    monkeypatch.setattr(xlsx, bound, most)
    rows: list[list[Cell]] = [[number] for number in range(many)]
    sheets = openpyxl.load_workbook(written("xlsx", [Head("n", Kind.INTEGER)], rows)).worksheets
    assert [sheet.title for sheet in sheets[:2]] == ["Records", "Records 2"]
    assert len(sheets) == 3 or bound == "MOST_BYTES"  # which is asked of what was flushed
    assert {sheet.cell(1, 1).value for sheet in sheets} == {"n"}
    found = [row[0] for sheet in sheets for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert found == list(range(many))


@every_format
def test_memory_does_not_grow_with_the_rows(
    monkeypatch: pytest.MonkeyPatch, export_root: Path, format: str
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 200)
    chunk: list[list[Cell]] = [[n, f"text {n}" * 5, Decimal(n)] for n in range(100)]
    heads = [Head("n", Kind.INTEGER), Head("t"), Head("d", Kind.DECIMAL, 2)]

    def peak(chunks: int) -> int:
        part = new_part(format)
        tracemalloc.start()
        with writer_of(format)(part, heads) as writer:
            for _ in range(chunks):
                writer.add(chunk)
            writer.finish()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        part.publish()
        return most

    peak(1)  # what libraries make once
    assert peak(12) < peak(3) * 1.5


# --- Nothing left behind --------------------------------------------------------------------------


@pytest.fixture
def system_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "system-temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@every_format
def test_nothing_is_written_outside_the_folder_of_exports(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, system_temporary: Path, format: str
) -> None:
    seen = []
    between_chunks(
        monkeypatch, lambda: seen.append((list(system_temporary.iterdir()), len(files())))
    )
    export = completed(c.rita, format=format)
    assert seen == [([], 1)]
    assert files() == [export.file_name]
    # The control: the library by itself leaves a sheet there until it is done.
    sheet: Any = openpyxl.Workbook(write_only=True).create_sheet()
    sheet.append(["a name and a phone number"])
    assert len(list(system_temporary.iterdir())) == 1
    sheet.close()


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("rows", [0, 3])
@every_format
def test_writer_that_is_left_with_an_error_lets_go_of_everything(
    export_root: Path, format: str, rows: int
) -> None:
    part = new_part(format)
    with pytest.raises(OSError, match="disk"), writer_of(format)(part, TYPED) as writer:
        writer.add(TYPED_ROWS[:rows])
        before = part.size
        raise OSError("disk")
    del writer
    gc.collect()
    assert part.size == before  # what libraries still say goes nowhere
    part.discard()
    assert files() == []


@pytest.mark.django_db(transaction=True)
def test_killed_worker_leaves_nothing_but_its_part(c: TinyCompany, system_temporary: Path) -> None:
    export = approved(c.rita, c.sue, format="xlsx")
    with racers(("work", "--once", "--hold")) as (killed,):
        killed.go()
        assert killed.says() == f"holding {export.pk}"
        killed.kill()
    export.refresh_from_db()
    assert files() == [f"{export.file_name}.part"]
    assert list(system_temporary.iterdir()) == []
    end_lease(export)
    assert worker.run_once() == 1
    export.refresh_from_db()
    assert (export.status, files()) == ("completed", [export.file_name])
    assert [row[0] for row in read(export)[1]] == frozen_ids(export)


# --- Delivery -------------------------------------------------------------------------------------


@every_format
def test_file_is_handed_out_under_its_own_name_and_type(
    c: TinyCompany, client: Client, format: str
) -> None:
    export = completed(c.rita, format=format)
    client.force_login(User.objects.get(pk=c.rita.pk))
    answer = client.post(f"/admin/exports/exportrequest/{export.pk}/download/")
    assert answer["Content-Type"] == operations.FORMATS[format].content_type
    assert answer["Content-Disposition"] == f'attachment; filename="deal-{export.pk}.{format}"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer.getvalue() == path_of(export).read_bytes()


def test_as_many_queries_for_3_rows_as_for_30_with_related_records(deals: TinyCompany) -> None:
    c = deals
    for number in range(40):
        DealFactory(
            owner=c.rita,
            stage=c.stages["open"],
            company=c.companies["acme"],
            contact=ContactFactory(last_name=f"Contact {number}", owner=c.rita),
        )
    names = [column.name for column in tables.all_columns(Deal)]
    set_policy(on=False)
    export = ask(c.rita, columns=names)
    costs = []
    for many in (3, 30):
        with CaptureQueriesContext(connection) as queries:
            bulk = rows_of(export, c.fresh("rita"), range(1, many + 1))
            rows = [row for some in bulk.rows() for row in some]
        assert len(rows) == len(bulk.found) == many
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 14
