"""What a preview says, and how much has to be confirmed before the change is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import astuple, dataclass
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext

from accounts import access
from accounts.account_errors import InvalidChange, NotAllowed
from accounts.audit import Actor, System
from accounts.marks import mark
from accounts.models import PermissionSet, Team, User
from accounts.operations.granting import is_free
from accounts.preview.effects import Outcome, outcome
from accounts.preview.standings import Company, Held, Standing, states_of
from accounts.words import counted


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do."""

    people: int
    """How many people the change is to; of others it tells as far as something changes for them."""
    outcome: Outcome
    narrowed: tuple[str, ...] = ()
    """In words, what is asked for and capped (R20), or ticked along (Q38)."""
    mark: str = ""
    """Another one as soon as the change would do anything else than what was previewed."""

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
        text = gettext(
            "This opens %(count)s records to people who do not see them now. Nothing was saved; "
            "type that number to confirm it."
        )
        raise InvalidChange(text % {"count": counted(needed)})


# --- What every preview does ----------------------------------------------------------------------


def previewed(
    before: Company,
    after: Company,
    changed: Collection[int],
    said: Callable[[], Iterable[str]] = tuple,
    *,
    actor: Actor,
) -> Preview:
    """Return what the second company changes, as far as the actor may be told.

    Super admins, and the product itself, are told of all records and people. A delegated
    administrator is told of records that they view themselves, and of people whom they see: what
    somebody else gains or loses beyond that is neither counted nor hinted at, neither in the number
    that confirms a change nor in the mark. That much tells them nothing new: of a record that they
    view, “Who can see this” names the same people.

    `said` returns what is narrowed in words of the active language.
    """
    narrowed = tuple(dict.fromkeys(said()))
    seen_by = None if is_free(actor) or isinstance(actor, System) else actor
    found = outcome(before, after, changed, seen_by=seen_by)
    told = [
        [[each.person.pk, each.is_changed, *map(astuple, each.records)] for each in found.effects],
        [[each.abilities_gained, each.abilities_lost] for each in found.effects],
        [list(map(astuple, totals)) for totals in (found.opened, found.opened_to_others)],
    ]
    stands = _stands(before, after, changed)
    with translation.override(None):
        # Who looked at it in one language may confirm it in another: nothing changed by that.
        plainly = tuple(dict.fromkeys(said())) if narrowed else ()
    return Preview(len(changed), found, narrowed, mark([told, stands, plainly]))


def _stands(before: Company, after: Company, changed: Collection[int]) -> list[Any]:
    """Return how those whom the change is to stand and would stand, in a form to be compared.

    With what their permission sets say, so that a set edited meanwhile is found out; the tree only
    where the change is to the tree.
    """
    pairs = [(key, before.people[key], after.people[key]) for key in sorted(changed)]
    sets = {each.rights for _, *both in pairs for each in both if isinstance(each.rights, int)}
    stored = {key: Held.of(state) for key, state in states_of(sets).items()}
    tree = [] if before.below == after.below else [_tree(before), _tree(after)]
    return [
        [[key, _standing(was), _standing(becomes)] for key, was, becomes in pairs],
        [[key, _held(stored[key])] for key in sorted(stored)],
        tree,
    ]


def _standing(standing: Standing) -> list[Any]:
    rights = _held(standing.rights) if isinstance(standing.rights, Held) else standing.rights
    teams = [sorted(standing.teams), standing.main_team]
    status = [standing.active, standing.super_admin, standing.partner_admin]
    return [*status, rights, teams]


def _held(held: Held) -> list[Any]:
    return [sorted(held.scopes), sorted(map(str, held.tools))]


def _tree(company: Company) -> list[Any]:
    return [[team, sorted(below)] for team, below in sorted(company.below.items())]


def keys_to_change(people: Iterable[User], actor: Actor, action: str = "change") -> list[int]:
    """Return the keys of these people; raise where the actor may not change all of them."""
    keys = keys_of(people)
    rows = User.objects.filter(pk__in=access.Keys(keys)) if keys else User.objects.none()
    if not isinstance(actor, System):
        rows = access.permitted(rows, actor, action)
    if rows.count() != len(keys):
        text = gettext("You may not change all of these people. Ask a super admin to do it.")
        raise NotAllowed(text)
    return keys


def keys_of(rows: Iterable[User | PermissionSet | Team]) -> list[int]:
    return list(dict.fromkeys(row.pk for row in rows))
