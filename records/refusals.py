"""How a change to a record is refused: by an error whose message says what to do."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy

from accounts import errors
from records.kinds import Field


class RecordError(errors.Refusal):
    """A change to a record that was refused; the message says what to do."""


class NotAllowed(RecordError, errors.NotAllowed):
    """The actor sees the record and may not do this to it; the message gives the reasons."""


class NotFound(RecordError, errors.NotFound):
    """No such record in the actor's reach: absent and hidden are the same."""


class Stale(RecordError, errors.Stale):
    """Somebody else saved the record, or the settings, since they were read."""


class Invalid(RecordError):
    """A value that cannot be saved."""


class InvalidChoice(Invalid):
    """A related record that is not offered; absent, hidden and impossible ones read alike."""

    def __init__(self, field: Field) -> None:
        super().__init__(gettext("%(field)s: choose one from the list.") % {"field": field.label})
        self.field = field.name


class HandOver(RecordError, errors.Unanswered):
    """The change takes the record from its actor: confirm it (Q30, Q39).

    They give it away, or move it into a stage in which they cannot edit it any more.
    """


OWNERS_STAY = gettext_lazy(
    "You may edit this record only because it is shared with you, and a share does not change "
    "owners. Ask one of its owners to do it."
)

SAVED_MEANWHILE = gettext_lazy(
    "Somebody else saved this record since you opened it. Open it again, and repeat your change if "
    "it is still wanted."
)
