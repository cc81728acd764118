"""The tab Partner: for employees of an implementation partner."""

from __future__ import annotations

from accounts.catalogue.types import Kind, Option, Risk, Tool, ladder

TAB, TOOLS, STANDING = "Partner", "Partner tools", "Partner employees"
PARENT = "partner.access"

PARTNER = (
    Tool(
        PARENT,
        TAB,
        TOOLS,
        "Partner tools access",
        "Opens the partner tools. Off for every new person of a partner. The permissions below "
        "have an effect only with it.",
        Risk.HIGH,
        id="PT-1",
    ),
    Tool(
        "partner.dashboard",
        TAB,
        TOOLS,
        "Partner dashboard",
        "What the partner sells and manages.",
        id="PT-2",
        kind=Kind.BOXES,
        options=ladder(("view", "View", "Read it."), ("edit", "Edit", "Change it.")),
        parent=PARENT,
    ),
    Tool(
        "partner.solutions_directory",
        TAB,
        TOOLS,
        "Solutions directory",
        "How the partner is presented to those who look for one.",
        id="PT-3",
        kind=Kind.BOXES,
        options=(Option("edit", "Edit", "Change it."),),
        parent=PARENT,
    ),
    Tool(
        "partner.employee_management",
        TAB,
        TOOLS,
        "Partner employee management",
        "The list of the partner’s employees who work for a client.",
        Risk.HIGH,
        id="PT-4",
        kind=Kind.BOXES,
        options=ladder(("view", "View", "Read it."), ("edit", "Edit", "Change it.")),
        parent=PARENT,
    ),
    Tool(
        "partner.employee",
        TAB,
        STANDING,
        "Partner employee",
        "Marks the person as employee of the partner when they are added to a client’s account. "
        "Only who bears this mark can be made a partner admin.",
        Risk.HIGH,
        id="PT-5",
        asked_by="making somebody a partner admin",
    ),
)
