"""Text that no spreadsheet takes for a formula, one cell at a time or thousands of lines at once.

Every text cell, headers and phone numbers included, that starts with one of `= + - @`, a tab or a
line break gets a leading apostrophe; there is no exemption for text that looks like a number,
since `-5"|cmd` looks like one too (Q17). The same for full-width and other forms of
these signs, which spreadsheets in East Asian languages read alike, behind whatever nobody sees, and
at the start of each line of a cell: what is pasted from it, or read without regard to its quotes,
is a cell of its own. So is, in CSV, what follows a semicolon: spreadsheets in half of Europe part
lines there, and heed no quote in the middle of what is a cell for them; one at its start they drop.

`neutral` is the rule, `neutral_in_csv` the one for CSV. `neutral_lines` comes to the same for lines
of CSV, and looks at a single cell only where it has to: most cells that compute begin with a plain
sign.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from accounts.text import shows

COMPUTES = ("=", "+", "-", "@", "\t", "\r", "\n")
# Also as full-width and small forms, raised, lowered, in Hebrew, and as the sign of mathematics.
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207c\u207a\u208c\u208a\ufb29\u2212"
_ANY_SIGN = re.compile(f"[{re.escape(SIGNS)}]")
_AFTER_SEMICOLON = re.compile("(?<=;)")

# In lines of CSV: whatever is not a letter, digit or sign of ASCII, which all are seen; a line's
# start is \xff, which no text in UTF-8 holds.
_OTHER = rb"[\x00-\x20\x7f-\xfe]"
_FOREIGN_SIGNS = b"|".join(re.escape(sign.encode()) for sign in SIGNS if not sign.isascii())
# A comma and one quote begin a cell: inside of a cell there would be two quotes, and what follows a
# closing quote is a comma or the end of the line.
_BEGINS_WITH_SIGN = re.compile(rb',"(?=[=+\-@])')
# The first byte before all else: most cells begin with a letter, and are passed over at once.
_MAY_COMPUTE = re.compile(
    rb',"(?='
    + (_OTHER + rb")(?:[\t\r\n]|" + _OTHER + rb"+[=+\-@]|")
    + (_OTHER + rb"*(?:" + _FOREIGN_SIGNS + rb"))")
)
_PART_MAY_COMPUTE = re.compile(b';(?:"|' + _OTHER + b")*(?:" + rb"[=+\-@]|" + _FOREIGN_SIGNS + b")")
# Where `str.splitlines` parts a text.
_BREAKS = tuple(each.encode() for each in "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_IN_QUOTES = re.compile(rb'"((?:[^"]|"")*)"')


def neutral(text: str) -> str:
    """Return text that no spreadsheet takes for a formula, as a whole or line by line."""
    if _ANY_SIGN.search(text):  # as a rule there is none, and nothing to look at
        lines = text.splitlines(keepends=True)
        text = "".join(f"'{line}" if _computes(line) else line for line in lines)
    return f"'{text}" if text.startswith(COMPUTES) else text


def neutral_in_csv(text: str) -> str:
    """Return text of which no part is taken for a formula, whichever sign parts cells."""
    if _ANY_SIGN.search(text):
        lines = text.splitlines(keepends=True)
        first, *others = [part for line in lines for part in _AFTER_SEMICOLON.split(line) if part]
        bare = [part.replace('"', "") for part in others]
        rest = (
            f"'{part}" if seen and _computes(seen) else part
            for part, seen in zip(others, bare, strict=True)
        )
        text = "".join((f"'{first}" if _computes(first) else first, *rest))
    return f"'{text}" if text.startswith(COMPUTES) else text


def _computes(line: str) -> bool:
    """Tell whether the first character of a line that anybody sees begins a formula."""
    if line[0].isascii() and line[0].isalnum():
        return False
    return line[0] in SIGNS or next(filter(shows, line), " ") in SIGNS


def neutral_lines(lines: Sequence[bytes]) -> bytes:
    """Return lines of CSV as they stand in a file, each with its end, every cell neutralised.

    A line is given from the comma before its first cell, and without its end.
    """
    together = b"\xff" + b"\xff".join(lines)
    if together.count(b"\xff") != len(lines):
        raise ValueError("A line is not text in UTF-8.")
    if _is_odd(together):
        lines = [_cell_by_cell(line) if _is_odd(line) else line for line in lines]
        together = b"\xff" + b"\xff".join(lines)
    # Where cells were looked at one by one, none begins with a sign any more.
    text = _BEGINS_WITH_SIGN.sub(b",\"'", together)
    return text.replace(b"\xff,", b"\r\n")[2:] + b"\r\n"


def _is_odd(line: bytes) -> bool:
    # A single byte is found a hundred times as fast as several in a row.
    breaks = (each for each in _BREAKS if each[-1:] in line)
    if _MAY_COMPUTE.search(line) or any(each in line for each in breaks):
        return True
    return b";" in line and bool(_PART_MAY_COMPUTE.search(line))


def _cell_by_cell(line: bytes) -> bytes:
    return _IN_QUOTES.sub(_neutral_cell, line)


def _neutral_cell(cell: re.Match[bytes]) -> bytes:
    text = cell[1].replace(b'""', b'"').decode()
    return b'"' + neutral_in_csv(text).replace('"', '""').encode() + b'"'
