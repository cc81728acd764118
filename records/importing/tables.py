"""The four tables of crm-sales-opportunities as checked plain values; no database is asked.

What of them becomes which record and which field of it stands here, and nowhere else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from accounts.table_rows import Broken, Row, read_table
from records.importing.logins import email_of
from records.importing.words import COUNTRIES, SECTORS
from records.models import Company, Contact, Deal

Customer = Company
"""What an account becomes."""
Sale = Deal
"""What an opportunity becomes."""
READ = (Contact, Company)
"""What those who sell read besides."""

# Column → what stands in the table → what is certainly meant.
REPAIRS = {
    "product": {"GTXPro": "GTX Pro"},
    "sector": {"technolgy": "technology"},
    "office_location": {"Philipines": "Philippines"},
}

TEAMS, ACCOUNTS, PRODUCTS, PIPELINE = (
    "sales_teams.csv",
    "accounts.csv",
    "products.csv",
    "sales_pipeline.csv",
)
COLUMNS = {
    TEAMS: ("sales_agent", "manager", "regional_office"),
    PRODUCTS: ("product", "series", "sales_price"),
    ACCOUNTS: (
        "account",
        "sector",
        "year_established",
        "revenue",
        "employees",
        "office_location",
        "subsidiary_of",
    ),
    PIPELINE: (
        "opportunity_id",
        "sales_agent",
        "product",
        "account",
        "deal_stage",
        "engage_date",
        "close_date",
        "close_value",
    ),
}
STAGES = ("Prospecting", "Engaging", "Won", "Lost")
CLOSED_STAGES = frozenset({"Won", "Lost"})
# The narrowest columns these values go to; a test holds them against the models.
NAME, WORD, KEY = 200, 100, 60


@dataclass(frozen=True, slots=True)
class Seller:
    """A manager or an agent; `team` is the manager whose team it is, their own for a manager."""

    name: str
    team: str


@dataclass(frozen=True, slots=True)
class Account:
    """A company; `parent` is the name of another one or empty."""

    line: int
    name: str
    sector: str
    founded: int | None
    revenue: Decimal | None
    employees: int | None
    country: str
    parent: str

    def columns(self, parent: int | None) -> dict[str, Any]:
        """Return the columns of its record but for the name, with the key of its parent's."""
        return {
            "sector": self.sector,
            "founded": self.founded,
            "revenue": self.revenue,
            "employees": self.employees,
            "country": self.country,
            "parent_id": parent,
        }


@dataclass(frozen=True, slots=True)
class Opportunity:
    """A deal; `agent` and `account` are names or empty."""

    line: int
    external_id: str
    agent: str
    product: str
    account: str
    stage: str
    opened: date | None
    closed: date | None
    amount: Decimal | None

    def called(self, product: str, account: str) -> str:
        """Return what its record is called that has no name of its own: “GTX Pro – Cancity”."""
        return " – ".join(part for part in (product, account or self.external_id) if part)[:NAME]

    @property
    def name(self) -> str:
        """Return what it is called by what the table says."""
        return self.called(self.product, self.account)

    def columns(self, account: int | None) -> dict[str, Any]:
        """Return the columns of its record that tables decide, with the key of its account's."""
        return {
            "product": self.product,
            "company_id": account,
            "opened": self.opened,
            "closed": self.closed,
            "amount": self.amount,
        }

    def known_by(self, source: str) -> dict[str, str]:
        """Return the columns by which its record is found again."""
        return {"source": source, "external_id": self.external_id}

    def has_its_name(self, deal: Sale, accounts: Mapping[int, str]) -> bool:
        """Tell whether a record is called as a table called it, and not as somebody does."""
        account = accounts.get(deal.company_id or 0, "")
        return deal.name == self.called(deal.product, account)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something odd that was kept as it is."""

    file: str
    column: str
    words: str


@dataclass(slots=True)
class Parsed:
    """Four tables that fit together, what was repaired in them, and what is doubtful."""

    offices: dict[str, str] = field(default_factory=dict)
    """Manager → office."""
    managers: dict[str, Seller] = field(default_factory=dict)
    agents: dict[str, Seller] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    products: frozenset[str] = frozenset()
    opportunities: dict[str, Opportunity] = field(default_factory=dict)
    repairs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(Column, what stood there, what was meant) → rows."""
    doubts: defaultdict[Doubt, list[int]] = field(default_factory=lambda: defaultdict(list))
    """What is odd → its lines."""

    def repaired(self, row: Row, column: str, longest: int) -> str:
        """Return a cell's text, put right where its meaning is certain."""
        value = row.text(column, longest)
        meant = REPAIRS[column].get(value)
        if meant is None:
            return value
        self.repairs[column, value, meant] += 1
        return meant

    def doubt(self, row: Row, column: str, words: str) -> None:
        """Keep in mind that this cell is odd."""
        self.doubts[Doubt(row.file, column, words)].append(row.line)


def stored(source: str, rows: Iterable[Opportunity]) -> dict[str, Sale]:
    """Return the records of these, by external id, locked for being written to."""
    ids = [row.external_id for row in rows]
    found = Sale._base_manager.select_for_update().filter(source=source, external_id__in=ids)
    return {deal.external_id: deal for deal in found}


