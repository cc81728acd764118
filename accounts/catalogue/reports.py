"""The tab Reports; *Reports and dashboards* on the tab Account overrides all of it (R41)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.catalogue.types import Kind, Option, Tool, ladder

TAB, GENERAL, ACCESS = "Reports", gettext_lazy("Data quality"), gettext_lazy("Reports")
PARENT = "reports.access"

REPORTS = (
    Tool(
        "reports.data_quality",
        TAB,
        GENERAL,
        gettext_lazy("Data quality tools access"),
        gettext_lazy("Find duplicates, gaps and mistakes in the data."),
        id="RP-1",
        rows_within="view",
        asked_later=True,
    ),
    Tool(
        PARENT,
        TAB,
        ACCESS,
        gettext_lazy("Reports access"),
        gettext_lazy("Opens reports. The permissions below have an effect only with it."),
        id="RP-2",
        presets=("reports.dashboards:view",),
        asked_later=True,
    ),
    Tool(
        "reports.dashboards",
        TAB,
        ACCESS,
        gettext_lazy("Dashboards, reports & analytics"),
        gettext_lazy("What the person does with dashboards and reports they have access to."),
        id="RP-3",
        kind=Kind.BOXES,
        options=ladder(
            ("view", pgettext_lazy("action", "View"), gettext_lazy("Look at them.")),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Change them.")),
            ("create", gettext_lazy("Create/own"), gettext_lazy("Create their own.")),
        ),
        parent=PARENT,
        asked_later=True,
    ),
    Tool(
        "reports.goals",
        TAB,
        ACCESS,
        gettext_lazy("Goals"),
        gettext_lazy("See and change goals. Only who has a seat can be given a goal."),
        id="RP-4",
        kind=Kind.SCOPE,
        options=(
            Option(
                "view",
                pgettext_lazy("action", "View"),
                gettext_lazy("Whose goals the person sees."),
            ),
            Option(
                "edit",
                gettext_lazy("Edit"),
                gettext_lazy("Whose goals the person changes."),
                within="view",
            ),
        ),
        parent=PARENT,
    ),
    Tool(
        "reports.datasets",
        TAB,
        ACCESS,
        gettext_lazy("Datasets"),
        gettext_lazy("Prepared data for custom reports."),
        id="RP-5",
        kind=Kind.BOXES,
        options=ladder(
            (
                "view",
                pgettext_lazy("action", "View"),
                gettext_lazy("Use existing datasets in custom reports."),
            ),
            ("edit", gettext_lazy("Edit"), gettext_lazy("Create datasets.")),
        ),
        parent=PARENT,
    ),
    Tool(
        "reports.marketing_reports",
        TAB,
        ACCESS,
        gettext_lazy("Marketing reports"),
        gettext_lazy(
            "Traffic, how pages perform, competitors, tracking addresses, events, and settings of "
            "reports."
        ),
        id="RP-6",
        parent=PARENT,
    ),
)
