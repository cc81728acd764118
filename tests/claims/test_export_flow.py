"""What holds for a request holds until its end, and people take turns (Q3, Q4, Q10, B8, E37)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from accounts import operations as people
from accounts.models import AuditEvent, User
from accounts.operations import InvalidChange
from exports import folder, jobs, operations, policy, upkeep, worker
from exports.models import ExportPolicy, ExportRequest
from exports.operations import InvalidRequest
from exports.screens.panel import panel
from exports.steps import TooManyExports, in_words
from exports.writers import files as storage
from records.models import Property
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    between_chunks,
    completed,
    end_lease,
    files,
    pending,
    set_policy,
    take_tool,
)
from tests.support.exports_process import racers

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def state(export: ExportRequest) -> str:
    export.refresh_from_db()
    return export.status


def write(export: ExportRequest, **values: Any) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(**values)


def change(actor: User, **wanted: Any) -> ExportPolicy:
    return operations.change_policy(
        actor=actor, version=ExportPolicy.objects.get().version, **wanted
    )


# --- A change of the policy holds for new requests ------------------------------------------------


def test_shorter_life_of_requests_holds_for_new_ones(c: TinyCompany) -> None:
    old = pending(c.rita, c.axel)
    change(c.sam, lapse_days=1)
    new = pending(c.nora, c.axel)
    for export in (old, new):
        write(export, requested_at=timezone.now() - 2 * DAY)
    worker.do_upkeep()
    assert (state(old), state(new)) == ("pending", "lapsed")
    assert new.ended_because == "Nobody decided on it within 1 day."
    write(old, requested_at=timezone.now() - 14 * DAY - timedelta(seconds=1))
    worker.do_upkeep()
    assert state(old) == "lapsed"


def test_time_begins_anew_with_the_days_of_the_request(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel)
    change(c.sam, lapse_days=1)
    take_tool(c.sets["approver"], "crm.export_approver")
    worker.run_once()
    write(export, requested_at=timezone.now() - 30 * DAY)
    assert state(export) == "pending"
    assert export.waits_again_since is not None
    assert export.lapses_at == export.waits_again_since + 14 * DAY
    worker.do_upkeep()
    assert state(export) == "pending"
    write(export, waits_again_since=timezone.now() - 14 * DAY - timedelta(seconds=1))
    worker.do_upkeep()
    assert state(export) == "lapsed"


def test_reminders_go_by_the_days_of_the_request(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    change(c.sam, lapse_days=3)
    write(export, requested_at=timezone.now() - 2.5 * DAY)
    worker.do_upkeep()
    export.refresh_from_db()
    assert export.reminders == 1  # the second one comes a day before the 14th


# --- Consent that is needed by now ----------------------------------------------------------------


def flag_amount() -> None:
    Property.objects.update_or_create(object="deal", name="amount", defaults={"sensitive": True})


def in_the_middle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    between_chunks(monkeypatch, act)


def before_the_end(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    publish = storage.Part.publish

    def publish_and_act(part: storage.Part) -> None:
        publish(part)
        act()

    monkeypatch.setattr(storage.Part, "publish", publish_and_act)


def run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker begin, and another one take over what it gave back."""
    worker.run_once()
    for export in ExportRequest.objects.filter(status="processing"):
        end_lease(export)
    monkeypatch.undo()
    worker.run_once()


@pytest.fixture
def again(monkeypatch: pytest.MonkeyPatch, settings: Any) -> pytest.MonkeyPatch:
    """A patch of its own: undoing it leaves what other fixtures patched."""
    return pytest.MonkeyPatch()


@pytest.mark.parametrize("when", [in_the_middle, before_the_end])
@pytest.mark.parametrize("consented", [True, False])
def test_column_that_becomes_sensitive_while_it_is_written_waits_for_a_decision(
    c: TinyCompany, again: pytest.MonkeyPatch, when: Callable[..., None], consented: bool
) -> None:
    if consented:
        export = approved(c.rita, c.axel)
    else:
        set_policy(on=True, threshold=1000)
        export = ask(c.rita)
    when(again, flag_amount)
    run_twice(again)
    assert (state(export), files(), export.sensitive_fields) == ("pending", [], ["amount"])
    assert (export.because, export.approval_needed) == ("sensitive", True)
    # Without what is sensitive it would need consent too, where it had needed it before.
    also = ["Required: more records than may be exported without it"] if consented else []
    shown = panel(export, c.fresh("axel"))["consent"]
    assert shown == ["Required: it has sensitive data", *also]
    operations.approve(export, actor=c.sue, version=export.version)
    worker.run_once()
    assert state(export) == "completed"


def test_who_needs_no_consent_for_sensitive_columns_is_not_held_up(
    c: TinyCompany, again: pytest.MonkeyPatch
) -> None:
    set_policy(on=True, threshold=0)
    export = ask(c.xena)
    in_the_middle(again, flag_amount)
    run_twice(again)
    assert (state(export), export.because) == ("completed", "exempt")