def parse(folder: Path) -> Parsed:
    """Read the four tables of a folder and check every cell and every reference in them.

    Raises `Broken`, naming file, line and column, at the first thing that cannot be meant.
    """
    tables = {file: read_table(folder, file, columns) for file, columns in COLUMNS.items()}
    parsed = Parsed()
    _read_sellers(parsed, tables[TEAMS])
    _read_products(parsed, tables[PRODUCTS])
    _read_accounts(parsed, tables[ACCOUNTS])
    for row in tables[PIPELINE]:
        _read_opportunity(parsed, row)
    return parsed


def _read_sellers(parsed: Parsed, rows: list[Row]) -> None:
    def seller(row: Row, column: str, team: str) -> Seller:
        name = row.needed(column, WORD)
        if not email_of(name):
            raise row.broken(
                column, f"no log-in can be made of the name “{name}”; write it in Latin letters."
            )
        return Seller(name, team)

    for row in rows:
        manager, office = row.needed("manager", WORD), row.needed("regional_office", WORD)
        agent = row.needed("sales_agent", WORD)
        if agent in parsed.agents:
            raise row.broken("sales_agent", f"the agent {agent} stands in the table twice.")
        if parsed.offices.setdefault(manager, office) != office:
            raise row.broken(
                "regional_office",
                f"{manager} leads a team in {parsed.offices[manager]} already; one office each.",
            )
        parsed.managers[manager] = seller(row, "manager", manager)
        parsed.agents[agent] = seller(row, "sales_agent", manager)
    for row in rows:
        if (agent := row.cells["sales_agent"]) in parsed.managers:
            raise row.broken("sales_agent", f"{agent} stands in the table as a manager too.")


def _read_products(parsed: Parsed, rows: list[Row]) -> None:
    names: set[str] = set()
    for row in rows:
        name = row.needed("product", WORD)
        if name in names:
            raise row.broken("product", f"the product {name} stands in the table twice.")
        row.number("sales_price")
        names.add(name)
    parsed.products = frozenset(names)


def _read_accounts(parsed: Parsed, rows: list[Row]) -> None:
    for row in rows:
        account = Account(
            line=row.line,
            name=row.needed("account", NAME),
            sector=parsed.repaired(row, "sector", WORD),
            founded=row.whole("year_established", 9999),
            revenue=row.number("revenue"),
            employees=row.whole("employees", 2_147_483_647),
            country=parsed.repaired(row, "office_location", WORD),
            parent=row.text("subsidiary_of", NAME),
        )
        if account.name in parsed.accounts:
            raise row.broken("account", f"the account {account.name} stands in the table twice.")
        parsed.accounts[account.name] = account
        if account.sector and account.sector not in SECTORS:
            parsed.doubt(row, "sector", f"“{account.sector}” is no sector we know")
        if account.country and account.country not in COUNTRIES:
            parsed.doubt(row, "office_location", f"“{account.country}” is no one country we know")
        if account.revenue is not None and account.revenue < 0:
            parsed.doubt(row, "revenue", "a revenue below zero")
    _check_parents(parsed.accounts)


def _check_parents(accounts: dict[str, Account]) -> None:
    for account in accounts.values():
        seen = [account.name]
        while parent := accounts[seen[-1]].parent:
            if parent not in accounts:
                line = accounts[seen[-1]].line
                words = f"the account “{parent}” is not in this table."
                raise Broken(ACCOUNTS, words, line, "subsidiary_of")
            if parent in seen:
                words = f"going up from {account.name}, the subsidiaries run in a circle."
                raise Broken(ACCOUNTS, words, account.line, "subsidiary_of")
            seen.append(parent)


def _read_opportunity(parsed: Parsed, row: Row) -> None:
    deal = Opportunity(
        line=row.line,
        external_id=row.needed("opportunity_id", KEY),
        agent=row.text("sales_agent", WORD),
        product=parsed.repaired(row, "product", WORD),
        account=row.text("account", NAME),
        stage=row.needed("deal_stage", WORD),
        opened=row.day("engage_date"),
        closed=row.day("close_date"),
        amount=row.number("close_value"),
    )
    if first := parsed.opportunities.get(deal.external_id):
        raise row.broken(
            "opportunity_id", f"{deal.external_id} stands in line {first.line} already."
        )
    if deal.agent and deal.agent not in parsed.agents:
        raise row.broken("sales_agent", f"the agent “{deal.agent}” is not in {TEAMS}.")
    if deal.account and deal.account not in parsed.accounts:
        raise row.broken("account", f"the account “{deal.account}” is not in {ACCOUNTS}.")
    if deal.stage not in STAGES:
        raise row.broken(
            "deal_stage", f"“{deal.stage}” is no stage; it is one of {', '.join(STAGES)}."
        )
    parsed.opportunities[deal.external_id] = deal
    for column, words in _oddities(deal, parsed.products):
        parsed.doubt(row, column, words)


def _oddities(deal: Opportunity, products: frozenset[str]) -> Iterator[tuple[str, str]]:
    if not deal.agent:
        yield "sales_agent", "no agent, so a new deal is unassigned"
    if not deal.account:
        yield "account", "no account"
    if deal.product not in products:
        yield "product", f"“{deal.product}” is not in {PRODUCTS}" if deal.product else "no product"
    if deal.opened and deal.closed and deal.closed < deal.opened:
        yield "close_date", "closed before it was opened"
    if deal.closed and deal.stage not in CLOSED_STAGES:
        yield "close_date", "a closing date, though the stage is open"
    if deal.closed is None and deal.stage in CLOSED_STAGES:
        yield "close_date", "no closing date, though the stage is closed"
    if deal.amount is not None and deal.amount < 0:
        yield "close_value", "a value below zero"
