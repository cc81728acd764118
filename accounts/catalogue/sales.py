"""The tab Sales. The seat decides over its own part, for super admins too (R90, Q33)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.catalogue.types import Kind, Option, Risk, Tool, ladder

TAB, GENERAL, ACCESS, SEATS = (
    "Sales",
    gettext_lazy("Products"),
    gettext_lazy("Sales tools"),
    gettext_lazy("Sales seat"),
)
PARENT, SEAT = "sales.access", "sales.seat"

SALES = (
    Tool(
        "sales.product_library",
        TAB,
        GENERAL,
        gettext_lazy("Manage product library"),
        gettext_lazy("Create and change products."),
        id="S-1",
        asked_later=True,
    ),
    Tool(
        "sales.custom_line_items",
        TAB,
        GENERAL,
        gettext_lazy("Create custom line items"),
        gettext_lazy("Add items to a deal or a quote that are not in the product library."),
        id="S-2",
        default=True,
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ACCESS,
        gettext_lazy("Sales access"),
        gettext_lazy(
            "Opens templates, snippets, documents, calling, meetings, and connecting a personal "
            "inbox. "
            "The permissions below have an effect only with it."
        ),
        id="S-3",
    ),
    Tool(
        "sales.templates",
        TAB,
        ACCESS,
        gettext_lazy("Templates"),
        gettext_lazy(
            "Create, change and delete templates. Whoever has a seat views and sends them without "
            "it."
        ),
        id="S-4",
        parent=PARENT,
    ),
    Tool(
        "sales.scheduling_pages",
        TAB,
        ACCESS,
        gettext_lazy("Create scheduling pages for others"),
        gettext_lazy("Create, change and delete the pages on which others can be booked."),
        id="S-5",
        parent=PARENT,
    ),
    Tool(
        SEAT,
        TAB,
        SEATS,
        gettext_lazy("Sales seat"),
        gettext_lazy(
            "Marks the person as holder of a seat, which brings playbooks to read, call "
            "transcription "
            "and quotes in workflows. The permissions below count only with it, for super admins "
            "too. "
            "Editing somebody who has it needs Modify billing."
        ),
        # Not because of harm: given to everybody, it would ask for Modify billing everywhere (R3).
        Risk.HIGH,
        id="S-6",
        asked_later=True,
    ),
    Tool(
        "sales.forecast",
        TAB,
        SEATS,
        gettext_lazy("Forecast"),
        gettext_lazy("See and change forecasts: one’s own, those of team-mates, or everybody’s."),
        id="S-7",
        kind=Kind.SCOPE,
        options=(
            Option(
                "view",
                pgettext_lazy("action", "View"),
                gettext_lazy("Whose forecast the person sees."),
            ),
            Option(
                "edit",
                gettext_lazy("Edit"),
                gettext_lazy("Whose forecast the person changes."),
                within="view",
            ),
        ),
        parent=SEAT,
        asked_later=True,
    ),
    Tool(
        "sales.playbooks",
        TAB,
        SEATS,
        gettext_lazy("Playbooks"),
        gettext_lazy("Guides for calls and meetings; whoever has a seat reads them."),
        id="S-8",
        kind=Kind.BOXES,
        options=ladder(
            ("edit", gettext_lazy("Edit"), gettext_lazy("Write and change them.")),
            ("publish", gettext_lazy("Publish"), gettext_lazy("Put them live.")),
        ),
        parent=SEAT,
        granting_requires="account.access",
    ),
    Tool(
        "sales.sequences",
        TAB,
        SEATS,
        gettext_lazy("Sequences"),
        gettext_lazy(
            "Create and change sequences of e-mails. Whoever has a seat views and sends them "
            "without "
            "it."
        ),
        id="S-9",
        parent=SEAT,
    ),
    Tool(
        "sales.bulk_enroll_sequences",
        TAB,
        SEATS,
        gettext_lazy("Bulk enroll sequences"),
        gettext_lazy("Put several contacts into a sequence at once; without it, one at a time."),
        id="S-10",
        default=True,
        parent=SEAT,
    ),
    Tool(
        "sales.prospecting_as_another_user",
        TAB,
        SEATS,
        gettext_lazy("View Prospecting as another user"),
        gettext_lazy("Look into other people’s workspaces."),
        Risk.HIGH,
        id="S-11",
        parent=SEAT,
    ),
    Tool(
        "sales.goals",
        TAB,
        SEATS,
        gettext_lazy("Be given goals"),
        gettext_lazy(
            "Goals are given to whoever has a seat, and to nobody else, super admins included. Who "
            "sees and changes goals is said by Goals on the tab Reports."
        ),
        kind=Kind.DERIVED,
        options=(
            Option(
                "receive",
                gettext_lazy("Receive"),
                gettext_lazy("Be given a goal."),
                requires=((SEAT,),),
                derived=True,
            ),
        ),
        # Not of the tab Reports, all of which comes with Reports and dashboards (RP-4, Q33).
        parent=SEAT,
    ),
)
