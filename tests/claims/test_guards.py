"""What acts on many records at once asks first: locked stages, hidden records, the bin (Q41)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import allows, explain, marked, permitted, who_can
from accounts.audit import System
from accounts.models import AuditEvent, User
from records import operations
from records.guards import refused
from records.models import Deal, Stage, StageRule
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory

ACTING = ("change", "delete", "merge", "restore")
DEALS = Deal._base_manager.order_by("pk")


@pytest.mark.parametrize("action", ACTING)
def test_guard_says_of_every_row_what_the_engine_says_of_it_alone(
    c: TinyCompany, action: str
) -> None:
    """Everybody × every row, in the bin and out of it: refused are those in sight and not allowed.

    With the codes of `explain`, and the same sentences that the record's own page has.
    """
    DealFactory(owner=c.mona, stage=c.stages["vault"], deleted_at=timezone.now())
    codes = set()
    for person in User.objects.order_by("pk"):
        found = {row.pk: row for row in refused(DEALS, actor=person, action=action)}
        for deal in DEALS.all():
            explanation = explain(person, action, deal)
            hidden = any(f.code == "unseen" and f.holds for f in explanation.findings)
            assert (deal.pk in found) == (not hidden and not allows(person, action, deal))
            if deal.pk in found:
                row = found[deal.pk]
                assert row.codes == tuple(f.code for f in explanation.decisive)
                assert list(row.reasons) == operations.refusal(person, action, deal)
                assert (row.name, bool(row.reasons)) == (deal.name, True)
                codes |= set(row.codes)
    assert "stage" in codes


def test_locked_rows_are_listed_with_the_stage_and_who_may_and_hidden_ones_are_not(
    c: TinyCompany,
) -> None:
    found = {row.name: row for row in refused(DEALS, actor=c.rita, action="merge")}
    assert found["Vault"].codes == ("stage",)
    assert "locked stage “Vault” of Renewals: there, only super admins" in found["Vault"].reasons[0]
    assert found["Nora's"].reasons == (
        "Your permission set lets you merge only deals that you own.",
    )
    assert "Rita's" not in found and "Chosen" not in found  # may be merged; the rule names her
    assert "Rob's" not in found and "Deleted" not in found  # hidden, absent
    assert refused(DEALS, actor=c.sam, action="merge") == []


@pytest.mark.parametrize("action", ACTING)
def test_one_query_decides_whatever_the_number_of_rows(c: TinyCompany, action: str) -> None:
    binned = {"deleted_at": timezone.now()} if action == "restore" else {}

    def asked() -> int:
        person = c.fresh("rita")
        assert person.grants
        with CaptureQueriesContext(connection) as captured:
            assert refused(DEALS, actor=person, action=action)
        return len(captured)

    def deals(number: int) -> None:
        for _ in range(number):
            DealFactory(owner=c.rita, stage=c.stages["vault"], **binned)

    deals(2)
    few = asked()
    deals(20)
    assert asked() == few
    # Where no stage is to be named, there is nothing but the decision.
    StageRule.objects.update(enabled=False)
    assert asked() == 1 < few


def test_stored_stage_counts_and_switching_the_rule_off_lets_go_at_once(c: TinyCompany) -> None:
    """Both ways and for every action: R107, R110, Q40, Q41."""
    eve, vault = c.eve, Deal._base_manager.filter(pk=c.deals["vault"].pk)
    binned = Deal._base_manager.filter(
        pk=DealFactory(owner=c.rita, stage=c.stages["vault"], deleted_at=timezone.now()).pk
    )
    rule = StageRule.objects.get(pipeline=c.stages["vault"].pipeline)
    locked: list[Stage] = list(rule.stages.all())
    for enabled in (True, False, True):
        operations.set_stage_rule(rule.pipeline, actor=c.sam, enabled=enabled, stages=locked)
        for action in ACTING:
            rows = binned if action == "restore" else vault
            codes = [row.codes for row in refused(rows, actor=c.fresh("eve"), action=action)]
            assert codes == ([("stage",)] if enabled else []), (action, enabled)
            assert rows.filter(pk__in=permitted(rows, eve, action)).exists() != enabled
    # What a form says of the stage is nothing to the guard.
    deal = vault.get()
    deal.stage = c.stages["open"]
    assert refused(vault, actor=eve, action="change") != []


def test_restoring_is_for_whoever_could_see_and_delete_it_outside_the_bin(c: TinyCompany) -> None:
    """R20, R107, E10: the scope is Delete's, and only what lies in the bin comes back."""
    now = timezone.now()
    mine = DealFactory(name="Mine", owner=c.mona, stage=c.stages["open"], deleted_at=now)
    locked = DealFactory(name="Locked", owner=c.mona, stage=c.stages["vault"], deleted_at=now)
    team = DealFactory(name="Team's", owner=c.rita, stage=c.stages["open"], deleted_at=now)
    DealFactory(name="Out of reach", owner=c.rob, stage=c.stages["open"], deleted_at=now)
    bin_ = Deal._base_manager.exclude(deleted_at=None)
    assert set(permitted(bin_, c.mona, "restore")) == {mine}
    said = {row.name: row.reasons[0] for row in refused(bin_, actor=c.mona, action="restore")}
    assert set(said) == {"Locked", "Team's", "Deleted"}  # the last one is Rita's too
    assert said["Team's"] == "Your permission set lets you restore only deals that you own."
    assert "locked stage “Vault”" in said["Locked"]
    assert set(permitted(bin_, c.sam, "restore")) >= {mine, locked, team}
    assert not permitted(bin_, c.fred, "restore").exists()  # deactivated
    assert not permitted(bin_, c.ruth, "restore").exists()  # sees everything, deletes nothing
    alive = Deal._base_manager.filter(pk=c.deals["monas"].pk)
    (answer,) = refused(alive, actor=c.mona, action="restore")
    assert answer.reasons == ("Refused: it is not in the recycle bin.",)


