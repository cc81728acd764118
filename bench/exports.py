"""How much CPU a file costs, and how much memory: ours beside other ways to write the same.

    python -m bench.exports WAY ROWS

writes one file in a process of its own and prints what it took as JSON. Our files are asked for and
written as the product does it: manifest, rights, names, neutralising, hash. The other ways do none
of it, apart from "same statement", which is our statement, rights and names with it, without us.
"""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bench.company import BASE, CONTACTS, SQLITE  # sets Django up, so it comes first

# isort: split
from django.conf import settings
from django.db import connection, transaction

from accounts import access
from bench.measure import Row, spent
from bench.profiles import super_admin
from exports import folder, jobs, worker
from exports.models import ExportPolicy, ExportRecord, ExportRequest
from exports.operations import request_export
from exports.writers import manifest
from exports.writers.rows import rows_of
from records.models import Contact

LEASE = timedelta(hours=1)
SHOWN = (
    "first_name", "last_name", "email", "phone", "job_title", "company__name", "city", "lifecycle",
    "owner__first_name", "co_owner__first_name", "created_at", "created_by__first_name",
    "updated_at", "updated_by__first_name",
)  # fmt: skip


def ask(format: str = "csv") -> ExportRequest:
    """Ask for an export of all contacts, in the product's own way."""
    ExportPolicy.objects.filter(pk=1).update(require_approval=False)
    # What an interrupted run left behind is not written first.
    ExportRequest.objects.filter(status__in=("approved", "processing")).update(status="cancelled")
    return request_export(actor=super_admin(), model=Contact, format=format)


def ours(rows: int, out: Path, *, format: str) -> float:
    """Write a file as the worker does; asking for it comes before and is measured apart."""
    folder.use()
    export = ask(format)
    begun = spent()
    claimed = jobs.claim("bench", LEASE)
    assert claimed == export
    worker.process(claimed, LEASE, worker.Stop())
    took = spent() - begun
    export.refresh_from_db()
    assert (export.status, export.rows_written) == ("completed", rows)
    (Path(settings.EXPORT_ROOT) / export.file_name).unlink()
    return took


def frozen(rows: int, out: Path) -> float:
    """Lay down the records of a request, and take it back."""
    admin = super_admin()
    permitted = access.permitted(Contact.objects.all(), admin, "export")
    with transaction.atomic():
        export = ExportRequest.objects.create(
            requester=admin, object="contact", name="bench", query="", columns=[],
            sensitive_fields=[], format="csv", record_count=0, approval_needed=False,
        )  # fmt: skip
        begun = spent()
        assert manifest.freeze(permitted, export) == CONTACTS
        took = spent() - begun
        transaction.set_rollback(True)
    return took


def same_statement(rows: int, out: Path) -> float:
    """Let the database's own program write the rows of our statement, as CSV."""
    export = ask()
    found = rows_of(export, export.requester, range(1, rows + 1)).statement
    assert found is not None
    cells = [(f"{v.sql} AS c{n}", v.parameters) for n, v in enumerate(found.values)]
    return by_program(*found.select(cells), out)


def raw(rows: int, out: Path) -> float:
    """Let the database's own program write the bare table."""
    return by_program(f"SELECT * FROM records_contact ORDER BY id LIMIT {rows}", (), out)


def by_program(sql: str, parameters: tuple[Any, ...], out: Path) -> float:
    """Return the CPU seconds of psql with its server, or of sqlite3."""
    script, told = out.with_suffix(".sql"), out.with_suffix(".cpu")
    if connection.vendor == "postgresql":
        ops: Any = connection.ops  # PostgreSQL's own
        written = ops.compose_sql(sql, parameters)
        script.write_text(
            f"SET max_parallel_workers_per_gather = 0;\n\\o {out}\n"
            f"COPY ({written}) TO STDOUT (FORMAT csv);\n"
            f"\\o {told}\nSELECT pg_read_file('/proc/self/schedstat');\n"
        )
        url = os.environ["DATABASE_URL"]
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", str(script), url]
    else:
        script.write_text(f".output {out}\n{_filled_in(sql, parameters)};\n")
        copy = out.with_suffix(".sqlite3")
        _copy(sql, copy)
        command = ["sqlite3", "-csv", "-init", str(script), str(copy), ".quit"]
    before = _children()
    subprocess.run(command, check=True, capture_output=True)
    client = _children() - before
    server = int(told.read_text().split()[0]) / 1e9 if told.exists() else 0
    assert out.stat().st_size
    return client + server


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _copy(sql: str, path: Path) -> None:
    """Copy the tables of a statement without our order of letters, which sqlite3 does not know."""
    named = set(re.findall(r'"?(\w+)"?', sql))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tbl_name, type, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = [each for each in cursor.fetchall() if each[0] in named]
        cursor.execute("PRAGMA foreign_keys = OFF")  # to tables that are not copied
        cursor.execute("ATTACH DATABASE %s AS copy", [str(path)])
        for name, kind, text in found:
            if kind == "table":
                plain = text.replace(" COLLATE crm_order", "")
                cursor.execute(plain.replace("CREATE TABLE ", "CREATE TABLE copy.", 1))
                cursor.execute(f'INSERT INTO copy."{name}" SELECT * FROM main."{name}"')
        for name, kind, text in found:
            if kind == "index" and name == ExportRecord._meta.db_table:
                cursor.execute(re.sub(r"INDEX ", "INDEX copy.", text, count=1))
        cursor.execute("DETACH DATABASE copy")


