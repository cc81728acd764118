"""The tests' own copy of the table of permissions (R42), and what it comes to.

Written from the sentences of the requirements; it shares no line with accounts/catalogue/. It is
the part of the oracle (`tests.support.oracle`) that says which permissions somebody has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

SWITCH, BOXES, CHOICE, SCOPE, DERIVED = "switch", "boxes", "choice", "scope", "derived"
VIEW_EDIT_PUBLISH = ("view", "edit", "publish")

ROWS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    ("C-1", "crm.workflows", "CRM", BOXES, ("view", "edit", "delete")),
    ("C-3", "crm.bulk_delete", "CRM", SWITCH, ()),
    ("C-4", "crm.import", "CRM", SWITCH, ()),
    ("C-5", "crm.export", "CRM", SWITCH, ()),
    ("C-6", "crm.property_settings", "CRM", SWITCH, ()),
    ("C-7", "crm.middle_column_layout", "CRM", SWITCH, ()),
    ("C-8", "crm.chatflows", "CRM", SWITCH, ()),
    ("C-9", "crm.custom_views", "CRM", SWITCH, ()),
    ("C-10", "crm.export_approver", "CRM", SWITCH, ()),
    ("C-11", "crm.export_without_approval", "CRM", SWITCH, ()),
    ("M-1", "marketing.forms", "Marketing", SWITCH, ()),
    ("M-2", "marketing.lists", "Marketing", BOXES, ("view", "edit")),
    ("M-3", "marketing.files", "Marketing", SWITCH, ()),
    ("M-4", "marketing.access", "Marketing", SWITCH, ()),
    ("M-5", "marketing.cta", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-6", "marketing.social", "Marketing", CHOICE, ("draft", "own", "all")),
    ("M-7", "marketing.blog", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-8", "marketing.landing_pages", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-9", "marketing.website_pages", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-10", "marketing.hubdb", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-11", "marketing.url_redirects", "Marketing", BOXES, ("view", "edit")),
    ("M-12", "marketing.design_tools", "Marketing", SWITCH, ()),
    ("M-13", "marketing.email", "Marketing", BOXES, VIEW_EDIT_PUBLISH),
    ("M-14", "marketing.seo", "Marketing", DERIVED, ("view", "edit")),
    ("", "marketing.knowledge_base", "Marketing", DERIVED, VIEW_EDIT_PUBLISH),
    ("", "marketing.customer_portal", "Marketing", DERIVED, VIEW_EDIT_PUBLISH),
    ("S-1", "sales.product_library", "Sales", SWITCH, ()),
    ("S-2", "sales.custom_line_items", "Sales", SWITCH, ()),
    ("S-3", "sales.access", "Sales", SWITCH, ()),
    ("S-4", "sales.templates", "Sales", SWITCH, ()),
    ("S-5", "sales.scheduling_pages", "Sales", SWITCH, ()),
    ("S-6", "sales.seat", "Sales", SWITCH, ()),
    ("S-7", "sales.forecast", "Sales", SCOPE, ("view", "edit")),
    ("S-8", "sales.playbooks", "Sales", BOXES, ("edit", "publish")),
    ("S-9", "sales.sequences", "Sales", SWITCH, ()),
    ("S-10", "sales.bulk_enroll_sequences", "Sales", SWITCH, ()),
    ("S-11", "sales.prospecting_as_another_user", "Sales", SWITCH, ()),
    ("", "sales.goals", "Sales", DERIVED, ("receive",)),
    ("RP-1", "reports.data_quality", "Reports", SWITCH, ()),
    ("RP-2", "reports.access", "Reports", SWITCH, ()),
    ("RP-3", "reports.dashboards", "Reports", BOXES, ("view", "edit", "create")),
    ("RP-4", "reports.goals", "Reports", SCOPE, ("view", "edit")),
    ("RP-5", "reports.datasets", "Reports", BOXES, ("view", "edit")),
    ("RP-6", "reports.marketing_reports", "Reports", SWITCH, ()),
    ("A-1", "account.marketing_contacts", "Account", SWITCH, ()),
    ("A-2", "account.personal_email", "Account", SWITCH, ()),
    ("A-3", "account.app_marketplace", "Account", SWITCH, ()),
    ("A-4", "account.asset_marketplace", "Account", SWITCH, ()),
    ("A-5", "account.permanently_delete_contacts", "Account", SWITCH, ()),
    ("A-6", "account.sms_settings", "Account", SWITCH, ()),
    ("A-7", "account.content_approvals", "Account", SWITCH, ()),
    ("A-8", "account.subscription_types", "Account", SWITCH, ()),
    ("A-9", "account.hubdb_table_settings", "Account", SWITCH, ()),
    ("A-10", "account.global_content_settings", "Account", SWITCH, ()),
    ("A-11", "account.website_settings", "Account", SWITCH, ()),
    ("A-12", "account.knowledge_base_settings", "Account", SWITCH, ()),
    ("A-13", "account.customer_portal_settings", "Account", SWITCH, ()),
    ("A-14", "account.reports_and_dashboards", "Account", SWITCH, ()),
    ("A-15", "account.domain_settings", "Account", SWITCH, ()),
    ("A-16", "account.user_table", "Account", SWITCH, ()),
    ("AC-0", "account.access", "Account", SWITCH, ()),
    ("AC-1", "account.edit_users", "Account", SWITCH, ()),
    ("AC-2", "account.edit_teams", "Account", SWITCH, ()),
    ("AC-3", "account.limit_access_by_team", "Account", SWITCH, ()),
    ("AC-4", "account.modify_billing", "Account", SWITCH, ()),
    ("", "audit.view", "Account", SWITCH, ()),
    ("", "audit.view_exports", "Account", SWITCH, ()),
    ("", "account.view_as", "Account", SWITCH, ()),
    ("", "account.borrow", "Account", SWITCH, ()),
    ("PT-1", "partner.access", "Partner", SWITCH, ()),
    ("PT-2", "partner.dashboard", "Partner", BOXES, ("view", "edit")),
    ("PT-3", "partner.solutions_directory", "Partner", BOXES, ("edit",)),
    ("PT-4", "partner.employee_management", "Partner", BOXES, ("view", "edit")),
    ("PT-5", "partner.employee", "Partner", SWITCH, ()),
)
"""Number, key, tab, kind, and options from the lowest up. C-2 is a column of the grid."""

FOLLOWING = ("marketing.forms:support_form", "marketing.forms:follow_up_email")
FOLLOWING += ("marketing.cta:create",)
"""Asked by a key of their own, and not given: what M-1 and M-5 say of dependencies."""

CHILDREN = {
    "marketing.access": [f"M-{n}" for n in range(5, 14)],
    "sales.access": ["S-4", "S-5"],
    "sales.seat": ["S-7", "S-8", "S-9", "S-10", "S-11"],
    "reports.access": ["RP-3", "RP-4", "RP-5", "RP-6"],
    "account.access": ["AC-1", "AC-2", "AC-3", "AC-4"],
    "partner.access": ["PT-2", "PT-3", "PT-4"],
}
PARENT_OF = {number: parent for parent, numbers in CHILDREN.items() for number in numbers}
BY_KEY = {key: (number, tab, kind, options) for number, key, tab, kind, options in ROWS}

STORABLE = [key for _, key, _, kind, _ in ROWS if kind == SWITCH]
STORABLE += [
    f"{key}:{option}"
    for _, key, _, kind, options in ROWS
    if kind in (BOXES, CHOICE)
    for option in options
]
LEVELLED = [
    f"{key}:{option}" for _, key, _, kind, options in ROWS if kind == SCOPE for option in options
]
ASKABLE = [*BY_KEY, *FOLLOWING]
ASKABLE += [f"{key}:{option}" for key, (_, _, _, options) in BY_KEY.items() for option in options]


@dataclass(frozen=True)
class Holding:
    """Somebody's set: what is stored, and what else counts."""

    stored: frozenset[str] = frozenset()
    levels: dict[str, tuple[int, bool]] = field(default_factory=dict)
    contact_delete: int = 0
    superuser: bool = False
    partner: bool = False