def test_named_system_actor_is_refused_nothing_and_what_follows_is_logged(c: TinyCompany) -> None:
    job = System("nightly")
    vault = Deal._base_manager.filter(pk=c.deals["vault"].pk)
    for action in ACTING:
        assert refused(vault, actor=job, action=action) == []
    assert refused(vault, actor=c.eve, action="delete") != []
    operations.delete(vault.get(), actor=job, reason="gone in the source")
    event = AuditEvent.objects.get(action="deal.delete")
    assert (event.actor, event.system) == (None, "nightly")
    assert event.data["reason"] == "gone in the source"


def test_activities_may_be_logged_in_a_locked_stage_where_the_scope_allows(c: TinyCompany) -> None:
    """R109 (c), B14: the rule on editing does not bind the permission Communicate.

    There are no activities yet; what they will ask is `communicate`, and this is its answer in a
    locked stage: by every reader, allowed where the scope reaches, refused where it does not, and
    the same with the rule on as with the rule off.
    """
    rule = StageRule.objects.get(pipeline=c.stages["vault"].pipeline)
    cases = [
        # who, which deal, may log activities, whatever the rule says
        ("rita", "vault", True),  # her own
        ("nora", "vault", True),  # her team's
        ("mona", "vault", True),  # below her
        ("eve", "vault", True),
        ("sam", "vault", True),
        ("rob", "vault", False),  # out of his reach
        ("ruth", "vault", False),  # sees it, and has no scope to communicate
        ("axel", "vault", False),
        ("fred", "vault", False),  # deactivated
    ]
    for enabled in (True, False):
        StageRule.objects.filter(pk=rule.pk).update(enabled=enabled)
        for name, key, expected in cases:
            person, deal = c.fresh(name), c.deals[key]
            rows = Deal._base_manager.filter(pk=deal.pk)
            answers = {
                allows(person, "communicate", deal),
                permitted(rows, person, "communicate").exists(),
                marked(rows, person, "communicate").get().may_communicate,  # type: ignore[attr-defined]  # the mark
                explain(person, "communicate", deal).allowed,
                who_can("communicate", deal).filter(pk=person.pk).exists(),
                person.has_perm("crm.deal.communicate", deal),
            }
            assert answers == {expected}, (name, enabled)
            if name != "sam":
                assert not (enabled and allows(person, "change", deal)), name
