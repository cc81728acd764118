"""What a cell holds before any format writes it, and how it reads as plain text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

Cell = str | int | Decimal | date | datetime | None
"""A value as it is; None where it is empty, hidden or out of reach, which look the same."""


def plain(cell: Cell) -> str:
    """Return a cell as text for people; empty for nothing."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(cell, date):
        return cell.isoformat()
    return "" if cell is None else str(cell)