def lose_exemption(c: TinyCompany) -> None:
    take_tool(c.sets["exempt"], "crm.export_without_approval")


@pytest.mark.parametrize("when", [None, in_the_middle, before_the_end])
def test_exemption_that_was_taken_away_gives_no_file(
    c: TinyCompany, again: pytest.MonkeyPatch, when: Callable[..., None] | None
) -> None:
    set_policy(on=True, threshold=0)
    export, control = ask(c.xena), ask(c.sam)
    if when is None:
        lose_exemption(c)
    else:
        done: list[bool] = []
        when(again, lambda: done or (lose_exemption(c), done.append(True)))
    run_twice(again)
    assert (state(export), state(control)) == ("pending", "completed")
    assert (export.because, export.approval_needed) == ("above_threshold", True)
    assert export.waits_again_because == ("The requester may not export without approval any more.")
    event = AuditEvent.objects.filter(action="export.back_to_pending").get()
    assert event.data["reason"] == "exemption_lost"
    operations.approve(export, actor=c.axel, version=export.version)
    worker.run_once()
    assert state(export) == "completed"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"threshold": 1000}, "completed"),  # nobody's consent would be needed for it
        ({"threshold": 1000, "daily_records": 20}, "completed"),  # it is not counted twice
        ({"threshold": 1000, "daily_records": 10}, "pending"),
        ({"require_approval": False}, "completed"),
    ],
)
def test_who_lost_the_exemption_is_asked_about_like_anybody(
    c: TinyCompany, limits: dict[str, Any], expected: str
) -> None:
    set_policy(on=True, threshold=0)
    export = ask(c.xena)
    assert 10 < export.record_count <= 20
    ExportPolicy.objects.update(**limits)
    lose_exemption(c)
    worker.run_once()
    assert state(export) == expected


@pytest.mark.parametrize(("on", "because"), [(False, "policy_off"), (True, "within_threshold")])
def test_changed_policy_leaves_what_runs_already_alone(
    c: TinyCompany, on: bool, because: str
) -> None:
    set_policy(on=on, threshold=1000)
    export = ask(c.rita)
    change(c.sam, require_approval=True, threshold=0, daily_records=1)
    worker.run_once()
    assert (state(export), export.because) == ("completed", because)


def test_what_waits_again_does_not_say_that_nothing_is_needed(c: TinyCompany) -> None:
    lost, restricted = approved(c.rita, c.axel), approved(c.rita, c.sue)
    take_tool(c.sets["approver"], "crm.export_approver")
    Property.objects.create(object="deal", name="amount", access="super_admins")
    worker.run_once()
    assert (state(lost), lost.because) == ("pending", "above_threshold")
    assert (state(restricted), restricted.because) == ("pending", "decided_again")
    assert panel(restricted, c.fresh("sam"))["consent"][0].startswith("Required: ")


# --- Somebody can approve -------------------------------------------------------------------------


def alone(*names: str) -> None:
    """Leave of all approvers only these, without an event."""
    for name in {"sam", "sue", "mona", "axel"} - set(names):
        User.objects.filter(email=f"{name}@example.com").update(is_active=False)


def test_only_approver_cannot_need_a_second_person(c: TinyCompany) -> None:
    alone("sam")
    change(c.sam, require_approval=True, threshold=0)  # for reps: Sam approves
    operations.approve(export := pending(c.rita, c.sam), actor=c.sam, version=export.version)
    with pytest.raises(InvalidRequest, match="nobody could approve exports of Sam"):
        change(c.sam, second_person_above=0)
    User.objects.filter(pk=c.axel.pk).update(is_active=True)
    assert change(c.sam, second_person_above=0).second_person_above == 0
    assert ask(c.sam, approvers=[c.axel]).status == "pending"


def test_only_approver_cannot_switch_on_what_they_could_not_pass(c: TinyCompany) -> None:
    alone("sam")
    change(c.sam, second_person_above=10)  # nothing is refused while approvals are off
    with pytest.raises(InvalidRequest, match="Give somebody else the permission Export approver"):
        change(c.sam, require_approval=True)
    assert not ExportPolicy.objects.get().require_approval
    change(c.sam, require_approval=True, second_person_above=None)


