"""Narrowed lists and restricted columns: claims that a wrong edit by hand got past, or would."""

from typing import Any

import pytest

from accounts import access
from accounts.models import User
from exports import tables, worker
from exports.models import ExportRequest
from records import filters, operations
from records.models import Deal
from records.models.properties import unasked_keys
from tests.support.company import TinyCompany
from tests.support.exports_kit import approved

pytestmark = pytest.mark.django_db


def listed(user: User, query: str) -> list[str]:
    """The names of the deals this person sees in a narrowed list, in its order."""
    person = User.objects.get(pk=user.pk)
    rows = access.permitted(Deal.objects.all(), person, "view")
    return [deal.name for deal in filters.narrowed(rows, query, user=person)]


def restrict(c: TinyCompany, object: str, name: str, **said: Any) -> None:
    operations.restrict_property(actor=c.sam, object=object, name=name, **said)


def test_the_filter_by_owner_finds_what_the_person_owns_beside_another(c: TinyCompany) -> None:
    assert listed(c.sam, f"owner={c.people['lena'].pk}&o=name") == ["Only co-owned"]
    assert "Co-owned" in listed(c.sam, f"owner={c.rita.pk}")
    assert "Co-owned" in listed(c.sam, f"owner={c.rob.pk}")


def test_what_is_equal_stands_newest_first_both_ways(c: TinyCompany) -> None:
    Deal.objects.update(product="the same")
    newest = [deal.name for deal in Deal.objects.filter(deleted_at=None).order_by("-pk")]
    assert listed(c.sam, "o=product") == listed(c.sam, "o=-product") == newest
    named = listed(c.sam, "o=-name")
    assert (named, len(named)) == (sorted(named, reverse=True), len(newest))


def test_only_teams_in_reach_can_be_asked_about(c: TinyCompany) -> None:
    """Mona views Team only: what another team owns would tell her who is in it."""
    own, other = (f"team={c.teams[name].pk}" for name in ("north_a", "south"))
    assert "Rita's" in listed(c.people["mona"], own)
    with pytest.raises(filters.BadQuery):
        listed(c.people["mona"], other)
    assert "Rob's" in listed(c.people["ruth"], other)


@pytest.mark.parametrize("query", ["o=amount", "o=-amount", "amount_min=1", "amount_max=2"])
def test_nobody_sorts_or_filters_by_what_is_veiled_super_admins_included(
    c: TinyCompany, query: str
) -> None:
    Deal.objects.update(amount=1)
    assert listed(c.sam, query)
    restrict(c, "deal", "amount", highly_sensitive=True)
    with pytest.raises(filters.BadQuery):
        listed(c.sam, query)


def test_a_hidden_field_is_hidden_beside_a_related_record_too(c: TinyCompany) -> None:
    def names(user: User) -> set[str]:
        person = User.objects.get(pk=user.pk)
        return {column.name for column in tables.permitted_columns(Deal, person)}

    assert "company.country" in names(c.rita)
    restrict(c, "company", "country", access="super_admins")
    assert names(c.sam) - names(c.rita) == {"company.country"}


def test_a_column_restricted_since_it_was_approved_needs_a_new_decision(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue, columns=["name", "product", "closed"])
    restrict(c, "deal", "product", access="super_admins")
    worker.run_once()
    again = ExportRequest.objects.get(pk=export.pk)
    assert again.status == "pending"
    assert [column["name"] for column in again.columns] == ["name", "closed"]


def test_a_right_to_a_field_counts_among_what_a_person_still_holds(c: TinyCompany) -> None:
    then = User.objects.get(pk=c.rita.pk)
    assert "deal.product" not in unasked_keys(then)
    assert access.still_holds(then)
    restrict(c, "deal", "product", access="super_admins")
    assert not access.still_holds(then)
