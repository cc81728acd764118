"""Permission sets: how a new one begins, who gets it, what a deleted one leaves (E11, Q26)."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import catalogue, operations
from accounts.models import PermissionSet
from accounts.operations import InvalidChange
from accounts.operations.sets import MOST_SETS
from tests.support.company import OWNED, TEAM, TinyCompany
from tests.support.factories import SetFactory, UserFactory
from tests.support.reviewed import confirmed

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/permissionset/"


def selected(text: str, name: str) -> str:
    """Return the value that this select of the page shows."""
    options = text.split(f'name="{name}"', 1)[1].split("</select>", 1)[0]
    return options.split(" selected", 1)[0].rsplit('value="', 1)[1].split('"', 1)[0]


def test_new_set_begins_as_a_template_a_set_or_a_person_says(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    operations.edit_permissions([c.rita], actor=c.sam, changes={"crm.deal.view": "owned"})
    text = client.get(f"{LIST}add/").text
    at_once = "Changes take effect at once, for everybody who has this set."
    page = client.get(f"{LIST}{c.sets['rep'].pk}/change/").text
    assert (at_once in text, at_once in page) == (False, True)  # nobody has a new one
    for group in ("Template", "Copy of a set", "What a person may do"):
        assert f'<optgroup label="{group}">' in text
    assert f'<option value="person-{c.rita.pk}">Rita</option>' in text
    begins = {
        "": "0",
        f"set-{c.sets['rep'].pk}": str(TEAM),
        f"person-{c.rita.pk}": str(OWNED),
        "template-Read only": "3",
        "template-Nothing like it": "0",
        "set-999999": "0",
        "person-x": "0",
    }
    for begin, view in begins.items():
        text = client.get(f"{LIST}add/", {"begin": begin}).text
        assert selected(text, "scopes-deal-view") == view, begin


def test_new_set_is_given_in_the_same_dialog(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    nothing = {
        f"scopes-{kind.key}-{action}": "0"
        for kind in catalogue.objects()
        for action in catalogue.SCOPED_ACTIONS
    }
    sent = {**nothing, "name": "Small", "people": [c.rita.pk, c.nils.pk]}
    answer = confirmed(client, f"{LIST}add/", sent, follow=True)
    assert answer.status_code == 200
    made = PermissionSet.objects.get(name="Small")
    assert set(made.people.all()) == {c.rita, c.nils}
    # All of it or nothing: somebody who is no person to be chosen is refused.
    answer = client.post(f"{LIST}add/", {**nothing, "name": "Other", "people": [c.sam.pk]})
    assert not PermissionSet.objects.filter(name="Other").exists()
    assert "errornote" in answer.text


def test_set_is_read_in_words_by_who_may_not_change_it(c: TinyCompany, client: Client) -> None:
    tools = ["account.access", "account.edit_users", "account.user_table"]
    lead = UserFactory(permission_set=SetFactory(name="Lead", tools=tools))
    address = f"/admin/accounts/permissionset/{c.sets['rep'].pk}/change/"
    client.force_login(lead)
    page = client.get(address)
    assert page.status_code == 200
    assert "View on deals: Team only<br>View on deals, unassigned ones: Yes" in page.text
    assert "Export: Yes" in page.text
    assert 'name="_save"' not in page.text
    client.force_login(c.sam)
    assert 'name="_save"' in client.get(address).text


def test_deleting_a_set_asks_what_its_people_get(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"{LIST}{c.sets['rep'].pk}/delete/"
    assert "5 people have this set. What do they get instead" in client.get(address).text
    client.post(address, {"post": "yes"})
    assert PermissionSet.objects.filter(name="Rep").exists()
    confirmed(client, address, {"post": "yes", "replacement": c.sets["reader"].pk})
    assert not PermissionSet.objects.filter(name="Rep").exists()
    assert c.fresh("rita").permission_set == c.sets["reader"]
    # Nobody has this one, so nothing is asked.
    address = f"{LIST}{c.sets['exempt'].pk}/delete/"
    assert "1 person has this set" in client.get(address).text


def test_own_permissions_stay_when_their_set_goes(c: TinyCompany) -> None:
    operations.edit_permissions([c.xena], actor=c.sam, changes={"crm.export": False})
    operations.delete_set(c.sets["exempt"], actor=c.sam)
    own = c.fresh("xena").permission_set
    assert own is not None
    assert (str(own), own.based_on) == ("Own permissions", None)


def test_there_are_no_more_than_a_hundred_sets(c: TinyCompany) -> None:
    have = PermissionSet.objects.count()
    PermissionSet.objects.bulk_create(
        PermissionSet(name=f"Set {number}") for number in range(MOST_SETS - have - 1)
    )
    operations.edit_permissions([c.rita], actor=c.sam, changes={"crm.export": False})
    operations.create_set(actor=c.sam, name="The last")
    with pytest.raises(InvalidChange, match="There are 100 permission sets"):
        operations.create_set(actor=c.sam, name="One more")


def test_demoted_super_admin_is_offered_the_set_that_allows_least(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    text = client.get(f"/admin/accounts/user/{c.sue.pk}/demote/").text
    assert selected(text, "permission_set") == str(c.sets["approver"].pk)
