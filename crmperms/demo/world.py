"""What the demo company works on: companies, contacts, deals and tickets, the same every time.

Whatever the demo says of a kind of record stands here: who may do what with it, through which
stages it goes, and what is exported of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from django.db.models import QuerySet

from accounts.models import User
from crmperms import starter
from crmperms.demo.words import (
    COMPANIES,
    FIRST_NAMES,
    JOBS,
    LAST_NAMES,
    OCCASIONS,
    PLACES,
    PRODUCTS,
    TROUBLES,
)
from crmperms.starter import (
    EVERY_KIND,
    EVERYTHING,
    LEADS,
    READS,
    READS_AND_KEEPS_OWN,
    TEAM,
    WORKS_ON_OWN,
    Preset,
    in_english,
)
from records.importing.logins import plain
from records.models import Company, Contact, Deal, Stage, Ticket

SEED = 20_240_917
DEALS, CONTACTS, TICKETS = 150, 140, 60
# Who owns how many deals of a hundred, and so on; "" is nobody.
DEAL_OWNERS = {
    "rep": 15,
    "north": 15,
    "twoteams": 10,
    "south": 22,
    "manager": 14,
    "noteam": 10,
    "": 14,
}
CONTACT_OWNERS = {"rep": 20, "north": 18, "south": 20, "noteam": 8, "service": 8, "": 26}
COMPANY_OWNERS = {"rep": 15, "south": 20, "manager": 35, "": 30}
TICKET_OWNERS = {"service": 35, "service2": 40, "": 25}
CO_OWNED = 0.12

OPEN, WON, LOST = Stage.Outcome.OPEN, Stage.Outcome.WON, Stage.Outcome.LOST

People = Mapping[str, User]
Record = Company | Contact | Deal | Ticket

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

SUPER_ADMINS_ONLY = "Signed"
FOR_CHOSEN = "Price approval"
# (Object, name) → its stages in order.
PIPELINES = {
    ("deal", "New business"): (
        ("Qualified", OPEN),
        ("Proposal", OPEN),
        ("Negotiation", OPEN),
        (SUPER_ADMINS_ONLY, WON),
        ("Lost", LOST),
    ),
    ("deal", "Renewals"): (
        ("Due", OPEN),
        (FOR_CHOSEN, OPEN),
        ("Renewed", WON),
        ("Ended", LOST),
    ),
    **{
        ("ticket", in_english(each.name)): tuple(
            (in_english(name), outcome) for name, outcome in each.stages
        )
        for each in starter.PIPELINES
        if each.object == "ticket"
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An export that somebody of the cast asks for, and what for."""

    by: str
    model: type[Record]
    message: str


FORECAST = Asked("manager", Deal, "For the quarterly forecast.")
PARTY = Asked("south", Contact, "For the invitations to our summer party.")
MISTAKE = Asked("twoteams", Contact, "Only my customers.")
CAMPAIGN = Asked("rep", Contact, "For the call campaign next week; marketing knows about it.")


def deals_of(user: User) -> QuerySet[Deal]:
    """Return the deals that somebody owns and may change, in the order of their making."""
    return Deal.objects.permitted(user, "change").filter(owner=user).order_by("pk")


def free_deals(user: User) -> QuerySet[Deal]:
    """Return the deals that nobody owns and this person may change, in the same order."""
    free = Deal.objects.permitted(user, "change").filter(owner=None, co_owner=None)
    return free.order_by("pk")


class World:
    """A source of records; every draw comes from one seed, so two demo companies are alike.

    Only dates depend on the day, so that the work looks recent.
    """

    def __init__(self, people: People, stages: Mapping[str, Sequence[Stage]], today: date) -> None:
        self.people, self.stages, self.today = people, stages, today
        self.random = Random(SEED)

    def companies(self) -> Iterator[Company]:
        """Return companies; some are subsidiaries of one made before."""
        made: list[Company] = []
        for number, (name, sector) in enumerate(COMPANIES):
            place = PLACES[number % len(PLACES)]
            company = Company(
                name=name,
                domain=f"{plain(name)}.example",
                sector=sector,
                country=place.country,
                employees=int(self.random.lognormvariate(5.5, 1.2)) + 3,
                revenue=Decimal(round(self.random.lognormvariate(3, 1.3), 2)).quantize(CENT),
                founded=self.random.randint(1921, 2022),
                parent=self.random.choice(made) if number % 7 == 6 else None,
            )
            self._own(company, COMPANY_OWNERS)
            yield company
            made.append(company)  # saved by now, so that others can be its subsidiaries

    def contacts(self, companies: Sequence[Company]) -> Iterator[Contact]:
        """Return people outside the house, most of them at a company."""
        firsts, lasts = FIRST_NAMES.split(), LAST_NAMES.split()
        for number in range(CONTACTS):
            first = firsts[number % len(firsts)]
            last = lasts[(number * 7 + number // len(firsts)) % len(lasts)]
            index = self.random.randrange(len(companies))
            company = companies[index] if self.random.random() < 0.9 else None
            place = PLACES[index % len(PLACES)]
            domain = company.domain if company else "mail.example"
            contact = Contact(
                first_name=first,
                last_name=last,
                email=f"{plain(first)}.{plain(last)}@{domain}",
                phone=f"{place.dial} {self.random.randint(0, 9999):04}",
                job_title=self.random.choice(JOBS),
                company=company,
                city=place.city,
                lifecycle=self.random.choice(Contact.Lifecycle.values),
            )
            self._own(contact, CONTACT_OWNERS)
            yield contact

    def deals(self, contacts: Sequence[Contact]) -> Iterator[Deal]:
        """Return deals with contacts at companies, in every stage of both pipelines."""
        with_company = [contact for contact in contacts if contact.company is not None]
        stages = self.stages["deal"]
        for _ in range(DEALS):
            contact = self.random.choice(with_company)
            stage = self.random.choice(stages)
            opened = self._day(320)
            closed = None
            if stage.outcome != Stage.Outcome.OPEN:
                closed = min(opened + timedelta(days=self.random.randint(9, 120)), self.today)
            product = self.random.choice(PRODUCTS)
            deal = Deal(
                name=f"{contact.company} – {product}, {self.random.choice(OCCASIONS)}",
                amount=Decimal(round(self.random.lognormvariate(8.6, 1.0), -1)).quantize(CENT),
                stage=stage,
                product=product,
                company=contact.company,
                contact=contact,
                opened=opened,
                closed=closed,
            )
            self._own(deal, DEAL_OWNERS)
            yield deal

    def tickets(self, contacts: Sequence[Contact]) -> Iterator[Ticket]:
        """Return what customers need help with."""
        for _ in range(TICKETS):
            contact = self.random.choice(contacts)
            ticket = Ticket(
                subject=self.random.choice(TROUBLES),
                priority=self.random.choice(Ticket.Priority.values),
                stage=self.random.choice(self.stages["ticket"]),
                contact=contact,
                company=contact.company,
                opened=self._day(60),
            )
            self._own(ticket, TICKET_OWNERS)
            yield ticket

    def _own(self, record: Record, owners: Mapping[str, int]) -> None:
        """Give a record an owner, a co-owner, both or nobody."""
        keys = list(owners)
        key, other = self.random.choices(keys, weights=list(owners.values()), k=2)
        record.owner = self.people.get(key)
        if other != key and self.random.random() < CO_OWNED:
            record.co_owner = self.people.get(other)

    def _day(self, days: int) -> date:
        return self.today - timedelta(days=self.random.randint(0, days))


CENT = Decimal("0.01")
