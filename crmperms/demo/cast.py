"""Who works in the demo company: teams, and one person for every role (data)."""

from __future__ import annotations

from dataclasses import dataclass

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
