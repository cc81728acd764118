"""From a frozen request to a file: the manifest, the rows, their form on paper, the file itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from exports.writers.writer import Writer

WRITERS = {
    "csv": "exports.writers.csv.CsvWriter",
    "xlsx": "exports.writers.xlsx.XlsxWriter",
    "jsonl": "exports.writers.jsonl.JsonLinesWriter",
    "parquet": "exports.writers.parquet.ParquetWriter",
}


def writer_of(format: str) -> type[Writer]:
    """Return what writes files of a format; its library is loaded now, and by nobody else.

    Those of XLSX and Parquet are a third of the memory of a worker that writes CSV.
    """
    found: type[Writer] = import_string(WRITERS[format])
    return found
