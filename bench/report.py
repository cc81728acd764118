"""One report of all that was measured: a table for each database, growth, misses, one picture.

python -m bench.report [FOLDER]      # FOLDER has the JSON of bench.one; by default var/bench
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Cell, Row, shown

FOLDER = Path(__file__).resolve().parent.parent / "var" / "bench"
DRAWN = {
    "contacts by change, page 1 / A": "page 1 / A",
    "contacts by change, page 100 / A": "last page / A",
    "contacts by change, capped count / A": "count / A",
    "search, rare word / A": "rare search / A",
    "page: contacts / super admin's": "page over HTTP / super admin's",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one size on one database came to."""

    database: str
    contacts: int
    minutes: float
    people: Sequence[str]
    sees: Sequence[int]
    rows: Sequence[Row]
    exports: Sequence[Row]

    @classmethod
    def read(cls, file: Path) -> Run:
        kept: dict[str, Any] = json.loads(file.read_text())
        kept.pop("deals")
        for part in ("rows", "exports"):
            kept[part] = [Row(**row) for row in kept[part]]
        return cls(**kept)


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table that reads well in a terminal and in Markdown alike."""
    lines = [heads, *lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    written = [
        "| "
        + " | ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|".join(
        "-" * (width + 2) if i < left else "-" * (width + 1) + ":" for i, width in enumerate(widths)
    )
    return "\n".join([written[0], f"|{rule}|", *written[1:]])


def marked(row: Row, cell: Cell) -> str:
    """Write a value, and mark it where it misses the goal."""
    return f"**{shown(cell)}**" if row.is_missed(cell) else shown(cell)


def of_people(run: Run) -> str:
    """Return every measure of one run, a column for each person."""
    lines = [["sees, contacts", "", *map(shown, run.sees), ""]]
    for row in run.rows:
        baseline = "" if row.baseline is None else f"{row.baseline:.1f} ms"
        name = row.measure if row.unit in ("×", "") else f"{row.measure},{row.unit}"
        lines.append([name, baseline, *(marked(row, cell) for cell in row.cells), row.wanted])
    return table(["", "baseline", *run.people, "goal"], lines)


def growth(runs: Sequence[Run]) -> str:
    """Return every measure with the value farthest from its goal, a column for each size."""
    heads = ["", *(f"{run.contacts:,}" for run in runs), "goal"]
    lines = []
    for part in ("rows", "exports"):
        found = [{row.measure: row for row in getattr(run, part)} for run in runs]
        named = {name: row for rows in found for name, row in rows.items()}
        for name, known in named.items():
            each = [rows.get(name) for rows in found]
            cells = [marked(row, row.worst) if row else "–" for row in each]
            unit = "" if known.unit in ("×", "") else f",{known.unit}"
            lines.append([f"{name}{unit}", *cells, known.wanted])
    return table(heads, lines)


def misses(run: Run) -> Iterator[str]:
    """Say each goal that is missed at this size, by whom and by how much."""
    for row in run.rows:
        missed = [
            f"{name} {shown(cell)}"
            for name, cell in zip(run.people, row.cells, strict=True)
            if row.is_missed(cell)
        ]
        if missed:
            yield f"- {row.measure} ({row.wanted}): {', '.join(missed)}"
    for row in run.exports:
        if row.is_missed(row.worst):
            yield f"- {row.measure} ({row.wanted}): {shown(row.worst)}"


def written(runs: Sequence[Run]) -> str:
    """Return the whole report."""
    by_database: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: (run.database, run.contacts)):
        by_database[run.database].append(run)
    parts = []
    for database, each in by_database.items():
        last = each[-1]
        minutes = ", ".join(f"{run.minutes:.0f}" for run in each)
        parts += [
            f"## {database}",
            f"### {last.contacts:,} contacts, person by person",
            of_people(last),
            f"### Growth: the worst of all people (runs of {minutes} minutes)",
            growth(each),
            f"### Goals missed at {last.contacts:,}",
            "\n".join(misses(last)) or "None.",
        ]
    return "\n\n".join(parts) + "\n"


# --- The picture ----------------------------------------------------------------------------------

WIDE, HIGH, LEFT, TOP = 360, 250, 50, 40
COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed")
MOST_DRAWN = 30


def picture(runs: Sequence[Run]) -> str:
    """Draw how the worst ratios grow with the number of contacts: a panel for each database."""
    databases = sorted({run.database for run in runs})
    width, height = LEFT + len(databases) * (WIDE + LEFT), TOP + HIGH + 50 + 18 * len(DRAWN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for number, database in enumerate(databases):
        some = sorted((r for r in runs if r.database == database), key=lambda r: r.contacts)
        parts += _panel(database, some, LEFT + number * (WIDE + LEFT))
    for number, name in enumerate(DRAWN.values()):
        y = TOP + HIGH + 50 + 18 * number
        parts.append(
            f'<rect x="{LEFT}" y="{y - 9}" width="18" height="4" fill="{COLOURS[number]}"/>'
        )
        parts.append(f'<text x="{LEFT + 26}" y="{y}">{name}</text>')
    said = "The worst of all people. Dashed: 2×, the goal of most lines."
    parts.append(f'<text x="{LEFT + WIDE + LEFT}" y="{TOP + HIGH + 50}">{said}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(database: str, runs: Sequence[Run], left: int) -> Iterator[str]:
    sizes = [run.contacts for run in runs]

    def x(contacts: int) -> float:
        if len(sizes) == 1:
            return left + WIDE / 2
        span = math.log(sizes[-1] / sizes[0])
        return left + 20 + (WIDE - 40) * math.log(contacts / sizes[0]) / span

    def y(ratio: float) -> float:
        least, most = math.log(0.1), math.log(MOST_DRAWN)
        held = min(max(math.log(max(ratio, 0.01)), least), most)
        return TOP + HIGH - HIGH * (held - least) / (most - least)

    yield f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{database}</text>'
    for ratio in (0.1, 0.3, 1, 2, 5, 10, 30):
        dash = ' stroke-dasharray="5 3" stroke="#111"' if ratio == 2 else ' stroke="#ddd"'
        yield (
            f'<line x1="{left}" x2="{left + WIDE}" y1="{y(ratio):.1f}" y2="{y(ratio):.1f}"{dash}/>'
            f'<text x="{left - 6}" y="{y(ratio) + 4:.1f}" text-anchor="end">{ratio:g}×</text>'
        )
    for size in sizes:
        yield (
            f'<text x="{x(size):.1f}" y="{TOP + HIGH + 18}" text-anchor="middle">{size:,}</text>'
        )
    for name, colour in zip(DRAWN, COLOURS, strict=True):
        points = [
            (x(run.contacts), y(row.worst))
            for run in runs
            for row in run.rows
            if row.measure == name and row.worst is not None
        ]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for a, b in points:
            yield f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>'


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    runs = [Run.read(file) for file in sorted(folder.glob("*.json"))]
    text = written(runs)
    (folder / "report.md").write_text(text)
    (folder / "growth.svg").write_text(picture(runs))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
