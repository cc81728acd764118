"""What is refused: one base, and what happened by name."""

from __future__ import annotations

from accounts import errors


class AccountsError(errors.Refusal):
    """A change to people or permissions that was refused; the message says what to do."""


class NotAllowed(AccountsError, errors.NotAllowed):
    """The actor may not do this."""


class LastSuperAdmin(AccountsError):
    """The change would leave the account without an active super admin (Q22)."""


class InvalidChange(AccountsError):
    """What was asked for cannot be: a name taken, a loop in the tree, an unknown key."""
