"""What every operation of the product raises where it refuses, by what happened.

Each app adds a base of its own (`AccountsError`, `RecordError`, `ExportError`) below `Refusal`, and
what only it knows of. Messages are sentences for people: what, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

if TYPE_CHECKING:
    from django.db.models import Model

    from accounts.models import User


class Refusal(Exception):
    """Something that was asked of the product was refused; the message says what to do."""


class NotAllowed(Refusal, PermissionDenied):
    """The actor may not do this; `code` says why to the audit log.

    The operation that is refused writes it down, see `accounts.audit.step`.
    """

    code = "not_allowed"

    def __init__(self, message: str = "", code: str = "") -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.refused: tuple[str, User, Model | None] | None = None
        """What was refused, to whom and of what, for the audit log; None where no operation did."""
        self.depth: int | None = None
        """How many transactions lay around it when it was written down; None: it was not yet."""


class NotFound(Refusal):
    """No such thing in the actor's reach: absent and hidden are the same."""


class Unanswered(Refusal):
    """Something that is done once a question is answered with yes.

    A form asks it as a question, and not as a mistake of whoever filled it in.
    """

    def __init__(self, question: str, what_follows: str, button: str, mark: str) -> None:
        super().__init__(f"{question} {what_follows}")
        self.question = question
        self.what_follows = what_follows
        self.button = button
        """What “yes” is called: the step itself."""
        self.mark = mark
        """Which question it is, and about what: “yes” sends it, and answers no other question."""


class Stale(Refusal):
    """Somebody else changed it since it was read."""
