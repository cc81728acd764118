"""What the demo company works on: companies, contacts, deals and tickets, the same every time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from accounts.models import User
from records.importing.logins import plain
from records.models import Company, Contact, Deal, Stage, Ticket

SEED = 20_240_917
DEALS, CONTACTS, TICKETS = 150, 140, 60


@dataclass(frozen=True, slots=True)
class Place:
    """A city, its country, and the beginning of its telephone numbers."""

    city: str
    country: str
    dial: str


PLACES = (
    Place("Berlin", "Germany", "+49 30 555"),
    Place("Lisbon", "Portugal", "+351 21 555"),
    Place("Gothenburg", "Sweden", "+46 31 555"),
    Place("Lyon", "France", "+33 4 72 55"),
    Place("Kraków", "Poland", "+48 12 555"),
    Place("Manchester", "United Kingdom", "+44 161 496"),
    Place("Toronto", "Canada", "+1 416 555"),
    Place("Austin", "United States", "+1 512 555"),
    Place("São Paulo", "Brazil", "+55 11 5555"),
    Place("Nairobi", "Kenya", "+254 20 555"),
    Place("Osaka", "Japan", "+81 6 5550"),
    Place("Pune", "India", "+91 20 5550"),
)
COMPANIES = (
    ("Nordlicht Energie", "energy"),
    ("Casa Verde Hotels", "hospitality"),
    ("Havsvik Shipping", "logistics"),
    ("Atelier Moreau", "retail"),
    ("Wisła Robotics", "manufacturing"),
    ("Pennine Foods", "retail"),
    ("Maple Ridge Health", "healthcare"),
    ("Lone Star Cycles", "retail"),
    ("Ipanema Media", "media"),
    ("Savanna Solar", "energy"),
    ("Kansai Optics", "manufacturing"),
    ("Deccan Textiles", "manufacturing"),
    ("Alster Insurance", "insurance"),
    ("Tejo Logistics", "logistics"),
    ("Björk & Sons", "construction"),
    ("Rhône Pharma", "pharmaceuticals"),
    ("Tatra Travel", "travel"),
    ("Salford Software", "software"),
    ("Harbourfront Legal", "legal"),
    ("Mesa Semiconductors", "technology"),
    ("Pampa Agro", "agriculture"),
    ("Rift Valley Coffee", "agriculture"),
    ("Sakura Publishing", "media"),
    ("Malabar Spices", "retail"),
    ("Spree Mobility", "transportation"),
    ("Porto Ceramics", "manufacturing"),
    ("Skärgård Furniture", "retail"),
    ("Lumière Studios", "entertainment"),
    ("Baltic Telecom", "telecommunications"),
    ("Irwell Consulting", "consulting"),
    ("Great Lakes Mining", "mining"),
    ("Bluebonnet Schools", "education"),
    ("Carioca Fintech", "finance"),
    ("Uhuru Airlines", "travel"),
    ("Naniwa Games", "entertainment"),
    ("Ganges Water", "utilities"),
    ("Kiez Coworking", "real estate"),
    ("Alfama Fisheries", "agriculture"),
    ("Polaris Diagnostics", "medical"),
    ("Quartier Security", "services"),
)
FIRST_NAMES = (
    "Anna Bruno Chiara Dmitri Elif Farid Grace Haruto Isabel Jamal Karin Lukas Mei Nadia Oskar "
    "Paula Quentin Rosa Sanjay Tariq Ulla Viktor Wanjiru Ximena Yusuf Zofia Amadou Beatriz "
    "Ciarán Dalia"
)
LAST_NAMES = (
    "Abara Bianchi Castro Dahl Eriksen Fischer Gupta Haddad Ivanova Jansen Kimura Lopes Mbeki "
    "Novák Okafor Park Quispe Rossi Silva Tan Usman Vargas Weber Xu Yamamoto Zhang Ahmed Blanc "
    "Çelik Dupont"
)
JOBS = (
    "Head of Purchasing",
    "Chief Financial Officer",
    "IT Manager",
    "Office Manager",
    "Operations Director",
    "Buyer",
    "Founder",
    "Facility Manager",
)
PRODUCTS = ("Desk One", "Desk Pro", "Fleet Care", "Signal Hub", "Signal Hub XL", "Support Plus")
OCCASIONS = ("first order", "new branch", "annual licence", "expansion", "replacement", "pilot")
TROUBLES = (
    "Invoice shows the wrong address",
    "Delivery arrived one box short",
    "Cannot reset the password",
    "Device does not switch on",
    "Question about the warranty",
    "Report is empty since Monday",
    "Wants to change the payment date",
    "Screen flickers after the update",
    "Asks for a data processing agreement",
    "Return label is missing",
    "Wrong colour delivered",
    "Needs a copy of the contract",
    "Battery lasts an hour only",
    "Cancel the second licence",
    "Import stops at the last row",
    "New contact for billing",
    "Cable is too short",
    "Training for five new people",
    "Credit note has not arrived",
    "Sync with the calendar fails",
)
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

People = Mapping[str, User]
Record = Company | Contact | Deal | Ticket


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
