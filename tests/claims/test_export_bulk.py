"""Files come out of one statement of the database: byte for byte what Python would write (B5, B10).

The reference is what the product did before, tests/support/rows_one_by_one.py and `csv.body`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone as clock
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from exports import tables
from exports.models import ExportRelated
from exports.writers import bulk, manifest
from exports.writers.bulk import Bulk
from exports.writers.csv import CsvWriter, body
from exports.writers.files import Part
from exports.writers.neutral import neutral_lines
from exports.writers.plain import Cell
from exports.writers.writer import Head
from records.models import Company, Contact, Deal, Record, Ticket
from tests.support import rows_one_by_one
from tests.support.company import TinyCompany
from tests.support.exports_kit import ask, frozen_ids, narrow

# Signs in all their forms, what nobody sees, what parts lines, quotes, commas, and some letters.
LETTERS = (
    "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufb29\u2212\u207c"
    "\u200b\ufeff\u2060\u00ad\u0301\u3164\u2800\u00a0\u3000"
    "\t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029\x7f\x01"
    " \",;'\\%_{}aZ0éÖß日\U0001f600"
)
TEXTS = st.text(st.sampled_from(LETTERS), max_size=5) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8
)
ZONES = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(1) / 2)]
)
EARLIEST, LATEST = datetime.min + timedelta(1), datetime.max - timedelta(1)  # noqa: DTZ901  # hypothesis wants no zone there
MOMENTS = st.datetimes(EARLIEST, LATEST, timezones=ZONES)


def written(cells: Sequence[Sequence[Cell]]) -> list[bytes]:
    """Return rows as lines of CSV that are not neutralised, as the database gives them."""
    found = []
    for row in cells:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="").writerow(row)
        found.append(b"," + text.getvalue().encode())
    return found


# --- Neutralising thousands of lines at once ------------------------------------------------------

CELLS = st.none() | st.integers(-9, 9) | st.decimals(-9, 9, places=2) | TEXTS | st.just("=\x00-")


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 4).flatmap(lambda wide: st.lists(st.lists(CELLS, min_size=wide, max_size=wide)))
)
@example([["a,", -5], ["=1", "+2"], [",", "=,"], ['",=', "\r"], ["", "\n"]])
@example([["\u00e9=1", "é", "\u200b", '"=', ',"=1', '\n"', '\n",="=']])
def test_lines_are_neutralised_as_cell_by_cell(rows: list[list[Cell]]) -> None:
    if rows:
        assert neutral_lines(written(rows)) == body(rows)


def test_neutralising_only_what_begins_with_a_plain_sign_is_noticed() -> None:
    rows: list[list[Cell]] = [["\u200b=1", "a\n=1", "\t1", "\uff1d1"]]
    first_only = b"\r\n".join(line[1:] for line in written(rows)) + b"\r\n"
    assert neutral_lines(written(rows)) == body(rows) != first_only


def test_line_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="not text"):
        neutral_lines([b',"a\xff,b"'])


# --- Whole rows -----------------------------------------------------------------------------------

VALUES: dict[type[Record], dict[str, st.SearchStrategy[Any]]] = {
    Company: {
        **dict.fromkeys(("name", "domain", "sector", "country"), TEXTS),
        "employees": st.none() | st.integers(0, 2**31 - 1),
        "revenue": st.none() | st.decimals(-(10**11), 10**11, places=2),
        "founded": st.none() | st.integers(0, 32767),
    },
    Contact: {
        **dict.fromkeys(("first_name", "last_name", "email", "phone", "job_title", "city"), TEXTS),
        "lifecycle": st.sampled_from(["lead", "former", "", "unknown", "=1"]),
    },
    Deal: {
        **dict.fromkeys(("name", "product"), TEXTS),
        "amount": st.none() | st.decimals(-(10**11), 10**11, places=2),
        "opened": st.none() | st.dates(),
        "closed": st.none() | st.dates(),
    },
    Ticket: {
        "subject": TEXTS,
        "priority": st.sampled_from(["low", "urgent", "none"]),
        "opened": st.dates(),
    },
}
LINKS: dict[type[Record], tuple[str, ...]] = {
    Company: ("parent",),
    Contact: ("company",),
    Deal: ("company", "contact"),
    Ticket: ("contact", "company"),
}


def drawn(data: st.DataObject, c: TinyCompany, model: type[Record], beside: Any) -> Record:
    people = st.sampled_from([None, c.rita, c.nora, c.rob, c.sam])
    values = {name: data.draw(of, label=name) for name, of in VALUES[model].items()}
    values |= {
        name: data.draw(people) for name in ("owner", "co_owner", "created_by", "updated_by")
    }
    values |= {name: data.draw(MOMENTS) for name in ("created_at", "updated_at")}
    values["deleted_at"] = clock.now() if data.draw(st.integers(0, 9)) == 0 else None
    for link in LINKS[model]:
        of = model._meta.get_field(link).related_model
        values[link] = data.draw(st.sampled_from([None, *beside.get(of, ())]))
    if model in (Deal, Ticket):
        values["stage"] = c.stages["open"]
    row = model(**values)
    row.save()
    return row


def placed(model: type[Record], ids: Sequence[int]) -> Any:
    rows = model._base_manager.filter(pk__in=ids)
    return rows.annotate(position=F("pk"), record_id=F("pk"))


def assert_same(model: type[Record], columns: Any, asker: User, ids: Sequence[int]) -> None:
    """Hold rows and lines of the statement against those that Python puts together."""
    expected = rows_one_by_one.rows_in(model, columns, asker, ids)
    by_values, by_lines = (Bulk(model, columns, asker, placed(model, ids)) for _ in range(2))
    rows = [row for some in by_values.rows() for row in some]
    assert rows == expected.rows
    assert [[type(cell) for cell in row] for row in rows] == [
        [type(cell) for cell in row] for row in expected.rows
    ]
    assert by_lines.has_lines
    lines = [line for some in by_lines.lines() for line in some]
    assert (neutral_lines(lines) if lines else b"") == body(expected.rows)
    related = {key: found for key, found in expected.related.items() if found}
    for read in (by_values, by_lines):
        assert list(read.found) == [pk for pk in ids if pk not in expected.lost]
        assert {key: found for key, found in read.related.items() if found} == related


@pytest.mark.parametrize("model", list(VALUES))
def test_rows_are_cell_by_cell_what_python_puts_together(
    c: TinyCompany, model: type[Record]
) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        with transaction.atomic():
            beside: dict[Any, list[Record]] = {}
            for other in dict.fromkeys((Company, Contact)):
                beside[other] = [drawn(data, c, other, beside) for _ in range(3)]
            ids = sorted(drawn(data, c, model, beside).pk for _ in range(4))
            asker = c.fresh(data.draw(st.sampled_from(["rita", "sam", "mona"])))
            known: Any = st.sampled_from([None, *tables.all_columns(model)])
            columns = data.draw(st.lists(known, min_size=1, unique=True))
            for each in (columns, tables.all_columns(model)):
                assert_same(model, each, asker, ids)
            transaction.set_rollback(True)

    holds()


# --- What SQLite holds that nobody of ours wrote --------------------------------------------------

ODD = [
    ("revenue", "0.125"),
    ("revenue", "1e9"),
    ("revenue", "-0.005"),
    ("revenue", "7"),
    ("employees", "12.5"),
    ("employees", "'=1+1'"),
    ("name", "'nul' || char(0) || '=1'"),
    ("name", "char(0) || '\"=1'"),
    ("name", r"""'a\u0041\ "b" /' || char(9) || char(27) || char(127) || char(8232)"""),
    ("created_at", "'2026-01-31T12:00:00+02:00'"),
    ("created_at", "'2026-01-31 12:00'"),
    ("created_at", "'2026-01-31 12:00:00.999'"),
    ("created_at", "'0999-01-31 12:00:00'"),
]


@pytest.mark.of_database("sqlite")
@pytest.mark.parametrize(("column", "value"), ODD)
def test_what_sqlite_holds_in_another_form_is_written_as_python_reads_it(
    c: TinyCompany, column: str, value: str
) -> None:
    ids = sorted(company.pk for company in c.companies.values())
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE records_company SET {column} = {value} WHERE id = {ids[0]}")
    assert_same(Company, tables.table(Company), c.fresh("sam"), ids)


@pytest.mark.of_database("sqlite")
@pytest.mark.parametrize(("wide", "has_lines"), [(127, True), (128, False)])
def test_file_with_more_columns_than_a_function_of_sqlite_takes_is_made_by_python(
    c: TinyCompany, export_root: Path, wide: int, has_lines: bool
) -> None:
    columns = [replace(tables.table(Deal)[1], name=f"name{n}") for n in range(wide)]
    ids = sorted(Deal.objects.filter(owner=c.rita).values_list("pk", flat=True))[:2]
    rows = Bulk(Deal, columns, c.fresh("rita"), placed(Deal, ids))
    assert rows.has_lines == has_lines
    export_root.mkdir()
    part = Part("wide")
    with CsvWriter(part, [Head(column.name) for column in columns]) as writer:
        writer.take(rows)
        writer.finish()
    part.publish()
    read = list(csv.reader(part.path.read_text("utf-8-sig").splitlines()))
    names = dict(Deal.objects.values_list("pk", "name"))
    assert read == [[f"name{n}" for n in range(wide)], *([names[pk]] * wide for pk in ids)]


# --- What left, and what did not ------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_rows_that_are_gone_are_known_exactly(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(bulk, "FETCHED", at_once)
    Deal.objects.update(company=c.companies["acme"])
    export = ask(c.sam, columns=["id", "company", "name"], query="o=name")
    ids = frozen_ids(export)
    gone = [ids[0], ids[3], ids[-1]]
    Deal.objects.filter(pk__in=gone).update(deleted_at=clock.now())
    places = range(1, len(ids) + 1)
    for read in ("rows", "lines"):
        found = Bulk(Deal, tables.table(Deal), c.fresh("sam"), manifest.at(export, places))
        list(getattr(found, read)())
        assert [ids[position - 1] for position in found.found] == [i for i in ids if i not in gone]
        assert manifest.not_among(found.found, export, places) == gone
        assert found.related == {"company": {c.companies["acme"].pk}, "contact": set()}


def test_who_may_see_nothing_gets_no_row(c: TinyCompany) -> None:
    export = ask(c.rita)
    places = range(1, export.record_count + 1)
    narrow(c.sets["rep"], "deal", 0)
    found = Bulk(Deal, tables.table(Deal), c.fresh("rita"), manifest.at(export, places))
    assert ([*found.rows(), *found.lines()], list(found.found)) == ([], [])
    assert manifest.not_among(found.found, export, places) == frozen_ids(export)


class Full(Exception):
    """What a disk says in the middle of a file."""


@pytest.mark.parametrize("read", ["rows", "lines"])
def test_database_is_free_again_where_writing_stops_in_the_middle(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(bulk, "FETCHED", 1)
    export = ask(c.sam)
    places = range(1, export.record_count + 1)
    found = Bulk(Deal, tables.table(Deal), c.fresh("sam"), manifest.at(export, places))
    with pytest.raises(Full), transaction.atomic(), closing(getattr(found, read)()) as some:
        for _ in some:
            raise Full
    assert Deal.objects.filter(pk__in=frozen_ids(export)).count() == len(places) > 1


# --- How many at once -----------------------------------------------------------------------------


def test_chunks_grow_while_they_are_quick_and_cover_every_place_once(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ask(c.rita)
    export.record_count = 100
    now = [0.0]
    monkeypatch.setattr(manifest.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(manifest, "CHUNK", 4)
    monkeypatch.setattr(manifest, "MOST_AT_ONCE", 16)
    sizes, places = [], []
    for chunk, seconds in zip(manifest.chunks(export), [0, 0, 0, 2, 1, 2, 2, 2, 9], strict=False):
        sizes.append(len(chunk))
        places += chunk
        now[0] += seconds
    assert sizes == [4, 8, 16, 16, 8, 8, 4, 4, 4]
    assert places == list(range(1, len(places) + 1))
    assert [each for chunk in manifest.chunks(export) for each in chunk] == list(range(1, 101))


def test_values_beside_the_rows_are_typed(c: TinyCompany) -> None:
    Deal.objects.update(amount=Decimal("7"), opened=date(2026, 1, 31))
    export = ask(c.rita, columns=["amount", "opened", "created_at"])
    found = Bulk(
        Deal,
        [column for column in tables.table(Deal) if column.name in ("amount", "opened")],
        c.fresh("rita"),
        manifest.at(export, range(1, 2)),
    )
    assert list(found.rows()) == [[[Decimal("7.00"), date(2026, 1, 31)]]]


def test_what_stands_beside_the_rows_is_written_down_once(
    c: TinyCompany, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    export = ask(c.rita)
    beside = manifest.Beside(export)
    chunks = [{1, 1023, 1024, 1025, 5_000_000_000_001}, {1, 2, 1024, 2048}, {2, 1023}]
    for chunk, statements in zip(chunks, (1, 1, 0), strict=True):
        with django_assert_num_queries(statements):
            beside.add({"company": chunk})
    beside.add({"contact": {1}})
    kept = ExportRelated.objects.filter(export=export).values_list("object", "record_id")
    assert sorted(kept) == [
        *(("company", key) for key in sorted(set().union(*chunks))),
        ("contact", 1),
    ]
