"""A chart of the first page: figures with the lists behind them, drawn by the theme's library.

Beside each chart stands a table of the same figures: it is what is read aloud, what is there
without scripts, and where each figure leads to its list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts.words import counted

QUIET = "#757f8f"
"""The colour of words in a drawing, which is read on light paper as on dark."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of the table: its text, and the address of the rows it counts, or nothing."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Series:
    """Figures of one colour, one for each label of the chart.

    `colour` is a custom property of crmperms.css; `addresses` are the lists behind the figures,
    empty where there is none. `notes` stand beside the figures, as what they are worth: in the
    table below `notes_label`, in the drawing where one points at a bar.
    """

    label: str
    colour: str
    values: tuple[int, ...]
    addresses: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    notes_label: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, stacked where there are several series; lying where labels are long."""

    title: str
    about: str
    """What its labels are: “Stage”, “Week”."""
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    address: str = ""
    """The list behind all of it, or nothing."""
    lies: bool = False
    is_long: bool = False
    """Whether the table is long, and stays closed until somebody opens it."""

    @property
    def total(self) -> int:
        """Return the sum of all figures."""
        return sum(sum(each.values) for each in self.series)

    @property
    def data(self) -> str:
        """Return what the theme's script hands to the library, as JSON."""
        return json.dumps(
            {
                "labels": [str(label) for label in self.labels],
                "datasets": [
                    {
                        "label": str(each.label),
                        "data": each.values,
                        **({"notes": each.notes} if each.notes else {}),
                        "backgroundColor": f"var({each.colour})",
                        "maxBarThickness": 22,
                        "borderRadius": 3,
                    }
                    for each in self.series
                ],
            }
        )

    @property
    def options(self) -> str:
        """Return how it is drawn, as JSON; whole numbers stand along the bars."""
        ticks: dict[str, Any] = {"color": QUIET, "precision": 0}
        counts = {"beginAtZero": True, "ticks": ticks, "stacked": True}
        names = {"grid": {"display": False}, "ticks": {"color": QUIET}, "stacked": True}
        legend = {"position": "bottom", "labels": {"color": QUIET, "boxWidth": 12}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "indexAxis": "y" if self.lies else "x",
                "plugins": {"legend": {"display": len(self.series) > 1, **legend}},
                "scales": {"x": counts, "y": names} if self.lies else {"x": names, "y": counts},
            }
        )

    @property
    def height(self) -> int:
        """Return the height of the drawing in pixels: lying bars need room for each label."""
        return 60 + 34 * len(self.labels) if self.lies else 220

    @property
    def heads(self) -> list[str]:
        """Return what stands above the table's columns, but for the labels'."""
        return [
            head
            for each in self.series
            for head in (each.label, *([each.notes_label] if each.notes else []))
        ]

    @property
    def rows(self) -> Iterator[tuple[str, list[Cell]]]:
        """Yield the table's rows: a label, and a cell for each series and for its notes."""
        for number, label in enumerate(self.labels):
            cells = []
            for each in self.series:
                has_list = each.addresses and each.values[number]
                address = each.addresses[number] if has_list else ""
                cells.append(Cell(counted(each.values[number]), address))
                if each.notes:
                    cells.append(Cell(each.notes[number], ""))
            yield label, cells
