"""Operations on records, called directly: what screens cannot even ask."""

from __future__ import annotations

import pytest

from accounts.audit import System
from accounts.models import AuditEvent
from records import operations
from records.models import Company, Deal, Stage, StageRule
from records.operations import HandOver, Invalid, NotAllowed, NotFound, Stale
from tests.support.company import TinyCompany

IMPORTER = System("import_crm")


def test_saving_without_a_change_writes_and_logs_nothing(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    before = AuditEvent.objects.count()
    operations.change(deal, actor=c.rita, values={"name": deal.name}, version=1)
    deal.refresh_from_db()
    assert (deal.version, AuditEvent.objects.count()) == (1, before)
    # A second click on Save sends what the first one wrote, with the version from before it.
    operations.change(deal, actor=c.rita, values={"name": deal.name}, version=0)
    assert AuditEvent.objects.count() == before
    with pytest.raises(NotAllowed):
        operations.change(
            c.deals["noras"], actor=c.rita, values={"name": c.deals["noras"].name}, version=1
        )


def test_hidden_and_absent_records_and_links_are_refused_alike(c: TinyCompany) -> None:
    sentences = set()
    for record in (c.deals["robs"], Deal(pk=10**9), c.deals["deleted"]):
        with pytest.raises(NotFound) as refused:
            operations.change(record, actor=c.rita, values={"name": "x"}, version=1)
        sentences.add(str(refused.value))
    for key in (c.companies["bolt"].pk, 10**9):
        with pytest.raises(Invalid) as invalid:
            operations.change(
                c.deals["ritas"], actor=c.rita, values={"company": Company(pk=key)}, version=1
            )
        sentences.add(str(invalid.value))
    assert len(sentences) == 2


@pytest.mark.parametrize("field", ["version", "created_by", "deleted_at", "id", "nonsense"])
def test_stamps_and_unknown_fields_cannot_be_changed(c: TinyCompany, field: str) -> None:
    with pytest.raises(Invalid, match=field):
        operations.change(c.deals["ritas"], actor=c.sam, values={field: 1}, version=1)


def test_locked_stage_binds_persons_and_a_named_system_actor_passes_with_a_reason(
    c: TinyCompany,
) -> None:
    vault = c.deals["vault"]
    for actor in (c.rita, c.eve):
        with pytest.raises(NotAllowed, match="locked stage “Vault”"):
            operations.change(vault, actor=actor, values={"name": "x"}, version=1)
        with pytest.raises(NotAllowed):
            operations.delete(vault, actor=actor)
    operations.change(vault, actor=IMPORTER, values={"name": "x"}, version=1, reason="nightly")
    event = AuditEvent.objects.filter(action="deal.change").latest("id")
    assert (event.system, event.data["reason"]) == ("import_crm", "nightly")
    operations.change(vault, actor=c.sam, values={"name": "y"}, version=2)


def test_switching_the_rule_off_restores_editing_at_once(c: TinyCompany) -> None:
    vault = c.deals["vault"]
    rule = StageRule.objects.get(pipeline=vault.stage.pipeline)
    rule_off = {"enabled": False, "stages": list(rule.stages.all())}
    operations.set_stage_rule(vault.stage.pipeline, actor=c.sam, **rule_off)
    operations.change(vault, actor=c.rita, values={"name": "open again"}, version=1)
    rule_on = {**rule_off, "enabled": True}
    operations.set_stage_rule(vault.stage.pipeline, actor=c.sam, **rule_on)
    with pytest.raises(NotAllowed):
        operations.change(vault, actor=c.rita, values={"name": "locked again"}, version=2)


def test_stage_stays_in_its_pipeline(c: TinyCompany) -> None:
    stage, elsewhere = Stage.objects.get(pk=c.stages["chosen"].pk), c.stages["vault"].pipeline
    before = stage.pipeline
    assert elsewhere != before
    logged = AuditEvent.objects.count()
    stage.name, stage.pipeline = "Moved", elsewhere
    for actor in (c.sam, IMPORTER):
        with pytest.raises(Invalid, match="stays in its pipeline"):
            operations.save_stages([stage], actor=actor)
    assert Stage.objects.filter(pk=stage.pk, pipeline=before).exclude(name="Moved").exists()
    assert AuditEvent.objects.count() == logged
    stage.pipeline = before
    operations.save_stages([stage], actor=c.sam)
    assert Stage.objects.get(pk=stage.pk).name == "Moved"
    empty = Stage(pipeline=before, name="Empty")
    operations.save_stages([empty], actor=c.sam)
    Stage.objects.filter(pk=empty.pk).delete()
    with pytest.raises(NotFound):  # it does not come back
        operations.save_stages([empty], actor=IMPORTER)


def test_giving_away_needs_confirmation_and_a_stale_version_is_refused(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    given = {"values": {"owner": c.rob}, "version": 1}
    with pytest.raises(HandOver):
        operations.change(deal, actor=c.rita, **given)
    operations.change(deal, actor=c.rita, **given, confirm_hand_over=True)
    with pytest.raises(Stale):
        operations.change(deal, actor=c.rob, values={"name": "x"}, version=1)
    assert Deal.objects.get(pk=deal.pk).owner == c.rob


def test_creating_needs_create_and_stays_in_sight(c: TinyCompany) -> None:
    def draft() -> Deal:
        return Deal(name="New", stage=c.stages["vault"], owner=c.rita)

    with pytest.raises(HandOver, match="You will not be able to edit it any more"):
        operations.create(draft(), actor=c.rita)  # directly in a locked stage (Q40)
    assert not Deal.objects.filter(name="New").exists()
    assert operations.create(draft(), actor=c.sam).stage == c.stages["vault"]
    made = operations.create(draft(), actor=c.rita, confirm_hand_over=True)
    assert made.created_by == c.rita
    with pytest.raises(NotAllowed):
        operations.create(draft(), actor=c.ruth)
    away = Deal(name="Away", stage=c.stages["open"], owner=c.rob)
    with pytest.raises(HandOver):
        operations.create(away, actor=c.rita)
    assert not Deal.objects.filter(name="Away").exists()


def test_moving_into_a_locked_stage_needs_confirmation_of_whom_it_locks_out(
    c: TinyCompany,
) -> None:
    deal = c.deals["ritas"]
    locks = {"values": {"stage": c.stages["vault"]}, "version": 1}
    with pytest.raises(HandOver, match="“Vault” of Renewals, only super admins may edit it"):
        operations.change(deal, actor=c.rita, **locks)
    assert Deal.objects.get(pk=deal.pk).stage == c.stages["open"]
    operations.change(deal, actor=c.rita, **locks, confirm_hand_over=True)
    with pytest.raises(NotAllowed):
        operations.change(
            deal,
            actor=c.rita,
            values={"stage": c.stages["open"]},
            version=2,
            confirm_hand_over=True,
        )
    # Whom the rule does not bind is not asked: a super admin, and somebody it names.
    operations.change(deal, actor=c.sam, values={"stage": c.stages["open"]}, version=2)
    operations.change(deal, actor=c.rita, values={"stage": c.stages["chosen"]}, version=3)


def test_system_actor_deletes_in_a_locked_stage_and_says_why(c: TinyCompany) -> None:
    operations.delete(c.deals["vault"], actor=IMPORTER, reason="gone in the source")
    event = AuditEvent.objects.get(action="deal.delete")
    assert (event.system, event.data["reason"]) == ("import_crm", "gone in the source")
    with pytest.raises(NotAllowed, match="locked stage"):
        operations.delete(c.deals["chosen_n"], actor=c.eve)
