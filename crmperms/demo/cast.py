"""Who works in the demo company: teams, permission sets and one person for every role (data)."""

from __future__ import annotations

from dataclasses import dataclass

from crmperms import starter
from crmperms.starter import (
    EVERY_KIND,
    EVERYTHING,
    LEADS,
    READS,
    READS_AND_KEEPS_OWN,
    TEAM,
    WORKS_ON_OWN,
    Preset,
)

PASSWORD = "explore-the-demo"
DOMAIN = "demo.example"


@dataclass(frozen=True, slots=True)
class Part:
    """A person: the log-in is `<key>@demo.example`; `to_try` is their line on the card."""

    key: str
    first_name: str
    last_name: str
    preset: str = ""
    main_team: str = ""
    extra_teams: tuple[str, ...] = ()
    to_try: str = ""

    @property
    def email(self) -> str:
        return f"{self.key}@{DOMAIN}"

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"

    @property
    def is_superuser(self) -> bool:
        """Tell whether this is a super admin: they need no permission set (R90)."""
        return not self.preset


# Team → the team above.
TEAMS = {
    "Sales": "",
    "Sales North": "Sales",
    "Sales South": "Sales",
    "Service": "",
    "Service Desk": "Service",
}

_RUNS: dict[str, int | bool] = {
    "add": True,
    "view": EVERYTHING,
    "change": EVERYTHING,
    "delete": TEAM,
    "communicate": EVERYTHING,
    "merge": TEAM,
}
PRESETS = (
    Preset(
        "Sales rep",
        "Sees the team’s deals and unassigned ones, edits their own; knows all contacts.",
        {
            "contact": READS_AND_KEEPS_OWN,
            "company": READS_AND_KEEPS_OWN,
            "deal": WORKS_ON_OWN,
            "ticket": {"view": TEAM, "view_unassigned": True},
        },
        ("crm.export",),
    ),
    Preset(
        "Sales manager",
        "Sees and edits what the team and the teams below it own, and what nobody owns.",
        {
            "contact": _RUNS,
            "company": _RUNS,
            "deal": LEADS,
            "ticket": {"view": EVERYTHING},
        },
        ("crm.export",),
    ),
    Preset(
        "Sales lead",
        "A sales manager who also adds people and changes what they may do, within their own.",
        {
            "contact": _RUNS,
            "company": _RUNS,
            "deal": LEADS,
            "ticket": {"view": EVERYTHING},
        },
        ("crm.export", "account.access", "account.edit_users", "account.user_table"),
    ),
    starter.SERVICE_AGENT,
    starter.EXPORT_APPROVER,
    Preset(
        "Analyst",
        "Reads everything and exports it without approval.",
        dict.fromkeys(EVERY_KIND, READS),
        ("crm.export", "crm.export_without_approval"),
    ),
    starter.AUDITOR,
    starter.READ_ONLY,
)

CAST = (
    Part("admin", "Ingrid", "Solberg", to_try="super admin: change who may do what"),
    Part("admin2", "Kwame", "Mensah", to_try="super admin: unlock the stage Signed"),
    Part(
        "manager",
        "Marta",
        "Duarte",
        "Sales manager",
        "Sales",
        to_try="manager: edit any deal of Sales",
    ),
    Part(
        "lead",
        "Rosa",
        "Conti",
        "Sales lead",
        "Sales",
        to_try="delegated admin: change what Hanna may do",
    ),
    Part(
        "rep",
        "Hanna",
        "Lind",
        "Sales rep",
        "Sales North",
        to_try="rep: edit own deals, ask for an export",
    ),
    Part(
        "approver",
        "Priya",
        "Raman",
        "Export approver",
        "Service",
        to_try="approver: approve Hanna's waiting export",
    ),
    Part("exempt", "Jan", "Kowalski", "Analyst", to_try="exempt: any export runs at once"),
    Part("auditor", "Yuki", "Tanaka", "Auditor", to_try="auditor: the log, and no record"),
    Part("readonly", "Liam", "O’Connor", "Read only", to_try="read only: look, and find no Save"),
    Part(
        "twoteams",
        "Chen",
        "Wei",
        "Sales rep",
        "Sales South",
        ("Sales North",),
        to_try="in two teams: sees the deals of both",
    ),
    Part("noteam", "Olga", "Petrova", "Sales rep", to_try="in no team: sees her own deals"),
    Part("north", "Mateo", "Fernández", "Sales rep", "Sales North"),
    Part("south", "Aisha", "Bello", "Sales rep", "Sales South"),
    Part("service", "Noah", "Dubois", "Service agent", "Service Desk"),
    Part("service2", "Leilani", "Kahale", "Service agent", "Service Desk"),
)
