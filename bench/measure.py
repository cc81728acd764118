"""Timing that stands noise: contenders take turns, and what counts is the median of each turn.

An absolute time says something about the machine; the ratio of two that took turns, about the code.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Work = Callable[[], object]

AT_LEAST, AT_MOST = 5, 31
SECONDS = 0.8
"""How long one comparison goes on after its fewest turns."""
SLOW = 5.0
"""A contender that takes longer than this (seconds) is run once and not again."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the baseline took, in milliseconds, and how many times as long the other took."""

    baseline: float
    ratio: float

    @property
    def other(self) -> float:
        """What the other took, in milliseconds."""
        return self.baseline * self.ratio


def compare(baseline: Work, other: Work) -> Compared:
    """Let both take turns until time is up; the first turn only warms caches."""
    first = timed(baseline), timed(other)
    if max(first) > SLOW:
        return Compared(first[0] * 1000, first[1] / first[0])
    turns: list[tuple[float, float]] = []
    began = time.perf_counter()
    gc.collect()
    gc.disable()
    try:
        while len(turns) < AT_LEAST or (
            time.perf_counter() - began < SECONDS and len(turns) < AT_MOST
        ):
            # Who begins alternates: the second finds the caches of the processor filled.
            if len(turns) % 2:
                turns.append((timed(baseline), timed(other)))
            else:
                later = timed(other)
                turns.append((timed(baseline), later))
    finally:
        gc.enable()
    return Compared(
        statistics.median(a for a, _ in turns) * 1000,
        statistics.median(b / a for a, b in turns),
    )


def timed(work: Work) -> float:
    """Return how many seconds one run takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def took(work: Work) -> float:
    """Return the median of several runs, in milliseconds."""
    return compare(work, work).baseline


# --- The table ------------------------------------------------------------------------------------

Cell = float | int | str | None


@dataclass(slots=True)
class Row:
    """One line of the table: a measure, a value per profile, and the goal it should meet."""

    measure: str
    baseline: str
    cells: Sequence[Cell]
    goal: str = ""
    met: Sequence[bool] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Say whether every profile meets the goal, and how many miss it."""
        if not self.met:
            return ""
        missed = sum(not met for met in self.met)
        return "ok" if not missed else f"miss ({missed})"


def within(measure: str, results: Sequence[Compared | None], goal: float | None = None) -> Row:
    """Return a line of ratios, each of which should be at most the goal."""
    known = [result for result in results if result is not None]
    return Row(
        measure,
        f"{statistics.median(r.baseline for r in known):.1f} ms",
        [result and result.ratio for result in results],
        "" if goal is None else f"≤ {goal:g}×",
        # A hundredth is noise.
        [] if goal is None else [r.ratio <= goal + 0.01 for r in known],
    )


def shown(cell: Cell) -> str:
    """Write a value as short as it can be compared."""
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if cell >= 20 else f"{cell:.1f}" if cell >= 3 else f"{cell:.2f}"


def table(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the rows as a table that reads well in a terminal and in Markdown alike."""
    lines = [
        [row.measure, row.baseline, *map(shown, row.cells), row.goal, row.verdict] for row in rows
    ]
    heads = ["", "baseline", *columns, "goal", ""]
    lines = [heads, *lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    left = {0, len(heads) - 2, len(heads) - 1}
    written = [
        "| "
        + " | ".join(
            text.ljust(width) if i in left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|".join(
        "-" * (width + 2) if i in left else "-" * (width + 1) + ":"
        for i, width in enumerate(widths)
    )
    return "\n".join([written[0], f"|{rule}|", *written[1:]])
