"""What a policy file consists of: sections, each of which shows itself and plans its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from accounts.models import User
from accounts.policy_file.naming import File
from accounts.policy_file.reading import Plain, Written


class Verb(StrEnum):
    """What a step does."""

    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that a step changes, in words; `key` names it for programs."""

    key: str
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Step:
    """One change that makes the account as the file says: one operation, not yet called."""

    verb: Verb
    what: str
    """What is created, changed or deleted: “Permission set “Rep””."""
    take: Callable[[User], object]
    """Call the operation, as this person."""
    differences: tuple[Difference, ...] = ()
    people: int | None = None
    """How many active people it concerns; None where it concerns no certain people."""
    note: str = ""
    """What else there is to know before it is taken, as a sentence."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the policy, kept by the layer that owns its tables."""

    key: str
    show: Callable[[], dict[str, Plain]]
    """Return the section as it holds now, in a stable order."""
    plan: Callable[[Written, File], list[Step]]
    """Return the steps to what is written, in the order in which they can be taken.

    Raises `BadPolicy`. The whole file comes along: what it names may come with another section.
    """
    refusals: tuple[type[Exception], ...]
    """The errors with which its operations refuse; their messages are for people."""


sections: list[Section] = []
"""A slot: the sections of the file in its order; each layer adds its own.

What a section names must come before it; deletions are taken in the opposite order.
"""


def difference(key: str, what: str, before: Any, after: Any) -> Difference:
    """Return a difference between two plain values, in words."""
    return Difference(key, what, in_words(before), in_words(after))


def in_words(value: Any) -> str:
    """Return a plain value as people read it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value else "none"