# R101, Q33: partner tools, and what needs a seat, without one.
OF_PARTNER_ADMINS = {"PT-1", "PT-2", "PT-3", "PT-4", "S-7", "S-8", "S-9", "S-10", "S-11"}


def has(who: Holding, asked: str) -> bool:
    """Tell whether they have it, as the requirements' sentences say."""
    key, _, option = asked.partition(":")
    number, tab, kind, options = BY_KEY[key]
    if who.partner and number in OF_PARTNER_ADMINS:
        return True
    if number in {"S-7", "S-8", "S-9", "S-10", "S-11"} and "sales.seat" not in who.stored:
        return False  # S-7…S-11 count only with a seat, for super admins too
    if key in ("sales.seat", "sales.goals"):
        return "sales.seat" in who.stored  # RP-4: goals go to seat holders only (Q33)
    if who.superuser:
        return True  # R90
    if tab == "Reports" and "account.reports_and_dashboards" in who.stored:
        return True  # A-14 overrides everything on the tab Reports
    if PARENT_OF.get(number, key) != key and PARENT_OF[number] not in who.stored:
        return False  # R40: with the parent off the children have no effect
    if number == "C-11":
        return {key, "crm.export"} <= who.stored  # useless without C-5
    if number == "A-5":
        return key in who.stored and who.contact_delete > 0  # also requires contact Delete
    if asked == "marketing.forms:support_form":
        return {key, "account.access"} <= who.stored
    if asked == "marketing.forms:follow_up_email":
        return key in who.stored and has(who, "marketing.email:publish")
    content = ("email", "blog", "landing_pages", "website_pages")
    if asked == "marketing.cta:create":  # needs Edit or Publish on one of the four
        edits = any(
            has(who, f"marketing.{each}:{box}") for each in content for box in ("edit", "publish")
        )
        return has(who, "marketing.cta:edit") and edits
    if number == "M-14":
        views = any(has(who, f"marketing.{each}:view") for each in content)
        edits = any(has(who, f"marketing.{each}:edit") for each in content)
        edits = edits or "account.website_settings" in who.stored
        return {"view": views, "edit": edits, "": views or edits}[option]
    if key == "marketing.knowledge_base":
        return "account.knowledge_base_settings" in who.stored
    if key == "marketing.customer_portal":
        return "account.customer_portal_settings" in who.stored
    if kind == SWITCH:
        return key in who.stored
    if kind == SCOPE:
        return any(level(who, f"{key}:{each}")[0] > 0 for each in ([option] if option else options))
    # Publish ⇒ Edit ⇒ View, Delete ⇒ Edit ⇒ View, Create/own ⇒ Edit; All accounts ⇒ own ⇒ draft.
    enough = options[options.index(option) :] if option else options
    return any(f"{key}:{each}" in who.stored for each in enough)


def level(who: Holding, asked: str) -> tuple[int, bool]:
    """Return level and box of a scope tool: Edit within View, the box beside Team and Owned."""
    key, _, option = asked.partition(":")
    number, tab, _, _ = BY_KEY[key]
    if who.partner and number in OF_PARTNER_ADMINS:
        return 3, False
    seated = number != "S-7" or "sales.seat" in who.stored
    if seated and (
        who.superuser or (tab == "Reports" and "account.reports_and_dashboards" in who.stored)
    ):
        return 3, False
    if PARENT_OF[number] not in who.stored:
        return 0, False
    rank, box = who.levels.get(asked, (0, False))
    if option == "edit":
        cap, cap_box = who.levels.get(f"{key}:view", (0, False))
        rank, box = min(rank, cap), box and (cap_box or cap == 3)
    return rank, box and rank in (1, 2)


def held(who: Holding) -> Iterable[str]:
    """Return every key that they have."""
    return {asked for asked in ASKABLE if has(who, asked)}
