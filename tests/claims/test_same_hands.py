"""Two accounts in one pair of hands are one pair of eyes, whichever of them asks (B7).

Whoever could log in as somebody acts through them: as the requester, as the decider, or as both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from accounts import operations as people
from accounts.audit import System
from accounts.models import AuditEvent, Notice, User
from exports import deciders, operations, worker
from exports.models import ExportRequest
from records.models import Deal
from tests.claims.test_four_eyes import bar, card
from tests.claims.test_four_eyes_http import LOG, NEW_PASSWORD, Browser, panel_of
from tests.support.company import TinyCompany
from tests.support.doors import DAY, change, let_pass, rules
from tests.support.exports_kit import ask

SAYS = "made the requester’s account"


def made(c: TinyCompany, by: Browser, email: str, permission_set: Any) -> Browser:
    by.save(
        "/admin/accounts/user/add/",
        first_name=email.split("@", maxsplit=1)[0].title(),
        email=email,
        password=NEW_PASSWORD,
        permission_set=permission_set.pk,
    )
    # Something to export, whatever the set reaches.
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(owner=User.objects.get(email=email))
    return Browser(email, NEW_PASSWORD)


# --- The decider owns the requester's account -----------------------------------------------------


def puppet_made(c: TinyCompany, by: Browser) -> Browser:
    return made(c, by, "puppet@example.com", c.sets["manager"])


def password_set(c: TinyCompany, by: Browser) -> Browser:
    by.save(f"/admin/accounts/user/{c.rita.pk}/password/", password=NEW_PASSWORD)
    return Browser("rita@example.com", NEW_PASSWORD)


def address_changed(c: TinyCompany, by: Browser) -> Browser:
    by.save(f"/admin/accounts/user/{c.rita.pk}/change/", email="mine@example.com")
    return Browser("mine@example.com")


def reactivated(c: TinyCompany, by: Browser) -> Browser:
    User.objects.filter(pk=c.rita.pk).update(is_active=False)
    by.save(f"/admin/accounts/user/{c.rita.pk}/reactivate/")
    return Browser("rita@example.com")


OWNED: list[Callable[[TinyCompany, Browser], Browser]] = [
    puppet_made,
    password_set,
    address_changed,
    reactivated,
]


@pytest.mark.parametrize("own", OWNED, ids=lambda own: own.__name__)
def test_nobody_decides_on_what_their_puppet_asks_for(
    c: TinyCompany, own: Callable[[TinyCompany, Browser], Browser]
) -> None:
    rules()
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    puppet = own(c, sam)
    export = puppet.ask([c.sue])
    assert (export.status, export.because) == ("pending", "above_threshold")
    for step in ("approve", "reject"):
        assert SAYS in sam.decide(step, export)
        assert export.status == "pending"
    assert bar(c.sam, export) == "dependent"
    assert "Nothing to decide." in sam.page("/admin/")
    # Another's puppet they may decide on, and this one's a month later; somebody else at once.
    let_pass(31 * DAY)
    assert bar(c.sam, export) == ""
    let_pass(-2 * DAY)
    assert bar(c.sam, export) == "dependent"
    assert "made or opened" in sue.page(f"{LOG}?review={export.pk}").lower()
    sue.decide("approve", export)
    assert (export.status, export.decided_by) == ("approved", c.sue)


def test_puppet_is_not_offered_its_owner_and_cannot_choose_them(c: TinyCompany) -> None:
    rules()
    people.set_password(c.rita, actor=c.sam, password="another long password")
    assert c.sam not in operations.approvers_for(c.rita)
    assert {c.sue, c.mona, c.axel} <= set(operations.approvers_for(c.rita))
    with pytest.raises(operations.ApproversNeeded):
        ask(c.rita, approvers=[c.sam])
    # Who set nothing of hers decides, though they set somebody else's.
    people.set_password(c.nora, actor=c.sue, password="another long password")
    assert bar(c.sue, ask(c.rita, approvers=[c.sue])) == ""
    # What gives no log-in binds nobody.
    people.assign_set(c.rob, actor=c.sam, permission_set=c.sets["manager"])
    people.set_teams(c.rob, actor=c.sam, main_team=c.teams["south"])
    assert bar(c.sam, ask(c.rob, approvers=[c.sue])) == ""


# --- One person owns both -------------------------------------------------------------------------


def test_nobody_asks_as_one_of_their_accounts_and_approves_as_the_other(c: TinyCompany) -> None:
    rules()
    sam = Browser("sam@example.com")
    eyes = made(c, sam, "eyes@example.com", c.sets["approver"])
    rep = made(c, sam, "rep@example.com", c.sets["rep"])
    export = rep.ask([c.sue])
    assert export.status == "pending"
    decider = User.objects.get(email="eyes@example.com")
    for step in ("approve", "reject"):
        assert SAYS in eyes.decide(step, export)
        assert export.status == "pending"
    assert bar(decider, export) == "dependent"
    shown = card(export, decider)["account"]
    assert shown[0] == "Same hands as yours"
    assert "Sam created the account" in shown[1]
    assert card(export, c.sue)["account"] == ("Made or opened lately", "Sam created the account")
    # Made by different people they are two pairs of eyes; a system's hands are nobody's.
    people.set_password(c.axel, actor=c.sue, password="another long password")
    people.set_password(c.mona, actor=System("test"), password="another long password")
    assert (bar(c.axel, export), bar(c.mona, export)) == ("", "")
    Browser("axel@example.com", "another long password").decide("approve", export)
    assert export.status == "approved"


def test_hands_reach_through_a_puppet(c: TinyCompany) -> None:
    rules()
    puppet = people.create_person(actor=c.sam, email="p@example.com", is_superuser=True)
    people.set_password(c.rita, actor=puppet, password="another long password")
    export = ask(c.rita, approvers=[c.sue])
    assert [bar(person, export) for person in (puppet, c.sam, c.sue)] == [
        "dependent",
        "dependent",
        "",
    ]
    people.set_password(c.axel, actor=c.sam, password="another long password")
    assert bar(c.axel, export) == "dependent"


def only(*deciding: User) -> None:
    """Let nobody decide but these."""
    stay = [person.pk for person in deciding]
    User.objects.filter(pk__in=deciders.access.holders(deciders.DECIDE).values("pk")).exclude(
        pk__in=stay
    ).update(is_active=False)


def test_where_one_person_made_everybody_somebody_decides_all_the_same(
    c: TinyCompany, client: Any
) -> None:
    rules()
    only(c.sam)
    rep = people.create_person(
        actor=c.sam, email="r@example.com", permission_set=c.sets["rep"], main_team=c.teams["north"]
    )
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(owner=rep)
    export = ask(rep, approvers=[c.sam])
    assert bar(c.sam, export) == ""
    eyes = people.create_person(
        actor=c.sam, email="e@example.com", permission_set=c.sets["approver"]
    )
    assert (bar(c.sam, export), bar(eyes, export)) == ("", "")
    assert set(operations.approvers_for(rep)) == {c.sam, eyes}
    assert card(export, c.sam)["relation"][0] == "Their account"
    assert card(export, eyes)["account"][0] == "Same hands as yours"
    client.force_login(c.fresh("sam"))
    warning = "Nobody independent decides on exports of"
    assert warning in client.get("/admin/").text
    # As soon as somebody else could, they have to, and nobody is warned any more.
    User.objects.filter(pk=c.axel.pk).update(is_active=True)
    assert [bar(each, export) for each in (c.sam, eyes, c.axel)] == ["dependent", "dependent", ""]
    assert warning not in client.get("/admin/").text
    # What keeps the independent one from this request lets the others decide on it again.
    User.objects.filter(pk=c.axel.pk).update(is_superuser=True)
    change(c.fresh("axel"), threshold=1)
    assert [bar(each, export) for each in (c.sam, eyes)] == ["", ""]
    assert bar(c.axel, export) == "changed_rules"
    assert not deciders.waiting_without_decider().exists()


def test_who_changes_every_other_approvers_address_and_back_is_not_free_by_it(
    c: TinyCompany,
) -> None:
    rules()
    only(c.sam, c.sue)
    people.set_password(c.rita, actor=c.sam, password="another long password")
    export = ask(c.rita, approvers=[c.sue])
    for email in ("elsewhere@example.com", "sue@example.com"):
        people.change_person(c.sue, actor=c.sam, email=email, first_name="Sue", last_name="")
    assert (bar(c.sam, export), bar(c.sue, export)) == ("dependent", "")


def test_asking_who_hangs_together_is_one_query_however_many_changes(c: TinyCompany) -> None:
    rules()
    costs = set()
    for _ in range(2):
        people.set_password(c.rita, actor=c.sam, password="another long password")
        people.set_password(c.axel, actor=c.sam, password="another long password")
        export = ask(c.rita, approvers=[c.sue])
        axel, rita = c.fresh("axel"), c.fresh("rita")
        assert axel.grants
        for read in (
            lambda person=axel: deciders.count_awaiting(person),
            lambda person=axel, each=export: deciders.may_not_decide_because(each, person),
            lambda each=export: list(deciders.deciders_of(each)),
            lambda person=rita: list(deciders.approvers_for(person)),
        ):
            with CaptureQueriesContext(connection) as captured:
                read()
            costs.add(len(captured))
    assert costs == {1}


# --- The requester's account changes hands after the consent --------------------------------------


def fetched(by: Browser, export: ExportRequest) -> Any:
    return by.post(f"{LOG}{export.pk}/download/")


@pytest.mark.parametrize("own", OWNED[1:], ids=lambda own: own.__name__)
def test_nobody_decides_by_a_page_older_than_the_hands_the_account_is_in(
    c: TinyCompany, own: Callable[[TinyCompany, Browser], Browser]
) -> None:
    """However old the page is; whoever looks again reads whose hands they are, and decides."""
    rules()
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    export = Browser("rita@example.com").ask([c.sue])
    before = sue.page(panel_of(export))
    assert "Made or opened lately" not in before
    own(c, sam)
    for page in (before, "without a mark", 'name="let_in" value="-1"', 'name="let_in" value="x"'):
        shown = sue.decide("approve", export, page)
        assert "Nothing was decided: since you opened the request, somebody else set" in shown
        assert export.status == "pending"
    assert "Made or opened lately" in shown
    sue.decide("approve", export)
    assert export.status == "approved"


def test_only_others_by_whom_the_account_was_opened_since_stop_a_decision(c: TinyCompany) -> None:
    rules()
    export = ask(c.rita, approvers=[c.sue])
    people.change_own_password(actor=c.rita, password=NEW_PASSWORD)
    assert not operations.last_let_in(c.rita.pk)
    people.set_password(c.rita, actor=c.sam, password=NEW_PASSWORD)
    with pytest.raises(operations.WrongState, match="Nothing was decided"):
        operations.approve(export, actor=c.sue, version=export.version, let_in=0)
    # Whoever decides at this moment, and whoever rejects, needs no mark.
    operations.approve(export, actor=c.sue, version=export.version)
    let_pass(31 * DAY)
    assert not operations.last_let_in(c.rita.pk)


@pytest.mark.parametrize("own", OWNED[1:], ids=lambda own: own.__name__)
def test_approved_file_is_closed_to_whoever_takes_over_the_account_it_is_for(
    c: TinyCompany, own: Callable[[TinyCompany, Browser], Browser]
) -> None:
    rules()
    sam, rita = Browser("sam@example.com"), Browser("rita@example.com")
    export = rita.ask([c.sue])
    operations.approve(export, actor=c.sue, version=export.version)
    assert worker.run_once() == 1
    assert fetched(rita, export).getvalue()  # her own, as long as nobody else has it
    assert ">Download<" in rita.page(LOG)
    puppet = own(c, sam)
    assert (fetched(puppet, export).status_code, export.downloads.count()) == (302, 1)
    shown = puppet.page(f"{LOG}?review={export.pk}")
    assert "Somebody else set the password or the e-mail address of your account" in shown
    assert f"{export.pk}/download/" not in shown
    assert ">Download<" not in puppet.page(LOG)
    refused = AuditEvent.objects.filter(action="export.download", result="refused")
    assert refused.get().object_id == str(export.pk)
    # Asked for again, it is decided on again.
    ExportRequest.objects.filter(pk=export.pk).update(decided_at=Now() + 2 * DAY)
    assert fetched(puppet, export).getvalue()


@pytest.mark.parametrize("own", OWNED[1:], ids=lambda own: own.__name__)
def test_file_that_needed_no_consent_is_closed_to_whoever_takes_over_the_account(
    c: TinyCompany, own: Callable[[TinyCompany, Browser], Browser]
) -> None:
    """It counted within the limits of whoever asked for it, and would count for nobody else."""
    rules(threshold=100)
    export = ask(c.rita)
    assert worker.run_once() == 1
    assert fetched(Browser("rita@example.com"), export).getvalue()
    puppet = own(c, Browser("sam@example.com"))
    assert fetched(puppet, export).status_code == 302
    assert ">Download<" not in puppet.page(LOG)
    assert "after this export was asked for or approved" in puppet.page(f"{LOG}?review={export.pk}")
    later = ask(c.rita)
    assert worker.run_once() == 1
    assert fetched(puppet, later).getvalue()


def test_file_stays_open_to_who_changes_their_own_password(c: TinyCompany) -> None:
    rules()
    export = ask(c.rita, approvers=[c.sue])
    operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    people.change_own_password(actor=c.rita, password=NEW_PASSWORD)
    assert fetched(Browser("rita@example.com", NEW_PASSWORD), export).getvalue()


def test_somebody_who_was_renamed_is_told(c: TinyCompany) -> None:
    """By another name they ask, and are read, as somebody else."""
    names = {"email": "rita@example.com", "last_name": "Ström"}
    people.change_person(c.rita, actor=c.sam, first_name="Sue", **names)
    people.change_person(c.rita, actor=c.sam, first_name="Sue", **names)  # nothing more
    people.change_person(c.rita, actor=System("test"), first_name="Rita", **names)
    own = {"email": c.sam.email, "first_name": "Samuel", "last_name": ""}
    people.change_person(c.sam, actor=c.sam, **own)
    told = Notice.objects.order_by("id").values_list("user__email", "text")
    assert [(email, text.partition(", in")[0]) for email, text in told] == [
        ("rita@example.com", "Sam changed your name: you are called “Sue Ström” now"),
        (
            "rita@example.com",
            "Somebody on the server changed your name: you are called “Rita Ström” now",
        ),
    ]


def test_somebody_whose_log_in_was_changed_is_told(c: TinyCompany) -> None:
    people.set_password(c.rita, actor=c.sam, password=NEW_PASSWORD)
    people.change_person(
        c.rita, actor=c.sam, email="new@example.com", first_name="Rita", last_name=""
    )
    people.set_password(c.rita, actor=System("test"), password=NEW_PASSWORD)
    told = Notice.objects.filter(user=c.rita).order_by("id").values_list("text", flat=True)
    assert [text.partition(". ")[0] for text in told] == [
        "Sam set a new password for your account",
        "Sam changed the e-mail address by which you log in",
        "Somebody on the server set a new password for your account",
    ]