def _filled_in(sql: str, parameters: tuple[Any, ...]) -> str:
    """Return a statement with its parameters in it, as SQLite itself fills them in."""
    seen: list[str] = []
    before, after = "SELECT * FROM (", ") LIMIT 0"
    with connection.cursor() as cursor:
        connection.connection.set_trace_callback(seen.append)
        cursor.execute(f"{before}{sql}{after}", parameters)
        connection.connection.set_trace_callback(None)
    return seen[0].removeprefix(before).removesuffix(after)


def values_list(rows: int, out: Path) -> float:
    """Write rows by the loop that one writes first."""
    begun = spent()
    with out.open("w", newline="") as file:
        found = Contact.objects.order_by("pk").values_list(*SHOWN)[:rows]
        csv.writer(file).writerows(found.iterator())
    return spent() - begun


def openpyxl(rows: int, out: Path) -> float:
    """Write a sheet by the library alone, fed by the same loop."""
    from openpyxl import Workbook

    begun = spent()
    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet()
    found = Contact.objects.order_by("pk").values_list(*SHOWN)[:rows]
    for row in found.iterator():
        sheet.append([c.replace(tzinfo=None) if isinstance(c, datetime) else c for c in row])
    book.save(out)
    return spent() - begun


def import_export(rows: int, out: Path) -> float:
    """Write rows as django-import-export does it."""
    from import_export.resources import ModelResource  # apart: its memory is not ours

    class Contacts(ModelResource):  # type: ignore[misc]  # not typed
        class Meta:
            model = Contact
            fields = SHOWN

    begun = spent()
    out.write_text(Contacts().export(Contact.objects.order_by("pk")[:rows]).csv)
    return spent() - begun


WAYS: dict[str, Callable[[int, Path], float]] = {
    **{format: partial(ours, format=format) for format in ("csv", "xlsx", "jsonl", "parquet")},
    "freeze": frozen,
    "same statement": same_statement,
    "raw": raw,
    "values_list": values_list,
    "openpyxl": openpyxl,
    "import-export": import_export,
}
MOST = {"openpyxl": 100_000, "import-export": 10_000}
"""Rows beyond which a way is not tried: it takes many minutes, or gigabytes of memory."""


def measured(way: str) -> tuple[int, float, float]:
    """Return how many rows a way wrote, in how many CPU seconds, and its peak memory in MB."""
    rows = min(CONTACTS, MOST.get(way, CONTACTS))
    command = [sys.executable, "-m", "bench.exports", way, str(rows)]
    answer = subprocess.run(command, check=True, cwd=BASE, stdout=subprocess.PIPE)
    took, memory = json.loads(answer.stdout.splitlines()[-1])
    return rows, took, memory


def figures() -> Iterator[Row]:
    """Measure every way, and compare ours with the others for as many rows."""
    took: dict[str, float] = {}
    for way in WAYS:
        rows, seconds, memory = measured(way)
        took[way] = seconds / rows
        if way == "freeze":
            yield Row("freezing, per million records", [took[way] * 1e6], goal=3, unit=" s")
            continue
        yield Row(f"{way}: rows a second", [round(rows / seconds)], unit="")
        if way in ("csv", "xlsx", "jsonl", "parquet"):
            yield Row(f"{way}: peak memory", [memory], goal=96, unit=" MB")
    program = "sqlite3 -csv" if SQLITE else "psql \\copy"
    csv_ = took["csv"]
    yield Row(
        f"{program} of the same statement / csv", [took["same statement"] / csv_],
        goal=0.6, is_least=True,
    )  # fmt: skip
    yield Row(f"csv / {program} of the bare table", [csv_ / took["raw"]], goal=5)
    yield Row(
        "values_list and csv.writer / csv", [took["values_list"] / csv_],
        goal=4 if SQLITE else 5, is_least=True,
    )  # fmt: skip
    yield Row("django-import-export / csv", [took["import-export"] / csv_], goal=40, is_least=True)
    yield Row(
        "openpyxl and a plain loop / xlsx", [took["openpyxl"] / took["xlsx"]],
        goal=0.9, is_least=True,
    )  # fmt: skip


def main() -> None:
    way, rows = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        connection.ensure_connection()
        took = WAYS[way](int(rows), Path(name) / "out")
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps([took, peak]))


if __name__ == "__main__":
    main()
