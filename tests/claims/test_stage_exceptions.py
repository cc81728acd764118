"""Exceptions from rules on stages: one person edits one record there for a time (B15)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

import records.models.rules
from accounts.access import allows, explain, forget_what_was_made, permitted, who_can
from accounts.errors import NotAllowed
from accounts.models import AuditEvent, User
from accounts.operations import deactivate, reactivate
from records import operations
from records.models import Deal, ReachChange, Stage, StageException, StageRule, Ticket
from records.operations.exceptions import (
    MOST_DAYS,
    end_exception,
    except_from_stage,
    exceptions_of,
)
from records.past import person_on, record_as_it_was, who_could_see
from records.why import why
from tests.claims.test_screens import page
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory, StageFactory, TicketFactory

pytestmark = pytest.mark.django_db


def in_days(number: int = 7) -> datetime:
    return timezone.now() + timedelta(days=number)


def may(c: TinyCompany, name: str, action: str, deal: str) -> bool:
    """Ask every reader whether this person may, and hold them to one answer."""
    user, row = c.fresh(name), c.deals[deal]
    answers = {
        allows(user, action, row),
        permitted(Deal._base_manager.filter(pk=row.pk), user, action).exists(),
        explain(user, action, row).allowed,
        who_can(action, row).filter(pk=user.pk).exists(),
    }
    assert len(answers) == 1, (name, action, deal)
    return answers.pop()


def test_exception_opens_editing_of_one_record_for_one_person_and_nothing_else(
    c: TinyCompany,
) -> None:
    before = {
        (name, action, deal): may(c, name, action, deal)
        for name in ("rita", "nora", "mona", "xena")
        for action in ("view", "change", "delete", "merge")
        for deal in ("vault", "chosen_n", "ritas")
    }
    assert not before["rita", "change", "vault"]
    except_from_stage(c.deals["vault"], actor=c.sam, user=c.rita, until=in_days())
    after = {each: may(c, *each) for each in before}
    assert {each for each in before if before[each] != after[each]} == {("rita", "change", "vault")}
    # What is opened is editing and moving on (R108).
    operations.change(
        c.deals["vault"], actor=c.fresh("rita"), values={"stage": c.stages["open"]}, version=1
    )


def test_stage_in_which_somebody_is_excepted_bears_no_padlock_on_that_record(
    c: TinyCompany, client: Client
) -> None:
    other = DealFactory(owner=c.rita, stage=c.stages["vault"])
    except_from_stage(c.deals["vault"], actor=c.sam, user=c.rita, until=in_days())
    client.force_login(c.rita)
    for _ in range(2):
        assert "locked for you" not in client.get(page(c.deals["vault"])).text
        assert "locked for you" in client.get("/admin/records/deal/add/").text
    assert 'name="stage"' not in client.get(page(other)).text


def test_exception_ends_by_itself_and_with_the_stage_that_it_was_made_for(c: TinyCompany) -> None:
    deal, pipeline = c.deals["vault"], c.stages["vault"].pipeline
    deeper = StageFactory(pipeline=pipeline, name="Deeper")
    StageRule.objects.get(pipeline=pipeline).stages.add(deeper)
    made = except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    # Another locked stage is another question, in the very save that moves it there.
    with pytest.raises(operations.HandOver, match="not be able to edit it any more"):
        operations.change(deal, actor=c.fresh("rita"), values={"stage": deeper}, version=1)
    Deal.objects.filter(pk=deal.pk).update(stage=deeper)
    assert not may(c, "rita", "change", "vault")
    Deal.objects.filter(pk=deal.pk).update(stage=c.stages["vault"])
    assert may(c, "rita", "change", "vault")
    StageException.objects.filter(pk=made.pk).update(until=timezone.now() - timedelta(seconds=1))
    assert not may(c, "rita", "change", "vault")
    assert exceptions_of(deal) == []


def test_exception_is_asked_of_the_stored_record_also_where_rights_were_read_before(
    c: TinyCompany,
) -> None:
    """A request reads rights once; meanwhile the record moves on, or the exception ends."""
    deal, pipeline = c.deals["vault"], c.stages["vault"].pipeline
    deeper = StageFactory(pipeline=pipeline, name="Deeper")
    StageRule.objects.get(pipeline=pipeline).stages.add(deeper)
    except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    rita = c.fresh("rita")
    assert allows(rita, "change", deal)
    assert "an exception lets you edit it" in " ".join(why(rita, deal)["sentences"])

    def loaded() -> set[bool]:
        rows = Deal._base_manager.filter(pk=deal.pk)
        return {
            allows(rita, "change", deal),
            permitted(rows, rita, "change").exists(),
            explain(rita, "change", deal).allowed,
            "an exception lets" in " ".join(why(rita, Deal.objects.get(pk=deal.pk))["sentences"]),
        }

    Deal.objects.filter(pk=deal.pk).update(stage=deeper)
    assert loaded() == {False}
    Deal.objects.filter(pk=deal.pk).update(stage=c.stages["vault"])
    assert loaded() == {True}
    StageException.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert loaded() == {False}


def test_only_who_may_change_the_rule_excepts_and_never_themselves(c: TinyCompany) -> None:
    deal, until = c.deals["chosen"], in_days()
    for name in ("rita", "nora", "mona", "xena"):  # an editor there, an owner, a manager
        with pytest.raises((operations.NotAllowed, operations.NotFound)):
            except_from_stage(deal, actor=c.fresh(name), user=c.nora, until=until)
    assert AuditEvent.objects.filter(action="deal.except_from_stage", result="refused").exists()
    refused = [
        (c.deals["vault"], c.sam, until, "themselves"),
        (c.deals["vault"], c.rita, timezone.now() - timedelta(days=1), "lies in the past"),
        (c.deals["vault"], c.rita, in_days(MOST_DAYS + 1), "at most"),
        (c.deals["noras"], c.rita, until, "No locked stage"),
        (deal, c.rita, until, "No locked stage"),  # the rule names her
        (c.deals["vault"], c.fred, until, "No locked stage"),  # deactivated
    ]
    for record, user, end, said in refused:
        with pytest.raises(operations.Invalid, match=said):
            except_from_stage(record, actor=c.sam, user=user, until=end)
    assert not StageException.objects.exists()
    assert not ReachChange.objects.filter(fact="stage_exception").exists()


def test_exception_is_said_ended_and_logged(c: TinyCompany) -> None:
    deal = c.deals["vault"]
    except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    assert "an exception lets you edit it" in " ".join(why(c.fresh("rita"), deal)["sentences"])
    rita, sam = Client(), Client()
    rita.force_login(c.rita)
    sam.force_login(c.sam)
    shown = rita.get(page(deal)).text
    assert "Exceptions from the locked stage" in shown
    end = page(deal, "end_exception")
    assert f'action="{end}"' not in shown
    assert f'action="{end}"' in sam.get(page(deal)).text
    assert sam.get(end).status_code == 405
    make = page(deal, "make_exception")
    assert f'href="{make}"' not in shown
    day = timezone.localdate() + timedelta(days=2)
    posted = {"user": c.nora.pk, "last_day": day.isoformat()}
    for answer in (rita.get(make, follow=True), rita.post(make, posted, follow=True)):
        assert "Only super admins make exceptions" in answer.text
    assert rita.post(page(c.deals["robs"], "make_exception"), posted).status_code == 404
    assert "This field is required" in sam.post(make, {**posted, "user": ""}).text
    assert "themselves" in sam.post(make, {**posted, "user": c.sam.pk}).text
    assert "may edit it in this stage now" in sam.post(make, posted, follow=True).text
    assert {each.user for each in exceptions_of(deal)} == {c.rita, c.nora}
    end_exception(deal, actor=c.sam, user=c.nora)
    rita.post(end, {"user": c.rita.pk})
    assert may(c, "rita", "change", "vault")
    for key in ("0", "x", str(c.nora.pk)):
        assert "has already ended" in sam.post(end, {"user": key}, follow=True).text
    assert "has ended" in sam.post(end, {"user": c.rita.pk}, follow=True).text
    assert not may(c, "rita", "change", "vault")
    assert "Exceptions from the locked stage" not in rita.get(page(deal)).text
    assert f'href="{make}"' in sam.get(page(deal)).text
    assert (
        f'href="{page(c.deals["noras"], "make_exception")}"'
        not in sam.get(page(c.deals["noras"])).text
    )
    with pytest.raises(operations.NotFound):
        end_exception(deal, actor=c.sam, user=c.rita)
    done = AuditEvent.objects.filter(object="deal", result="done").order_by("id")
    assert list(done.values_list("action", flat=True)) == [
        *["deal.except_from_stage"] * 2,
        *["deal.end_exception"] * 2,
    ]


def test_exception_of_who_leaves_is_gone_when_they_come_back(c: TinyCompany) -> None:
    except_from_stage(c.deals["vault"], actor=c.sam, user=c.rita, until=in_days())
    deactivate(c.rita, actor=c.sam)
    assert not StageException.objects.exists()
    reactivate(c.fresh("rita"), actor=c.sam)
    assert not may(c, "rita", "change", "vault")


def lasting(c: TinyCompany, name: str) -> tuple[Deal, Stage]:
    """Return a deal with an exception for this person, in a locked stage that it left since."""
    pipeline = c.stages["vault"].pipeline
    stage = StageFactory(pipeline=pipeline, name="Deeper")
    StageRule.objects.get(pipeline=pipeline).stages.add(stage)
    deal = DealFactory(owner=c.rita, stage=stage)
    except_from_stage(deal, actor=c.sam, user=c.people[name], until=in_days())
    operations.change(deal, actor=c.sam, values={"stage": c.stages["open"]}, version=1)
    return deal, stage


def test_exception_ends_with_its_stage_by_an_event_and_in_the_history(c: TinyCompany) -> None:
    deal, stage = lasting(c, "rita")
    other = except_from_stage(c.deals["vault"], actor=c.sam, user=c.nora, until=in_days())
    key = stage.pk
    operations.delete_stage(stage, actor=c.sam)
    assert StageException.objects.get() == other
    event = AuditEvent.objects.get(action="deal.end_exception")
    assert (event.object_id, event.actor) == (str(deal.pk), c.sam)
    assert (event.data["user"], event.data["stage"]) == (c.rita.pk, key)
    assert event.data["because"] == "stage_deleted"
    kept = ReachChange.objects.filter(fact="stage_exception", record=deal.pk).latest("id")
    assert (kept.receiver, kept.before["stage"], kept.after) == (f"user:{c.rita.pk}", key, None)


def test_exceptions_stay_where_the_stage_is_not_deleted_after_all(c: TinyCompany) -> None:
    deal, stage = lasting(c, "rita")
    DealFactory(owner=c.rita, stage=stage)
    with pytest.raises(operations.Invalid, match="Records still stand"):
        operations.delete_stage(stage, actor=c.sam)
    with pytest.raises(NotAllowed):
        operations.delete_stage(stage, actor=c.rita)
    assert StageException.objects.get().record == deal.pk
    assert not AuditEvent.objects.filter(action="deal.end_exception").exists()


def test_exceptions_end_with_their_pipeline(c: TinyCompany) -> None:
    pipeline = operations.create_pipeline(actor=c.sam, object="deal", name="Trial")
    stage = StageFactory(pipeline=pipeline, name="Only")
    operations.set_stage_rule(pipeline, actor=c.sam, enabled=True, stages=[stage])
    deal = DealFactory(owner=c.rita, stage=stage)
    except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    operations.change(deal, actor=c.sam, values={"stage": c.stages["open"]}, version=1)
    operations.delete_pipeline(pipeline, actor=c.sam)
    assert not StageException.objects.exists()
    assert AuditEvent.objects.get(action="deal.end_exception").object_id == str(deal.pk)
    assert ReachChange.objects.filter(fact="stage_exception").latest("id").after is None


def test_time_machine_knows_of_a_stage_that_is_deleted_since(c: TinyCompany) -> None:
    """Of its name nothing is kept; that it was locked, and for whom not, is."""
    pipeline = c.stages["vault"].pipeline
    stage = StageFactory(pipeline=pipeline, name="Deeper")
    rule = StageRule.objects.get(pipeline=pipeline)
    operations.set_stage_rule(
        pipeline, actor=c.sam, enabled=True, stages=[*rule.stages.all(), stage]
    )
    deal = DealFactory(owner=c.rita, co_owner=c.nora, stage=stage)
    Deal.objects.filter(pk=deal.pk).update(created_at=timezone.now() - timedelta(days=2))
    User.objects.update(date_joined=timezone.now() - timedelta(days=2))
    except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    during = timezone.now()
    before = who_could_see(Deal.objects.get(pk=deal.pk), during)
    operations.change(deal, actor=c.sam, values={"stage": c.stages["open"]}, version=1)
    operations.delete_stage(stage, actor=c.sam)
    then = who_could_see(Deal.objects.get(pk=deal.pk), during)
    assert before.stage == str(stage)
    assert then.stage == "A stage (deleted since)"
    levels = [{p.pk: p.level for p in each.people} for each in (before, then)]
    assert levels[0] == levels[1]
    assert "change" in levels[1][c.rita.pk]
    assert "change" not in levels[1][c.nora.pk]
    now = who_could_see(Deal.objects.get(pk=deal.pk), timezone.now())
    assert now.stage == str(c.stages["open"])
    assert "change" in {p.pk: p.level for p in now.people}[c.nora.pk]


def test_exception_of_a_kind_that_has_the_same_key_is_another_one(c: TinyCompany) -> None:
    """Keys of deals and tickets may be equal; an exception is for one of them."""
    deal = c.deals["vault"]
    ticket = TicketFactory(pk=deal.pk, owner=c.sam)
    StageException.objects.create(
        user=c.rita, object="ticket", record=deal.pk, stage=deal.stage, until=in_days()
    )
    assert not may(c, "rita", "change", "vault")
    assert Ticket.objects.get() == ticket


def test_time_machine_knows_who_was_excepted(c: TinyCompany) -> None:
    deal = c.deals["vault"]
    Deal.objects.filter(pk=deal.pk).update(created_at=timezone.now() - timedelta(days=2))
    User.objects.update(date_joined=timezone.now() - timedelta(days=2))
    before = timezone.now()
    except_from_stage(deal, actor=c.sam, user=c.rita, until=in_days())
    during = timezone.now()
    end_exception(deal, actor=c.sam, user=c.rita)
    for moment, holds in ((before, False), (during, True), (timezone.now(), False)):
        with record_as_it_was(deal, moment) as then:
            assert allows(User.objects.get(pk=c.rita.pk), "change", then) == holds, moment
        levels = {p.pk: p.level for p in who_could_see(deal, moment).people}
        assert ("change" in levels[c.rita.pk]) == holds
    reached = [person_on(c.rita, each).reach["deal"]["change"] for each in (before, during)]
    assert reached[1] == reached[0] + 1
    assert not StageException.objects.exists()


def test_exception_opens_neither_deleting_nor_merging_to_who_may_both_elsewhere(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    except_from_stage(c.deals["vault"], actor=c.sam, user=c.eve, until=in_days())
    assert may(c, "eve", "change", "vault")
    for action in ("delete", "merge"):
        assert may(c, "eve", action, "ritas")
        assert not may(c, "eve", action, "vault")
    # Negative control: the rule as it would be if an exception opened whatever a stage locks.
    monkeypatch.setattr(
        records.models.rules, "OPEN_BY_EXCEPTION", records.models.rules.BOUND_BY_STAGE
    )
    forget_what_was_made()
    assert allows(c.fresh("eve"), "delete", c.deals["vault"])
    monkeypatch.undo()
    forget_what_was_made()
