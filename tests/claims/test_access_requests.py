"""Requests for access: whoever may share a record decides, by sharing it, and nobody else (B15)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.access import allows
from accounts.audit import record
from accounts.models import AuditEvent, Notice, User
from accounts.notices import readable
from accounts.operations import deactivate
from records import operations
from records.models import AccessRequest, Deal, Property, Record, StageException
from records.operations import sharing
from records.operations.access_requests import (
    LAPSE_DAYS,
    MOST_WAITING,
    asked,
    decline,
    grant,
    lapse_overdue,
    request_access,
    request_export,
    request_field,
    seen,
    to_decide,
    withdraw,
)
from records.operations.sharing import may_share
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory, UserFactory

pytestmark = pytest.mark.django_db
WHY = "I write the offer."


def requested(c: TinyCompany, by: str, deal: str) -> AccessRequest:
    return request_access(c.deals[deal], actor=c.fresh(by), reason=WHY)


def told(user: User) -> list[str]:
    return [notice.text for notice in readable(user, Notice.objects.filter(user=user))]


# --- Asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "deal", "whom"),
    [
        ("rita", "noras", ["nora"]),
        ("nora", "unassigned", ["sam", "sue"]),  # nobody owns it
        ("nora", "freds", ["mona"]),  # its owner is deactivated: who leads a team above may share
        ("ella", "co_owned", ["rita", "rob"]),
        ("rita", "chosen_n", ["sam", "sue"]),  # locked for its owner and for whoever is above
        ("eve", "vault", ["sam", "sue"]),  # a share would not be enough
        ("ruth", "noras", ["sam", "sue"]),  # nor for who may edit no deal
    ],
)
def test_request_goes_to_the_nearest_who_may_share_or_else_to_super_admins(
    c: TinyCompany, by: str, deal: str, whom: list[str]
) -> None:
    assert {user.email for user in asked(c.deals[deal], c.people[by])} == {
        f"{name}@example.com" for name in whom
    }
    made = requested(c, by, deal)
    assert (made.status, made.object, made.record) == ("waiting", "deal", c.deals[deal].pk)
    for name, user in c.people.items():
        heard = [f"{c.people[by].get_full_name()} requests to edit a deal."]
        assert told(user) == (heard if name in whom else [])
    event = AuditEvent.objects.get(action="deal.request_access")
    assert (event.actor, event.object_id) == (c.people[by], str(c.deals[deal].pk))


def test_people_of_the_owners_team_are_asked_before_those_above(c: TinyCompany) -> None:
    lead = UserFactory(permission_set=c.sets["manager"], team=c.teams["north_a"])
    assert asked(c.deals["freds"], c.nora) == [lead]
    # Who may edit it by a share alone is nobody to ask.
    other = UserFactory(permission_set=c.sets["rep"], team=c.teams["north_a"])
    sharing.share(c.deals["freds"], actor=c.sam, user=other, level="edit")
    assert asked(c.deals["freds"], c.nora) == [lead]
    deactivate(lead, actor=c.sam)
    assert asked(c.deals["freds"], c.nora) == [c.mona]
    assert asked(c.deals["freds"], c.mona) == [c.sam, c.sue]


def test_what_cannot_be_asked_for_leaves_nothing(c: TinyCompany) -> None:
    refused: list[tuple[str, str, str, type[Exception]]] = [
        ("rita", "ritas", WHY, operations.Invalid),  # she may
        ("rita", "robs", WHY, operations.NotFound),  # out of reach
        ("rita", "deleted", WHY, operations.NotFound),
        ("rita", "noras", "  ", operations.Invalid),
        ("rita", "noras", "x" * 501, operations.Invalid),
        ("rita", "noras", "a\u200bb", operations.Invalid),
        ("fred", "noras", WHY, operations.NotFound),  # deactivated
    ]
    for by, deal, reason, error in refused:
        with pytest.raises(error):
            request_access(c.deals[deal], actor=c.fresh(by), reason=reason)
    absent = Deal(pk=c.deals["robs"].pk + 999)
    with pytest.raises(operations.NotFound) as never_was:
        request_access(absent, actor=c.rita, reason=WHY)
    with pytest.raises(operations.NotFound) as hidden:
        requested(c, "rita", "robs")
    assert str(never_was.value) == str(hidden.value)
    assert not AccessRequest.objects.exists()
    assert not Notice.objects.exists()
    requested(c, "rita", "noras")


def test_same_request_waits_once_and_comes_again_after_a_decision(c: TinyCompany) -> None:
    first = requested(c, "rita", "noras")
    with pytest.raises(operations.Invalid, match="asked for this already"):
        requested(c, "rita", "noras")
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessRequest.objects.create(
            requester=c.rita, object="deal", record=first.record, reason=WHY
        )
    decline(first, actor=c.nora, note="Ask Mona.")
    assert requested(c, "rita", "noras").pk != first.pk


def test_nobody_floods_others_with_requests(c: TinyCompany) -> None:
    deals = [DealFactory(owner=c.nora, stage=c.stages["open"]) for _ in range(MOST_WAITING + 1)]
    for deal in deals[:-1]:
        request_access(deal, actor=c.rita, reason=WHY)
    with pytest.raises(operations.Invalid, match=f"{MOST_WAITING} requests waiting"):
        request_access(deals[-1], actor=c.rita, reason=WHY)
    withdraw(AccessRequest.objects.filter(requester=c.rita)[0], actor=c.rita)
    request_access(deals[-1], actor=c.rita, reason=WHY)


# --- Deciding -------------------------------------------------------------------------------------


def test_granting_shares_the_record_for_a_time_and_no_longer(c: TinyCompany) -> None:
    made, until = requested(c, "rita", "noras"), timezone.now() + timedelta(days=7)
    assert not allows(c.fresh("rita"), "change", c.deals["noras"])
    grant(made, actor=c.nora, until=until, note="Until Friday.")
    assert allows(c.fresh("rita"), "change", c.deals["noras"])
    made.refresh_from_db()
    assert (made.status, made.decided_by, made.note) == ("granted", c.nora, "Until Friday.")
    share = c.deals["noras"].user_shares.get()
    assert (share.user, share.giver, share.until, made.until) == (c.rita, c.nora, until, until)
    assert told(c.rita) == [f"{c.nora.get_full_name()} lets you edit the deal."]
    assert list(
        AuditEvent.objects.filter(actor=c.nora).order_by("id").values_list("action", flat=True)
    ) == ["deal.share", "deal.grant_access"]
    type(share).objects.update(until=timezone.now() - timedelta(seconds=1))
    assert not allows(c.fresh("rita"), "change", c.deals["noras"])


def test_exactly_those_who_may_share_the_record_decide_and_never_the_requester(
    c: TinyCompany,
) -> None:
    """The list, the page and the operation agree, for everybody and every deal."""
    made = {}
    for name in ("rita", "ella", "mona", "ruth", "xena"):
        for key, deal in c.deals.items():
            user = c.fresh(name)
            if allows(user, "view", deal) and not allows(user, "change", deal):
                made[name, key] = request_access(deal, actor=user, reason=WHY)
    assert len(made) > 20
    decided = 0
    for decider in c.people:
        user = c.fresh(decider)
        offered = set(to_decide(user).values_list("pk", flat=True))
        readable_now = set(seen(user, AccessRequest.objects.all()).values_list("pk", flat=True))
        for (name, key), request in made.items():
            may = name != decider and may_share(user, c.deals[key])
            assert (request.pk in offered) == may, (decider, name, key)
            assert (request.pk in readable_now) == (may or name == decider), (decider, name, key)
            if not may:
                error = operations.NotAllowed if name == decider else operations.NotFound
                with pytest.raises(error):
                    decline(request, actor=user, note="No.")
                with pytest.raises(error):
                    grant(request, actor=user, until=None)
            else:
                with transaction.atomic():
                    decline(request, actor=user, note="No.")
                    decided += 1
                    transaction.set_rollback(True)
    assert decided > 20
    assert not AccessRequest.objects.exclude(status="waiting").exists()


def test_share_that_would_not_be_enough_is_not_given(c: TinyCompany) -> None:
    locked = requested(c, "nora", "chosen")  # its owner Rita may edit there, Nora may not
    with pytest.raises(operations.Invalid, match="locked stage “Chosen” of Sales"):
        grant(locked, actor=c.rita, until=None)
    without = requested(c, "ruth", "noras")  # she reads every deal, and edits none
    with pytest.raises(operations.Invalid, match="does not let"):
        grant(without, actor=c.nora, until=None)
    assert not c.deals["chosen"].user_shares.exists()
    assert not AuditEvent.objects.filter(action="deal.share").exists()
    assert set(AccessRequest.objects.values_list("status", flat=True)) == {"waiting"}
    decline(without, actor=c.nora, note="Ask Sam for a wider permission set.")


def test_one_decision_holds_and_a_withdrawn_request_is_not_decided(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    decline(made, actor=c.nora, note="Not now.")
    for step in (
        lambda: grant(made, actor=c.mona, until=None),
        lambda: decline(made, actor=c.mona, note="No."),
        lambda: withdraw(made, actor=c.rita),
    ):
        with pytest.raises(operations.Stale):
            step()
    again = requested(c, "rita", "noras")
    with pytest.raises(operations.NotFound):
        withdraw(again, actor=c.nora)
    withdraw(again, actor=c.rita)
    with pytest.raises(operations.Stale):
        grant(again, actor=c.nora, until=None)
    assert not c.deals["noras"].user_shares.exists()


def test_declining_needs_a_word(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    with pytest.raises(operations.Invalid, match="Say why"):
        decline(made, actor=c.nora, note=" ")
    decline(made, actor=c.nora, note="Ask Mona.")
    assert told(c.rita) == [f"{c.nora.get_full_name()} declined your request to edit a deal."]


def test_right_that_was_taken_decides_no_more(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    operations.change(c.deals["noras"], actor=c.sam, values={"owner": c.mona}, version=1)
    with pytest.raises(operations.NotFound):
        grant(made, actor=c.fresh("nora"), until=None)
    assert told(c.fresh("nora")) == []  # gone, as if it had never been told
    grant(made, actor=c.fresh("mona"), until=None)


def test_deactivated_requester_waits_for_nobody(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    assert list(to_decide(c.nora)) == [made]
    deactivate(c.rita, actor=c.sam)
    assert list(to_decide(c.nora)) == []
    with pytest.raises(operations.Invalid):
        grant(made, actor=c.nora, until=None)


def test_decider_may_not_give_what_only_a_share_gives_them(c: TinyCompany) -> None:
    made = requested(c, "rita", "noras")
    record: Record = c.deals["noras"]
    grant(made, actor=c.nora, until=None)
    other = request_access(record, actor=c.fresh("ella"), reason=WHY)
    assert other not in to_decide(c.fresh("rita"))  # she edits it by a share alone
    with pytest.raises(operations.NotFound):
        grant(other, actor=c.fresh("rita"), until=None)


def test_request_that_nobody_decides_on_lapses_and_may_be_made_again(c: TinyCompany) -> None:
    made, young = requested(c, "rita", "noras"), requested(c, "ella", "noras")
    old = timezone.now() - timedelta(days=LAPSE_DAYS, seconds=1)
    AccessRequest.objects.filter(pk=made.pk).update(created_at=old)
    lapse_overdue()
    lapse_overdue()  # once
    made.refresh_from_db()
    young.refresh_from_db()
    assert (made.status, young.status) == ("lapsed", "waiting")
    assert told(c.rita) == ["Nobody decided on your request for access in time. You may ask again."]
    event = AuditEvent.objects.get(action="access_request.lapse")
    assert (event.actor, event.system) == (None, "access requests")
    for step in (
        lambda: grant(made, actor=c.nora, until=None),
        lambda: decline(made, actor=c.nora, note="Late."),
        lambda: withdraw(made, actor=c.rita),
    ):
        with pytest.raises(operations.Stale):
            step()
    assert not c.deals["noras"].user_shares.exists()
    requested(c, "rita", "noras")


# --- Locked stages --------------------------------------------------------------------------------


def test_super_admin_grants_an_exception_from_the_stage_and_a_share_where_that_is_missing_too(
    c: TinyCompany,
) -> None:
    until = timezone.now() + timedelta(days=3)
    own = requested(c, "rita", "vault")  # hers, and locked
    with pytest.raises(operations.Invalid, match="for ever"):
        grant(own, actor=c.sam, until=None)
    assert not StageException.objects.exists()
    grant(own, actor=c.sam, until=until)
    made = StageException.objects.get()
    assert (made.user, made.giver, made.until) == (c.rita, c.sam, until)
    assert not c.deals["vault"].user_shares.exists()  # reach is what she had
    assert allows(c.fresh("rita"), "change", c.deals["vault"])
    other = requested(c, "nora", "vault")  # locked, and not hers
    grant(other, actor=c.sam, until=until)
    assert c.deals["vault"].user_shares.get().until == until
    assert allows(c.fresh("nora"), "change", c.deals["vault"])
    assert not allows(c.fresh("nora"), "delete", c.deals["vault"])


def test_nobody_is_excepted_from_a_stage_by_who_may_only_share(c: TinyCompany) -> None:
    """Rita edits where Nora may not, and so decides; what she may give is a share."""
    made = requested(c, "nora", "chosen")
    with pytest.raises(operations.Invalid, match="A share would not let"):
        grant(made, actor=c.rita, until=timezone.now() + timedelta(days=3))
    assert not StageException.objects.exists()
    assert not c.deals["chosen"].user_shares.exists()
    decline(made, actor=c.rita, note="Ask Sam: the stage is locked.")


# --- In the audit log -----------------------------------------------------------------------------


def test_words_of_a_request_and_its_decision_stand_where_they_can_be_erased(c: TinyCompany) -> None:
    """And whoever reads the log reads them, of events from before too."""
    operations.restrict_property(
        actor=c.sam, object="deal", name="product", access=Property.Access.EVERYONE_VIEW
    )
    decline(requested(c, "rita", "noras"), actor=c.fresh("nora"), note="Ask Mona.")
    grant(requested(c, "rita", "noras"), actor=c.fresh("nora"), until=None, note="Until May.")
    for made in (
        request_field(actor=c.fresh("rita"), object="deal", name="product", reason=WHY),
        request_export(actor=c.fresh("ruth"), object="deal", reason=WHY),
    ):
        decline(made, actor=c.fresh("sam"), note="Ask Mona.")
    otto, words = Client(), {WHY, "Ask Mona.", "Until May."}
    otto.force_login(c.otto)
    events = AuditEvent.objects.filter(data__has_key="request")
    assert {event.action for event in events} == {
        *("deal.request_access", "deal.grant_access", "deal.decline_access"),
        *("access_request.ask_field", "access_request.ask_export", "access_request.decline"),
    }
    for event in events:
        assert not words & {str(value) for value in event.data.values()}
        assert event.text.text in words
        assert event.text.text in otto.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    with transaction.atomic():
        before = record(
            "deal.request_access", actor=c.rita, data={"request": 1, "reason": "As it was."}
        )
    assert "As it was." in otto.get(f"/admin/accounts/auditevent/{before.pk}/change/").text
