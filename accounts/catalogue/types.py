"""What a permission is made of: the words in which each tab declares its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

TAB_LABELS: dict[str, StrOrPromise] = {
    "CRM": gettext_lazy("CRM"),
    "Marketing": gettext_lazy("Marketing"),
    "Sales": gettext_lazy("Sales"),
    "Reports": gettext_lazy("Reports"),
    "Account": gettext_lazy("Account"),
    "Partner": gettext_lazy("Partner"),
}
TABS = tuple(TAB_LABELS)
"""The tabs of the editor, in order (R5)."""

OWNED, TEAM, EVERYTHING = 1, 2, 3
LEVELS = {"owned": OWNED, "team": TEAM, "everything": EVERYTHING}
"""The levels of a scope by their names in a grant; the numbers are those of `Rank`."""
LEVEL_LABELS: dict[int, StrOrPromise] = {
    0: pgettext_lazy("level", "None"),
    OWNED: pgettext_lazy("level", "Owned only"),
    TEAM: pgettext_lazy("level", "Team only"),
    EVERYTHING: pgettext_lazy("level", "Everything"),
}
"""How each level is called."""


class Risk(StrEnum):
    """How much harm a permission can do; how a new one arrives goes by it (Q25, arrivals.py)."""

    LOW = "low"
    HIGH = "high"


class Kind(StrEnum):
    """How a permission is held."""

    SWITCH = "switch"
    """On or off."""
    BOXES = "boxes"
    """Any number of its options; ticking a higher one ticks the lower ones (Q38)."""
    CHOICE = "choice"
    """One of its options, or none."""
    SCOPE = "scope"
    """A level, and a box Unassigned, for each of its options."""
    DERIVED = "derived"
    """No switch of its own: it follows from others."""


@dataclass(frozen=True, slots=True)
class Option:
    """One box, choice or level of a permission; asked as `key:option`."""

    key: str
    # Not compared, here and below: what is said differs between languages, and the hash would.
    label: StrOrPromise = field(compare=False)
    help: StrOrPromise = field(default="", compare=False)
    implies: tuple[str, ...] = ()
    """Options of the same permission that come with this one."""
    within: str = ""
    """The option of the same permission whose level this one may not exceed."""
    requires: tuple[tuple[str, ...], ...] = ()
    """What must be held besides: one key of each group."""
    derived: bool = False
    """Whether it is not given, but follows from what is required."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A permission that does not differ from record to record (R42).

    Dependencies are data (R41); `evaluation.py` says what they come to. Keys are `tab.name`, those
    of scopes `crm.<object>.<action>`.
    """

    key: str
    tab: str
    section: StrOrPromise = field(compare=False)
    label: StrOrPromise = field(compare=False)
    help: StrOrPromise = field(compare=False)
    risk: Risk = Risk.LOW
    id: str = ""
    """The number of its row in the requirements; none for permissions that are ours."""
    kind: Kind = Kind.SWITCH
    options: tuple[Option, ...] = ()
    default: bool = False
    """Whether a new permission set begins with it."""
    parent: str = ""
    """The switch without which it has no effect, whatever is stored (R40)."""
    requires: tuple[tuple[str, ...], ...] = ()
    """What must be held besides: one key of each group; a scope's key means more than None."""
    implies: tuple[str, ...] = ()
    """`key:option` of other permissions that come with it."""
    presets: tuple[str, ...] = ()
    """What the editor ticks along when this is switched on; each can be taken off again."""
    overrides: str = ""
    """The tab all of whose permissions come with it, whatever is set there."""
    inert_without: str = ""
    """The permission without which this one has no effect (R41)."""
    rows_within: str = ""
    """The action whose scope says which records it reaches."""
    granting_requires: str = ""
    """What somebody must hold to give or take it (for delegated administration)."""
    guarded: bool = False
    """Whether it decides who consents to what: who gave or took it is kept (`RightsChange`), and
    super admins are told."""
    opens_gate: bool = False
    """Whether data leaves by it, or whoever has it could let data leave: such a permission never
    arrives switched on in a set that is there, whatever the account has set (Q25)."""
    asked_by: StrOrPromise = field(default="", compare=False)
    """What in this product asks it today; nothing for what is stored for tools outside."""
    asked_later: bool = False
    """Whether this product has, or will have, what it governs, and does not ask it yet."""

    @property
    def standing(self) -> str:
        """Say whether anything asks for it; shown in the editor and in the reference."""
        if self.asked_by:
            return gettext("Asked by: %(what)s.") % {"what": self.asked_by}
        if self.asked_later:
            return gettext("Not asked yet: stored, and without an effect in this version.")
        return gettext("For tools outside: stored, and nothing in this product asks it.")

    def option(self, key: str) -> Option | None:
        """Return the option with this key, or None."""
        return next((option for option in self.options if option.key == key), None)

    def higher(self, key: str) -> tuple[str, ...]:
        """Return the options with which this one comes, itself first."""
        above = (o.key for o in self.options if key in o.implies and not o.derived)
        return (key, *above)


def ladder(*steps: tuple[str, StrOrPromise, StrOrPromise]) -> tuple[Option, ...]:
    """Return options (key, label, help) from the lowest up: each comes with all below it (Q38)."""
    return tuple(
        Option(key, label, text, implies=tuple(lower for lower, _, _ in steps[:number]))
        for number, (key, label, text) in enumerate(steps)
    )
