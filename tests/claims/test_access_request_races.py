"""Two who decide about one request for access at the same moment: the first decision counts."""

from __future__ import annotations

import pytest

from records.operations.access_requests import request_access
from tests.claims.test_team_tree import is_waiting, wait_until
from tests.support.company import TinyCompany
from tests.support.exports_process import racers

pytestmark = pytest.mark.django_db(transaction=True)

BECAME = {"grant": "granted", "decline": "declined", "withdraw": "withdrawn"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("grant", "nora"), ("decline", "sam")),
        (("decline", "sam"), ("grant", "nora")),
        (("grant", "nora"), ("grant", "sam")),
        (("withdraw", "rita"), ("grant", "nora")),
        (("grant", "nora"), ("withdraw", "rita")),
    ],
)
def test_first_decision_counts_and_the_second_gives_nothing(
    c: TinyCompany, first: tuple[str, str], second: tuple[str, str]
) -> None:
    deal = c.deals["noras"]
    made = request_access(deal, actor=c.rita, reason="I write the offer.")
    each = [
        ("decide_access", step, made.pk, f"{name}@example.com") for step, name in (first, second)
    ]
    with racers((*each[0], "hold"), each[1]) as (one, other):
        one.go()
        assert one.says() == "written"
        other.go()
        wait_until(lambda: other.has_said() or is_waiting())
        one.go()
        assert one.says() == "done"
        said = other.says()
    assert said.startswith("Stale: ")
    made.refresh_from_db()
    assert made.status == BECAME[first[0]]
    givers = list(deal.user_shares.values_list("giver", flat=True))
    assert givers == ([c.people[first[1]].pk] if first[0] == "grant" else [])
