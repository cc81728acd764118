"""The import as an operation: one transaction in which everything is written, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts import access, audit
from accounts.audit import System
from accounts.models import User
from accounts.rights import one_at_a_time
from accounts.table_rows import Broken, ImportRefused
from records import kinds
from records.importing.organisation import Organisation, Password, Report, Work, found_organisation
from records.importing.tables import (
    ACCOUNTS,
    KEY,
    PIPELINE,
    READ,
    Account,
    Customer,
    Opportunity,
    Parsed,
    Sale,
    stored,
)
from records.models import Record, StageRule
from records.operations.afterwards import above_themselves
from records.operations.changes import Change, becoming, names_of
from records.operations.writing import AT_ONCE, Source, write

T = TypeVar("T")
R = TypeVar("R", bound=Record)

Progress = Callable[[int, int], None]
"""Called with how many records are done and how many there are."""


def silent(done: int, total: int) -> None:
    """Tell nobody how far it is."""


def apply(
    parsed: Parsed,
    *,
    actor: System,
    source: str = "maven",
    password: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Bring the tables in and return what was done; doing it twice is doing it once.

    People are matched by e-mail, companies by name, deals by source and external id. In the
    imported columns the tables win over what is stored, empty cells included; the owner of a deal
    is never cleared, and a deal's name follows only while nobody has given it another one. What is
    in the recycle bin stays there, and people, teams and sets that exist keep all they have.

    One transaction, in which everybody else waits on SQLite: what can be made before it is. One
    event `import.run` with the counts, and one on each record that was changed in a locked stage
    (R109 a). Raises `ImportRefused`; then nothing was written.
    """
    if not source.strip() or len(source) > KEY:
        raise ImportRefused(f"Give the source a name of at most {KEY} characters.")
    # Argon2 takes its time on purpose.
    hashed = None if password is None else Password(password, make_password(password))
    with transaction.atomic():
        return _write(parsed, actor, source, hashed, progress)


def _write(
    parsed: Parsed, actor: System, source: str, password: Password | None, progress: Progress
) -> Report:
    one_at_a_time("records.importing")
    report = Report()
    work = Work(kinds.of(Sale), tuple(map(kinds.of, READ)))
    organisation = found_organisation(parsed, work, actor=actor, password=password, report=report)
    companies = _Companies(parsed.accounts, actor, report)
    companies.write()
    deals = _Deals(parsed, organisation, companies.by_name, source, actor, report)
    total = len(parsed.opportunities)
    done = 0
    for chunk in _chunks(list(parsed.opportunities.values())):
        deals.write(chunk)
        done += len(chunk)
        progress(done, total)
    if not report.nothing_changed:
        audit.record(
            "import.run",
            actor=actor,
            data={
                "source": source,
                "created": dict(report.created),
                "changed": dict(report.changed),
                "left_alone": len(report.left_alone),
                "with_password": password is not None,
            },
        )
    return report


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


def _differing(record: Record, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if getattr(record, name) != value}


def _new(model: type[R], values: Mapping[str, Any]) -> Change[R]:
    record = model(**values)
    return Change(None, record, names_of(record, values))


class _Companies:
    """Writing the accounts: companies that nobody owns, parents before their subsidiaries."""

    def __init__(self, accounts: Mapping[str, Account], actor: System, report: Report) -> None:
        self.accounts, self.actor, self.report = accounts, actor, report
        self.by_name: dict[str, Customer] = {}
        # Of several with one name the oldest that is not in the bin, in any case always the same.
        rows = Customer._base_manager.filter(name__in=list(accounts)).select_for_update()
        for company in rows.order_by("id"):
            first = self.by_name.get(company.name)
            if first is None or (first.deleted_at and not company.deleted_at):
                self.by_name[company.name] = company

    def write(self) -> None:
        """Create what is missing and change what differs."""
        # Before the first is created: what was there and what is new must not be mixed up.
        present = [self.accounts[name] for name in self.by_name]
        missing = [account for name, account in self.accounts.items() if name not in self.by_name]
        self.report.created["companies"] += len(missing)
        while missing:
            ready = [a for a in missing if not a.parent or a.parent in self.by_name]
            missing = [a for a in missing if a.parent and a.parent not in self.by_name]
            made = [_new(Customer, {"name": a.name, **self._wanted(a)}) for a in ready]
            self._store(made)
            self.by_name.update((each.after.name, each.after) for each in made)
        self._change(present)

    def _store(self, changes: Sequence[Change[Customer]]) -> None:
        write(changes, actor=self.actor, source=Source.IMPORT)

    def _change(self, accounts: Sequence[Account]) -> None:
        changed: list[Change[Customer]] = []
        for account in accounts:
            company = self.by_name[account.name]
            values = _differing(company, self._wanted(account))
            if company.deleted_at:
                self.report.left_alone.append(
                    f"The company {account.name} stays in the recycle bin."
                )
            elif values:
                changed.append(becoming(company, values))
            else:
                self.report.unchanged["companies"] += 1
        self.report.changed["companies"] += len(changed)
        self._store(changed)
        self._check_parents([each.after for each in changed if "parent" in each.names])

    def _check_parents(self, changed: Sequence[Customer]) -> None:
        """A circle that the table has not: one that runs through a company in the recycle bin."""
        for chunk in _chunks(changed):
            for key in above_themselves(Customer, [company.pk for company in chunk]):
                account = next(self.accounts[c.name] for c in chunk if c.pk == key)
                raise Broken(
                    ACCOUNTS,
                    f"with this parent, {account.name} would be above itself, since a company in "
                    "the recycle bin keeps its own parent.",
                    account.line,
                    "subsidiary_of",
                )

    def _wanted(self, account: Account) -> dict[str, Any]:
        return account.columns(self.by_name[account.parent].pk if account.parent else None)


