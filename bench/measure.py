"""Measuring that stands noise: the CPU time of client and server, of contenders that take turns.

An absolute time says something about the machine; the ratio of two that took turns, about the code.
CPU time does not grow where others use the machine too. That of a PostgreSQL of this machine is
read from the kernel, for the process that serves our connection; of one elsewhere, time that passes
has to do instead.
"""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db import connection

Work = Callable[[], object]
Cell = float | int | None

AT_LEAST = int(os.environ.get("TURNS", "5"))
SECONDS = 0.3
"""How long one comparison goes on after its fewest turns."""
SLOW = 3.0
"""A contender that takes longer than this (seconds) is run once and not again."""


def served() -> float:
    """Return the CPU seconds that the server spent on our connection; 0 where there is none."""
    if connection.vendor == "sqlite":
        return 0
    try:
        ran = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text()
    except OSError:
        return time.perf_counter() - time.process_time()  # in all: the time that passes
    return int(ran.split()[0]) / 1e9


def spent() -> float:
    """Return the CPU seconds that this process and its server have spent so far."""
    return time.process_time() + served()


def timed(work: Work) -> float:
    """Return how many seconds one run takes."""
    connection.ensure_connection()
    start = spent()
    work()
    return spent() - start


@dataclass(frozen=True, slots=True)
class Compared:
    """What the baseline took, in milliseconds, and how many times as long the other took."""

    baseline: float
    ratio: float


def compare(baseline: Work, other: Work) -> Compared:
    """Let both take turns until time is up; the first turn only warms caches."""
    first = timed(baseline), timed(other)
    if max(first) > SLOW:
        return Compared(first[0] * 1000, first[1] / first[0])
    turns: list[tuple[float, float]] = []
    gc.collect()
    gc.disable()
    try:
        while len(turns) < AT_LEAST or (sum(map(sum, turns)) < SECONDS and len(turns) < 31):
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
        statistics.median(b for _, b in turns) / statistics.median(a for a, _ in turns),
    )


def took(work: Work) -> float:
    """Return the median of several runs, in milliseconds."""
    first = timed(work)
    if first > SLOW:
        return first * 1000
    return statistics.median(timed(work) for _ in range(AT_LEAST)) * 1000


@dataclass(slots=True)
class Row:
    """One line of the table: a measure, a value for each person, and the goal for them."""

    measure: str
    cells: Sequence[Cell]
    baseline: float | None = None
    """What was compared with, in milliseconds."""
    goal: float | None = None
    unit: str = "×"
    is_least: bool = False
    """The goal is a least, and not a most."""

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def wanted(self) -> str:
        """Write the goal."""
        if self.goal is None:
            return ""
        return f"{'≥' if self.is_least else '≤'} {self.goal:,g}{self.unit}"

    def is_missed(self, cell: Cell) -> bool:
        """Tell whether a value misses the goal; a hundredth is noise."""
        if self.goal is None or cell is None:
            return False
        return cell < self.goal * 0.99 if self.is_least else cell > self.goal * 1.01

    @property
    def worst(self) -> Cell:
        """The value that is farthest from the goal."""
        known = [cell for cell in self.cells if cell is not None]
        return (min if self.is_least else max)(known, default=None)


def ratios(
    measure: str, results: Sequence[Compared | None], goal: float | None = None, **more: Any
) -> Row:
    """Return a line of ratios."""
    known = [result.baseline for result in results if result]
    cells = [result.ratio if result else None for result in results]
    return Row(measure, cells, statistics.median(known), goal, **more)


def shown(cell: Cell) -> str:
    """Write a value as short as it can be compared."""
    if cell is None:
        return "–"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if cell >= 20 else f"{cell:.1f}" if cell >= 3 else f"{cell:.2f}"
