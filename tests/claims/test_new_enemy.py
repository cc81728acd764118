"""The new enemy: nobody reads what was written after their right was taken (B5, Q24).

Right, content and read happen in three real processes that stop at barriers, in every order. A read
is a request over an open session; it starts, loads the person's rights, stops, and ends.
"""

import itertools
import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from accounts import access
from accounts.middleware import CurrentRightsMiddleware
from accounts.models import AuditEvent, Membership, ObjectScope, ToolGrant, User
from accounts.operations import NotAllowed as PeopleNotAllowed
from accounts.operations import create_team
from records import operations as records
from records.models import Deal, Level
from records.models.properties import hidden_fields
from records.operations import NotAllowed, NotFound, restrict_property
from records.operations.sharing import share
from tests.support.company import TinyCompany
from tests.support.enemy_process import processes
from tests.support.factories import DealFactory, UserFactory

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

    request = getattr(rf, method)("/admin/records/deal/")
    request.user = person
    response = CurrentRightsMiddleware(view)(request)
    assert response.status_code == status
    if status == 409:
        assert '<a href="/admin/records/deal/">Open the page again</a>' in response.content.decode()
    assert runs == ([True, False] if method == "get" else [True])
    assert b"seen" not in response.content


def test_page_made_anew_remembers_nothing_of_the_old_rights(
    c: TinyCompany, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right goes after the whole page was made: the page made anew says so everywhere."""
    deal = c.deals["ritas"]
    holds, change_form = access.still_holds, f"/admin/records/deal/{deal.pk}/change/"

    def taken(user: User) -> bool:
        ObjectScope.objects.filter(permission_set=c.sets["rep"]).update(
            change=0, merge=0, delete=0, communicate=0
        )
        return holds(user)

    client.force_login(c.rita)
    assert 'name="_save"' in client.get(change_form).text
    monkeypatch.setattr(access, "still_holds", taken)
    pages = [client.get(change_form).text for _ in range(2)]
    assert 'name="_save"' not in pages[0]
    assert "You cannot change" in pages[0]
    made_anew, made_once = (re.sub(r'value="\w{64}"', "", page) for page in pages)  # but for CSRF
    assert made_anew == made_once


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
        lambda c: restrict_property(
            actor=c.sam, object="deal", name="amount", access="super_admins"
        ),
        lambda c: share(c.deals["robs"], actor=c.sam, user=c.rita, level=Level.VIEW),
        lambda c: share(c.deals["robs"], actor=c.sam, team=c.teams["north_a"], level=Level.VIEW),
    ],
    ids=[
        *("deactivated", "promoted", "set", "scope", "tool", "own team", "a mate's team"),
        *("a field", "a share", "a share with the team"),
    ],
)
def test_whatever_changes_what_a_person_holds_is_noticed(c: TinyCompany, change: Any) -> None:
    person = c.fresh("rita")
    assert person.grants.teams
    assert hidden_fields(person, Deal) == frozenset()
    assert access.still_holds(person) is True
    change(c)
    assert access.still_holds(person) is False


@pytest.mark.parametrize("act", ["create", "change", "delete", "share", "reveal", "team"])
def test_what_is_written_asks_for_the_rights_of_now(c: TinyCompany, act: str) -> None:
    """A page loaded the rights, a right is taken, the page writes: it must not."""
    deal = c.deals["ritas"]
    restrict_property(actor=c.sam, object="deal", name="amount", highly_sensitive=True)
    person = c.fresh("sam")
    assert access.allows(person, "change", deal)
    acts: dict[str, Callable[[], Any]] = {
        "create": lambda: records.create(Deal(name="New", stage=c.stages["open"]), actor=person),
        "change": lambda: records.change(deal, actor=person, values={"name": "No"}, version=1),
        "delete": lambda: records.delete(deal, actor=person),
        "share": lambda: share(deal, actor=person, user=c.rob, level=Level.VIEW),
        "reveal": lambda: records.reveal(deal, actor=person, name="amount"),
        "team": lambda: create_team(actor=person, name="Late"),
    }
    done = AuditEvent.objects.exclude(result="refused")
    logged = done.count()
    User.objects.filter(pk=person.pk).update(is_active=False, is_superuser=False)
    with pytest.raises((NotAllowed, PeopleNotAllowed, NotFound)):
        acts[act]()
    assert done.count() == logged
    deal.refresh_from_db()
    assert (deal.name, deal.version, deal.deleted_at) == ("Rita's", 1, None)
