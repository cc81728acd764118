"""A request keeps its columns in their order, and its records though their filter is gone."""

from __future__ import annotations

import pytest

from accounts.models import Membership, Team, User
from exports import operations, upkeep, worker
from exports.models import ExportRequest
from records import filters
from records import operations as records
from records.models import Deal, Property
from records.operations import restrict_property
from tests.support.company import OWNED, TinyCompany
from tests.support.exports_kit import approved, ask, narrow, pending, set_policy, table_of
from tests.support.factories import DealFactory, TeamFactory


def test_a_name_that_became_sensitive_needs_a_new_decision_in_the_order_that_was_asked_for(
    c: TinyCompany,
) -> None:
    set_policy(threshold=1000)
    names = ["company", "updated_at", "id", "contact"]
    free = ask(c.rita, columns=names)
    other = ask(c.rita, columns=["updated_at", "id"])
    consented = approved(c.rita, c.axel, columns=names, query="o=-amount")
    Property.objects.create(object="company", name="name", sensitive=True)
    set_policy(threshold=1000)
    worker.run_once()
    for export, state in ((free, "pending"), (consented, "pending"), (other, "completed")):
        export.refresh_from_db()
        assert export.status == state
    for export in (free, consented):
        assert [column["name"] for column in export.columns] == names
        assert export.sensitive_fields == ["company.name"]
        operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    for export in (free, consented):
        export.refresh_from_db()
        assert table_of(export)[0] == ["Company", "Updated at", "ID", "Contact"]


@pytest.mark.parametrize("lost", [False, True])
def test_columns_keep_their_order_when_one_was_restricted_meanwhile(
    c: TinyCompany, lost: bool
) -> None:
    export = approved(c.rita, c.axel, columns=["owner", "amount", "product", "id"])
    if lost:
        restrict_property(actor=c.sam, object="deal", name="amount", access="super_admins")
    else:
        Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    export.refresh_from_db()
    left = ["owner", *([] if lost else ["amount"]), "product", "id"]
    assert (export.status, [column["name"] for column in export.columns]) == ("pending", left)


def filtered(c: TinyCompany, state: str, query: str) -> ExportRequest:
    DealFactory(
        name="Canary", owner=c.rita, stage=c.stages["open"], amount=5,
        company=c.companies["acme"], contact=c.contacts["cora"],
    )  # fmt: skip
    make = {"pending": pending, "approved": approved}[state]
    return make(c.rita, c.axel, query=query)


def goes_through(export: ExportRequest, decider: User) -> str:
    upkeep.cancel_waiting_of_revoked()
    export.refresh_from_db()
    if export.status == "pending":
        operations.approve(export, actor=decider, version=export.version)
    worker.run_once()
    export.refresh_from_db()
    return str(export.status)


@pytest.mark.parametrize("state", ["pending", "approved"])
@pytest.mark.parametrize(
    ("by", "how", "becomes"),
    [
        ("company", "deleted", "completed"),
        ("contact", "deleted", "completed"),
        ("team", "deleted", "completed"),
        ("company", "out of reach", "cancelled"),
        ("contact", "out of reach", "cancelled"),
        ("team", "out of reach", "cancelled"),
    ],
)
def test_a_filter_by_what_is_deleted_ends_nothing_and_one_out_of_reach_does(
    c: TinyCompany, state: str, by: str, how: str, becomes: str
) -> None:
    acme, cora, team = c.companies["acme"], c.contacts["cora"], TeamFactory(name="Short-lived")
    Membership.objects.create(user=c.rita, team=team)
    key = {"company": acme.pk, "contact": cora.pk, "team": team.pk}[by]
    export = filtered(c, state, f"{by}={key}")
    assert filters.canonical(Deal, export.query, user=c.fresh("rita")) == export.query
    if by == "team":
        Membership.objects.filter(team=team).delete()
        if how == "deleted":
            Team.objects.filter(pk=team.pk).delete()
    elif how == "deleted":
        records.delete(acme if by == "company" else cora, actor=c.fresh("sam"))
    else:
        narrow(c.sets["rep"], by, OWNED)
        type(acme if by == "company" else cora)._base_manager.update(owner=c.rob)
    if how == "deleted" and by != "team":  # it lies in the recycle bin, and can be asked about
        assert filters.canonical(Deal, export.query, user=c.fresh("rita")) == export.query
    else:
        with pytest.raises(filters.BadQuery):  # as a new wish it is refused
            filters.canonical(Deal, export.query, user=c.fresh("rita"))
    assert goes_through(export, c.fresh("sue")) == becomes


@pytest.mark.parametrize("state", ["pending", "approved"])
@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("amount_min=1", "deal.amount"),
        ("o=amount", "deal.amount"),
        ("company={company}", "deal.company"),
        ("company={company}", "company.name"),
        ("team={team}", "deal.co_owner"),
        ("unassigned=no", "deal.co_owner"),
        ("q=canary", "deal.name"),
    ],
)
def test_a_request_ends_whose_query_reads_what_became_hidden(
    c: TinyCompany, state: str, query: str, key: str
) -> None:
    Property.objects.all().delete()
    query = query.format(company=c.companies["acme"].pk, team=c.teams["north_a"].pk)
    export = filtered(c, state, query)
    kind, name = key.split(".")
    Property.objects.create(object=kind, name=name, access="super_admins")
    if state == "pending":
        with pytest.raises(operations.WrongState, match="may not export this any more"):
            operations.approve(export, actor=c.fresh("sue"), version=export.version)
    assert goes_through(export, c.fresh("sue")) == "cancelled"
    assert export.ended_because == "The requester may not export this any more."
