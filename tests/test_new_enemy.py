"""The new enemy: nobody reads what was written after their right was taken (B5, Q24).

Right, content and read happen in three real processes that stop at barriers, in every order. A read
is a request over an open session; it starts, loads the person's rights, stops, and ends.
"""

import itertools
from itertools import permutations
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts import access
from accounts.middleware import CurrentRightsMiddleware
from accounts.models import Membership, ObjectScope, ToolGrant, User
from tests.company import TinyCompany
from tests.enemy_process import processes
from tests.factories import DealFactory, UserFactory

ORDERS = [
    order
    for order in permutations(("start", "end", "take", "write"))
    if order.index("start") < order.index("end")
]


@pytest.mark.django_db(transaction=True)
def test_no_answer_is_older_than_the_right(c: TinyCompany) -> None:
    assert len(ORDERS) == 12
    with processes(3) as (taker, writer, reader):
        seen = {}
        for number, order in enumerate(ORDERS):
            person = UserFactory(
                email=f"reader{number}@example.com", permission_set=c.sets["reader"]
            )
            deal = DealFactory(name="Open", stage=c.stages["open"])
            assert reader.ask("login", person.pk) is True
            assert reader.ask("read", person.pk, deal.pk, False) == [200, False, True]
            for step in order:
                if step == "take":
                    assert taker.ask("take", person.pk, c.sets["auditor"].pk) == "done"
                elif step == "write":
                    assert writer.ask("write", deal.pk) == "done"
                elif step == "start":
                    reader.tell("read", person.pk, deal.pk, True)
                    assert reader.says() == "held"
                else:
                    reader.tell("go")
                    status, secret, _ = reader.says()
                    seen[order] = (status, secret)
            # The very next request of the same open session is refused, whatever came before.
            status, secret, _ = reader.ask("read", person.pk, deal.pk, False)
            assert (status == 200, secret) == (False, False), order
    for order, (status, secret) in seen.items():
        place = order.index
        if place("take") < place("start"):
            assert (status == 200, secret) == (False, False), order
        elif place("take") < place("write"):
            assert not secret, order  # written after the right was gone
        elif place("end") < place("take"):
            assert (status, secret) == (200, place("write") < place("end")), order


@pytest.mark.parametrize(
    ("method", "status"), [("get", 200), ("post", 409)], ids=["read again", "not shown"]
)
def test_answer_made_while_the_right_changed(
    c: TinyCompany, rf: RequestFactory, method: str, status: int
) -> None:
    """Reading is done anew by the rights of now; the page of what a POST did is not shown."""
    person, runs = c.fresh("ruth"), []

    def view(request: HttpRequest) -> HttpResponse:
        runs.append(request.user.has_perm("records.view_deal", c.deals["ritas"]))
        User.objects.filter(pk=person.pk).update(permission_set=c.sets["auditor"])
        return HttpResponse("seen" if runs[-1] else "refused")

    request = getattr(rf, method)("/")
    request.user = person
    response = CurrentRightsMiddleware(view)(request)
    assert response.status_code == status
    assert runs == ([True, False] if method == "get" else [True])
    assert b"seen" not in response.content


def test_unsteady_rights_show_nothing(c: TinyCompany, rf: RequestFactory) -> None:
    """Where they change during every try, the answer is a sentence and no record."""
    sets = itertools.cycle([c.sets["auditor"], c.sets["reader"]])

    def view(request: HttpRequest) -> HttpResponse:
        request.user.has_perm("records.view_deal", c.deals["ritas"])
        User.objects.filter(pk=request.user.pk).update(permission_set=next(sets))
        return HttpResponse("seen")

    request = rf.get("/")
    request.user = c.fresh("ruth")
    assert CurrentRightsMiddleware(view)(request).status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        lambda c: User.objects.filter(email="rita@example.com").update(is_active=False),
        lambda c: User.objects.filter(email="rita@example.com").update(is_superuser=True),
        lambda c: User.objects.filter(email="rita@example.com").update(permission_set=None),
        lambda c: ObjectScope.objects.filter(permission_set=c.sets["rep"]).update(merge=0),
        lambda c: ToolGrant.objects.filter(permission_set=c.sets["rep"]).delete(),
        lambda c: Membership.objects.filter(user=c.rita).delete(),
        lambda c: Membership.objects.filter(user=c.nora).delete(),
    ],
    ids=["deactivated", "promoted", "set", "scope", "tool", "own team", "a mate's team"],
)
def test_whatever_changes_what_a_person_holds_is_noticed(c: TinyCompany, change: Any) -> None:
    person = c.fresh("rita")
    assert person.grants.teams
    assert access.still_holds(person) is True
    change(c)
    assert access.still_holds(person) is False
