"""The tab Partner: for employees of an implementation partner."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.catalogue.types import Kind, Option, Risk, Tool, ladder

TAB, TOOLS, STANDING = "Partner", gettext_lazy("Partner tools"), gettext_lazy("Partner employees")
PARENT = "partner.access"

PARTNER = (
    Tool(
        PARENT,
        TAB,
        TOOLS,
        gettext_lazy("Partner tools access"),
        gettext_lazy(
            "Opens the partner tools. Off for every new person of a partner. The permissions below "
            "have an effect only with it."
        ),
        Risk.HIGH,
        id="PT-1",
    ),
    Tool(
        "partner.dashboard",
        TAB,
        TOOLS,
        gettext_lazy("Partner dashboard"),
        gettext_lazy("What the partner sells and manages."),
        id="PT-2",
        kind=Kind.BOXES,
        options=ladder(
            ("view", pgettext_lazy("action", "View"), gettext_lazy("Read it.")),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Change it.")),
        ),
        parent=PARENT,
    ),
    Tool(
        "partner.solutions_directory",
        TAB,
        TOOLS,
        gettext_lazy("Solutions directory"),
        gettext_lazy("How the partner is presented to those who look for one."),
        id="PT-3",
        kind=Kind.BOXES,
        options=(Option("edit", gettext_lazy("Edit"), gettext_lazy("Change it.")),),
        parent=PARENT,
    ),
    Tool(
        "partner.employee_management",
        TAB,
        TOOLS,
        gettext_lazy("Partner employee management"),
        gettext_lazy("The list of the partner’s employees who work for a client."),
        Risk.HIGH,
        id="PT-4",
        kind=Kind.BOXES,
        options=ladder(
            ("view", pgettext_lazy("action", "View"), gettext_lazy("Read it.")),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Change it.")),
        ),
        parent=PARENT,
    ),
    Tool(
        "partner.employee",
        TAB,
        STANDING,
        gettext_lazy("Partner employee"),
        gettext_lazy(
            "Marks the person as employee of the partner when they are added to a client’s "
            "account. "
            "Only who bears this mark can be made a partner admin."
        ),
        Risk.HIGH,
        id="PT-5",
        asked_by=gettext_lazy("making somebody a partner admin"),
    ),
)
