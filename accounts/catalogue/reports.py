"""The tab Reports; *Reports and dashboards* on the tab Account overrides all of it (R41)."""

from __future__ import annotations

from accounts.catalogue.types import Kind, Option, Tool, ladder

TAB, GENERAL, ACCESS = "Reports", "Data quality", "Reports"
PARENT = "reports.access"

REPORTS = (
    Tool(
        "reports.data_quality",
        TAB,
        GENERAL,
        "Data quality tools access",
        "Find duplicates, gaps and mistakes in the data.",
        id="RP-1",
        rows_within="view",
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ACCESS,
        "Reports access",
        "Opens reports. The permissions below have an effect only with it.",
        id="RP-2",
        presets=("reports.dashboards:view",),
        asked_later=True,
    ),
    Tool(
        "reports.dashboards",
        TAB,
        ACCESS,
        "Dashboards, reports & analytics",
        "What the person does with dashboards and reports they have access to.",
        id="RP-3",
        kind=Kind.BOXES,
        options=ladder(
            ("view", "View", "Look at them."),
            ("edit", "Edit", "Change them."),
            ("create", "Create/own", "Create their own."),
        ),
        parent=PARENT,
        asked_later=True,
    ),
    Tool(
        "reports.goals",
        TAB,
        ACCESS,
        "Goals",
        "See and change goals. Only who has a seat can be given a goal.",
        id="RP-4",
        kind=Kind.SCOPE,
        options=(
            Option("view", "View", "Whose goals the person sees."),
            Option("edit", "Edit", "Whose goals the person changes.", within="view"),
        ),
        parent=PARENT,
    ),
    Tool(
        "reports.datasets",
        TAB,
        ACCESS,
        "Datasets",
        "Prepared data for custom reports.",
        id="RP-5",
        kind=Kind.BOXES,
        options=ladder(
            ("view", "View", "Use existing datasets in custom reports."),
            ("edit", "Edit", "Create datasets."),
        ),
        parent=PARENT,
    ),
    Tool(
        "reports.marketing_reports",
        TAB,
        ACCESS,
        "Marketing reports",
        "Traffic, how pages perform, competitors, tracking addresses, events, and settings of "
        "reports.",
        id="RP-6",
        parent=PARENT,
    ),
)
