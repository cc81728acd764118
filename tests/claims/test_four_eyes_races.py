"""A decision and a change of what it depends on, at the same moment: one comes first (B5, B7)."""

from __future__ import annotations

import pytest

from exports import deciders
from exports.models import ExportPolicy, ExportRequest
from tests.claims.test_team_tree import is_waiting, wait_until
from tests.support.company import TinyCompany
from tests.support.exports_kit import ask
from tests.support.exports_process import racers

pytestmark = pytest.mark.django_db(transaction=True)

# (what Sam changes, whose request, who decides, what they read when they come second)
CHANGES = [
    ("password", "sam", "axel", "made or changed your account"),
    ("puppet", "rita", "sam", "made the requester’s account"),
    ("set", "rita", "sam", "changed the rules for this requester"),
    ("rules", "rita", "sam", "changed the rules for exports"),
]


def waiting(c: TinyCompany, requester: str) -> ExportRequest:
    ExportPolicy.objects.update(require_approval=True, threshold=0, second_person_above=0)
    return ask(c.people[requester], approvers=[c.sue])


@pytest.mark.parametrize("step", ["approve", "reject"])
@pytest.mark.parametrize(("what", "requester", "decider", "says"), CHANGES)
def test_who_decides_while_the_change_is_being_written_is_refused(
    c: TinyCompany, what: str, requester: str, decider: str, says: str, step: str
) -> None:
    export = waiting(c, requester)
    decision = ("decide", step, export.pk, f"{decider}@example.com", export.version)
    with racers(("change_rights", what, "sam@example.com", "hold"), decision) as (change, other):
        change.go()
        assert change.says() == "written"
        other.go()
        wait_until(lambda: other.has_said() or is_waiting())
        change.go()
        assert change.says() == "done"
        said = other.says()
    assert said.startswith("NotAllowed: ")
    assert says in said
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("pending", None)


@pytest.mark.parametrize(("what", "requester", "decider", "says"), CHANGES)
def test_change_waits_for_a_decision_that_is_being_written(
    c: TinyCompany, what: str, requester: str, decider: str, says: str
) -> None:
    export = waiting(c, requester)
    decision = ("decide", "approve", export.pk, f"{decider}@example.com", export.version, "hold")
    with racers(decision, ("change_rights", what, "sam@example.com")) as (first, change):
        first.go()
        assert first.says() == "looked"
        change.go()
        wait_until(lambda: change.has_said() or is_waiting())
        assert not change.has_said()
        first.go()
        assert first.says() == "done"
        assert change.says() == "done"
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("approved", c.people[decider])
    # From then on the same person is barred.
    bar = deciders.may_not_decide_because(export, c.fresh(decider))
    assert bar is not None
    assert says in bar.because