@pytest.mark.parametrize("how", ["deactivate", "assign", "set"])
def test_last_other_approver_stays_where_a_second_person_is_needed(
    c: TinyCompany, how: str
) -> None:
    alone("sam", "axel")
    change(c.sam, require_approval=True, second_person_above=0)
    remove: dict[str, Callable[[], object]] = {
        "deactivate": lambda: people.deactivate(c.axel, actor=c.sam),
        "assign": lambda: people.assign_set(c.axel, actor=c.sam, permission_set=c.sets["reader"]),
        "set": lambda: people.change_set(
            c.sets["approver"], actor=c.sam, name="Approver", description="", scopes={}, tools=[]
        ),
    }
    with pytest.raises(InvalidChange, match="nobody could approve exports of Sam"):
        remove[how]()
    assert list(operations.approvers_for(c.sam)) == [c.axel]
    change(c.sam, second_person_above=None)
    remove[how]()
    assert list(operations.approvers_for(c.sam)) == []


def test_account_in_wrong_hands_goes_though_nobody_could_approve_before(c: TinyCompany) -> None:
    alone("sam")
    ExportPolicy.objects.update(require_approval=True, second_person_above=0)
    people.deactivate(c.rita, actor=c.sam)
    change(c.sam, threshold=5)


# --- Limits go by when data left ------------------------------------------------------------------


def test_usage_counts_from_the_day_of_the_consent(c: TinyCompany) -> None:
    ExportPolicy.objects.update(daily_records=5, weekly_records=50)
    export = pending(c.rita, c.axel)
    write(export, requested_at=timezone.now() - 8 * DAY)
    assert policy.usage(c.rita).weekly_used == 0  # what waits has not left
    operations.approve(export, actor=c.axel, version=export.version)
    count = export.record_count
    assert policy.usage(c.rita) == policy.Usage(count, 5, count, 50)
    worker.run_once()
    assert policy.usage(c.rita).daily_used == count
    set_policy(on=True, threshold=1000)
    one = ask(c.rita, ids=[c.deals["ritas"].pk], approvers=[c.axel])
    assert one.because == "above_daily"
    write(export, decided_at=timezone.now() - 2 * DAY)
    assert (policy.usage(c.rita).daily_used, policy.usage(c.rita).weekly_used) == (0, count)
    write(export, decided_at=timezone.now() - 8 * DAY)
    assert policy.usage(c.rita).weekly_used == 0


# --- Thirty a day (E37) ---------------------------------------------------------------------------


def fill(person: User, number: int, **values: Any) -> None:
    for _ in range(number):
        ExportRequest.objects.create(
            requester=person, object="deal", record_count=1, **{"status": "lapsed", **values}
        )


def test_thirty_exports_a_day_whatever_became_of_them(c: TinyCompany) -> None:
    set_policy(on=False)
    first = timezone.localtime().replace(microsecond=0) - timedelta(hours=23)
    fill(c.rita, 1, requested_at=first)
    fill(c.rita, 28)
    thirtieth = ask(c.rita)
    operations.recall(thirtieth, actor=c.rita)
    before = AuditEvent.objects.count(), ExportRequest.objects.count()
    with pytest.raises(TooManyExports) as refused:
        ask(c.rita)
    when = f"{(first + DAY).day} {first + DAY:%B}, {first + DAY:%H:%M}"
    assert str(refused.value) == (
        "You asked for 30 exports in the last 24 hours, which is as many as one person may. "
        f"The next one is possible on {when}."
    )
    assert (AuditEvent.objects.count(), ExportRequest.objects.count()) == before
    assert ask(c.nora).status == "approved"
    ExportRequest.objects.filter(requested_at=first).update(
        requested_at=first - 2 * timedelta(hours=1)
    )
    assert ask(c.rita).status == "approved"
    with pytest.raises(TooManyExports):
        ask(c.rita)


@pytest.mark.django_db(transaction=True)
def test_clicking_fast_does_not_pass_the_number(c: TinyCompany) -> None:
    set_policy(on=False)
    fill(c.rita, 28)
    asks = [("ask", "rita@example.com", "none")] * 4
    with racers(*asks) as all_of_them:
        for racer in all_of_them:
            racer.go()
        said = [racer.says() for racer in all_of_them]
    assert sum(line.isdecimal() for line in said) == 2
    assert ExportRequest.objects.filter(requester=c.rita).count() == 30


# --- People take turns ----------------------------------------------------------------------------


def test_nobody_waits_behind_all_that_somebody_else_asked_for(c: TinyCompany) -> None:
    set_policy(on=False)
    many = [ask(c.rita) for _ in range(5)]
    nora, rob = [ask(c.nora) for _ in range(2)], ask(c.rob)
    order = []
    while (taken := jobs.claim("a worker", MINUTE)) is not None:
        # Far apart: the clock of a database may not move on between two claims.
        write(taken, claimed_at=timezone.now() - DAY + MINUTE * len(order))
        order.append(taken.pk)
    assert order == [
        e.pk for e in (many[0], nora[0], rob, many[1], nora[1], many[2], many[3], many[4])
    ]


