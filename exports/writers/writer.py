"""What every format's writer has in common: rows go in by chunks, bytes come out as they are made.

A writer keeps no more than it needs to go on, so that memory does not grow with the number of rows,
and makes no file of its own: whatever is written lies in the export's part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType

from exports.tables import Kind
from exports.writers.bulk import Bulk
from exports.writers.files import Part
from exports.writers.plain import Cell


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above a column, and what is in it."""

    heading: str
    kind: Kind = Kind.TEXT
    places: int = 0


class Writer(ABC):
    """One file in one format; leaving its block with an error lets go of what is held open."""

    def __init__(self, part: Part, heads: Sequence[Head]) -> None:
        self.out = Sink(part)
        self.heads = heads

    @abstractmethod
    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Write these rows."""

    def take(self, rows: Bulk) -> None:
        """Write all rows of these, some at a time."""
        with closing(rows.rows()) as chunks:
            for chunk in chunks:
                self.add(chunk)

    def finish(self) -> None:  # noqa: B027  # most formats have nothing there
        """Write what a format has after its last row."""

    def let_go(self) -> None:  # noqa: B027  # most formats hold nothing open
        """Close what a library holds open; nothing of what it writes then arrives."""

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.out.shut = True
            self.let_go()


class Sink:
    """The part as libraries see a file: it can be written to and nothing else.

    Without `seek` they write every byte once and in order, so that the hash is made on the way.
    """

    closed = False

    def __init__(self, part: Part) -> None:
        self._part = part
        self._told = 0
        self.shut = False

    def write(self, data: bytes) -> int:
        # What a library writes when it is thrown away, after the folder refused, is for nobody.
        if not self.shut and self._part.trouble is None:
            self._part.write(data)
        self._told += len(data)
        return len(data)

    def tell(self) -> int:
        return self._told

    def flush(self) -> None:
        """The part is flushed when it is published."""

    def close(self) -> None:
        """The part is closed by who made it."""
