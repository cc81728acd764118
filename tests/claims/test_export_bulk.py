"""Lines of CSV, thousands at once, are neutralised as cell by cell (Q17)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exports.writers.csv import body
from exports.writers.neutral import neutral_lines
from exports.writers.rows import Cell

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