class _Deals:
    """Writing the opportunities, a chunk at a time."""

    def __init__(
        self,
        parsed: Parsed,
        organisation: Organisation,
        companies: Mapping[str, Customer],
        source: str,
        actor: System,
        report: Report,
    ) -> None:
        self.organisation, self.companies = organisation, companies
        self.source, self.actor, self.report = source, actor, report
        self.company_names = {company.pk: company.name for company in companies.values()}
        self.may_own: dict[int, bool] = {}
        self.locked = set(
            StageRule.stages.through.objects.filter(stagerule__enabled=True).values_list(
                "stage", flat=True
            )
        )

    def write(self, chunk: Sequence[Opportunity]) -> None:
        """Create what is missing and change what differs."""
        found = stored(self.source, chunk)
        new = [self._new(row) for row in chunk if row.external_id not in found]
        self.report.created["deals"] += len(new)
        changed: list[Change[Sale]] = []
        for row in chunk:
            deal = found.get(row.external_id)
            if deal is None:
                continue
            if deal.deleted_at:
                self.report.left_alone.append(
                    f"The deal {row.external_id} stays in the recycle bin."
                )
            elif values := self._differing(deal, row):
                changed.append(becoming(deal, values, event=self._told(deal, values)))
            else:
                self.report.unchanged["deals"] += 1
        self.report.changed["deals"] += len(changed)
        write([*new, *changed], actor=self.actor, source=Source.IMPORT)

    def _new(self, row: Opportunity) -> Change[Sale]:
        wanted = self._wanted(row)
        self._check_owner(wanted.get("owner_id"), row)
        return _new(Sale, {**row.known_by(self.source), "name": row.name, **wanted})

    def _differing(self, deal: Sale, row: Opportunity) -> dict[str, Any]:
        """Return the columns of a stored deal of which the table says something else."""
        wanted = self._wanted(row)
        if row.has_its_name(deal, self.company_names):
            wanted["name"] = row.name
        values = _differing(deal, wanted)
        if "owner_id" in values:
            self._check_owner(values["owner_id"], row)
        return values

    def _told(self, deal: Sale, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the log tells of this deal: what is asked for by record, and nothing else."""
        told: dict[str, Any] = {"fields": names_of(deal, values)}
        if deal.stage_id in self.locked:
            told["stage"] = deal.stage_id
        if "owner_id" in values:
            told["owner"] = {"from": deal.owner_id, "to": values["owner_id"]}
        # Of all else the one event of the import tells.
        return told if len(told) > 1 else None

    def _wanted(self, row: Opportunity) -> dict[str, Any]:
        """Return the imported columns; without an agent the owner is not among them."""
        wanted = {
            **row.columns(self.companies[row.account].pk if row.account else None),
            "stage_id": self.organisation.stages[row.stage].pk,
        }
        if row.agent:
            wanted["owner_id"] = self.organisation.sellers[row.agent].pk
        return wanted

    def _check_owner(self, owner: int | None, row: Opportunity) -> None:
        """Whoever becomes an owner is active and may view deals, as everywhere (E7)."""
        if owner is None:
            return
        if owner not in self.may_own:
            person = User.objects.get(pk=owner)
            self.may_own[owner] = access.allows_any(person, "view", Sale)
        if not self.may_own[owner]:
            raise Broken(
                PIPELINE,
                f"{row.agent} may not view deals, or is deactivated, and so cannot own one. Give "
                "them a permission set with deals, or name another agent.",
                row.line,
                "sales_agent",
            )
