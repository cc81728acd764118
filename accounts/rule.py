"""What a rule is: a named condition on rows with a reason, and what several of them come to.

Nothing here knows people, records or permission sets, so models may import it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NEVER = Q(pk__in=[])
ALWAYS = ~NEVER

CODES = frozenset(
    {
        "inactive",
        "deleted",
        "superuser",
        "partner_admin",
        "everything",
        "team",
        "owned",
        "unassigned",
        "shared",
        "stage",
        "unseen",
        "no_scope",
        # Of people, permission sets and teams (delegation.py).
        "delegated",
        "oneself",
        "protected",
        "seat",
        "stronger",
        "beyond",
        "own_copy",
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A named condition on rows: an allowing one grants, any other that holds takes away."""

    code: str
    allows: bool
    when: Q
    because: StrOrPromise
    """In the words of whoever reads it: rules are kept for longer than a request."""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"Unknown rule code {self.code!r}; see CODES in accounts/rule.py.")
        if not self.when:
            # An empty Q means "everything" when negated and vanishes when combined (L94).
            raise ValueError(f"Rule {self.code!r} has an empty Q; say ALWAYS or NEVER.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's answer about one row."""

    code: str
    allows: bool
    holds: bool
    because: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict about one row and every finding that led to it (B2)."""

    allowed: bool
    findings: tuple[Finding, ...]

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """Return the findings that explain the verdict: what takes away, else what grants."""
        return self.denying or tuple(f for f in self.findings if f.holds)

    @property
    def why_not(self) -> list[str]:
        """Return the reasons of a refusal; where nothing takes the right away, that none gives it.

        An action may be allowed and yet be refused: where no page offers it to anybody.
        """
        if self.allowed:
            return [gettext("nobody does this here")]
        found = [finding.because for finding in self.denying]
        return found or [gettext("no permission of yours allows it")]

    @property
    def denying(self) -> tuple[Finding, ...]:
        """Return the findings that take away, whatever else grants."""
        return tuple(f for f in self.findings if f.holds and not f.allows)

    @property
    def denying_codes(self) -> frozenset[str]:
        """Return the codes of the findings that take away."""
        return frozenset(f.code for f in self.denying)


def condition(rules: Iterable[Rule]) -> Q:
    """Return the arbitration: someone allows and nobody denies."""
    allowed, denied_by_none = NEVER, ALWAYS
    for rule in rules:
        if rule.allows:
            allowed |= rule.when
        else:
            # One by one: the bin alone is then what the indexes of records are made for.
            denied_by_none &= ~rule.when
    return settled(allowed & denied_by_none)


def yes(answer: bool) -> Q:
    return ALWAYS if answer else NEVER


def settled(when: Q) -> Q:
    """Return the same condition without the parts that a known person has settled.

    Django finds out as well, but looks up every field first: a check of one record took three times
    as long. What is left keeps its negations where they were, so NULL means what it meant.
    """
    answer = _settled(when)
    if isinstance(answer, bool):
        return yes(answer)
    return answer if isinstance(answer, Q) else Q(answer)


def _settled(part: Any) -> Any:
    """Return True, False, or what is left of a part of a condition."""
    if isinstance(part, tuple):
        name, value = part
        empty = isinstance(value, list | tuple) and not value
        return False if empty and name.endswith("__in") else part
    if not isinstance(part, Q) or part.connector == Q.XOR:
        return part
    decisive = part.connector == Q.OR  # one True decides an OR, one False an AND
    left = []
    for child in part.children:
        answer = _settled(child)
        if answer is decisive:
            return decisive is not part.negated
        if not isinstance(answer, bool):
            left.append(answer)
    if not left:
        return decisive is part.negated
    if len(left) == 1 and not part.negated:
        return left[0]
    if len(left) == 1 and isinstance(left[0], tuple):
        name, value = left[0]
        if name.endswith("__isnull"):
            # SQLite takes no index "where x is null" for "not x is not null".
            return (name, not value)
    return Q(*left, _connector=part.connector, _negated=part.negated)
