"""How much was compared, and how often each reason decided."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

COUNTED = ("compared", "decisive", "changes", "refused")


@dataclass
class Tally:
    """What was compared, to be printed: nobody believes in proofs that do not say how much."""

    worlds: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    decisive: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Changes that the product refused, by what it said; the world then stays as it was."""

    def add(self, other: Tally) -> None:
        self.worlds += other.worlds
        self.decisions += other.decisions
        self.compared += other.compared
        self.decisive += other.decisive
        self.changes += other.changes
        self.refused += other.refused

    def to_json(self) -> dict[str, Any]:
        # Not `asdict`, which makes a counter of pairs out of a counter.
        counted = {name: dict(getattr(self, name)) for name in COUNTED}
        return {"worlds": self.worlds, "decisions": self.decisions, **counted}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Tally:
        counted = {name: Counter(told[name]) for name in COUNTED}
        return cls(worlds=told["worlds"], decisions=told["decisions"], **counted)

    def share(self, code: str) -> float:
        """In which part of all decisions this code decided, in per cent."""
        return 100 * self.decisive[code] / max(self.decisions, 1)

    def __str__(self) -> str:
        readers = _listed(self.compared)
        codes = ", ".join(f"{code} {self.share(code):.1f} %" for code in sorted(self.decisive))
        return (
            f"{self.worlds:,} worlds, {self.decisions:,} decisions, "
            f"{self.compared.total():,} answers compared ({readers}); decisive: {codes}; "
            f"{self.changes.total():,} changes ({_listed(self.changes)}), refused "
            f"{self.refused.total():,} ({_listed(self.refused)})"
        )


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counted.most_common())
