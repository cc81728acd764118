"""The tab CRM: what is done with records as a whole; scopes of records are `kinds.py`."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.catalogue.types import Kind, Risk, Tool, ladder

TAB, TOOLS = "CRM", gettext_lazy("CRM tools")

CRM = (
    Tool(
        "crm.workflows",
        TAB,
        TOOLS,
        gettext_lazy("Workflows"),
        gettext_lazy("Automation that acts on records by itself."),
        id="C-1",
        kind=Kind.BOXES,
        options=ladder(
            ("view", pgettext_lazy("action", "View"), gettext_lazy("Read workflows.")),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Make and change workflows.")),
            ("delete", gettext_lazy("Delete"), gettext_lazy("Delete workflows.")),
        ),
    ),
    Tool(
        "crm.bulk_delete",
        TAB,
        TOOLS,
        gettext_lazy("Bulk delete"),
        gettext_lazy(
            "Delete many records at once from a list. Deleting one after the other needs the scope "
            "Delete alone."
        ),
        Risk.HIGH,
        id="C-3",
        rows_within="delete",
        asked_later=True,
    ),
    Tool(
        "crm.import",
        TAB,
        TOOLS,
        pgettext_lazy("permission", "Import"),
        gettext_lazy("Bring records in from a file."),
        id="C-4",
        rows_within="change",
        asked_later=True,
    ),
    Tool(
        "crm.export",
        TAB,
        TOOLS,
        pgettext_lazy("permission", "Export"),
        gettext_lazy("Take records out of the product as a file."),
        Risk.HIGH,
        id="C-5",
        rows_within="view",
        opens_gate=True,
        asked_by=gettext_lazy("every export, from the button on a list to the download"),
    ),
    Tool(
        "crm.property_settings",
        TAB,
        TOOLS,
        gettext_lazy("Edit property settings"),
        gettext_lazy(
            "Create and change fields, the sidebar of a record, cards on boards, pipelines and "
            "their "
            "stages, and lead scoring. Does not pass a rule on who edits in a stage."
        ),
        Risk.HIGH,
        id="C-6",
        asked_later=True,
    ),
    Tool(
        "crm.middle_column_layout",
        TAB,
        TOOLS,
        gettext_lazy("Customize middle column layout"),
        gettext_lazy("Decide what the middle of a record’s page shows, and in which order."),
        id="C-7",
        asked_later=True,
    ),
    Tool(
        "crm.chatflows",
        TAB,
        TOOLS,
        gettext_lazy("Chatflows"),
        gettext_lazy("Create, change and publish chats and bots."),
        id="C-8",
    ),
    Tool(
        "crm.custom_views",
        TAB,
        TOOLS,
        gettext_lazy("Custom views"),
        gettext_lazy("Create, change and delete views that others use too."),
        id="C-9",
        asked_later=True,
    ),
    Tool(
        "crm.export_approver",
        TAB,
        TOOLS,
        gettext_lazy("Export approver"),
        gettext_lazy(
            "Approve or reject other people’s export requests, never one’s own. Super admins "
            "always "
            "may."
        ),
        Risk.HIGH,
        id="C-10",
        guarded=True,
        opens_gate=True,
        asked_by=gettext_lazy("the export log: who may decide, and who is told of a request"),
    ),
    Tool(
        "crm.export_without_approval",
        TAB,
        TOOLS,
        gettext_lazy("Export without approval"),
        gettext_lazy(
            "Exports run at once, whatever their size or content. Super admins always may."
        ),
        Risk.HIGH,
        id="C-11",
        inert_without="crm.export",
        guarded=True,
        opens_gate=True,
        asked_by=gettext_lazy("every export that would need approval"),
    ),
)
