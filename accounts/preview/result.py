"""What a preview says, and how much has to be confirmed before the change is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.conf import settings

from accounts import access
from accounts.audit import Actor, System
from accounts.models import PermissionSet, Team, User
from accounts.operations.errors import InvalidChange, NotAllowed
from accounts.preview.effects import Outcome, outcome
from accounts.preview.standings import Company


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do."""

    people: int
    """How many people the change is to; of others it tells as far as something changes for them."""
    outcome: Outcome
    narrowed: tuple[str, ...] = ()
    """In words, what is asked for and capped (R20), or ticked along (Q38)."""

    @property
    def opened(self) -> int:
        """How many different records come into view of at least one person, all kinds together."""
        return sum(each.records for each in self.outcome.opened)

    @property
    def confirmation_needed(self) -> int | None:
        """The number that has to be typed to confirm the change; None where none has to be."""
        return self.opened if self.opened > settings.CONFIRM_RECORDS_ABOVE else None

    @property
    def changes_anything(self) -> bool:
        """Whether anybody gains or loses a record or a high-risk ability."""
        return bool(self.outcome.effects)


def require_confirmed(preview: Preview, typed: str | int | None) -> None:
    """Raise `InvalidChange` unless a change that opens much is confirmed by the number it opens.

    Worked out anew when the change is made: what was typed confirms what would happen then.
    """
    needed = preview.confirmation_needed
    if needed is None:
        return
    # As it is shown, or as it is: with signs between thousands, or without.
    digits = str("" if typed is None else typed).strip()
    for sign in (",", ".", "’", "'", " ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"):
        digits = digits.replace(sign, "")
    if not (digits.isascii() and digits.isdigit()) or digits.lstrip("0") != str(needed):
        raise InvalidChange(
            f"This opens {needed:,} records to people who do not see them now. Nothing was saved; "
            "type that number to confirm it."
        )


# --- What every preview does ----------------------------------------------------------------------


def previewed(
    before: Company, after: Company, changed: Collection[int], said: Iterable[str] = ()
) -> Preview:
    return Preview(len(changed), outcome(before, after, changed), tuple(dict.fromkeys(said)))


def keys_to_change(people: Iterable[User], actor: Actor) -> list[int]:
    """Return the keys of these people; raise where the actor may not change all of them."""
    keys = keys_of(people)
    rows = User.objects.filter(pk__in=access.Keys(keys)) if keys else User.objects.none()
    if not isinstance(actor, System):
        rows = access.permitted(rows, actor, "change")
    if rows.count() != len(keys):
        raise NotAllowed("You may not change all of these people. Ask a super admin to do it.")
    return keys


def keys_of(rows: Iterable[User | PermissionSet | Team]) -> list[int]:
    return list(dict.fromkeys(row.pk for row in rows))
