"""Whom the rules are asked about: the questions that a rule may put to an abstract person.

A loaded person answers with ALWAYS, NEVER and literal keys, anyone in a query over people with SQL
(accounts/access). Nothing here reads a table, so models may import it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from django.db.models import Q

from accounts import catalogue
from accounts.rule import NEVER, settled

T = TypeVar("T")


class Asker(ABC):
    """Somebody the rules can be asked about: a loaded person, or anyone in a query over people.

    `depth` counts query levels: 1 is the query over records itself, 2 a sub-query in it, and so on.
    """

    @property
    @abstractmethod
    def known(self) -> dict[Hashable, Any]:
        """What was already worked out about exactly this person, by question."""

    def once(self, question: Hashable, answer: Callable[[], T]) -> T:
        """Return what this question comes to for this person, worked out the first time only."""
        known = self.known
        if question not in known:
            known[question] = answer()
        return known[question]  # type: ignore[no-any-return]  # what was put there

    def inside(self) -> Asker:
        """Return the same person for the rules of another table, asked one query further in."""
        return self

    @abstractmethod
    def id(self, depth: int = 1) -> Any:
        """Return the person's key as something a `Q` can compare with."""

    @abstractmethod
    def is_active(self) -> Q: ...

    @abstractmethod
    def is_superuser(self) -> Q: ...

    @abstractmethod
    def is_partner_admin(self) -> Q: ...

    @abstractmethod
    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        """Hold where the person's scope for this action reaches at least as far as `rank`."""

    @abstractmethod
    def box(self, object_key: str, action: str) -> Q:
        """Hold where the person's Unassigned box for this action is ticked (R13)."""

    @abstractmethod
    def may_add(self, object_key: str) -> Q: ...

    @abstractmethod
    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        """Hold where the person's set stores this tool with one of these options.

        `rank` asks for this level or a wider one. What is stored may have no effect: see `holds`.
        """

    @abstractmethod
    def given_box(self, key: str, option: str) -> Q:
        """Hold where the person's set stores this option with its box Unassigned."""

    def holds(self, tool: str, rank: int = 0) -> Q:
        """Hold where the person has this tool, by key or `key:option`, with all that it needs.

        Super admins have every tool, but for what needs a seat (R90, Q33); partner admins have the
        partner tools, and what needs a seat without one (R101). What depends on what is declared in
        the catalogue; a key that is not there raises.
        """
        return self.once(
            ("holds", tool, rank),
            lambda: settled(catalogue.effective(tool, rank).asked_of(self)),
        )

    def may_give(self, tool: str, rank: int = 0) -> Q:
        """Hold where the person has this tool otherwise than as a partner admin.

        What comes with that status is not theirs to give to others (R96).
        """
        return self.once(
            ("may give", tool, rank),
            lambda: settled(catalogue.given_or_super(tool, rank).asked_of(self)),
        )

    @abstractmethod
    def teams(self, depth: int = 1) -> Any:
        """Return keys of the teams the person is a member of, main and extra (Q42)."""

    @abstractmethod
    def main_teams(self, depth: int = 1) -> Any:
        """Return the key of the person's main team, alone in a list, or nothing (E55)."""

    def owns(self, owner_fields: Sequence[str]) -> Q:
        """Hold where the person is named in one of these fields of the record."""
        owned = NEVER
        for name in owner_fields:
            owned |= Q(**{name: self.id()})
        return owned

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        """Hold where a record of this kind is given to the person by one of these permissions.

        `shared` says so in a query, for whoever is not known.
        """
        return shared()

    def receives_for_good(
        self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]
    ) -> Q:
        """Hold where it is given to the person without an end; `shared` says so, as above."""
        return shared()

    def excepted(self, kind: str, permission: str, made: Callable[[], Q]) -> Q:
        """Hold where the person is excepted from a rule for a record.

        A question of its own, since a share brings no exception, supposed or not; and always asked
        of what is stored: what an exception is worth changes with the record, in one request too.
        """
        return made()

    @abstractmethod
    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        """Hold where one of the person's mates is named in one of these fields of the record.

        Mates are all members of the person's teams and of the teams below (Q23, E21); nobody for a
        person without a team, for whom Team only is Owned only.
        """