def test_upkeep_is_done_between_exports(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    set_policy(on=False)
    exports = [ask(c.rita) for _ in range(3)]
    waiting: list[int] = []

    def counted(stop: worker.Stop | None = None) -> None:
        waiting.append(ExportRequest.objects.filter(status="approved").count())

    monkeypatch.setattr(worker, "do_upkeep", counted)
    with monkeypatch.context() as patch:
        patch.setattr(worker, "UPKEEP_EVERY", 0)
        worker.run_once()
    assert waiting == [3, 2, 1, 0]
    assert [state(export) for export in exports] == ["completed"] * 3
    ask(c.rita)
    worker.run_once()
    assert waiting[4:] == [1]  # half a minute is not over


# --- What is given back did not fail --------------------------------------------------------------


def test_worker_may_be_ended_gracefully_as_often_as_one_likes(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    assert folder.is_ready()
    stop = worker.Stop()
    stop.asked = True
    for number in range(1, 8):
        taken = jobs.claim("a worker", MINUTE)
        assert taken is not None
        assert (taken.attempt, taken.tries, taken.setbacks) == (number, 0, 0)
        worker.process(taken, MINUTE, stop)
        end_lease(export)
    worker.run_once()
    assert (state(export), export.attempt) == ("completed", 8)


def test_export_that_kills_its_worker_each_time_ends_at_last(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    waited = []
    for number in range(1, jobs.SETBACKS + 1):
        if jobs.claim("a worker", MINUTE) is None:  # it waits, longer each time
            assert state(export) == "processing"
            row = ExportRequest.objects.filter(pk=export.pk)
            waited.append(row.values_list(F("lease_until") - Now(), flat=True).get())
            end_lease(export)
            assert jobs.claim("a worker", MINUTE) is not None
        assert (state(export), export.attempt, export.setbacks) == (
            "processing",
            number,
            number - 1,
        )
        end_lease(export)
    assert jobs.claim("a worker", MINUTE) is None
    assert (state(export), export.tries) == ("failed", 0)
    assert [round(wait / MINUTE) for wait in waited] == [1, 5, 25, *[125] * 7]


# --- One that fails holds up no other -------------------------------------------------------------


def overdue(c: TinyCompany) -> tuple[list[ExportRequest], str]:
    exports = [pending(c.rita, c.axel) for _ in range(3)]
    ExportRequest.objects.update(requested_at=timezone.now() - 15 * DAY)
    return exports, "lapsed"


def due_for_a_reminder(c: TinyCompany) -> tuple[list[ExportRequest], str]:
    exports = [pending(c.rita, c.axel) for _ in range(3)]
    ExportRequest.objects.update(requested_at=timezone.now() - 2 * DAY)
    return exports, "reminded"


def revoked(c: TinyCompany) -> tuple[list[ExportRequest], str]:
    exports = [pending(c.rita, c.axel) for _ in range(3)]
    take_tool(c.sets["rep"], "crm.export")
    return exports, "cancelled"


def old_files(c: TinyCompany) -> tuple[list[ExportRequest], str]:
    exports = [completed(c.rita) for _ in range(3)]
    ExportRequest.objects.update(expires_at=timezone.now())
    return exports, "removed"


DUTIES: list[tuple[Any, Any, str]] = [
    (overdue, upkeep, "_lapse"),
    (due_for_a_reminder, upkeep, "_remind"),
    (revoked, upkeep, "cancel_revoked"),
    (old_files, storage, "remove"),
]


@pytest.mark.parametrize(("arrange", "where", "step"), DUTIES, ids=[d[2] for d in DUTIES])
def test_one_that_fails_holds_up_no_other(
    c: TinyCompany,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    arrange: Callable[[TinyCompany], tuple[list[ExportRequest], str]],
    where: Any,
    step: str,
) -> None:
    exports, expected = arrange(c)
    bad = exports[1]
    bad.refresh_from_db()
    work = getattr(where, step)

    def failing(what: Any, *more: Any) -> Any:
        if what in (bad, bad.file_name):
            raise PermissionError(13, "Permission denied")
        return work(what, *more)

    def stand(export: ExportRequest) -> str:
        export.refresh_from_db()
        if export.reminders and export.status == "pending":
            return "reminded"
        return "removed" if export.status == "expired" and not export.file_name else export.status

    with monkeypatch.context() as patch, caplog.at_level(logging.CRITICAL):
        patch.setattr(where, step, failing)
        worker.do_upkeep()
    assert [stand(export) == expected for export in exports] == [True, False, True]
    worker.do_upkeep()
    assert stand(bad) == expected


def test_database_that_is_away_is_said_at_once(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    overdue(c)

    def away(*arguments: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(upkeep, "_lapse", away)
    with pytest.raises(DatabaseError):
        worker.do_upkeep()


def test_numbers_are_grouped() -> None:
    assert [in_words(n) for n in (0, 1, 2, 1_234_567)] == [
        "0 records",
        "1 record",
        "2 records",
        "1,234,567 records",
    ]
