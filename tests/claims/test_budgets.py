"""How many statements a page may cost: a table to be reviewed, the same for 3 rows and for 30."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access import permitted
from records import operations
from records.models import Contact, Deal, Record
from records.why import why
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import (
    CompanyFactory,
    ContactFactory,
    DealFactory,
    TicketFactory,
    UserFactory,
)

# Asked for are a list ≤ 15, a record ≤ 30 and a panel ≤ 8. Five statements are every page's: the
# session, the person, their rights, and the last two once more at the end (B5). The badges of the
# side bar are two more. What fields have rules is read, and compared, where a page shows fields.
BUDGETS = {
    "list": 15,
    "record": 21,
    "contact": 22,
    "company": 23,
    "add form": 11,
    "picker of records": 10,
    "picker of people": 10,
    "access": 14,
    "who": 10,
    "panel": 8,  # by itself, once the person's rights are loaded
    "review": 9,  # beside the log: what changed lately of rules and rights are two of them
}

ADDRESSES = {
    "list": "/admin/records/deal/",
    "record": "/admin/records/deal/{deal}/change/",
    "contact": "/admin/records/contact/{contact}/change/",
    "company": "/admin/records/company/{company}/change/",
    "add form": "/admin/records/deal/add/",
    "picker of records": "/admin/autocomplete/?app_label=records&model_name=deal"
    "&field_name=company&term=",
    "picker of people": "/admin/autocomplete/?app_label=records&model_name=deal"
    "&field_name=owner&term=",
    "access": "/admin/records/deal/{deal}/access/?user={rita}&action=delete",
    "who": "/admin/records/deal/{deal}/who/",
}
GOVERNING = {"access", "who"}


def give_back_and_forth(c: TinyCompany, record: Record) -> None:
    """Let a record have had owners, to be told of."""
    for version, owner in enumerate((c.lena, c.rita), 1):
        operations.change(record, actor=c.sam, values={"owner": owner}, version=version)


def statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        (name, page)
        for name in ("sam", "mona", "rita")
        for page in ADDRESSES
        if name == "sam" or page not in GOVERNING
    ],
)
def test_a_page_costs_as_many_statements_for_3_rows_as_for_30(
    c: TinyCompany, client: Client, name: str, page: str
) -> None:
    client.force_login(c.people[name])
    # Denied, so that "Access" also looks for what would be enough.
    linked = {"contact": c.contacts["cora"], "company": c.companies["acme"]}
    keys = {name: row.pk for name, row in {"deal": c.deals["ritas"], **linked}.items()}
    address = ADDRESSES[page].format(**keys, rita=c.rita.pk)
    for record in (c.deals["ritas"], *linked.values()):
        give_back_and_forth(c, record)

    def link() -> None:
        DealFactory(owner=c.rita, stage=c.stages["open"], **linked)
        TicketFactory(owner=c.rita, **linked)
        ContactFactory(owner=c.rita, company=linked["company"])

    link()
    pending(c.lena, c.axel, model=Contact)  # for the badge
    assert client.get(address).status_code == 200  # Django remembers content types
    few = statements(client, address)
    for number in range(27):
        link()
        DealFactory(
            owner=c.rita, stage=c.stages["open"], company=list(c.companies.values())[number % 3]
        )
        CompanyFactory(owner=c.rita)
        UserFactory(permission_set=c.sets["everything"])
    assert statements(client, address) == few
    assert few <= BUDGETS[page]


@pytest.mark.parametrize("name", ["sam", "mona", "rita", "ella", "ruth"])
def test_why_panel_costs_few_queries_whatever_the_record(c: TinyCompany, name: str) -> None:
    costs = set()
    rows = Deal.objects.select_related(*admin.site.get_model_admin(Deal).read_with)
    for deal in permitted(rows, c.people[name], "view"):
        person = c.fresh(name)
        assert person.grants
        with CaptureQueriesContext(connection) as captured:
            assert why(person, deal)["sentences"]
        costs.add(len(captured))
    assert max(costs) <= BUDGETS["panel"]
