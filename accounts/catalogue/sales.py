"""The tab Sales. The seat decides over its own part, for super admins too (R90, Q33)."""

from __future__ import annotations

from accounts.catalogue.types import Kind, Option, Risk, Tool, ladder

TAB, GENERAL, ACCESS, SEATS = "Sales", "Products", "Sales tools", "Sales seat"
PARENT, SEAT = "sales.access", "sales.seat"

SALES = (
    Tool(
        "sales.product_library",
        TAB,
        GENERAL,
        "Manage product library",
        "Create and change products.",
        id="S-1",
        asked_later=True,
    ),
    Tool(
        "sales.custom_line_items",
        TAB,
        GENERAL,
        "Create custom line items",
        "Add items to a deal or a quote that are not in the product library.",
        id="S-2",
        default=True,
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ACCESS,
        "Sales access",
        "Opens templates, snippets, documents, calling, meetings, and connecting a personal inbox. "
        "The permissions below have an effect only with it.",
        id="S-3",
    ),
    Tool(
        "sales.templates",
        TAB,
        ACCESS,
        "Templates",
        "Create, change and delete templates. Whoever has a seat views and sends them without it.",
        id="S-4",
        parent=PARENT,
    ),
    Tool(
        "sales.scheduling_pages",
        TAB,
        ACCESS,
        "Create scheduling pages for others",
        "Create, change and delete the pages on which others can be booked.",
        id="S-5",
        parent=PARENT,
    ),
    Tool(
        SEAT,
        TAB,
        SEATS,
        "Sales seat",
        "Marks the person as holder of a seat, which brings playbooks to read, call transcription "
        "and quotes in workflows. The permissions below count only with it, for super admins too. "
        "Editing somebody who has it needs Modify billing.",
        # Not because of harm: given to everybody, it would ask for Modify billing everywhere (R3).
        Risk.HIGH,
        id="S-6",
        asked_later=True,
    ),
    Tool(
        "sales.forecast",
        TAB,
        SEATS,
        "Forecast",
        "See and change forecasts: one’s own, those of team-mates, or everybody’s.",
        id="S-7",
        kind=Kind.SCOPE,
        options=(
            Option("view", "View", "Whose forecast the person sees."),
            Option("edit", "Edit", "Whose forecast the person changes.", within="view"),
        ),
        parent=SEAT,
        asked_later=True,
    ),
    Tool(
        "sales.playbooks",
        TAB,
        SEATS,
        "Playbooks",
        "Guides for calls and meetings; whoever has a seat reads them.",
        id="S-8",
        kind=Kind.BOXES,
        options=ladder(
            ("edit", "Edit", "Write and change them."),
            ("publish", "Publish", "Put them live."),
        ),
        parent=SEAT,
        granting_requires="account.access",
    ),
    Tool(
        "sales.sequences",
        TAB,
        SEATS,
        "Sequences",
        "Create and change sequences of e-mails. Whoever has a seat views and sends them without "
        "it.",
        id="S-9",
        parent=SEAT,
    ),
    Tool(
        "sales.bulk_enroll_sequences",
        TAB,
        SEATS,
        "Bulk enroll sequences",
        "Put several contacts into a sequence at once; without it, one at a time.",
        id="S-10",
        default=True,
        parent=SEAT,
    ),
    Tool(
        "sales.prospecting_as_another_user",
        TAB,
        SEATS,
        "View Prospecting as another user",
        "Look into other people’s workspaces.",
        Risk.HIGH,
        id="S-11",
        parent=SEAT,
    ),
    Tool(
        "sales.goals",
        TAB,
        SEATS,
        "Be given goals",
        "Goals are given to whoever has a seat, and to nobody else, super admins included. Who "
        "sees and changes goals is said by Goals on the tab Reports.",
        kind=Kind.DERIVED,
        options=(
            Option("receive", "Receive", "Be given a goal.", requires=((SEAT,),), derived=True),
        ),
        # Not of the tab Reports, all of which comes with Reports and dashboards (RP-4, Q33).
        parent=SEAT,
    ),
)
