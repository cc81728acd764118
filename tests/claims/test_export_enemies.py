"""Eight real processes against the same requests: one winner each, and nobody else wrote (Q12)."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from accounts.models import AuditEvent, Notice, User
from exports.models import ExportRecord, ExportRequest
from tests.support.company import TinyCompany
from tests.support.enemies_process import ENEMIES, Answer, Plan, attack
from tests.support.exports_kit import frozen_ids, pending
from tests.support.factories import UserFactory
from tests.support.replayed import steps_off, trails

REQUESTS = int(os.environ.get("EXPORT_ENEMIES") or 200)
"""How many requests the eight decide on."""
BLOCK = 20
"""So many at a time, between two barriers."""

# By process: who acts. Two of the first four decide on each request; requester, super admin
# and two workers join in on some, and on those of the block before, which may run by then.
PEOPLE = ["sue", "axel", "mona", "ines", "rita", "sam", "", ""]


def lay_down(c: TinyCompany, number: int) -> list[int]:
    """Make so many requests of Rita's at once, each as the product makes one."""
    first = pending(c.rita, c.sue, ids=[c.deals["ritas"].pk, c.deals["noras"].pk])
    ids = frozen_ids(first)
    assert len(ids) == 2
    columns = [f.attname for f in ExportRequest._meta.concrete_fields if not f.primary_key]
    values = ExportRequest.objects.filter(pk=first.pk).values(*columns).get()
    exports = ExportRequest.objects.bulk_create(ExportRequest(**values) for _ in range(number))
    ExportRecord.objects.bulk_create(
        ExportRecord(export=export, record_id=key, position=position)
        for export in exports
        for position, key in enumerate(ids, 1)
    )
    return [export.pk for export in exports]


def planned(keys: list[int], *, naive: bool = False) -> Plan:
    """Give each of the eight its steps; in every block all go through the requests in one order."""
    chance = random.Random(4)
    steps: list[list[list[tuple[str, int]]]] = [[] for _ in PEOPLE]
    before: list[int] = []
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        chosen = {key: chance.sample(range(4), 2) for key in block}
        for process in range(4):
            verbs = ("approve", "approve", "reject", chance.choice(("approve", "reject")))
            mine = [key for key in block if process in chosen[key]]
            steps[process].append([(verbs[process], key) for key in mine])
        own = [("approve", block[0])] if start % (5 * BLOCK) == 0 else []  # and their own
        steps[4].append(own + [("recall", key) for key in block[::4] + before[1::8]])
        steps[5].append([("cancel", key) for key in block[1::4] + before[2::8]])
        overdue = [("lapse", key) for key in block[2::8]]
        claims = [("claim", 0)]
        steps[6].append([] if naive else overdue + claims)
        steps[7].append([] if naive else claims)
        before = [] if naive else block
    return Plan([f"{name}@example.com" if name else "" for name in PEOPLE], steps, naive)


def disagreements(keys: list[int], answers: list[Answer]) -> dict[int, list[str]]:
    """Return what is wrong, by request: in its trail, its row, or what its enemies were told."""
    exports = {e.pk: e for e in ExportRequest.objects.filter(pk__in=keys)}
    found, written = {}, trails()
    said: dict[int, list[Answer]] = {key: [] for key in keys}
    for answer in answers:
        said[answer.export].append(answer)
    for key in keys:
        export, trail = exports[key], written.get(key, [])
        wrong = steps_off(export, trail, start="pending")
        left = [e for e in trail if e.action != "export.claim" and e.action != "export.finish"]
        first = [e.action for e in trail if _leaves_pending(e, trail[0])]
        if len(first) != 1:
            wrong.append(f"{len(first)} left pending: {first}")
        decided = [e.actor_id for e in left if e.action in ("export.approve", "export.reject")]
        if [export.decided_by_id] != (decided or [None]):
            wrong.append(f"decided by {export.decided_by_id}, in the trail by {decided}")
        events = Counter((e.actor.email, e.action) for e in trail if e.actor is not None)
        told = Counter((a.actor, f"export.{a.verb}") for a in said[key] if a.outcome == "done")
        if told != events:
            wrong.append(f"said done {dict(told)}, done {dict(events)}")
        for answer in said[key]:
            own = answer.actor == export.requester.email and answer.verb == "approve"
            if answer.outcome not in ({"SelfApproval"} if own else {"done", "WrongState"}):
                wrong.append(f"{answer.verb} by {answer.actor}: {answer.outcome}")
        if wrong:
            found[key] = wrong
    return found


def _leaves_pending(event: AuditEvent, first: AuditEvent) -> bool:
    """Tell whether an event decides what becomes of a waiting request: the first one, or another
    that can start nowhere else."""
    return event is first or event.action in ("export.approve", "export.reject", "export.lapse")


def _another_approver(c: TinyCompany) -> User:
    return UserFactory(email="ines@example.com", permission_set=c.sets["approver"])


@pytest.mark.django_db(transaction=True)
def test_eight_processes_decide_and_each_request_has_one_winner(c: TinyCompany) -> None:
    c.people["ines"] = _another_approver(c)
    keys = lay_down(c, REQUESTS)
    answers = attack(planned(keys))
    assert disagreements(keys, answers) == {}
    assert len(PEOPLE) == ENEMIES
    trail = trails()
    firsts = Counter(trail[key][0].action for key in keys)
    # Every verb won somewhere, and every verb that can lose lost somewhere.
    verbs = ("approve", "reject", "recall", "cancel", "lapse")
    assert set(firsts) == {f"export.{verb}" for verb in verbs}
    lost = {answer.verb for answer in answers if answer.outcome == "WrongState"}
    assert lost == {"approve", "reject", "recall", "cancel"}
    assert sum(firsts.values()) == REQUESTS
    # Who lost told nobody anything.
    for verb in ("approve", "reject"):
        told = Notice.objects.filter(
            user=c.rita, text__contains=f"{verb.rstrip('e')}ed your export"
        )
        assert told.count() == firsts[f"export.{verb}"]


@pytest.mark.django_db(transaction=True)
def test_deciding_by_reading_first_has_two_winners_somewhere(c: TinyCompany) -> None:
    """The race is real: what reads, compares and saves loses it."""
    c.people["ines"] = _another_approver(c)
    keys = lay_down(c, min(REQUESTS, 10 * BLOCK))
    found = disagreements(keys, attack(planned(keys, naive=True)))
    twice = [wrong for wrong in found.values() if any("left pending" in w for w in wrong)]
    assert twice != []
