"""Every permission of the product, declared once: the editor, the checks and the help read it here.

Two kinds: *scopes*, one per kind of record and action (`crm.deal.change`), and *tools*
(`crm.export`). Kinds of record are registered by the floor that owns their model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Model

ACTIONS = ("view", "add", "change", "delete", "communicate", "merge")
SCOPED_ACTIONS = ("view", "change", "delete", "communicate", "merge")
# What each scope may not exceed (R20, §0): narrowing the second narrows the first with it.
CAPPED_BY = {"change": "view", "delete": "view", "communicate": "view", "merge": "change"}

ACTION_LABELS = {
    "view": "View",
    "add": "Create",
    "change": "Edit",
    "delete": "Delete",
    "communicate": "Communicate",
    "merge": "Merge",
}


class Risk(StrEnum):
    """How much harm a permission can do; high-risk ones never arrive switched on (Q25)."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Tool:
    """A permission that is held or not, whatever the record (requirements §1.7)."""

    key: str
    tab: str
    section: str
    label: str
    help: str
    risk: Risk = Risk.LOW
    inert_without: str = ""
    """Key of the tool without which this one has no effect (R41)."""
    guarded: bool = False
    """Whether it decides who consents to what: who gave or took it is kept (`RightsChange`), and
    super admins are told."""


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of record whose access is scoped: its key in scopes, its model, its actions (§0)."""

    key: str
    model: type[Model]
    label: str
    plural: str
    actions: tuple[str, ...] = ACTIONS


TOOLS: dict[str, Tool] = {
    tool.key: tool
    for tool in (
        Tool(
            "crm.export",
            "CRM",
            "CRM tools",
            "Export",
            "Take records out of the product as a file. Which records: those the person may view.",
            Risk.HIGH,
        ),
        Tool(
            "crm.export_approver",
            "CRM",
            "CRM tools",
            "Export approver",
            "Approve or reject other people's export requests, never one's own. Super admins "
            "always may.",
            Risk.HIGH,
            guarded=True,
        ),
        Tool(
            "crm.export_without_approval",
            "CRM",
            "CRM tools",
            "Export without approval",
            "Exports run at once, whatever their size or content. Has no effect without Export.",
            Risk.HIGH,
            inert_without="crm.export",
            guarded=True,
        ),
        Tool(
            "audit.view",
            "Account",
            "Logs",
            "View audit log",
            "Read who did what and when, over the whole account. Shows no record.",
            Risk.HIGH,
        ),
        Tool(
            "audit.view_exports",
            "Account",
            "Logs",
            "View everybody's exports",
            "Read the whole export log: who, what, how many, by whose consent. No file, no data.",
            Risk.HIGH,
        ),
    )
}

GUARDED = tuple(key for key, tool in TOOLS.items() if tool.guarded)

_objects: dict[str, ObjectKind] = {}
_by_model: dict[type[Model], ObjectKind] = {}


def register(kind: ObjectKind) -> None:
    """Add a kind of record; called from an `AppConfig.ready()` of the floor that owns it."""
    if unknown := set(kind.actions) - set(ACTIONS):
        raise ValueError(f"{kind.key}: unknown actions {sorted(unknown)}.")
    _objects[kind.key] = kind
    _by_model[kind.model] = kind


def objects() -> Iterator[ObjectKind]:
    """Return every kind of record in the order of registration."""
    return iter(_objects.values())


def object_kind(key: str) -> ObjectKind | None:
    """Return the kind of record with this key, or None."""
    return _objects.get(key)


def kind_of(model: type[Model]) -> ObjectKind | None:
    """Return the kind of record that this model is, or None for a model without scopes."""
    return _by_model.get(model)
